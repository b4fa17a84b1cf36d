import { sql } from 'kysely'
import type { Channel, DeliveryStatus, MessageReason, MessageStatus } from '../generated/tables.ts'
import type { Tx } from './database.ts'

/** What changes about a message. Times that are null stay as they are. */
export interface MessageChange {
  readonly environmentId: string
  readonly id: string
  readonly status: MessageStatus
  readonly reason: MessageReason | null
  readonly error: string | null
  readonly sentAt: Date | null
  readonly scheduledFor?: Date | null
  readonly updatedAt: Date
}

export interface DeliveryChange {
  readonly environmentId: string
  readonly id: string
  readonly messageId: string
  readonly channel: Channel
  readonly providerId: string
  readonly address: string
  readonly status: DeliveryStatus
  readonly reference: string | null
  readonly error: string | null
  readonly startedAt: Date
  readonly sentAt: Date | null
  readonly nextAttemptAt: Date | null
  /** The whole list. */
  readonly attempts: readonly object[]
}

/** A value as it comes back from JSON: its dates are text. */
export type Kept<T> = { readonly [K in keyof T]: T[K] extends Date ? string : T[K] extends Date | null ? string | null : T[K] }

export interface NewOutput {
  readonly environmentId: string
  readonly messageId: string
  readonly channel: Channel
  readonly content: unknown
}

/** Messages still under way, or already sent to one of several addresses: only these may be moved by a delivery. */
const MOVABLE = sql`('ENQUEUED', 'DELAYED', 'ROUTED', 'SENT')`
/** A provider reported it, or a person did it: what another of the message's deliveries comes to does not take that back. */
const REPORTED = sql`('DELIVERED', 'OPENED', 'CLICKED')`

/**
 * Moves messages; updated_at says when the status last changed. Those that are no longer a delivery's to move (canceled, say,
 * or delivered where the change is any other than SENT) are not in the answer. One that was reported BOUNCED between two of its
 * deliveries is SENT by the second.
 */
export async function changeMessages(tx: Tx, changes: readonly MessageChange[]): Promise<ReadonlySet<string>> {
  if (changes.length === 0) return new Set()
  const ordered = [...changes].sort((one, other) => (one.id < other.id ? -1 : 1))
  const { rows } = await sql<{ id: string }>`
    update message m
    set status = case when m.status in ${REPORTED} then m.status else c.status end, reason = c.reason, error = c.error,
        updated_at = case when m.status in (c.status, 'DELIVERED', 'OPENED', 'CLICKED') then m.updated_at else c."updatedAt" end,
        sent_at = coalesce(m.sent_at, c."sentAt"), scheduled_for = coalesce(c."scheduledFor", m.scheduled_for)
    from jsonb_to_recordset(${JSON.stringify(ordered)}::jsonb)
      as c("environmentId" text, id text, status message_status, reason message_reason, error text, "sentAt" timestamptz,
           "scheduledFor" timestamptz, "updatedAt" timestamptz)
    where m.environment_id = c."environmentId" and m.id = c.id
      and (c.status <> 'DELAYED' or m.status in ('ENQUEUED', 'DELAYED'))
      and (m.status in ${MOVABLE}
        or (c.status = 'SENT' and (m.status in ${REPORTED} or (m.status = 'UNDELIVERABLE' and m.reason = 'BOUNCED'))))
    returning m.id`.execute(tx)
  return new Set(rows.map((row) => row.id))
}

const DELIVERY_COLUMNS = sql`
  c("environmentId" text, id text, "messageId" text, channel channel, "providerId" text, address text, status delivery_status,
    reference text, error text, "startedAt" timestamptz, "sentAt" timestamptz, "nextAttemptAt" timestamptz, attempts jsonb)`

/** Deliveries that begin. */
export async function insertDeliveries(tx: Tx, deliveries: readonly DeliveryChange[]): Promise<void> {
  if (deliveries.length === 0) return
  await sql`
    /* prepared: deliveries */
    insert into delivery
      (environment_id, id, message_id, channel, provider_id, address, status, reference, error, started_at, sent_at, next_attempt_at, attempts)
    select "environmentId", id, "messageId", channel, "providerId", address, status, reference, error, "startedAt", "sentAt",
           "nextAttemptAt", attempts
    from jsonb_to_recordset(${JSON.stringify(deliveries)}::jsonb) as ${DELIVERY_COLUMNS}`.execute(tx)
}

/** A provider reported it, or somebody opened it: that is the last word. */
const ARRIVED = sql`('DELIVERED' = any(d.reports) or d.status in ('OPENED', 'CLICKED'))`

/**
 * Deliveries that go on. What a provider said of itself and when it took the message stay. So does what it reported since:
 * what arrived has arrived; an attempt that a report closed is not UNKNOWN again. The answer is the messages that have a
 * delivery among these which was reported BOUNCED.
 */
export async function changeDeliveries(tx: Tx, changes: readonly DeliveryChange[]): Promise<ReadonlySet<string>> {
  if (changes.length === 0) return new Set()
  const { rows } = await sql<{ messageId: string; bounced: boolean }>`
    update delivery d
    set status = case
          when ${ARRIVED} then d.status
          when d.reports = '{}' then c.status
          when c.status in ('SENT', 'UNKNOWN') then 'UNDELIVERABLE'
          else c.status end,
        reference = coalesce(c.reference, d.reference),
        error = case when d.reports = '{}' and not ${ARRIVED} then c.error else d.error end,
        sent_at = coalesce(d.sent_at, c."sentAt"),
        next_attempt_at = case
          when ${ARRIVED} or (d.reports <> '{}' and c.status = 'UNKNOWN') then null
          else c."nextAttemptAt" end,
        attempts = case
          when c.attempts -> -1 ->> 'outcome' = 'ACCEPTED' then c.attempts
          when ${ARRIVED} then d.attempts
          when d.reports = '{}' then c.attempts
          when jsonb_array_length(c.attempts) > jsonb_array_length(d.attempts) then c.attempts
          when coalesce(c.attempts -> -1 ->> 'outcome', 'UNKNOWN') = 'UNKNOWN' then d.attempts
          else c.attempts end
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as ${DELIVERY_COLUMNS}
    where d.environment_id = c."environmentId" and d.id = c.id
    returning d.message_id as "messageId", 'BOUNCED' = any(d.reports) as bounced`.execute(tx)
  return new Set(rows.flatMap(({ messageId, bounced }) => (bounced ? [messageId] : [])))
}

export interface NewPlan {
  readonly environmentId: string
  readonly messageId: string
  readonly decisions: readonly unknown[]
}

/** The last planning of a message is the one that is kept. */
export async function keepPlans(tx: Tx, plans: readonly NewPlan[]): Promise<void> {
  if (plans.length === 0) return
  await sql`
    /* prepared: plans */
    insert into plan (environment_id, message_id, decisions)
    select "environmentId", "messageId", decisions
    from jsonb_to_recordset(${JSON.stringify(plans)}::jsonb) as p("environmentId" text, "messageId" text, decisions jsonb)
    order by 1, 2
    on conflict (environment_id, message_id) do update set decisions = excluded.decisions`.execute(tx)
}

export async function keepOutputs(tx: Tx, outputs: readonly NewOutput[]): Promise<void> {
  if (outputs.length === 0) return
  await sql`
    /* prepared: outputs */
    insert into output (environment_id, message_id, channel, content)
    select "environmentId", "messageId", channel, content
    from jsonb_to_recordset(${JSON.stringify(outputs)}::jsonb)
      as o("environmentId" text, "messageId" text, channel channel, content jsonb)
    order by 1, 2, 3
    on conflict do nothing`.execute(tx)
}

export async function insertDeadLetters(
  tx: Tx,
  letters: readonly {
    environmentId: string
    id: string
    kind: string
    messageId: string | null
    payload: unknown
    error: string
    crashes: number
    at: Date
  }[],
): Promise<void> {
  if (letters.length === 0) return
  await sql`
    insert into dead_letter (environment_id, id, kind, message_id, payload, error, crashes, at)
    select "environmentId", id, kind, "messageId", payload, error, crashes, at
    from jsonb_to_recordset(${JSON.stringify(letters)}::jsonb)
      as l("environmentId" text, id text, kind text, "messageId" text, payload jsonb, error text, crashes int, at timestamptz)`.execute(
    tx,
  )
}

/** A dead token is not tried again until the device brings it back. */
export async function retireDeviceTokens(
  tx: Tx,
  tokens: readonly { environmentId: string; id: string; reason: string }[],
): Promise<void> {
  if (tokens.length === 0) return
  await sql`
    update device_token d set status = 'FAILED', status_reason = t.reason, updated_at = now()
    from jsonb_to_recordset(${JSON.stringify(tokens)}::jsonb) as t("environmentId" text, id text, reason text)
    where d.environment_id = t."environmentId" and d.id = t.id`.execute(tx)
}
