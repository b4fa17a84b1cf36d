import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { append } from '../../src/log/append.ts'
import type { Carrier } from '../../src/log/carrier.ts'
import type { LogEvent } from '../../src/log/event.ts'
import type { Log } from '../../src/log/follow.ts'
import type { Db } from '../../src/store/database.ts'
import { eventOf, everything, logOf, modes, openDatabase, openEnvironment, positions, range, take, write } from './setting.ts'

for (const mode of modes) {
  describe(`the log, carried by ${mode.name}`, () => {
    let database: Awaited<ReturnType<typeof openDatabase>>
    let carriers: Awaited<ReturnType<typeof mode.open>>
    let db: Db
    let writer: Log
    let reader: Log
    let environmentId: string
    let leaving: AbortController

    beforeAll(async () => {
      database = await openDatabase()
      db = database.store.db
      carriers = await mode.open()
    })
    afterAll(async () => {
      await carriers?.close()
      await database.close()
    })
    beforeEach(async ({ skip }) => {
      if (!carriers) return skip(`${mode.name} cannot be started here`)
      writer = logOf(db, carriers.writer)
      reader = logOf(db, carriers.reader)
      environmentId = await openEnvironment(db)
      leaving = new AbortController()
    })
    afterEach(async () => {
      leaving.abort()
      await writer.close()
      await reader.close()
    })

    const follow = (log: Log, after: { epoch: string; position: number } | null = null) =>
      log.follow({ environmentId, after, filter: everything, signal: leaving.signal })

    test('positions have no holes and are in commit order, also while a transaction stays open', async () => {
      const events = await follow(reader)
      const committed: LogEvent[] = []
      const slow = db.transaction().execute(async (tx) => {
        await tx.selectFrom('log_head').select('position').execute()
        await new Promise((resolve) => setTimeout(resolve, 300))
        return append(tx, [eventOf(environmentId, { type: 'LATE' })])
      })
      const writers = range(1, 8).map(async (name) => {
        for (const nth of range(1, 25)) {
          const written = await write(db, writer, [
            eventOf(environmentId, { messageId: `${name}-${nth}` }),
            eventOf(environmentId),
          ])
          committed.push(...written)
        }
      })
      await Promise.all(writers)
      writer.published(await slow)
      const seen = await take(events, 401)
      expect(positions(seen)).toEqual(range(1, 401))
      expect(seen.filter((event) => event.type === 'LATE')).toHaveLength(1)
      for (const event of committed) expect(seen[event.position - 1]?.messageId).toBe(event.messageId)
    })

    test('an event is seen by nobody before the transaction that appended it commits, nor is a later one', async () => {
      const events = await follow(reader)
      const opened = Promise.withResolvers<void>()
      const first = db.transaction().execute(async (tx) => {
        const written = await append(tx, [eventOf(environmentId, { type: 'FIRST' })])
        opened.resolve()
        await new Promise((resolve) => setTimeout(resolve, 300))
        return written
      })
      await opened.promise
      await write(db, writer, [eventOf(environmentId, { type: 'SECOND' })])
      writer.published(await first)
      expect((await take(events, 2)).map((event) => event.type)).toEqual(['FIRST', 'SECOND'])
    })

    test('replay goes over into live with no seam while a writer writes at full speed', async () => {
      await write(
        db,
        writer,
        Array.from({ length: 500 }, () => eventOf(environmentId)),
      )
      const { epoch } = await reader.head(environmentId)
      const written = (async () => {
        for (const _ of range(1, 150)) await write(db, writer, [eventOf(environmentId), eventOf(environmentId)])
      })()
      const readers = [0, 1, 250, 499].map(async (position) => {
        const seen = await take(await follow(reader, { epoch, position }), 800 - position)
        expect(positions(seen)).toEqual(range(position + 1, 800))
      })
      await Promise.all([written, ...readers])
    })

    test('who subscribes is told everything that is committed afterwards, and nothing from before', async () => {
      for (const _ of range(1, 20)) {
        await write(db, writer, [eventOf(environmentId, { type: 'BEFORE' })])
        const events = await follow(reader)
        const [written] = await write(db, writer, [eventOf(environmentId, { type: 'AFTER' })])
        expect((await take(events, 1))[0]?.position).toBe(written?.position)
      }
    })

    test('two environments never see each other’s events', async () => {
      const other = await openEnvironment(db)
      const own = await follow(reader)
      const foreign = await reader.follow({ environmentId: other, after: null, filter: everything, signal: leaving.signal })
      for (const nth of range(1, 100)) {
        await write(db, writer, [
          eventOf(environmentId, { messageId: `own-${nth}` }),
          eventOf(other, { messageId: `canary-${nth}` }),
        ])
      }
      const seen = await take(own, 100)
      expect(seen.map((event) => event.messageId)).toEqual(range(1, 100).map((nth) => `own-${nth}`))
      expect((await take(foreign, 100)).map((event) => event.messageId)).toEqual(range(1, 100).map((nth) => `canary-${nth}`))
    })

    test('events still arrive, once and in order, when the carrier loses every second notice', async () => {
      const lossy = logOf(db, losingEverySecond(carriers!.reader), { lookEveryMs: 100 })
      const events = await follow(lossy)
      const seen = take(events, 301)
      for (const nth of range(1, 301)) await write(db, writer, [eventOf(environmentId, { messageId: `m-${nth}` })])
      expect((await seen).map((event) => event.messageId)).toEqual(range(1, 301).map((nth) => `m-${nth}`))
      await lossy.close()
    })

    test('a subscriber that falls behind a small memory still gets everything, once and in order', async () => {
      const small = logOf(db, carriers!.reader, { ringSize: 16 })
      const slow = (await follow(small))[Symbol.asyncIterator]()
      const quick = take(await follow(small), 900)
      const seen: LogEvent[] = []
      for (const nth of range(1, 300)) {
        await write(db, writer, [eventOf(environmentId), eventOf(environmentId), eventOf(environmentId)])
        if (nth % 10 === 0) seen.push((await slow.next()).value!)
      }
      while (seen.length < 900) seen.push((await slow.next()).value!)
      expect(positions(seen)).toEqual(range(1, 900))
      expect(positions(await quick)).toEqual(range(1, 900))
      await small.close()
    })

    test('all who read the present are given the same object for the same event', async () => {
      const all = await Promise.all(range(1, 5).map(() => follow(reader)))
      await write(db, writer, [eventOf(environmentId)])
      const seen = await Promise.all(all.map((events) => take(events, 1)))
      expect(new Set(seen.map(([event]) => event)).size).toBe(1)
    })
  })
}

function losingEverySecond(carrier: Carrier): Carrier {
  let heard = 0
  return {
    ...carrier,
    listen: (environmentId, on) =>
      carrier.listen(environmentId, (notice) => {
        heard += 1
        if (heard % 2 === 1) on(notice)
      }),
  }
}
