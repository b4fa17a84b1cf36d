import { setTimeout as pause } from 'node:timers/promises'
import type { Db } from '../store/database.ts'
import type { Held } from './kinds.ts'
import { giveBack } from './settle.ts'
import { Tenure } from './tenure.ts'
import { freeAll, heldBy, register, renew, retire, sweep } from './worker.ts'

/** The part of a pino logger that the queue uses. */
export interface QueueLog {
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface LeaseOptions {
  readonly db: Db
  readonly log: QueueLog
  readonly leaseSeconds: number
  /** Nobody else works on this database: start frees what an earlier process left. */
  readonly onlyProcess: boolean
  /** Every job this process knows to hold. What the database says it holds beyond these is given back. */
  inHand(): readonly Held[]
}

/**
 * Keeps one heartbeat row alive on a connection of its own, so that a busy pool cannot cost the lease, and sweeps the
 * jobs of dead workers with each beat, three times in a lease. When the lease ran out all the same, everything held
 * is given up, and the process goes on as another worker.
 */
export class Lease {
  readonly #options: LeaseOptions
  readonly #beatMs: number
  readonly #stopping = new AbortController()
  /** Workers this process was, whose jobs are still to be freed. */
  readonly #ended: string[] = []
  #tenure: Tenure | null = null
  #unknown: ReadonlySet<string> = new Set()
  #watch: NodeJS.Timeout | undefined
  #beating: Promise<void> = Promise.resolve()

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#beatMs = (options.leaseSeconds * 1000) / 3
  }

  async start(): Promise<void> {
    const { db, onlyProcess } = this.#options
    if (onlyProcess) await freeAll(db)
    await this.#begin(db)
    // Beside the heartbeat, since that may hang in a dead connection.
    this.#watch = setInterval(() => this.#endWhenOver(), this.#beatMs / 4)
    this.#beating = this.#keep()
  }

  /** Null between a lost lease and the next registration: nothing may be claimed. */
  tenure(): Tenure | null {
    return this.#tenure?.holds() ? this.#tenure : null
  }

  /** Never rejects. Ends the tenure: aborts what still runs, lets it unwind, and frees what is then still held. */
  async stop(unwind: () => Promise<void>): Promise<void> {
    clearInterval(this.#watch)
    this.#stopping.abort()
    this.#end()
    await unwind()
    await this.#beating
    // A beat that was under way may have begun another tenure.
    this.#end()
    const { db, log } = this.#options
    await this.#retireEnded(db).catch((error: unknown) =>
      log.warn({ err: error }, 'Jobs could not be freed; the lease frees them.'),
    )
  }

  async #keep(): Promise<void> {
    const { db, log } = this.#options
    while (!this.#stopping.signal.aborted) {
      try {
        await db.connection().execute((own) => this.#beatUntilStopped(own))
      } catch (error) {
        log.warn({ err: error }, 'The heartbeat failed and is tried again.')
        await this.#pause(Math.min(this.#beatMs / 4, 1000))
      }
    }
  }

  async #beatUntilStopped(own: Db): Promise<void> {
    const { log, leaseSeconds } = this.#options
    while (!this.#stopping.signal.aborted) {
      await this.#beat(own)
      const freed = await sweep(own, leaseSeconds)
      if (freed > 0) log.warn({ jobs: freed }, 'Jobs of workers that fell silent were freed.')
      await this.#giveBackStrays(own)
      await this.#pause(this.#beatMs)
    }
  }

  async #beat(own: Db): Promise<void> {
    this.#endWhenOver()
    if (this.#tenure !== null) await this.#renew(own, this.#tenure)
    await this.#retireEnded(own)
    if (this.#tenure === null) await this.#begin(own)
  }

  async #renew(own: Db, tenure: Tenure): Promise<void> {
    const sentAt = performance.now()
    if (await renew(own, tenure.worker)) return tenure.renew(sentAt)
    this.#options.log.warn({ worker: tenure.worker }, 'This process was taken for dead; its jobs are given up and claimed anew.')
    this.#end()
  }

  async #begin(own: Db): Promise<void> {
    const tenure = new Tenure(this.#options.leaseSeconds, performance.now())
    await register(own, tenure.worker)
    this.#tenure = tenure
  }

  #endWhenOver(): void {
    if (this.#tenure === null || this.#tenure.holds()) return
    const { worker } = this.#tenure
    this.#options.log.warn({ worker }, 'The lease of this process ran out; its jobs are given up and claimed anew.')
    this.#end()
  }

  #end(): void {
    if (this.#tenure === null) return
    this.#ended.push(this.#tenure.worker)
    this.#tenure.end()
    this.#tenure = null
  }

  async #retireEnded(db: Db): Promise<void> {
    for (let worker = this.#ended[0]; worker !== undefined; worker = this.#ended[0]) {
      await retire(db, worker)
      this.#ended.shift()
    }
  }

  /**
   * Jobs whose claim was written but never answered, and jobs that their performer forgot. They must be unknown twice
   * in a row, since the first time the answer to a claim may be on its way.
   */
  async #giveBackStrays(own: Db): Promise<void> {
    if (this.#tenure === null) return
    const { worker } = this.#tenure
    const known = new Set(this.#options.inHand().map(nameOf))
    const unknown = (await heldBy(own, worker)).filter((job) => !known.has(nameOf(job)))
    const strays = unknown.filter((job) => this.#unknown.has(nameOf(job)))
    this.#unknown = new Set(unknown.map(nameOf))
    if (strays.length === 0) return
    this.#options.log.error({ jobs: strays }, 'Jobs were held that nothing in this process performs; they are given back.')
    await giveBack(own, worker, strays)
  }

  async #pause(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}

function nameOf(job: Held): string {
  return `${job.id}:${job.fence}`
}
