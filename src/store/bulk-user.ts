import { type RawBuilder, sql } from 'kysely'
import type { Tx } from './database.ts'
import { deleteDeadLettersOf } from './dead-letter.ts'
import { ERASED } from './erase.ts'

export interface NewBulkUser {
  /** Whom no other user of the job may be. */
  readonly key: string
  readonly recipient: string
  /** The coerced RecipientInput, its secrets sealed. */
  readonly to: unknown
}

/** to: null where the user was erased. */
export interface BulkUserPlace {
  readonly position: number
  readonly recipient: string
  readonly to: unknown
}

/**
 * Adds users in their order. Whoever is there already stays as they are: the answer holds the keys of those that were added.
 * They are written in the order of their keys, so that two calls that name the same ones cannot deadlock.
 */
export async function insertBulkUsers(
  tx: Tx,
  environmentId: string,
  jobId: string,
  users: readonly NewBulkUser[],
): Promise<ReadonlySet<string>> {
  if (users.length === 0) return new Set()
  const { rows } = await sql<{ key: string }>`
    /* prepared: bulk users */
    with placed as materialized (
      select nextval('bulk_user_position_seq') as position, key, recipient, "to"
      from json_to_recordset(${JSON.stringify(users)}::json) as u(key text, recipient text, "to" json)
    )
    insert into bulk_user (environment_id, job_id, position, key, recipient, "to")
    select ${environmentId}, ${jobId}, position, key, recipient, "to" from placed order by key
    on conflict (environment_id, job_id, key) do nothing
    returning key`.execute(tx)
  return new Set(rows.map(({ key }) => key))
}

/** How much of a list one page holds: so many rows, and rows until their recipients' texts are so long. At least one. */
export interface PageSize {
  readonly rows: number
  readonly bytes: number
}

/** isLast: there is none behind it. */
export interface ListPage<Row> {
  readonly rows: readonly Row[]
  readonly isLast: boolean
}

/** The next users behind a position. */
export async function readBulkUsersAfter(
  tx: Tx,
  environmentId: string,
  jobId: string,
  position: number,
  size: PageSize,
): Promise<ListPage<BulkUserPlace>> {
  const next = sql`
    select position, recipient, "to" from bulk_user
    where environment_id = ${environmentId} and job_id = ${jobId} and position > ${position}
    order by position limit ${size.rows}`
  return readPage(tx, next, 'position', size)
}

/** Cuts off a list behind the row by which it has become too long. */
async function readPage<Row>(
  tx: Tx,
  list: RawBuilder<unknown>,
  orderedBy: keyof Row & string,
  size: PageSize,
): Promise<ListPage<Row>> {
  const { rows } = await sql<Row & { found: number }>`
    with list as materialized (${list}),
    measured as (
      select list.*, count(*) over ()::int as found,
             coalesce(sum(octet_length("to"::text)) over (
               order by ${sql.ref(orderedBy)} rows between unbounded preceding and 1 preceding), 0) as before
      from list
    )
    select * from measured where before < ${size.bytes} order by ${sql.ref(orderedBy)}`.execute(tx)
  const found = rows[0]?.found ?? 0
  return { rows, isLast: found < size.rows && rows.length === found }
}

/** Users for whom no message can be made. */
export async function failBulkUsers(
  tx: Tx,
  environmentId: string,
  jobId: string,
  positions: readonly number[],
  error: string,
): Promise<void> {
  if (positions.length === 0) return
  await sql`
    update bulk_user set error = ${error}
    where environment_id = ${environmentId} and job_id = ${jobId} and position = any(${[...positions]}::bigint[])`.execute(tx)
}

/** A message that failed and the one that is sent in its place. */
export interface Replacement {
  readonly position: number
  readonly messageId: string
  readonly replacedBy: string
}

/** From now on the later message is the user's, and the job counts it alone: what was given up of the first stays so. */
export async function replaceMessages(
  tx: Tx,
  environmentId: string,
  jobId: string,
  replacements: readonly Replacement[],
): Promise<void> {
  if (replacements.length === 0) return
  const all = JSON.stringify(replacements)
  await sql`
    update message m set replaced_by = r."replacedBy"
    from jsonb_to_recordset(${all}::jsonb) as r("messageId" text, "replacedBy" text)
    where m.environment_id = ${environmentId} and m.id = r."messageId"`.execute(tx)
  await sql`
    update bulk_user u set message_id = r."replacedBy"
    from jsonb_to_recordset(${all}::jsonb) as r(position bigint, "replacedBy" text)
    where u.environment_id = ${environmentId} and u.job_id = ${jobId} and u.position = r.position`.execute(tx)
  await deleteDeadLettersOf(
    tx,
    environmentId,
    replacements.map(({ messageId }) => messageId),
  )
}

/** What of a bulk job's message is its user's own: the rest is the job's. */
export interface AddressedMessage {
  readonly id: string
  readonly userId: string | null
  readonly recipient: string
  readonly to: unknown
  readonly tenantId: string | null
  readonly topicId: string | null
}

/**
 * Locks the next of a request's messages that failed and whose place no other took, by their ids: behind `after`, before `before`.
 * Those whose user was erased are left out.
 */
export async function lockFailedMessages(
  tx: Tx,
  environmentId: string,
  requestId: string,
  { after, before }: { readonly after: string; readonly before: string },
  size: PageSize,
): Promise<ListPage<AddressedMessage>> {
  const next = sql`
    select id, user_id as "userId", recipient, "to", tenant_id as "tenantId", topic_id as "topicId" from message
    where environment_id = ${environmentId} and request_id = ${requestId} and id > ${after} and id < ${before}
      and message_tally(status) = 'failed' and replaced_by is null and not (user_id is null and recipient = ${ERASED})
    order by id limit ${size.rows}
    for no key update`
  return readPage(tx, next, 'id', size)
}

/** Whether any message of a request failed whose place no other took. */
export async function hasFailedMessages(tx: Tx, environmentId: string, requestId: string): Promise<boolean> {
  const { rows } = await sql`
    select from message
    where environment_id = ${environmentId} and request_id = ${requestId}
      and message_tally(status) = 'failed' and replaced_by is null and not (user_id is null and recipient = ${ERASED})
    limit 1`.execute(tx)
  return rows.length > 0
}

/**
 * Takes a person out of all bulk jobs; the answer is which they were in. One who is still pending gets an error instead of a
 * message. Lock the jobs before.
 */
export async function eraseBulkUsers(tx: Tx, environmentId: string, key: string): Promise<readonly string[]> {
  const { rows } = await sql<{ jobId: string }>`
    update bulk_user set key = 'erased ' || position, recipient = ${ERASED}, "to" = null
    where environment_id = ${environmentId} and key = ${key}
      and job_id = any(array(select id from bulk_job where environment_id = ${environmentId}))
    returning job_id as "jobId"`.execute(tx)
  return rows.map(({ jobId }) => jobId)
}
