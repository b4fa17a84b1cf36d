import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Step } from '../../src/domain/plan.ts'
import { nextMove, QUICK_MS, type Route, restAfter, type Try, type Turn } from '../../src/domain/route.ts'

const NOW = new Date('2026-06-01T12:00:00Z')
const step = (providerId: string, channel: Step['channel'] = 'EMAIL', address = 'a'): Step => ({
  channel,
  providerId,
  kind: 'k',
  address: { id: address },
})
const tried = (outcome: Try['outcome'], more: Partial<Try> = {}): Try => ({
  outcome,
  rejected: null,
  error: `${outcome}`,
  endedAt: NOW,
  ...more,
})
const [first, second, inbox] = [step('first'), step('second'), step('inbox', 'INBOX')]

function move(turns: readonly (readonly [Step, readonly Try[], number?])[], more: Partial<Route> = {}) {
  const turnOf = (one: Step): Turn => {
    const [, attempts = [], inMs] = turns.find(([candidate]) => candidate === one) ?? []
    return { attempts, nextAttemptAt: inMs === undefined ? null : new Date(NOW.getTime() + inMs) }
  }
  return nextMove({
    steps: [first, second, inbox],
    turnOf,
    onUnknown: () => 'RESEND',
    deadline: new Date(NOW.getTime() + 1_000_000),
    now: NOW,
    ...more,
  })
}

describe('The next move', () => {
  const inMs = (ms: number) => new Date(NOW.getTime() + ms)

  test.each([
    ['untried: the first step', [], { kind: 'try', step: first }],
    ['taken: nothing more', [[first, [tried('ACCEPTED')]]], { kind: 'done' }],
    ['address refused: the next channel', [[first, [tried('REJECTED', { rejected: 'address' })]]], { kind: 'try', step: inbox }],
    ['content refused: the next channel', [[first, [tried('REJECTED', { rejected: 'content' })]]], { kind: 'try', step: inbox }],
    [
      'request refused: the next provider',
      [[first, [tried('REJECTED', { rejected: 'request' })]]],
      { kind: 'try', step: second },
    ],
    ['login refused: the next provider', [[first, [tried('MISCONFIGURED')]]], { kind: 'try', step: second }],
    ['busy: a quick second try', [[first, [tried('RETRY')], 500]], { kind: 'wait', until: inMs(500) }],
    ['busy and due: now', [[first, [tried('RETRY')], 0]], { kind: 'try', step: first }],
    ['busy for long: the next provider', [[first, [tried('RETRY')], 60_000]], { kind: 'try', step: second }],
    ['nobody knows: sent again', [[first, [tried('UNKNOWN')], 0]], { kind: 'try', step: first }],
  ] as const)('%s', (_name, turns, expected) => {
    expect(move(turns)).toEqual(expected)
  })

  test('When every step rests, it waits for the first to have rested', () => {
    const turns = [first, second, inbox].map((one, index) => [one, [tried('RETRY')], 90_000 - index * 10_000] as const)
    expect(move(turns)).toEqual({ kind: 'wait', until: inMs(70_000) })
  })

  test('A message whose time is up is TIMED_OUT with the last error, unless something took it', () => {
    const late = { deadline: NOW }
    expect(move([[first, [tried('RETRY')], 60_000]], late)).toEqual({ kind: 'fail', reason: 'TIMED_OUT', error: 'RETRY' })
    expect(move([[first, [tried('ACCEPTED')]]], late)).toEqual({ kind: 'done' })
  })

  test('Where sending again is not allowed, an attempt that nobody knows the outcome of ends the message UNKNOWN', () => {
    const never: Partial<Route> = { onUnknown: () => 'FAIL' }
    expect(move([[first, [tried('UNKNOWN')]]], never)).toEqual({ kind: 'fail', reason: 'UNKNOWN', error: 'UNKNOWN' })
  })

  const crashed = tried('UNKNOWN', { endedAt: null })

  test.each([
    ['two answers that never came', [tried('UNKNOWN'), tried('UNKNOWN')]],
    ['a crash and an answer that never came', [crashed, tried('UNKNOWN')]],
    ['an answer that never came and a crash', [tried('UNKNOWN'), crashed]],
    ['two of three', [tried('UNKNOWN'), tried('RETRY'), tried('UNKNOWN')]],
  ])('A step with %s is not sent a third time, nor is another door tried: the message ends UNKNOWN', (_name, attempts) => {
    expect(move([[first, attempts, 0]])).toMatchObject({ kind: 'fail', reason: 'UNKNOWN' })
    const busy = [[first, [tried('RETRY')], 60_000] as const, [second, attempts, 0] as const]
    expect(move(busy)).toMatchObject({ kind: 'fail', reason: 'UNKNOWN' })
  })

  test('Two crashes alone do not end it: what only ever crashes its workers becomes a dead letter with the third', () => {
    expect(move([[first, [crashed, crashed]]])).toEqual({ kind: 'try', step: first })
  })

  test.each([
    ['address', 'BOUNCED'],
    ['content', 'FAILED'],
    ['request', 'PROVIDER_ERROR'],
  ] as const)('When all refused, the last refusal (of the %s) says why: %s', (rejected, reason) => {
    const one = step('only')
    expect(move([[one, [tried('REJECTED', { rejected })]]], { steps: [one] })).toMatchObject({ kind: 'fail', reason })
  })

  describe("A user's other devices", () => {
    const [phone, laptop] = [step('push', 'PUSH', 'phone'), step('push', 'PUSH', 'laptop')]
    const devices = { steps: [phone, laptop, inbox] }

    test.each([
      ['untried is tried', [], { kind: 'try', step: laptop }],
      ['busy waits its time', [tried('RETRY')], { kind: 'wait', until: inMs(60_000) }],
      ['gone is left alone', [tried('REJECTED', { rejected: 'address' })], { kind: 'done' }],
      ['that took it too ends the route', [tried('ACCEPTED')], { kind: 'done' }],
    ] as const)('one that is %s', (_name, attempts, expected) => {
      const rest = expected.kind === 'wait' ? 60_000 : undefined
      expect(
        move([[phone, [tried('ACCEPTED')]], rest === undefined ? [laptop, attempts] : [laptop, attempts, rest]], devices),
      ).toEqual(expected)
    })
  })

  describe("What one device's push service, which its user named, says of requests and keys", () => {
    const keys = { p256dh: 'p', auth: 'a' }
    const device = (id: string, more: object = { keys }): Step => ({ ...step('push', 'PUSH', id), address: { id, ...more } })
    const refusals = [
      ['request', tried('REJECTED', { rejected: 'request' })],
      ['keys', tried('MISCONFIGURED')],
    ] as const

    test.each(refusals)('holds for that device alone (%s)', (_name, refused) => {
      const [phone, laptop] = [device('phone'), device('laptop')]
      expect(move([[phone, [refused]]], { steps: [phone, laptop] })).toEqual({ kind: 'try', step: laptop })
      expect(move([[phone, [refused]]], { steps: [phone] })).toMatchObject({ kind: 'fail', reason: 'PROVIDER_ERROR' })
    })

    test.each(refusals)('holds for the account where the service is the account’s (%s)', (_name, refused) => {
      const [phone, laptop] = [device('phone', {}), device('laptop', {})]
      expect(move([[phone, [refused]]], { steps: [phone, laptop, inbox] })).toEqual({ kind: 'try', step: inbox })
    })

    test('does not keep the other devices from having the message where nobody knows of the first', () => {
      const [phone, laptop] = [device('phone'), device('laptop')]
      const unknown = [tried('UNKNOWN'), tried('UNKNOWN')]
      const devices = { steps: [phone, laptop, inbox] }
      expect(move([[phone, unknown]], devices)).toEqual({ kind: 'try', step: laptop })
      expect(
        move(
          [
            [phone, unknown],
            [laptop, [tried('ACCEPTED')]],
          ],
          devices,
        ),
      ).toEqual({ kind: 'done' })
      const gone = [tried('REJECTED', { rejected: 'address' })]
      expect(
        move(
          [
            [phone, unknown],
            [laptop, gone],
          ],
          devices,
        ),
      ).toMatchObject({ kind: 'fail', reason: 'UNKNOWN' })
    })
  })

  const outcome = fc.constantFrom<Try>(
    tried('RETRY'),
    tried('UNKNOWN'),
    tried('MISCONFIGURED'),
    ...(['address', 'content', 'request'] as const).map((rejected) => tried('REJECTED', { rejected })),
  )

  test('whatever was answered, a step that was refused for good is never tried again, and nothing is tried before its time', () => {
    const turn = fc.record({
      attempts: fc.array(outcome, { maxLength: 4 }),
      rest: fc.option(fc.integer({ min: -5_000, max: 100_000 })),
    })
    fc.assert(
      fc.property(turn, turn, turn, (...given) => {
        const turns = [first, second, inbox].map((one, index) => {
          const { attempts, rest } = given[index]!
          return rest === null ? ([one, attempts] as const) : ([one, attempts, rest] as const)
        })
        const next = move(turns)
        if (next.kind === 'wait') expect(next.until.getTime()).toBeGreaterThan(NOW.getTime())
        if (next.kind !== 'try') return
        const [, attempts, rest = 0] = turns.find(([one]) => one === next.step)!
        expect(['REJECTED', 'MISCONFIGURED']).not.toContain(attempts.at(-1)?.outcome)
        expect(rest).toBeLessThanOrEqual(0)
      }),
    )
  })

  test('whatever was answered, no step holds more than two attempts of which nobody knows the outcome', () => {
    fc.assert(
      fc.property(fc.array(outcome, { maxLength: 40 }), (answers) => {
        const turns: [Step, Try[]][] = [first, second, inbox].map((one) => [one, []])
        for (const answer of answers) {
          const next = move(turns)
          if (next.kind !== 'try') break
          turns.find(([one]) => one === next.step)![1].push(answer)
        }
        for (const [, attempts] of turns) {
          expect(attempts.filter((attempt) => attempt.outcome === 'UNKNOWN').length).toBeLessThanOrEqual(2)
        }
      }),
    )
  })

  test('a world that refuses everything for good is left in at most one try for each step', () => {
    const final = fc.constantFrom<Try>(
      tried('MISCONFIGURED'),
      ...(['address', 'content', 'request'] as const).map((rejected) => tried('REJECTED', { rejected })),
    )
    fc.assert(
      fc.property(fc.array(final, { minLength: 3, maxLength: 3 }), (answers) => {
        const turns: [Step, Try[]][] = []
        for (;;) {
          const next = move(turns)
          if (next.kind !== 'try') {
            expect(next.kind).toBe('fail')
            return
          }
          expect(turns.map(([one]) => one)).not.toContain(next.step)
          turns.push([next.step, [answers[turns.length]!]])
        }
      }),
    )
  })
})

describe('The rest after a temporary failure', () => {
  const tries = fc.integer({ min: 1, max: 1_000 })
  const random = fc.double({ min: 0, max: 0.999_999, noNaN: true })

  test('is never shorter than Retry-After, nor longer than an hour where nobody asked', () => {
    fc.assert(
      fc.property(tries, random, fc.option(fc.integer({ min: 0, max: 259_200_000 })), (count, chance, asked) => {
        const rest = restAfter(count, asked ?? undefined, chance)
        expect(rest).toBeGreaterThanOrEqual(asked ?? 0)
        expect(rest).toBeLessThanOrEqual(Math.max(asked ?? 0, 3_600_000 + QUICK_MS))
      }),
    )
  })

  test('is a moment after each first try of a round, and longer than that after the second', () => {
    fc.assert(
      fc.property(tries, random, (count, chance) => {
        const rest = restAfter(count, undefined, chance)
        if (count % 2 === 1) expect(rest).toBeLessThanOrEqual(1_000)
        else expect(rest).toBeGreaterThanOrEqual(QUICK_MS)
      }),
    )
  })

  test('grows threefold each round up to an hour', () => {
    const most = [2, 4, 6, 8, 10, 12, 14].map((count) => Math.round(restAfter(count, undefined, 1) - QUICK_MS))
    expect(most).toEqual([10_000, 30_000, 90_000, 270_000, 810_000, 2_430_000, 3_600_000])
  })
})
