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

/** How long a message may be under way, and a request be expanded. */
export const MESSAGE_TIMEOUT_MS = 72 * 3_600_000

/** A second try within this time goes before the next provider; a longer rest lets the others have their turn. */
export const QUICK_MS = 2_000

/**
 * How many attempts of a step may end without anybody knowing whether they were taken: each more may be one more copy. A
 * crash counts towards it, but crashes alone do not fill it: what only ever crashes its workers becomes a dead letter.
 */
export const MAX_UNKNOWN = 2

/**
 * The next move along a route, from nothing but what was tried: so a worker that takes a message over goes on exactly
 * where the last one left off. A step that was accepted ends the route, and so does one that may have been and is not to
 * be sent again, apart from its account's other addresses (a user's other devices), each of which goes on until it has its
 * answer. A rejected address or content ends its channel, a rejected request or refused settings its account; where the
 * user named the service (a web push subscription), only that address of it. A temporary failure gets one quick second
 * try, then the next step; when every step rests, the first to have rested is next.
 */
export function nextMove(route: Route): Move {
  const open = openSteps(route)
  if (open.length > 0) return earliest(route, open)
  if (route.steps.some((step) => isAccepted(route, step))) return { kind: 'done' }
  const ambiguous = route.steps.find((step) => isAmbiguous(route, step))
  if (ambiguous) {
    const error = lastOf(route.turnOf(ambiguous))?.error ?? 'Nobody knows whether the provider took it.'
    return { kind: 'fail', reason: 'UNKNOWN', error }
  }
  if (!route.steps.some((step) => isAlive(route, step))) return failedBy(route)
  return { kind: 'fail', reason: 'TIMED_OUT', error: lastError(route) ?? 'Its time was up.' }
}

/** The steps that may be tried now or later; the others have had their last try. */
export function openSteps(route: Route): readonly Step[] {
  if (route.now >= route.deadline) return []
  const taken = route.steps.find((step) => isAccepted(route, step)) ?? route.steps.find((step) => isAmbiguous(route, step))
  return route.steps.filter(
    (step) =>
      (taken === undefined || (step.providerId === taken.providerId && step.channel === taken.channel)) &&
      !isAccepted(route, step) &&
      !isAmbiguous(route, step) &&
      isAlive(route, step),
  )
}

function earliest(route: Route, open: readonly Step[]): Move {
  let until = route.deadline
  for (const step of open) {
    const at = route.turnOf(step).nextAttemptAt
    if (at === null || at <= route.now) return { kind: 'try', step }
    if (at.getTime() - route.now.getTime() <= QUICK_MS) return { kind: 'wait', until: at }
    if (at < until) until = at
  }
  return { kind: 'wait', until }
}

function isAccepted(route: Route, step: Step): boolean {
  return lastOf(route.turnOf(step))?.outcome === 'ACCEPTED'
}

/** Whether it may have been taken and is not to be sent again. */
function isAmbiguous(route: Route, step: Step): boolean {
  const { attempts } = route.turnOf(step)
  if (attempts.at(-1)?.outcome === 'UNKNOWN' && route.onUnknown(step) === 'FAIL') return true
  const unknown = attempts.filter(({ outcome }) => outcome === 'UNKNOWN')
  return unknown.length >= MAX_UNKNOWN && unknown.some(({ endedAt }) => endedAt !== null)
}

function isAlive(route: Route, step: Step): boolean {
  return !route.steps.some((other) => {
    const last = lastOf(route.turnOf(other))
    if (last?.outcome === 'MISCONFIGURED') return isOfSameService(other, step)
    if (last?.outcome !== 'REJECTED') return false
    if (last.rejected === 'request') return isOfSameService(other, step)
    if (other.channel !== step.channel) return false
    return last.rejected === 'content' || other.address.id === step.address.id
  })
}

/** Whether what one says of requests and settings holds for the other. A service that the user named speaks for itself alone. */
function isOfSameService(one: Step, other: Step): boolean {
  const isUserNamed = one.address.keys !== undefined
  return one.providerId === other.providerId && (!isUserNamed || one.address.id === other.address.id)
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
