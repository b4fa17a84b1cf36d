import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { isConnectionLost } from '../../src/store/connect.ts'
import { openStore } from '../../src/store/database.ts'
import { testDatabase } from '../support/database.ts'
import { startWire } from '../support/wire.ts'

const TIMEOUT_MS = 300

/** A store by a wire, and what becomes of it. */
async function withStore(work: (store: Awaited<ReturnType<typeof openStore>>, goSilent: () => void) => Promise<void>) {
  const database = await testDatabase()
  const { username, pathname, port, searchParams } = new URL(database.url)
  const wire = await startWire(() => `${searchParams.get('host')}/.s.PGSQL.${port}`)
  const url = `postgresql://${username}@127.0.0.1:${wire.port}${pathname}`
  const store = await openStore({ url, poolSize: 1, queryTimeoutMs: TIMEOUT_MS })
  try {
    await work(store, wire.blackHole)
  } finally {
    await store.close()
    await wire.close()
    await database.drop()
  }
}

test('A statement that a dead network swallowed counts as lost with its connection, and the next has another', () =>
  withStore(async (store, goSilent) => {
    await sql`select 1`.execute(store.db)
    goSilent()
    const lost = await sql`select 1`.execute(store.db).catch((error: unknown) => error)
    expect(isConnectionLost(lost)).toBe(true)
    expect((await sql`select 2 as two`.execute(store.db)).rows).toEqual([{ two: 2 }])
  }))

test('A transaction whose commit was swallowed counts as lost, in one timeout and not in two', () =>
  withStore(async (store, goSilent) => {
    const started = performance.now()
    const lost = await store.db
      .transaction()
      .execute(async (tx) => {
        await sql`select 1`.execute(tx)
        goSilent()
      })
      .catch((error: unknown) => error)
    expect(isConnectionLost(lost)).toBe(true)
    expect(performance.now() - started).toBeLessThan(2 * TIMEOUT_MS)
    expect((await store.pool.query('select 2 as two')).rows).toEqual([{ two: 2 }])
  }))

test('A connection that answers each statement in time lives on, however long it is used or idle', () =>
  withStore(async (store) => {
    await store.db.connection().execute(async (own) => {
      const pid = async () => (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(own)).rows[0]?.pid
      const first = await pid()
      for (let time = 0; time < 4; time += 1) await sql`select pg_sleep(${TIMEOUT_MS / 2_000})`.execute(own)
      expect(await pid()).toBe(first)
    })
    const [before, after] = [await store.prisma.environment.count(), await store.prisma.environment.count()]
    expect(after).toBe(before)
  }))
