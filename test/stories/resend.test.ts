import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, MessageDocument } from '../generated/graphql.ts'
import type { SendOptions } from '../support/client.ts'
import { ask, settledRequest } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

const Resend = document<{ resendMessage: { id: string; requestId: string; resendOf: string; status: string } }>(
  'mutation ($id: ID!, $key: String) { resendMessage(id: $id, idempotencyKey: $key) { id requestId resendOf status } }',
)

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      await ask(home.client, 'mutation { putTopic(id: "doors", input: { name: "Doors", defaultStatus: OPTED_IN }) { id } }')
      await ask(home.client, 'mutation { putTenant(id: "acme", input: { name: "Acme" }) { id } }')
    })
    afterAll(() => home.stop())
    afterEach(() => {
      home.smtp.script = {}
    })

    const resend = (id: string, key: string | null = null, options: SendOptions = {}, client = home.client) =>
      client.send(Resend, { id, key }, options)
    const again = async (id: string) => dataOf(await resend(id)).resendMessage.id
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const mailsTo = (address: string) => home.smtp.mails.filter(({ recipients }) => recipients.includes(address))
    const headerOf = (source: string, name: string) => new RegExp(`^${name}:\\s+(.*)$`, 'im').exec(source)?.[1]

    test('A message is sent again as a new message of a new request, to the same recipient with the same content', async () => {
      const id = await home.send({
        to: [{ userId: 'ada', email: 'ada@example.com', data: { day: 'Friday' } }],
        content: { title: 'Doors open on {{day}}' },
        tenantId: 'acme',
        topicId: 'doors',
        metadata: { tags: ['doors'], event: 'doors-open', traceId: 'trace-1' },
      })
      await home.journey(id)
      const before = await messageOf(id)
      const answer = dataOf(await resend(id)).resendMessage
      expect(answer).toEqual({ id: expect.any(String), requestId: answer.id, resendOf: id, status: expect.any(String) })
      expect(answer.id).not.toBe(id)
      const types = (await home.journey(answer.id)).map(({ type }) => type)
      expect(types).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT'])
      const { userId, recipient, tenantId, topicId, tags, event, traceId } = before
      expect(await messageOf(answer.id)).toMatchObject({
        userId,
        recipient,
        tenantId,
        topicId,
        tags,
        event,
        traceId,
        resendOf: id,
      })
      expect(await messageOf(id)).toEqual(before)
      const [first, second] = mailsTo('ada@example.com')
      expect(headerOf(first!.source, 'Subject')).toBe('Doors open on Friday')
      expect(headerOf(second!.source, 'Subject')).toBe('Doors open on Friday')
      expect(headerOf(second!.source, 'Message-ID')).not.toBe(headerOf(first!.source, 'Message-ID'))
    })

    test('One of a list is sent again to itself alone, with what was said to the list', async () => {
      await ask(home.client, 'mutation { subscribeToList(listId: "guests", userIds: ["bob", "cid"]) { id } }')
      const content = { title: 'Hello {{name}}' }
      const id = await home.send({ to: [{ listId: 'guests', data: { name: 'guest' }, tenantId: 'acme' }], content })
      const bob = (await settledRequest(home.client, id)).find(({ userId }) => userId === 'bob')!
      const copy = await again(bob.id)
      await home.journey(copy)
      expect(await messageOf(copy)).toMatchObject({ userId: 'bob', listId: 'guests', tenantId: 'acme', status: 'SENT' })
      expect((await messageOf(copy)).output).toMatchObject([{ title: 'Hello guest' }])
      expect(await settledRequest(home.client, copy)).toHaveLength(1)
      expect(await settledRequest(home.client, id)).toHaveLength(2)
    })

    test('What bounced can be sent again, and the preferences that hold then decide', async () => {
      home.smtp.script = { rcpt: '550 5.1.1 No such mailbox here' }
      const bounced = await home.send({ to: [{ email: 'dot@example.com' }], content: { title: 'Hello' } })
      await home.journey(bounced)
      home.smtp.script = {}
      const copy = await again(bounced)
      expect((await home.journey(copy)).at(-1)).toMatchObject({ status: 'SENT' })
      expect(await messageOf(bounced)).toMatchObject({ status: 'UNDELIVERABLE' })

      const first = await home.send({ to: [{ userId: 'eve' }], content: { title: 'Hello' }, topicId: 'doors' })
      expect((await home.journey(first)).at(-1)).toMatchObject({ status: 'SENT' })
      await ask(
        home.client,
        'mutation { setPreference(userId: "eve", input: { topicId: "doors", status: OPTED_OUT }) { status } }',
      )
      expect((await home.journey(await again(first))).at(-1)).toMatchObject({ status: 'FILTERED', reason: 'UNSUBSCRIBED' })
    })

    test('What was to wait is sent again at once', async () => {
      const to = [{ userId: 'fay' }]
      const waiting = await home.send({ to, content: { title: 'Hello' }, delay: { duration: 'PT1H' } })
      const copy = await again(waiting)
      expect((await home.journey(copy)).map(({ type }) => type)).toContain('SENT')
      expect(await messageOf(copy)).toMatchObject({ scheduledFor: null, expiresAt: null })
    })

    test('With an idempotency key a message is sent again once', async () => {
      const id = await home.send({ to: [{ userId: 'guy' }], content: { title: 'Hello' } })
      const other = await home.send({ to: [{ userId: 'guy' }], content: { title: 'Hello' } })
      const first = dataOf(await resend(id, 'key-1')).resendMessage
      expect(dataOf(await resend(id, 'key-1')).resendMessage.id).toBe(first.id)
      expect(dataOf(await resend(id, null, { idempotencyKey: 'key-1' })).resendMessage.id).toBe(first.id)
      expect(refusalOf(await resend(other, 'key-1')).code).toBe('IDEMPOTENCY_KEY_REUSED')
      const unequal = await resend(id, 'key-1', { idempotencyKey: 'key-2' })
      expect(refusalOf(unequal)).toEqual({ code: 'BAD_USER_INPUT', path: 'idempotencyKey' })
      expect(dataOf(await resend(id, 'key-3')).resendMessage.id).not.toBe(first.id)
    })

    test('A key for simulation sends again without calling a provider', async () => {
      const input = { name: 'Sim', scopes: ['MESSAGES_WRITE' as const], mode: 'SIMULATE' as const }
      const { createApiKey } = dataOf(await home.client.send(CreateApiKeyDocument, { input }))
      const id = await home.send({ to: [{ email: 'hal@example.com' }], content: { title: 'Hello' } })
      await home.journey(id)
      const copy = dataOf(await resend(id, null, {}, home.enter(createApiKey.secret))).resendMessage.id
      expect((await home.journey(copy)).at(-1)).toMatchObject({ status: 'SIMULATED' })
      expect(mailsTo('hal@example.com')).toHaveLength(1)
    })

    test('A message to a user who was erased cannot be sent again', async () => {
      const id = await home.send({ to: [{ userId: 'ian' }], content: { title: 'Hello' } })
      await home.journey(id)
      const copy = await again(id)
      await home.journey(copy)
      await ask(home.client, 'mutation { deleteUser(userId: "ian") }')
      for (const one of [id, copy]) {
        const { errors } = await resend(one)
        expect(errors).toMatchObject([
          {
            message: 'The user whom the message was for was erased: it cannot be sent again.',
            extensions: { code: 'CONFLICT', status: 409 },
          },
        ])
      }
    })
  })
}
