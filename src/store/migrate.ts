import { createHash, randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import type pg from 'pg'
import { connectWhenUp, type StoreLog } from './connect.ts'

interface Migration {
  readonly name: string
  readonly sql: string
  /** SHA-256 of the file, in hex. */
  readonly checksum: string
}

interface Record {
  readonly migration_name: string
  readonly checksum: string
  readonly finished_at: Date | null
}

const FOLDER = new URL('../../prisma/migrations/', import.meta.url)

/** The advisory lock that `prisma migrate` takes, so that it and we wait for each other. */
const LOCK = 72_707_369

/** As `prisma migrate` makes it. */
const RECORDS = `create table if not exists _prisma_migrations (
  id varchar(36) primary key not null,
  checksum varchar(64) not null,
  finished_at timestamptz,
  migration_name varchar(255) not null,
  logs text,
  rolled_back_at timestamptz,
  started_at timestamptz not null default now(),
  applied_steps_count integer not null default 0
)`

/** What waits behind a table lock makes everybody wait: give up after this, let them pass, and try again. */
const LOCK_TIMEOUT = '2s'
const TRIES = 30
const LOCK_NOT_AVAILABLE = '55P03'

/**
 * Applies the migrations that the database does not have, in order of name, each in a transaction with its record. Processes
 * that start together apply each once. Records are those of `prisma migrate deploy`, which may be used instead.
 *
 * Migrations of a newer release, which the database has and we do not, are left in peace.
 *
 * @param options folder: of migrations, a subfolder each; by default ours
 * @returns the names of those applied now
 * @throws when an applied migration's file was changed, or one was left half done by another tool
 */
export async function migrate(
  url: string,
  options: { readonly log?: StoreLog; readonly folder?: URL } = {},
): Promise<readonly string[]> {
  const migrations = await readMigrations(options.folder ?? FOLDER)
  const client = await connectWhenUp(url, { log: options.log })
  try {
    if ((await pending(client, migrations)).length === 0) return []
    await client.query('select pg_advisory_lock($1)', [LOCK])
    await client.query(RECORDS)
    const missing = await pending(client, migrations)
    for (const migration of missing) {
      await applyPatiently(client, migration)
      options.log?.info({ migration: migration.name }, 'applied a migration')
    }
    return missing.map(({ name }) => name)
  } finally {
    // Ending the session gives the advisory lock back.
    await client.end()
  }
}

async function readMigrations(folder: URL): Promise<readonly Migration[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  return Promise.all(
    names.sort().map(async (name) => {
      const sql = await readFile(new URL(`${name}/migration.sql`, folder), 'utf8')
      return { name, sql, checksum: createHash('sha256').update(sql).digest('hex') }
    }),
  )
}

async function pending(client: pg.Client, migrations: readonly Migration[]): Promise<readonly Migration[]> {
  const records = new Map((await readRecords(client)).map((record) => [record.migration_name, record]))
  for (const { name, checksum } of migrations) {
    const record = records.get(name)
    if (record === undefined) continue
    if (record.finished_at === null) {
      throw new Error(
        `Migration ${name} was begun and not finished by another tool; resolve it (prisma migrate resolve), then start again.`,
      )
    }
    if (record.checksum !== checksum) {
      throw new Error(`Migration ${name} is not the one this database has: applied migrations are never changed, add another.`)
    }
  }
  return migrations.filter(({ name }) => !records.has(name))
}

async function readRecords(client: pg.Client): Promise<readonly Record[]> {
  const { rows: found } = await client.query("select to_regclass('_prisma_migrations') is not null as there")
  if (!found[0].there) return []
  const { rows } = await client.query<Record>(
    'select migration_name, checksum, finished_at from _prisma_migrations where rolled_back_at is null',
  )
  return rows
}

async function applyPatiently(client: pg.Client, migration: Migration): Promise<void> {
  for (let tried = 1; ; tried++) {
    try {
      await apply(client, migration)
      return
    } catch (error) {
      await client.query('rollback')
      if ((error as pg.DatabaseError).code !== LOCK_NOT_AVAILABLE || tried === TRIES) {
        throw new Error(`Migration ${migration.name} failed and left nothing behind: ${(error as Error).message}`, {
          cause: error,
        })
      }
      await wait(500)
    }
  }
}

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  await client.query('begin')
  await client.query(`set local lock_timeout = '${LOCK_TIMEOUT}'`)
  await client.query(sql)
  await client.query(
    `insert into _prisma_migrations (id, checksum, finished_at, migration_name, started_at, applied_steps_count)
     values ($1, $2, clock_timestamp(), $3, now(), 1)`,
    [randomUUID(), checksum, name],
  )
  await client.query('commit')
}
