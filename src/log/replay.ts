import { Refusal } from '../errors.ts'
import type { Db } from '../store/database.ts'
import type { EventFilter, LogEvent } from './event.ts'
import { readEvents, readHead } from './read.ts'

const PAGE = 200
const AT_ONCE = 4

/** What of the past one subscription wants next. */
export interface ReplayRange {
  readonly environmentId: string
  readonly epoch: string
  readonly after: number
  readonly upTo: number
  readonly filter: EventFilter
}

/** Some of the events of a range, and the position up to which there are no others. */
export interface ReplayPage {
  readonly events: readonly LogEvent[]
  readonly upTo: number
}

export type Replay = (range: ReplayRange) => Promise<ReplayPage>

/**
 * Reads the past for those whose place is no longer in memory, a page at a time. Few at once: when a thousand clients come
 * back together, the connections of the pool must still be there for those who send.
 */
export function createReplay(db: Db): Replay {
  const queue: (() => void)[] = []
  let running = 0

  return async function replay(range) {
    if (running >= AT_ONCE) await new Promise<void>((turn) => queue.push(turn))
    else running += 1
    try {
      return await readPage(db, range)
    } finally {
      const next = queue.shift()
      if (next) next()
      else running -= 1
    }
  }
}

async function readPage(db: Db, range: ReplayRange): Promise<ReplayPage> {
  const events = await readEvents(db, { ...range, limit: PAGE })
  await assertKept(db, range)
  const last = events.at(-1)
  return { events, upTo: last && events.length === PAGE ? last.position : range.upTo }
}

/** Asked after the page was read: what was still kept then was kept while it was read. */
async function assertKept(db: Db, range: ReplayRange): Promise<void> {
  const head = await readHead(db, range.environmentId)
  if (head?.epoch !== range.epoch || head.forgotten > range.after) throw cursorExpired()
}

/** Nobody is taken past a hole in silence: the client reads the present state anew and goes on after `logCursor`. */
export function cursorExpired(): Refusal {
  return new Refusal('CURSOR_EXPIRED', 'The log no longer reaches back to this cursor: read anew, then go on after logCursor.')
}
