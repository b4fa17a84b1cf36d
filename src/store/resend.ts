import { sql } from 'kysely'
import type { Tx } from './database.ts'
import { ERASED } from './erase.ts'

/** A message with what it takes to send it again. */
export interface SentRow {
  readonly userId: string | null
  readonly recipient: string
  readonly to: unknown
  readonly tenantId: string | null
  readonly listId: string | null
  readonly audienceId: string | null
  readonly topicId: string | null
  readonly definition: unknown
  /** Its user was erased: nobody knows any more whom it was for. */
  readonly erased: boolean
}

/** Null where there is none. */
export async function readSent(tx: Tx, environmentId: string, id: string): Promise<SentRow | null> {
  const { rows } = await sql<SentRow>`
    select m.user_id as "userId", m.recipient, m."to", m.tenant_id as "tenantId", m.list_id as "listId",
           m.audience_id as "audienceId", m.topic_id as "topicId", r.definition,
           m.user_id is null and m.recipient = ${ERASED} as erased
    from message m join request r on r.environment_id = m.environment_id and r.id = m.request_id
    where m.environment_id = ${environmentId} and m.id = ${id}`.execute(tx)
  return rows[0] ?? null
}
