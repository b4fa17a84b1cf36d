import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Actor } from '../../src/domain/actor.ts'
import { type BulkWatch, createBulkWatch } from '../../src/domain/bulk-watch.ts'
import type { BulkJobRef, BulkJobRow } from '../../src/store/bulk.read.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => {
  expect(vi.getTimerCount()).toBe(0)
  vi.useRealTimers()
})

const KEY: Actor = { kind: 'key', environmentId: 'production', keyId: 'key', scopes: ['BULK_WRITE'], mode: 'LIVE' }
const READ_MS = 3

test('the present state comes first, then each change, and the stream ends with the final one', async () => {
  const table = tableOf(job({ status: 'CREATED' }))
  const { watch } = table
  const seen = follow(await opened(watch.watch(KEY, 'job', alive())))
  await after(1_000)
  table.change({ status: 'PROCESSING', received: 3 })
  await after(1_000)
  table.change({ status: 'COMPLETED', enqueued: 3, counts: counts(3, 1) })
  await after(1_000)
  expect(seen.over).toBe(false)
  table.change({ counts: counts(3, 0) })
  await after(1_000)
  expect(seen.items.map(({ status, counts: { pending } }) => [status, pending])).toEqual([
    ['CREATED', 0],
    ['PROCESSING', 0],
    ['COMPLETED', 1],
    ['COMPLETED', 0],
  ])
  expect(seen.over).toBe(true)
})

test.each(['COMPLETED', 'CANCELED', 'ERROR'] as const)('a job that is %s already is one item', async (status) => {
  const { watch } = tableOf(job({ status }))
  const seen = follow(await opened(watch.watch(KEY, 'job', alive())))
  await after(0)
  expect(seen).toMatchObject({ items: [{ status }], over: true })
})

test('a completed job that is run again while somebody watches goes on', async () => {
  const table = tableOf(job({ status: 'COMPLETED', counts: counts(2, 1) }))
  const seen = follow(await opened(table.watch.watch(KEY, 'job', alive())))
  await after(300)
  table.change({ status: 'PROCESSING', counts: counts(2, 2) })
  await after(300)
  table.change({ status: 'COMPLETED', counts: counts(2, 0) })
  await after(300)
  expect(seen.items.map(({ status }) => status)).toEqual(['COMPLETED', 'PROCESSING', 'COMPLETED'])
  expect(seen.over).toBe(true)
})

test('whatever happens to a job, a subscriber sees some of it in order, none within 250 ms of another, and then the last', async () => {
  const step = fc.record({
    waitMs: fc.nat(700),
    change: fc.constantFrom('received', 'enqueued', 'failures', 'nothing', 'slow reader'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), fc.nat(600), fc.nat(60), async (steps, lateMs, readMs) => {
      const table = tableOf(job({ status: 'PROCESSING' }), readMs)
      const states = [table.row]
      const first = follow(await opened(table.watch.watch(KEY, 'job', alive())))
      await after(lateMs)
      const second = follow(await opened(table.watch.watch(KEY, 'job', alive())))
      for (const { waitMs, change } of steps) {
        if (change === 'slow reader') second.pauseMs = waitMs
        else if (change !== 'nothing') table.change({ [change]: table.row[change] + 1 })
        states.push(table.row)
        await after(waitMs)
      }
      table.change({ status: 'COMPLETED' })
      states.push(table.row)
      await after(3_000)
      for (const seen of [first, second]) {
        expect(seen.over).toBe(true)
        expectSome(seen.items, states)
        expect(seen.items.at(-1)).toEqual(table.row)
        for (const [index, at] of seen.times.slice(1).entries()) expect(at - seen.times[index]!).toBeGreaterThanOrEqual(250)
      }
    }),
    { numRuns: 60 },
  )
})

test('all who watch a job are given the same objects', async () => {
  const table = tableOf(job({ status: 'PROCESSING' }))
  const streams = await opened(Promise.all([1, 2, 3].map(() => table.watch.watch(KEY, 'job', alive()))))
  const all = streams.map(follow)
  await after(1_000)
  table.change({ status: 'CANCELED', enqueued: 1 })
  await after(1_000)
  for (const { items } of all) {
    expect(items).toHaveLength(2)
    for (const [index, item] of items.entries()) expect(item).toBe(all[0]!.items[index])
  }
})

test('all watched jobs are read in one statement, one after the other, and none when nobody watches', async () => {
  const table = tableOf(job({ id: 'one' }), 600, job({ id: 'two' }))
  await after(1_000)
  expect(table.reads).toEqual([])
  const leaving = new AbortController()
  const both = Promise.all(['one', 'two', 'two'].map((id) => table.watch.watch(KEY, id, leaving.signal)))
  const seen = (await opened(both)).map(follow)
  await after(3_000)
  expect(table.reads.slice(0, 2)).toEqual([['one'], ['two']])
  expect(table.reads.slice(2).length).toBeGreaterThan(1)
  for (const read of table.reads.slice(2)) expect(read).toEqual(['one', 'two'])
  expect(table.mostReadsAtOnce).toBe(1)
  leaving.abort()
  await after(1_000)
  const { length } = table.reads
  await after(3_000)
  expect(table.reads).toHaveLength(length)
  expect(seen.map(({ over }) => over)).toEqual([true, true, true])
})

test('who comes to a job that is watched is given what it is at that time', async () => {
  const table = tableOf(job({ received: 1 }))
  const leaving = new AbortController()
  const first = follow(await opened(table.watch.watch(KEY, 'job', leaving.signal)))
  await after(20)
  table.change({ received: 2 })
  const second = follow(await opened(table.watch.watch(KEY, 'job', leaving.signal)))
  await after(0)
  expect([first, second].map(({ items }) => items.map(({ received }) => received))).toEqual([[1], [2]])
  await after(300)
  expect(first.items.at(-1)).toBe(second.items.at(-1))
  leaving.abort()
  await after(0)
})

test('a reader that is slow holds nobody up and is given the newest', async () => {
  const table = tableOf(job({ received: 0 }))
  const leaving = new AbortController()
  const quick = follow(await opened(table.watch.watch(KEY, 'job', leaving.signal)))
  const slow = (await opened(table.watch.watch(KEY, 'job', leaving.signal)))[Symbol.asyncIterator]()
  await slow.next()
  for (let received = 1; received <= 5; received += 1) {
    table.change({ received })
    await after(300)
  }
  expect(quick.items.map(({ received }) => received)).toEqual([0, 1, 2, 3, 4, 5])
  expect((await slow.next()).value?.received).toBe(5)
  leaving.abort()
  await after(0)
})

test('a job that there is not, one of another environment, and one that a token does not name are not found', async () => {
  const { watch } = tableOf(job({}))
  const token: Actor = {
    kind: 'token',
    environmentId: 'production',
    userId: null,
    tenantId: null,
    requestIds: [],
    jobIds: ['other'],
    scopes: ['MESSAGES_READ'],
    expiresAt: new Date(),
  }
  const refused = [
    watch.watch(KEY, 'unknown', alive()),
    watch.watch({ ...KEY, environmentId: 'other' }, 'job', alive()),
    watch.watch(token, 'job', alive()),
    watch.watch(token, 'other', alive()),
  ].map((opening) => opening.catch((error: unknown) => error))
  await after(100)
  for (const error of await Promise.all(refused)) expect(error).toMatchObject({ code: 'NOT_FOUND' })
  const named = watch.watch({ ...token, jobIds: ['job'] }, 'job', alive())
  const one = (await opened(named))[Symbol.asyncIterator]()
  expect((await one.next()).value).toMatchObject({ id: 'job' })
  await one.return?.()
})

test('a job that is deleted ends those who watch it with NOT_FOUND', async () => {
  const table = tableOf(job({}))
  const stream = (await opened(table.watch.watch(KEY, 'job', alive())))[Symbol.asyncIterator]()
  await stream.next()
  table.delete()
  const next = expect(stream.next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await after(300)
  await next
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('a database that fails is warned of once; who watches waits, who comes is refused', async () => {
  const table = tableOf(job({ status: 'PROCESSING' }))
  const seen = follow(await opened(table.watch.watch(KEY, 'job', alive())))
  table.failing = true
  await after(2_000)
  expect(table.warnings).toHaveLength(1)
  const comer = expect(table.watch.watch(KEY, 'job', alive())).rejects.toThrow('gone away')
  await after(1_000)
  await comer
  table.failing = false
  table.change({ status: 'CANCELED' })
  await after(1_000)
  expect(seen).toMatchObject({ items: [{ status: 'PROCESSING' }, { status: 'CANCELED' }], over: true })
  expect(table.warnings).toHaveLength(1)
})

test('a stream whose signal was aborted before it was opened ends at once', async () => {
  const { watch } = tableOf(job({}))
  const stream = await opened(watch.watch(KEY, 'job', AbortSignal.abort()))
  expect(await stream[Symbol.asyncIterator]().next()).toEqual({ done: true, value: undefined })
})

test('closing ends every stream after the read under way, and no new one is opened', async () => {
  const table = tableOf(job({}), 50)
  const seen = follow(await opened(table.watch.watch(KEY, 'job', alive())))
  const comer = table.watch.watch(KEY, 'job', alive()).catch((error: unknown) => error)
  const closed = table.watch.close()
  await after(100)
  await closed
  expect(seen).toMatchObject({ items: [{ id: 'job' }], over: true })
  expect(await comer).toMatchObject({ code: 'UNAVAILABLE' })
  await expect(table.watch.watch(KEY, 'job', alive())).rejects.toMatchObject({ code: 'UNAVAILABLE' })
})

function job(given: Partial<BulkJobRow>): BulkJobRow {
  return {
    environmentId: 'production',
    id: 'job',
    status: 'CREATED',
    error: null,
    requestId: 'request',
    received: 0,
    enqueued: 0,
    failures: 0,
    counts: counts(0, 0),
    createdAt: new Date(0),
    startedAt: null,
    completedAt: null,
    ...given,
  }
}

function counts(total: number, pending: number): BulkJobRow['counts'] {
  return { total, pending, sent: total - pending, failed: 0, skipped: 0, canceled: 0 }
}

/** A table of jobs of which the first can change, and a watch on it. A read takes its time, and says what was there at its start. */
function tableOf(first: BulkJobRow, readMs = READ_MS, ...others: readonly BulkJobRow[]) {
  let rows = [first, ...others]
  let reading = 0
  async function read(refs: readonly BulkJobRef[]): Promise<readonly BulkJobRow[]> {
    reading += 1
    table.mostReadsAtOnce = Math.max(table.mostReadsAtOnce, reading)
    table.reads.push(refs.map(({ id }) => id))
    const found = rows.filter((row) => refs.some(({ environmentId, id }) => row.environmentId === environmentId && row.id === id))
    const { failing } = table
    await new Promise((resolve) => setTimeout(resolve, readMs))
    reading -= 1
    if (failing) throw new Error('The database has gone away.')
    return found.map((row) => ({ ...row }))
  }
  const warnings: unknown[] = []
  const watch: BulkWatch = createBulkWatch({
    reads: { readBulkJobs: read },
    log: { warn: (warning: unknown) => void warnings.push(warning) },
  })
  const table = {
    watch,
    warnings,
    reads: [] as string[][],
    mostReadsAtOnce: 0,
    failing: false,
    get row(): BulkJobRow {
      return rows[0]!
    },
    change(change: Partial<BulkJobRow>): void {
      rows = [{ ...rows[0]!, ...change }, ...rows.slice(1)]
    },
    delete(): void {
      rows = rows.slice(1)
    },
  }
  return table
}

/** Reads a stream to its end, as slowly as it says. */
function follow(stream: AsyncIterable<BulkJobRow>) {
  const seen = { items: [] as BulkJobRow[], times: [] as number[], pauseMs: 0, over: false }
  const run = async () => {
    for await (const item of stream) {
      seen.items.push(item)
      seen.times.push(performance.now())
      if (seen.pauseMs > 0) await new Promise((resolve) => setTimeout(resolve, seen.pauseMs))
    }
    seen.over = true
  }
  void run()
  return seen
}

/** What is opened, when its read has had the time. */
async function opened<Value>(opening: Promise<Value>): Promise<Value> {
  let over = false
  const done = () => {
    over = true
  }
  opening.then(done, done)
  while (!over) await vi.advanceTimersByTimeAsync(1)
  return opening
}

const after = (ms: number) => vi.advanceTimersByTimeAsync(ms)
const alive = () => new AbortController().signal

/** That some are among all, in the same order, none twice. */
function expectSome(some: readonly BulkJobRow[], all: readonly BulkJobRow[]): void {
  let at = -1
  for (const one of some) {
    const found = all.findIndex((other, index) => index > at && JSON.stringify(other) === JSON.stringify(one))
    expect(found).toBeGreaterThan(at)
    at = found
  }
}
