import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createRecord, type Entry } from '../../src/delivery/record.ts'
import { lockLog, openLogHead } from '../../src/log/append.ts'
import type { NewEvent } from '../../src/log/event.ts'
import { claim } from '../../src/queue/claim.ts'
import { enqueue } from '../../src/queue/enqueue.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
let store: Store

beforeEach(async () => {
  database = await testDatabase()
  store = await openStore({ url: database.url, poolSize: 4 })
  for (const id of ['a', 'b']) {
    await store.db.insertInto('environment').values({ id, name: id, created_at: new Date() }).execute()
    await store.db.transaction().execute((tx) => openLogHead(tx, id))
  }
})
afterEach(async () => {
  await store.close()
  await database.drop()
})

const AT = new Date('2026-06-01T12:00:00Z')

async function claimJobs(count: number) {
  const jobs = Array.from({ length: count }, (_, index) => ({
    kind: 'deliver' as const,
    fairnessKey: 'a',
    payload: { environmentId: 'a', messageId: `m${index}` },
  }))
  await store.db.transaction().execute((tx) => enqueue(tx, jobs))
  return (await claim(store.db, { worker: 'w', lane: 'single', limit: count, kinds: ['deliver'], after: '' })).jobs
}

const sent: NewEvent = {
  environmentId: 'a',
  stream: 'MESSAGE',
  type: 'SENT',
  at: AT,
  messageId: 'm0',
  requestId: 'r',
  jobId: null,
  userId: null,
  tenantId: null,
  status: 'SENT',
  reason: null,
  channel: 'EMAIL',
  providerId: 'smtp',
  error: null,
  detail: null,
}

const inbox: NonNullable<Entry['inbox']> = {
  environmentId: 'b',
  id: 'm1',
  userId: 'ada',
  tenantId: null,
  title: 'Hello',
  preview: null,
  body: null,
  actions: [],
  data: {},
  tags: [],
  expiresAt: null,
  createdAt: AT,
}

test('Results of several environments, one of them with an inbox, wait for the logs in one order, so that writers cannot deadlock', async () => {
  const [first, second] = await claimJobs(2)
  const published: number[] = []
  const record = createRecord({ db: store.db, published: (events) => published.push(events.length) })
  const other = store.db.transaction().execute(async (tx) => {
    await lockLog(tx, ['a'])
    const recorded = Promise.all([
      record({ job: first!, after: 'settle', events: [sent] }),
      record({ job: second!, after: 'settle', inbox }),
    ])
    await expect.poll(() => waitingForLocks()).toBe(1)
    await lockLog(tx, ['b'])
    return { recorded }
  })
  expect(await (await other).recorded).toEqual([true, true])
  // Together: a group that was ended as a deadlock is written again one by one.
  expect(published).toEqual([2])
  const { rows } = await sql<{ position: number }>`select position from log_head order by environment_id`.execute(store.db)
  expect(rows).toEqual([{ position: 1 }, { position: 1 }])
})

test('A process that took its own message over has its old result dropped, also when both are written at once', async () => {
  const [old] = await claimJobs(1)
  const held = { id: old!.id, fence: old!.fence + 1 }
  await sql`update job set fence = ${held.fence}`.execute(store.db)
  const record = createRecord({ db: store.db, published: () => {} })
  const results = [record({ job: old!, after: 'settle', events: [sent] }), record({ job: held, after: 'settle', events: [sent] })]
  expect(await Promise.all(results)).toEqual([false, true])
})

async function waitingForLocks(): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`.execute(store.db)
  return rows[0]!.count
}
