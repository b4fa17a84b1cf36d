import type { Duplex } from 'node:stream'
import { PrismaPg } from '@prisma/adapter-pg'
import { Kysely, PostgresDialect, type Transaction } from 'kysely'
import pg from 'pg'
import { PrismaClient } from '../generated/prisma/client.ts'
import type { DB } from '../generated/tables.ts'
import { connectWhenUp, refuseUnfit, type StoreLog } from './connect.ts'

export type Db = Kysely<DB>
export type Tx = Transaction<DB>

export interface Store {
  /** Writes, and the hot path. */
  readonly db: Db
  /** Reads for the graph. Never inside a transaction of `db`: once such transactions fill the pool, each waits for ever. */
  readonly prisma: PrismaClient
  /** The pool that both share. */
  readonly pool: pg.Pool
  /** Waits for running queries, then lets go of every connection. Can be called again. */
  close(): Promise<void>
}

export interface StoreOptions {
  /** postgresql://… */
  readonly url: string
  /** The most connections held. */
  readonly poolSize: number
  readonly log?: StoreLog
  /** How long to wait for a database that is not up yet, in milliseconds; by default 30 s. */
  readonly patienceMs?: number
  /** After which a statement that is not answered counts as lost with its connection, in milliseconds; by default 30 s. */
  readonly queryTimeoutMs?: number
  /** Take a PostgreSQL that may lose commits in a crash: for tests. */
  readonly allowUnsafe?: boolean
}

/**
 * A process that hangs inside a transaction, paused or swapped out, would hold the log's counter row and so stop
 * everybody's writing. PostgreSQL ends such a transaction after this.
 */
const IDLE_IN_TRANSACTION_MS = 15_000
const CONNECT_MS = 10_000
/** A network that swallows everything says nothing for minutes, and a group of writes would wait for it as long. */
const QUERY_MS = 30_000

/**
 * Opens PostgreSQL. For Kysely int8 comes back as number (positions and ids stay below 2^53), timestamptz as Date, jsonb as
 * the value; Prisma has parsers of its own.
 *
 * @throws when the database is not there after `patienceMs`, is older than 15, or would lose commits
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const client = await connectWhenUp(options.url, options)
  try {
    if (!options.allowUnsafe) await refuseUnfit(client)
  } finally {
    await client.end()
  }
  const pool = openPool(options)
  const db: Db = new Kysely<DB>({ dialect: new PostgresDialect({ pool }) })
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  let closing: Promise<void> | undefined
  return {
    db,
    prisma,
    pool,
    close() {
      closing ??= prisma.$disconnect().then(() => pool.end())
      return closing
    },
  }
}

function openPool(options: StoreOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    max: options.poolSize,
    application_name: 'carillon',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
    types: { getTypeParser: parserOf },
  })
  // An idle connection that breaks is replaced by the pool; unheard, the event would end the process.
  // A connection that breaks while it is checked out tells its user by the query that fails; unheard, it would end the process.
  pool.on('connect', (client) => {
    client.on('error', () => {})
    prepareNamed(client)
    endWhenSilent(client, options.queryTimeoutMs ?? QUERY_MS)
  })
  pool.on('error', (error) => options.log?.warn({ err: error }, 'lost a connection to PostgreSQL'))
  return pool
}

type Ask = (...args: readonly unknown[]) => unknown

const NAME = /^\s*\/\* prepared: ([\w-]+) \*\//

/**
 * Has PostgreSQL parse and plan a statement once for each connection, where it begins with a name in a comment, `prepared:
 * append`: for what a delivery asks of it, that took as long as carrying it out. The plan stays while the tables grow. So it is
 * only for statements that go the same way whatever these hold: given rows are inserted, or rows of small tables read by key.
 */
function prepareNamed(client: pg.PoolClient): void {
  const query = client.query.bind(client) as Ask
  client.query = ((...args: readonly unknown[]) => {
    const [text, values, ...rest] = args
    const name = typeof text === 'string' ? NAME.exec(text)?.[1] : undefined
    return name === undefined ? query(...args) : query({ name, text, values }, ...rest)
  }) as typeof client.query
}

/**
 * Ends a connection whose statement is not answered in time: it fails like one whose connection broke, and the pool makes
 * another. (The driver's own query_timeout leaves the connection in use, with the late answer still to come.)
 */
function endWhenSilent(client: pg.PoolClient, timeoutMs: number): void {
  const { stream } = (client as unknown as { readonly connection: { readonly stream: Duplex } }).connection
  const query = client.query.bind(client) as Ask
  let silence: NodeJS.Timeout | undefined
  client.query = ((...args: readonly unknown[]) => {
    clearTimeout(silence)
    silence = setTimeout(() => stream.destroy(), timeoutMs)
    return query(...args)
  }) as typeof client.query
  // Said when no statement is under way any more.
  client.on('drain', () => clearTimeout(silence))
  client.on('end', () => clearTimeout(silence))
}

const INT8 = 20
const INT8_ARRAY = 1016

function parserOf(oid: number, format?: 'text' | 'binary'): (text: string) => unknown {
  const usual = pg.types.getTypeParser(oid, format as 'text')
  if (format === 'binary') return usual
  if (oid === INT8) return Number
  if (oid === INT8_ARRAY) return (text) => usual(text).map((one: string | null) => (one === null ? null : Number(one)))
  return usual
}
