import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { diffAgainstSchema } from '../../prisma/diff.ts'
import { migrate } from '../../src/store/migrate.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const run = promisify(execFile)

let database: TestDatabase
let folder: string

beforeEach(async () => {
  database = await testDatabase({ empty: true })
  folder = await mkdtemp(join(tmpdir(), 'carillon-migrations-'))
})

afterEach(async () => {
  await database.drop()
  await rm(folder, { recursive: true })
})

async function query(sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function write(name: string, sql: string): Promise<URL> {
  await mkdir(join(folder, name), { recursive: true })
  await writeFile(join(folder, name, 'migration.sql'), sql)
  return pathToFileURL(`${folder}/`)
}

describe('Migrations', () => {
  test('lead to prisma/schema.prisma', async () => {
    await migrate(database.url)
    expect(await diffAgainstSchema(database.url)).toBe('')
  })

  test('that lack a column, an index or a constraint are told apart from prisma/schema.prisma', async () => {
    await migrate(database.url)
    await query(
      'alter table message drop column trace_id; drop index job_holder_idx; alter table job alter column kind drop not null',
    )
    const sql = await diffAgainstSchema(database.url)
    expect(sql).toContain('ADD COLUMN     "trace_id" TEXT')
    expect(sql).toContain('CREATE INDEX "job_holder_idx"')
    expect(sql).toContain('ALTER COLUMN "kind" SET NOT NULL')
    expect(sql).not.toContain('job_waiting')
  })

  test('make no function that catches exceptions and may run in parallel: before PostgreSQL 17 that ends the query', async () => {
    await migrate(database.url)
    const parallel = "from pg_proc where pronamespace = 'public'::regnamespace and proparallel = 's'"
    expect(await query(`select proname ${parallel}`)).toContainEqual({ proname: 'iso_instant' })
    expect(await query(`select proname ${parallel} and prosrc ~* '\\mexception\\M\\s+when'`)).toEqual([])
  })

  test('are applied once when ten processes start together', async () => {
    const script = `import { migrate } from ${JSON.stringify(new URL('../../src/store/migrate.ts', import.meta.url).href)}
      process.stdout.write(JSON.stringify(await migrate(process.argv[1])))`
    const processes = Array.from({ length: 10 }, () =>
      run(process.execPath, ['--input-type=module-typescript', '-e', script, database.url]),
    )
    const applied = (await Promise.all(processes)).flatMap(({ stdout }) => JSON.parse(stdout) as string[])
    const records = await query('select migration_name from _prisma_migrations order by migration_name')
    expect(applied.length).toBeGreaterThan(0)
    expect(applied.sort()).toEqual(records.map((record) => record.migration_name))
    expect(await diffAgainstSchema(database.url)).toBe('')
  }, 60_000)

  test('are recorded as prisma migrate deploy records them', async () => {
    const at = await write('1_first', 'create table a (id int)')
    await migrate(database.url, { folder: at })
    const [record] = await query('select * from _prisma_migrations')
    expect(record).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      checksum: '1a2f7426649c1960ad2dbbbbb3ff8d4c757d44e04dfa52ee60ee2132e71b3300',
      finished_at: expect.any(Date),
      migration_name: '1_first',
      logs: null,
      rolled_back_at: null,
      started_at: expect.any(Date),
      applied_steps_count: 1,
    })
  })

  test('that were applied and then changed stop the start', async () => {
    await migrate(database.url, { folder: await write('1_first', 'create table a (id int)') })
    const at = await write('1_first', 'create table a (id bigint)')
    await expect(migrate(database.url, { folder: at })).rejects.toThrow('Migration 1_first is not the one this database has')
  })

  test('that fail leave nothing behind, and those before them stay', async () => {
    await write('1_first', 'create table a (id int)')
    const at = await write('2_second', 'create table b (id int); select 1/0')
    await expect(migrate(database.url, { folder: at })).rejects.toThrow('Migration 2_second failed and left nothing behind')
    expect(await query("select to_regclass('a')::text as a, to_regclass('b')::text as b")).toEqual([{ a: 'a', b: null }])
    await write('2_second', 'create table b (id int)')
    expect(await migrate(database.url, { folder: at })).toEqual(['2_second'])
  })

  test('of a newer release are left in peace', async () => {
    const at = await write('1_first', 'create table a (id int)')
    await write('2_newer', 'create table b (id int)')
    await migrate(database.url, { folder: at })
    await rm(join(folder, '2_newer'), { recursive: true })
    expect(await migrate(database.url, { folder: at })).toEqual([])
  })

  test('wait for a busy table without making everybody wait behind them', async () => {
    await migrate(database.url, { folder: await write('1_first', 'create table a (id int)') })
    const holder = new pg.Client({ connectionString: database.url })
    await holder.connect()
    await holder.query('begin; select from a')
    const migrated = migrate(database.url, { folder: await write('2_second', 'alter table a add b int') })
    await expect
      .poll(() => query("select from pg_locks where relation = 'a'::regclass and not granted"), { timeout: 10_000 })
      .toHaveLength(1)
    // It stands in the way for 2 s at most.
    await query("set lock_timeout = '4s'; insert into a values (1)")
    await holder.query('commit')
    await holder.end()
    expect(await migrated).toEqual(['2_second'])
  })
})
