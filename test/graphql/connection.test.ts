import { expect, test } from 'vitest'
import { keyset } from '../../src/graphql/connection.ts'
import type { Context } from '../../src/graphql/context.ts'
import { createSecrets } from '../../src/secrets.ts'

const secrets = createSecrets([new Uint8Array(32).fill(7)])
const purposes = new Set<string>()
const signer = {
  sign(purpose: string, text: string) {
    purposes.add(purpose)
    return secrets.sign(purpose, text)
  },
  verify(purpose: string, text: string, signature: string) {
    purposes.add(purpose)
    return secrets.verify(purpose, text, signature)
  },
}

const places = (environmentId: string, list: string) =>
  keyset<string>({ graph: { signer }, actor: { kind: 'key', environmentId } } as unknown as Context, list, (row) => [row, 'id'])

test('a cursor of a page holds in its own list and environment only', async () => {
  const cursor = await places('production', 'inbox/ann').encode('2030')
  expect(places('production', 'inbox/ann').decode(cursor)).toEqual(['2030', 'id'])
  for (const [environmentId, list] of [
    ['production', 'inbox/bob'],
    ['staging', 'inbox/ann'],
  ] as const)
    expect(() => places(environmentId, list).decode(cursor)).toThrow('This cursor is not one of this list.')
})

test('what callers name makes no keys: however many lists there are, their cursors are signed for one purpose', async () => {
  for (let user = 0; user < 100; user += 1) {
    const own = places(`environment-${user}`, `inbox/user-${user}`)
    own.decode(await own.encode('2030'))
  }
  expect([...purposes]).toEqual(['page'])
})
