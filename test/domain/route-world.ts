import fc from 'fast-check'
import { expect } from 'vitest'
import type { Step } from '../../src/domain/plan.ts'
import { type Move, nextMove, openSteps, type Route, restAfter, type Try, type Turn } from '../../src/domain/route.ts'
import { type RouteNode, stepsOf } from '../../src/domain/route-tree.ts'
import { CALL_TIMEOUT_MS, timeLeftMs } from '../../src/domain/time-budget.ts'
import { fromNow, NOW } from './snapshot.ts'

const step = (providerId: string, channel: Step['channel'], address: Step['address']): Step => ({
  channel,
  providerId,
  kind: providerId,
  address,
})
const STEPS = [
  step('smtp', 'EMAIL', { id: 'ada@x.test' }),
  step('ses', 'EMAIL', { id: 'ada@x.test' }),
  step('twilio', 'SMS', { id: '+32470123456' }),
  step('fcm', 'PUSH', { id: 'phone' }),
  step('fcm', 'PUSH', { id: 'tablet' }),
  step('webpush', 'PUSH', { id: 'laptop', keys: { p256dh: 'p', auth: 'a' } }),
  step('inbox', 'INBOX', { id: 'ada' }),
]

/** Trees of any depth, in which a step may stand several times. */
export const trees: fc.Arbitrary<RouteNode> = fc.letrec<{ node: RouteNode }>((tie) => ({
  node: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 1, arbitrary: fc.constantFrom(...STEPS).map((one) => ({ kind: 'step' as const, step: one })) },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('branch' as const),
        method: fc.constantFrom('SINGLE' as const, 'ALL' as const),
        nodes: fc.array(tie('node'), { minLength: 2, maxLength: 4 }),
      }),
    },
  ),
})).node

/** What becomes of one call. crash: its worker, and all that it has under way. */
interface Answer {
  readonly outcome: Exclude<Try['outcome'], null> | 'crash'
  readonly rejected: NonNullable<Try['rejected']>
  readonly ms: number
  readonly retryAfterMs: number | undefined
  readonly chance: number
}

const answers: fc.Arbitrary<Answer> = fc.record({
  outcome: fc.constantFrom('ACCEPTED', 'REJECTED', 'RETRY', 'RETRY', 'RETRY', 'RETRY', 'MISCONFIGURED', 'UNKNOWN', 'crash'),
  rejected: fc.constantFrom('address', 'content', 'request'),
  ms: fc.oneof(fc.nat(200), fc.nat(CALL_TIMEOUT_MS)),
  retryAfterMs: fc.option(fc.nat(20_000), { nil: undefined }),
  chance: fc.double({ min: 0, max: 0.999_999, noNaN: true }),
})

export const worlds = fc.record({
  tree: trees,
  answers: fc.infiniteStream(answers),
  failing: fc.array(fc.record({ step: fc.constantFrom(...STEPS), fromMs: fc.nat(60_000), ms: fc.nat(40_000) }), { maxLength: 5 }),
  failsOnUnknown: fc.subarray(STEPS),
  timeouts: fc.record({ providerMs: fc.integer({ min: 1, max: 90_000 }), channelMs: fc.integer({ min: 1, max: 120_000 }) }),
  lastsMs: fc.integer({ min: 1, max: 120_000 }),
})

type World = typeof worlds extends fc.Arbitrary<infer T> ? T : never

const keyOf = ({ providerId, address }: Step) => `${providerId}\n${address.id}`

/** As they stand in the database: what is restored from it knows nothing else. */
type Turns = Map<string, { readonly channel: Step['channel']; readonly providerId: string } & Turn>

interface Call {
  readonly step: Step
  readonly endsAt: Date
  readonly answer: Answer
}

export interface Played {
  readonly last: Move
  /** How many attempts each step had. */
  readonly attempts: readonly number[]
  readonly accepted: readonly Step[]
  readonly endedAt: Date
}

const MOST_CRASHES = 2
const MOST_MOVES = 20_000

/**
 * A message's way through a world, by a clock of its own, move by move until its end: as the journey goes it. On the way it
 * holds each move to what a move may be.
 */
export function play(world: World): Played {
  const turns: Turns = new Map()
  let calls: readonly Call[] = []
  let now = NOW
  let crashes = 0
  for (let count = 0; count < MOST_MOVES; count++) {
    const route = routeIn(world, turns, world.tree, now)
    const next = nextMove(route)
    expect(nextMove(routeIn(world, structuredClone(turns), structuredClone(world.tree), now))).toEqual(next)
    if (next.kind === 'try') {
      checkTries(route, next.steps)
      calls = [...calls, ...next.steps.map((one) => begin(world, route, turns, one))]
      expectOneCallInEachSingle(world.tree, calls)
      continue
    }
    if (next.kind === 'busy') {
      expect(calls).not.toEqual([])
      const at = [...calls.map(({ endsAt }) => endsAt), ...(next.until ? [next.until] : [])].reduce((a, b) => (b < a ? b : a))
      expect(at >= now).toBe(true)
      now = at
      const ended = calls.filter(({ endsAt }) => endsAt <= now)
      calls = calls.filter((call) => !ended.includes(call))
      const isCrash = ended.some(({ answer }) => answer.outcome === 'crash') && crashes < MOST_CRASHES
      for (const call of isCrash ? [...ended, ...calls] : ended) settle(turns, call, now, isCrash)
      if (isCrash) {
        calls = []
        crashes++
      }
      continue
    }
    expect(calls).toEqual([])
    if (next.kind === 'wait') {
      expect(next.until > now && next.until <= route.end.at).toBe(true)
      now = next.until
      continue
    }
    expect(openSteps(route)).toEqual([])
    return ended(world, turns, next, now)
  }
  throw new Error(`It goes on after ${MOST_MOVES} moves.`)
}

function routeIn({ failing, failsOnUnknown, timeouts, lastsMs }: World, turns: Turns, tree: RouteNode, now: Date): Route {
  return {
    tree,
    turnOf: (one) => turns.get(keyOf(one)) ?? { attempts: [], nextAttemptAt: null },
    onUnknown: (one) => (failsOnUnknown.some((other) => keyOf(other) === keyOf(one)) ? 'FAIL' : 'RESEND'),
    passedOverUntil(one) {
      const found = failing.find(({ step: { providerId }, fromMs, ms }) => {
        return providerId === one.providerId && fromNow(fromMs) <= now && now < fromNow(fromMs + ms)
      })
      return found === undefined ? null : fromNow(found.fromMs + found.ms)
    },
    isBusy: () => false,
    timeLeftMs: (one) => timeLeftMs(one, { timeouts }, [...turns.values()], now),
    end: { at: fromNow(lastsMs), reason: 'TIMED_OUT' },
    now,
  }
}

/** Nothing is tried that is over, under way, resting or passed over. */
function checkTries(route: Route, steps: readonly Step[]): void {
  expect(new Set(steps.map(keyOf)).size).toBe(steps.length)
  expect(route.now < route.end.at).toBe(true)
  for (const one of steps) {
    const { attempts, nextAttemptAt } = route.turnOf(one)
    expect([undefined, 'RETRY', 'UNKNOWN']).toContain(attempts.at(-1)?.outcome)
    expect(attempts.filter(({ outcome }) => outcome === 'UNKNOWN').length).toBeLessThanOrEqual(MOST_CRASHES)
    expect(nextAttemptAt === null || nextAttemptAt <= route.now).toBe(true)
    expect(route.passedOverUntil(one)).toBe(null)
    expect(route.timeLeftMs(one)).toBeGreaterThan(0)
  }
}

/** Of trees in which no step stands twice: one that does may be called for another branch. */
function expectOneCallInEachSingle(node: RouteNode, calls: readonly Call[]): void {
  if (node.kind === 'step' || !isPlain(node)) return
  const isCalled = (inner: RouteNode) => stepsOf(inner).some((one) => calls.some((call) => keyOf(call.step) === keyOf(one)))
  if (node.method === 'SINGLE') expect(node.nodes.filter(isCalled).length).toBeLessThanOrEqual(1)
  for (const inner of node.nodes) expectOneCallInEachSingle(inner, calls)
}

export const isPlain = (tree: RouteNode) => new Set(stepsOf(tree).map(keyOf)).size === stepsOf(tree).length

function begin({ answers: stream, lastsMs }: World, route: Route, turns: Turns, one: Step): Call {
  const answer = stream.next().value!
  const left = Math.min(route.timeLeftMs(one), fromNow(lastsMs).getTime() - route.now.getTime(), CALL_TIMEOUT_MS)
  const { attempts } = route.turnOf(one)
  const begun: Try = { outcome: null, rejected: null, error: null, startedAt: route.now, endedAt: null }
  const { channel, providerId } = one
  turns.set(keyOf(one), { channel, providerId, attempts: [...attempts, begun], nextAttemptAt: null })
  // What begins beside it in the same move may be what uses up its account's time: then its call ends at once.
  return { step: one, answer, endsAt: new Date(route.now.getTime() + Math.max(0, Math.min(answer.ms, left))) }
}

function settle(turns: Turns, { step: one, answer }: Call, now: Date, isCrash: boolean): void {
  const { outcome, rejected, retryAfterMs, chance } = answer
  const known = turns.get(keyOf(one))!
  const begun = known.attempts.at(-1)!
  const came = outcome === 'crash' ? 'RETRY' : outcome
  const ended: Try = isCrash
    ? { ...begun, outcome: 'UNKNOWN', error: 'crash' }
    : { ...begun, outcome: came, rejected: came === 'REJECTED' ? rejected : null, error: came, endedAt: now }
  const rests = !isCrash && (came === 'RETRY' || came === 'UNKNOWN')
  const restMs = restAfter(known.attempts.length, came === 'RETRY' ? retryAfterMs : undefined, chance)
  turns.set(keyOf(one), {
    ...known,
    attempts: [...known.attempts.slice(0, -1), ended],
    nextAttemptAt: rests ? new Date(now.getTime() + restMs) : null,
  })
}

function ended({ tree }: World, turns: Turns, last: Move, endedAt: Date): Played {
  const steps = stepsOf(tree)
  const attemptsOf = (one: Step) => turns.get(keyOf(one))?.attempts ?? []
  return {
    last,
    attempts: steps.map((one) => attemptsOf(one).length),
    accepted: steps.filter((one) => attemptsOf(one).at(-1)?.outcome === 'ACCEPTED'),
    endedAt,
  }
}
