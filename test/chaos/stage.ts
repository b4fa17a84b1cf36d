import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { testDatabase } from '../support/database.ts'
import { type Carillon, startCarillon } from '../support/process.ts'

export type Role = 'api' | 'worker' | 'api,worker'

/** Where one test's processes play: their database and settings, and the end of everything that was started. */
export interface Stage {
  readonly key: string
  /** Reads the database behind everybody's back. */
  query<Row>(sql: string, values?: readonly unknown[]): Promise<readonly Row[]>
  start(role: Role, env?: Readonly<Record<string, string>>): Promise<Carillon>
  /** Run at the end, last first. */
  defer(end: () => Promise<unknown>): void
  /** Ends all that was started, whatever became of the test. */
  clear(): Promise<void>
}

export interface StageOptions {
  /** By default a database of the run's own PostgreSQL. */
  readonly databaseUrl?: string
  readonly redisUrl?: string
  /** By default mail goes nowhere. */
  readonly smtpUrl?: string
  /** Settings of all its processes, over those of the stage. */
  readonly env?: Readonly<Record<string, string>>
  /** What its processes run, by default src/main.ts. */
  readonly main?: string
}

/** The shortest that can be set, so that a test sees it end. */
export const LEASE_SECONDS = 3
/** What several processes may take to start on a machine that does something else as well. */
export const START_MS = 180_000
const NOWHERE = 'smtp://127.0.0.1:1'

export async function setStage({
  databaseUrl,
  redisUrl,
  smtpUrl = NOWHERE,
  main,
  env: own = {},
}: StageOptions = {}): Promise<Stage> {
  const ends: (() => Promise<unknown>)[] = []
  const starting = new Set<Promise<Carillon>>()
  const key = `ck_live_${randomBytes(24).toString('base64url')}`
  const database = databaseUrl === undefined ? await testDatabase() : null
  if (database) ends.push(() => database.drop())
  const url = database?.url ?? databaseUrl!
  const pool = openPool(url)
  ends.push(() => pool.end())
  const dataDir = await temporaryFolder()
  ends.push(() => rm(dataDir, { recursive: true, force: true }))
  const settings = {
    DATABASE_URL: url,
    CARILLON_SECRET: randomBytes(32).toString('base64'),
    CARILLON_ADMIN_KEY: key,
    CARILLON_DATA_DIR: dataDir,
    CARILLON_LEASE_SECONDS: String(LEASE_SECONDS),
    CARILLON_POOL_SIZE: '10',
    SMTP_URL: smtpUrl,
    MAIL_FROM: 'carillon@example.com',
    ...(redisUrl !== undefined && { REDIS_URL: redisUrl }),
    ...own,
  }
  return {
    key,
    async query<Row>(sql: string, values: readonly unknown[] = []) {
      return (await pool.query(sql, [...values])).rows as Row[]
    },
    async start(role, env = {}) {
      const start = startCarillon({ ...settings, CARILLON_ROLES: role, ...env }, main)
      const child = start.then((started) => {
        ends.push(() => started.end())
        return started
      })
      starting.add(child)
      return await child.finally(() => starting.delete(child))
    },
    defer: (end) => void ends.push(end),
    async clear() {
      while (starting.size > 0) await Promise.allSettled(starting)
      const failures: unknown[] = []
      for (const end of ends.splice(0).reverse()) await end().catch((error: unknown) => failures.push(error))
      if (failures.length > 0) throw new AggregateError(failures, 'Not all that was started could be ended.')
    },
  }
}

/** One that the user who runs an embedded PostgreSQL can reach. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-chaos-'))
  await chmod(folder, 0o755)
  return folder
}

function openPool(connectionString: string): pg.Pool {
  const pool = new pg.Pool({ connectionString, max: 3 })
  // The database may be killed under it; unheard, the event would end the test run.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
