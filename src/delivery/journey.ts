import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { HttpDoor, Outcome, Provider, Rendered } from '../channels/provider.ts'
import type { Account } from '../domain/account.ts'
import type { Links } from '../domain/link.ts'
import { type Plan, plan, type Step } from '../domain/plan.ts'
import { renderInputOf, urlsOf } from '../domain/rendering.ts'
import { MESSAGE_TIMEOUT_MS, type Move, nextMove, openSteps, type Route, restAfter } from '../domain/route.ts'
import type { Perform, Work } from '../queue/kinds.ts'
import { render } from '../render/content.ts'
import { RenderRefusal } from '../render/template.ts'
import { isConnectionLost } from '../store/connect.ts'
import { callProvider } from './call.ts'
import {
  attemptEntry,
  failedEntry,
  giveUpEntry,
  leftoversEntry,
  settledEntry,
  simulatedEntry,
  stoppedEntry,
  uncalledEntry,
  waitEntry,
  withEnded,
} from './entries.ts'
import { type KnownDelivery, type Letter, type Letters, newDelivery, turnOf } from './letter.ts'
import { createQuarantine, type Quarantine } from './quarantine.ts'
import type { Entry, WriteEntry } from './record.ts'

/** What the journey needs from the house. */
export interface JourneyParts {
  readonly letters: Letters
  readonly record: WriteEntry
  readonly providers: readonly Provider[]
  readonly http: HttpDoor
  readonly links: Links
  readonly now: () => Date
  readonly random: () => number
  readonly log: Logger
  /** One call's outcome, for the metrics. */
  observed(step: Step, outcome: Outcome, seconds: number): void
}

/**
 * Attempts from which no worker came back, after which a message is a dead letter. They are crashes of ours, often before
 * the call; a step of which one answer never came either ends earlier than that, UNKNOWN (MAX_UNKNOWN).
 */
const MAX_CRASHES = 3

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
    const { sealedTokens } = letter.situation
    if (sealedTokens.length > 0) {
      parts.log.warn({ message: letter.row.id, tokens: sealedTokens }, 'device tokens do not open and are left out')
    }
    const journey = new Journey(parts, work, letter)
    try {
      await goOn(journey, quarantine)
    } catch (fault) {
      if (!journey.isOverdue || work.signal.aborted || isConnectionLost(fault)) throw fault
      parts.log.error({ err: fault, message: letter.row.id }, 'a message failed by a fault until its time was up')
      await journey.giveUpFaulty()
    }
  }
}

async function goOn(journey: Journey, quarantine: Quarantine): Promise<void> {
  if (!(await journey.settleLeftovers())) return
  const route = plan(journey.letter.situation.snapshot)
  if (route.kind === 'stop') return journey.stop(route)
  if (journey.crashes < MAX_CRASHES - 1) return journey.follow(route)
  if (!(await quarantine.alone(() => journey.follow(route)))) await journey.comeBackLater()
}

/** The state of one performance: the deliveries as they stand, in memory as in the database. */
class Journey {
  readonly parts: JourneyParts
  readonly work: Work
  readonly letter: Letter
  /** Those of the newest attempts last. */
  readonly deliveries: Map<string, KnownDelivery>

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
    const leftovers = open.map(({ turn }) => this.deliveries.get(turn)!)
    const entry = leftoversEntry(this.letter, this.work.job, leftovers)
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
    await this.write({ job: this.work.job, after: { afterMs: SUSPECT_REST_MS } })
  }

  private get deadline(): Date {
    return new Date(this.letter.row.enqueuedAt.getTime() + MESSAGE_TIMEOUT_MS)
  }

  get isOverdue(): boolean {
    return this.parts.now() >= this.deadline
  }

  /** Its performance throws and its time is up: it ends rather than fail for ever. */
  async giveUpFaulty(): Promise<void> {
    if (this.sent) return void (await this.write({ job: this.work.job, after: 'settle' }))
    const move = { kind: 'fail', reason: 'FAILED', error: FAULTY } as const
    await this.write(failedEntry(this.letter, this.work.job, move, this.parts.now()))
  }

  async stop(stopped: Plan & { kind: 'stop' }): Promise<void> {
    if (this.sent) return void (await this.write({ job: this.work.job, after: 'settle' }))
    await this.write(stoppedEntry(this.letter, this.work.job, stopped, this.parts.now()))
  }

  /** Makes the next move. False when there is none for this performance. */
  async advance(planned: Plan & { kind: 'route' }): Promise<boolean> {
    const now = this.parts.now()
    const { move } = this.nextMove(planned, now)
    switch (move.kind) {
      case 'done':
        await this.write({ job: this.work.job, after: 'settle' })
        return false
      case 'fail':
        await this.write(failedEntry(this.letter, this.work.job, move, now))
        return false
      case 'wait':
        await this.write(waitEntry(this.work.job, move, now))
        return false
      case 'try':
        return this.attempt(move.step, planned)
    }
  }

  private async attempt(step: Step, planned: Plan & { kind: 'route' }): Promise<boolean> {
    const { letter, parts, work } = this
    const urls = urlsOf(letter.occasion, letter.situation, parts.links)
    const content = this.render(step, urls)
    if (content instanceof RenderRefusal) {
      await this.write(
        failedEntry(letter, work.job, { kind: 'fail', reason: 'RENDER_ERROR', error: content.message }, parts.now()),
      )
      return false
    }
    if (letter.row.mode === 'SIMULATE') {
      await this.write(simulatedEntry(letter, work.job, step, content, planned.decisions, parts.now()))
      return false
    }
    const begun = await this.note(step, content, planned)
    if (begun === null) return false
    const started = performance.now()
    const outcome = await callProvider(
      parts,
      { letter, step, content, unsubscribeUrl: urls.unsubscribe, deliveryId: begun.id },
      work.signal,
    )
    parts.observed(step, outcome, (performance.now() - started) / 1000)
    return this.settle(step, begun, outcome, content, planned)
  }

  /** What no channel can say is nothing to be tried again. */
  private render(step: Step, urls: ReturnType<typeof urlsOf>): Rendered | RenderRefusal {
    const { occasion, situation, row } = this.letter
    try {
      return render(step.channel, renderInputOf(occasion, situation, urls, row.id))
    } catch (refusal) {
      if (refusal instanceof RenderRefusal) return refusal
      throw refusal
    }
  }

  /** Notes an attempt. Null where it must not be made: the message was taken over, or nobody knows that it is noted. */
  private async note(step: Step, content: Rendered, { decisions }: Plan & { kind: 'route' }): Promise<KnownDelivery | null> {
    const { letter, work, sent } = this
    const known = this.deliveries.get(turnOf(step.providerId, step.address.id))
    const failedOver = this.failedOverFrom(step)
    const delivery = this.beginDelivery(step)
    const first = this.deliveries.size === 1 && delivery.attempts.length === 1
    const entry = attemptEntry({ letter, job: work.job, step, delivery, content, decisions, failedOver, first, sent })
    try {
      if (!(await this.write(entry, known))) return null
      if (work.holdsLease()) return delivery
    } catch (error) {
      if (!isConnectionLost(error) || !work.holdsLease()) throw error
    }
    await this.takeBack(delivery)
    return null
  }

  /** The call of an attempt was never made: nothing about it is unknown, and it is no crash. */
  private async takeBack(begun: KnownDelivery): Promise<void> {
    const delivery = this.endDelivery(begun, { kind: 'retry', error: UNCALLED }, this.parts.now())
    await this.write(uncalledEntry(this.letter, this.work.job, { ...delivery, nextAttemptAt: this.parts.now() }))
  }

  private async settle(
    step: Step,
    begun: KnownDelivery,
    outcome: Outcome,
    content: Rendered,
    planned: Plan & { kind: 'route' },
  ): Promise<boolean> {
    const { sent, letter, work } = this
    const now = this.parts.now()
    const { turn } = this.endDelivery(begun, outcome, now)
    const { move, open } = this.nextMove(planned, now)
    const ended = this.endRests(open)
    const delivery = this.deliveries.get(turn)!
    const others = ended.filter((one) => one.turn !== turn)
    const alive = await this.write(
      settledEntry({ letter, job: work.job, step, delivery, outcome, content, move, now, sent, others }),
    )
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
    this.deliveries.delete(delivery.turn)
    this.deliveries.set(delivery.turn, delivery)
    return delivery
  }

  /** Takes their next attempt from deliveries that will have none, and returns them. */
  private endRests(open: readonly Step[]): readonly KnownDelivery[] {
    const turns = new Set(open.map((step) => turnOf(step.providerId, step.address.id)))
    const ended = [...this.deliveries.values()]
      .filter(({ turn, nextAttemptAt }) => nextAttemptAt !== null && !turns.has(turn))
      .map((delivery) => ({ ...delivery, nextAttemptAt: null }))
    for (const delivery of ended) this.deliveries.set(delivery.turn, delivery)
    return ended
  }

  /** open: the steps that may be tried now or later. */
  private nextMove(planned: Plan & { kind: 'route' }, now: Date): { move: Move; open: readonly Step[] } {
    const { letter, deliveries } = this
    const route: Route = {
      steps: planned.steps,
      turnOf: (step) => deliveries.get(turnOf(step.providerId, step.address.id)) ?? UNTRIED,
      onUnknown: (step) => accountOf(letter, step).onUnknown,
      deadline: this.deadline,
      now,
    }
    const isPlanned = planned.steps.some((step) => route.turnOf(step).attempts.at(-1)?.outcome === 'ACCEPTED')
    if (this.sent && !isPlanned) return { move: { kind: 'done' }, open: [] }
    return { move: nextMove(route), open: openSteps(route) }
  }

  /** Whether one of its addresses has taken the message: nothing takes that back. */
  private get sent(): boolean {
    return [...this.deliveries.values()].some(({ attempts }) => attempts.at(-1)?.outcome === 'ACCEPTED')
  }

  /** The delivery of the newest attempt, where that was another account's or channel's. */
  private failedOverFrom(step: Step): KnownDelivery | null {
    const newest = newestOf([...this.deliveries.values()])
    return newest === null || (newest.providerId === step.providerId && newest.channel === step.channel) ? null : newest
  }

  /**
   * A message that is no longer ours is let go: its job ends if it is still held, and stays with whoever took it otherwise.
   *
   * @param known the delivery as it stands in the database, where the entry begins an attempt of it
   */
  private async write(entry: Entry, known?: KnownDelivery): Promise<boolean> {
    if (await this.writePatiently(entry)) return true
    if (known) this.keep(known)
    await this.writePatiently({ job: this.work.job, after: 'settle' })
    return false
  }

  /**
   * What may be repeated is, until the database is back or the lease is over: a result that were dropped would be a
   * message sent twice.
   */
  private async writePatiently(entry: Entry): Promise<boolean> {
    const whole = entry.after === 'settle' ? withEnded(entry, this.letter, this.endRests([])) : entry
    for (let restMs = FIRST_REPEAT_MS; ; restMs = Math.min(restMs * 2, LONGEST_REPEAT_MS)) {
      try {
        return await this.parts.record(whole)
      } catch (error) {
        if (entry.after === 'keep' || !isConnectionLost(error) || !this.work.holdsLease()) throw error
        this.parts.log.warn({ err: error, message: this.letter.row.id, againInMs: restMs }, 'a result is written again')
      }
      await pause(restMs, undefined, { signal: this.work.signal })
    }
  }
}

/** Of those that stand last where their newest attempts began in the same millisecond. */
function newestOf(deliveries: readonly KnownDelivery[]): KnownDelivery | null {
  const startOf = (delivery: KnownDelivery) => delivery.attempts.at(-1)?.startedAt.getTime() ?? 0
  return deliveries.reduce<KnownDelivery | null>((a, b) => (a === null || startOf(b) >= startOf(a) ? b : a), null)
}

const FIRST_REPEAT_MS = 50
const LONGEST_REPEAT_MS = 2_000

const UNCALLED = 'The worker did not get to the call; nothing was sent.'
const FAULTY = 'Something went wrong on our side each time, until its time was up.'

const ABANDONED = 'The worker that called the provider never came back; nobody knows whether it was taken.'

const UNTRIED = { attempts: [], nextAttemptAt: null }

const OUTCOMES = {
  accepted: 'ACCEPTED',
  rejected: 'REJECTED',
  retry: 'RETRY',
  misconfigured: 'MISCONFIGURED',
  unknown: 'UNKNOWN',
} as const satisfies { [K in Outcome['kind']]: string }

const isCrash = (attempt: { outcome: string | null; endedAt: Date | null }) =>
  attempt.outcome === 'UNKNOWN' && attempt.endedAt === null

function accountOf(letter: Letter, step: Step): Account {
  return letter.accounts.find((account) => account.id === step.providerId)!
}
