import { randomUUID } from 'node:crypto'
import { pino } from 'pino'
import { append, openLogHead } from '../../src/log/append.ts'
import type { Carrier } from '../../src/log/carrier.ts'
import type { EventFilter, LogEvent, NewEvent } from '../../src/log/event.ts'
import { createLog, type Log, type LogOptions } from '../../src/log/follow.ts'
import { createMemoryCarrier } from '../../src/log/memory.ts'
import { createRedisCarrier } from '../../src/log/redis.ts'
import { type Db, openStore, type Store } from '../../src/store/database.ts'
import { testDatabase } from '../support/database.ts'
import { startRedis } from '../support/redis.ts'

export const silent = pino({ level: 'silent' })
export const everything: EventFilter = { stream: 'MESSAGE' }

/** A database of one's own with the log's tables. */
export async function openDatabase(): Promise<{ store: Store; close(): Promise<void> }> {
  const { url, drop } = await testDatabase()
  const store = await openStore({ url, poolSize: 12, allowUnsafe: true })
  return {
    store,
    async close() {
      await store.close()
      await drop()
    },
  }
}

export async function openEnvironment(db: Db): Promise<string> {
  const id = randomUUID()
  await db.transaction().execute((tx) => openLogHead(tx, id))
  return id
}

export function eventOf(environmentId: string, given: Partial<NewEvent> = {}): NewEvent {
  return {
    environmentId,
    stream: 'MESSAGE',
    type: 'SENT',
    at: new Date(),
    messageId: 'm-1',
    requestId: 'r-1',
    jobId: null,
    userId: null,
    tenantId: null,
    status: 'SENT',
    reason: null,
    channel: 'EMAIL',
    providerId: 'smtp',
    error: null,
    detail: null,
    ...given,
  }
}

/** Appends in a transaction of its own and, after the commit, tells the log. */
export async function write(db: Db, log: Pick<Log, 'published'>, events: readonly NewEvent[]): Promise<readonly LogEvent[]> {
  const written = await db.transaction().execute((tx) => append(tx, events))
  log.published(written)
  return written
}

export async function take(events: AsyncIterable<LogEvent>, count: number): Promise<readonly LogEvent[]> {
  const taken: LogEvent[] = []
  for await (const event of events) {
    taken.push(event)
    if (taken.length === count) break
  }
  return taken
}

export function positions(events: readonly LogEvent[]): readonly number[] {
  return events.map((event) => event.position)
}

export function range(from: number, to: number): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index)
}

/** A place for a writer and a reader in different processes, as far as the log can tell: each has a carrier of its own. */
export interface Mode {
  readonly name: string
  open(): Promise<{ writer: Carrier; reader: Carrier; close(): Promise<void> } | null>
}

export const modes: readonly Mode[] = [
  {
    name: 'memory',
    async open() {
      const carrier = createMemoryCarrier()
      return { writer: carrier, reader: carrier, close: () => carrier.close() }
    },
  },
  {
    name: 'redis',
    async open() {
      const redis = await startRedis()
      if (!redis) return null
      const writer = createRedisCarrier({ url: redis.url, log: silent })
      const reader = createRedisCarrier({ url: redis.url, log: silent })
      return {
        writer,
        reader,
        async close() {
          await Promise.all([writer.close(), reader.close()])
          await redis.stop()
        },
      }
    },
  },
]

export function logOf(db: Db, carrier: Carrier, options: Partial<LogOptions> = {}): Log {
  return createLog({ db, carrier, log: silent, ...options })
}
