import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { HttpDoor, Outcome, Provider, Rendered } from '../channels/provider.ts'
import type { CallbackLinks } from '../domain/callback-link.ts'
import type { Links } from '../domain/link.ts'
import { type Decision, overLimit, type Plan, plan, type Routed, type Step, type Stopped } from '../domain/plan.ts'
import { urlsOf } from '../domain/rendering.ts'
import type { Move } from '../domain/route.ts'
import { CALL_TIMEOUT_MS } from '../domain/time-budget.ts'
import type { TrackingLinks } from '../domain/tracking-link.ts'
import { fairnessOf, type Perform, type Work } from '../queue/kinds.ts'
import type { RenderPool } from '../render/pool.ts'
import type { Urls } from '../render/urls.ts'
import { isConnectionLost } from '../store/connect.ts'
import type { Breakers } from './breaker.ts'
import { callProvider } from './call.ts'
import {
  ABANDONED,
  attemptEntry,
  type Begun,
  delayedEntry,
  FAULTY,
  failedEntry,
  giveUpEntry,
  leftoversEntry,
  plannedEntry,
  settledEntry,
  simulatedEntry,
  stoppedEntry,
  UNCALLED,
  uncalledEntry,
  waitEntry,
} from './entries.ts'
import { createGates, type Gate, type Gates } from './gate.ts'
import { jobFor, type Letter, type Letters } from './letter.ts'
import { createQuarantine, type Quarantine } from './quarantine.ts'
import type { WriteEntry } from './record.ts'
import type { Throttle } from './throttle.ts'
import { Turns } from './turns.ts'
import { Wording } from './wording.ts'
import { createWriter, type Writer } from './writer.ts'

/** What the journey needs from the house. */
export interface JourneyParts {
  readonly letters: Letters
  readonly record: WriteEntry
  readonly providers: readonly Provider[]
  readonly http: HttpDoor
  readonly renderer: Pick<RenderPool, 'render'>
  readonly links: Links
  readonly trackingLinks: TrackingLinks
  readonly callbacks: Pick<CallbackLinks, 'urlOf'>
  readonly breakers: Breakers
  readonly throttle: Throttle
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

const SUSPECT_REST_MS = 1_000

/**
 * One message's way, from wherever it stands: plan → render → deliver → record, step by step until it is sent, given up,
 * or put back for later. Every attempt is noted before its call and settled after it, each in one transaction under the
 * job's fence; no transaction is held across the network.
 *
 * A crash counts against everything that was under way, while one message caused it. So a message whose next crash would
 * be its last is tried with no other such message beside it: what crashed along with a poison message outlives it.
 */
export function createJourney(parts: JourneyParts, quarantine: Quarantine = createQuarantine()): Perform<'deliver'> {
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
    await journey.leave()
  }
}

async function goOn(journey: Journey, quarantine: Quarantine): Promise<void> {
  if (!(await journey.settleLeftovers())) return
  const planned = plan(journey.letter.situation.snapshot)
  if (planned.kind === 'stop') return journey.stop(planned)
  if (planned.kind === 'delay') return journey.putOff(planned)
  const over = await journey.overLimit(planned)
  if (over !== null) return journey.stop(over)
  if (journey.turns.crashes < MAX_CRASHES - 1) return journey.follow(planned)
  if (!(await quarantine.alone(() => journey.follow(planned)))) await journey.comeBackLater()
}

/** One performance: what it does to the outside and to the database, by what its turns say. */
class Journey {
  readonly parts: JourneyParts
  readonly work: Work
  readonly letter: Letter
  readonly turns: Turns
  readonly #gates: Gates
  readonly #urls: Urls
  readonly #wording: Wording
  /** Calls that are under way, each until its result is written. */
  readonly #calls = new Set<Promise<void>>()
  readonly #writer: Writer
  /** The job was let go: nothing is left to this performance. */
  #isOver = false
  /** What is left of the route. */
  #route!: Routed

  constructor(parts: JourneyParts, work: Work, letter: Letter) {
    this.parts = parts
    this.work = work
    this.letter = letter
    this.#gates = createGates(parts.breakers, letter)
    this.#urls = urlsOf(letter.occasion, letter.situation, parts.links)
    this.#wording = new Wording((step) => this.#render(step))
    this.turns = new Turns(letter, this.#gates.passedOver)
    this.#writer = createWriter(parts, { work, letter, turns: this.turns })
  }

  /** Nothing is under way any more: a job that could not be let go before is now. */
  leave(): Promise<void> {
    return this.#writer.leave()
  }

  /** Attempts of a worker that never came back are UNKNOWN now. False where the message ends here as a dead letter. */
  async settleLeftovers(): Promise<boolean> {
    const leftovers = this.turns.abandon(ABANDONED)
    const { crashes, isSent } = this.turns
    if (leftovers.length === 0 && crashes < MAX_CRASHES) return true
    const entry = leftoversEntry(this.letter, this.work.job, leftovers)
    if (crashes < MAX_CRASHES) return this.#writer.write({ ...entry, after: 'keep' })
    await this.#writer.write({ ...entry, ...giveUpEntry(this.letter, this.work.job, crashes, this.parts.now(), isSent) })
    return false
  }

  /** The decision that a send limit stops it; null where it may go, which is counted. */
  async overLimit({ decisions }: Routed): Promise<Stopped | null> {
    const { row, occasion, situation } = this.letter
    const { used, isExempt } = situation.snapshot.limits
    if (used.length === 0 || row.countedAt !== null || row.mode === 'SIMULATE') return null
    const limits = used.map(({ limit }) => limit)
    const over = await this.parts.throttle({ ...occasion, messageId: row.id, limits, isExempt })
    return over && overLimit(over, decisions)
  }

  async putOff(delay: Plan & { kind: 'delay' }): Promise<void> {
    await this.#writer.write(delayedEntry(this.letter, this.work.job, delay, this.parts.now()))
  }

  async comeBackLater(): Promise<void> {
    await this.#writer.write({ job: this.work.job, after: { afterMs: SUSPECT_REST_MS } })
  }

  get isOverdue(): boolean {
    return this.parts.now() >= this.turns.end.at
  }

  /** Its performance throws and its time is up: it ends rather than fail for ever. */
  async giveUpFaulty(): Promise<void> {
    await this.#fail({ kind: 'fail', reason: 'FAILED', error: FAULTY })
  }

  async stop(stopped: Stopped): Promise<void> {
    if (this.turns.isSent) return this.#letGo()
    // What somebody may have taken is not told as if nobody had.
    const isLate = stopped.status === 'UNDELIVERABLE' && this.turns.isUncertain
    const told: Stopped = isLate ? { ...stopped, reason: 'UNKNOWN' } : stopped
    await this.#writer.write(stoppedEntry(this.letter, this.work.job, told, this.parts.now()))
  }

  /** Move by move: what may be tried is called at once, and what becomes of a call decides what is next. */
  async follow(planned: Routed): Promise<void> {
    this.#route = planned
    try {
      while (!this.#isOver) {
        const { move } = this.turns.next(this.#route, this.parts.now())
        if (move.kind === 'try') await this.#prepare(move.steps, planned)
        else if (this.#calls.size > 0) await this.#untilNews(move)
        else await this.#end(move)
      }
      await Promise.all(this.#calls)
    } finally {
      await Promise.allSettled(this.#calls)
    }
  }

  /** Until a call has its answer, or something else may be tried: no call holds up another branch of the route. */
  async #untilNews(move: Exclude<Move, { kind: 'try' }>): Promise<void> {
    const until = move.kind === 'busy' ? move.until : null
    if (until === null) return Promise.race(this.#calls)
    const news = new AbortController()
    const restMs = Math.min(CALL_TIMEOUT_MS, Math.max(1, until.getTime() - this.parts.now().getTime()))
    const rested = pause(restMs, undefined, { signal: news.signal }).catch(() => {})
    await Promise.race([...this.#calls, rested]).finally(() => news.abort())
  }

  /** Nothing is under way and nothing may be tried. */
  async #end(move: Exclude<Move, { kind: 'try' }>): Promise<void> {
    this.#isOver = true
    if (move.kind === 'wait') await this.#wait(move)
    else if (move.kind === 'fail') await this.#fail(move)
    else await this.#letGo()
  }

  async #wait(move: Move & { kind: 'wait' }): Promise<void> {
    const now = this.parts.now()
    const passedOver = this.turns.passedOver(this.#route, now)
    const decisions = passedOver.length === 0 ? null : [...this.#route.decisions, ...passedOver]
    await this.#writer.write(waitEntry(this.letter, this.work.job, move, decisions, now))
  }

  async #fail(move: Move & { kind: 'fail' }): Promise<void> {
    if (this.turns.isSent) return this.#letGo()
    // Of an account, perhaps, that left the plan since.
    const isLate = move.reason === 'EXPIRED' || move.reason === 'TIMED_OUT'
    const told: typeof move = isLate && this.turns.isUncertain ? { ...move, reason: 'UNKNOWN' } : move
    await this.#writer.write(failedEntry(this.letter, this.work.job, told, this.parts.now()))
  }

  async #letGo(): Promise<void> {
    await this.#writer.write({ job: this.work.job, after: 'settle' })
  }

  /** Rendering takes its time, after which something else may be next: so what is rendered begins when it is asked for again. */
  async #prepare(steps: readonly Step[], planned: Routed): Promise<void> {
    if (await this.#wording.prepare(steps)) return
    const left = this.#wording.leaveOut(steps, planned)
    if (left === null) return this.#start(steps)
    if (left.kind === 'stop') {
      this.#isOver = true
      return this.stop(left)
    }
    this.#route = left
    // What is tried first brings the decisions along.
    if (this.turns.isUntried) return
    if (!(await this.#writer.write(plannedEntry(this.letter, this.work.job, this.#decisions())))) this.#isOver = true
  }

  #render(step: Step): Promise<Rendered> {
    const { environmentId, tenantId } = this.letter.row
    const job = jobFor(this.letter, step, this.#urls, this.parts.trackingLinks)
    return this.parts.renderer.render(job, fairnessOf(environmentId, tenantId))
  }

  /** With the accounts that are passed over for now, before these. */
  #decisions(tried: readonly Step[] = []): readonly Decision[] {
    return [...this.#route.decisions, ...this.turns.passedOver(this.#route, this.parts.now(), tried)]
  }

  /** Notes an attempt of each step and calls their providers. */
  async #start(steps: readonly Step[]): Promise<void> {
    if (this.letter.row.mode === 'SIMULATE') return this.#simulate(steps)
    const decisions = this.#decisions(steps)
    const { first, attempts } = this.#begin(steps)
    let isNoted = false
    try {
      isNoted = await this.#note(attempts, decisions, first)
    } finally {
      if (!isNoted) for (const { gate } of attempts) gate.dropped()
    }
    if (!isNoted) {
      this.#isOver = true
      return
    }
    for (const attempt of attempts) {
      const call: Promise<void> = this.#call(attempt).then(() => void this.#calls.delete(call))
      // Whoever waits for all of them hears of it; until then it must not count as unheard.
      call.catch(() => {})
      this.#calls.add(call)
    }
  }

  async #simulate(steps: readonly Step[]): Promise<void> {
    this.#isOver = true
    const simulated = steps.map((step) => ({ step, content: this.#wording.of(step) }))
    await this.#writer.write(simulatedEntry(this.letter, this.work.job, simulated, this.#route.decisions, this.parts.now()))
  }

  #begin(steps: readonly Step[]): { readonly first: boolean; readonly attempts: readonly Attempted[] } {
    const first = this.turns.isUntried
    const now = this.parts.now()
    const before = steps.map((step) => ({ known: this.turns.of(step), failedOver: this.turns.failedOverFrom(step, this.#route) }))
    const attempts = steps.map((step, index) => ({
      step,
      ...before[index]!,
      content: this.#wording.of(step),
      gate: this.#gates.begin(step, before[index]!.known !== undefined),
      delivery: this.turns.begin(step, this.work.job.fence, now),
    }))
    return { first, attempts }
  }

  /** False where they must not be made: the message was taken over, or nobody knows that they are noted. */
  async #note(attempts: readonly Attempted[], decisions: readonly Decision[], first: boolean): Promise<boolean> {
    const { letter, work } = this
    const entry = attemptEntry({ letter, job: work.job, begun: attempts, decisions, first, sent: this.turns.isSent })
    try {
      if (!(await this.#writer.write(entry, () => this.#takeBack(attempts)))) return false
      if (work.holdsLease()) return true
    } catch (error) {
      if (!isConnectionLost(error) || !work.holdsLease()) throw error
    }
    const now = this.parts.now()
    const uncalled = attempts.map(({ delivery }) => {
      const ended = this.turns.settle(delivery, { kind: 'retry', error: UNCALLED }, now, this.parts.random())
      return this.turns.keep({ ...ended, nextAttemptAt: now })
    })
    // The job is let go with it, which others that are under way must not be left alone by.
    await Promise.allSettled(this.#calls)
    await this.#writer.write(uncalledEntry(letter, work.job, uncalled))
    return false
  }

  #takeBack(attempts: readonly Attempted[]): void {
    for (const { delivery, known } of attempts) this.turns.takeBack(delivery, known)
  }

  async #call(attempt: Attempted): Promise<void> {
    const { parts, letter, work } = this
    const { step, gate, delivery, content } = attempt
    const started = performance.now()
    const outcome = await gate.pass(work, (onCalling) =>
      callProvider(
        parts,
        {
          letter,
          step,
          content,
          unsubscribeUrl: this.#urls.unsubscribe,
          deliveryId: delivery.id,
          timeoutMs: this.turns.timeLeftMs(step, parts.now()),
          holdsLease: work.holdsLease,
          onCalling,
          onNoNews: gate.dropped,
        },
        work.signal,
      ),
    )
    parts.observed(step, outcome, (performance.now() - started) / 1000)
    await this.#settle(attempt, outcome)
  }

  async #settle({ step, gate, delivery: begun, content }: Attempted, outcome: Outcome): Promise<void> {
    const { letter, work, parts } = this
    const { isSent: sent } = this.turns
    const now = parts.now()
    const { turn } = this.turns.settle(begun, outcome, now, parts.random())
    const { move, open } = this.turns.next(this.#route, now)
    const ended = this.turns.endRests(open)
    const delivery = this.turns.of(step)!
    const others = ended.filter((one) => one.turn !== turn)
    const entry = settledEntry({
      letter,
      job: work.job,
      step,
      delivery,
      outcome,
      content,
      move,
      now,
      sent,
      others,
      news: gate.takeNews(),
    })
    // Before it is written: nothing may begin while the job is being let go.
    if (entry.after !== 'keep') this.#isOver = true
    if (!(await this.#writer.write(entry))) this.#isOver = true
  }
}

/** An attempt that was begun. known: its delivery as it stood before, in the database. */
interface Attempted extends Begun {
  readonly known: Begun['delivery'] | undefined
  readonly gate: Gate
}
