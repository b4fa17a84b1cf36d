import { sql } from 'kysely'
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
}

export function createMessageReads(db: Db): MessageReads {
  return {
    async countMessages(environmentId, requestId, userId) {
      const { rows } = await sql<MessageCounts>`
        select count(*)::int as total,
               count(*) filter (where message_tally(status) = 'pending')::int as pending,
               count(*) filter (where message_tally(status) = 'sent')::int as sent,
               count(*) filter (where message_tally(status) = 'failed')::int as failed,
               count(*) filter (where message_tally(status) = 'skipped')::int as skipped,
               count(*) filter (where message_tally(status) = 'canceled')::int as canceled
        from message
        where environment_id = ${environmentId} and request_id = ${requestId}
          and (${userId}::text is null or user_id = ${userId}::text)`.execute(db)
      return rows[0]!
    },
  }
}
