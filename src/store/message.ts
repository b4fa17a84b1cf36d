import { sql } from 'kysely'
import type { ApiKeyMode, MessageReason, MessageStatus } from '../generated/tables.ts'
import type { Tx } from './database.ts'

export interface NewRequest {
  readonly environmentId: string
  readonly id: string
  readonly mode: ApiKeyMode
  readonly definition: unknown
  /** How far its groups are expanded; null where it has none. */
  readonly expansion: unknown
  readonly acceptedAt: Date
}

export interface NewMessage {
  readonly environmentId: string
  readonly id: string
  readonly requestId: string
  readonly status: MessageStatus
  readonly reason: MessageReason | null
  readonly error: string | null
  readonly userId: string | null
  readonly recipient: string
  readonly to: unknown
  readonly tenantId: string | null
  /** The bulk job that it is of. */
  readonly jobId?: string
  readonly listId: string | null
  readonly audienceId: string | null
  readonly templateId?: string | null
  readonly templateVersion?: number | null
  readonly topicId: string | null
  /** The message that this one sends again. */
  readonly resendOf?: string
  readonly tags: readonly string[]
  readonly traceId: string | null
  readonly event: string | null
  readonly enqueuedAt: Date
  readonly scheduledFor?: Date | null
  /** As text: ISO 8601. */
  readonly expiresAt?: string | null
}

/**
 * Writes requests and their messages in one statement, one parameter for each table whatever their number. A message that is
 * there already stays as it is: the answer holds the ids of those that were written.
 */
export async function insertMessages(
  tx: Tx,
  requests: readonly NewRequest[],
  messages: readonly NewMessage[],
): Promise<ReadonlySet<string>> {
  if (requests.length === 0 && messages.length === 0) return new Set()
  const { rows } = await sql<{ id: string }>`
    /* prepared: accept */
    with new_request as (
      insert into request (environment_id, id, mode, definition, expansion, expanded, accepted_at)
      select "environmentId", id, mode, definition, nullif(expansion, 'null'), nullif(expansion, 'null') is null, "acceptedAt"
      from jsonb_to_recordset(${JSON.stringify(requests)}::jsonb)
        as r("environmentId" text, id text, mode api_key_mode, definition jsonb, expansion jsonb, "acceptedAt" timestamptz)
    )
    insert into message
      (environment_id, id, request_id, status, reason, error, user_id, recipient, "to", tenant_id, job_id, list_id, audience_id, template_id,
       template_version, topic_id, resend_of, tags, trace_id, event, enqueued_at, scheduled_for, expires_at, updated_at)
    select "environmentId", id, "requestId", status, reason, error, "userId", recipient, "to", "tenantId", "jobId", "listId", "audienceId",
           "templateId", "templateVersion", "topicId", "resendOf", tags, "traceId", event, "enqueuedAt", "scheduledFor", "expiresAt", "enqueuedAt"
    from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb)
      as m("environmentId" text, id text, "requestId" text, status message_status, reason message_reason, error text, "userId" text,
           recipient text, "to" jsonb, "tenantId" text, "jobId" text, "listId" text, "audienceId" text, "templateId" text,
           "templateVersion" int, "topicId" text, "resendOf" text, tags text[], "traceId" text, event text, "enqueuedAt" timestamptz,
           "scheduledFor" timestamptz, "expiresAt" timestamptz)
    on conflict (environment_id, id) do nothing
    returning id`.execute(tx)
  return new Set(rows.map(({ id }) => id))
}
