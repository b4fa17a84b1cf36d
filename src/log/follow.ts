import type { Logger } from 'pino'
import { Refusal } from '../errors.ts'
import type { Db } from '../store/database.ts'
import type { Carrier } from './carrier.ts'
import type { EventFilter, LogEvent } from './event.ts'
import { Follower } from './follower.ts'
import { createPace } from './pace.ts'
import { type Head, type LogPosition, readEvents, readFirst, readHead } from './read.ts'
import { createReplay, cursorExpired } from './replay.ts'

const DELIVERIES_A_TURN = 2_000

export interface LogOptions {
  readonly db: Db
  /** Stays the caller's to close. */
  readonly carrier: Carrier
  readonly log: Pick<Logger, 'warn'>
  /** How often a follower looks by itself, in milliseconds: the longest an event can be late when news get lost. Default 1000. */
  readonly lookEveryMs?: number
  /** How many of an environment's newest events are kept in memory. Raising it spares slow subscribers the database. Default 10,000. */
  readonly ringSize?: number
}

export interface FollowOptions {
  readonly environmentId: string
  /** The place to go on from; null: from now. */
  readonly after: LogPosition | null
  readonly filter: EventFilter
  /** Ends it, also while it waits. Abort it, or return the iterator: until then the log is followed. */
  readonly signal: AbortSignal
}

/** The event log as its readers know it: one a process. */
export interface Log {
  /** To be called with what `append` returned, after the commit: those who follow are told at once instead of in a second. */
  published(events: readonly LogEvent[]): void
  /** Where the log stands now: every event that was committed before the call is at or before it. */
  head(environmentId: string): Promise<LogPosition>
  /** The epoch alone, remembered: for the cursors of events at hand. */
  epoch(environmentId: string): Promise<string>
  /**
   * All events of the filter after a place: first from the database, then live, each once, in order, none left out.
   * It is positioned when the promise resolves: what is committed after that will come. All readers of the present are given
   * the same object for the same event. A reader that is slow holds nobody up and loses nothing.
   * Throws CURSOR_EXPIRED, here or from the iterator, when the log no longer reaches back to the place.
   */
  follow(options: FollowOptions): Promise<AsyncIterable<LogEvent>>
  /** The place just before the first event of what the filter names; the head where nothing of it has happened yet. */
  firstPositionOf(environmentId: string, filter: EventFilter): Promise<LogPosition>
  /** A page of what happened, oldest first: at most `limit` events of the filter after a position. */
  read(page: { environmentId: string; after: number; filter: EventFilter; limit: number }): Promise<readonly LogEvent[]>
  /** Ends all that follow, as if there were no more events. */
  close(): Promise<void>
}

export function createLog({ db, carrier, log, lookEveryMs = 1_000, ringSize = 10_000 }: LogOptions): Log {
  const followers = new Map<string, Follower>()
  const epochs = new Map<string, string>()
  const pace = createPace(DELIVERIES_A_TURN)
  const replay = createReplay(db)
  let closed = false

  function followerOf(environmentId: string): Follower {
    if (closed) throw stopping()
    const present = followers.get(environmentId)
    if (present) return present
    const onStop = (stopped: Follower): void => {
      if (followers.get(environmentId) === stopped) followers.delete(environmentId)
    }
    const follower = new Follower({ environmentId, db, carrier, log, pace, replay, lookEveryMs, ringSize, onStop })
    followers.set(environmentId, follower)
    return follower
  }

  async function headOf(environmentId: string): Promise<Head> {
    const head = await readHead(db, environmentId)
    if (!head) throw new Error(`There is no log for the environment ${environmentId}.`)
    epochs.set(environmentId, head.epoch)
    return head
  }

  return {
    published(events) {
      for (const [environmentId, own] of Map.groupBy(events, (event) => event.environmentId)) carrier.publish(environmentId, own)
    },
    async head(environmentId) {
      const { epoch, position } = await headOf(environmentId)
      return { epoch, position }
    },
    async epoch(environmentId) {
      return epochs.get(environmentId) ?? (await headOf(environmentId)).epoch
    },
    async follow({ environmentId, after, filter, signal }) {
      const follower = followerOf(environmentId)
      follower.retain()
      try {
        const head = await headOf(environmentId)
        const position = startAt(head, after)
        follower.reach(head)
        return follower.subscribe(position, filter, signal)
      } finally {
        follower.release()
      }
    },
    async firstPositionOf(environmentId, filter) {
      const { epoch, position } = await headOf(environmentId)
      const first = await readFirst(db, environmentId, filter)
      return { epoch, position: first === null ? position : first - 1 }
    },
    read: (page) => readEvents(db, { ...page, upTo: Number.MAX_SAFE_INTEGER }),
    async close() {
      closed = true
      for (const follower of [...followers.values()]) follower.stop(stopping(), (subscription) => subscription.end())
    },
  }
}

function startAt(head: Head, after: LogPosition | null): number {
  if (!after) return head.position
  if (after.epoch !== head.epoch || after.position < head.forgotten || after.position > head.position) throw cursorExpired()
  return after.position
}

function stopping(): Refusal {
  return new Refusal('UNAVAILABLE', 'This process is stopping: connect again.')
}
