import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore, type Store } from '../../src/store/database.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
let store: Store

beforeAll(async () => {
  database = await testDatabase()
  store = await openStore({ url: database.url, poolSize: 4 })
})

afterAll(async () => {
  await store.close()
  await database.drop()
})

describe('The store', () => {
  test('gives int8 as numbers, times as Date and jsonb as values to Kysely', async () => {
    const { rows } = await sql<Record<string, unknown>>`
      select 9007199254740991::int8 as big, array[1, null]::int8[] as several, count(*) as counted,
             timestamptz '2026-01-02 03:04:05.678+02' as at, '{"a":[1]}'::jsonb as value from (values (1), (2)) v`.execute(
      store.db,
    )
    expect(rows).toEqual([
      { big: 9007199254740991, several: [1, null], counted: 2, at: new Date('2026-01-02T01:04:05.678Z'), value: { a: [1] } },
    ])
  })

  test('shows what Kysely wrote to Prisma', async () => {
    const at = new Date('2026-01-02T03:04:05.678Z')
    await store.db.insertInto('environment').values({ id: 'e1', name: 'One', created_at: at }).execute()
    await store.db.insertInto('log_head').values({ environment_id: 'e1', epoch: 'x', position: 5 }).execute()
    expect(await store.prisma.environment.findUniqueOrThrow({ where: { id: 'e1' } })).toMatchObject({
      name: 'One',
      createdAt: at,
    })
    expect(await store.prisma.logHead.findUniqueOrThrow({ where: { environmentId: 'e1' } })).toMatchObject({ position: 5n })
  })

  test('ends a transaction that hangs, so that its locks do not stop everybody', async () => {
    const { rows } = await sql<{ idle_in_transaction_session_timeout: string }>`show idle_in_transaction_session_timeout`.execute(
      store.db,
    )
    expect(rows[0]?.idle_in_transaction_session_timeout).toBe('15s')
  })
})
