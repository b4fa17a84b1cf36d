import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import type { Tx } from '../store/database.ts'
import type { LogEvent, NewEvent } from './event.ts'

/**
 * Writes events into their environments' logs and gives them their positions. Call it as the transaction's last statement:
 * from here to the commit no other transaction of these environments can append, which is what makes commit order position
 * order and leaves no holes. The transaction must be READ COMMITTED, PostgreSQL's default.
 *
 * Events keep their given order within an environment; the rows returned are in the order given. Where they are of several
 * environments, the heads are locked first, in the order of their ids: two such writers cannot deadlock.
 *
 * Publish what it returned after the commit (Log.published), never before: a follower must find it in the database.
 */
export async function append(tx: Tx, events: readonly NewEvent[]): Promise<readonly LogEvent[]> {
  if (events.length === 0) return []
  const lengths = lengthsOf(events)
  if (lengths.size > 1) await lockLog(tx, [...lengths.keys()])
  const { storable, rows } = prepare(events)
  const before = await insert(tx, lengths, rows)
  if (before.size !== lengths.size) throw missingHead(lengths, before)
  return positioned(storable, before)
}

/**
 * Locks the heads of these logs until the transaction ends, for a caller that computes something which has to be true at the
 * position of the event it is about to append: an inbox's counts. Append then takes its positions under the same lock.
 */
export async function lockLog(tx: Tx, environmentIds: readonly string[]): Promise<void> {
  const { rows } = await sql<{ environmentId: string }>`
    select environment_id as "environmentId" from log_head
    where environment_id = any(${environmentIds}) order by environment_id for no key update`.execute(tx)
  const wanted = new Map(environmentIds.map((id) => [id, 0]))
  const locked = new Map(rows.map((row) => [row.environmentId, 0]))
  if (locked.size !== wanted.size) throw missingHead(wanted, locked)
}

/**
 * Opens an environment's log, in the transaction that makes the environment. Its epoch is random: it tells this history from
 * any other, so that a cursor out of another database is known to be one. A log that is open already stays as it is.
 */
export async function openLogHead(tx: Tx, environmentId: string): Promise<void> {
  const epoch = randomBytes(9).toString('base64url')
  await sql`
    insert into log_head (environment_id, epoch) values (${environmentId}, ${epoch})
    on conflict (environment_id) do nothing`.execute(tx)
}

function lengthsOf(events: readonly NewEvent[]): ReadonlyMap<string, number> {
  const lengths = new Map<string, number>()
  for (const { environmentId } of events) lengths.set(environmentId, (lengths.get(environmentId) ?? 0) + 1)
  return lengths
}

interface Prepared {
  /** The events as the table will hold them. */
  readonly storable: readonly NewEvent[]
  /** A JSON array with one record an event. */
  readonly rows: string
}

/**
 * PostgreSQL takes neither NUL nor half a surrogate pair, and a provider's answer may hold both. JSON escapes them, and little
 * else, as \u: only what has such an escape is looked at closely.
 */
function prepare(events: readonly NewEvent[]): Prepared {
  const rows = serialise(events)
  if (!rows.includes('\\u')) return { storable: events, rows }
  const storable = events.map(clean)
  return { storable, rows: serialise(storable) }
}

/** `nth` counts within the environment, from 1. */
function serialise(events: readonly NewEvent[]): string {
  const lengths = new Map<string, number>()
  const records = events.map((event) => {
    const nth = (lengths.get(event.environmentId) ?? 0) + 1
    lengths.set(event.environmentId, nth)
    return { ...event, nth }
  })
  return JSON.stringify(records)
}

/** What providers and people wrote is in these two fields; a status must not go unrecorded for the sake of a character. */
function clean(event: NewEvent): NewEvent {
  const detail = event.detail && (JSON.parse(JSON.stringify(event.detail), cleanValue) as Record<string, unknown>)
  return { ...event, error: event.error && cleanText(event.error), detail }
}

function cleanValue(_key: string, value: unknown): unknown {
  if (typeof value === 'string') return cleanText(value)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [cleanText(key), entry]))
}

function cleanText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd')
}

/**
 * Answers the position each log had before. One statement, so that a head that was not locked before is locked for one round
 * trip and the commit; one parameter holds all the rows.
 */
async function insert(tx: Tx, lengths: ReadonlyMap<string, number>, rows: string): Promise<ReadonlyMap<string, number>> {
  const taken = await sql<{ environmentId: string; before: number }>`
    /* prepared: append */
    with taken as (
      update log_head h set position = h.position + l.events
      from unnest(${[...lengths.keys()]}::text[], ${[...lengths.values()]}::int[]) as l(environment_id, events)
      where h.environment_id = l.environment_id
      returning h.environment_id, h.position - l.events as before
    ), written as (
      insert into event (environment_id, position, stream, type, at, message_id, request_id, job_id, user_id, tenant_id,
        status, reason, channel, provider_id, error, detail)
      select t.environment_id, t.before + e.nth, e.stream, e.type, e.at, e."messageId", e."requestId", e."jobId", e."userId",
        e."tenantId", e.status, e.reason, e.channel, e."providerId", e.error, e.detail
      from taken t join jsonb_to_recordset(${rows}::jsonb) as e(
        "environmentId" text, nth int, stream event_stream, type text, at timestamptz, "messageId" text, "requestId" text,
        "jobId" text, "userId" text, "tenantId" text, status message_status, reason message_reason, channel channel,
        "providerId" text, error text, detail jsonb) on e."environmentId" = t.environment_id
    )
    select environment_id as "environmentId", before from taken`.execute(tx)
  return new Map(taken.rows.map((row) => [row.environmentId, row.before]))
}

function positioned(events: readonly NewEvent[], before: ReadonlyMap<string, number>): readonly LogEvent[] {
  const last = new Map(before)
  return events.map((event) => {
    const next = last.get(event.environmentId)! + 1
    last.set(event.environmentId, next)
    return { ...event, position: next }
  })
}

function missingHead(wanted: ReadonlyMap<string, unknown>, found: ReadonlyMap<string, unknown>): Error {
  const missing = [...wanted.keys()].filter((id) => !found.has(id))
  return new Error(`There is no log for the environments ${missing.join(', ')}.`)
}
