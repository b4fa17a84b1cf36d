import { sql } from 'kysely'
import type { MessageStatus } from '../generated/tables.ts'
import type { Tx } from './database.ts'
import { ERASED } from './erase.ts'

export interface DeadLetterRow {
  readonly id: string
  readonly kind: string
  readonly payload: unknown
  readonly messageId: string | null
}

/** Those of these dead letters that there are. */
export async function readDeadLetters(tx: Tx, environmentId: string, ids: readonly string[]): Promise<readonly DeadLetterRow[]> {
  const { rows } = await sql<DeadLetterRow>`
    select id, kind, payload, message_id as "messageId" from dead_letter
    where environment_id = ${environmentId} and id = any(${[...ids]}::text[])
    order by id`.execute(tx)
  return rows
}

/**
 * Takes dead letters away; the answer holds the ids of those that were there. In the order of their ids, so that two who take
 * the same ones do not deadlock.
 */
export async function deleteDeadLetters(tx: Tx, environmentId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    with held as (
      select id from dead_letter
      where environment_id = ${environmentId} and id = any(${[...ids]}::text[])
      order by id
      for update
    )
    delete from dead_letter where environment_id = ${environmentId} and id = any(array(select id from held))
    returning id`.execute(tx)
  return new Set(rows.map(({ id }) => id))
}

/** Takes away the dead letters of messages, which are locked: nobody redrives them meanwhile. */
export async function deleteDeadLettersOf(tx: Tx, environmentId: string, messageIds: readonly string[]): Promise<void> {
  await sql`
    with held as (
      select id from dead_letter
      where environment_id = ${environmentId} and message_id = any(${[...messageIds]}::text[])
      order by id
      for update
    )
    delete from dead_letter where environment_id = ${environmentId} and id = any(array(select id from held))`.execute(tx)
}

/** Locks those of these messages that may go on: neither stopped, nor sent again by another, nor of a user who was erased. */
export async function lockRevivable(tx: Tx, environmentId: string, messageIds: readonly string[]): Promise<ReadonlySet<string>> {
  if (messageIds.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    select id from message
    where environment_id = ${environmentId} and id = any(${[...messageIds]}::text[]) and status <> 'CANCELED'
      and replaced_by is null and not (user_id is null and recipient = ${ERASED})
    order by id
    for no key update`.execute(tx)
  return new Set(rows.map(({ id }) => id))
}

/** A message that is on its way again, as its event tells of it. */
export interface RevivedMessage {
  readonly id: string
  readonly requestId: string
  readonly jobId: string | null
  readonly userId: string | null
  readonly tenantId: string | null
  /** SENT and what follows it stay: one of its addresses took it before. */
  readonly status: MessageStatus
}

/** Puts messages back to where they began. What was tried before counts no more. */
export async function reviveMessages(
  tx: Tx,
  environmentId: string,
  messageIds: readonly string[],
  now: Date,
): Promise<readonly RevivedMessage[]> {
  if (messageIds.length === 0) return []
  const { rows } = await sql<RevivedMessage>`
    update message
    set redriven_at = ${now},
        status = case status when 'UNDELIVERABLE' then 'ENQUEUED' else status end,
        reason = case status when 'UNDELIVERABLE' then null else reason end,
        error = case status when 'UNDELIVERABLE' then null else error end,
        updated_at = case status when 'UNDELIVERABLE' then ${now} else updated_at end
    where environment_id = ${environmentId} and id = any(${[...messageIds]}::text[])
    returning id, request_id as "requestId", job_id as "jobId", user_id as "userId", tenant_id as "tenantId", status`.execute(tx)
  return rows
}
