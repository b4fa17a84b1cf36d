import { sql } from 'kysely'
import type { ApiKeyMode, Channel, DeliveryStatus, MessageStatus } from '../generated/tables.ts'
import type { Db } from './database.ts'
import { type PersonRow, personColumns } from './facts.ts'

/** A message with everything its journey needs, as one read brings it. */
export interface LetterRow extends PersonRow {
  readonly environmentId: string
  readonly id: string
  readonly requestId: string
  readonly status: MessageStatus
  readonly recipient: string
  readonly userId: string | null
  readonly tenantId: string | null
  readonly jobId: string | null
  readonly listId: string | null
  readonly topicId: string | null
  readonly tags: readonly string[]
  readonly to: Record<string, unknown>
  readonly enqueuedAt: Date
  readonly scheduledFor: Date | null
  /** It was a dead letter then, and was put back on its way. */
  readonly redrivenAt: Date | null
  /** When the send limits counted it. */
  readonly countedAt: Date | null
  readonly definition: Record<string, unknown>
  readonly mode: ApiKeyMode
  readonly deliveries: readonly DeliveryRow[] | null
}

export interface DeliveryRow {
  readonly id: string
  readonly channel: Channel
  readonly providerId: string
  readonly address: string
  readonly status: DeliveryStatus
  readonly startedAt: string
  readonly nextAttemptAt: string | null
  /** As they were written. */
  readonly attempts: readonly unknown[]
}

export interface MessageRef {
  readonly environmentId: string
  readonly messageId: string
}

/** Reads messages with what is known of their persons, in one statement whatever their number. */
export async function readLetters(db: Db, refs: readonly MessageRef[]): Promise<ReadonlyMap<string, LetterRow>> {
  const { rows } = await sql<LetterRow>`
    select m.environment_id as "environmentId", m.id, m.request_id as "requestId", m.status, m.recipient, m.user_id as "userId",
           m.tenant_id as "tenantId", m.job_id as "jobId", m.list_id as "listId", m.topic_id as "topicId", m.tags, m."to",
           m.enqueued_at as "enqueuedAt", m.scheduled_for as "scheduledFor", m.redriven_at as "redrivenAt",
           m.counted_at as "countedAt", r.definition, r.mode, ${personColumns(sql`m`)},
           (select jsonb_agg(jsonb_build_object(
              'id', d.id, 'channel', d.channel, 'providerId', d.provider_id, 'status', d.status, 'startedAt', d.started_at,
              'address', d.address, 'nextAttemptAt', d.next_attempt_at,
              'attempts', d.attempts
            ) order by d.started_at, d.id)
            from delivery d where d.environment_id = m.environment_id and d.message_id = m.id) as deliveries
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.messageId)}::text[]) as ref(environment_id, id)
    join message m on m.environment_id = ref.environment_id and m.id = ref.id
    join request r on r.environment_id = m.environment_id and r.id = m.request_id`.execute(db)
  return new Map(rows.map((row) => [row.id, row]))
}
