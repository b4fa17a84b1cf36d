import type { Logger } from 'pino'
import type { HttpDoor, Outcome, Provider } from '../channels/provider.ts'
import type { Account } from '../domain/account.ts'
import { deepMerge, type JsonObject } from '../domain/json.ts'
import { type Plan, plan, type Step } from '../domain/plan.ts'
import { type Move, nextMove, type Route, restAfter } from '../domain/route.ts'
import type { Perform, Work } from '../queue/kinds.ts'
import { render } from '../render/content.ts'
import { callProvider } from './call.ts'
import { attemptEntry, failedEntry, giveUpEntry, leftoversEntry, settledEntry, simulatedEntry, stoppedEntry } from './entries.ts'
import { type KnownDelivery, type Letter, type Letters, newDelivery, turnOf } from './letter.ts'
import { createQuarantine } from './quarantine.ts'
import type { Record } from './record.ts'

/** What the journey needs from the house. */
export interface JourneyParts {
  readonly letters: Letters
  readonly record: Record
  readonly providers: readonly Provider[]
  readonly http: HttpDoor
  readonly now: () => Date
  readonly random: () => number
  readonly log: Logger
  /** One call's outcome, for the metrics. */
  observed(step: Step, outcome: Outcome, seconds: number): void
}

/** How long a message may be under way. */
export const MESSAGE_TIMEOUT_MS = 72 * 3_600_000

/** Attempts that were noted and never settled, after which a message is a dead letter. */
export const MAX_CRASHES = 3

/** Messages that wait for their turn to be tried alone hold slots, so only this many do; the others come back later. */
const SUSPECTS_IN_LINE = 8
const SUSPECT_REST_MS = 1_000

/**
 * One message's way, from wherever it stands: plan → render → deliver → record, step by step until it is sent, given up,
 * or put back for later. Every attempt is noted before its call and settled after it, each in one transaction under the
 * job's fence; no transaction is held across the network.
 *
 * A crash counts against everything that was under way, while one message caused it. So a message whose next crash would
 * be its last is tried with no other such message beside it: what crashed along with a poison message outlives it.
 */
export function createJourney(parts: JourneyParts): Perform<'deliver'> {
  const quarantine = createQuarantine(SUSPECTS_IN_LINE)
  return async (ref, work) => {
    const letter = await parts.letters.read(ref)
    if (letter === null) return void (await parts.record({ job: work.job, after: 'settle' }))
    const journey = new Journey(parts, work, letter)
    if (!(await journey.settleLeftovers())) return
    const route = plan(letter.snapshot)
    if (route.kind === 'stop') return journey.stop(route)
    if (journey.crashes < MAX_CRASHES - 1) return journey.follow(route)
    if (!(await quarantine.alone(() => journey.follow(route)))) await journey.comeBackLater()
  }
}

/** The state of one performance: the deliveries as they stand, in memory as in the database. */
class Journey {
  readonly parts: JourneyParts
  readonly work: Work
  readonly letter: Letter
  readonly deliveries: Map<string, KnownDelivery>
  /** The step of the last attempt made here, to tell a failover from a first try. */
  last: Step | null = null

  constructor(parts: JourneyParts, work: Work, letter: Letter) {
    this.parts = parts
    this.work = work
    this.letter = letter
    this.deliveries = new Map(letter.deliveries)
  }

  /** Attempts of a worker that never came back are UNKNOWN now. False where the message ends here as a dead letter. */
  async settleLeftovers(): Promise<boolean> {
    const open = [...this.deliveries.values()].filter(({ attempts }) => attempts.at(-1) && attempts.at(-1)!.outcome === null)
    for (const delivery of open) {
      const attempts = delivery.attempts.map((attempt) =>
        attempt.outcome === null ? { ...attempt, outcome: 'UNKNOWN' as const, error: ABANDONED } : attempt,
      )
      this.keep({ ...delivery, attempts })
    }
    const { crashes } = this
    if (open.length === 0 && crashes < MAX_CRASHES) return true
    const entry = leftoversEntry(
      this.letter,
      this.work.job,
      open.map(({ turn }) => this.deliveries.get(turn)!),
      this.parts.now(),
    )
    if (crashes < MAX_CRASHES) return this.write({ ...entry, after: 'keep' })
    await this.write({ ...entry, ...giveUpEntry(this.letter, this.work.job, crashes, this.parts.now(), this.sent) })
    return false
  }

  /** Attempts from which no worker came back. */
  get crashes(): number {
    return [...this.deliveries.values()].flatMap(({ attempts }) => attempts).filter(isCrash).length
  }

  async follow(route: Plan & { kind: 'route' }): Promise<void> {
    while (await this.advance(route)) {
      // One step each: the next depends on what became of the last.
    }
  }

  async comeBackLater(): Promise<void> {
    await this.write({ job: this.work.job, after: new Date(this.parts.now().getTime() + SUSPECT_REST_MS) })
  }

  async stop(stopped: Plan & { kind: 'stop' }): Promise<void> {
    if (this.sent) return void (await this.write({ job: this.work.job, after: 'settle' }))
    await this.write(stoppedEntry(this.letter, this.work.job, stopped, this.parts.now()))
  }

  /** Makes the next move. False when there is none for this performance. */
  async advance(planned: Plan & { kind: 'route' }): Promise<boolean> {
    const move = this.nextMove(planned)
    switch (move.kind) {
      case 'done':
        await this.write({ job: this.work.job, after: 'settle' })
        return false
      case 'fail':
        await this.write(failedEntry(this.letter, this.work.job, move, this.parts.now()))
        return false
      case 'wait':
        await this.write({ job: this.work.job, after: move.until })
        return false
      case 'try':
        return this.attempt(move.step, planned)
    }
  }

  private async attempt(step: Step, planned: Plan & { kind: 'route' }): Promise<boolean> {
    const { letter, parts, work } = this
    const content = render(step.channel, { ...letter.definition, data: dataOf(letter), messageId: letter.row.id })
    if (letter.row.mode === 'SIMULATE') {
      await this.write(simulatedEntry(letter, work.job, step, content, planned.decisions, parts.now()))
      return false
    }
    const { sent } = this
    const begun = this.beginDelivery(step)
    const first = this.deliveries.size === 1 && begun.attempts.length === 1
    const failedOver = this.failedOverFrom(step)
    const noted = await this.write(
      attemptEntry({
        letter,
        job: work.job,
        step,
        delivery: begun,
        content,
        decisions: planned.decisions,
        failedOver,
        first,
        sent,
      }),
    )
    if (!noted || !work.holdsLease()) return false
    const started = performance.now()
    const outcome = await callProvider(parts, { letter, step, content, deliveryId: begun.id }, work.signal)
    parts.observed(step, outcome, (performance.now() - started) / 1000)
    return this.settle(step, begun, outcome, content, planned)
  }

  private async settle(
    step: Step,
    begun: KnownDelivery,
    outcome: Outcome,
    content: ReturnType<typeof render>,
    planned: Plan & { kind: 'route' },
  ): Promise<boolean> {
    const { sent, letter, work } = this
    const now = this.parts.now()
    const delivery = this.endDelivery(begun, outcome, now)
    const move = this.nextMove(planned)
    const alive = await this.write(settledEntry({ letter, job: work.job, step, delivery, outcome, content, move, now, sent }))
    this.last = step
    return alive && move.kind === 'try'
  }

  private beginDelivery(step: Step): KnownDelivery {
    const now = this.parts.now()
    const turn = turnOf(step.providerId, step.address.id)
    const known = this.deliveries.get(turn) ?? newDelivery(this.letter, step, now)
    const attempt = {
      number: known.attempts.length + 1,
      fence: this.work.job.fence,
      startedAt: now,
      endedAt: null,
      outcome: null,
      rejected: null,
      code: null,
      error: null,
    }
    return this.keep({ ...known, nextAttemptAt: null, attempts: [...known.attempts, attempt] })
  }

  private endDelivery(begun: KnownDelivery, outcome: Outcome, now: Date): KnownDelivery {
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
    const restMs = again
      ? restAfter(attempt.number, outcome.kind === 'retry' ? outcome.afterMs : undefined, this.parts.random())
      : 0
    const nextAttemptAt = again ? new Date(now.getTime() + restMs) : null
    return this.keep({ ...begun, nextAttemptAt, attempts: [...begun.attempts.slice(0, -1), ended] })
  }

  private keep(delivery: KnownDelivery): KnownDelivery {
    this.deliveries.set(delivery.turn, delivery)
    return delivery
  }

  private nextMove(planned: Plan & { kind: 'route' }): Move {
    const { letter, parts, deliveries } = this
    const route: Route = {
      steps: planned.steps,
      turnOf: (step) => deliveries.get(turnOf(step.providerId, step.address.id)) ?? UNTRIED,
      onUnknown: (step) => accountOf(letter, step).onUnknown,
      deadline: new Date(letter.row.enqueuedAt.getTime() + MESSAGE_TIMEOUT_MS),
      now: parts.now(),
    }
    const isPlanned = planned.steps.some((step) => route.turnOf(step).attempts.at(-1)?.outcome === 'ACCEPTED')
    return this.sent && !isPlanned ? { kind: 'done' } : nextMove(route)
  }

  /** Whether one of its addresses has taken the message: nothing takes that back. */
  private get sent(): boolean {
    return [...this.deliveries.values()].some(({ attempts }) => attempts.at(-1)?.outcome === 'ACCEPTED')
  }

  private failedOverFrom(step: Step): Step | null {
    const sameTurn = this.last?.providerId === step.providerId && this.last.channel === step.channel
    return this.last === null || sameTurn ? null : this.last
  }

  /** A message that is no longer ours is let go: its job ends if it is still held, and stays with whoever took it otherwise. */
  private async write(entry: Parameters<Record>[0]): Promise<boolean> {
    if (await this.parts.record(entry)) return true
    await this.parts.record({ job: this.work.job, after: 'settle' })
    return false
  }
}

const ABANDONED = 'The worker that called the provider never came back; nobody knows whether it was taken.'

const UNTRIED = { attempts: [], nextAttemptAt: null }

export const OUTCOMES = {
  accepted: 'ACCEPTED',
  rejected: 'REJECTED',
  retry: 'RETRY',
  misconfigured: 'MISCONFIGURED',
  unknown: 'UNKNOWN',
} as const satisfies { [K in Outcome['kind']]: string }

/** The recipient's own data goes over the request's. */
function dataOf({ definition, snapshot }: Letter): JsonObject {
  return deepMerge(definition.data, snapshot.to.data ?? {})
}

const isCrash = (attempt: { outcome: string | null; endedAt: Date | null }) =>
  attempt.outcome === 'UNKNOWN' && attempt.endedAt === null

export function accountOf(letter: Letter, step: Step): Account {
  return letter.accounts.find((account) => account.id === step.providerId)!
}
