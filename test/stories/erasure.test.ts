import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, Outgoing, Provider } from '../../src/channels/provider.ts'
import {
  CreateApiKeyDocument,
  DeleteProviderDocument,
  InboxDocument,
  MergeProfileDocument,
  MessageDocument,
  MessageEventsDocument,
  PutDeviceTokenDocument,
  PutEnvironmentDocument,
  PutProviderDocument,
  SendDocument,
  type SendInput,
  UserDocument,
} from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { everyRowIn } from '../support/every-row.ts'
import { deadlocks, shut } from '../support/gate.ts'
import { settledRequest } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'
import { newBrowser } from '../support/push.ts'

const Delete = document<{ deleteUser: boolean }>('mutation ($userId: ID!) { deleteUser(userId: $userId) }')
const Counts = document<{ request: { counts: Record<string, number> } }>(
  'query ($id: ID!) { request(id: $id) { counts { total pending sent failed canceled } } }',
)
/** A mail carrier of somebody else's whose answers are the test's. */
const POST = { kind: 'post', channel: 'EMAIL', name: 'Post', settings: z.object({}) } as const
const HOUR_MS = 3_600_000

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let devices: Receiver
    let deliver: (outgoing: Outgoing) => Promise<Outcome>

    beforeAll(async () => {
      devices = await startReceiver({ answer: answering(201) })
      home = await house({
        mode,
        world: { providers: [{ ...POST, deliver: (outgoing: Outgoing) => deliver(outgoing) } as Provider] },
      })
    })
    afterAll(async () => {
      await home.stop()
      await devices.close()
    })
    afterEach(async () => {
      for (const id of ['post', 'smtp', 'inbox', 'webpush']) await home.client.send(DeleteProviderDocument, { id })
    })

    const erase = async (userId: string, client = home.client) => dataOf(await client.send(Delete, { userId })).deleteUser
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const countsOf = async (id: string) => dataOf(await home.client.send(Counts, { id })).request.counts

    /** Mail goes through the test's carrier, and nothing goes anywhere else. */
    async function onlyByPost(answer: typeof deliver) {
      deliver = answer
      const put = (id: string, input: { kind: string; enabled: boolean }) =>
        home.client.send(PutProviderDocument, { id, input: { ...input, settings: {} } })
      dataOf(await put('post', { kind: 'post', enabled: true }))
      dataOf(await put('inbox', { kind: 'inbox', enabled: false }))
      const settings = { url: home.smtp.url, from: 'off@example.com' }
      dataOf(await home.client.send(PutProviderDocument, { id: 'smtp', input: { kind: 'smtp', settings, enabled: false } }))
    }

    const everyRow = async () => (await everyRowIn(home.databaseUrl)).join('\n')
    const linesWith = (text: string, canary: string) => text.split('\n').filter((line) => line.includes(canary))

    async function untilEvent(id: string, type: string) {
      for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } })) {
        if (dataOf(result).messageEvents.type === type) return
      }
    }

    /** A person of whom much is known, by one word that stands nowhere else. */
    async function furnishUser(canary: string): Promise<SendInput> {
      const userId = `${canary}-user`
      const profile = { email: `${canary}@example.com`, name: canary, own: { [canary]: canary } }
      dataOf(await home.client.send(MergeProfileDocument, { userId, profile }))
      const token = `${devices.url}/${canary}`
      const input = { kind: 'webpush', token, keys: newBrowser().keys, device: { model: canary } }
      dataOf(await home.client.send(PutDeviceTokenDocument, { userId, input }))
      const around = `mutation {
        putEnvironment(id: "production", input: { name: "Production", sendLimits: [
          { scope: USER, max: 1000, period: MONTH }, { scope: USER_TOPIC, max: 1000, period: DAY }, { scope: ALL, max: 1000, period: DAY }
        ] }) { id }
        putTopic(id: "news-${canary.length}", input: { name: "News", defaultStatus: OPTED_IN }) { id }
        setPreference(userId: "${userId}", input: { topicId: "news-${canary.length}", status: OPTED_IN }) { status }
        subscribeToList(listId: "readers", userIds: ["${userId}"]) { id }
        putTenant(id: "acme", input: { name: "Acme" }) { id }
        addTenantMember(tenantId: "acme", userId: "${userId}", profile: { nickname: "${canary}" }) { id }
      }`
      dataOf(await home.client.send(document(around), {}))
      return {
        to: [{ userId, email: `${canary}-2@example.com`, profile: { note: canary }, data: { secret: canary } }],
        content: { title: canary, body: `Dear ${canary}` },
        data: { shared: canary },
        topicId: `news-${canary.length}`,
        metadata: { tags: ['kept'], event: 'kept-event', traceId: canary },
        channels: {
          email: { override: { replyTo: `${canary}@example.com`, attachments: [{ filename: `${canary}.txt`, content: '' }] } },
          inbox: { override: { title: canary, data: { [canary]: canary } } },
        },
        providers: [{ providerId: 'smtp', override: { [canary]: canary } }],
      }
    }

    test('An erased user is gone, and asked again there is nobody to erase', async () => {
      const input = await furnishUser('canary-gone')
      await home.journey(await home.send(input))
      expect(await erase('canary-gone-user')).toBe(true)
      expect(dataOf(await home.client.send(UserDocument, { id: 'canary-gone-user' })).user).toBeNull()
      expect(await erase('canary-gone-user')).toBe(false)
      expect(await erase('nobody-ever')).toBe(false)
      expect(refusalOf(await home.client.send(Delete, { userId: ' ' }))).toEqual({ code: 'BAD_USER_INPUT', path: 'userId' })
    })

    test('Of messages that were sent, status, times and counts stay; whom they reached and what they said does not', async () => {
      const input = await furnishUser('canary-sent')
      const byMail = await home.send(input)
      const byPush = await home.send({ ...input, to: [{ userId: 'canary-sent-user' }] })
      dataOf(
        await home.client.send(PutProviderDocument, {
          id: 'smtp',
          input: { kind: 'smtp', settings: { url: home.smtp.url, from: 'a@example.com' }, enabled: false },
        }),
      )
      const toInbox = await home.send({ ...input, to: [{ userId: 'canary-sent-user' }] })
      await home.settled([byMail, byPush, toInbox])
      const before = await messageOf(byMail)
      expect(linesWith(await everyRow(), 'canary-sent').length > 0).toBe(home.databaseUrl !== null)
      for (const scope of ['USER', 'USER_TOPIC']) {
        const counted = new RegExp(`send_count: [^)]*${scope}\n\\w+\ncanary-sent-user`).test(await everyRow())
        expect(counted).toBe(home.databaseUrl !== null)
      }
      expect(await erase('canary-sent-user')).toBe(true)
      const after = await messageOf(byMail)
      expect(after).toMatchObject({
        status: 'SENT',
        sentAt: before.sentAt,
        updatedAt: before.updatedAt,
        userId: null,
        recipient: '(erased)',
        traceId: null,
        tags: ['kept'],
        event: 'kept-event',
        output: [],
        decisions: [],
      })
      expect(after.deliveries.map(({ channel, status }) => [channel, status])).toEqual(
        before.deliveries.map(({ channel, status }) => [channel, status]),
      )
      expect(after.deliveries).toMatchObject([{ address: '(erased)', reference: null }])
      expect(after.history.nodes.map(({ type }) => type)).toEqual(before.history.nodes.map(({ type }) => type))
      expect(await countsOf(byMail)).toMatchObject({ total: 1, sent: 1 })
      const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'canary-sent-user' }))
      expect(inbox.edges).toEqual([])
      expect(linesWith(await everyRow(), 'canary-sent')).toEqual([])
    })

    test("Words of a provider's refusal, which may name the address, go as well", async () => {
      await onlyByPost(() => Promise.resolve({ kind: 'rejected', what: 'address', error: 'no mailbox canary-words here' }))
      const id = await home.send({ ...(await furnishUser('canary-words')), to: [{ userId: 'canary-words-user' }] })
      await home.journey(id)
      await erase('canary-words-user')
      expect(linesWith(JSON.stringify(await messageOf(id)), 'canary-words')).toEqual([])
      expect(linesWith(await everyRow(), 'canary-words')).toEqual([])
    })

    test("A provider's own id for what it took goes from the delivery and from the log", async () => {
      await onlyByPost(() => Promise.resolve({ kind: 'accepted', reference: '<canary-named@post.example>' }))
      const id = await home.send({ ...(await furnishUser('canary-named')), to: [{ userId: 'canary-named-user' }] })
      const sent = await home.journey(id)
      expect(sent.at(-1)).toMatchObject({ type: 'SENT', detail: { reference: '<canary-named@post.example>' } })
      await erase('canary-named-user')
      expect((await home.journey(id)).map(({ type }) => type)).toEqual(sent.map(({ type }) => type))
      expect(linesWith(JSON.stringify([await messageOf(id), await home.journey(id)]), 'canary-named')).toEqual([])
      expect(linesWith(await everyRow(), 'canary-named')).toEqual([])
    })

    test('A message that waits for its next try is canceled, its waiting is over, and nothing of it is kept', async () => {
      let calls = 0
      await onlyByPost(() => {
        calls += 1
        return Promise.resolve({ kind: 'retry', error: 'later, canary-waits', afterMs: HOUR_MS })
      })
      const userId = 'canary-waits-user'
      const id = await home.send({
        to: [{ userId, email: 'canary-waits@example.com', data: { x: 'canary-waits' } }],
        content: { title: 'canary-waits' },
      })
      await untilEvent(id, 'RETRYING')
      expect(await messageOf(id)).toMatchObject({ status: 'ROUTED' })
      expect(await erase(userId)).toBe(true)
      const events = await home.journey(id)
      expect(events.at(-1)).toMatchObject({ type: 'CANCELED', status: 'CANCELED' })
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'CANCELED', userId: null, recipient: '(erased)', error: null })
      expect(message.canceledAt).not.toBeNull()
      expect(message.deliveries).toMatchObject([{ status: 'UNDELIVERABLE', nextAttemptAt: null, error: null }])
      expect(message.deliveries[0]?.attempts).toMatchObject([{ outcome: 'RETRY', error: null }])
      expect(await countsOf(id)).toMatchObject({ total: 1, canceled: 1, pending: 0 })
      expect(calls).toBe(1)
      expect(linesWith(await everyRow(), 'canary-waits')).toEqual([])
    })

    test('The late answer of a call that was under way writes nothing back', async () => {
      const answers = new Map<string, (outcome: Outcome) => void>()
      const called = new Promise<void>((resolve) => {
        deliver = ({ messageId }) =>
          new Promise((answer) => {
            answers.set(messageId, answer)
            resolve()
          })
      })
      await onlyByPost(deliver)
      const id = await home.send({
        to: [{ userId: 'canary-late-user', email: 'canary-late@example.com' }],
        content: { title: 'canary-late' },
      })
      await called
      expect(await erase('canary-late-user')).toBe(true)
      const erased = await messageOf(id)
      expect(erased).toMatchObject({ status: 'CANCELED', deliveries: [{ status: 'UNKNOWN', address: '(erased)' }] })
      answers.get(id)!({ kind: 'accepted', reference: 'canary-late' })
      deliver = () => Promise.resolve({ kind: 'accepted' })
      await home.journey(await home.send({ to: [{ email: 'another@example.com' }], content: { title: 'Meanwhile' } }))
      expect(await messageOf(id)).toEqual(erased)
      expect(linesWith(await everyRow(), 'canary-late')).toEqual([])
    })

    test('What a send says to several stays for the others until the last of them is erased', async () => {
      const to = [{ userId: 'shared-first' }, { userId: 'shared-second' }]
      const { send } = dataOf(await home.client.send(SendDocument, { input: { to, content: { title: 'canary-shared' } } }))
      const ids = await messagesOf(send.requestId)
      await home.settled(ids)
      await erase('shared-first')
      const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'shared-second' }))
      expect(inbox.edges.map(({ node }) => node.title)).toEqual(['canary-shared'])
      expect(await countsOf(send.requestId)).toMatchObject({ total: 2, sent: 2 })
      if (home.databaseUrl !== null) expect(linesWith(await everyRow(), 'canary-shared')).not.toEqual([])
      await erase('shared-second')
      expect(linesWith(await everyRow(), 'canary-shared')).toEqual([])
      expect(await countsOf(send.requestId)).toMatchObject({ total: 2, sent: 2 })
    })

    async function messagesOf(requestId: string): Promise<string[]> {
      const asked = document<{ request: { messages: { nodes: { id: string }[] } } }>(
        'query ($id: ID!) { request(id: $id) { messages { nodes { id } } } }',
      )
      return dataOf(await home.client.send(asked, { id: requestId })).request.messages.nodes.map(({ id }) => id)
    }

    test('A user of the same id in another environment is somebody else', async () => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'other', input: { name: 'Other' } }))
      const created = await home.client.send(CreateApiKeyDocument, {
        input: { name: 'other', scopes: ['ADMIN'], environmentId: 'other' },
      })
      const other: Client = home.enter(dataOf(created).createApiKey.secret)
      for (const client of [home.client, other]) {
        dataOf(await client.send(MergeProfileDocument, { userId: 'twin', profile: { name: 'Twin' } }))
        const { requestId } = dataOf(
          await client.send(SendDocument, { input: { to: [{ userId: 'twin' }], content: { title: 'Twin' } } }),
        ).send
        if (client === home.client) await home.journey(requestId)
      }
      expect(await erase('twin')).toBe(true)
      expect(dataOf(await other.send(UserDocument, { id: 'twin' })).user?.profile).toEqual({ name: 'Twin' })
      expect(await erase('twin')).toBe(false)
      expect(await erase('twin', other)).toBe(true)
    })

    test('Erasing a user who is being written to, merged and sent to at the same time fails for nobody', async () => {
      const userId = 'canary-busy-user'
      const input = { to: [{ userId, data: { x: 'canary-busy' } }], content: { title: 'canary-busy' } }
      const token = (n: number) => ({ kind: 'webpush', token: `${devices.url}/canary-busy/${n}`, keys: newBrowser().keys })
      const answers = await Promise.all(
        Array.from({ length: 40 }, async (_, n) => {
          const client = home.clients[n % home.clients.length]!
          if (n % 4 === 0) return client.send(Delete, { userId })
          if (n % 4 === 1) return client.send(MergeProfileDocument, { userId, profile: { own: 'canary-busy' } })
          if (n % 4 === 2) return client.send(PutDeviceTokenDocument, { userId, input: token(n) })
          return client.send(SendDocument, { input })
        }),
      )
      for (const { errors } of answers) {
        // Erased before it was shown.
        expect(errors.filter(({ extensions }) => extensions.code !== 'NOT_FOUND')).toEqual([])
      }
      await erase(userId)
      expect(await erase(userId)).toBe(false)
      expect(linesWith(await everyRow(), 'canary-busy')).toEqual([])
    })

    test.skipIf(mode !== 'PostgreSQL and Redis').each([
      ['setPreference', 'preference', 'setPreference(userId: "canary-met", input: { topicId: "met", status: OPTED_IN }) { id }'],
      [
        'setPreferences',
        'preference',
        'setPreferences(userId: "canary-met", inputs: [{ topicId: "met", status: OPTED_IN }]) { id }',
      ],
      ['addTenantMember', 'tenant_member', 'addTenantMember(tenantId: "met", userId: "canary-met") { id }'],
      ['putDeviceToken', 'device_token', null],
      ['subscribeToList', 'list_subscription', 'subscribeToList(listId: "met", userIds: ["canary-met"]) { id }'],
    ])('An erasure that meets %s half-way takes back what it wrote, and neither fails', async (_name, table, source) => {
      const userId = 'canary-met'
      const around = 'putTopic(id: "met", input: { name: "Met", defaultStatus: OPTED_IN }) { id }'
      dataOf(await home.client.send(document(`mutation { ${around} putTenant(id: "met", input: { name: "Met" }) { id } }`), {}))
      dataOf(await home.client.send(MergeProfileDocument, { userId, profile: {} }))
      const token = { kind: 'webpush', token: `${devices.url}/canary-met`, keys: newBrowser().keys }
      const gate = await shut(home.databaseUrl!, table)
      const writing = source
        ? home.client.send(document(`mutation { ${source} }`), {})
        : home.client.send(PutDeviceTokenDocument, { userId, input: token })
      await gate.waiting(1)
      const erasing = home.clients[1]!.send(Delete, { userId })
      await gate.waiting(2)
      await gate.open()
      const { errors } = await writing
      // Erased before it was shown.
      expect(errors.filter(({ extensions }) => extensions.code !== 'NOT_FOUND')).toEqual([])
      expect(dataOf(await erasing).deleteUser).toBe(true)
      expect(linesWith(await everyRow(), userId)).toEqual([])
    })

    test.skipIf(mode !== 'PostgreSQL and Redis')(
      'Who is erased while a list is expanded gets no message, and the others get theirs',
      async () => {
        const subscribe = 'subscribeToList(listId: "left", userIds: ["canary-left", "who-stays"]) { id }'
        dataOf(await home.client.send(document(`mutation { ${subscribe} }`), {}))
        const gate = await shut(home.databaseUrl!, 'list_subscription')
        const erasing = home.client.send(Delete, { userId: 'canary-left' })
        await gate.waiting(1)
        const input = { to: [{ listId: 'left' }], content: { title: 'To those who are left' } }
        const { requestId } = dataOf(await home.client.send(SendDocument, { input })).send
        await gate.waiting(2)
        await gate.open()
        expect(dataOf(await erasing).deleteUser).toBe(true)
        expect((await settledRequest(home.client, requestId)).map(({ userId, status }) => [userId, status])).toEqual([
          ['who-stays', 'SENT'],
        ])
        expect(linesWith(await everyRow(), 'canary-left')).toEqual([])
      },
    )

    test.skipIf(mode !== 'PostgreSQL and Redis')('An erasure that meets a deleteTenant half-way fails neither', async () => {
      const around = `mutation {
        putTopic(id: "met", input: { name: "Met", defaultStatus: OPTED_IN }) { id }
        putTenant(id: "met-and-gone", input: { name: "Met" }) { id }
        addTenantMember(tenantId: "met-and-gone", userId: "canary-met") { id }
        setPreference(userId: "canary-met", input: { topicId: "met", tenantId: "met-and-gone", status: OPTED_IN }) { id }
      }`
      dataOf(await home.client.send(document(around), {}))
      const gate = await shut(home.databaseUrl!, 'list_subscription')
      const erasing = home.client.send(Delete, { userId: 'canary-met' })
      await gate.waiting(1)
      const deleteTenant = document<{ deleteTenant: boolean }>('mutation { deleteTenant(id: "met-and-gone") }')
      const deleting = home.clients[1]!.send(deleteTenant, {})
      await gate.waiting(2)
      await gate.open()
      expect(dataOf(await erasing).deleteUser).toBe(true)
      expect(dataOf(await deleting).deleteTenant).toBe(true)
      expect(await deadlocks(home.databaseUrl!)).toBe(0)
    })
  })
}
