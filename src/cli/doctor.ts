import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { Redis } from 'ioredis'
import type pg from 'pg'
import { type Config, type Environment, loadConfig } from '../config.ts'
import { connectWhenUp, refuseUnfit } from '../store/connect.ts'

type Finding = { readonly part: string; readonly well: boolean; readonly words: string }

const PATIENCE_MS = 1_000
const OWNER_ONLY = 0o700
const MIGRATIONS = new URL('../../prisma/migrations/', import.meta.url)

/**
 * Looks at everything that a start depends on, changes nothing, and says what it found, a line for each part.
 *
 * @returns whether all is well
 */
export async function examine(env: Environment, stdout: NodeJS.WriteStream): Promise<boolean> {
  const findings = await look(env)
  for (const { part, well, words } of findings) {
    const mark = styleText(well ? 'green' : 'red', well ? '✓' : '✗', { stream: stdout })
    stdout.write(`  ${mark} ${part.padEnd(14)} ${words}\n`)
  }
  return findings.every(({ well }) => well)
}

async function look(env: Environment): Promise<readonly Finding[]> {
  let config: Config
  try {
    config = loadConfig(env)
  } catch (error) {
    return [{ part: 'configuration', well: false, words: (error as Error).message }]
  }
  const { api, worker } = config.roles
  const roles = [...(api ? ['api'] : []), ...(worker ? ['worker'] : [])].join(' and ')
  const configuration = { part: 'configuration', well: true, words: `as ${roles}, on ${config.http.host}:${config.http.port}` }
  const rest = await Promise.all([
    lookAtDatabase(config),
    lookAtRedis(config),
    lookAtDataDir(config),
    lookAtMail(config),
    lookAtServer(config),
  ])
  return [configuration, ...rest]
}

async function lookAtDatabase({ database }: Config): Promise<Finding> {
  if (database.url === null) return { part: 'database', well: true, words: 'embedded; it starts and migrates with the server' }
  try {
    const client = await connectWhenUp(database.url, { patienceMs: PATIENCE_MS })
    try {
      return await judgeDatabase(client)
    } finally {
      await client.end()
    }
  } catch (error) {
    return { part: 'database', well: false, words: wordsOf(error) }
  }
}

async function judgeDatabase(client: pg.Client): Promise<Finding> {
  await refuseUnfit(client)
  const { rows } = await client.query<{ version: string }>("select current_setting('server_version') as version")
  const missing = await missingMigrations(client)
  const state = missing.length === 0 ? 'its migrations are current' : `the next start applies ${missing.join(', ')}`
  return { part: 'database', well: true, words: `PostgreSQL ${rows[0]?.version}; ${state}` }
}

async function missingMigrations(client: pg.Client): Promise<readonly string[]> {
  const { rows: found } = await client.query<{ there: boolean }>("select to_regclass('_prisma_migrations') is not null as there")
  const { rows } = found[0]?.there
    ? await client.query<{ name: string }>(
        'select migration_name as name from _prisma_migrations where finished_at is not null and rolled_back_at is null',
      )
    : { rows: [] }
  const applied = new Set(rows.map(({ name }) => name))
  const entries = await readdir(MIGRATIONS, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  return names.sort().filter((name) => !applied.has(name))
}

async function lookAtRedis({ redisUrl }: Config): Promise<Finding> {
  if (redisUrl === null) return { part: 'Redis', well: true, words: 'none; everything stays in one process' }
  const redis = new Redis(redisUrl, {
    lazyConnect: true,
    connectTimeout: PATIENCE_MS,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  })
  let cause: unknown
  redis.on('error', (error) => {
    cause = error
  })
  try {
    await redis.connect()
    await redis.ping()
    return { part: 'Redis', well: true, words: 'answers' }
  } catch (error) {
    return { part: 'Redis', well: false, words: wordsOf(cause ?? error) }
  } finally {
    redis.disconnect()
  }
}

async function lookAtDataDir({ dataDir, database, mail, roles }: Config): Promise<Finding> {
  const isNeeded = database.url === null || (mail.smtpUrl === null && roles.worker)
  const found = await stat(dataDir).catch(() => null)
  if (found === null) {
    return { part: 'data dir', well: true, words: isNeeded ? `${dataDir} will be made at start` : `${dataDir} is not needed` }
  }
  const mode = found.mode & 0o777
  if (mode !== OWNER_ONLY) {
    const words = `${dataDir} has mode ${mode.toString(8)}; it holds secrets and must be 700`
    return { part: 'data dir', well: false, words }
  }
  const key = await stat(join(dataDir, 'admin-key')).catch(() => null)
  return { part: 'data dir', well: true, words: `${dataDir}${key ? ', with the first API key in admin-key' : ''}` }
}

async function lookAtMail({ mail, roles }: Config): Promise<Finding> {
  if (mail.smtpUrl !== null)
    return { part: 'mail', well: true, words: `sent through ${new URL(mail.smtpUrl).host} as ${mail.from}` }
  return { part: 'mail', well: true, words: roles.worker ? 'caught, none leaves; shown at /mail' : 'the worker’s business' }
}

/** That nothing runs is no fault; whoever asks may be about to start it. */
async function lookAtServer({ http: { host, port } }: Config): Promise<Finding> {
  const readiness = await fetch(`http://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}/readyz`, {
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch(() => null)
  if (readiness === null) return { part: 'server', well: true, words: 'does not run now' }
  return { part: 'server', well: readiness.ok, words: readiness.ok ? 'runs and is ready' : `answers ${readiness.status}` }
}

/** Node tries several addresses of a name and then throws them all together, with no message of its own. */
function wordsOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(wordsOf).join('; ')
  return (error as Error).message
}
