import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Batch, claim } from '../../src/queue/claim.ts'
import { enqueue } from '../../src/queue/enqueue.ts'
import { confirm, giveBack, postpone, settle } from '../../src/queue/settle.ts'
import { enqueueFor, left, messageOf, type Scratch, scratch, settleNow, waiting } from './scratch.ts'

let place: Scratch
beforeEach(async () => {
  place = await scratch()
})
afterEach(() => place.drop())

function claimAs(worker: string, { limit = 100, after = '' } = {}): Promise<Batch> {
  return claim(place.db, { worker, lane: 'single', limit, kinds: ['deliver'], after })
}

test('ten claimers never share a job, and leave none', async () => {
  await enqueueFor(place.db, 'busy', 3000)
  for (let key = 1; key <= 20; key++) await enqueueFor(place.db, `small-${key}`, 10)
  const drain = async (_: unknown, index: number): Promise<number[]> => {
    const taken: number[] = []
    let after = ''
    while ((await waiting(place.db)) > 0) {
      const batch = await claimAs(`worker-${index}`, { after })
      after = batch.after
      taken.push(...batch.jobs.map((job) => job.id))
    }
    return taken
  }
  const taken = (await Promise.all(Array.from({ length: 10 }, drain))).flat()
  expect(taken).toHaveLength(3200)
  expect(new Set(taken).size).toBe(3200)
})

test('a job that was taken over can be neither settled nor postponed nor confirmed by the one who had it', async () => {
  await enqueueFor(place.db, 'a', 2)
  const first = (await claimAs('slow')).jobs
  await giveBack(place.db, 'slow', first)
  const second = (await claimAs('quick')).jobs
  expect(second.map((job) => job.fence)).toEqual(first.map((job) => job.fence + 1))
  const late = first.map((job) => ({ ...job, runAt: { afterMs: 0 } }))
  await place.db.transaction().execute(async (tx) => {
    expect(await confirm(tx, first)).toEqual(new Set())
    expect(await postpone(tx, late)).toEqual(new Set())
    expect(await settle(tx, first)).toEqual(new Set())
    expect(await confirm(tx, second)).toEqual(new Set(second.map((job) => job.id)))
    expect(await settle(tx, [...first, ...second].reverse())).toEqual(new Set(second.map((job) => job.id)))
  })
  expect(await left(place.db)).toBe(0)
})

test('a worker gives back only what it still holds', async () => {
  await enqueueFor(place.db, 'a', 1)
  const { jobs } = await claimAs('first')
  await giveBack(place.db, 'somebody else', jobs)
  expect(await waiting(place.db)).toBe(0)
  await giveBack(place.db, 'first', jobs)
  expect(await waiting(place.db)).toBe(1)
})

test('a postponed job is due at its instant, or after its delay by the clock of the database', async () => {
  await enqueueFor(place.db, 'a', 3)
  const [later, inAMinute, now] = (await claimAs('w')).jobs
  const at = new Date('2100-01-01T00:00:00.123Z')
  await place.db.transaction().execute((tx) =>
    postpone(tx, [
      { ...later!, runAt: at },
      { ...inAMinute!, runAt: { afterMs: 60_000 } },
      { ...now!, runAt: { afterMs: 0 } },
    ]),
  )
  const { rows } = await sql<{ run_at: Date; seconds: number }>`
    select run_at, extract(epoch from run_at - now())::float8 as seconds from job order by id`.execute(place.db)
  expect(rows[0]?.run_at).toEqual(at)
  expect(rows[1]?.seconds).toBeGreaterThan(50)
  expect(rows[1]?.seconds).toBeLessThanOrEqual(60)
  expect((await claimAs('w')).jobs.map((job) => job.id)).toEqual([now!.id])
})

test('a job is written with the transaction that needs it, and is not due before its time', async () => {
  const job = { kind: 'deliver', fairnessKey: 'a', payload: { environmentId: 'production', messageId: 'm' } } as const
  const undone = place.db.transaction().execute(async (tx) => {
    await enqueue(tx, [job])
    throw new Error('something else in it failed')
  })
  await expect(undone).rejects.toThrow('something else')
  expect(await left(place.db)).toBe(0)
  await place.db.transaction().execute((tx) => enqueue(tx, [{ ...job, runAt: new Date(Date.now() + 3_600_000) }, job]))
  expect((await claimAs('w')).jobs).toEqual([
    { id: expect.any(Number), fence: 1, kind: 'deliver', lane: 'single', payload: job.payload },
  ])
})

test('one key with 20,000 jobs leaves the first batch to fifty small keys', async () => {
  await enqueueFor(place.db, 'm-busy', 20_000)
  for (let key = 1; key <= 50; key++) await enqueueFor(place.db, key % 2 ? `a-small-${key}` : `z-small-${key}`, 1)
  const { jobs } = await claimAs('w')
  expect(jobs.filter((job) => messageOf(job).includes('small'))).toHaveLength(50)
  expect(jobs.filter((job) => messageOf(job).includes('busy')).length).toBeGreaterThan(0)
})

test('a key alone gets the whole batch, oldest first', async () => {
  await enqueueFor(place.db, 'only', 150)
  const { jobs } = await claimAs('w')
  expect(jobs.map(messageOf)).toEqual(Array.from({ length: 100 }, (_, index) => `only-${index + 1}`))
})

test('the jobs of a batch come in turns of their keys', async () => {
  await enqueueFor(place.db, 'a', 3)
  await enqueueFor(place.db, 'b', 2)
  await enqueueFor(place.db, 'c', 1)
  const { jobs } = await claimAs('w')
  expect(jobs.map(messageOf)).toEqual(['a-1', 'b-1', 'c-1', 'a-2', 'b-2', 'a-3'])
})

test('with more keys than fit in a batch, and batches of any size, every key has its turn before one has its second', async () => {
  for (let key = 0; key < 13; key++) await enqueueFor(place.db, `key-${String.fromCharCode(97 + key)}`, 5)
  const turns: string[] = []
  let after = ''
  for (let claimed = 0; claimed < 13; ) {
    const batch = await claimAs('w', { limit: Math.min(3, 13 - claimed), after })
    after = batch.after
    claimed += batch.jobs.length
    turns.push(...batch.jobs.map((job) => messageOf(job)))
  }
  expect(new Set(turns).size).toBe(13)
  expect(turns.every((message) => message.endsWith('-1'))).toBe(true)
})

test('when a batch cannot give every key the same, those left out are the first of the next', async () => {
  for (const key of ['a', 'b', 'c']) await enqueueFor(place.db, key, 4)
  const first = await claimAs('w', { limit: 4 })
  expect(first.jobs.map(messageOf)).toEqual(['a-1', 'b-1', 'a-2', 'b-2'])
  const second = await claimAs('w', { limit: 4, after: first.after })
  expect(second.jobs.map(messageOf)).toEqual(['c-1', 'a-3', 'c-2', 'a-4'])
})

test('jobs of a kind this process does not know are left for others and do not stand in the way', async () => {
  await sql`insert into job (kind, lane, fairness_key, payload)
    select 'of a later version', 'single', 'key-' || n, '{}' from generate_series(1, 300) n`.execute(place.db)
  await enqueueFor(place.db, 'key-299', 1)
  let after = ''
  const found: string[] = []
  for (let look = 0; look < 4; look++) {
    const batch = await claimAs('w', { after })
    after = batch.after
    found.push(...batch.jobs.map(messageOf))
  }
  expect(found).toEqual(['key-299-1'])
  expect(await waiting(place.db)).toBe(300)
})

test('a claim stays quick behind 100,000 jobs that were just settled', { timeout: 60_000 }, async () => {
  await sql`insert into job (kind, lane, fairness_key, payload)
    select 'deliver', 'single', 'busy', '{}' from generate_series(1, 100200)`.execute(place.db)
  await sql`delete from job where id <= 100000`.execute(place.db)
  await claimAs('w')
  const begin = performance.now()
  const { jobs } = await claimAs('w')
  expect(jobs).toHaveLength(100)
  expect(performance.now() - begin).toBeLessThan(250)
  expect(await settleNow(place.db, jobs[0]!)).toBe(true)
})
