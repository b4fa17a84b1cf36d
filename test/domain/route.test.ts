import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Step } from '../../src/domain/plan.ts'
import { QUICK_MS, type Route, restAfter, type Try } from '../../src/domain/route.ts'
import {
  all,
  DONE,
  first,
  type Given,
  inbox,
  move,
  refused,
  second,
  single,
  step,
  tried,
  tries,
  underWay,
  waits,
} from './route-turns.ts'
import { fromNow } from './snapshot.ts'

describe('The next move', () => {
  test.each<[string, readonly Given[], object]>([
    ['untried: the first step', [], tries(first)],
    ['taken: nothing more', [[first, [tried('ACCEPTED')]]], DONE],
    ['address refused: the next channel', [[first, [refused('address')]]], tries(inbox)],
    ['content refused: the next channel', [[first, [refused('content')]]], tries(inbox)],
    ['request refused: the next provider', [[first, [refused('request')]]], tries(second)],
    ['login refused: the next provider', [[first, [tried('MISCONFIGURED')]]], tries(second)],
    ['busy: a quick second try', [[first, [tried('RETRY')], 500]], waits(500)],
    ['busy and due: now', [[first, [tried('RETRY')], 0]], tries(first)],
    ['busy for long: the next provider', [[first, [tried('RETRY')], 60_000]], tries(second)],
    ['nobody knows: sent again', [[first, [tried('UNKNOWN')], 0]], tries(first)],
    ['under way: its answer decides', [[first, [underWay]]], { kind: 'busy', until: null }],
  ])('%s', (_name, turns, expected) => {
    expect(move(turns)).toEqual(expected)
  })

  test('When every step rests, it waits for the first to have rested', () => {
    const turns = [first, second, inbox].map((one, index) => [one, [tried('RETRY')], 90_000 - index * 10_000] as const)
    expect(move(turns)).toEqual(waits(70_000))
  })

  test('Where sending again is not allowed, an attempt that nobody knows the outcome of ends the message UNKNOWN', () => {
    const never: Partial<Route> = { onUnknown: () => 'FAIL' }
    expect(move([[first, [tried('UNKNOWN')]]], undefined, never)).toEqual({ kind: 'fail', reason: 'UNKNOWN', error: 'UNKNOWN' })
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
    expect(move([[first, [crashed, crashed]]])).toEqual(tries(first))
  })

  test.each([
    ['address', 'BOUNCED'],
    ['content', 'FAILED'],
    ['request', 'PROVIDER_ERROR'],
  ] as const)('When all refused, the last refusal (of the %s) says why: %s', (rejected, reason) => {
    const earlier = [first, [refused('request', { endedAt: fromNow(-1_000) })]] as const
    const last = [second, [refused(rejected, { error: 'the last' })]] as const
    expect(move([earlier, last], single(first, second))).toEqual({ kind: 'fail', reason, error: 'the last' })
    expect(move([last, earlier], single(second, first))).toEqual({ kind: 'fail', reason, error: 'the last' })
  })

  test('An account that stands twice in the route has one turn', () => {
    const tree = single(first, all(first, inbox))
    expect(move([[first, [tried('RETRY')], 60_000]], tree)).toEqual(tries(inbox))
    expect(move([], all(first, single(first, second)))).toEqual(tries(first))
    expect(move([[first, [tried('ACCEPTED')]]], all(first, single(second, first)))).toEqual(DONE)
  })
})

describe("A user's other devices", () => {
  const [phone, laptop] = [step('push', 'PUSH', 'phone'), step('push', 'PUSH', 'laptop')]
  const devices = single(all(phone, laptop), inbox)

  test('are not tried where one says that the content is refused; where it is the address, they are', () => {
    expect(move([[phone, [refused('content')]]], devices)).toEqual(tries(inbox))
    expect(move([[phone, [refused('address')]]], devices)).toEqual(tries(laptop))
  })

  test('are all called at once', () => {
    expect(move([], devices)).toEqual(tries(phone, laptop))
  })

  test.each<[string, readonly Try[], object]>([
    ['untried is tried', [], tries(laptop)],
    ['busy waits its time', [tried('RETRY')], waits(60_000)],
    ['gone is left alone', [refused('address')], DONE],
    ['that took it too ends the route', [tried('ACCEPTED')], DONE],
  ])('one that is %s', (_name, attempts, expected) => {
    const rest = 'until' in expected ? 60_000 : undefined
    const other: Given = rest === undefined ? [laptop, attempts] : [laptop, attempts, rest]
    expect(move([[phone, [tried('ACCEPTED')]], other], devices)).toEqual(expected)
  })
})

describe('What a service that came with the address says of requests and settings', () => {
  const keys = { p256dh: 'p', auth: 'a' }
  const device = (id: string, more: object = { keys }): Step => ({ ...step('push', 'PUSH', id), address: { id, ...more } })
  const chat = (value: string, to = 'webhookUrl') => device(value, { chat: { service: 'slack', to, value } })
  const says = [
    ['request', refused('request')],
    ['settings', tried('MISCONFIGURED')],
  ] as const

  test.each(says)("holds for that device alone, where it is a push service's (%s)", (_name, said) => {
    const [phone, laptop] = [device('phone'), device('laptop')]
    expect(move([[phone, [said]]], all(phone, laptop))).toEqual(tries(laptop))
    expect(move([[phone, [said]]], all(phone))).toMatchObject({ kind: 'fail', reason: 'PROVIDER_ERROR' })
  })

  test.each(says)("holds for that place alone, where it is a chat's own webhook (%s)", (_name, said) => {
    const [one, other] = [chat('https://one.test'), chat('https://other.test')]
    expect(move([[one, [said]]], all(one, other))).toEqual(tries(other))
  })

  test.each(says)('holds for the account where the service is the account’s (%s)', (_name, said) => {
    const [phone, laptop] = [device('phone', {}), device('laptop', {})]
    expect(move([[phone, [said]]], single(all(phone, laptop), inbox))).toEqual(tries(inbox))
    const [one, other] = [chat('C1', 'channel'), chat('C2', 'channel')]
    expect(move([[one, [said]]], single(all(one, other), inbox))).toEqual(tries(inbox))
  })

  test('does not keep the other devices from having the message where nobody knows of the first', () => {
    const [phone, laptop] = [device('phone'), device('laptop')]
    const unknown = [tried('UNKNOWN'), tried('UNKNOWN')]
    const devices = single(all(phone, laptop), inbox)
    const thenLaptop = (...attempts: Try[]) =>
      move(
        [
          [phone, unknown],
          [laptop, attempts],
        ],
        devices,
      )
    expect(thenLaptop()).toEqual(tries(laptop))
    expect(thenLaptop(tried('ACCEPTED'))).toEqual(DONE)
    expect(thenLaptop(refused('address'))).toMatchObject({ kind: 'fail', reason: 'UNKNOWN' })
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
