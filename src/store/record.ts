import { sql } from 'kysely'
import type {
  AttemptOutcome,
  Channel,
  DeliveryStatus,
  MessageReason,
  MessageStatus,
  ProviderHealth,
} from '../generated/tables.ts'
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
  /** Null: as they were. */
  readonly decisions: readonly unknown[] | null
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
}

export interface AttemptChange {
  readonly environmentId: string
  readonly deliveryId: string
  readonly number: number
  readonly fence: number
  readonly startedAt: Date
  readonly endedAt: Date | null
  readonly outcome: AttemptOutcome | null
  readonly rejected: string | null
  readonly code: string | null
  readonly error: string | null
}

export interface NewOutput {
  readonly environmentId: string
  readonly messageId: string
  readonly channel: Channel
  readonly content: unknown
}

/** Messages still under way, or already sent to one of several addresses: only these may be moved by a delivery. */
const MOVABLE = sql`('ENQUEUED', 'DELAYED', 'ROUTED', 'SENT')`

/** Moves messages; those that are no longer a delivery's to move (canceled, say) are not in the answer. */
export async function changeMessages(tx: Tx, changes: readonly MessageChange[]): Promise<ReadonlySet<string>> {
  if (changes.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    update message m
    set status = c.status, reason = c.reason, error = c.error, updated_at = c."updatedAt",
        sent_at = coalesce(m.sent_at, c."sentAt"), decisions = coalesce(c.decisions, m.decisions)
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb)
      as c("environmentId" text, id text, status message_status, reason message_reason, error text, "sentAt" timestamptz,
           "updatedAt" timestamptz, decisions jsonb)
    where m.environment_id = c."environmentId" and m.id = c.id and m.status in ${MOVABLE}
    returning m.id`.execute(tx)
  return new Set(rows.map((row) => row.id))
}

export async function changeDeliveries(tx: Tx, changes: readonly DeliveryChange[]): Promise<void> {
  if (changes.length === 0) return
  await sql`
    insert into delivery (environment_id, id, message_id, channel, provider_id, address, status, reference, error, started_at, sent_at, next_attempt_at)
    select "environmentId", id, "messageId", channel, "providerId", address, status, reference, error, "startedAt", "sentAt", "nextAttemptAt"
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb)
      as c("environmentId" text, id text, "messageId" text, channel channel, "providerId" text, address text, status delivery_status,
           reference text, error text, "startedAt" timestamptz, "sentAt" timestamptz, "nextAttemptAt" timestamptz)
    order by 1, 2
    on conflict (environment_id, id) do update
      set status = excluded.status, reference = coalesce(excluded.reference, delivery.reference), error = excluded.error,
          sent_at = coalesce(delivery.sent_at, excluded.sent_at), next_attempt_at = excluded.next_attempt_at`.execute(tx)
}

export async function changeAttempts(tx: Tx, changes: readonly AttemptChange[]): Promise<void> {
  if (changes.length === 0) return
  await sql`
    insert into attempt (environment_id, delivery_id, number, fence, started_at, ended_at, outcome, rejected, code, error)
    select "environmentId", "deliveryId", number, fence, "startedAt", "endedAt", outcome, rejected, code, error
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb)
      as c("environmentId" text, "deliveryId" text, number int, fence bigint, "startedAt" timestamptz, "endedAt" timestamptz,
           outcome attempt_outcome, rejected text, code text, error text)
    order by 1, 2, 3
    on conflict (environment_id, delivery_id, number) do update
      set ended_at = excluded.ended_at, outcome = excluded.outcome, rejected = excluded.rejected, code = excluded.code, error = excluded.error`.execute(
    tx,
  )
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
    messageId: string
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

export async function markProviders(
  tx: Tx,
  marks: readonly { environmentId: string; id: string; health: ProviderHealth; error: string }[],
): Promise<void> {
  if (marks.length === 0) return
  const once = [...new Map(marks.map((mark) => [`${mark.environmentId}\n${mark.id}`, mark])).values()]
  await sql`
    update provider p set health = m.health, last_error = m.error
    from jsonb_to_recordset(${JSON.stringify(once)}::jsonb) as m("environmentId" text, id text, health provider_health, error text)
    where p.environment_id = m."environmentId" and p.id = m.id`.execute(tx)
}
