import { sql } from 'kysely'
import type { Channel, DeliveryStatus, MessageReason, MessageStatus } from '../generated/tables.ts'
import type { Tx } from './database.ts'
import { ERASED } from './erase.ts'

/** How a provider names a delivery: its message, and the beginning of its id. */
export interface ReportedRef {
  readonly messageId: string
  readonly idPrefix: string
}

export interface FoundDelivery extends ReportedRef {
  readonly id: string
  readonly reports: readonly string[]
}

/** The deliveries of one account that are meant, nothing locked. Those of other accounts and environments are not found. */
export async function findReported(
  tx: Tx,
  place: { readonly environmentId: string; readonly providerId: string },
  refs: readonly ReportedRef[],
): Promise<readonly FoundDelivery[]> {
  const { rows } = await sql<FoundDelivery>`
    select d.id, d.message_id as "messageId", ref.id_prefix as "idPrefix", d.reports
    from unnest(${refs.map((ref) => ref.messageId)}::text[], ${refs.map((ref) => ref.idPrefix)}::text[])
      as ref(message_id, id_prefix)
    join delivery d on d.environment_id = ${place.environmentId} and d.message_id = ref.message_id
    where d.provider_id = ${place.providerId} and starts_with(d.id, ref.id_prefix)`.execute(tx)
  return rows
}

export interface ReportedMessage {
  readonly id: string
  readonly requestId: string
  readonly jobId: string | null
  readonly userId: string | null
  readonly tenantId: string | null
  readonly status: MessageStatus
  readonly reason: MessageReason | null
  readonly error: string | null
  readonly sentAt: Date | null
  readonly deliveredAt: Date | null
  readonly openedAt: Date | null
  readonly clickedAt: Date | null
  /** Nobody may be told apart by it any more. */
  readonly isErased: boolean
}

export interface ReportedDelivery {
  readonly id: string
  readonly messageId: string
  readonly channel: Channel
  readonly providerId: string
  readonly status: DeliveryStatus
  readonly reference: string | null
  readonly error: string | null
  readonly startedAt: Date
  readonly sentAt: Date | null
  readonly deliveredAt: Date | null
  readonly openedAt: Date | null
  readonly clickedAt: Date | null
  readonly nextAttemptAt: Date | null
  /** As they were written. */
  readonly attempts: readonly unknown[]
  readonly reports: readonly string[]
}

/**
 * Messages and all of their deliveries, locked until the transaction ends: the messages first and in the order of their ids,
 * as everybody locks them who writes results.
 */
export async function lockReported(
  tx: Tx,
  environmentId: string,
  messageIds: readonly string[],
): Promise<{ readonly messages: readonly ReportedMessage[]; readonly deliveries: readonly ReportedDelivery[] }> {
  const messages = await sql<ReportedMessage>`
    select id, request_id as "requestId", job_id as "jobId", user_id as "userId", tenant_id as "tenantId", status, reason, error,
           sent_at as "sentAt", delivered_at as "deliveredAt", opened_at as "openedAt", clicked_at as "clickedAt",
           user_id is null and recipient = ${ERASED} as "isErased"
    from message where environment_id = ${environmentId} and id = any(${messageIds})
    order by id for no key update`.execute(tx)
  const deliveries = await sql<ReportedDelivery>`
    select id, message_id as "messageId", channel, provider_id as "providerId", status, reference, error,
           started_at as "startedAt", sent_at as "sentAt", delivered_at as "deliveredAt", opened_at as "openedAt",
           clicked_at as "clickedAt", next_attempt_at as "nextAttemptAt",
           attempts, reports
    from delivery where environment_id = ${environmentId} and message_id = any(${messageIds})
    order by id for no key update`.execute(tx)
  return { messages: messages.rows, deliveries: deliveries.rows }
}

/** Writes them as they are now; updated_at says when a message's status last changed. */
export async function writeReported(
  tx: Tx,
  environmentId: string,
  messages: readonly ReportedMessage[],
  deliveries: readonly ReportedDelivery[],
  now: Date,
): Promise<void> {
  await sql`
    update message m
    set status = c.status, reason = c.reason, error = c.error, sent_at = c."sentAt", delivered_at = c."deliveredAt",
        opened_at = c."openedAt", clicked_at = c."clickedAt",
        updated_at = case when m.status <> c.status then ${now} else m.updated_at end
    from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb)
      as c(id text, status message_status, reason message_reason, error text, "sentAt" timestamptz, "deliveredAt" timestamptz,
           "openedAt" timestamptz, "clickedAt" timestamptz)
    where m.environment_id = ${environmentId} and m.id = c.id`.execute(tx)
  await sql`
    update delivery d
    set status = c.status, error = c.error, sent_at = c."sentAt", delivered_at = c."deliveredAt",
        opened_at = c."openedAt", clicked_at = c."clickedAt", next_attempt_at = c."nextAttemptAt", attempts = c.attempts, reports = c.reports
    from jsonb_to_recordset(${JSON.stringify(deliveries)}::jsonb)
      as c(id text, status delivery_status, error text, "sentAt" timestamptz, "deliveredAt" timestamptz,
           "openedAt" timestamptz, "clickedAt" timestamptz, "nextAttemptAt" timestamptz, attempts jsonb, reports text[])
    where d.environment_id = ${environmentId} and d.id = c.id`.execute(tx)
}

export interface MessageOfJourney {
  readonly environmentId: string
  readonly messageId: string
}

/** Holds messages whose journeys end, so that a report about them comes before that or sees it. Before their deliveries. */
export async function holdEnding(tx: Tx, ending: readonly MessageOfJourney[]): Promise<void> {
  if (ending.length === 0) return
  await sql`
    select from message where (environment_id, id) in (${refsOf(ending)}) order by environment_id, id for no key update`.execute(
    tx,
  )
}

export interface BouncedMessage {
  readonly environmentId: string
  readonly id: string
  readonly requestId: string
  readonly jobId: string | null
  readonly userId: string | null
  readonly tenantId: string | null
  readonly error: string | null
  readonly updatedAt: Date
}

/**
 * Ends messages whose journey is over as BOUNCED where a provider took them, and reported since that it could not deliver,
 * and nobody else has them. While another attempt was to come that could not be said.
 */
export async function endBounced(tx: Tx, ending: readonly MessageOfJourney[]): Promise<readonly BouncedMessage[]> {
  if (ending.length === 0) return []
  const { rows } = await sql<BouncedMessage>`
    update message m
    set status = 'UNDELIVERABLE', reason = 'BOUNCED', updated_at = date_trunc('milliseconds', now()),
        error = (
          select d.error from delivery d
          where d.environment_id = m.environment_id and d.message_id = m.id and 'BOUNCED' = any(d.reports)
          order by d.started_at desc, d.id desc limit 1
        )
    where (m.environment_id, m.id) in (${refsOf(ending)})
      and (m.status = 'SENT' or (m.status = 'UNDELIVERABLE' and m.reason = 'UNKNOWN'))
      and exists (
        select from delivery d
        where d.environment_id = m.environment_id and d.message_id = m.id and 'BOUNCED' = any(d.reports)
      )
      and not exists (
        select from delivery d
        where d.environment_id = m.environment_id and d.message_id = m.id
          and (d.status in ('SENT', 'DELIVERED', 'OPENED', 'CLICKED') or (d.status = 'UNKNOWN' and m.reason = 'UNKNOWN'))
      )
    returning m.environment_id as "environmentId", m.id, m.request_id as "requestId", m.job_id as "jobId",
              m.user_id as "userId", m.tenant_id as "tenantId", m.error, m.updated_at as "updatedAt"`.execute(tx)
  return rows
}

function refsOf(refs: readonly MessageOfJourney[]) {
  return sql`
    select * from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.messageId)}::text[])`
}
