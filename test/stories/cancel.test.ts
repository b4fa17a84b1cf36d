import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, Provider } from '../../src/channels/provider.ts'
import { MessageDocument, MessageEventsDocument, PutProviderDocument } from '../generated/graphql.ts'
import { type Gate, shut } from '../support/gate.ts'
import { ask } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES } from '../support/house.ts'

/** Carriers of somebody else's whose answers are the test's: one by mail, one to whoever has a user id. */
const POST = { kind: 'post', channel: 'EMAIL', name: 'Post', settings: z.object({}) } as const
const DESK = { ...POST, kind: 'desk', channel: 'INBOX', name: 'Desk' } as const
const LATER: Outcome = { kind: 'retry', afterMs: 60_000, error: 'Busy.' }

const Cancel = document<{ cancelMessage: { status: string; canceledAt: string } }>(
  'mutation ($id: ID!) { cancelMessage(id: $id) { status canceledAt } }',
)

interface RequestState {
  readonly expanded: boolean
  readonly counts: { readonly total: number; readonly pending: number; readonly sent: number; readonly canceled: number }
}
const STATE = '{ expanded counts { total pending sent canceled } }'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let deliver: Provider['deliver']
    let calls: string[]

    beforeAll(async () => {
      const told: Pick<Provider, 'deliver'> = { deliver: (...call) => deliver(...call) }
      home = await house({ mode, world: { providers: [POST, DESK].map((kind): Provider => ({ ...kind, ...told })) } })
      const settings = { url: home.smtp.url, from: 'off@example.com' }
      dataOf(await home.client.send(PutProviderDocument, { id: 'smtp', input: { kind: 'smtp', settings, enabled: false } }))
      dataOf(await home.client.send(PutProviderDocument, { id: 'inbox', input: { kind: 'inbox', settings: {}, enabled: false } }))
      for (const kind of ['post', 'desk']) {
        dataOf(await home.client.send(PutProviderDocument, { id: kind, input: { kind, settings: {} } }))
      }
    })
    afterAll(() => home.stop())
    beforeEach(() => {
      calls = []
      answer(() => Promise.resolve(LATER))
    })

    function answer(how: (messageId: string) => Promise<Outcome>): void {
      deliver = ({ messageId }) => {
        calls.push(messageId)
        return how(messageId)
      }
    }

    const content = { title: 'Doors open at 8' }
    const sendMail = (name: string) => home.send({ to: [{ email: `${name}@example.com` }], content })
    const cancel = (id: string) => home.client.send(Cancel, { id })
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const requestOf = async (id: string) =>
      (await ask<{ request: RequestState }>(home.client, `{ request(id: "${id}") ${STATE} }`)).request
    const cancelRequest = async (id: string) =>
      (await ask<{ cancelRequest: RequestState }>(home.client, `mutation { cancelRequest(id: "${id}") ${STATE} }`)).cancelRequest

    async function untilEvent(id: string, type: string) {
      for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } })) {
        if (dataOf(result).messageEvents.type === type) return
      }
    }

    async function subscribe(listId: string, members: number) {
      const ids = Array.from({ length: members }, (_, index) => `${listId}-${index}`)
      await ask(home.client, `mutation { subscribeToList(listId: "${listId}", userIds: ${JSON.stringify(ids)}) { id } }`)
    }

    test('A message between two attempts is stopped for good, and canceling it again changes nothing', async () => {
      answer(() => Promise.resolve({ kind: 'retry', afterMs: 1_000, error: 'Busy.' }))
      const id = await sendMail('between')
      await untilEvent(id, 'RETRYING')
      const { cancelMessage } = dataOf(await cancel(id))
      expect(cancelMessage).toEqual({ status: 'CANCELED', canceledAt: expect.any(String) })
      expect(dataOf(await cancel(id)).cancelMessage).toEqual(cancelMessage)
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'CANCELED', reason: null, sentAt: null })
      expect(message.deliveries).toMatchObject([{ status: 'UNDELIVERABLE', nextAttemptAt: null }])
      expect(await requestOf(id)).toMatchObject({ counts: { total: 1, pending: 0, canceled: 1 } })
      if (home.databaseUrl) await expect.poll(() => jobsOf(home.databaseUrl!, id), { timeout: 10_000 }).toBe(0)
      expect(calls).toEqual([id])
      const types = (await home.journey(id)).map(({ type }) => type)
      expect(types).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'RETRYING', 'CANCELED'])
    })

    test('While its provider is called, and once it is sent, a message can no longer be stopped', async () => {
      const called = Promise.withResolvers<(outcome: Outcome) => void>()
      answer(() => new Promise((resolve) => called.resolve(resolve)))
      const id = await sendMail('late')
      const take = await called.promise
      const early = (await cancel(id)).errors[0]
      expect(early).toMatchObject({
        message: 'The message can no longer be stopped: its provider is being called.',
        extensions: { code: 'TOO_LATE', status: 409 },
      })
      take({ kind: 'accepted' })
      await home.journey(id)
      const late = (await cancel(id)).errors[0]
      expect(late).toMatchObject({
        message: 'The message can no longer be stopped: it is SENT already.',
        extensions: { code: 'TOO_LATE', status: 409 },
      })
      expect(await messageOf(id)).toMatchObject({ status: 'SENT', canceledAt: null })
    })

    test('A request stops with all its messages that are still to be sent, and a second call is no error', async () => {
      await subscribe('many', 620)
      const id = await home.send({ to: [{ listId: 'many' }], content })
      await expect.poll(() => requestOf(id), { timeout: 20_000 }).toMatchObject({ expanded: true, counts: { total: 620 } })
      const first = await cancelRequest(id)
      expect(first.expanded).toBe(true)
      await expect
        .poll(() => requestOf(id), { timeout: 20_000 })
        .toEqual({ expanded: true, counts: { total: 620, pending: 0, sent: 0, canceled: 620 } })
      expect(await cancelRequest(id)).toMatchObject({ counts: { total: 620, canceled: 620 } })
      const canceled: string[] = []
      const filter = { requestId: id, types: ['CANCELED' as const] }
      for await (const result of home.client.subscribe(MessageEventsDocument, { filter })) {
        canceled.push(dataOf(result).messageEvents.messageId)
        if (canceled.length === 620) break
      }
      expect(new Set(canceled).size).toBe(620)
    })

    test('Of a canceled request a message whose provider is being called ends by the answer, or before it is tried again', async () => {
      const waiting = new Map<string, (outcome: Outcome) => void>()
      answer((id) => new Promise((resolve) => void waiting.set(id, resolve)))
      const to = [{ email: 'taken@example.com' }, { email: 'busy@example.com' }]
      const id = await home.send({ to, content })
      await expect.poll(() => waiting.size, { timeout: 10_000 }).toBe(2)
      expect(await cancelRequest(id)).toMatchObject({ counts: { pending: 2, canceled: 0 } })
      const [taken, busy] = [...waiting.values()]
      taken!({ kind: 'accepted' })
      busy!(LATER)
      await expect
        .poll(() => requestOf(id), { timeout: 10_000 })
        .toMatchObject({ counts: { total: 2, pending: 0, sent: 1, canceled: 1 } })
      expect(calls).toHaveLength(2)
    })

    test.runIf(mode === 'PostgreSQL and Redis')(
      'A request that is canceled while it is expanded makes no further message',
      async () => {
        await subscribe('growing', 300)
        const gate: Gate = await shut(home.databaseUrl!, 'plan')
        const id = await home.send({ to: [{ listId: 'growing' }], content })
        await gate.waiting(1)
        const canceling = cancelRequest(id)
        await gate.waiting(2)
        await gate.open()
        expect(await canceling).toMatchObject({ expanded: true })
        await expect.poll(() => requestOf(id), { timeout: 20_000 }).toMatchObject({ counts: { pending: 0 } })
        const { expanded, counts } = await requestOf(id)
        expect(expanded).toBe(true)
        expect(counts.total).toBeGreaterThan(0)
        expect(counts.total).toBeLessThan(300)
        expect(counts.canceled).toBe(counts.total)
      },
    )
  })
}

async function jobsOf(databaseUrl: string, messageId: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ count: number }>(
    "select count(*)::int as count from job where payload ->> 'messageId' = $1",
    [messageId],
  )
  await client.end()
  return rows[0]!.count
}
