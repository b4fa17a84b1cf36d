import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Db } from '../store/database.ts'
import { createBackoff } from './backoff.ts'
import { claim } from './claim.ts'
import { isHeld } from './hold.ts'
import { type Claimed, type Held, JOB_KINDS, type JobKindName, LANES, type Lane, type Perform, type Performers } from './kinds.ts'
import { LaneRunner, type Seat } from './lane.ts'
import { Lease, type QueueLog } from './lease.ts'
import { giveBack } from './settle.ts'
import type { Tenure } from './tenure.ts'

/** So long after a single job was begun the next is expected. */
const HURRY_MS = 1000

/** What an aborted performer has to record its result before its job is freed. */
const UNWIND_MS = 1000
const IDLE_LOOK_MS = 20

export interface QueueOptions {
  readonly db: Db
  readonly log: QueueLog
  /** After which a silent process's jobs are another's. 3 or more; 60 unless told. Each third of it is a heartbeat. */
  readonly leaseSeconds: number
  /** How many jobs of a lane this process performs at the same time, beside those that left their slot; 0: none of that lane. */
  readonly slots: Readonly<Record<Lane, number>>
  /** The same until a second after a job of the lane `single` was begun: what is in a hurry goes before the rest. One that lasts holds up nobody. */
  readonly givingWay?: Readonly<Partial<Record<Lane, number>>>
  /** Nobody else works on this database, so start frees what an earlier process held. */
  readonly onlyProcess: boolean
  /** Jobs of kinds that are not here are left for other processes. */
  readonly performers: Partial<Performers>
  /** Calls back with the lane of jobs that were enqueued, after their commit; returns how to stop that. */
  onWake(on: (lane: string) => void): () => void
}

export interface Queue {
  /** Registers the process as a worker and begins. Rejects when the database cannot be reached. */
  start(): Promise<void>
  /** There may be due jobs in this lane. */
  wake(lane: Lane): void
  /**
   * Claims no more, gives unstarted jobs back at once, and waits for the others until `deadlineMs` from now. Then
   * their signal is aborted, they have a second to record what they know, and what is still held is freed.
   */
  stop(options: { readonly deadlineMs: number }): Promise<void>
  /** Resolves when no job that this process could perform is due or held by anybody, and none runs here. For tests. */
  idle(): Promise<void>
}

interface InHand {
  readonly job: Claimed
  readonly tenure: Tenure
}

/**
 * Performs jobs: one set of slots for each lane, under one lease. A performer may take longer than the lease, which
 * the process renews meanwhile. Holds one connection of the pool for itself.
 */
export function createQueue(options: QueueOptions): Queue {
  return new PostgresQueue(options)
}

class PostgresQueue implements Queue {
  readonly #options: QueueOptions
  readonly #kinds: readonly JobKindName[]
  readonly #backoff = createBackoff()
  readonly #lanes = new Map<string, LaneRunner<InHand>>()
  readonly #lease: Lease
  #hurryUntil = 0
  #ignoreWakes = () => {}

  constructor(options: QueueOptions) {
    this.#options = options
    this.#kinds = (Object.keys(JOB_KINDS) as JobKindName[]).filter((kind) => options.performers[kind] !== undefined)
    for (const lane of LANES) if (options.slots[lane] > 0) this.#lanes.set(lane, this.#runnerOf(lane))
    this.#lease = new Lease({ ...options, inHand: () => this.#inHand() })
  }

  async start(): Promise<void> {
    await this.#lease.start()
    for (const lane of this.#lanes.values()) lane.start()
    this.#ignoreWakes = this.#options.onWake((lane) => this.#lanes.get(lane)?.wake())
  }

  wake(lane: Lane): void {
    this.#lanes.get(lane)?.wake()
  }

  async stop({ deadlineMs }: { readonly deadlineMs: number }): Promise<void> {
    this.#ignoreWakes()
    await Promise.all([...this.#lanes.values()].map((lane) => lane.stop()))
    await within(deadlineMs, this.#finished())
    await this.#lease.stop(() => within(UNWIND_MS, this.#finished()))
  }

  async idle(): Promise<void> {
    while (!(await this.#isIdle())) {
      for (const lane of this.#lanes.values()) lane.wake()
      await pause(IDLE_LOOK_MS)
    }
  }

  #runnerOf(lane: Lane): LaneRunner<InHand> {
    let after = ''
    return new LaneRunner<InHand>({
      slots: () => this.#slotsOf(lane),
      perform: (inHand, seat) => this.#perform(inHand, seat),
      giveBack: (jobs) => this.#giveBack(jobs),
      claim: async (limit) => {
        const batch = await this.#claim(lane, limit, after)
        after = batch.after
        return batch.jobs
      },
    })
  }

  #slotsOf(lane: Lane): number {
    const { slots, givingWay = {} } = this.#options
    return performance.now() < this.#hurryUntil ? (givingWay[lane] ?? slots[lane]) : slots[lane]
  }

  async #claim(lane: Lane, limit: number, after: string): Promise<{ jobs: readonly InHand[]; after: string }> {
    const tenure = this.#lease.tenure()
    if (tenure === null) return { jobs: [], after }
    const { db, log } = this.#options
    try {
      const batch = await claim(db, { worker: tenure.worker, lane, limit, kinds: this.#kinds, after })
      return { jobs: batch.jobs.map((job) => ({ job, tenure })), after: batch.after }
    } catch (error) {
      log.warn({ err: error, lane }, 'Jobs could not be claimed; it is tried again within a second.')
      return { jobs: [], after }
    }
  }

  async #perform({ job, tenure }: InHand, seat: Seat): Promise<void> {
    if (!tenure.holds()) return
    const { id, fence, kind, lane } = job
    if (lane === 'single') this.#hurryUntil = performance.now() + HURRY_MS
    try {
      const perform = this.#options.performers[kind] as Perform
      const payload = JOB_KINDS[kind].payload.parse(job.payload)
      await perform(payload, { job: { id, fence }, lane, holdsLease: () => tenure.holds(), signal: tenure.signal, ...seat })
      this.#backoff.forget(id)
    } catch (error) {
      await this.#recover({ job, tenure }, error)
    }
  }

  /** What was aborted is nobody's fault, and is put back without a delay. */
  async #recover(inHand: InHand, error: unknown): Promise<void> {
    if (inHand.tenure.signal.aborted) return await this.#giveBack([inHand])
    const { id, kind } = inHand.job
    const afterMs = this.#backoff.next(id)
    this.#options.log.error({ err: error, job: id, kind, afterMs }, 'A job failed by a fault and is put back.')
    await this.#giveBack([inHand], afterMs)
  }

  async #giveBack(jobs: readonly InHand[], afterMs = 0): Promise<void> {
    const { db, log } = this.#options
    for (const [worker, own] of Map.groupBy(jobs, ({ tenure }) => tenure.worker)) {
      const held = own.map(({ job }) => job)
      await giveBack(db, worker, held, afterMs).catch((error: unknown) => {
        log.warn({ err: error, jobs: held.length }, 'Jobs could not be put back; the lease frees them.')
      })
    }
  }

  #inHand(): readonly Held[] {
    return [...this.#lanes.values()].flatMap((lane) => lane.inHand()).map(({ job }) => job)
  }

  async #finished(): Promise<void> {
    await Promise.all([...this.#lanes.values()].map((lane) => lane.finished()))
  }

  async #isIdle(): Promise<boolean> {
    const lanes = [...this.#lanes.keys()]
    if (![...this.#lanes.values()].every((lane) => lane.isQuiet())) return false
    const { rows } = await sql`
      select 1 from job
      where (holder is not null or (run_at <= now() and not ${isHeld(sql`job.lane`, sql`job.fairness_key`)}))
        and lane = any(${lanes}) and kind = any(${this.#kinds})
      limit 1
    `.execute(this.#options.db)
    return rows.length === 0
  }
}

/** Waits for the work, but no longer than that. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  const timer = new AbortController()
  const late = pause(ms, undefined, { signal: timer.signal }).catch(() => undefined)
  await Promise.race([work, late])
  timer.abort()
}
