import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  IssueTokenDocument,
  PutDeviceTokenDocument,
  SendDocument,
  UserDocument,
} from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { newBrowser } from '../support/push.ts'

const content = { title: 'Your code', body: '123 456' }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    async function tokenFor(requestId: string) {
      const input = { userId: 'watcher', requestIds: [requestId], scopes: ['MESSAGES_READ' as const], expiresIn: 'PT1H' }
      return home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
    }

    test('A token that names a request follows its status, and sees neither what it says nor to whom', async () => {
      const { send } = dataOf(
        await home.client.send(SendDocument, { input: { to: [{ userId: 'eve', email: 'eve@example.com' }], content } }),
      )
      const id = send.message!.id
      await home.settled([id])
      const token = await tokenFor(send.requestId)
      const status = await token.send(document(`{ message(id: "${id}") { status history { nodes { type error detail } } } }`), {})
      expect(dataOf(status)).toMatchObject({ message: { status: 'SENT' } })
      expect(JSON.stringify(status)).not.toContain('eve')
      for (const field of ['recipient', 'userId', 'output { text }', 'deliveries { address }', 'decisions { because }']) {
        const answer = await token.send(document(`{ message(id: "${id}") { ${field} } }`), {})
        expect(refusalOf(answer).code).toBe('FORBIDDEN')
        expect(JSON.stringify(answer)).not.toMatch(/eve|123 456/)
      }
    })

    test('A token sees whole what is for its own user', async () => {
      dataOf(await home.client.send(SendDocument, { input: { to: [{ userId: 'watcher' }, { userId: 'other' }], content } }))
      const token = await tokenFor('req_none')
      const mine = document('{ messages { nodes { recipient userId output { text } request { counts { total } } } } }')
      await expect
        .poll(async () => dataOf(await token.send(mine, {})))
        .toEqual({
          messages: {
            nodes: [
              { recipient: 'watcher', userId: 'watcher', output: [{ text: '123 456' }], request: { counts: { total: 1 } } },
            ],
          },
        })
    })

    test('A key that may only send cannot follow everybody', async () => {
      const input = { name: 'sender', scopes: ['SEND' as const] }
      const { secret } = dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey
      const sender = home.enter(secret)
      const { value } = await sender
        .sse(document('subscription { messageEvents(filter: { all: true }) { messageId } }'), {})
        .next()
      expect(refusalOf(value!).code).toBe('FORBIDDEN')
      dataOf(await sender.send(SendDocument, { input: { to: [{ userId: 'watcher' }], content } }))
    })

    test('A real send is never answered with what a SIMULATE key rehearsed under the same idempotency key', async () => {
      const input = { name: 'rehearsal', scopes: ['SEND' as const, 'MESSAGES_READ' as const], mode: 'SIMULATE' as const }
      const { secret } = dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey
      const options = { idempotencyKey: 'launch-1' }
      const variables = { input: { to: [{ userId: 'watcher' }], content } }
      dataOf(await home.enter(secret).send(SendDocument, variables, options))
      expect(refusalOf(await home.client.send(SendDocument, variables, options)).code).toBe('IDEMPOTENCY_KEY_REUSED')
    })

    test('A token is issued once for an idempotency key', async () => {
      const variables = { input: { userId: 'watcher', scopes: ['INBOX_READ' as const], expiresIn: 'PT1H' } }
      const options = { idempotencyKey: 'token-1' }
      const first = dataOf(await home.client.send(IssueTokenDocument, variables, options))
      expect(dataOf(await home.client.send(IssueTokenDocument, variables, options))).toEqual(first)
    })

    test('Data of more than 262,144 characters is refused with its path', async () => {
      const data = { big: 'x'.repeat(262_144) }
      const asData = await home.client.send(SendDocument, { input: { to: [{ userId: 'watcher' }], content, data } })
      expect(refusalOf(asData)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.data' })
      const asProfile = await home.client.send(SendDocument, { input: { to: [{ userId: 'watcher', profile: data }], content } })
      expect(refusalOf(asProfile)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.to.0.profile' })
    })

    test('A user with more than 20 devices keeps the newest', async () => {
      const { keys } = newBrowser()
      for (let n = 0; n < 22; n++) {
        const input = { kind: 'webpush', token: `https://push.example.com/${n}`, keys }
        dataOf(await home.client.send(PutDeviceTokenDocument, { userId: 'collector', input }))
      }
      const { deviceTokens } = dataOf(await home.client.send(UserDocument, { id: 'collector' })).user!
      expect(deviceTokens.filter(({ status }) => status === 'ACTIVE')).toHaveLength(20)
      expect(deviceTokens.filter(({ status }) => status === 'REVOKED').map(({ token }) => token)).toEqual([
        'https://push.example.com/0',
        'https://push.example.com/1',
      ])
    })
  })
}
