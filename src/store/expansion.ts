import { sql } from 'kysely'
import type { Db, Tx } from './database.ts'

/** A request whose groups are being expanded; null where it is gone, or nothing of it is left to expand. */
export async function readExpansion(
  db: Db,
  environmentId: string,
  requestId: string,
): Promise<{ readonly definition: unknown; readonly expansion: unknown; readonly acceptedAt: Date } | null> {
  const row = await db
    .selectFrom('request')
    .select(['definition', 'expansion', 'accepted_at as acceptedAt'])
    .where('environment_id', '=', environmentId)
    .where('id', '=', requestId)
    .where('expansion', 'is not', null)
    .executeTakeFirst()
  return row ?? null
}

/** Keeps others from ending the expansion until the transaction does; false where it has ended. */
export async function lockExpansion(tx: Tx, environmentId: string, requestId: string): Promise<boolean> {
  const row = await tx
    .selectFrom('request')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('id', '=', requestId)
    .where('expansion', 'is not', null)
    .forNoKeyUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** Keeps how far it is; null: every message exists. */
export async function keepExpansion(tx: Tx, environmentId: string, requestId: string, expansion: object | null): Promise<void> {
  await sql`
    update request
    set expansion = ${expansion === null ? null : JSON.stringify(expansion)}::jsonb, expanded = ${expansion === null}
    where environment_id = ${environmentId} and id = ${requestId}`.execute(tx)
}
