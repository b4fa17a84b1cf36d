import type { Rejected } from '../channels/provider.ts'
import type { MessageReason, UnknownPolicy } from '../generated/tables.ts'
import type { Step } from './plan.ts'

/** What became of a step so far: its attempts, oldest first. */
export interface Turn {
  readonly attempts: readonly Try[]
  /** Not before this moment again. */
  readonly nextAttemptAt: Date | null
}

export const ATTEMPT_OUTCOMES = ['ACCEPTED', 'REJECTED', 'RETRY', 'MISCONFIGURED', 'UNKNOWN'] as const
export type AttemptOutcome = (typeof ATTEMPT_OUTCOMES)[number]

/**
 * One call to a provider, as it is kept with its delivery. outcome: null while it runs. endedAt: null then too, and for good
 * where its worker never came back. rejected: what of it. fence: its job's, when it was noted.
 */
export interface Attempt {
  readonly number: number
  readonly fence: number
  readonly startedAt: Date
  readonly endedAt: Date | null
  readonly outcome: AttemptOutcome | null
  readonly rejected: Rejected | null
  /** The SMTP or HTTP status answered. */
  readonly code: string | null
  readonly error: string | null
}

/** What the next move is chosen by. */
export type Try = Pick<Attempt, 'outcome' | 'rejected' | 'error' | 'endedAt'>

/** What to do next with a message. */
export type Move =
  | { readonly kind: 'try'; readonly step: Step }
  | { readonly kind: 'wait'; readonly until: Date }
  | { readonly kind: 'done' }
  | { readonly kind: 'fail'; readonly reason: MessageReason; readonly error: string }

export interface Route {
  readonly steps: readonly Step[]
  turnOf(step: Step): Turn
  /** What follows an attempt whose outcome is UNKNOWN, for the step's account. */
  onUnknown(step: Step): UnknownPolicy
  /** The end of the message's time. */
  readonly deadline: Date
  readonly now: Date
}

/** A second try within this time goes before the next provider; a longer rest lets the others have their turn. */
export const QUICK_MS = 2_000

/**
 * The next move along a route, from nothing but what was tried: so a worker that takes a message over goes on exactly
 * where the last one left off. A step that was accepted ends the route, apart from its account's other addresses (a
 * user's other devices), each of which goes on until it has its answer. A rejected address or content ends its channel, a rejected request or refused settings its account.
 * A temporary failure gets one quick second try, then the next step; when every step rests, the first to have rested is next.
 */
export function nextMove(route: Route): Move {
  const accepted = route.steps.find((step) => lastOf(route.turnOf(step))?.outcome === 'ACCEPTED')
  if (accepted) return afterAccepted(route, accepted)
  const ambiguous = route.steps.find(
    (step) => lastOf(route.turnOf(step))?.outcome === 'UNKNOWN' && route.onUnknown(step) === 'FAIL',
  )
  if (ambiguous) {
    return {
      kind: 'fail',
      reason: 'UNKNOWN',
      error: lastOf(route.turnOf(ambiguous))?.error ?? 'Nobody knows whether the provider took it.',
    }
  }
  const alive = route.steps.filter((step) => isAlive(route, step))
  if (alive.length === 0) return failedBy(route)
  if (route.now >= route.deadline) return { kind: 'fail', reason: 'TIMED_OUT', error: lastError(route) ?? 'Its time was up.' }
  return earliest(route, alive)
}

function earliest(route: Route, alive: readonly Step[]): Move {
  let until = route.deadline
  for (const step of alive) {
    const at = route.turnOf(step).nextAttemptAt
    if (at === null || at <= route.now) return { kind: 'try', step }
    if (at.getTime() - route.now.getTime() <= QUICK_MS) return { kind: 'wait', until: at }
    if (at < until) until = at
  }
  return { kind: 'wait', until }
}

function afterAccepted(route: Route, accepted: Step): Move {
  const waiting = route.steps.filter(
    (step) => step.providerId === accepted.providerId && step.channel === accepted.channel && isOpen(route, step),
  )
  return waiting.length === 0 || route.now >= route.deadline ? { kind: 'done' } : earliest(route, waiting)
}

function isOpen(route: Route, step: Step): boolean {
  const last = lastOf(route.turnOf(step))?.outcome
  const isGivenUp = last === 'UNKNOWN' && route.onUnknown(step) === 'FAIL'
  return last !== 'ACCEPTED' && !isGivenUp && isAlive(route, step)
}

function isAlive(route: Route, step: Step): boolean {
  return !route.steps.some((other) => {
    const last = lastOf(route.turnOf(other))
    if (last?.outcome === 'MISCONFIGURED') return other.providerId === step.providerId
    if (last?.outcome !== 'REJECTED') return false
    if (last.rejected === 'request') return other.providerId === step.providerId
    if (other.channel !== step.channel) return false
    return last.rejected === 'content' || other.address.id === step.address.id
  })
}

/** The last refusal says why. */
function failedBy(route: Route): Move {
  const lasts = route.steps.flatMap((step) => lastOf(route.turnOf(step)) ?? [])
  const last = lasts.reduce((a, b) => ((b.endedAt ?? 0) >= (a.endedAt ?? 0) ? b : a))
  const reason = last.rejected === 'address' ? 'BOUNCED' : last.rejected === 'content' ? 'FAILED' : 'PROVIDER_ERROR'
  return { kind: 'fail', reason, error: last.error ?? 'The provider refused it.' }
}

function lastError(route: Route): string | null {
  return route.steps.map((step) => lastOf(route.turnOf(step))?.error ?? null).findLast((error) => error !== null) ?? null
}

const lastOf = (turn: Turn): Try | undefined => turn.attempts.at(-1)

const FIRST_REST_MS = 10_000
const LONGEST_REST_MS = 3_600_000
const LONGEST_QUICK_MS = 1_000

/**
 * When a step may be tried again after a temporary failure: its odd tries are followed by a quick second one, the others
 * by an exponential rest with full jitter (between nothing and the capped exponential). Retry-After is a lower bound.
 *
 * @param tries how many attempts the step has had, this one included
 * @param random in [0, 1)
 */
export function restAfter(tries: number, afterMs: number | undefined, random: number): number {
  const asked = afterMs ?? 0
  if (tries % 2 === 1 && asked <= QUICK_MS) return Math.max(asked, LONGEST_QUICK_MS * (0.25 + 0.75 * random))
  const round = Math.floor((tries - 1) / 2)
  const cap = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 3 ** Math.min(round, 16))
  return Math.max(asked, QUICK_MS + cap * random)
}
