import { sql } from 'kysely'
import type { Channel, DeliveryStatus, MessageReason, MessageStatus, ProviderHealth } from '../generated/tables.ts'
import type { Tx } from './database.ts'

/** What changes about a message. Times that are null stay as they are. */
export interface MessageChange {
  readonly environmentId: string
  readonly id: string
  readonly status: MessageStatus
  readonly reason: MessageReason | null
  readonly error: string | null
  readonly sentAt: Date | null
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

/** Moves messages; updated_at says when the status last changed. Those that are no longer a delivery's to move (canceled, say) are not in the answer. */
export async function changeMessages(tx: Tx, changes: readonly MessageChange[]): Promise<ReadonlySet<string>> {
  if (changes.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    update message m
    set status = c.status, reason = c.reason, error = c.error,
        updated_at = case when m.status <> c.status then c."updatedAt" else m.updated_at end,
        sent_at = coalesce(m.sent_at, c."sentAt")
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb)
      as c("environmentId" text, id text, status message_status, reason message_reason, error text, "sentAt" timestamptz,
           "updatedAt" timestamptz)
    where m.environment_id = c."environmentId" and m.id = c.id and m.status in ${MOVABLE}
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
    insert into delivery
      (environment_id, id, message_id, channel, provider_id, address, status, reference, error, started_at, sent_at, next_attempt_at, attempts)
    select "environmentId", id, "messageId", channel, "providerId", address, status, reference, error, "startedAt", "sentAt",
           "nextAttemptAt", attempts
    from jsonb_to_recordset(${JSON.stringify(deliveries)}::jsonb) as ${DELIVERY_COLUMNS}`.execute(tx)
}

/** Deliveries that go on. What a provider said of itself and when it took the message stay. */
export async function changeDeliveries(tx: Tx, changes: readonly DeliveryChange[]): Promise<void> {
  if (changes.length === 0) return
  await sql`
    update delivery d
    set status = c.status, reference = coalesce(c.reference, d.reference), error = c.error,
        sent_at = coalesce(d.sent_at, c."sentAt"), next_attempt_at = c."nextAttemptAt", attempts = c.attempts
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as ${DELIVERY_COLUMNS}
    where d.environment_id = c."environmentId" and d.id = c.id`.execute(tx)
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
    insert into plan (environment_id, message_id, decisions)
    select "environmentId", "messageId", decisions
    from jsonb_to_recordset(${JSON.stringify(plans)}::jsonb) as p("environmentId" text, "messageId" text, decisions jsonb)
    order by 1, 2
    on conflict (environment_id, message_id) do update set decisions = excluded.decisions`.execute(tx)
}

export async function keepOutputs(tx: Tx, outputs: readonly NewOutput[]): Promise<void> {
  if (outputs.length === 0) return
  await sql`
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

/** Marks the accounts as they were put at `putAt`; one that was put again since keeps the health it got with that. */
export async function markProviders(
  tx: Tx,
  marks: readonly { environmentId: string; id: string; putAt: Date; health: ProviderHealth; error: string }[],
): Promise<void> {
  if (marks.length === 0) return
  const once = [...new Map(marks.map((mark) => [`${mark.environmentId}\n${mark.id}\n${mark.putAt.getTime()}`, mark])).values()]
  await sql`
    update provider p set health = m.health, last_error = m.error
    from jsonb_to_recordset(${JSON.stringify(once)}::jsonb) as m("environmentId" text, id text, "putAt" timestamptz, health provider_health, error text)
    where p.environment_id = m."environmentId" and p.id = m.id and p.updated_at = m."putAt"`.execute(tx)
}
