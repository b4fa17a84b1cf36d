import pg from 'pg'
import { vi } from 'vitest'

/** Where transactions meet half-way: nobody writes to the table until it is opened again. */
export interface Gate {
  /** Until so many stand still, at the gate or behind who does. */
  waiting(count: number): Promise<unknown>
  /** Lets them all pass. */
  open(): Promise<void>
}

export async function shut(databaseUrl: string, table: string): Promise<Gate> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  await client.query(`begin; lock table "${table}" in share mode`)
  const stand = `select count(*)::int as count from pg_stat_activity
    where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0`
  return {
    waiting: (count) => vi.waitUntil(async () => (await client.query<{ count: number }>(stand)).rows[0]!.count >= count, 10_000),
    async open() {
      await client.query('commit')
      await client.end()
    },
  }
}

/** How many deadlocks there were. One is tried again unseen, but costs a second. */
export async function deadlocks(databaseUrl: string): Promise<number> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const { rows } = await client.query<{ deadlocks: string }>(
    'select deadlocks from pg_stat_database where datname = current_database()',
  )
  await client.end()
  return Number(rows[0]!.deadlocks)
}
