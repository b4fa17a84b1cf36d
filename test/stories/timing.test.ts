import pg from 'pg'
import { Temporal } from 'temporal-polyfill'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  InboxCountsDocument,
  InboxDocument,
  MessageDocument,
  MessageEventsDocument,
  SendDocument,
  type SendInput,
} from '../generated/graphql.ts'
import { hireCarriers } from '../support/carriers.ts'
import { ask, planOf } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

const Cancel = document<{ cancelMessage: { status: string } }>('mutation ($id: ID!) { cancelMessage(id: $id) { status } }')
const InboxMessage = document<{ inboxMessage: { id: string } | null }>(
  'query ($id: ID!, $userId: ID!) { inboxMessage(id: $id, userId: $userId) { id } }',
)

/** Short, since the database counts it; the house's clock stands still meanwhile, so nothing is released before a test says so. */
const SECOND_MS = 1_000
const HOUR_MS = 3_600_000

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const outside = hireCarriers({ post: 'EMAIL', desk: 'INBOX' })
    /** The house's clock. It stands. */
    let time = new Date()

    beforeAll(async () => {
      home = await house({ mode, world: { providers: outside.providers, now: () => time } })
      await ask(home.client, 'mutation { putTopic(id: "doors", input: { name: "Doors", defaultStatus: OPTED_IN }) { id } }')
    })
    afterAll(() => home.stop())
    beforeEach(async () => {
      time = new Date()
      await outside.open(home.client)
    })

    const content = { title: 'Doors open at 8' }
    const in_ = (ms: number) => new Date(time.getTime() + ms).toISOString()
    const pass = (ms: number) => {
      time = new Date(time.getTime() + ms)
    }
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const typesOf = async (id: string) => (await messageOf(id)).history.nodes.map(({ type }) => type)

    /** Sends, and waits until the message was put off. */
    async function sendLater(input: Partial<SendInput> & Pick<SendInput, 'to' | 'delay'>): Promise<string> {
      const id = await home.send({ content, ...input })
      for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } })) {
        if (dataOf(result).messageEvents.type === 'DELAYED') return id
      }
      throw new Error('The subscription ended.')
    }

    async function sendNow(input: Partial<SendInput> & Pick<SendInput, 'to'>): Promise<string> {
      const id = await home.send({ content, ...input })
      await home.journey(id)
      return id
    }

    describe('A delay', () => {
      test.each([
        ['of some time', () => ({ duration: 'PT1S' })],
        ['until an instant', () => ({ until: in_(SECOND_MS) })],
      ])('%s puts the message off, says until when, and lets it go then', async (_how, delay) => {
        const input = { to: [{ email: 'later@example.com' }], content, delay: delay() }
        const until = in_(SECOND_MS)
        const planned = await planOf(home.client, input)
        expect(planned).toMatchObject({ outcome: 'DELAYED', reason: null, scheduledFor: until })
        expect(planned.steps.map(({ providerId }) => providerId)).toEqual(['post'])
        const id = await sendLater(input)
        const waiting = await messageOf(id)
        expect(waiting).toMatchObject({ status: 'DELAYED', reason: null, scheduledFor: until, sentAt: null })
        expect(waiting.history.nodes.at(-1)).toMatchObject({ type: 'DELAYED', status: 'DELAYED', detail: { until } })
        expect(waiting.decisions).toMatchObject([{ rule: 'delay', passed: false, detail: { until } }])
        pass(SECOND_MS)
        await home.journey(id)
        expect(await messageOf(id)).toMatchObject({ status: 'SENT', scheduledFor: until, sentAt: until })
        expect(await typesOf(id)).toEqual(['ENQUEUED', 'DELAYED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT'])
        expect(outside.callsFor(id)).toEqual(['post'])
      })

      test('until an instant that is over is none', async () => {
        const id = await sendNow({ to: [{ email: 'over@example.com' }], delay: { until: in_(-HOUR_MS) } })
        expect(await messageOf(id)).toMatchObject({ status: 'SENT', scheduledFor: null })
        expect(await typesOf(id)).not.toContain('DELAYED')
      })

      test.runIf(mode === 'PostgreSQL and Redis')(
        'is told once, although a worker whose clock is behind looks at the message too early',
        async () => {
          const id = await sendLater({ to: [{ email: 'patient@example.com' }], delay: { duration: 'PT1S' } })
          const before = await fenceOf(home.databaseUrl!, id)
          // By the clock of the database the time comes, by the house's it does not.
          await expect.poll(() => fenceOf(home.databaseUrl!, id), { timeout: 20_000 }).toBeGreaterThan(before! + 2)
          expect(await typesOf(id)).toEqual(['ENQUEUED', 'DELAYED'])
          pass(SECOND_MS)
          await home.journey(id)
          expect((await typesOf(id)).filter((type) => type === 'DELAYED')).toHaveLength(1)
        },
      )

      test('does not keep a message waiting that is sent again', async () => {
        const delay = { window: 'Mo-Su 09:00-18:00', timezone: 'Europe/Berlin' }
        time = clockTime('Europe/Berlin', 8, 0)
        const id = await sendLater({ to: [{ email: 'again@example.com' }], delay, expiresAt: in_(2 * HOUR_MS) })
        const again = await ask<{ resendMessage: { id: string } }>(
          home.client,
          'mutation ($id: ID!) { resendMessage(id: $id) { id } }',
          { id },
        )
        const copy = again.resendMessage.id
        await home.journey(copy)
        expect(await messageOf(copy)).toMatchObject({ status: 'SENT', scheduledFor: null, expiresAt: null, resendOf: id })
        expect((await messageOf(id)).status).toBe('DELAYED')
      })
    })

    describe('A window', () => {
      const window = 'Mo-Su 09:00-18:00'
      const at9 = (zone: string) => clockTime(zone, 9, 0).toISOString()
      /** A second before nine in Berlin. */
      beforeEach(() => {
        time = new Date(clockTime('Europe/Berlin', 9, 0).getTime() - SECOND_MS)
      })

      test.each([
        ['its own', 'Europe/Berlin', { timezone: 'Asia/Tokyo', profile: { zoneinfo: 'America/New_York' } }],
        ['the one the send gives the recipient', undefined, { timezone: 'Europe/Berlin', profile: { zoneinfo: 'Asia/Tokyo' } }],
        ["the profile's zoneinfo", undefined, { profile: { zoneinfo: 'Europe/Berlin', timezone: 'Asia/Tokyo' } }],
        ["the profile's timezone", undefined, { profile: { timezone: 'Europe/Berlin' } }],
      ])('opens by the clock of a time zone: %s', async (_whose, timezone, who) => {
        const delay = { window, ...(timezone && { timezone }) }
        const id = await sendLater({ to: [{ email: 'zoned@example.com', ...who }], delay })
        expect(await messageOf(id)).toMatchObject({ status: 'DELAYED', scheduledFor: at9('Europe/Berlin') })
        pass(SECOND_MS)
        await home.journey(id)
        expect(await messageOf(id)).toMatchObject({ status: 'SENT', sentAt: at9('Europe/Berlin') })
      })

      test('that is open lets the message go at once', async () => {
        pass(SECOND_MS)
        const id = await sendNow({ to: [{ email: 'open@example.com', timezone: 'Europe/Berlin' }], delay: { window } })
        expect(await messageOf(id)).toMatchObject({ status: 'SENT', scheduledFor: null })
        expect((await messageOf(id)).decisions[0]).toMatchObject({ rule: 'delay', subject: 'window', passed: true })
      })

      test('is the zone of each member for what is sent to a list', async () => {
        const zones = { berlin: 'Europe/Berlin', york: 'America/New_York', tokyo: 'Asia/Tokyo' }
        for (const [userId, zoneinfo] of Object.entries(zones)) {
          const profile = { zoneinfo, email: `${userId}@example.com` }
          await ask(
            home.client,
            'mutation ($userId: ID!, $profile: JSONObject!) { mergeProfile(userId: $userId, profile: $profile) { id } }',
            {
              userId,
              profile,
            },
          )
        }
        await ask(home.client, `mutation { subscribeToList(listId: "world", userIds: ["berlin", "york", "tokyo"]) { id } }`)
        const requestId = await home.send({ to: [{ listId: 'world' }], content, delay: { window } })
        const states = async () => {
          const asked = '{ nodes { userId status scheduledFor } }'
          const { request } = await ask<{
            request: { messages: { nodes: { userId: string; status: string; scheduledFor: string }[] } }
          }>(home.client, `query ($id: ID!) { request(id: $id) { messages ${asked} } }`, { id: requestId })
          return Object.fromEntries(request.messages.nodes.map(({ userId, ...state }) => [userId, state]))
        }
        // It is afternoon in Tokyo.
        const expected = {
          berlin: { status: 'DELAYED', scheduledFor: at9('Europe/Berlin') },
          york: { status: 'DELAYED', scheduledFor: at9('America/New_York') },
          tokyo: { status: 'SENT', scheduledFor: null },
        }
        await expect.poll(states, { timeout: 10_000 }).toEqual(expected)
        pass(SECOND_MS)
        await expect.poll(states, { timeout: 10_000 }).toEqual({ ...expected, berlin: { ...expected.berlin, status: 'SENT' } })
      })

      test('that never opens ends the message at once, and says so', async () => {
        const input = { to: [{ email: 'never@example.com' }], content, delay: { window: '2020 Mo-Fr 09:00-17:00' } }
        expect(await planOf(home.client, input)).toMatchObject({ outcome: 'UNDELIVERABLE', reason: 'FAILED', steps: [] })
        const id = await sendNow(input)
        const message = await messageOf(id)
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'FAILED', scheduledFor: null })
        expect(message.error).toContain('does not open within 90 days')
        expect(message.decisions).toMatchObject([{ rule: 'delay', subject: 'window', passed: false }])
      })
    })

    describe('A message that waits', () => {
      const delay = { duration: 'PT1S' }

      test('is not sent to who unsubscribed meanwhile', async () => {
        const id = await sendLater({ to: [{ userId: 'leaver' }], topicId: 'doors', delay })
        await ask(
          home.client,
          'mutation { setPreference(userId: "leaver", input: { topicId: "doors", status: OPTED_OUT }) { status } }',
        )
        pass(SECOND_MS)
        await home.journey(id)
        expect(await messageOf(id)).toMatchObject({ status: 'FILTERED', reason: 'UNSUBSCRIBED', deliveries: [] })
        expect(outside.callsFor(id)).toEqual([])
      })

      test('goes to the address that became known meanwhile', async () => {
        const routing = { method: 'SINGLE' as const, channels: [{ channel: 'EMAIL' as const }] }
        const input = { to: [{ userId: 'shy' }], content, routing, delay }
        expect(await planOf(home.client, input)).toMatchObject({ outcome: 'DELAYED', steps: [] })
        const id = await sendLater(input)
        await ask(home.client, 'mutation { mergeProfile(userId: "shy", profile: { email: "shy@example.com" }) { id } }')
        pass(SECOND_MS)
        await home.journey(id)
        expect(await messageOf(id)).toMatchObject({ status: 'SENT', deliveries: [{ address: 'shy@example.com' }] })
      })

      test('can be canceled, and nothing more happens to it', async () => {
        const id = await sendLater({ to: [{ email: 'never-mind@example.com' }], delay })
        const beside = await sendLater({ to: [{ email: 'beside@example.com' }], delay })
        expect(dataOf(await home.client.send(Cancel, { id })).cancelMessage.status).toBe('CANCELED')
        const canceled = await messageOf(id)
        pass(SECOND_MS)
        await home.journey(beside)
        if (home.databaseUrl !== null) {
          await expect.poll(() => fenceOf(home.databaseUrl!, id), { timeout: 10_000 }).toBeNull()
        }
        expect(await messageOf(id)).toEqual(canceled)
        expect(await typesOf(id)).toEqual(['ENQUEUED', 'DELAYED', 'CANCELED'])
        expect(outside.callsFor(id)).toEqual([])
      })
    })

    describe('The end of a message', () => {
      test('is not over when it is sent', async () => {
        const input = { to: [{ email: 'past@example.com' }], content, expiresAt: in_(-1) }
        const refused = await home.client.send(SendDocument, { input })
        expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.expiresAt' })
      })

      test('is after its delay, or it ends at once', async () => {
        const input = {
          to: [{ email: 'too-late@example.com' }],
          content,
          delay: { duration: 'PT2H' },
          expiresAt: in_(HOUR_MS),
        }
        expect(await planOf(home.client, input)).toMatchObject({ outcome: 'UNDELIVERABLE', reason: 'EXPIRED', steps: [] })
        const id = await sendNow(input)
        const message = await messageOf(id)
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'EXPIRED', expiresAt: in_(HOUR_MS) })
        expect(message.decisions).toMatchObject([{ rule: 'delay', subject: 'duration', passed: false }])
        expect(await typesOf(id)).toEqual(['ENQUEUED', 'UNDELIVERABLE'])
      })

      test('comes while it waits: it is not sent any more', async () => {
        const id = await sendLater({
          to: [{ email: 'expired@example.com' }],
          delay: { duration: 'PT1S' },
          expiresAt: in_(2 * SECOND_MS),
        })
        pass(2 * SECOND_MS)
        await home.journey(id)
        const message = await messageOf(id)
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'EXPIRED', deliveries: [] })
        expect(message.decisions).toMatchObject([{ rule: 'expiry', passed: false }])
        expect(outside.callsFor(id)).toEqual([])
      })

      test('comes between two attempts: there is no further one', async () => {
        outside.answer('post', async () => {
          pass(HOUR_MS)
          return { kind: 'retry', error: 'Busy.', afterMs: SECOND_MS }
        })
        const id = await sendNow({ to: [{ email: 'busy@example.com' }], expiresAt: in_(HOUR_MS) })
        expect(outside.callsFor(id)).toEqual(['post'])
        expect(await messageOf(id)).toMatchObject({
          status: 'UNDELIVERABLE',
          reason: 'EXPIRED',
          error: 'Busy.',
          deliveries: [{ status: 'UNDELIVERABLE', nextAttemptAt: null }],
        })
      })

      test('takes it out of the inbox', async () => {
        const userId = 'forgetful'
        const expiresAt = in_(3 * SECOND_MS)
        const stays = await sendNow({ to: [{ userId }] })
        const id = await sendNow({ to: [{ userId }], expiresAt })
        const inbox = async () => {
          const { edges } = dataOf(await home.client.send(InboxDocument, { userId })).inbox
          const { inboxCounts } = dataOf(await home.client.send(InboxCountsDocument, { userId }))
          const { inboxMessage } = dataOf(await home.client.send(InboxMessage, { id, userId }))
          const { total, unread } = inboxCounts
          return { ids: edges.map(({ node }) => node.id).toSorted(), total, unread, alone: inboxMessage?.id }
        }
        expect(await inbox()).toEqual({ ids: [stays, id].toSorted(), total: 2, unread: 2, alone: id })
        await expect.poll(inbox, { timeout: 10_000 }).toEqual({ ids: [stays], total: 1, unread: 1, alone: undefined })
        expect(new Date() >= new Date(expiresAt)).toBe(true)
        expect((await messageOf(id)).status).toBe('SENT')
      })
    })
  })
}

/** Yesterday at a time of day somewhere: what waits by the house's clock then is due by the database's. */
function clockTime(zone: string, hour: number, minute: number): Date {
  const time = { hour, minute, second: 0, millisecond: 0, microsecond: 0, nanosecond: 0 }
  const there = Temporal.Now.plainDateISO('UTC').subtract({ days: 1 }).toZonedDateTime({ timeZone: zone })
  return new Date(there.with(time).epochMilliseconds)
}

/** How often a message's job was taken or put back; null once it is over. */
async function fenceOf(databaseUrl: string, messageId: string): Promise<number | null> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ fence: number }>("select fence::int from job where payload ->> 'messageId' = $1", [
    messageId,
  ])
  await client.end()
  return rows[0]?.fence ?? null
}
