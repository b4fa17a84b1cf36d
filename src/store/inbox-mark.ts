import { sql } from 'kysely'
import type { Tx } from './database.ts'

/** What was done with an inbox message. */
export interface InboxState {
  readonly id: string
  readonly userId: string
  readonly tenantId: string | null
  readonly readAt: Date | null
  readonly openedAt: Date | null
  readonly archivedAt: Date | null
  readonly clickedAt: Date | null
}

const STATE = sql`
  id, user_id as "userId", tenant_id as "tenantId", read_at as "readAt", opened_at as "openedAt", archived_at as "archivedAt",
  clicked_at as "clickedAt"`

/** Those of these messages that are in the user's inboxes, nothing locked. @param tenantId null: in whichever of them */
export async function findInboxStates(
  tx: Tx,
  inbox: { readonly environmentId: string; readonly userId: string; readonly tenantId: string | null },
  ids: readonly string[],
): Promise<readonly InboxState[]> {
  const { environmentId, userId, tenantId } = inbox
  const { rows } = await sql<InboxState>`
    select ${STATE} from inbox_message
    where environment_id = ${environmentId} and user_id = ${userId} and id = any(${ids}::text[])
      and (${tenantId}::text is null or tenant_id = ${tenantId})
      and (expires_at is null or expires_at > now())`.execute(tx)
  return rows
}

/** Locks inbox messages until the transaction ends, in the order of their ids; one that is gone or expired is left out. */
export async function lockInboxStates(tx: Tx, environmentId: string, ids: readonly string[]): Promise<readonly InboxState[]> {
  const { rows } = await sql<InboxState>`
    select ${STATE} from inbox_message
    where environment_id = ${environmentId} and id = any(${ids}::text[]) and (expires_at is null or expires_at > now())
    order by id for no key update`.execute(tx)
  return rows
}

export async function writeInboxStates(tx: Tx, environmentId: string, states: readonly InboxState[]): Promise<void> {
  await sql`
    update inbox_message m
    set read_at = s."readAt", opened_at = s."openedAt", archived_at = s."archivedAt", clicked_at = s."clickedAt"
    from jsonb_to_recordset(${JSON.stringify(states)}::jsonb)
      as s(id text, "readAt" timestamptz, "openedAt" timestamptz, "archivedAt" timestamptz, "clickedAt" timestamptz)
    where m.environment_id = ${environmentId} and m.id = s.id`.execute(tx)
}
