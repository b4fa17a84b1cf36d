import { sql } from 'kysely'
import type { MessageStatus } from '../generated/tables.ts'
import type { Tx } from './database.ts'

/** A message that was stopped, as its event tells of it. */
export interface CanceledMessage {
  readonly id: string
  readonly requestId: string
  readonly jobId: string | null
  readonly userId: string | null
  readonly tenantId: string | null
}

/** Where a message stands; nobody else moves it before the transaction ends. Null where there is none. */
export async function lockMessage(tx: Tx, environmentId: string, id: string): Promise<MessageStatus | null> {
  const row = await tx
    .selectFrom('message')
    .select('status')
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .forNoKeyUpdate()
    .executeTakeFirst()
  return row?.status ?? null
}

/**
 * Locks the next of a request's messages that are still to be sent, in the order of their ids. One that another transaction is
 * writing right now is passed over: whoever waited for it with others in hand could deadlock with who records results.
 *
 * @param after the id to go on after; empty: from the first
 */
export async function lockPending(
  tx: Tx,
  environmentId: string,
  requestId: string,
  after: string,
  limit: number,
): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`
    select id from message
    where environment_id = ${environmentId} and request_id = ${requestId} and id > ${after} and message_tally(status) = 'pending'
    order by id limit ${limit}
    for no key update skip locked`.execute(tx)
  return rows.map(({ id }) => id)
}

export async function hasPending(tx: Tx, environmentId: string, requestId: string): Promise<boolean> {
  const { rows } = await sql`
    select from message
    where environment_id = ${environmentId} and request_id = ${requestId} and message_tally(status) = 'pending'
    limit 1`.execute(tx)
  return rows.length > 0
}

/**
 * Cancels those of these messages that are still to be sent and whose provider is not being called, and ends what of their
 * deliveries waits. They must be locked by an earlier statement of this transaction: then this one sees every attempt that was
 * noted before the lock, and none is noted after it.
 */
export async function cancelLocked(
  tx: Tx,
  environmentId: string,
  ids: readonly string[],
  now: Date,
): Promise<readonly CanceledMessage[]> {
  if (ids.length === 0) return []
  const { rows } = await sql<CanceledMessage>`
    with canceled as (
      update message m set status = 'CANCELED', canceled_at = ${now}, updated_at = ${now}
      where m.environment_id = ${environmentId} and m.id = any(${[...ids]}::text[]) and message_tally(m.status) = 'pending'
        and not exists (
          select from delivery d
          where d.environment_id = m.environment_id and d.message_id = m.id and d.status = 'ATTEMPTING'
        )
      returning m.id, m.request_id as "requestId", m.job_id as "jobId", m.user_id as "userId", m.tenant_id as "tenantId"
    ), ended as (
      update delivery d
      set next_attempt_at = null, status = case d.status when 'RETRYING' then 'UNDELIVERABLE' else d.status end
      from canceled
      where d.environment_id = ${environmentId} and d.message_id = canceled.id
        and (d.next_attempt_at is not null or d.status = 'RETRYING')
    )
    select * from canceled order by id`.execute(tx)
  return rows
}
