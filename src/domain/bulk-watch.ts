import { isDeepStrictEqual } from 'node:util'
import type { Logger } from 'pino'
import { notFound, Refusal } from '../errors.ts'
import type { BulkJobRef, BulkJobRow, BulkReads } from '../store/bulk.read.ts'
import type { Actor } from './actor.ts'
import { BulkProgress, type ProgressSource } from './bulk-progress.ts'
import { isFollower } from './visibility.ts'

/**
 * How long the jobs that are watched are left alone between two looks, in milliseconds: a little more than the time between
 * two items, so that each look has one for everybody who waits.
 */
const LOOK_EVERY_MS = 280

export interface BulkWatchOptions {
  readonly reads: Pick<BulkReads, 'readBulkJobs'>
  readonly log: Pick<Logger, 'warn'>
}

/** The live progress of bulk jobs: one a process, whoever watches. */
export interface BulkWatch {
  /**
   * How a job stands, then how it stands when that has changed, at most four times a second, until it is over. Every item is
   * the job at one instant, and none is older than the one before it. All who watch a job are given the same object. A reader
   * that is slow is given the newest when it asks again.
   *
   * @throws Refusal NOT_FOUND, here, or from the iterator should the job be deleted. A user token watches the jobs it names; any
   *   other looks like one that there is not.
   */
  watch(actor: Actor, jobId: string, signal: AbortSignal): Promise<AsyncIterable<BulkJobRow>>
  /** Ends all streams as if there were no more items, and waits for the read under way. */
  close(): Promise<void>
}

interface Opening extends PromiseWithResolvers<BulkProgress> {
  readonly ref: BulkJobRef
  readonly signal: AbortSignal
}

/**
 * Reads while anybody watches: one statement for all who come, and every LOOK_EVERY_MS one for all jobs that are watched.
 * A read begins when the one before it has ended, so what it finds is never older.
 */
export function createBulkWatch({ reads, log }: BulkWatchOptions): BulkWatch {
  const jobs = new Map<string, WatchedJob>()
  let opening: Opening[] = []
  let timer: NodeJS.Timeout | undefined
  let due = false
  let reading = false
  let ended: Promise<void> = Promise.resolve()
  let failing = false
  let closed = false

  const readOn = (): void => {
    if (reading) return
    reading = true
    ended = readAll()
  }

  const readAll = async (): Promise<void> => {
    while (!closed && (due || opening.length > 0)) {
      if (opening.length > 0) await open()
      if (due) await look()
    }
    reading = false
  }

  const open = async (): Promise<void> => {
    const comers = opening
    opening = []
    const refs = new Map(comers.map(({ ref }) => [keyOf(ref), ref]))
    try {
      const found = byKey(await reads.readBulkJobs([...refs.values()]))
      for (const comer of comers) letIn(comer, found.get(keyOf(comer.ref)))
    } catch (fault) {
      for (const comer of comers) comer.reject(fault)
    }
    lookLater()
  }

  const letIn = ({ ref, signal, resolve, reject }: Opening, row: BulkJobRow | undefined): void => {
    if (closed) reject(stopping())
    else if (row === undefined) reject(notFound('bulk job', ref.id))
    else resolve(jobOf(row).enter(signal))
  }

  const jobOf = (row: BulkJobRow): WatchedJob => {
    const key = keyOf(row)
    const job = jobs.get(key) ?? new WatchedJob(row, () => left(key))
    jobs.set(key, job)
    job.renew(row)
    return job
  }

  const left = (key: string): void => {
    jobs.delete(key)
    if (jobs.size > 0) return
    clearTimeout(timer)
    timer = undefined
    due = false
  }

  const lookLater = (): void => {
    if (closed || jobs.size === 0) return
    timer ??= setTimeout(() => {
      timer = undefined
      due = true
      readOn()
    }, LOOK_EVERY_MS)
  }

  const look = async (): Promise<void> => {
    due = false
    const watched = [...jobs.values()]
    try {
      const found = byKey(await reads.readBulkJobs(watched.map(({ latest }) => latest)))
      for (const job of watched) job.look(found.get(keyOf(job.latest)))
      failing = false
    } catch (fault) {
      if (!failing) log.warn({ err: fault }, 'Bulk jobs could not be read: those who watch them wait for the next look.')
      failing = true
    }
    lookLater()
  }

  return {
    async watch(actor, jobId, signal) {
      if (closed) throw stopping()
      if (!isFollower(actor, jobId)) throw notFound('bulk job', jobId)
      const opened = Promise.withResolvers<BulkProgress>()
      opening.push({ ...opened, ref: { environmentId: actor.environmentId, id: jobId }, signal })
      readOn()
      return opened.promise
    },
    async close() {
      closed = true
      for (const { reject } of opening) reject(stopping())
      opening = []
      for (const job of [...jobs.values()]) job.end()
      await ended
    },
  }
}

/** A job and those who watch it. */
class WatchedJob implements ProgressSource {
  latest: BulkJobRow
  readonly #progresses = new Set<BulkProgress>()
  readonly #left: () => void

  /** @param left called when the last has left */
  constructor(row: BulkJobRow, left: () => void) {
    this.latest = row
    this.#left = left
  }

  enter(signal: AbortSignal): BulkProgress {
    const progress = new BulkProgress(this, signal)
    this.#progresses.add(progress)
    if (signal.aborted) progress.end()
    return progress
  }

  leave(progress: BulkProgress): void {
    if (this.#progresses.delete(progress) && this.#progresses.size === 0) this.#left()
  }

  /** Takes what was read, where it says anything new. */
  renew(row: BulkJobRow): void {
    if (!isDeepStrictEqual(row, this.latest)) this.latest = row
  }

  /** Offers what was read to those who wait; undefined: the job is no more. */
  look(row: BulkJobRow | undefined): void {
    if (row !== undefined) this.renew(row)
    for (const progress of [...this.#progresses]) {
      if (row !== undefined) progress.offer()
      else progress.fail(notFound('bulk job', this.latest.id))
    }
  }

  end(): void {
    for (const progress of [...this.#progresses]) progress.end()
  }
}

function byKey<Row extends BulkJobRef>(rows: readonly Row[]): ReadonlyMap<string, Row> {
  return new Map(rows.map((row) => [keyOf(row), row]))
}

function keyOf({ environmentId, id }: BulkJobRef): string {
  return `${environmentId}\n${id}`
}

function stopping(): Refusal {
  return new Refusal('UNAVAILABLE', 'This process is stopping: connect again.')
}
