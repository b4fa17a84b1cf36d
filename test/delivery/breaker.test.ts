import fc from 'fast-check'
import { beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/channels/provider.ts'
import { type BegunCall, type Breakers, type CalledAccount, createBreakers } from '../../src/delivery/breaker.ts'
import { OF_ENDPOINTS } from '../../src/delivery/webhook-call.ts'

const account: CalledAccount = { environmentId: 'production', id: 'mailgun', version: '1', failingUntil: null }
const START = Date.parse('2026-06-03T18:30:00Z')
const SECOND = 1_000
const MINUTE = 60 * SECOND

const accepted: Outcome = { kind: 'accepted' }
const down: Outcome = { kind: 'retry', error: 'It is down.', code: '503' }
const throttled: Outcome = { kind: 'retry', error: 'Too many requests.', code: '429', afterMs: 30 * SECOND }
const refused: Outcome = { kind: 'rejected', what: 'address', error: 'There is no such mailbox.' }
const misconfigured: Outcome = { kind: 'misconfigured', error: 'Its key was refused.' }
const unknown: Outcome = { kind: 'unknown', error: 'No answer came.' }

let time = START
let chance = 0
let breakers: Breakers
beforeEach(() => {
  time = START
  chance = 0
  breakers = newBreakers()
})

const silent = { info() {}, warn() {} }
const newBreakers = () => createBreakers({ now: () => new Date(time), random: () => chance, log: silent })

/** When to ask again, in ms from now; null: now. */
function restOf(of: CalledAccount = account, isRetry = false): number | null {
  const rest = breakers.notBefore(of, isRetry)
  return rest === null ? null : rest.until.getTime() - time
}

function call(outcome: Outcome, of: CalledAccount = account): void {
  breakers.begin(of, false).ended(outcome)
}

function fail(times: number): void {
  for (let count = 0; count < times; count++) call(down)
}

/** Opened with the longest rest, and its time is over. */
function halfOpen(): void {
  fail(5)
  time += 10 * SECOND
  breakers.takeNews(account)
}

describe('A provider that fails', () => {
  test('is passed over for ten seconds after five failures in a row', () => {
    fail(4)
    expect(restOf()).toBeNull()
    fail(1)
    expect(restOf()).toBe(10 * SECOND)
    time += 10 * SECOND
    expect(restOf()).toBeNull()
  })

  test('is passed over where nobody knows what it took, too', () => {
    for (let count = 0; count < 5; count++) call(unknown)
    expect(restOf()).not.toBeNull()
  })

  test('is passed over where half of its last twenty calls failed, though never five in a row', () => {
    for (let count = 0; count < 9; count++) [down, accepted].forEach((outcome) => void call(outcome))
    expect(restOf()).toBeNull()
    for (const outcome of [accepted, down, down]) call(outcome)
    expect(restOf()).not.toBeNull()
  })

  test('is not passed over for mailboxes that are full, and works again where a probe meets one', () => {
    const full: Outcome = { kind: 'retry', error: 'The mailbox is full.', code: '452', about: 'address' }
    for (let count = 0; count < 50; count++) call(full)
    expect(restOf()).toBeNull()
    halfOpen()
    call({ ...full, afterMs: MINUTE })
    expect(breakers.takeNews(account)).toMatchObject({ health: 'OK' })
  })

  test('is not held to failures of more than half a minute ago', () => {
    for (let count = 0; count < 9; count++) [down, accepted].forEach((outcome) => void call(outcome))
    time += 31 * SECOND
    for (const outcome of [accepted, down, down]) call(outcome)
    expect(restOf()).toBeNull()
  })

  test('is passed over alone: not the other accounts, not those of other environments, not with other settings', () => {
    fail(5)
    for (const other of [{ id: 'smtp' }, { environmentId: 'staging' }, { version: '2' }]) {
      expect(restOf({ ...account, ...other })).toBeNull()
    }
  })

  test.each([
    ['refuses an address', refused],
    ['refuses its settings', misconfigured],
    ['says when to come back', throttled],
  ])('is not one that %s', (_, outcome) => {
    for (let count = 0; count < 100; count++) call(outcome)
    expect(restOf()).toBeNull()
    expect(breakers.takeNews(account)).toBeNull()
  })

  test('is not judged by what became of calls from before it was passed over', () => {
    const early = Array.from({ length: 50 }, () => breakers.begin(account, false))
    halfOpen()
    for (const one of early.slice(0, 25)) one.ended(down)
    expect(restOf()).toBeNull()
    call(accepted)
    for (const one of early.slice(25)) one.ended(unknown)
    expect(restOf()).toBeNull()
  })

  test('is passed over for no longer than five minutes when the clock is set back', () => {
    fail(5)
    time -= 60 * MINUTE
    expect(restOf()).toBe(5 * MINUTE)
    time += 5 * MINUTE
    expect(restOf()).toBeNull()
  })
})

describe('A probe', () => {
  test('is one call, beside which the account is passed over for about a second', () => {
    halfOpen()
    const probe = breakers.begin(account, false)
    expect(restOf()).toBe(750)
    probe.ended(accepted)
    expect(restOf()).toBeNull()
  })

  test('that fails doubles the time that the account is passed over, up to five minutes', () => {
    fail(5)
    const rests: (number | null)[] = []
    for (let probes = 0; probes < 7; probes++) {
      rests.push(restOf())
      time += rests.at(-1) ?? 0
      expect(restOf()).toBeNull()
      call(down)
    }
    expect(rests.map((rest) => (rest ?? 0) / SECOND)).toEqual([10, 20, 40, 80, 160, 300, 300])
  })

  test('that works ends it all: five more failures are needed', () => {
    halfOpen()
    call(accepted)
    fail(4)
    expect(restOf()).toBeNull()
    fail(1)
    expect(restOf()).toBe(10 * SECOND)
  })

  test('that works makes the failures before it forgotten', () => {
    for (let count = 0; count < 10; count++) [accepted, down].forEach((outcome) => void call(outcome))
    expect(restOf()).toBe(10 * SECOND)
    time += 10 * SECOND
    for (const outcome of [accepted, down]) call(outcome)
    expect(restOf()).toBeNull()
  })

  test('that is told when to come back rests the account for that long', () => {
    halfOpen()
    call(throttled)
    expect(restOf()).toBe(30 * SECOND)
  })

  test('that was never made leaves the probe to the next call', () => {
    halfOpen()
    breakers.begin(account, false).dropped()
    expect(restOf()).toBeNull()
    call(accepted)
    expect(breakers.takeNews(account)?.health).toBe('OK')
  })

  test('that never ends is given up after two minutes', () => {
    halfOpen()
    breakers.begin(account, false)
    time += 2 * MINUTE - 1
    expect(restOf()).not.toBeNull()
    time += 1
    expect(restOf()).toBeNull()
  })

  test('of several processes comes at different times', () => {
    const untils = [0, 0.5, 0.75].map((drawn) => {
      chance = drawn
      breakers = newBreakers()
      fail(5)
      return breakers.takeNews(account)?.until?.getTime()
    })
    expect(untils).toEqual([START + 10_000, START + 9_000, START + 8_500])
  })
})

describe('What is told of an account', () => {
  test('is that it fails, why and until when, and once that it works', () => {
    fail(4)
    expect(breakers.takeNews(account)).toBeNull()
    fail(1)
    const until = new Date(START + 10 * SECOND)
    expect(breakers.takeNews(account)).toEqual({ health: 'FAILING', lastError: 'It answered 503.', until })
    expect(breakers.takeNews(account)).toBeNull()
    time = until.getTime()
    call(unknown)
    const later = new Date(until.getTime() + 20 * SECOND)
    expect(breakers.takeNews(account)).toEqual({ health: 'FAILING', lastError: 'No answer came.', until: later })
    time = later.getTime()
    call(accepted)
    expect(breakers.takeNews(account)).toEqual({ health: 'OK', lastError: null, until: null })
    expect(breakers.takeNews(account)).toBeNull()
  })

  test.each([
    [{ kind: 'retry', error: 'The mail server answered: 451 <ada@example.com> later', code: '451' }, 'It answered 451.'],
    [{ kind: 'retry', error: 'No connection for ada@example.com.' }, 'It could not be called.'],
    [{ kind: 'retry', error: 'It said so.', code: 'ada@example.com' }, 'It could not be called.'],
    [{ kind: 'unknown', error: 'No answer about ada@example.com.' }, 'No answer came.'],
  ] as const)('holds nothing of the message that met it: %j', (outcome, lastError) => {
    for (let count = 0; count < 5; count++) call(outcome)
    expect(breakers.takeNews(account)).toMatchObject({ health: 'FAILING', lastError })
  })

  test('is left to the call that found its settings refused', () => {
    halfOpen()
    call(misconfigured)
    expect(restOf()).toBeNull()
    expect(breakers.takeNews(account)).toBeNull()
  })

  test('makes another process pass it over as well, and begin with one probe', () => {
    const told = { ...account, failingUntil: new Date(START + 8 * SECOND) }
    expect(restOf(told)).toBe(8 * SECOND)
    expect(restOf()).toBe(8 * SECOND)
    time += 8 * SECOND
    expect(restOf(told)).toBeNull()
    const probe = breakers.begin(told, false)
    expect(restOf(told)).not.toBeNull()
    probe.ended(accepted)
    expect(breakers.takeNews(told)?.health).toBe('OK')
  })

  test('and was read before it changed opens nothing again', () => {
    fail(5)
    const stale = { ...account, failingUntil: breakers.takeNews(account)?.until ?? null }
    expect(stale.failingUntil).not.toBeNull()
    time += 10 * SECOND
    call(accepted)
    expect(restOf(stale)).toBeNull()
    breakers.begin(stale, false)
    expect(restOf(stale)).toBeNull()
  })
})

describe('Retries of an account', () => {
  const retry = (outcome: Outcome) => breakers.begin(account, true).ended(outcome)
  const mayRetry = () => restOf(account, true) === null

  /** Fails now and then, so that the breaker stays closed. */
  function failingRetries(most: number): number {
    for (let count = 0; count < most; count++) {
      if (!mayRetry()) return count
      retry(down)
      call(accepted)
    }
    return most
  }

  test('are ten in ten seconds where there is little else', () => {
    expect(failingRetries(100)).toBe(10)
    expect(restOf(account, true)).toBe(750)
    expect(restOf()).toBeNull()
    time += 10 * SECOND
    expect(failingRetries(100)).toBe(10)
  })

  test('are at most a tenth of its calls in a minute where there is much', () => {
    for (let count = 0; count < 1_000; count++) call(accepted)
    const retries = failingRetries(1_000)
    // Each brought one call of its own with it, beside the thousand.
    expect(retries).toBe(124)
    expect(retries / (1_000 + 2 * retries)).toBeLessThanOrEqual(0.1)
  })

  test('are not limited as long as they work, so that what waited out an outage is sent', () => {
    for (let count = 0; count < 1_000; count++) {
      expect(mayRetry()).toBe(true)
      retry(accepted)
    }
    expect(failingRetries(100)).toBeGreaterThan(10)
  })

  test('that were not made do not count', () => {
    for (let count = 0; count < 100; count++) breakers.begin(account, true).dropped()
    expect(mayRetry()).toBe(true)
  })
})

describe('An account over its share of the slots', () => {
  test('does not answer by calls that timed out', () => {
    const calls = Array.from({ length: 32 }, () => breakers.begin(account, false))
    for (const one of calls) one.slow()
    for (const one of calls.splice(0, 2)) one.ended(unknown)
    for (const one of Array.from({ length: 2 }, () => breakers.begin(account, false))) one.slow()
    expect(breakers.notBefore(account, false)).toMatchObject({ isBusy: false })
  })

  test('is busy while it answers all the same, and hangs once nothing came for five seconds', () => {
    const calls = Array.from({ length: 129 }, () => breakers.begin(account, false))
    for (const one of calls) one.slow()
    expect(breakers.notBefore(account, false)).toMatchObject({ isBusy: false })
    calls[0]!.ended({ kind: 'accepted' })
    expect(breakers.notBefore(account, false)).toMatchObject({ isBusy: true })
    time += 6_000
    expect(breakers.notBefore(account, false)).toMatchObject({ isBusy: false })
  })

  test('is passed over from 32 slow calls on, until one of them ends', () => {
    const calls = Array.from({ length: 100 }, () => breakers.begin(account, false))
    expect(restOf()).toBeNull()
    for (const one of calls.slice(0, 31)) one.slow()
    expect(restOf()).toBeNull()
    calls[31]?.slow()
    calls[31]?.slow()
    expect(restOf()).toBe(750)
    expect(restOf({ ...account, id: 'smtp' })).toBeNull()
    calls[0]?.ended(accepted)
    expect(restOf()).toBeNull()
    calls[0]?.slow()
    expect(restOf()).toBeNull()
  })
})

test('calls that were passed over come back spread out, the more of them the longer', () => {
  chance = 0.5
  fail(5)
  const first = restOf() ?? 0
  let last = first
  for (let count = 1; count <= 1_000; count++) last = restOf() ?? 0
  expect(first).toBe(9 * SECOND)
  expect(last).toBe(9 * SECOND + 10 * SECOND)
})

test('an outage of ten minutes costs no more calls than those that opened the breaker and its probes', () => {
  let calls = 0
  for (; time < START + 10 * MINUTE; time += 50) {
    if (breakers.notBefore(account, false) !== null) continue
    calls++
    call(down)
  }
  // Probes after 10, 30, 70, 150, 310 and 610 s, of which the last is not due yet.
  expect(calls).toBe(5 + 5)
})

const answer = fc.constantFrom(accepted, accepted, down, down, unknown, refused, throttled)
const event = fc.oneof(
  fc.record({ kind: fc.constant('ask' as const), isRetry: fc.boolean() }),
  fc.record({ kind: fc.constant('end' as const), which: fc.nat(50), outcome: answer }),
  fc.record({ kind: fc.constant('drop' as const), which: fc.nat(50) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 0, max: 8 * SECOND }) }),
)

test('whatever happens, no more than one probe is under way between the news that it fails and that it works', () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 300 }), fc.double({ min: 0, max: 0.99, noNaN: true }), (events, drawn) => {
      time = START
      chance = drawn
      breakers = newBreakers()
      let underWay: { call: BegunCall; at: number; isProbe: boolean }[] = []
      let isFailing = false
      const end = (which: number, by: (call: BegunCall) => void) => {
        const [ending] = underWay.splice(which % Math.max(1, underWay.length), 1)
        if (ending) by(ending.call)
        const health = breakers.takeNews(account)?.health
        if (health !== undefined) isFailing = health === 'FAILING'
      }
      for (const one of events) {
        if (one.kind === 'pass') time += one.ms
        if (one.kind === 'end') end(one.which, (call) => call.ended(one.outcome))
        if (one.kind === 'drop') end(one.which, (call) => call.dropped())
        // What lasts longer than any call may counts as lost, here as there.
        underWay = underWay.filter(({ at }) => time - at < 2 * MINUTE)
        if (one.kind !== 'ask' || breakers.notBefore(account, one.isRetry) !== null) continue
        underWay.push({ call: breakers.begin(account, one.isRetry), at: time, isProbe: isFailing })
        expect(underWay.filter(({ isProbe }) => isProbe && isFailing).length).toBeLessThanOrEqual(1)
      }
    }),
    { numRuns: 1_000 },
  )
})

test('an account that answers is never passed over, however many calls there are and whatever it answers', () => {
  const good = fc.constantFrom(accepted, refused, throttled, misconfigured)
  const step = fc.record({ outcome: good, which: fc.nat(100), ms: fc.integer({ min: 0, max: 2 * SECOND }), begins: fc.nat(4) })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      breakers = newBreakers()
      const underWay: BegunCall[] = []
      for (const { outcome, which, ms, begins } of steps) {
        time += ms
        for (let count = 0; count < begins; count++) {
          expect(breakers.notBefore(account, false)).toBeNull()
          underWay.push(breakers.begin(account, false))
        }
        underWay.splice(which % Math.max(1, underWay.length), 1)[0]?.ended(outcome)
        expect(breakers.takeNews(account)).toBeNull()
      }
    }),
  )
})

describe('A webhook endpoint', () => {
  beforeEach(() => {
    breakers = createBreakers({ now: () => new Date(time), random: () => chance, log: silent, limits: OF_ENDPOINTS })
  })

  /** So many endpoints that were never called before, each with a call that lasts. */
  const hang = (count: number, environmentId = 'production') =>
    Array.from({ length: count }, (_, index) => {
      const one = breakers.begin({ ...account, environmentId, id: `hanging-${index}` }, false)
      one.slow()
      return one
    })

  test('of which nothing is known has one call under way until that is answered', () => {
    const first = breakers.begin(account, false)
    expect(restOf()).toBe(225)
    first.slow()
    expect(restOf()).toBeGreaterThanOrEqual(750)
    first.ended(accepted)
    expect(restOf()).toBeNull()
    for (let count = 0; count < 15; count += 1) breakers.begin(account, false).slow()
    expect(restOf()).toBeNull()
  })

  test('that answered in time, but not lately, has four calls under way, and one while it is crowded', () => {
    call(accepted)
    time += MINUTE
    const calls = Array.from({ length: 3 }, () => breakers.begin(account, false))
    expect(restOf()).toBeNull()
    calls.push(breakers.begin(account, false))
    expect(restOf()).toBe(225)
    for (const one of calls) one.dropped()
    hang(20)
    expect(restOf()).toBeNull()
    breakers.begin(account, false)
    expect(restOf()).not.toBeNull()
  })

  test('that did not answer in time has one call under way, and none while it is crowded', () => {
    const late = breakers.begin(account, false)
    time += 15 * SECOND
    late.ended(unknown)
    expect(restOf()).toBeNull()
    const crowd = hang(20)
    expect(restOf()).not.toBeNull()
    expect(restOf({ ...account, environmentId: 'other' })).toBeNull()
    crowd[0]!.ended(unknown)
    expect(restOf()).toBeNull()
    hang(29, 'other')
    expect(restOf()).not.toBeNull()
  })

  test('that answers has its share while it is crowded, and a message more waits for its turn', () => {
    const [first, ...calls] = Array.from({ length: 10 }, () => breakers.begin(account, false))
    for (const one of calls) one.slow()
    first!.ended(accepted)
    expect(restOf()).toBeNull()
    hang(20)
    expect(breakers.notBefore(account, false)).toMatchObject({ isBusy: true })
  })

  test('that is told to fail is not called while it is crowded, one of which nothing is known until all places are taken', () => {
    hang(48, 'other')
    expect(restOf({ ...account, isFailing: true })).not.toBeNull()
    expect(restOf({ ...account, id: 'new' })).toBeNull()
    hang(48, 'third')
    expect(restOf({ ...account, id: 'new' })).not.toBeNull()
  })

  test('does not answer by a call that timed out', () => {
    breakers.begin(account, false).ended(unknown)
    breakers.begin(account, false).slow()
    expect(restOf()).toBeGreaterThanOrEqual(750)
  })

  test('is tried again after five seconds, and then after a minute at most', () => {
    fail(5)
    expect(restOf()).toBe(5 * SECOND)
    for (let probe = 0; probe < 10; probe += 1) {
      time += restOf() ?? 0
      call(down)
    }
    expect(restOf()).toBe(MINUTE)
  })
})
