import { sql } from 'kysely'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Carrier } from '../../src/log/carrier.ts'
import type { EventFilter, LogEvent } from '../../src/log/event.ts'
import type { Log } from '../../src/log/follow.ts'
import { createMemoryCarrier } from '../../src/log/memory.ts'
import type { LogPosition } from '../../src/log/read.ts'
import type { Db } from '../../src/store/database.ts'
import { eventOf, everything, logOf, openDatabase, openEnvironment, positions, range, write } from './setting.ts'

let database: Awaited<ReturnType<typeof openDatabase>>
let db: Db
let carrier: Carrier & { listening(): number }
let log: Log
let environmentId: string
let leaving: AbortController

beforeAll(async () => {
  database = await openDatabase()
  db = database.store.db
})
afterAll(() => database.close())
beforeEach(async () => {
  carrier = counted(createMemoryCarrier())
  log = logOf(db, carrier, { lookEveryMs: 50 })
  environmentId = await openEnvironment(db)
  leaving = new AbortController()
})
afterEach(async () => {
  leaving.abort()
  await log.close()
  expect(carrier.listening()).toBe(0)
})

const follow = async (after: LogPosition | null = null, filter: EventFilter = everything) =>
  (await log.follow({ environmentId, after, filter, signal: leaving.signal }))[Symbol.asyncIterator]()
const writeMany = (count: number) =>
  write(
    db,
    log,
    Array.from({ length: count }, () => eventOf(environmentId)),
  )
const expired = expect.objectContaining({ code: 'CURSOR_EXPIRED' })

test('aborting ends a subscription that waits', async () => {
  const events = await follow()
  const next = events.next()
  leaving.abort()
  expect(await next).toEqual({ done: true, value: undefined })
  expect(await events.next()).toEqual({ done: true, value: undefined })
})

test('a subscription whose signal was aborted before ends at once', async () => {
  leaving.abort()
  expect(await (await follow()).next()).toEqual({ done: true, value: undefined })
})

test('the last subscription to leave takes the follower with it', async () => {
  const one = await follow()
  const two = await follow()
  expect(carrier.listening()).toBe(1)
  await one.return?.()
  expect(carrier.listening()).toBe(1)
  await two.return?.()
  expect(carrier.listening()).toBe(0)
})

test('closing the log ends every subscription, and no new one is opened', async () => {
  const events = await follow()
  const next = events.next()
  await log.close()
  expect((await next).done).toBe(true)
  await expect(follow()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

test('several steps asked for at once are answered in order', async () => {
  const events = await follow()
  const steps = range(1, 5).map(() => events.next())
  await writeMany(5)
  expect((await Promise.all(steps)).map((step) => step.value?.position)).toEqual(range(1, 5))
})

test('a subscription receives only what its filter lets through, in replay and live', async () => {
  const { epoch } = await log.head(environmentId)
  const some = [eventOf(environmentId, { messageId: 'mine' }), eventOf(environmentId, { messageId: 'other' })]
  await write(db, log, some)
  const events = await follow({ epoch, position: 0 }, { stream: 'MESSAGE', messageIds: ['mine'] })
  const first = (await events.next()).value
  await write(db, log, some)
  const second = (await events.next()).value
  expect([first?.position, second?.position]).toEqual([1, 3])
})

test('a cursor from before what is kept, from after the end, or from another history is expired', async () => {
  await writeMany(10)
  const { epoch } = await log.head(environmentId)
  await sql`update log_head set forgotten = 5 where environment_id = ${environmentId}`.execute(db)
  await expect(follow({ epoch, position: 4 })).rejects.toEqual(expired)
  await expect(follow({ epoch, position: 11 })).rejects.toEqual(expired)
  await expect(follow({ epoch: 'another', position: 7 })).rejects.toEqual(expired)
  expect((await (await follow({ epoch, position: 5 })).next()).value?.position).toBe(6)
})

test('a slow subscriber is told when what it has not read yet was forgotten', async () => {
  const small = logOf(db, carrier, { ringSize: 8 })
  const signal = leaving.signal
  const events = (await small.follow({ environmentId, after: null, filter: everything, signal }))[Symbol.asyncIterator]()
  const first = events.next()
  await write(db, small, [eventOf(environmentId)])
  await first
  await write(
    db,
    small,
    Array.from({ length: 100 }, () => eventOf(environmentId)),
  )
  await sql`delete from event where environment_id = ${environmentId} and position <= 50`.execute(db)
  await sql`update log_head set forgotten = 50 where environment_id = ${environmentId}`.execute(db)
  await expect(events.next()).rejects.toEqual(expired)
  expect((await events.next()).done).toBe(true)
})

test('a database put back to an earlier state ends the subscriptions to what is no longer its history', async () => {
  await writeMany(10)
  const next = (await follow()).next()
  await sql`update log_head set position = 3 where environment_id = ${environmentId}`.execute(db)
  await expect(next).rejects.toEqual(expired)
})

test('a subscription outlives the loss of every database connection', async () => {
  const { epoch } = await log.head(environmentId)
  await writeMany(1_000)
  const events = await follow({ epoch, position: 0 })
  const seen: LogEvent[] = []
  for (const nth of range(1, 1_000)) {
    if (nth % 300 === 0) {
      await sql`select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`.execute(db)
    }
    seen.push((await events.next()).value!)
  }
  expect(positions(seen)).toEqual(range(1, 1_000))
})

test('the first position of a message is the one before its first event, or the head where it has none', async () => {
  await writeMany(3)
  await write(db, log, [eventOf(environmentId, { messageId: 'mine' }), eventOf(environmentId, { messageId: 'mine' })])
  const { epoch } = await log.head(environmentId)
  const ofMine = await log.firstPositionOf(environmentId, { stream: 'MESSAGE', messageIds: ['mine'] })
  expect(ofMine).toEqual({ epoch, position: 3 })
  expect((await (await follow(ofMine)).next()).value?.messageId).toBe('mine')
  const ofNobody = await log.firstPositionOf(environmentId, { stream: 'MESSAGE', messageIds: ['nobody'] })
  expect(ofNobody).toEqual({ epoch, position: 5 })
  expect(await log.epoch(environmentId)).toBe(epoch)
})

test('sockets and timers are attended to while a thousand subscribers read what is ready', async () => {
  const all = await Promise.all(range(1, 1_000).map(() => follow()))
  let turns = 0
  let reading = true
  const turn = (): void => {
    turns += 1
    if (reading) setImmediate(turn)
  }
  await writeMany(200)
  setImmediate(turn)
  const read = await Promise.all(
    all.map(async (events) => {
      let last = 0
      for (let nth = 1; nth <= 200; nth++) if ((await events.next()).value?.position === nth) last = nth
      return last
    }),
  )
  expect(new Set(read)).toEqual(new Set([200]))
  reading = false
  expect(turns).toBeGreaterThan(50)
})

function counted(inner: Carrier): Carrier & { listening(): number } {
  let listening = 0
  return {
    ...inner,
    listening: () => listening,
    listen(id, on) {
      listening += 1
      const stop = inner.listen(id, on)
      return () => {
        listening -= 1
        stop()
      }
    },
  }
}
