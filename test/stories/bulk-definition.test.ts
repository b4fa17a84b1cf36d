import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { ask } from '../support/graph.ts'
import { dataOf, document, type House, house } from '../support/house.ts'
import { startWire, type Wire } from '../support/wire.ts'
import { createJob, JOB } from './bulk-story.ts'

/** A job's message, which may be long, as it crosses the wire between Carillon and its database. */

const TITLE = 'x'.repeat(2_000_000)

let database: TestDatabase
let wire: Wire
let home: House

beforeAll(async () => {
  database = await testDatabase()
  const { username, pathname, port, searchParams } = new URL(database.url)
  wire = await startWire(() => `${searchParams.get('host')}/.s.PGSQL.${port}`)
  const url = `postgresql://${username}@127.0.0.1:${wire.port}${pathname}`
  home = await house({ mode: 'PostgreSQL and Redis', env: { DATABASE_URL: url } })
})
afterAll(async () => {
  await home.stop()
  await wire.close()
  await database.drop()
})

/** A job that was given a long message. What is sent of it stays short, so that only what was given can make an answer long. */
async function longJob() {
  const job = await createJob(home, { content: { title: 'Hello' }, routing: { channels: [{ channel: 'INBOX' }] } })
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query(`update bulk_job set given = jsonb_set(given, '{content,title}', to_jsonb($2::text)) where id = $1`, [
    job.id,
    TITLE,
  ])
  await client.end()
  return job
}

test('The message of a job is read where it is asked for, and for nothing else', async () => {
  const jobs = [await longJob(), await longJob(), await longJob()]
  const { id, add, run, completed } = jobs[0]!
  const progress = home.client.subscribe(document(`subscription ($id: ID!) { bulkJobProgress(id: $id) ${JOB} }`), { id })
  const step = (name: string, of: string) => ask(home.client, `mutation { ${name}(id: "${of}") { status } }`)
  const before = wire.repliedBytes

  const { bulkJobs } = await ask<{ bulkJobs: { nodes: { id: string }[] } }>(home.client, `{ bulkJobs { nodes ${JOB} } }`)
  expect(bulkJobs.nodes.map((job) => job.id)).toEqual(jobs.map((job) => job.id).reverse())
  dataOf((await progress.next()).value!)
  expect(await add([{ to: { userId: 'ada' } }])).toMatchObject({ total: 1 })
  await run()
  expect(await completed()).toMatchObject({ counts: { sent: 1 } })
  await step('retryBulkJob', id)
  await step('cancelBulkJob', jobs[2]!.id)
  expect(wire.repliedBytes - before).toBeLessThan(TITLE.length)

  const asked = '{ bulkJobs { nodes { id definition } } }'
  const { bulkJobs: whole } = await ask<{ bulkJobs: { nodes: { id: string; definition: { content: unknown } }[] } }>(
    home.client,
    asked,
  )
  expect(whole.nodes.map((job) => [job.id, job.definition.content])).toEqual(
    bulkJobs.nodes.map((job) => [job.id, { title: TITLE }]),
  )
  expect(wire.repliedBytes - before).toBeGreaterThan(3 * TITLE.length)
  await progress.return()
})
