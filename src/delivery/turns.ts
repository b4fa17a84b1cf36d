import type { Outcome } from '../channels/provider.ts'
import { unknownPolicy } from '../domain/account.ts'
import type { Decision, Routed, Step } from '../domain/plan.ts'
import { MESSAGE_TIMEOUT_MS, type Move, nextMove, openSteps, type Route, restAfter, type Turn } from '../domain/route.ts'
import { alternativesOf } from '../domain/route-tree.ts'
import { timeLeftMs } from '../domain/time-budget.ts'
import type { Rest } from './breaker.ts'
import { type KnownDelivery, type Letter, newDelivery, newestOf, turnOf } from './letter.ts'

/** Which accounts are passed over for now, and until when. */
export type PassedOver = (step: Step, isRetry: boolean) => Rest | null

/**
 * A message's deliveries as they stand, in memory as in the database, and what follows from them. No I/O: the journey writes
 * what changes here.
 */
export class Turns {
  readonly #letter: Letter
  readonly #passedOver: PassedOver
  /** Those of the newest attempts last. */
  readonly #deliveries: Map<string, KnownDelivery>

  constructor(letter: Letter, passedOver: PassedOver) {
    this.#letter = letter
    this.#passedOver = passedOver
    this.#deliveries = new Map(letter.deliveries)
  }

  get count(): number {
    return this.#deliveries.size
  }

  /** Whether one of its addresses has taken the message: nothing takes that back. */
  get isSent(): boolean {
    return [...this.#deliveries.values()].some(({ attempts }) => attempts.at(-1)?.outcome === 'ACCEPTED')
  }

  get isUntried(): boolean {
    return this.#deliveries.size === 0
  }

  /** Whether somebody may have taken it without anybody knowing. */
  get isUncertain(): boolean {
    return [...this.#deliveries.values()].some((delivery) => this.#counted(delivery).some(({ outcome }) => outcome === 'UNKNOWN'))
  }

  /**
   * How many workers never came back from their attempts: what was under way at once died with one of them. Those of a dead
   * letter that was put back on its way are forgiven.
   */
  get crashes(): number {
    const attempts = [...this.#deliveries.values()].flatMap((delivery) => this.#counted(delivery))
    return new Set(attempts.filter(isCrash).map(({ fence }) => fence)).size
  }

  /** The end of the message's time: it counts from when it might first be sent. */
  get end(): Route['end'] {
    const { row, occasion } = this.#letter
    const starts = [row.enqueuedAt, row.scheduledFor, row.redrivenAt].flatMap((at) => at?.getTime() ?? [])
    const timesOut = Math.max(...starts) + (occasion.definition.timeouts?.messageMs ?? MESSAGE_TIMEOUT_MS)
    const { expiresAt } = this.#letter.situation.snapshot.timing
    return expiresAt !== null && expiresAt.getTime() < timesOut
      ? { at: expiresAt, reason: 'EXPIRED' }
      : { at: new Date(timesOut), reason: 'TIMED_OUT' }
  }

  /** Ends the attempts of a worker that never came back: nobody knows what became of them. Returns their deliveries. */
  abandon(error: string): readonly KnownDelivery[] {
    const open = [...this.#deliveries.values()].filter(({ attempts }) => attempts.at(-1)?.outcome === null)
    return open.map((delivery) => {
      const attempts = delivery.attempts.map((attempt) =>
        attempt.outcome === null ? { ...attempt, outcome: 'UNKNOWN' as const, error } : attempt,
      )
      return this.keep({ ...delivery, attempts })
    })
  }

  of(step: Step): KnownDelivery | undefined {
    return this.#deliveries.get(keyOf(step))
  }

  /** Begins an attempt of a step. By another machine's clock, the message may have been put back on its way a moment later. */
  begin(step: Step, fence: number, at: Date): KnownDelivery {
    const { redrivenAt } = this.#letter.row
    const now = redrivenAt !== null && redrivenAt > at ? redrivenAt : at
    const known = this.of(step) ?? newDelivery(this.#letter, step, now)
    const attempt = {
      number: known.attempts.length + 1,
      fence,
      startedAt: now,
      endedAt: null,
      outcome: null,
      rejected: null,
      code: null,
      error: null,
    }
    return this.keep({ ...known, nextAttemptAt: null, attempts: [...known.attempts, attempt] })
  }

  /** Ends the attempt that was begun last. @param random in [0, 1) */
  settle(begun: KnownDelivery, outcome: Outcome, now: Date, random: number): KnownDelivery {
    const attempt = begun.attempts.at(-1)!
    const ended = {
      ...attempt,
      endedAt: now,
      outcome: OUTCOMES[outcome.kind],
      rejected: outcome.kind === 'rejected' ? outcome.what : null,
      code: ('code' in outcome ? outcome.code : null) ?? null,
      error: outcome.kind === 'accepted' ? null : outcome.error,
    }
    const again = outcome.kind === 'retry' || outcome.kind === 'unknown'
    const asked = outcome.kind === 'retry' ? outcome.afterMs : undefined
    const nextAttemptAt = again ? new Date(now.getTime() + restAfter(this.#counted(begun).length, asked, random)) : null
    return this.keep({ ...begun, nextAttemptAt, attempts: [...begun.attempts.slice(0, -1), ended] })
  }

  keep(delivery: KnownDelivery): KnownDelivery {
    this.#deliveries.delete(delivery.turn)
    this.#deliveries.set(delivery.turn, delivery)
    return delivery
  }

  /** Takes an attempt back that was never noted. @param known the delivery as it stands in the database */
  takeBack(begun: KnownDelivery, known: KnownDelivery | undefined): void {
    if (known === undefined) this.#deliveries.delete(begun.turn)
    else this.keep(known)
  }

  /** Takes their next attempt from deliveries that will have none, and returns them. */
  endRests(open: readonly Step[]): readonly KnownDelivery[] {
    const turns = new Set(open.map(keyOf))
    const ended = [...this.#deliveries.values()]
      .filter(({ turn, nextAttemptAt }) => nextAttemptAt !== null && !turns.has(turn))
      .map((delivery) => ({ ...delivery, nextAttemptAt: null }))
    for (const delivery of ended) this.#deliveries.set(delivery.turn, delivery)
    return ended
  }

  /** open: the steps that may be tried now or later. */
  next(planned: Routed, now: Date): { readonly move: Move; readonly open: readonly Step[] } {
    const route = this.#route(planned, now)
    // What took the message stands no longer in the plan, which was made anew: nothing is begun beside it.
    const isPlanned = planned.steps.some((step) => route.turnOf(step).attempts.at(-1)?.outcome === 'ACCEPTED')
    if (this.isSent && !isPlanned) return { move: { kind: 'done' }, open: [] }
    const lost = this.isSent ? undefined : this.#ambiguousBeside(planned)
    if (lost !== undefined) {
      const error = lost.attempts.at(-1)!.error ?? 'Nobody knows whether the provider took it.'
      return { move: { kind: 'fail', reason: 'UNKNOWN', error }, open: [] }
    }
    return { move: nextMove(route), open: openSteps(route) }
  }

  /** One that may have taken the message, must not be sent it again, and stands no longer in the plan. */
  #ambiguousBeside(planned: Routed): KnownDelivery | undefined {
    const turns = new Set(planned.steps.map(keyOf))
    return [...this.#deliveries.values()].find((delivery) => {
      if (turns.has(delivery.turn) || this.#counted(delivery).at(-1)?.outcome !== 'UNKNOWN') return false
      const account = this.#letter.accounts.find(({ id }) => id === delivery.providerId)
      return (account?.onUnknown ?? unknownPolicy(delivery.channel)) === 'FAIL'
    })
  }

  /**
   * The accounts that are passed over for now, each with its decision.
   *
   * @param tried only those whose turn would have come before one of these
   */
  passedOver(planned: Routed, now: Date, tried: readonly Step[] = []): readonly Decision[] {
    const route = this.#route(planned, now)
    const open = openSteps(route)
    const end = tried.length === 0 ? open.length : Math.max(...tried.map((step) => open.indexOf(step)))
    const found = new Map<string, Decision>()
    for (const step of open.slice(0, end)) {
      const until = route.passedOverUntil(step)
      if (until === null || until <= now || found.has(step.providerId)) continue
      const why = route.isBusy(step) ? 'it is busy, and its turn is waited for' : 'it fails, hangs, or was retried too much'
      const because = `it is passed over until ${until.toISOString()}: ${why}`
      const detail = { until: until.toISOString() }
      found.set(step.providerId, { rule: 'health', subject: step.providerId, passed: false, because, detail })
    }
    return [...found.values()]
  }

  /**
   * The delivery of the newest attempt, where that was another account's or channel's: the step stands in for it. What goes on
   * beside the step, in another branch of an ALL, is no matter of its.
   */
  failedOverFrom(step: Step, { tree, steps }: Routed): KnownDelivery | null {
    const chain = new Set([step, ...alternativesOf(tree, step)].map(keyOf))
    const beside = new Set(steps.map(keyOf).filter((turn) => !chain.has(turn)))
    const newest = newestOf([...this.#deliveries.values()].filter(({ turn }) => !beside.has(turn)))
    if (newest === null || newest.attempts.at(-1)?.outcome === null) return null
    return newest.providerId === step.providerId && newest.channel === step.channel ? null : newest
  }

  #route(planned: Routed, now: Date): Route {
    const { accounts, occasion } = this.#letter
    const spent = [...this.#deliveries.values()].map((delivery) => ({ ...delivery, attempts: this.#counted(delivery) }))
    const turns = new Map(spent.map((delivery) => [delivery.turn, delivery]))
    // A route asks for each of its steps' turns many times.
    const turnOfStep = new Map<Step, Turn>(planned.steps.map((step) => [step, turns.get(keyOf(step)) ?? UNTRIED]))
    const rests = new Map<Step, Rest | null>()
    const restOf = (step: Step): Rest | null => {
      const known = rests.get(step)
      if (known !== undefined) return known
      const rest = this.#passedOver(step, (this.of(step)?.attempts.length ?? 0) > 0)
      rests.set(step, rest)
      return rest
    }
    return {
      tree: planned.tree,
      turnOf: (step) => turnOfStep.get(step)!,
      onUnknown: (step) => accounts.find(({ id }) => id === step.providerId)!.onUnknown,
      passedOverUntil: (step) => restOf(step)?.until ?? null,
      isBusy: (step) => restOf(step)?.isBusy ?? false,
      timeLeftMs: (step) => timeLeftMs(step, occasion.definition, spent, now),
      end: this.end,
      now,
    }
  }

  timeLeftMs(step: Step, now: Date): number {
    const spent = [...this.#deliveries.values()].map((delivery) => ({ ...delivery, attempts: this.#counted(delivery) }))
    const ofMessage = this.end.at.getTime() - now.getTime()
    return Math.min(ofMessage, timeLeftMs(step, this.#letter.occasion.definition, spent, now))
  }

  /** What was tried before a dead letter was put back on its way counts no more, but for what was taken. */
  #counted({ attempts }: KnownDelivery): Turn['attempts'] & KnownDelivery['attempts'] {
    const { redrivenAt } = this.#letter.row
    if (redrivenAt === null) return attempts
    return attempts.filter(({ startedAt, outcome }) => outcome === 'ACCEPTED' || startedAt >= redrivenAt)
  }
}

const keyOf = ({ providerId, address }: Step): string => turnOf(providerId, address.id)

const UNTRIED: Turn = { attempts: [], nextAttemptAt: null }

const OUTCOMES = {
  accepted: 'ACCEPTED',
  rejected: 'REJECTED',
  retry: 'RETRY',
  misconfigured: 'MISCONFIGURED',
  unknown: 'UNKNOWN',
} as const satisfies { [K in Outcome['kind']]: string }

const isCrash = (attempt: { outcome: string | null; endedAt: Date | null }) =>
  attempt.outcome === 'UNKNOWN' && attempt.endedAt === null
