import { describe, expect, test } from 'vitest'
import type { Step } from '../../src/domain/plan.ts'
import { openSteps } from '../../src/domain/route.ts'
import {
  all,
  DONE,
  first,
  type Given,
  inbox,
  move,
  refused,
  routeOf,
  second,
  single,
  step,
  tried,
  tries,
  underWay,
  waits,
} from './route-turns.ts'
import { fromNow, NOW } from './snapshot.ts'

describe('SINGLE', () => {
  test('stops at the first that takes it, however many there are behind it and whatever they said before', () => {
    const tree = single(first, single(second, inbox))
    expect(
      move(
        [
          [first, [tried('RETRY')], 0],
          [inbox, [tried('ACCEPTED')]],
        ],
        tree,
      ),
    ).toEqual(DONE)
  })

  test('has one call under way: what has rested meanwhile waits for its answer', () => {
    const rested: Given = [first, [tried('RETRY')], -1]
    expect(move([rested, [second, [underWay]]])).toEqual({ kind: 'busy', until: null })
    expect(move([rested, [second, [refused('request')]]])).toEqual(tries(first))
  })

  test('waits for the second try of an account, not for one that is passed over, be it as soon', () => {
    const isFirst = (one: Step) => (one === first ? fromNow(500) : null)
    expect(move([[first, [tried('RETRY')], 500]])).toEqual(waits(500))
    expect(move([[first, [tried('RETRY')], 500]], undefined, { passedOverUntil: isFirst })).toEqual(tries(second))
  })
})

describe('ALL', () => {
  const sms = step('sms', 'SMS')

  test('begins every branch at once', () => {
    expect(move([], all(single(first, second), inbox, sms))).toEqual(tries(first, inbox, sms))
  })

  test.each<[string, Given]>([
    ['was taken', [inbox, [tried('ACCEPTED')]]],
    ['was refused', [inbox, [refused('address')]]],
    ['rests', [inbox, [tried('RETRY')], 500]],
    ['is under way', [inbox, [underWay]]],
    ['nobody knows of', [inbox, [tried('UNKNOWN'), tried('UNKNOWN')]]],
  ])('goes on with its other branches where one %s', (_name, given) => {
    const turns: readonly Given[] = [given, [first, [refused('request')]]]
    expect(move(turns, all(inbox, single(first, second), sms))).toEqual(tries(second, sms))
  })

  test('while a call is under way, knows when another branch may be tried again', () => {
    expect(
      move(
        [
          [first, [tried('RETRY')], 500],
          [inbox, [underWay]],
        ],
        all(first, inbox),
      ),
    ).toEqual({ kind: 'busy', until: fromNow(500) })
  })

  test('waits for the first of its branches to have rested, and is done once none has anything left to try', () => {
    const took: Given = [inbox, [tried('ACCEPTED')]]
    expect(move([took, [first, [tried('RETRY')], 90_000], [sms, [tried('RETRY')], 70_000]], all(inbox, first, sms))).toEqual(
      waits(70_000),
    )
    expect(
      move([took, [first, [refused('address')]], [sms, [tried('UNKNOWN')]]], all(inbox, first, sms), { onUnknown: () => 'FAIL' }),
    ).toEqual(DONE)
  })

  test('is not done while an account of two branches is still called in one of them', () => {
    const tree = all(single(first, second), single(second, first))
    expect(
      move(
        [
          [first, [tried('ACCEPTED')]],
          [second, [underWay]],
        ],
        tree,
      ),
    ).toEqual({ kind: 'busy', until: null })
  })

  test('of which nothing took it fails by what was said last, or UNKNOWN where one may have', () => {
    const [earlier, later] = [refused('address', { endedAt: fromNow(-5) }), refused('content')]
    expect(
      move(
        [
          [first, [later]],
          [inbox, [earlier]],
        ],
        all(first, inbox),
      ),
    ).toMatchObject({ kind: 'fail', reason: 'FAILED' })
    const unknown: Given = [inbox, [tried('UNKNOWN'), tried('UNKNOWN')]]
    expect(move([[first, [later]], unknown], all(first, inbox))).toMatchObject({ kind: 'fail', reason: 'UNKNOWN' })
  })

  test('ends a channel or an account in each of its branches where one of them says so', () => {
    const other = step('other')
    expect(move([[first, [refused('content')]]], all(first, single(other, inbox)))).toEqual(tries(inbox))
    expect(move([[first, [tried('MISCONFIGURED')]]], all(first, single(first, other)))).toEqual(tries(other))
  })
})

describe('All push, else a text', () => {
  const [fcm, apns, sms] = [step('fcm', 'PUSH', 'p1'), step('apns', 'PUSH', 'p2'), step('sms', 'SMS')]
  const tree = single(all(fcm, apns), sms)

  test.each<[string, readonly Given[], object]>([
    ['both are called at once', [], tries(fcm, apns)],
    [
      'one took it: no text, but the other goes on',
      [
        [fcm, [tried('ACCEPTED')]],
        [apns, [tried('RETRY')], 60_000],
      ],
      waits(60_000),
    ],
    [
      'one is refused: the other may still take it',
      [
        [fcm, [refused('request')]],
        [apns, [tried('RETRY')], 500],
      ],
      waits(500),
    ],
    [
      'one is under way: no text',
      [
        [fcm, [refused('request')]],
        [apns, [underWay]],
      ],
      { kind: 'busy', until: null },
    ],
    [
      'one rests for a moment, one for long: no text',
      [
        [fcm, [tried('RETRY')], 60_000],
        [apns, [tried('RETRY')], 500],
      ],
      waits(500),
    ],
    [
      'one is refused, the other rests for long: a text',
      [
        [fcm, [refused('request')]],
        [apns, [tried('RETRY')], 60_000],
      ],
      tries(sms),
    ],
    [
      'both rest for long: a text',
      [
        [fcm, [tried('RETRY')], 90_000],
        [apns, [tried('RETRY')], 60_000],
      ],
      tries(sms),
    ],
    [
      'both are refused: a text',
      [
        [fcm, [refused('request')]],
        [apns, [refused('address')]],
      ],
      tries(sms),
    ],
    [
      'the text was taken: what rested has no further try',
      [
        [fcm, [tried('RETRY')], 0],
        [sms, [tried('ACCEPTED')]],
      ],
      DONE,
    ],
    [
      'all rest: the first to have rested',
      [
        [fcm, [tried('RETRY')], 90_000],
        [apns, [tried('RETRY')], 70_000],
        [sms, [tried('RETRY')], 80_000],
      ],
      waits(70_000),
    ],
  ])('%s', (_name, turns, expected) => {
    expect(move(turns, tree)).toEqual(expected)
  })
})

describe('An account that is passed over', () => {
  const over = (...steps: Step[]) => ({ passedOverUntil: (one: Step) => (steps.includes(one) ? fromNow(30_000) : null) })

  test('lets the next have its turn, and the next channel', () => {
    expect(move([], undefined, over(first))).toEqual(tries(second))
    expect(move([], undefined, over(first, second))).toEqual(tries(inbox))
  })

  test('because it is busy keeps its turn: the message waits, and goes to no other for it', () => {
    const busy = { ...over(first), isBusy: (one: Step) => one === first }
    expect(move([], undefined, busy)).toEqual(waits(30_000))
    expect(move([], all(single(first, second), inbox), busy)).toEqual(tries(inbox))
    // Its own rest is another matter.
    expect(move([[first, [tried('RETRY')], 60_000]], undefined, busy)).toEqual(tries(second))
  })

  test('holds no branch of an ALL up but its own', () => {
    expect(move([], all(first, second, inbox), over(second))).toEqual(tries(first, inbox))
    expect(move([[first, [tried('ACCEPTED')]]], all(first, second), over(second))).toEqual(waits(30_000))
  })

  test('is no dead one: where all are passed over it waits for the first, and has its turn again', () => {
    const untils = (one: Step) => fromNow(one === second ? 20_000 : 30_000)
    expect(move([], undefined, { passedOverUntil: untils })).toEqual(waits(20_000))
    expect(move([], undefined, { passedOverUntil: untils, now: fromNow(20_000) })).toEqual(tries(second))
    expect(openSteps(routeOf([], single(first, second), over(first)))).toEqual([first, second])
  })

  test('is called no earlier than its own rest and the others’ news allow', () => {
    expect(move([[first, [tried('RETRY')], 50_000]], single(first), over(first))).toEqual(waits(50_000))
    expect(move([[first, [tried('RETRY')], 10_000]], single(first), over(first))).toEqual(waits(30_000))
  })

  test('until the time of the message is up ends it with that', () => {
    const end = { at: fromNow(10_000), reason: 'TIMED_OUT' } as const
    expect(move([], undefined, { ...over(first, second, inbox), end })).toEqual(waits(10_000))
    expect(move([], undefined, { ...over(first, second, inbox), end, now: end.at })).toEqual({
      kind: 'fail',
      reason: 'TIMED_OUT',
      error: 'Its time was up.',
    })
  })
})

describe('When the time is up', () => {
  const gone = (...steps: Step[]) => ({ timeLeftMs: (one: Step) => (steps.includes(one) ? 0 : 1) })
  const resting: readonly Given[] = [[first, [tried('RETRY')], 500]]

  test('of an account or a channel, the next has its turn', () => {
    expect(move(resting, undefined, gone(first))).toEqual(tries(second))
    expect(move(resting, undefined, gone(first, second))).toEqual(tries(inbox))
    expect(openSteps(routeOf(resting, single(first, second), gone(first)))).toEqual([second])
  })

  test('of all of them, it is TIMED_OUT, unless something took it or they all refused', () => {
    const time = gone(first, second)
    const tree = single(first, second)
    expect(
      move(
        [
          [first, [tried('RETRY')]],
          [second, [refused('request')]],
        ],
        tree,
        time,
      ),
    ).toMatchObject({ kind: 'fail', reason: 'TIMED_OUT' })
    expect(
      move(
        [
          [first, [tried('RETRY')]],
          [second, [tried('ACCEPTED')]],
        ],
        tree,
        time,
      ),
    ).toEqual(DONE)
    expect(
      move(
        [
          [first, [refused('request')]],
          [second, [refused('request')]],
        ],
        tree,
        time,
      ),
    ).toMatchObject({ reason: 'PROVIDER_ERROR' })
  })

  const ends = ['TIMED_OUT', 'EXPIRED'] as const

  test.each(ends)('of the message, it fails %s with the last error, unless something took it or may have', (reason) => {
    const end = { at: NOW, reason }
    const earlier = tried('RETRY', { error: 'earlier', endedAt: fromNow(-60_000) })
    const turns: readonly Given[] = [
      [first, [tried('RETRY', { error: 'the last' })], 60_000],
      [second, [earlier], 0],
    ]
    expect(move(turns, undefined, { end })).toEqual({ kind: 'fail', reason, error: 'the last' })
    expect(move([], undefined, { end })).toEqual({ kind: 'fail', reason, error: 'Its time was up.' })
    expect(move([[first, [tried('ACCEPTED')]]], undefined, { end })).toEqual(DONE)
    expect(move([[first, [tried('UNKNOWN'), tried('UNKNOWN')]]], undefined, { end })).toMatchObject({ reason: 'UNKNOWN' })
    expect(move([[first, [underWay]]], undefined, { end })).toEqual({ kind: 'busy', until: null })
    expect(openSteps(routeOf(turns, single(first, second), { end }))).toEqual([])
  })

  test.each(ends)('of the message before a step has rested, it waits no longer than that (%s)', (reason) => {
    expect(move([[first, [tried('RETRY')], 60_000]], single(first), { end: { at: fromNow(5_000), reason } })).toEqual(
      waits(5_000),
    )
  })
})
