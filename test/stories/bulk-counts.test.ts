import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { document, type House, house } from '../support/house.ts'
import { scaled } from '../support/scale.ts'
import { createJob } from './bulk-story.ts'

/** What a job says of itself beside what its users and messages say, in one snapshot of the database. */
const SAID_AND_TRUE = `
  select j.id, j.received, j.enqueued, j.failures,
    (select count(*)::int from bulk_user u where u.job_id = j.id) as users,
    (select count(*)::int from bulk_user u where u.job_id = j.id and u.error is not null) as errors,
    (select count(*)::int from bulk_user u where u.job_id = j.id and u.error is null and u.position > j.placed) as pending,
    (select count(*)::int from message m where m.job_id = j.id and m.replaced_by is null) as messages,
    (select jsonb_object_agg(tally, n) from (
       select message_tally(status) as tally, count(*)::int as n from message m
       where m.job_id = j.id and m.replaced_by is null group by 1) t) as "true",
    (select jsonb_build_object('pending', sum(pending), 'sent', sum(sent), 'failed', sum(failed), 'skipped', sum(skipped),
       'canceled', sum(canceled)) from bulk_count c where c.job_id = j.id) as said
  from bulk_job j`

interface Snapshot {
  readonly [count: string]: unknown
  readonly true: Readonly<Record<string, number>> | null
  readonly said: Readonly<Record<string, number>>
}

const JOBS = 3
const USERS = scaled(400, 2_500)
const LASTS_MS = scaled(5_000, 30_000)

let home: House
beforeAll(async () => {
  home = await house({ mode: 'PostgreSQL and Redis' })
})
afterAll(() => home.stop())

test('At every moment the counts of a job are those of its users and messages, whatever is done to it meanwhile', async () => {
  // Of three one is never taken, and one is busy for now.
  home.smtp.script = {
    rcpt: (address) => (/[147]@/.test(address) ? '550 no such user' : /[258]@/.test(address) ? '450 later' : undefined),
  }
  const jobs = await Promise.all(
    Array.from({ length: JOBS }, async (_, k) => {
      const job = await createJob(home, { content: { title: 'Hello' }, routing: { channels: [{ channel: 'EMAIL' }] } })
      await job.add(Array.from({ length: USERS }, (_, n) => ({ to: { userId: `u${n}`, email: `${k}-${n}@example.com` } })))
      return job
    }),
  )
  await home.client.send(document('mutation { deleteUser(userId: "u3") }'), {})
  for (const job of jobs) await job.run()
  const until = performance.now() + LASTS_MS
  const isOver = () => performance.now() > until
  const [snapshots] = await Promise.all([
    takeSnapshots(isOver),
    ...jobs.map(({ id }) => disturb(id, ['pauseBulkJob', 'resumeBulkJob', 'resumeBulkJob', 'retryBulkJob'], isOver)),
    erase(isOver),
  ])
  expect(snapshots.length).toBeGreaterThan(20 * JOBS)
  // It did happen.
  expect(snapshots.some(({ failures }) => Number(failures) > 0)).toBe(true)
  expect(snapshots.some(({ said }) => said.canceled! > 0)).toBe(true)
  for (const { said, true: counted, received, enqueued, failures, users, errors, pending, messages } of snapshots) {
    expect({ received, failures, enqueued }).toEqual({ received: users, failures: errors, enqueued: messages })
    expect(received).toBe(Number(pending) + Number(enqueued) + Number(failures))
    expect(said).toEqual({ pending: 0, sent: 0, failed: 0, skipped: 0, canceled: 0, ...counted })
  }
  for (const { id } of jobs) await home.client.send(document('mutation ($id: ID!) { cancelBulkJob(id: $id) { id } }'), { id })
}, 120_000)

async function takeSnapshots(isOver: () => boolean): Promise<readonly Snapshot[]> {
  const database = new pg.Client({ connectionString: home.databaseUrl! })
  await database.connect()
  const taken: Snapshot[] = []
  try {
    while (!isOver())
      taken.push(...(await database.query<Snapshot>(SAID_AND_TRUE)).rows.filter(({ said }) => said.pending !== null))
  } finally {
    await database.end()
  }
  return taken
}

/** One thing after the other, each refused or not by how the job just stands. */
async function disturb(id: string, fields: readonly string[], isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    for (const field of fields) await home.client.send(document(`mutation ($id: ID!) { ${field}(id: $id) { id } }`), { id })
  }
}

async function erase(isOver: () => boolean): Promise<void> {
  for (let n = 0; n < USERS && !isOver(); n += 7) {
    await home.client.send(document('mutation ($id: ID!) { deleteUser(userId: $id) }'), { id: `u${n}` })
  }
}
