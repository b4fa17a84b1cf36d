import { sql } from 'kysely'
import type { LogEvent } from '../log/event.ts'
import type { Db } from './database.ts'

export interface MessageCounts {
  readonly total: number
  readonly pending: number
  readonly sent: number
  readonly failed: number
  readonly skipped: number
  readonly canceled: number
}

export interface MessageReads {
  /** How the messages of a request stand now: total is the sum of the rest. userId: only those of this user. */
  countMessages(environmentId: string, requestId: string, userId: string | null): Promise<MessageCounts>
  /** A message's events after a position, oldest first. */
  readHistory(environmentId: string, messageId: string, page: HistoryPage): Promise<readonly LogEvent[]>
}

export interface HistoryPage {
  readonly after: number
  readonly types: readonly string[] | null
  readonly take: number
}

export function createMessageReads(db: Db): MessageReads {
  return {
    async countMessages(environmentId, requestId, userId) {
      const { rows } = await sql<MessageCounts>`
        select count(*)::int as total,
               count(*) filter (where status in ('ENQUEUED', 'DELAYED', 'ROUTED'))::int as pending,
               count(*) filter (where status in ('SENT', 'DELIVERED', 'OPENED', 'CLICKED', 'SIMULATED'))::int as sent,
               count(*) filter (where status in ('UNMAPPED', 'UNROUTABLE', 'UNDELIVERABLE'))::int as failed,
               count(*) filter (where status in ('FILTERED', 'THROTTLED', 'DIGESTED'))::int as skipped,
               count(*) filter (where status = 'CANCELED')::int as canceled
        from message
        where environment_id = ${environmentId} and request_id = ${requestId}
          and (${userId}::text is null or user_id = ${userId}::text)`.execute(db)
      return rows[0]!
    },
    async readHistory(environmentId, messageId, { after, types, take }) {
      const { rows } = await sql<LogEvent>`
        select environment_id as "environmentId", position, stream, type, at, message_id as "messageId", request_id as "requestId",
               job_id as "jobId", user_id as "userId", tenant_id as "tenantId", status, reason, channel, provider_id as "providerId",
               error, detail
        from event
        where environment_id = ${environmentId} and message_id = ${messageId} and stream = 'MESSAGE' and position > ${after}
          and (${types}::text[] is null or type = any(${types}::text[]))
        order by position limit ${take}`.execute(db)
      return rows
    },
  }
}
