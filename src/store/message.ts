import { sql } from 'kysely'
import type { ApiKeyMode } from '../generated/tables.ts'
import type { Tx } from './database.ts'

export interface NewRequest {
  readonly environmentId: string
  readonly id: string
  readonly mode: ApiKeyMode
  readonly definition: unknown
  readonly acceptedAt: Date
}

export interface NewMessage {
  readonly environmentId: string
  readonly id: string
  readonly requestId: string
  readonly userId: string | null
  readonly recipient: string
  readonly to: unknown
  readonly tags: readonly string[]
  readonly traceId: string | null
  readonly event: string | null
  readonly enqueuedAt: Date
}

/** Writes requests and their messages in one statement, one parameter for each table whatever their number. */
export async function insertMessages(tx: Tx, requests: readonly NewRequest[], messages: readonly NewMessage[]): Promise<void> {
  if (messages.length === 0) return
  await sql`
    with new_request as (
      insert into request (environment_id, id, mode, definition, accepted_at)
      select "environmentId", id, mode, definition, "acceptedAt"
      from jsonb_to_recordset(${JSON.stringify(requests)}::jsonb)
        as r("environmentId" text, id text, mode api_key_mode, definition jsonb, "acceptedAt" timestamptz)
    )
    insert into message (environment_id, id, request_id, user_id, recipient, "to", tags, trace_id, event, enqueued_at, updated_at)
    select "environmentId", id, "requestId", "userId", recipient, "to", tags, "traceId", event, "enqueuedAt", "enqueuedAt"
    from jsonb_to_recordset(${JSON.stringify(messages)}::jsonb)
      as m("environmentId" text, id text, "requestId" text, "userId" text, recipient text, "to" jsonb, tags text[],
           "traceId" text, event text, "enqueuedAt" timestamptz)`.execute(tx)
}
