import { isObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { API_KEY_SCOPES, type ApiKeyScope, TOKEN_SCOPES, type TokenScope } from '../../src/domain/actor.ts'
import { schema } from '../../src/graphql/schema.ts'
import { CreateApiKeyDocument, IssueTokenDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, document, type House, house, refusalOf } from '../support/house.ts'
import { operationOf, type RootField, rootFields } from './operations.ts'

let home: House

beforeAll(async () => {
  home = await house({ mode: 'PostgreSQL and Redis' })
})
afterAll(() => home.stop())

interface Declared {
  readonly $any?: { readonly key?: readonly ApiKeyScope[]; readonly token?: readonly TokenScope[] }
}

function declaredBy(extensions: unknown): Declared | undefined {
  return (extensions as { pothosOptions?: { authScopes?: Declared } }).pothosOptions?.authScopes
}

function scopesOf(root: RootField): { key: readonly ApiKeyScope[]; token: readonly TokenScope[] } {
  const { key = [], token = [] } = declaredBy(root.field.extensions)?.$any ?? {}
  return { key, token }
}

const fields = rootFields().map((root) => [`${root.operation} ${root.name}`, root] as const)
const ids = (path: string) => (path === 'id' || path.endsWith('.id') ? 'some-id' : undefined)

function ask(client: Client, root: RootField) {
  const { source, variables } = operationOf(root, ids)
  if (root.operation !== 'subscription') return client.send(document(source), variables)
  return first(client, source, variables)
}

/** What refuses a subscription comes at once; one that was let in has nothing to say here. */
async function first(client: Client, source: string, variables: Record<string, unknown>) {
  const ended = new AbortController()
  const events = client.sse(document(source), variables, { signal: ended.signal })
  const answer = await Promise.race([events.next(), letIn()])
  ended.abort()
  return answer?.value || { data: null, errors: [] }
}

const letIn = () => new Promise<null>((resolve) => setTimeout(resolve, 500, null))

async function keyWith(scopes: readonly ApiKeyScope[]): Promise<Client> {
  const created = await home.client.send(CreateApiKeyDocument, { input: { name: 'k', scopes: [...scopes] } })
  return home.enter(dataOf(created).createApiKey.secret)
}

async function tokenWith(scopes: readonly TokenScope[]): Promise<Client> {
  const input = { userId: 'somebody', scopes: [...scopes], expiresIn: 'PT1H' }
  return home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
}

describe.each(fields)('The %s', (_name, root) => {
  test('says who may ask for it', () => {
    expect(declaredBy(root.field.extensions)?.$any?.key).not.toHaveLength(0)
    expect(declaredBy(root.field.extensions)?.$any?.key).toBeDefined()
  })

  test('is refused to a caller without a key', async () => {
    for (const client of [home.enter(null), home.enter('ck_live_unknown'), home.enter('not.a.token')]) {
      expect(refusalOf(await ask(client, root)).code).toBe('UNAUTHENTICATED')
    }
  })

  test('is refused to a key with every other scope', async () => {
    const others = API_KEY_SCOPES.filter((scope) => scope !== 'ADMIN' && !scopesOf(root).key.includes(scope))
    if (others.length === 0) return
    const { errors } = await ask(await keyWith(others), root)
    expect(errors.map(({ extensions }) => extensions.code)).toContain('FORBIDDEN')
    expect(errors[0]?.extensions).toMatchObject({ code: 'FORBIDDEN', type: 'authorization_error', status: 403 })
  })

  test('is refused to a user token with every other scope', async () => {
    const others = TOKEN_SCOPES.filter((scope) => !scopesOf(root).token.includes(scope))
    if (others.length === 0) return
    expect(refusalOf(await ask(await tokenWith(others), root)).code).toBe('FORBIDDEN')
  })

  test('lets in whom it says, and ADMIN', async () => {
    const allowed = [
      ...scopesOf(root).key.map((scope) => keyWith([scope])),
      ...scopesOf(root).token.map((scope) => tokenWith([scope])),
      Promise.resolve(home.client),
    ]
    for (const client of allowed) {
      const { errors } = await ask(await client, root)
      const refusedHere = errors.filter(({ path, extensions }) => path?.length === 1 && extensions.code === 'FORBIDDEN')
      expect(refusedHere).toEqual([])
    }
  })
})

test('Every object type says who may see it', () => {
  const roots = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
  const open = Object.values(schema.getTypeMap())
    .filter((type) => isObjectType(type) && !type.name.startsWith('__') && !roots.includes(type))
    .filter((type) => declaredBy(type.extensions)?.$any?.key === undefined)
  expect(open.map(({ name }) => name)).toEqual([])
})

test('The schema is shown to nobody without a key', async () => {
  const introspection = document('{ __schema { types { name } } }')
  expect(refusalOf(await home.enter(null).send(introspection, {})).code).toBe('UNAUTHENTICATED')
  dataOf(await home.client.send(introspection, {}))
})

test('What hangs on an answer is refused to a scope that may not see it, and the rest of the answer stands', async () => {
  const reader = await keyWith(['USERS_READ'])
  await home.journey(await home.send({ to: [{ userId: 'hanging' }], content: { title: 'x' } }))
  const answer = await reader.send(document('{ user(id: "hanging") { id messages { nodes { id } } } }'), {})
  expect(refusalOf(answer).code).toBe('FORBIDDEN')
})
