import { sql } from 'kysely'
import type { Tx } from './database.ts'

/** No further message is made of a request. Waits for a page of them that is being written. False where there is no such request. */
export async function endRequest(tx: Tx, environmentId: string, id: string, now: Date): Promise<boolean> {
  const { rows } = await sql`
    update request set expansion = null, expanded = true, canceled_at = coalesce(canceled_at, ${now})
    where environment_id = ${environmentId} and id = ${id}
    returning id`.execute(tx)
  return rows.length > 0
}

/** Whether a request was canceled. */
export async function isCanceled(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  const { rows } = await sql`
    select from request where environment_id = ${environmentId} and id = ${id} and canceled_at is not null`.execute(tx)
  return rows.length > 0
}

/** Hides a request's messages, those that are still to be made as well. False where there is no such request. */
export async function hideRequest(tx: Tx, environmentId: string, id: string, now: Date): Promise<boolean> {
  const { rows } = await sql`
    update request set archived_at = coalesce(archived_at, ${now})
    where environment_id = ${environmentId} and id = ${id}
    returning id`.execute(tx)
  return rows.length > 0
}
