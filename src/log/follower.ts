import type { Logger } from 'pino'
import { Refusal } from '../errors.ts'
import type { Db } from '../store/database.ts'
import type { Carrier, Notice } from './carrier.ts'
import type { EventFilter, LogEvent } from './event.ts'
import type { Pace } from './pace.ts'
import { type Head, readEvents, readHead } from './read.ts'
import { cursorExpired, type Replay } from './replay.ts'
import { type Source, Subscription } from './subscription.ts'

const FILL = 1_000

export interface FollowerOptions {
  readonly environmentId: string
  readonly db: Db
  readonly carrier: Carrier
  readonly log: Pick<Logger, 'warn'>
  readonly pace: Pace
  readonly replay: Replay
  readonly lookEveryMs: number
  readonly ringSize: number
  /** Called once, when the last subscription has left. */
  readonly onStop: (follower: Follower) => void
}

/**
 * Follows one environment's log for all of a process's subscriptions to it, and keeps its newest events in memory.
 * What the carrier brings extends them while it joins on without a hole; a hole is read from the database at once; and
 * every lookEveryMs it looks there by itself, so that nothing depends on the carrier.
 */
export class Follower implements Source {
  readonly environmentId: string
  readonly #options: FollowerOptions
  readonly #ring: LogEvent[] = []
  readonly #subscriptions = new Set<Subscription>()
  readonly #unlisten: () => void
  #waiting = new Set<Subscription>()
  #stalled = new Set<Subscription>()
  #opening = 0
  #head: Head | null = null
  #position = 0
  #base = 0
  #known = 0
  #filling = false
  #timer: NodeJS.Timeout | undefined
  #stopped: Refusal | null = null

  constructor(options: FollowerOptions) {
    this.environmentId = options.environmentId
    this.#options = options
    this.#unlisten = options.carrier.listen(options.environmentId, (notice) => this.#notice(notice))
  }

  get epoch(): string {
    return this.#head?.epoch ?? ''
  }

  get head(): number {
    return this.#position
  }

  get base(): number {
    return this.#base
  }

  at(position: number): LogEvent {
    return this.#ring[position % this.#options.ringSize]!
  }

  /** Keeps the follower while a subscription is being opened; `release` it in any case. */
  retain(): void {
    this.#opening += 1
  }

  release(): void {
    this.#opening -= 1
    this.#stopWhenAlone()
  }

  /** Tells it where the log stands: the first time that is where it begins. */
  reach(head: Head): void {
    if (this.#stopped) throw this.#stopped
    if (this.#head) {
      if (head.epoch !== this.epoch) this.#expire()
      this.#know(head.position)
      return
    }
    this.#head = head
    this.#position = head.position
    this.#base = head.position
    this.#know(head.position)
    this.#lookLater()
  }

  subscribe(position: number, filter: EventFilter, signal: AbortSignal): Subscription {
    const { pace, replay } = this.#options
    const subscription = new Subscription({ source: this, position, filter, pace, replay, signal })
    this.#subscriptions.add(subscription)
    if (signal.aborted) subscription.end()
    return subscription
  }

  awaitHead(subscription: Subscription): void {
    this.#waiting.add(subscription)
  }

  awaitDatabase(subscription: Subscription, fault: unknown): void {
    this.#warn(fault)
    this.#stalled.add(subscription)
  }

  leave(subscription: Subscription): void {
    this.#subscriptions.delete(subscription)
    this.#waiting.delete(subscription)
    this.#stalled.delete(subscription)
    this.#stopWhenAlone()
  }

  /** Ends all subscriptions: as if there were no more events, or with an error. */
  stop(why: Refusal, end: (subscription: Subscription) => void): void {
    if (this.#stopped) return
    this.#stopped = why
    clearTimeout(this.#timer)
    this.#unlisten()
    for (const subscription of [...this.#subscriptions]) end(subscription)
    this.#options.onStop(this)
  }

  #stopWhenAlone(): void {
    if (this.#opening > 0 || this.#subscriptions.size > 0) return
    this.stop(new Refusal('UNAVAILABLE', 'The subscription was closed.'), () => {})
  }

  /** The log is no longer the one it followed: restored, emptied, or its environment gone. */
  #expire(): void {
    const error = cursorExpired()
    this.stop(error, (subscription) => subscription.fail(error))
  }

  #notice(notice: Notice): void {
    if (this.#head && notice.events) this.#extend(notice.events)
    this.#know(notice.upTo)
  }

  #know(position: number): void {
    this.#known = Math.max(this.#known, position)
    if (this.#head && !this.#stopped && this.#known > this.#position) void this.#fill()
  }

  /** Takes what joins on; what it has already, and what lies behind a hole, it leaves. */
  #extend(events: readonly LogEvent[]): void {
    const { ringSize } = this.#options
    const before = this.#position
    for (const event of events) {
      if (event.position !== this.#position + 1) continue
      this.#position = event.position
      this.#ring[event.position % ringSize] = event
    }
    if (this.#position === before) return
    this.#base = Math.max(this.#base, this.#position - ringSize)
    const woken = this.#waiting
    this.#waiting = new Set()
    for (const subscription of woken) subscription.resume()
  }

  async #fill(): Promise<void> {
    if (this.#filling) return
    this.#filling = true
    try {
      while (!this.#stopped && this.#known > this.#position) await this.#fillOnce()
    } catch (fault) {
      this.#warn(fault)
    } finally {
      this.#filling = false
    }
  }

  /** A position that is not there was none: a false notice. */
  async #fillOnce(): Promise<void> {
    const { db } = this.#options
    const after = this.#position
    const upTo = this.#known
    const events = await readEvents(db, { environmentId: this.environmentId, after, upTo, limit: FILL })
    if (this.#stopped) return
    const first = events[0]
    if (first?.position === after + 1) this.#extend(events)
    else if (first) this.#expire()
    else if (this.#known === upTo) this.#known = this.#position
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#options.lookEveryMs)
  }

  async #look(): Promise<void> {
    const before = this.#position
    try {
      const found = await readHead(this.#options.db, this.environmentId)
      if (this.#stopped) return
      if (!found || found.epoch !== this.epoch || found.position < before) this.#expire()
      else this.#looked(found.position)
    } catch (fault) {
      this.#warn(fault)
    }
    if (!this.#stopped) this.#lookLater()
  }

  #looked(position: number): void {
    this.#know(position)
    const stalled = this.#stalled
    this.#stalled = new Set()
    for (const subscription of stalled) subscription.resume()
  }

  #warn(fault: unknown): void {
    if (this.#stopped) return
    const { environmentId } = this
    this.#options.log.warn({ err: fault, environmentId }, 'The log could not be read: its subscriptions wait for the next look.')
  }
}
