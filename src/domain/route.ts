import type { Rejected } from '../channels/provider.ts'
import type { MessageReason, UnknownPolicy } from '../generated/tables.ts'
import type { Step } from './plan.ts'
import { type RouteNode, stepsOf } from './route-tree.ts'

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
export type Try = Pick<Attempt, 'outcome' | 'rejected' | 'error' | 'startedAt' | 'endedAt'>

/**
 * What to do next with a message. try: all of them at once. busy: what becomes of a call that is under way decides, unless
 * something else may be tried before, at `until`.
 */
export type Move =
  | { readonly kind: 'try'; readonly steps: readonly Step[] }
  | { readonly kind: 'wait'; readonly until: Date }
  | { readonly kind: 'busy'; readonly until: Date | null }
  | { readonly kind: 'done' }
  | { readonly kind: 'fail'; readonly reason: MessageReason; readonly error: string }

export interface Route {
  readonly tree: RouteNode
  turnOf(step: Step): Turn
  /** What follows an attempt whose outcome is UNKNOWN, for the step's account. */
  onUnknown(step: Step): UnknownPolicy
  /** Until when the step's account is passed over for now; null: it may be called. */
  passedOverUntil(step: Step): Date | null
  /** Whether it is passed over only because it is busy: then its turn is waited for, and goes to no other. */
  isBusy(step: Step): boolean
  /** What is left of the time of the step's account and of its channel, in milliseconds. */
  timeLeftMs(step: Step): number
  /** The end of the message's time, and why there is one. */
  readonly end: { readonly at: Date; readonly reason: 'TIMED_OUT' | 'EXPIRED' }
  readonly now: Date
}

/** How long a message may be under way where the send does not say, and a request be expanded. */
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
 * where the last one left off. In a SINGLE, a node that was accepted ends the others, and so does one that may have been
 * and is not to be sent again; in an ALL each goes on until it has its answer. A rejected address or content ends its
 * channel, a rejected request or refused settings its account; where the user named the service (a web push subscription, a
 * chat's webhook), only that address of it. A temporary failure gets one quick second try, then the next step; when every
 * step rests, the first to have rested is next. An account and a channel have their time, too (timeLeftMs).
 */
export function nextMove(route: Route): Move {
  const steps = stepsOf(route.tree)
  const { tries, until: due } = route.now < route.end.at ? onward(route, route.tree) : NOTHING
  if (tries.length > 0) return { kind: 'try', steps: tries }
  const until = due !== null && due > route.end.at ? route.end.at : due
  if (steps.some((step) => isUnderWay(route, step))) return { kind: 'busy', until }
  if (until !== null) return { kind: 'wait', until }
  if (steps.some((step) => isAccepted(route, step))) return { kind: 'done' }
  const ambiguous = steps.find((step) => isAmbiguous(route, step))
  if (ambiguous) {
    const error = lastOf(route.turnOf(ambiguous))?.error ?? 'Nobody knows whether the provider took it.'
    return { kind: 'fail', reason: 'UNKNOWN', error }
  }
  return failedBy(route, steps)
}

/** The steps that may be tried now or later; the others have had their last try. */
export function openSteps(route: Route): readonly Step[] {
  return route.now >= route.end.at ? [] : openOf(route, route.tree)
}

function openOf(route: Route, node: RouteNode): readonly Step[] {
  if (node.kind === 'step') return isOpen(route, node.step) ? [node.step] : []
  const nodes = node.method === 'ALL' ? node.nodes : nodesOfSingle(route, node.nodes)
  return nodes.flatMap((inner) => openOf(route, inner))
}

/** Where a node stands: what may be tried of it at once, or else until when all of it rests. */
interface Onward {
  readonly tries: readonly Step[]
  readonly until: Date | null
}

const NOTHING: Onward = { tries: [], until: null }

function onward(route: Route, node: RouteNode): Onward {
  if (node.kind === 'step') return onwardOfStep(route, node.step)
  return node.method === 'ALL' ? onwardOfAll(route, node.nodes) : onwardOfSingle(route, nodesOfSingle(route, node.nodes))
}

function onwardOfStep(route: Route, step: Step): Onward {
  if (isUnderWay(route, step) || !isOpen(route, step)) return NOTHING
  const at = latest(route.turnOf(step).nextAttemptAt, route.passedOverUntil(step))
  return at === null || at <= route.now ? { ...NOTHING, tries: [step] } : { ...NOTHING, until: at }
}

function onwardOfAll(route: Route, nodes: readonly RouteNode[]): Onward {
  const parts = nodes.map((node) => onward(route, node))
  const untils = parts.flatMap(({ until }) => until ?? [])
  return {
    // An account that stands in two branches is tried once.
    tries: [...new Map(parts.flatMap(({ tries }) => tries.map((step) => [keyOfStep(step), step]))).values()],
    until: untils.length === 0 ? null : untils.reduce((a, b) => (b < a ? b : a)),
  }
}

/** While a node's call is under way the others have no turn, whatever has rested meanwhile. */
function onwardOfSingle(route: Route, nodes: readonly RouteNode[]): Onward {
  const called = nodes.find((node) => stepsOf(node).some((step) => isUnderWay(route, step)))
  if (called !== undefined) return onward(route, called)
  let until: Date | null = null
  for (const node of nodes) {
    const part = onward(route, node)
    if (part.tries.length > 0) return part
    if (part.until === null) continue
    if (openOf(route, node).some((step) => hasQuickTry(route, step) || isDueAndBusy(route, step))) return part
    if (until === null || part.until < until) until = part.until
  }
  return { ...NOTHING, until }
}

/**
 * Whether its second try is worth waiting for; an account that is passed over is not, however soon that ends. By how long it
 * was to rest, not by what is left of that: the end of a long rest keeps nobody waiting who has not had a turn.
 */
function hasQuickTry(route: Route, step: Step): boolean {
  const turn = route.turnOf(step)
  const last = lastOf(turn)
  if (last === undefined || turn.nextAttemptAt === null) return false
  if (turn.nextAttemptAt.getTime() - (last.endedAt ?? last.startedAt).getTime() > QUICK_MS) return false
  const passedOver = route.passedOverUntil(step)
  return passedOver === null || passedOver <= route.now
}

/** A busy account keeps the turn of what is due; what rests by itself has none to keep. */
function isDueAndBusy(route: Route, step: Step): boolean {
  const { nextAttemptAt } = route.turnOf(step)
  return route.isBusy(step) && (nextAttemptAt === null || nextAttemptAt <= route.now)
}

/** What took the message, or may have, ends the others. */
function nodesOfSingle(route: Route, nodes: readonly RouteNode[]): readonly RouteNode[] {
  const taken =
    nodes.find((node) => stepsOf(node).some((step) => isAccepted(route, step))) ??
    nodes.find((node) => stepsOf(node).some((step) => isAmbiguous(route, step)))
  return taken === undefined ? nodes : [taken]
}

function isOpen(route: Route, step: Step): boolean {
  return !isAccepted(route, step) && !isAmbiguous(route, step) && isAlive(route, step) && route.timeLeftMs(step) > 0
}

function isUnderWay(route: Route, step: Step): boolean {
  return lastOf(route.turnOf(step))?.outcome === null
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
  return !stepsOf(route.tree).some((other) => {
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
  return one.providerId === other.providerId && (!isUserNamed(one) || one.address.id === other.address.id)
}

/** A service, or the credentials for it, that came with the address: what it says is not said of the account. */
export function isUserNamed({ kind, address: { keys, chat } }: Step): boolean {
  if (keys !== undefined || kind === 'webhook') return true
  return chat !== undefined && (chat.to === 'webhookUrl' || ('accessToken' in chat && chat.accessToken !== undefined))
}

/** The last refusal says why; what was put off until its time was up has timed out, unless somebody may have taken it. */
function failedBy(route: Route, steps: readonly Step[]): Move {
  const lasts = steps.flatMap((step) => lastOf(route.turnOf(step)) ?? [])
  const refusals = lasts.filter(({ outcome }) => outcome === 'REJECTED' || outcome === 'MISCONFIGURED')
  if (refusals.length === 0 || steps.some((step) => isAlive(route, step))) {
    const isUp = route.now >= route.end.at
    const error = latestOf(lasts.filter((last) => last.error !== null))?.error ?? 'Its time was up.'
    const isUncertain = steps.some((step) => route.turnOf(step).attempts.some(({ outcome }) => outcome === 'UNKNOWN'))
    const late = isUp ? route.end.reason : 'TIMED_OUT'
    return { kind: 'fail', reason: isUncertain ? 'UNKNOWN' : late, error }
  }
  const last = latestOf(refusals)!
  const reason = last.rejected === 'address' ? 'BOUNCED' : last.rejected === 'content' ? 'FAILED' : 'PROVIDER_ERROR'
  return { kind: 'fail', reason, error: last.error ?? 'The provider refused it.' }
}

/** Of those that ended at once, the last. */
function latestOf(tries: readonly Try[]): Try | undefined {
  const endOf = ({ endedAt, startedAt }: Try) => (endedAt ?? startedAt).getTime()
  return tries.length === 0 ? undefined : tries.reduce((a, b) => (endOf(b) >= endOf(a) ? b : a))
}

const lastOf = (turn: Turn): Try | undefined => turn.attempts.at(-1)

const keyOfStep = ({ providerId, address }: Step): string => `${providerId}\n${address.id}`

const latest = (one: Date | null, other: Date | null): Date | null =>
  one === null || other === null ? (one ?? other) : one > other ? one : other

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
  // Over QUICK_MS in any case: what rests no longer than that is waited for.
  return Math.max(asked, QUICK_MS + Math.max(1, cap * random))
}
