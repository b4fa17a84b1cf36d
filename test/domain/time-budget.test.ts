import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Step } from '../../src/domain/plan.ts'
import { QUICK_MS } from '../../src/domain/route.ts'
import { type Spent, timeLeftMs } from '../../src/domain/time-budget.ts'
import { fromNow, NOW } from './snapshot.ts'

const [smtp, ses, twilio] = (
  [
    ['smtp', 'EMAIL'],
    ['ses', 'EMAIL'],
    ['twilio', 'SMS'],
  ] as const
).map(([providerId, channel]): Step => ({ providerId, channel, kind: providerId, address: { id: 'a' } })) as [Step, Step, Step]

const SECOND = 1_000
const MINUTE = 60_000
/** Calls from … to …, in milliseconds from now; to: null while it runs. */
const calls = ({ providerId, channel }: Step, ...spans: (readonly [number, number | null])[]): Spent => ({
  providerId,
  channel,
  attempts: spans.map(([from, to]) => ({
    startedAt: fromNow(from),
    endedAt: to === null ? null : fromNow(to),
    outcome: to === null ? null : 'RETRY',
  })),
})
const crash = ({ providerId, channel }: Step, from: number): Spent => ({
  providerId,
  channel,
  attempts: [{ startedAt: fromNow(from), endedAt: null, outcome: 'UNKNOWN' }],
})

/** How much of ten minutes for an account, and of an hour for a channel, is used up. */
const usedMs = (step: Step, ...spent: Spent[]) =>
  10 * MINUTE - timeLeftMs(step, { timeouts: { providerMs: 10 * MINUTE, channelMs: 60 * MINUTE } }, spent, NOW)

describe('The time of an account and of its channel', () => {
  test.each<[string, Parameters<typeof timeLeftMs>[1], number]>([
    ['is 5 minutes for the account, within the 30 of its channel', {}, 5 * MINUTE],
    ['is what the send says for every account', { timeouts: { providerMs: MINUTE } }, MINUTE],
    [
      'is what the send says for that account, over that',
      { timeouts: { providerMs: MINUTE }, providers: [{ providerId: 'smtp', timeoutMs: 2 * MINUTE }] },
      2 * MINUTE,
    ],
    [
      'is not what it says for another',
      { providers: [{ providerId: 'ses', timeoutMs: SECOND }], channels: { SMS: { timeoutMs: SECOND } } },
      5 * MINUTE,
    ],
    ['is no longer than what the send says for every channel', { timeouts: { channelMs: MINUTE } }, MINUTE],
    [
      'is no longer than what it says for that channel, over that',
      { timeouts: { channelMs: SECOND, providerMs: 9 * MINUTE }, channels: { EMAIL: { timeoutMs: 3 * MINUTE } } },
      3 * MINUTE,
    ],
    ['is no longer than the 30 minutes of its channel', { timeouts: { providerMs: 60 * MINUTE } }, 30 * MINUTE],
  ])('%s', (_name, definition, left) => {
    expect(timeLeftMs(smtp, definition, [], NOW)).toBe(left)
  })

  test('is used up by calls, and by the short wait for a second try, but not by the rest between two rounds', () => {
    expect(usedMs(smtp, calls(smtp, [-90 * SECOND, -80 * SECOND]))).toBe(10 * SECOND)
    expect(usedMs(smtp, calls(smtp, [-90 * SECOND, -80 * SECOND], [-79 * SECOND, -75 * SECOND]))).toBe(15 * SECOND)
    expect(usedMs(smtp, calls(smtp, [-90 * SECOND, -80 * SECOND], [-30 * SECOND, -25 * SECOND]))).toBe(15 * SECOND)
  })

  test('is used up by a call that is under way, but not by a worker that never came back', () => {
    expect(usedMs(smtp, calls(smtp, [-7 * SECOND, null]))).toBe(7 * SECOND)
    expect(usedMs(smtp, crash(smtp, -7 * SECOND))).toBe(0)
  })

  test('is used up once by calls that were under way at once, as to a user’s devices', () => {
    const [phone, laptop] = [
      calls(smtp, [-60 * SECOND, -30 * SECOND]),
      calls(smtp, [-50 * SECOND, -40 * SECOND], [-35 * SECOND, -20 * SECOND]),
    ]
    expect(usedMs(smtp, phone, laptop)).toBe(40 * SECOND)
    expect(usedMs(smtp, laptop, phone)).toBe(40 * SECOND)
  })

  test('of the account is used up by its own calls, of the channel by those of all of its accounts', () => {
    const spent = [calls(smtp, [-300 * SECOND, -200 * SECOND]), calls(ses, [-100 * SECOND, -90 * SECOND])]
    const left = (step: Step, channelMs: number) =>
      timeLeftMs(step, { timeouts: { providerMs: 10 * MINUTE, channelMs } }, spent, NOW)
    expect([left(smtp, 60 * MINUTE), left(ses, 60 * MINUTE)]).toEqual([500 * SECOND, 590 * SECOND])
    expect([left(smtp, 2 * MINUTE), left(ses, 2 * MINUTE)]).toEqual([10 * SECOND, 10 * SECOND])
    expect(left(twilio, 2 * MINUTE)).toBe(2 * MINUTE)
  })

  test('is gone at nothing or less', () => {
    const spent = [calls(smtp, [-90 * SECOND, -30 * SECOND])]
    expect(timeLeftMs(smtp, { timeouts: { providerMs: MINUTE } }, spent, NOW)).toBe(0)
    expect(timeLeftMs(smtp, { timeouts: { providerMs: SECOND } }, spent, NOW)).toBe(-59 * SECOND)
  })

  const span = fc
    .tuple(fc.integer({ min: -1_000, max: 0 }), fc.nat(200))
    .map(([from, ms]) => [from * 100, Math.min(0, (from + ms) * 100)] as const)

  test('is used up by each moment once, whatever overlaps, in whatever order: so much as there are tenths of a second that a call or a short wait was in', () => {
    fc.assert(
      fc.property(fc.array(span, { maxLength: 8 }), (spans) => {
        const used = usedMs(smtp, ...spans.map((one) => calls(smtp, one)))
        const taken = Array.from({ length: 1_000 }, (_, index) => (index - 1_000) * 100).map((at) =>
          spans.some(([from, to]) => from <= at && at < to),
        )
        expect(used).toBe(100 * countWithShortGaps(taken, spans))
      }),
    )
  })

  /** Tenths that are taken, and those of gaps between two calls that are no longer than a short wait. */
  function countWithShortGaps(taken: readonly boolean[], spans: readonly (readonly [number, number])[]): number {
    return taken.filter((isTaken, index) => {
      if (isTaken) return true
      const at = (index - 1_000) * 100
      const before = Math.max(...spans.map(([, to]) => to).filter((to) => to <= at))
      const after = Math.min(...spans.map(([from]) => from).filter((from) => from > at))
      return after - before <= QUICK_MS
    }).length
  }
})
