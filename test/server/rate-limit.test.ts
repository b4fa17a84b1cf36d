import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { Redis } from 'ioredis'
import { pino } from 'pino'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Refusal } from '../../src/errors.ts'
import { presentError } from '../../src/server/errors.ts'
import type { RateLimiter } from '../../src/server/rate-limit.ts'
import { createMemoryRateLimiter } from '../../src/server/rate-memory.ts'
import { createRedisRateLimiter, type SharedRateLimiter } from '../../src/server/rate-redis.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'
import { startWire } from '../support/wire.ts'
import { Client, post, type Reply, type Running, start } from './harness.ts'

const LIMITS = new Map([
  ['send', 4],
  ['cancel', 2],
])
const SEND = 'send(input: { to: [] }) { id }'
const silent = pino({ level: 'silent' })

const calls = (counts: Record<string, number>) => new Map(Object.entries(counts))
/** What an answer says of the limit: status, X-RateLimit-Limit, X-RateLimit-Remaining. */
const told = ({ status, headers }: Reply) => [status, headers.get('x-ratelimit-limit'), headers.get('x-ratelimit-remaining')]

describe('A server with limits', () => {
  let running: Running
  afterEach(() => running[Symbol.asyncDispose]())

  async function open(windowSeconds?: number) {
    running = await start({ rateLimiter: createMemoryRateLimiter(LIMITS, windowSeconds) })
    return (query: string, more: { variables?: object; operationName?: string; authorization?: string } = {}) => {
      const { authorization = 'Bearer ck_a', ...parameters } = more
      return post(running.url, { query, ...parameters }, { authorization })
    }
  }

  test('says with each limited mutation what the limit is and what is left of it', async () => {
    const ask = await open()
    expect(told(await ask(`mutation { ${SEND} }`))).toEqual([200, '4', '3'])
    expect(told(await ask(`mutation { ${SEND} }`))).toEqual([200, '4', '2'])
  })

  test('says it of the mutation with the least left where there are several', async () => {
    const ask = await open()
    expect(told(await ask(`mutation { ${SEND} cancel(id: "m1") { id } }`))).toEqual([200, '2', '1'])
  })

  test('refuses beyond the limit before anything is executed: 429, no data, Retry-After in whole seconds', async () => {
    const ask = await open()
    for (const id of ['1', '2']) await ask(`mutation { cancel(id: "${id}") { id } }`)
    const refused = await ask(`mutation { ${SEND} cancel(id: "3") { id } }`)
    expect(told(refused)).toEqual([429, '2', '0'])
    expect(refused.headers.get('retry-after')).toMatch(/^(60|5\d)$/)
    expect(refused.body).not.toHaveProperty('data')
    expect(refused.body.errors).toEqual([
      {
        message: expect.stringMatching(/^The limit of cancel is 2 a minute, .* Try again in \d+ s\.$/),
        extensions: {
          type: 'rate_limit_error',
          code: 'RATE_LIMITED',
          status: 429,
          path: [],
          issues: [],
          retryAfterSeconds: Number(refused.headers.get('retry-after')),
        },
      },
    ])
    expect(running.world.sent).toEqual(['cancel 1', 'cancel 2'])
  })

  test('takes nothing of any limit for a request it refuses', async () => {
    const ask = await open()
    await ask(`mutation { ${SEND} cancel(id: "1") { id } }`)
    expect((await ask(`mutation { ${SEND} a: cancel(id: "2") { id } b: cancel(id: "3") { id } }`)).status).toBe(429)
    expect(told(await ask(`mutation { ${SEND} }`))).toEqual([200, '4', '2'])
    expect(told(await ask('mutation { cancel(id: "2") { id } }'))).toEqual([200, '2', '0'])
  })

  test('refuses what would go beyond a limit all by itself', async () => {
    const ask = await open()
    const refused = await ask('mutation { a: cancel(id: "1") { id } b: cancel(id: "2") { id } c: cancel(id: "3") { id } }')
    expect(told(refused)).toEqual([429, '2', '0'])
    expect(told(await ask('mutation { cancel(id: "1") { id } }'))).toEqual([200, '2', '1'])
  })

  test.each([
    ['aliases', `mutation { a: ${SEND} b: ${SEND} c: ${SEND} }`, {}, 3],
    ['fields in fragments', `mutation { ...F ... on Mutation { b: ${SEND} } } fragment F on Mutation { a: ${SEND} }`, {}, 2],
    ['a fragment spread twice as one', `mutation { ...F ...F } fragment F on Mutation { a: ${SEND} }`, {}, 1],
    ['a field asked for twice as one', `mutation { ${SEND} ${SEND} }`, {}, 1],
    ['no field that @skip leaves out', `mutation { a: ${SEND} b: ${SEND.replace('{ id', '@skip(if: true) { id')} }`, {}, 1],
    [
      'no field that a variable leaves out',
      `mutation($on: Boolean!, $off: Boolean = false) { a: ${SEND} ... @include(if: $on) { b: ${SEND} } ... @include(if: $off) { c: ${SEND} } }`,
      { variables: { on: true } },
      2,
    ],
    [
      'the operation that is asked for alone',
      `mutation One { ${SEND} } mutation Two { a: ${SEND} b: ${SEND} }`,
      { operationName: 'One' },
      1,
    ],
  ])('counts %s', async (_, query, more, count) => {
    const ask = await open()
    expect(told(await ask(query, more))).toEqual([200, '4', String(4 - count)])
  })

  test.each([
    ['a query', '{ messages { nodes { id } } }'],
    ['a mutation that asks for nothing but __typename', 'mutation { __typename }'],
    ['a mutation that leaves all of it out', `mutation { ... @skip(if: true) { ${SEND} } }`],
  ])('counts nothing for %s', async (_, query) => {
    const ask = await open()
    for (const _each of Array(6)) expect(told(await ask(query))).toEqual([200, null, null])
  })

  test.each([
    ['Boolean!', 'yes', 400],
    ['Boolean!', null, 400],
    ['Boolean = true', null, 200],
  ])('takes nothing where a condition of type %s is %j: GraphQL executes nothing', async (type, on, status) => {
    const ask = await open()
    const query = `mutation($on: ${type}) { ... @include(if: $on) { ${SEND} } }`
    const reply = await ask(query, { variables: { on } })
    expect(told(reply)).toEqual([status, null, null])
    expect(reply.body.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    expect(running.world.sent).toEqual([])
    expect(told(await ask(`mutation { ${SEND} }`))).toEqual([200, '4', '3'])
  })

  test('counts each key for itself, and all tokens of a user together', async () => {
    const ask = await open()
    const left = async (authorization: string) => told(await ask(`mutation { ${SEND} }`, { authorization }))[2]
    expect(await left('Bearer ck_a')).toBe('3')
    expect(await left('Bearer ck_a2')).toBe('3')
    expect(await left('Bearer ck_b')).toBe('3')
    expect(await left('Bearer ut_anna')).toBe('3')
    expect(await left('Bearer ut_anna_50000')).toBe('2')
    expect(await left('Bearer ut_bob')).toBe('3')
  })

  test('lets a caller go on when the time it was told is over', async () => {
    const ask = await open(1)
    const cancel = () => ask('mutation { cancel(id: "1") { id } }')
    let refused = await cancel()
    while (refused.status === 200) refused = await cancel()
    expect(refused.headers.get('retry-after')).toBe('1')
    await expect.poll(async () => (await cancel()).status, { interval: 50, timeout: 5_000 }).toBe(200)
  })

  test('lets pages of other origins read the headers', async () => {
    await open()
    const reply = await post(running.url, { query: `mutation { ${SEND} }` }, { origin: 'https://app.customer.com' })
    expect(reply.headers.get('access-control-expose-headers')).toBe('X-RateLimit-Limit, X-RateLimit-Remaining, Retry-After')
  })

  test('counts mutations over WebSocket together with those over HTTP, and refuses them by their id', async () => {
    const ask = await open()
    const client = await new Client(running.port).init()
    client.subscribe('live', 'subscription { messageEvents { title } }')
    await ask('mutation { cancel(id: "1") { id } }')
    client.subscribe('second', 'mutation { cancel(id: "2") { id } }')
    await client.until(({ id, type }) => id === 'second' && type === 'complete')
    client.subscribe('third', 'mutation { cancel(id: "3") { id } }')
    const refused = await client.until(({ id }) => id === 'third')
    expect(refused.type).toBe('error')
    expect(refused.payload![0]!.extensions).toMatchObject({ code: 'RATE_LIMITED', status: 429 })
    expect(refused.payload![0]!.extensions.retryAfterSeconds).toBeGreaterThan(50)
    expect(running.world.sent).toEqual(['cancel 1', 'cancel 2'])
    await expect.poll(() => running.world.calls.open).toBe(1)
    running.world.bell.emit('event', { cursor: '1', title: 'still here' })
    await client.until(({ id, type }) => id === 'live' && type === 'next')
  })
})

describe('What passes by itself says when it is worth another try', () => {
  test('a stream and an upgrade for which there is no seat, in Retry-After', async () => {
    await using full = await start({ limits: { socketsPerProcess: 0 } })
    const query = 'subscription { messageEvents { title } }'
    const reply = await post(full.url, { query }, { accept: 'text/event-stream' })
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1'])
    const { socket } = new Client(full.port)
    const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage]
    expect([response.statusCode, response.headers['retry-after']]).toEqual([503, '1'])
    response.destroy()
  })

  test('a request whose idempotency key is still at work, in its error', () => {
    const { extensions } = presentError(new Refusal('IDEMPOTENCY_IN_PROGRESS', 'It is at work.'))
    expect(extensions).toMatchObject({ status: 409, retryAfterSeconds: 1 })
    expect(presentError(new Refusal('NOT_FOUND', 'No time helps.')).extensions).not.toHaveProperty('retryAfterSeconds')
  })
})

let redis: TestRedis | null = null
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis?.stop())

const opened: SharedRateLimiter[] = []
afterEach(async () => {
  for (const limiter of opened.splice(0)) await limiter.close()
})

const hash = (caller: string) => Buffer.from(caller).toString('base64url')

async function inRedis(url = redis!.url): Promise<SharedRateLimiter> {
  const limiter = createRedisRateLimiter({ url, limits: LIMITS, hash, log: silent })
  opened.push(limiter)
  await expect.poll(() => limiter.fallsBack()).toBe(false)
  return limiter
}

const DRIVERS: readonly { name: string; open: () => Promise<RateLimiter> }[] = [
  { name: 'in process', open: async () => createMemoryRateLimiter(LIMITS) },
  { name: 'in Redis', open: () => inRedis() },
]

describe.each(DRIVERS)('A limiter $name', ({ name, open }) => {
  test('admits exactly what a tally of admitted calls has room for', async ({ skip }) => {
    if (name === 'in Redis' && redis === null) skip('there is no redis-server here')
    const limiter = await open()
    const request = fc
      .record({ send: fc.integer({ min: 0, max: 5 }), cancel: fc.integer({ min: 0, max: 3 }) })
      .filter(({ send, cancel }) => send + cancel > 0)
    await fc.assert(
      fc.asyncProperty(fc.array(request, { maxLength: 8 }), async (requests) => {
        const caller = randomUUID()
        const left = new Map(LIMITS)
        for (const { send, cancel } of requests) {
          const asked = [...calls({ send, cancel })].filter(([, count]) => count > 0)
          const fits = asked.every(([field, count]) => left.get(field)! >= count)
          if (fits) for (const [field, count] of asked) left.set(field, left.get(field)! - count)
          const verdict = await limiter.take(caller, new Map(asked))
          const least = Math.min(...asked.map(([field]) => left.get(field)!))
          expect(verdict).toMatchObject(fits ? { admitted: true, remaining: least } : { admitted: false })
        }
      }),
      { numRuns: 60 },
    )
  })
})

describe('A limiter that counts for several processes', () => {
  test.beforeEach(({ skip }) => {
    if (redis === null) skip('there is no redis-server here')
  })

  test('counts for all processes together', async () => {
    const [one, other] = [await inRedis(), await inRedis()]
    const caller = randomUUID()
    const admitted = []
    for (const limiter of [one, other, one, other]) admitted.push((await limiter.take(caller, calls({ send: 1 }))).admitted)
    expect(admitted).toEqual([true, true, true, true])
    expect(await one.take(caller, calls({ send: 1 }))).toMatchObject({ admitted: false, field: 'send', limit: 4 })
    expect(await other.take(caller, calls({ send: 1 }))).toMatchObject({ admitted: false })
  })

  test('leaves there nothing but numbers that expire, under hashed keys', async () => {
    const limiter = await inRedis()
    await limiter.take('["a","user","anna@example.com"]', calls({ send: 1, cancel: 1 }))
    const look = new Redis(redis!.url)
    try {
      const keys = await look.keys(`*${hash('["a","user","anna@example.com"]')}`)
      expect(keys).toHaveLength(2)
      expect((await look.keys('*')).filter((key) => key.includes('anna'))).toEqual([])
      for (const key of keys) {
        expect(await look.get(key)).toBe('1')
        expect(await look.ttl(key)).toBeGreaterThan(50)
      }
    } finally {
      look.disconnect()
    }
  })

  test('goes on counting for itself when Redis is killed, says so, and counts for all again when it is back', async () => {
    const [one, other] = [await inRedis(), await inRedis()]
    const caller = randomUUID()
    await one.take(caller, calls({ cancel: 2 }))
    await redis!.kill()
    expect(await one.take(caller, calls({ cancel: 2 }))).toMatchObject({ admitted: true, remaining: 0 })
    expect(await one.take(caller, calls({ cancel: 1 }))).toMatchObject({ admitted: false })
    expect(await other.take(caller, calls({ cancel: 1 }))).toMatchObject({ admitted: true, remaining: 1 })
    expect([one.fallsBack(), other.fallsBack()]).toEqual([true, true])
    await redis!.start()
    await expect.poll(() => one.fallsBack() || other.fallsBack(), { timeout: 10_000 }).toBe(false)
    await one.take(caller, calls({ cancel: 2 }))
    expect(await other.take(caller, calls({ cancel: 1 }))).toMatchObject({ admitted: false })
  })

  test('waits a quarter of a second at most for a Redis that does not answer', async () => {
    const wire = await startWire(() => redis!.port)
    try {
      const limiter = await inRedis(`redis://127.0.0.1:${wire.port}`)
      wire.blackHole()
      const started = performance.now()
      expect(await limiter.take('slow', calls({ cancel: 2 }))).toMatchObject({ admitted: true })
      expect(performance.now() - started).toBeGreaterThan(200)
      expect(performance.now() - started).toBeLessThan(1_500)
      expect(limiter.fallsBack()).toBe(true)
      expect(await limiter.take('slow', calls({ cancel: 1 }))).toMatchObject({ admitted: false })
      await expect.poll(() => limiter.fallsBack(), { timeout: 10_000 }).toBe(false)
    } finally {
      await wire.close()
    }
  })
})
