import { Refusal } from '../errors.ts'
import type { EventFilter, LogEvent } from './event.ts'
import { predicateOf } from './filter.ts'
import type { Pace } from './pace.ts'
import type { Replay } from './replay.ts'

type Step = IteratorResult<LogEvent, undefined>
const DONE: Step = { done: true, value: undefined }

/** What a subscription reads: the follower of its environment. It holds the events in (base, head]. */
export interface Source {
  readonly environmentId: string
  readonly epoch: string
  readonly base: number
  readonly head: number
  at(position: number): LogEvent
  /** Resumes the subscription when the head has moved. */
  awaitHead(subscription: Subscription): void
  /** Resumes it when the database has answered again. */
  awaitDatabase(subscription: Subscription, fault: unknown): void
  leave(subscription: Subscription): void
}

export interface SubscriptionOptions {
  readonly source: Source
  /** The last position that it has, or does not want. */
  readonly position: number
  readonly filter: EventFilter
  readonly pace: Pace
  readonly replay: Replay
  readonly signal: AbortSignal
}

/**
 * One reader's place in the log and its filter. It holds no events but a page while it reads the past: what it reads of the
 * present are the follower's own objects, and if it is slower than the follower's memory is long, the past is where it is.
 * Written out rather than as a generator, since every event of every subscriber goes through here.
 */
export class Subscription implements AsyncIterableIterator<LogEvent, undefined> {
  readonly #source: Source
  readonly #filter: EventFilter
  readonly #matches: (event: LogEvent) => boolean
  readonly #pace: Pace
  readonly #replay: Replay
  readonly #signal: AbortSignal
  readonly #stop = (): void => this.end()
  readonly #resumed = (): void => this.resume()
  #position: number
  #page: readonly LogEvent[] = []
  #turned = 0
  #pending: PromiseWithResolvers<Step> | null = null
  #failure: unknown
  #ended = false

  constructor(options: SubscriptionOptions) {
    this.#source = options.source
    this.#position = options.position
    this.#filter = options.filter
    this.#matches = predicateOf(options.filter)
    this.#pace = options.pace
    this.#replay = options.replay
    this.#signal = options.signal
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
    const event = this.#advance()
    if (event) return Promise.resolve({ done: false, value: event })
    this.#pending = Promise.withResolvers()
    return this.#pending.promise
  }

  async return(): Promise<Step> {
    this.end()
    return DONE
  }

  /** Called by whoever it waits for: the follower, the pace, the replay. */
  resume(): void {
    const pending = this.#pending
    if (!pending) return
    const event = this.#advance()
    if (!event) return
    this.#pending = null
    pending.resolve({ done: false, value: event })
  }

  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#page = []
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

  /** The next event when it is at hand; otherwise sees to it that `resume` is called once it may be. */
  #advance(): LogEvent | undefined {
    if (this.#pace.spent) {
      this.#pace.wait(this.#resumed)
      return undefined
    }
    const event = this.#fromPage() ?? this.#fromMemory()
    if (event) this.#pace.spend()
    else if (this.#position < this.#source.base) void this.#turnPage()
    else this.#source.awaitHead(this)
    return event
  }

  #fromPage(): LogEvent | undefined {
    const event = this.#page[this.#turned]
    if (event) this.#turned += 1
    else if (this.#turned > 0) this.#closePage()
    return event
  }

  #closePage(): void {
    this.#page = []
    this.#turned = 0
  }

  /** While a page is being read, the position is already the page's end. */
  #fromMemory(): LogEvent | undefined {
    const { base, head } = this.#source
    if (this.#position < base) return undefined
    while (this.#position < head) {
      this.#position += 1
      const event = this.#source.at(this.#position)
      if (this.#matches(event)) return event
    }
    return undefined
  }

  async #turnPage(): Promise<void> {
    const { environmentId, epoch, head } = this.#source
    try {
      const page = await this.#replay({ environmentId, epoch, after: this.#position, upTo: head, filter: this.#filter })
      if (this.#ended) return
      this.#page = page.events
      this.#position = page.upTo
      this.resume()
    } catch (error) {
      if (this.#ended) return
      if (error instanceof Refusal) this.fail(error)
      else this.#source.awaitDatabase(this, error)
    }
  }
}
