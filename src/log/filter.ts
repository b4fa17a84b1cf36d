import { type RawBuilder, sql } from 'kysely'
import type { EventFilter, LogEvent } from './event.ts'

/**
 * What a filter lets through, said twice: as a predicate for events in memory, and as SQL for those in the table. The two
 * must always agree: a follower reads its past with the one and its present with the other.
 * An empty list of ids or types lets nothing through.
 */

/** Precompiled, since it is asked for every event by every follower. It reads neither position nor environment. */
export function predicateOf(filter: EventFilter): (event: LogEvent) => boolean {
  const { stream, userId, tenantId } = filter
  const messageIds = filter.messageIds && new Set(filter.messageIds)
  const requestIds = filter.requestIds && new Set(filter.requestIds)
  const jobIds = filter.jobIds && new Set(filter.jobIds)
  const types = filter.types && new Set(filter.types)
  const visible = filter.visibleTo && visibility(filter.visibleTo)
  return (event) =>
    event.stream === stream &&
    (messageIds === undefined || (event.messageId !== null && messageIds.has(event.messageId))) &&
    (requestIds === undefined || (event.requestId !== null && requestIds.has(event.requestId))) &&
    (jobIds === undefined || (event.jobId !== null && jobIds.has(event.jobId))) &&
    (userId === undefined || event.userId === userId) &&
    (tenantId === undefined || event.tenantId === tenantId) &&
    (types === undefined || types.has(event.type)) &&
    (visible === undefined || visible(event))
}

/** The same as a condition on the table `event`. */
export function conditionOf(filter: EventFilter): RawBuilder<boolean> {
  const all = [sql<boolean>`stream = ${filter.stream}::event_stream`]
  if (filter.messageIds) all.push(isOneOf('message_id', filter.messageIds))
  if (filter.requestIds) all.push(isOneOf('request_id', filter.requestIds))
  if (filter.jobIds) all.push(isOneOf('job_id', filter.jobIds))
  if (filter.userId !== undefined) all.push(sql`user_id = ${filter.userId}`)
  if (filter.tenantId !== undefined) all.push(sameTenant(filter.tenantId))
  if (filter.types) all.push(sql`type = any(${filter.types}::text[])`)
  if (filter.visibleTo) all.push(visibleSql(filter.visibleTo))
  return sql<boolean>`(${sql.join(all, sql` and `)})`
}

/** One alone is asked for by equality: its index then is in the order of the log, and where it begins is the index's first entry. */
function isOneOf(column: 'message_id' | 'request_id' | 'job_id', ids: readonly string[]): RawBuilder<boolean> {
  return ids.length === 1 ? sql`${sql.ref(column)} = ${ids[0]}` : sql`${sql.ref(column)} = any(${ids}::text[])`
}

type Rights = NonNullable<EventFilter['visibleTo']>

/** A token bound to a tenant sees its user's events within that tenant only; what it names it sees wherever that happens. */
function visibility(rights: Rights): (event: LogEvent) => boolean {
  const { userId, tenantId } = rights
  const requestIds = new Set(rights.requestIds)
  const jobIds = new Set(rights.jobIds)
  return (event) =>
    (userId !== null && event.userId === userId && (tenantId === null || event.tenantId === tenantId)) ||
    (event.requestId !== null && requestIds.has(event.requestId)) ||
    (event.jobId !== null && jobIds.has(event.jobId))
}

function visibleSql(rights: Rights): RawBuilder<boolean> {
  const any: RawBuilder<boolean>[] = [sql`false`]
  if (rights.userId !== null && rights.tenantId === null) any.push(sql`user_id = ${rights.userId}`)
  if (rights.userId !== null && rights.tenantId !== null)
    any.push(sql`(user_id = ${rights.userId} and tenant_id = ${rights.tenantId})`)
  if (rights.requestIds.length > 0) any.push(sql`request_id = any(${rights.requestIds}::text[])`)
  if (rights.jobIds.length > 0) any.push(sql`job_id = any(${rights.jobIds}::text[])`)
  return sql<boolean>`(${sql.join(any, sql` or `)})`
}

function sameTenant(tenantId: string | null): RawBuilder<boolean> {
  return tenantId === null ? sql`tenant_id is null` : sql`tenant_id = ${tenantId}`
}
