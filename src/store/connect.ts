import { setTimeout as wait } from 'node:timers/promises'
import pg from 'pg'

/** The part of a pino logger that the store uses. */
export interface StoreLog {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

const OLDEST_VERSION = 150_000
const PATIENCE_MS = 30_000

/** Nobody listens, the name is not known yet, the server starts or stops, or has no connection to spare. */
const NOT_UP_YET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  '57P01',
  '57P02',
  '57P03',
  '53300',
])

/**
 * One connection to a database that may not be up yet: processes start in any order. Waits with back-off, from 50 ms to 2 s.
 *
 * @param options patienceMs: by default 30 s
 * @throws what the last try failed with once patience is at its end; at once what waiting does not mend (password, name)
 */
export async function connectWhenUp(
  url: string,
  options: { readonly log?: StoreLog | undefined; readonly patienceMs?: number } = {},
): Promise<pg.Client> {
  const deadline = performance.now() + (options.patienceMs ?? PATIENCE_MS)
  for (let pause = 50; ; pause = Math.min(pause * 2, 2_000)) {
    const client = new pg.Client({ connectionString: url, application_name: 'carillon', connectionTimeoutMillis: 5_000 })
    // A connection lost while idle is noticed by the next query; unheard, the event would end the process.
    client.on('error', () => {})
    try {
      await client.connect()
      return client
    } catch (error) {
      await client.end().catch(() => {})
      if (!isNotUpYet(error) || performance.now() + pause > deadline) throw error
      options.log?.warn({ reason: (error as Error).message, againInMs: pause }, 'waiting for PostgreSQL')
      await wait(pause)
    }
  }
}

/**
 * Refuses a PostgreSQL on which our promises do not hold: an old one, and one that answers before it has written
 * (fsync or synchronous_commit off), since accepted means committed.
 */
export async function refuseUnfit(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ version: number; release: string; fsync: string; commit: string }>(
    `select current_setting('server_version_num')::int as version, current_setting('server_version') as release,
            current_setting('fsync') as fsync, current_setting('synchronous_commit') as commit`,
  )
  const found = rows[0]
  if (found === undefined) throw new Error('PostgreSQL did not say what it is.')
  if (found.version < OLDEST_VERSION) throw new Error(`Carillon needs PostgreSQL 15 or newer; this is ${found.release}.`)
  const off = [...(found.fsync === 'off' ? ['fsync'] : []), ...(found.commit === 'off' ? ['synchronous_commit'] : [])]
  if (off.length > 0) {
    throw new Error(`PostgreSQL runs with ${off.join(' and ')} off and would lose accepted messages in a crash; turn it on.`)
  }
}

/** Said by `pg` itself, without a code, of a connection that broke or could not be made. */
const BROKEN = /^(?:Connection terminated|Client .* is not queryable|timeout exceeded when trying to connect)/

/** Whether a statement failed because its connection did: nobody can say then whether it was carried out. */
export function isConnectionLost(error: unknown): boolean {
  return isNotUpYet(error) || BROKEN.test((error as Error).message) || (error as { code?: string }).code === 'EPIPE'
}

function isNotUpYet(error: unknown): boolean {
  // Node tries several addresses of a name and then throws them all together.
  if (error instanceof AggregateError) return error.errors.some(isNotUpYet)
  const { code, message } = error as Error & { code?: string }
  return NOT_UP_YET.has(code ?? '') || message === 'Connection terminated unexpectedly' || message === 'timeout expired'
}
