import type { BulkJobRow } from '../store/bulk.read.ts'

type Step = IteratorResult<BulkJobRow, undefined>
const DONE: Step = { done: true, value: undefined }

/** The least time between two items of one stream, so that no second holds more than four. In milliseconds. */
const BETWEEN_ITEMS_MS = 250

/** What a stream reads: a job that is watched. */
export interface ProgressSource {
  /** As it was last seen: the same object until it has changed. */
  readonly latest: BulkJobRow
  leave(progress: BulkProgress): void
}

/** Whether nothing of a job moves any more. What was sent may still be delivered or opened, and what failed be sent again. */
export function isOver({ status, counts }: Pick<BulkJobRow, 'status' | 'counts'>): boolean {
  return (status === 'COMPLETED' || status === 'CANCELED' || status === 'ERROR') && counts.pending === 0
}

/**
 * What one subscriber sees of a bulk job: how it stands, then how it stands when that has changed, until it is over. It holds
 * no items: who is slow is given the newest and never knows of those between.
 * Written out rather than as a generator, which could not be ended while it waits.
 */
export class BulkProgress implements AsyncIterableIterator<BulkJobRow, undefined> {
  readonly #source: ProgressSource
  readonly #signal: AbortSignal
  readonly #stop = (): void => this.end()
  #seen: BulkJobRow | null = null
  #seenAt = 0
  #pending: PromiseWithResolvers<Step> | null = null
  #failure: unknown
  #ended = false

  constructor(source: ProgressSource, signal: AbortSignal) {
    this.#source = source
    this.#signal = signal
    this.#signal.addEventListener('abort', this.#stop, { once: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end()
  }

  next(): Promise<Step> {
    if (this.#pending) return this.#pending.promise.then(() => this.next())
    if (this.#failure !== undefined) return this.#rejectOnce()
    if (this.#ended) return Promise.resolve(DONE)
    const row = this.#take()
    if (row) return Promise.resolve(this.#give(row))
    this.#pending = Promise.withResolvers()
    return this.#pending.promise
  }

  async return(): Promise<Step> {
    this.end()
    return DONE
  }

  /** Called each time the job was looked at: gives what is new to who waits for it, once it may. */
  offer(): void {
    const pending = this.#pending
    if (!pending) return
    const row = this.#take()
    if (!row) return
    this.#pending = null
    pending.resolve(this.#give(row))
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#signal.removeEventListener('abort', this.#stop)
    this.#source.leave(this)
    this.#pending?.resolve(DONE)
    this.#pending = null
  }

  /** Ends it with an error: thrown to the reader once, at its next step. */
  fail(error: unknown): void {
    if (this.#ended) return
    if (this.#pending) this.#pending.reject(error)
    else this.#failure = error
    this.#pending = null
    this.end()
  }

  #rejectOnce(): Promise<Step> {
    const error = this.#failure
    this.#failure = undefined
    return Promise.reject(error)
  }

  /** What it has not seen yet, when it may be given. */
  #take(): BulkJobRow | null {
    const { latest } = this.#source
    const now = performance.now()
    if (latest === this.#seen || (this.#seen !== null && now - this.#seenAt < BETWEEN_ITEMS_MS)) return null
    this.#seen = latest
    this.#seenAt = now
    return latest
  }

  #give(row: BulkJobRow): Step {
    if (isOver(row)) this.end()
    return { done: false, value: row }
  }
}
