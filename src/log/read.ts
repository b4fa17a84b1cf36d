import { sql } from 'kysely'
import type { Db } from '../store/database.ts'
import type { EventFilter, LogEvent } from './event.ts'
import { conditionOf } from './filter.ts'

/** A place in one history of a log. The same position under another epoch means nothing. */
export interface LogPosition {
  readonly epoch: string
  readonly position: number
}

/** Where a log stands. Events up to `forgotten` are no longer kept. */
export interface Head extends LogPosition {
  readonly forgotten: number
}

/** Null where the environment does not exist (any more). */
export async function readHead(db: Db, environmentId: string): Promise<Head | null> {
  const { rows } = await sql<Head>`
    select position, epoch, forgotten from log_head where environment_id = ${environmentId}`.execute(db)
  return rows[0] ?? null
}

/** Which part of a log to read: at most `limit` events after one position and up to another, all of them or a filter's. */
export interface Page {
  readonly environmentId: string
  readonly after: number
  readonly upTo: number
  readonly limit: number
  readonly filter?: EventFilter
}

/** In the order of the log. */
export async function readEvents(db: Db, page: Page): Promise<readonly LogEvent[]> {
  const condition = page.filter ? conditionOf(page.filter) : sql<boolean>`true`
  const { rows } = await sql<LogEvent>`
    select environment_id as "environmentId", position, stream, type, at, message_id as "messageId",
      request_id as "requestId", job_id as "jobId", user_id as "userId", tenant_id as "tenantId", status, reason, channel,
      provider_id as "providerId", error, detail
    from event
    where environment_id = ${page.environmentId} and position > ${page.after} and position <= ${page.upTo} and ${condition}
    order by position limit ${page.limit}`.execute(db)
  return rows
}

/** The position of a filter's first event that is still kept; null when there is none. */
export async function readFirst(db: Db, environmentId: string, filter: EventFilter): Promise<number | null> {
  const { rows } = await sql<{ first: number | null }>`
    select min(position) as first from event where environment_id = ${environmentId} and ${conditionOf(filter)}`.execute(db)
  return rows[0]?.first ?? null
}
