import { connect, createServer } from 'node:net'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { connectWhenUp } from '../../src/store/connect.ts'
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

  test('has a statement with a name prepared once for a connection, and others each time', async () => {
    await store.db.connection().execute(async (db) => {
      const next = async (n: number) =>
        (
          await sql<{ next: number }>`
          /* prepared: next */
          select ${n}::int + 1 as next`.execute(db)
        ).rows
      expect([await next(1), await next(2)]).toEqual([[{ next: 2 }], [{ next: 3 }]])
      await sql`select ${1}::int`.execute(db)
      const { rows } = await sql`select name, generic_plans + custom_plans as times from pg_prepared_statements`.execute(db)
      expect(rows).toEqual([{ name: 'next', times: 2 }])
    })
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

describe('Opening a store', () => {
  test('waits for a PostgreSQL that is not up yet, and says so', async () => {
    const port = await freePort()
    const url = new URL(database.url)
    const folder = url.searchParams.get('host')!
    const real = `${folder}/.s.PGSQL.${url.port}`
    url.search = ''
    url.hostname = '127.0.0.1'
    url.port = String(port)
    const proxy = createServer((socket) => socket.pipe(connect(real)).pipe(socket))
    const warn = (_: object, message: string) => {
      expect(message).toBe('waiting for PostgreSQL')
      if (!proxy.listening) proxy.listen(port, '127.0.0.1')
    }
    const client = await connectWhenUp(url.href, { log: { info() {}, warn, error() {} } })
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await client.end()
    proxy.close()
  })

  test('fails with the reason once its patience is at an end', async () => {
    const url = `postgresql://carillon@127.0.0.1:${await freePort()}/carillon`
    await expect(openStore({ url, poolSize: 2, patienceMs: 300 })).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('does not wait for a database that will not come', async () => {
    const url = database.url.replace(/test_\w+/, 'nowhere')
    await expect(openStore({ url, poolSize: 2 })).rejects.toThrow('database "nowhere" does not exist')
  })

  test('refuses a PostgreSQL that answers before it has written', async () => {
    const name = new URL(database.url).pathname.slice(1)
    await sql`alter database ${sql.id(name)} set synchronous_commit = off`.execute(store.db)
    await expect(openStore({ url: database.url, poolSize: 2 })).rejects.toThrow(
      'synchronous_commit off and would lose accepted messages',
    )
    const other = await openStore({ url: database.url, poolSize: 2, allowUnsafe: true })
    await other.close()
  })
})

/** A port that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer()
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
  })
  await new Promise((resolve) => server.close(resolve))
  return port
}
