import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createBackoff } from '../../src/queue/backoff.ts'
import { hold, release } from '../../src/queue/hold.ts'
import type { Work } from '../../src/queue/kinds.ts'
import { postpone } from '../../src/queue/settle.ts'
import { enqueueFor, left, type Scratch, scratch, settleNow, waiting } from './scratch.ts'

let place: Scratch
beforeEach(async () => {
  place = await scratch()
})
afterEach(() => place.drop())

test('every due job is performed once, by as many at a time as there are slots', async () => {
  const performed: string[] = []
  let running = 0
  let most = 0
  const queue = place.queue({
    async perform({ messageId }, { job }) {
      most = Math.max(most, ++running)
      performed.push(messageId)
      await settleNow(place.db, job)
      running--
    },
  })
  await enqueueFor(place.db, 'a', 250)
  await queue.start()
  await queue.idle()
  expect(performed).toHaveLength(250)
  expect(new Set(performed).size).toBe(250)
  expect(most).toBe(10)
})

test('a wake-up runs a job without waiting for the next look', async () => {
  let wake = (_: string) => {}
  let started = Promise.withResolvers<void>()
  const queue = place.queue({
    onWake: (on) => {
      wake = on
      return () => {}
    },
    async perform(_, { job }) {
      started.resolve()
      await settleNow(place.db, job)
    },
  })
  await queue.start()
  const begin = performance.now()
  for (let job = 1; job <= 10; job++) {
    started = Promise.withResolvers()
    await enqueueFor(place.db, 'a', 1)
    wake('a lane of a later version')
    wake('single')
    await started.promise
  }
  // By looks alone, one each second, ten in a row take nine seconds.
  expect(performance.now() - begin).toBeLessThan(4500)
})

test('a job that nobody was woken for is found within a second or so', async () => {
  const started = Promise.withResolvers<number>()
  const queue = place.queue({
    async perform(_, { job }) {
      started.resolve(performance.now())
      await settleNow(place.db, job)
    },
  })
  await queue.start()
  await queue.idle()
  await enqueueFor(place.db, 'a', 1)
  const written = performance.now()
  expect((await started.promise) - written).toBeLessThan(2500)
})

test('a stop gives unstarted jobs back at once, and lets the started ones end', async () => {
  const release = Promise.withResolvers<void>()
  const queue = place.queue({
    slots: { single: 5, bulk: 0, webhook: 0, upkeep: 0 },
    async perform(_, { job }) {
      await release.promise
      await settleNow(place.db, job)
    },
  })
  await enqueueFor(place.db, 'a', 30)
  await queue.start()
  await expect.poll(() => waiting(place.db)).toBe(20)
  const stopped = queue.stop({ deadlineMs: 20_000 })
  await expect.poll(() => waiting(place.db)).toBe(25)
  release.resolve()
  await stopped
  expect(await left(place.db)).toBe(25)
  const { rows } = await sql`select 1 from worker`.execute(place.db)
  expect(rows).toEqual([])
})

test('a job that leaves its slot lets others begin, once each, and is waited for by a stop', async () => {
  const answer = Promise.withResolvers<void>()
  const slow: boolean[] = []
  let quick = 0
  let running = 0
  let most = 0
  const queue = place.queue({
    slots: { single: 5, bulk: 0, webhook: 0, upkeep: 0 },
    async perform({ messageId }, { job, leaveSlot, holdsLease }) {
      if (messageId.startsWith('slow')) {
        leaveSlot()
        leaveSlot()
        await answer.promise
        slow.push(holdsLease(), await settleNow(place.db, job))
        leaveSlot()
        return
      }
      most = Math.max(most, ++running)
      await settleNow(place.db, job)
      running--
      quick++
    },
  })
  await enqueueFor(place.db, 'slow', 20)
  await enqueueFor(place.db, 'quick', 100)
  await queue.start()
  await expect.poll(() => left(place.db)).toBe(20)
  expect(quick).toBe(100)
  expect(most).toBe(5)
  expect(await waiting(place.db)).toBe(0)
  const stopped = queue.stop({ deadlineMs: 20_000 })
  answer.resolve()
  await stopped
  expect(slow).toEqual(Array(40).fill(true))
  expect(await left(place.db)).toBe(0)
})

test('a job that left its slot keeps it from nobody, though it ends: never more begin than there are slots', async () => {
  const answer = Promise.withResolvers<void>()
  let seated = 0
  let most = 0
  const queue = place.queue({
    slots: { single: 3, bulk: 0, webhook: 0, upkeep: 0 },
    async perform({ messageId }, { job, leaveSlot }) {
      most = Math.max(most, ++seated)
      if (messageId.startsWith('slow')) {
        seated--
        leaveSlot()
        await answer.promise
        await settleNow(place.db, job)
        return
      }
      answer.resolve()
      await settleNow(place.db, job)
      seated--
    },
  })
  await enqueueFor(place.db, 'slow', 10)
  await enqueueFor(place.db, 'sound', 200)
  await queue.start()
  await queue.idle()
  expect(await left(place.db)).toBe(0)
  expect(most).toBe(3)
})

test('what has not ended at the deadline of a stop is aborted, may record its result, and is freed', async () => {
  let work: Work | undefined
  const queue = place.queue({
    slots: { single: 2, bulk: 0, webhook: 0, upkeep: 0 },
    async perform({ messageId }, current) {
      work = current
      await new Promise((resolve) => current.signal.addEventListener('abort', resolve))
      if (messageId === 'a-1') await settleNow(place.db, current.job)
      else current.signal.throwIfAborted()
    },
  })
  await enqueueFor(place.db, 'a', 2)
  await queue.start()
  await expect.poll(() => waiting(place.db)).toBe(0)
  await expect.poll(() => work?.holdsLease()).toBe(true)
  await queue.stop({ deadlineMs: 50 })
  expect(work?.holdsLease()).toBe(false)
  expect(await left(place.db)).toBe(1)
  expect(await waiting(place.db)).toBe(1)
})

test('a performer that throws is tried again later, is logged, and stops nobody else', async () => {
  const errors: object[] = []
  const tries = new Map<string, number>()
  const queue = place.queue({
    log: { warn() {}, error: (fields: object) => void errors.push(fields) },
    async perform({ messageId }, { job }) {
      const number = (tries.get(messageId) ?? 0) + 1
      tries.set(messageId, number)
      if (messageId === 'faulty-1' && number < 3) throw new Error('a fault of ours')
      await settleNow(place.db, job)
    },
  })
  await enqueueFor(place.db, 'faulty', 1)
  await enqueueFor(place.db, 'sound', 50)
  await queue.start()
  await expect.poll(() => left(place.db), { timeout: 15_000 }).toBe(0)
  expect(tries.get('faulty-1')).toBe(3)
  expect(tries.size).toBe(51)
  expect(errors).toEqual([expect.objectContaining({ kind: 'deliver' }), expect.objectContaining({ kind: 'deliver' })])
})

test('a job whose payload is not what its kind carries is a fault, and the others go on', async () => {
  const performed: string[] = []
  const queue = place.queue({
    async perform({ messageId }, { job }) {
      performed.push(messageId)
      await settleNow(place.db, job)
    },
  })
  await sql`insert into job (kind, lane, fairness_key, payload) values
    ('deliver', 'single', 'a', '{"messageId": 7}'), ('of a later version', 'single', 'a', '{}')`.execute(place.db)
  await enqueueFor(place.db, 'a', 20)
  await queue.start()
  await expect.poll(() => left(place.db)).toBe(2)
  expect(performed).toHaveLength(20)
  const { rows } = await sql<{ kind: string; fence: number }>`select kind, fence from job order by id`.execute(place.db)
  expect(rows[0]?.fence).toBeGreaterThan(0)
  expect(rows[1]).toEqual({ kind: 'of a later version', fence: 0 })
})

test('a performer may postpone its job, and then has it again', async () => {
  let turns = 0
  const queue = place.queue({
    async perform(_, { job }) {
      turns++
      if (turns > 1) await settleNow(place.db, job)
      else await place.db.transaction().execute((tx) => postpone(tx, [{ ...job, runAt: { afterMs: 0 } }]))
    },
  })
  await enqueueFor(place.db, 'a', 1)
  await queue.start()
  await queue.idle()
  expect(turns).toBe(2)
})

test('the only process on a database begins by freeing what an earlier one held', async () => {
  await enqueueFor(place.db, 'a', 3)
  await sql`insert into worker (id) values ('killed')`.execute(place.db)
  await sql`update job set holder = 'killed', fence = 1`.execute(place.db)
  const queue = place.queue({ onlyProcess: true, perform: async (_, { job }) => void (await settleNow(place.db, job)) })
  await queue.start()
  await expect.poll(() => left(place.db)).toBe(0)
})

test('jobs whose holder is no known worker are freed', async () => {
  await enqueueFor(place.db, 'a', 3)
  await sql`update job set holder = 'swept before its claim committed', fence = 1`.execute(place.db)
  const queue = place.queue({ leaseSeconds: 3, perform: async (_, { job }) => void (await settleNow(place.db, job)) })
  await queue.start()
  await expect.poll(() => left(place.db), { timeout: 10_000 }).toBe(0)
})

test('one call may last longer than the lease', async () => {
  const answer = Promise.withResolvers<void>()
  const held: boolean[] = []
  const perform = async (_: unknown, { job, holdsLease }: Work): Promise<void> => {
    await answer.promise
    held.push(holdsLease(), await settleNow(place.db, job))
  }
  const queue = place.queue({ leaseSeconds: 3, perform })
  const other = place.queue({ leaseSeconds: 3, perform })
  await enqueueFor(place.db, 'a', 1)
  await queue.start()
  await expect.poll(() => waiting(place.db)).toBe(0)
  await other.start()
  const { rows } = await sql<{ then: Date }>`select now() + interval '5 seconds' as then`.execute(place.db)
  const beatAfter = sql<{ alive: number }>`select count(*) as alive from worker where heartbeat > ${rows[0]?.then}`
  await expect.poll(async () => (await beatAfter.execute(place.db)).rows[0]?.alive, { timeout: 10_000 }).toBe(2)
  answer.resolve()
  await queue.idle()
  expect(held).toEqual([true, true])
})

test('a job that its performer neither settles nor postpones is given back, and said to be', async () => {
  const errors: string[] = []
  let turns = 0
  const queue = place.queue({
    leaseSeconds: 3,
    log: { warn() {}, error: (_: object, message: string) => void errors.push(message) },
    async perform(_, { job }) {
      turns++
      if (turns > 1) await settleNow(place.db, job)
    },
  })
  await enqueueFor(place.db, 'a', 1)
  await queue.start()
  await expect.poll(() => left(place.db), { timeout: 10_000 }).toBe(0)
  expect(errors).toEqual(['Jobs were held that nothing in this process performs; they are given back.'])
})

test('a broken connection of the heartbeat is replaced', async () => {
  const queue = place.queue({ leaseSeconds: 3, perform: async (_, { job }) => void (await settleNow(place.db, job)) })
  await queue.start()
  const ends = sql`select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid()`
  await ends.execute(place.db)
  const { rows } = await sql<{ then: Date }>`select clock_timestamp() as then`.execute(place.db)
  const beats = sql<{ alive: number }>`select count(*) as alive from worker where heartbeat > ${rows[0]?.then}`
  await expect.poll(async () => (await beats.execute(place.db)).rows[0]?.alive, { timeout: 10_000 }).toBe(1)
  await enqueueFor(place.db, 'a', 5)
  await queue.idle()
  expect(await left(place.db)).toBe(0)
})

test('the delay after a fault doubles from one second to five minutes', () => {
  const backoff = createBackoff(() => 1)
  const delays = Array.from({ length: 10 }, () => backoff.next(7))
  expect(delays).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000])
  expect(backoff.next(8)).toBe(1000)
  backoff.forget(7)
  expect(backoff.next(7)).toBe(1000)
})

test('while single messages are sent, bulk keeps to few slots, and has all of its own a second after the last', async () => {
  const most = { quiet: 0, hurried: 0 }
  let running = 0
  let phase: keyof typeof most = 'quiet'
  const hold: (() => void)[] = []
  const queue = place.queue({
    slots: { single: 5, bulk: 20, webhook: 0, upkeep: 0 },
    givingWay: { bulk: 2 },
    async perform({ messageId }, { job }) {
      if (!messageId.startsWith('single')) {
        most[phase] = Math.max(most[phase], ++running)
        await new Promise<void>((resolve) => hold.push(resolve))
        running--
      }
      await settleNow(place.db, job)
    },
  })
  const release = () => {
    for (const go of hold.splice(0)) go()
  }
  await queue.start()
  await enqueueFor(place.db, 'single', 1)
  await queue.idle()
  phase = 'hurried'
  await enqueueFor(place.db, 'bulk', 60, 'bulk')
  queue.wake('bulk')
  await expect.poll(() => running).toBe(2)
  phase = 'quiet'
  await expect.poll(() => running).toBe(20)
  expect(most).toEqual({ quiet: 20, hurried: 2 })
  const releasing = setInterval(release, 1)
  await queue.idle()
  clearInterval(releasing)
})

test('jobs of a line that is held are not claimed until it is released, also those that come to it or back to it', async () => {
  const performed: string[] = []
  const line = { lane: 'single', fairnessKey: 'held' } as const
  const queue = place.queue({
    async perform({ messageId }, { job }) {
      performed.push(messageId)
      if (messageId !== 'held-1' || performed.filter((one) => one === messageId).length > 1) {
        return void (await settleNow(place.db, job))
      }
      await hold(place.db, line, null)
      await place.db.transaction().execute((tx) => postpone(tx, [{ ...job, runAt: { afterMs: 0 } }]))
    },
  })
  await enqueueFor(place.db, 'held', 1)
  await enqueueFor(place.db, 'free', 2)
  await queue.start()
  await queue.idle()
  await enqueueFor(place.db, 'held', 3)
  await queue.idle()
  expect(performed.sort()).toEqual(['free-1', 'free-2', 'held-1'])
  await release(place.db, line)
  await queue.idle()
  expect(performed).toHaveLength(7)
})

test('a line that is held until a time is claimed from again by itself', async () => {
  const performed: string[] = []
  const queue = place.queue({
    async perform({ messageId }, { job }) {
      performed.push(messageId)
      await settleNow(place.db, job)
    },
  })
  const line = { lane: 'single', fairnessKey: 'held' } as const
  await hold(place.db, line, null)
  await hold(place.db, line, { afterMs: 300 })
  await enqueueFor(place.db, 'held', 2)
  await queue.start()
  await expect.poll(() => performed, { timeout: 10_000 }).toHaveLength(2)
})
