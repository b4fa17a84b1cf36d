import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Carrier } from '../../src/log/carrier.ts'
import type { Log } from '../../src/log/follow.ts'
import { createRedisCarrier } from '../../src/log/redis.ts'
import type { Db } from '../../src/store/database.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { eventOf, everything, logOf, openDatabase, openEnvironment, positions, range, silent, take, write } from './setting.ts'

describe('a log carried by Redis', () => {
  let database: Awaited<ReturnType<typeof openDatabase>>
  let db: Db
  let redis: TestRedis
  let environmentId: string
  let opened: { close(): Promise<void> }[]
  const leaving = new AbortController()

  beforeAll(async () => {
    database = await openDatabase()
    db = database.store.db
  })
  afterAll(() => database.close())
  beforeEach(async ({ skip }) => {
    const started = await startRedis()
    if (!started) return skip('there is no redis-server here')
    redis = started
    opened = []
    environmentId = await openEnvironment(db)
  })
  afterEach(async () => {
    for (const one of (opened ?? []).reverse()) await one.close()
    await redis?.stop()
  })

  const carrierAt = (url: string): Carrier => keep(createRedisCarrier({ url, log: silent }))
  const logAt = (carrier: Carrier, lookEveryMs: number): Log => keep(logOf(db, carrier, { lookEveryMs }))
  const keep = <T extends { close(): Promise<void> }>(one: T): T => {
    opened.push(one)
    return one
  }
  const follow = (log: Log) => log.follow({ environmentId, after: null, filter: everything, signal: leaving.signal })

  test('events arrive by looking when Redis is down from start to end', async () => {
    await redis.kill()
    const writer = logAt(carrierAt(redis.url), 1_000)
    const reader = logAt(carrierAt(redis.url), 200)
    const events = await follow(reader)
    const started = performance.now()
    for (const nth of range(1, 20)) await write(db, writer, [eventOf(environmentId, { messageId: `m-${nth}` })])
    expect(positions(await take(events, 20))).toEqual(range(1, 20))
    expect(performance.now() - started).toBeLessThan(5_000)
  })

  test('events of one’s own process need no Redis at all', async () => {
    await redis.kill()
    const log = logAt(carrierAt(redis.url), 600_000)
    const events = await follow(log)
    await write(db, log, [eventOf(environmentId)])
    expect(await take(events, 1)).toHaveLength(1)
  })

  test('nothing is lost or doubled when Redis is killed and comes back, and then it is quick again', async () => {
    const from = carrierAt(redis.url)
    const to = carrierAt(redis.url)
    const writer = logAt(from, 1_000)
    const reader = logAt(to, 50)
    const events = (await follow(reader))[Symbol.asyncIterator]()
    const seen: number[] = []
    for (const nth of range(1, 90)) {
      if (nth === 30) await redis.kill()
      if (nth === 60) await redis.start()
      await write(db, writer, [eventOf(environmentId)])
      seen.push((await events.next()).value!.position)
    }
    expect(seen).toEqual(range(1, 90))
    await connected(from, to)
  })

  test('a wake-up is heard by the other processes, and by one’s own only once', async () => {
    const here = carrierAt(redis.url)
    const there = carrierAt(redis.url)
    const heardHere: string[] = []
    const heardThere: string[] = []
    here.onWake((lane) => heardHere.push(lane))
    there.onWake((lane) => heardThere.push(lane))
    await connected(here, there)
    await connected(there, here)
    here.wake('single')
    await expect.poll(() => heardThere).toContain('single')
    await connected(there, here)
    expect(heardHere.filter((lane) => lane === 'single')).toEqual(['single'])
  })

  test('what is written into its channels by others makes nobody see anything', async () => {
    const log = logAt(carrierAt(redis.url), 200)
    const events = await follow(log)
    await publishRaw(redis.port, `carillon:log:${environmentId}`, ['99', '-1', 'x', '{}', '9007199254740993', '1e300'])
    await write(db, log, [eventOf(environmentId)])
    expect(positions(await take(events, 1))).toEqual([1])
  })

  test('a connection that has gone silent is noticed and replaced, and nothing is lost meanwhile', async () => {
    const proxy = keep(await silenceable(redis.port))
    const from = carrierAt(redis.url)
    const to = carrierAt(`redis://127.0.0.1:${proxy.port}`)
    const writer = logAt(from, 1_000)
    const reader = logAt(to, 200)
    const events = await follow(reader)
    await connected(from, to)
    proxy.silence()
    const started = performance.now()
    for (const _ of range(1, 50)) await write(db, writer, [eventOf(environmentId)])
    expect(positions(await take(events, 50))).toEqual(range(1, 50))
    expect(performance.now() - started).toBeLessThan(5_000)
    await connected(from, to)
  }, 40_000)

  test('publishing to a Redis that has gone silent neither waits nor piles up', async () => {
    const proxy = keep(await silenceable(redis.port))
    const carrier = carrierAt(`redis://127.0.0.1:${proxy.port}`)
    const other = carrierAt(redis.url)
    await connected(carrier, other)
    proxy.silence()
    const before = process.memoryUsage().heapUsed
    const started = performance.now()
    for (const nth of range(1, 200_000)) carrier.publish(environmentId, [{ ...eventOf(environmentId), position: nth }])
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(proxy.swallowed()).toBeLessThan(10_000)
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6)
  })
})

/** Resolves once what one of them says is heard by the other: wake-ups are repeated until then. */
async function connected(from: Carrier, to: Carrier): Promise<void> {
  let heard = false
  const stop = to.onWake((lane) => {
    heard ||= lane === 'ready?'
  })
  await expect
    .poll(
      () => {
        from.wake('ready?')
        return heard
      },
      { timeout: 25_000, interval: 20 },
    )
    .toBe(true)
  stop()
}

async function publishRaw(port: number, channel: string, texts: readonly string[]): Promise<void> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  await once(socket, 'connect')
  for (const text of texts) socket.write(`PUBLISH ${channel} ${text}\r\n`)
  await once(socket, 'data')
  socket.destroy()
}

/** A way to Redis whose present connections can fall silent without being closed: half-open, as a lost network leaves them. */
async function silenceable(
  port: number,
): Promise<{ port: number; silence(): void; swallowed(): number; close(): Promise<void> }> {
  const sockets = new Set<Socket>()
  let bytes = 0
  const server: Server = createServer((near) => {
    const far = createConnection({ port, host: '127.0.0.1' })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.on('close', () => sockets.delete(socket))
    }
    near.pipe(far).pipe(near)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    silence() {
      for (const socket of sockets) {
        socket.unpipe()
        socket.on('data', (data) => {
          bytes += data.length
        })
      }
    },
    swallowed: () => bytes,
    async close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}
