import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStore, type Store } from '../../src/store/database.ts'
import { createSurvey } from '../../src/store/survey.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
let store: Store
beforeAll(async () => {
  database = await testDatabase()
  store = await openStore({ url: database.url, poolSize: 2, allowUnsafe: true })
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

async function addMessages(count: number): Promise<void> {
  await sql`insert into environment (id, name) values ('env', 'env') on conflict do nothing`.execute(store.db)
  await sql`
    with numbers as (select (select count(*) from message) + n as n from generate_series(1, ${count}::int) n),
    made as (
      insert into request (environment_id, id, mode, definition, accepted_at)
      select 'env', 'req_' || n, 'LIVE', '{}', now() from numbers returning id)
    insert into message (environment_id, id, request_id, recipient, "to")
    select 'env', 'msg_' || n, 'req_' || n, 'ada@example.com', '{}' from numbers`.execute(store.db)
}

/** How a connection checks that the message of a row exists: as it chose to when it first had to, until something tells it to look anew. */
async function onConnection(work: (way: () => Promise<string>) => Promise<void>): Promise<void> {
  await store.db.connection().execute(async (db) => {
    await sql`set plan_cache_mode = force_generic_plan`.execute(db)
    await sql`
      prepare find (text, text) as
      select 1 from only message x where environment_id = $1 and id = $2 for key share of x`.execute(db)
    await work(async () => {
      const { rows } = await sql<{ 'QUERY PLAN': string }>`explain execute find ('env', 'msg_1')`.execute(db)
      return rows.map((row) => row['QUERY PLAN']).join(' ')
    })
  })
}

test('A connection that knew no messages finds each by its key once there are many', async () => {
  await sql`vacuum analyze message`.execute(store.db)
  await onConnection(async (way) => {
    expect(await way()).toContain('Seq Scan')
    const survey = createSurvey(store.db)
    await addMessages(600)
    await survey(300)
    expect(await way()).toContain('Seq Scan')
    await survey(300)
    expect(await way()).toContain('message_pkey')
  })
})
