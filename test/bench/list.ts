import pg from 'pg'
import { migrate } from '../../src/store/migrate.ts'
import { startChild } from './child.ts'
import { graphql, median, openHouse, report } from './house.ts'

/**
 * A send to a list of 100,000: messages planned a second, from the answer of the send until every message exists with its
 * plan, events and job; against plain multi-row INSERTs of the same rows into the same tables of another database. And what
 * the expanding process's memory grew by. `npm run bench:list`; ROUNDS and USERS make it longer or shorter.
 */
const rounds = Number(process.env.ROUNDS ?? 3)
const users = Number(process.env.USERS ?? 100_000)
const PAGE = 500
/** Users of the list that both sides begin with, unmeasured. */
const FEW = Math.min(3_000, users)

const SEND = 'mutation ($input: SendInput!) { send(input: $input) { requestId } }'
const OF_REQUEST = 'in (select id from message where request_id = $1)'
/** What is written for each message, in the order of their ids: a plan after its message. */
const ROWS = {
  message: 'select * from message where request_id = $1 order by id',
  plan: `select * from plan where message_id ${OF_REQUEST} order by message_id`,
  event: 'select * from event where request_id = $1 order by message_id, position',
  job: `select * from job where payload->>'messageId' ${OF_REQUEST} order by id`,
}

/** Users with addresses, every tenth of whom opted out of the topic. */
async function fill(client: pg.Client): Promise<void> {
  const environment = `(select id from environment limit 1)`
  await client.query(
    `insert into "user" (environment_id, id, profile)
     select ${environment}, 'user-' || md5(n::text), jsonb_build_object('email', 'user-' || n || '@example.com', 'name', 'User ' || n)
     from generate_series(1, ${users}) n`,
  )
  await client.query(
    `insert into list (environment_id, id, name) values (${environment}, 'all', 'All'), (${environment}, 'few', 'Few')`,
  )
  await client.query(
    `insert into list_subscription (environment_id, list_id, user_id) select environment_id, 'all', id from "user"`,
  )
  await client.query(
    `insert into list_subscription (environment_id, list_id, user_id) select environment_id, 'few', id from "user" limit ${FEW}`,
  )
  await client.query(
    `insert into topic (environment_id, id, name, default_status) values (${environment}, 'news', 'News', 'OPTED_IN')`,
  )
  await client.query(
    `insert into preference (environment_id, user_id, topic_id, status)
     select environment_id, id, 'news', 'OPTED_OUT' from "user" where right(id, 1) in ('0', '1')`,
  )
  await client.query('vacuum analyze')
}

async function expanded(client: pg.Client, requestId: string): Promise<void> {
  for (;;) {
    const { rows } = await client.query('select expanded from request where id = $1', [requestId])
    if (rows[0].expanded) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** The rows of each table as they were written, in their order. */
async function rowsOf(client: pg.Client, requestId: string): Promise<Map<string, Record<string, unknown>[]>> {
  const found = new Map<string, Record<string, unknown>[]>()
  for (const [table, query] of Object.entries(ROWS)) found.set(table, (await client.query(query, [requestId])).rows)
  return found
}

/** As anybody would write them: a transaction for each page of messages, one multi-row INSERT for each table. Seconds. */
async function insertAll(client: pg.Client, found: ReadonlyMap<string, Record<string, unknown>[]>): Promise<number> {
  const pages = Math.ceil(found.get('message')!.length / PAGE)
  const statements = [...found].map(([table, rows]) => ({ table, rows, size: Math.ceil(rows.length / pages) }))
  const began = performance.now()
  for (let page = 0; page < pages; page += 1) {
    await client.query('begin')
    for (const { table, rows, size } of statements) {
      const part = rows.slice(page * size, (page + 1) * size)
      if (part.length > 0) await insertRows(client, table, part)
    }
    await client.query('commit')
  }
  return (performance.now() - began) / 1000
}

/** One parameter for all rows: a list of values for each would cost PostgreSQL more to read than to write. */
async function insertRows(client: pg.Client, table: string, rows: readonly Record<string, unknown>[]): Promise<void> {
  await client.query(`insert into ${table} select * from jsonb_populate_recordset(null::${table}, $1::jsonb)`, [
    JSON.stringify(rows),
  ])
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  return client
}

const house = await openHouse()
const api = await house.start({ CARILLON_ROLES: 'api' })
const client = await connect(house.databaseUrl)
const referenceUrl = new URL(house.databaseUrl)
referenceUrl.pathname = '/reference'
await client.query('create database reference')
await migrate(referenceUrl.href)
const reference = await connect(referenceUrl.href)
await fill(client)
const expander = await startChild(new URL('./expander.ts', import.meta.url).pathname, { DATABASE_URL: house.databaseUrl })

async function sendTo(listId: string): Promise<{ requestId: string; seconds: number }> {
  const began = performance.now()
  const input = { to: { listId }, content: { title: 'Hello', body: 'It rings.' }, topicId: 'news' }
  const { send } = await graphql<{ send: { requestId: string } }>(api.url, house.key, SEND, { input })
  await expanded(client, send.requestId)
  return { requestId: send.requestId, seconds: (performance.now() - began) / 1000 }
}

/** The same rows into the other database, which keeps none of them. Messages a second. */
async function insertAgain(requestId: string, expected: number): Promise<number> {
  const found = await rowsOf(client, requestId)
  const made = found.get('message')!.length
  if (made !== expected || found.get('plan')!.length !== expected) throw new Error(`${made} messages, not ${expected}.`)
  const requests = await client.query('select * from request where id = $1', [requestId])
  await insertRows(reference, 'request', requests.rows)
  const inserted = made / (await insertAll(reference, found))
  // Its planner knows the tables as the expander's does: without, it may check the keys of the first round by a wrong index.
  await reference.query('analyze')
  await reference.query('truncate message, plan, event, job, request cascade')
  return inserted
}

async function measure(): Promise<{ planned: number; inserted: number; grownMb: number }> {
  const before = await expander.ask<number>({})
  const { requestId, seconds } = await sendTo('all')
  const grown = (await expander.ask<number>({})) - before
  const inserted = await insertAgain(requestId, users)
  await client.query('delete from job')
  await client.query('vacuum job')
  return { planned: users / seconds, inserted, grownMb: grown / 1024 / 1024 }
}

try {
  await insertAgain((await sendTo('few')).requestId, FEW)
  const results: Awaited<ReturnType<typeof measure>>[] = []
  for (let round = 0; round < rounds; round += 1) results.push(await measure())
  report({
    bench: 'list',
    figure: Math.round(median(results.map(({ planned }) => planned))),
    unit: 'messages planned/s',
    reference: Math.round(median(results.map(({ inserted }) => inserted))),
    ratio: Number(median(results.map(({ planned, inserted }) => planned / inserted)).toFixed(2)),
    rssGrowthMb: Math.round(Math.max(...results.map(({ grownMb }) => grownMb))),
    users,
    rounds,
    plannedEach: results.map(({ planned }) => Math.round(planned)),
    insertedEach: results.map(({ inserted }) => Math.round(inserted)),
    rssGrowthMbEach: results.map(({ grownMb }) => Math.round(grownMb)),
  })
} finally {
  await expander.stop()
  await client.end()
  await reference.end()
  await house.stop()
}
