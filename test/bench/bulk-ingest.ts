import pg from 'pg'
import { migrate } from '../../src/store/migrate.ts'
import { A_CALL, addUsers, createJob, IN_FLIGHT } from './bulk-job.ts'
import { median, openHouse, report } from './house.ts'

/**
 * Users added to a bulk job a second, from the first call of addBulkUsers until the last is answered; against plain multi-row
 * INSERTs of the same rows, as many at a time, into the same table of another database. `npm run bench:bulk-ingest`; ROUNDS,
 * USERS, A_CALL (users of a call) and IN_FLIGHT (calls at a time) change its size.
 */
const rounds = Number(process.env.ROUNDS ?? 3)
const users = Number(process.env.USERS ?? 100_000)
/** Users that both sides begin with, unmeasured. */
const FEW = Math.min(20_000, users)

type Row = Record<string, unknown>

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

/**
 * As anybody would write them: each statement a transaction, on one connection. One parameter for all rows: a list of values
 * for each would cost PostgreSQL more to read than to write. Rows a second.
 */
async function insertAll(reference: pg.Client, rows: readonly Row[]): Promise<number> {
  const began = performance.now()
  for (let from = 0; from < rows.length; from += A_CALL) {
    await reference.query('insert into bulk_user select * from json_populate_recordset(null::bulk_user, $1::json)', [
      JSON.stringify(rows.slice(from, from + A_CALL)),
    ])
  }
  return rows.length / ((performance.now() - began) / 1000)
}

const house = await openHouse()
const api = await house.start({ CARILLON_ROLES: 'api' })
const client = await connect(house.databaseUrl)
const referenceUrl = new URL(house.databaseUrl)
referenceUrl.pathname = '/reference'
await client.query('create database reference')
await migrate(referenceUrl.href)
const reference = await connect(referenceUrl.href)

async function measure(wanted: number): Promise<{ ingested: number; inserted: number }> {
  const jobId = await createJob(api.url, house)
  const seconds = await addUsers(api.url, house, jobId, wanted)
  const { rows } = await client.query<Row>('select * from bulk_user where job_id = $1 order by position', [jobId])
  if (rows.length !== wanted) throw new Error(`${rows.length} users, not ${wanted}.`)
  const inserted = await insertAll(reference, rows)
  return { ingested: wanted / seconds, inserted }
}

try {
  await measure(FEW)
  const results: Awaited<ReturnType<typeof measure>>[] = []
  for (let round = 0; round < rounds; round += 1) results.push(await measure(users))
  report({
    bench: 'bulk-ingest',
    figure: Math.round(median(results.map(({ ingested }) => ingested))),
    unit: 'users ingested/s',
    reference: Math.round(median(results.map(({ inserted }) => inserted))),
    ratio: Number(median(results.map(({ ingested, inserted }) => ingested / inserted)).toFixed(2)),
    users,
    aCall: A_CALL,
    inFlight: IN_FLIGHT,
    rounds,
    ingestedEach: results.map(({ ingested }) => Math.round(ingested)),
    insertedEach: results.map(({ inserted }) => Math.round(inserted)),
  })
} finally {
  await client.end()
  await reference.end()
  await house.stop()
}
