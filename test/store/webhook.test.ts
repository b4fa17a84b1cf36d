import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/database.ts'

/** What the triggers on message write for endpoints, whoever changes a message. */

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await testDatabase()
  client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await query(`
    insert into environment (id, name) values ('production', 'production'), ('other', 'other') on conflict do nothing;
    insert into request (environment_id, id, definition) values ('production', 'req', '{}'), ('other', 'req', '{}')`)
})
afterAll(async () => {
  await client.end()
  await database.drop()
})
beforeEach(() => query('truncate message, webhook_endpoint, webhook_delivery, job cascade'))

async function query(sql: string): Promise<Record<string, unknown>[]> {
  return (await client.query(sql)).rows as Record<string, unknown>[]
}

const endpoint = (id: string, environment = 'production', enabled = true, events = '{message:updated}') =>
  query(`insert into webhook_endpoint (environment_id, id, url, events, enabled, secrets)
         values ('${environment}', '${id}', 'https://example.com', '${events}', ${enabled}, '')`)

const message = (ids: readonly string[], environment = 'production') =>
  query(`insert into message (environment_id, id, request_id, recipient, "to", updated_at)
         select '${environment}', id, 'req', id || '@example.com', '{}', '2026-11-21T10:00:00.5Z' from unnest(array['${ids.join("','")}']) id`)

test('A status change is one event for each enabled endpoint of the environment that wants it, each with its job', async () => {
  await endpoint('one')
  await endpoint('two')
  await endpoint('off', 'production', false)
  await endpoint('deaf', 'production', true, '{}')
  await endpoint('elsewhere', 'other')
  await message(['a', 'b'])
  expect(await query('select endpoint_id, message_id, status, attempts from webhook_delivery order by 1, 2')).toEqual(
    ['one', 'two'].flatMap((endpoint_id) =>
      ['a', 'b'].map((message_id) => ({ endpoint_id, message_id, status: 'PENDING', attempts: [] })),
    ),
  )
  expect(
    await query(`
      select d.endpoint_id, j.kind, j.lane, j.fairness_key, j.run_at <= now() as due
      from job j join webhook_delivery d on d.id = j.payload ->> 'deliveryId' and d.environment_id = j.payload ->> 'environmentId'
      where d.message_id = 'a' order by 1`),
  ).toEqual(
    ['one', 'two'].map((endpoint_id) => ({
      endpoint_id,
      kind: 'webhook',
      lane: 'webhook',
      fairness_key: `production\nwebhook\n${endpoint_id}`,
      due: true,
    })),
  )
})

test('The event says what the message had become, as JSON that is kept letter by letter', async () => {
  await endpoint('one')
  await message(['a'])
  await query("update message set status = 'UNROUTABLE', reason = 'NO_CHANNELS', updated_at = '2026-11-21T11:00:00+01:00'")
  const rows = await query(
    'select event, payload, pg_typeof(payload)::text as kept from webhook_delivery order by created_at, id',
  )
  expect(rows.map(({ payload }) => (payload as { data: { status: string } }).data.status)).toEqual(['ENQUEUED', 'UNROUTABLE'])
  expect(rows[1]).toEqual({
    event: 'message:updated',
    kept: 'json',
    payload: {
      type: 'message:updated',
      timestamp: '2026-11-21T10:00:00.000Z',
      data: {
        id: 'a',
        status: 'UNROUTABLE',
        reason: 'NO_CHANNELS',
        recipient: 'a@example.com',
        timestamp: '2026-11-21T10:00:00.000Z',
      },
    },
  })
})

test('A change that leaves the status as it was is no event, and what is rolled back is none', async () => {
  await endpoint('one')
  await message(['a'])
  await query("update message set error = 'x', status = status")
  await query("begin; update message set status = 'SENT'; rollback")
  expect(await query('select count(*)::int as n from webhook_delivery')).toEqual([{ n: 1 }])
  expect(await query('select count(*)::int as n from job')).toEqual([{ n: 1 }])
})

test('Without an endpoint nothing is written', async () => {
  await message(['a'])
  await query("update message set status = 'SENT'")
  expect(await query('select (select count(*) from webhook_delivery)::int + (select count(*) from job)::int as n')).toEqual([
    { n: 0 },
  ])
})

test('An event is not kept waiting by whoever has its endpoint locked', async () => {
  await endpoint('one')
  const holder = new pg.Client({ connectionString: database.url })
  await holder.connect()
  try {
    await holder.query('begin; select from webhook_endpoint for update')
    await query("set lock_timeout = '2s'")
    await message(['a'])
  } finally {
    await holder.end()
  }
  expect(await query('select count(*)::int as n from webhook_delivery')).toEqual([{ n: 1 }])
})
