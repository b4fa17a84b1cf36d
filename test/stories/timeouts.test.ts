import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { DeliverContext, Outcome } from '../../src/channels/provider.ts'
import { MessageDocument, type SendInput } from '../generated/graphql.ts'
import { hireCarriers } from '../support/carriers.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'

type Hanging = (outgoing: unknown, context: Pick<DeliverContext<unknown>, 'signal'>) => Promise<Outcome>

/** Says nothing until it is broken off. */
const hanging =
  (outcome: Outcome): Hanging =>
  (_outgoing, { signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(outcome), { once: true }))

const UNREACHED: Outcome = { kind: 'retry', error: 'Nobody answered.' }
const UNANSWERED: Outcome = { kind: 'unknown', error: 'The answer never came.' }
const BUSY: Outcome = { kind: 'retry', error: 'Busy.', code: '503' }

const ADA = { userId: 'ada', email: 'ada@example.com', phoneNumber: '+4915112345678' }
/** A call that was broken off after a second took that, and not much longer. */
const A_SECOND = { least: 950, most: 5_000 }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const outside = hireCarriers({ post: 'EMAIL', courier: 'EMAIL', text: 'SMS', desk: 'INBOX' })

    beforeAll(async () => {
      home = await house({ mode, world: { providers: outside.providers, random: () => 0 } })
    })
    afterAll(() => home.stop())
    beforeEach(() => outside.open(home.client))

    async function send(more: Partial<SendInput>) {
      const id = await home.send({ to: [ADA], content: { title: 'Doors open at 8' }, ...more })
      await home.journey(id)
      const message = dataOf(await home.client.send(MessageDocument, { id })).message!
      return {
        message,
        calls: outside.callsFor(id),
        took: message.deliveries.map(({ attempts }) =>
          attempts.map(({ startedAt, endedAt }) => Date.parse(endedAt!) - Date.parse(startedAt)),
        ),
        deliveries: message.deliveries.map(({ providerId, status }) => [providerId, status]),
      }
    }

    function expectASecond(ms: number | undefined) {
      expect(ms).toBeGreaterThanOrEqual(A_SECOND.least)
      expect(ms).toBeLessThan(A_SECOND.most)
    }

    describe('The time of a provider', () => {
      test.each([
        ['was not reached', UNREACHED, 'UNDELIVERABLE', 'RETRY'],
        ['may have taken the message', UNANSWERED, 'UNKNOWN', 'UNKNOWN'],
      ])('ends a call that hangs, and the next provider has its turn: where it %s', async (_what, how, status, outcome) => {
        outside.answer('post', hanging(how))
        const { message, calls, took, deliveries } = await send({ timeout: { provider: 'PT1S' } })
        expect(calls).toEqual(['post', 'courier'])
        expect(deliveries).toEqual([
          ['post', status],
          ['courier', 'SENT'],
        ])
        expectASecond(took[0]![0])
        expect(message.status).toBe('SENT')
        expect(message.deliveries[0]!.attempts.map((attempt) => attempt.outcome)).toEqual([outcome])
        expect(message.history.nodes.map(({ type }) => type)).toContain('FAILED_OVER')
      })

      test('can be said of one account: the others have theirs', async () => {
        outside.answer('post', hanging(UNREACHED))
        const providers = [{ providerId: 'post', timeout: 'PT1S' }]
        const { calls, took } = await send({ providers, timeout: { provider: 'PT1H' } })
        expect(calls).toEqual(['post', 'courier'])
        expectASecond(took[0]![0])
      })

      test('that is up ends the message where there is no other', async () => {
        outside.answer('post', hanging(UNREACHED))
        const routing = { method: 'SINGLE' as const, channels: [{ providerId: 'post' }] }
        const { message, calls } = await send({ routing, timeout: { provider: 'PT1S' } })
        expect(calls).toEqual(['post'])
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'TIMED_OUT', error: 'Nobody answered.' })
      })
    })

    describe('The time of a channel', () => {
      test.each<[string, Partial<SendInput>]>([
        ['for every channel', { timeout: { channel: 'PT1S' } }],
        ['for this one', { timeout: { channel: 'PT1H' }, channels: { email: { timeout: 'PT1S' } } }],
      ])('is shared by its accounts, and then the next channel has its turn: said %s', async (_where, more) => {
        outside.answer('post', hanging(UNREACHED))
        const { message, calls, took, deliveries } = await send(more)
        expect(calls).toEqual(['post', 'text'])
        expectASecond(took[0]![0])
        expect(deliveries).toEqual([
          ['post', 'UNDELIVERABLE'],
          ['text', 'SENT'],
        ])
        expect(message.status).toBe('SENT')
      })
    })

    describe('The time of a message', () => {
      test('ends it TIMED_OUT where it is still tried, in the words of the last attempt', async () => {
        outside.answer('post', BUSY)
        const routing = { method: 'SINGLE' as const, channels: [{ providerId: 'post' }] }
        const { message, calls } = await send({ routing, timeout: { message: 'PT2S' } })
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'TIMED_OUT', error: 'Busy.' })
        expect(calls.length).toBeGreaterThan(0)
        expect(message.deliveries).toMatchObject([{ status: 'UNDELIVERABLE', nextAttemptAt: null }])
        const tookMs = Date.parse(message.updatedAt) - Date.parse(message.enqueuedAt)
        expect(tookMs).toBeGreaterThanOrEqual(2_000)
        expect(message.history.nodes.at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason: 'TIMED_OUT' })
      })

      test('ends a call that hangs, too', async () => {
        outside.answer('post', hanging(UNREACHED))
        const { message, calls } = await send({ timeout: { message: 'PT2S' } })
        expect(calls).toEqual(['post'])
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'TIMED_OUT', error: 'Nobody answered.' })
        const tookMs = Date.parse(message.updatedAt) - Date.parse(message.enqueuedAt)
        expect(tookMs).toBeGreaterThanOrEqual(1_950)
        expect(tookMs).toBeLessThan(10_000)
      })

      test('counts from when it was to be sent, not while it waited', async () => {
        const { message } = await send({ delay: { duration: 'PT3S' }, timeout: { message: 'PT3S' } })
        expect(message.status).toBe('SENT')
        expect(Date.parse(message.sentAt!) - Date.parse(message.enqueuedAt)).toBeGreaterThanOrEqual(3_000)
      })
    })
  })
}
