import type { Insertable, Selectable } from 'kysely'
import type { ApiKey } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'

export async function insertApiKey(tx: Tx, row: Insertable<ApiKey>): Promise<void> {
  await tx.insertInto('api_key').values(row).execute()
}

/** Keeps a key that the configuration names: made when missing, left alone when there. */
export async function keepApiKey(tx: Tx, row: Insertable<ApiKey>): Promise<void> {
  await tx
    .insertInto('api_key')
    .values(row)
    .onConflict((conflict) => conflict.column('hash').doNothing())
    .execute()
}

/** The key with this hash if it may be used at this moment, by the database's clock. Notes its use once a minute. */
export async function useApiKey(db: Db, hash: string): Promise<Selectable<ApiKey> | undefined> {
  const row = await db
    .selectFrom('api_key')
    .selectAll()
    .where('hash', '=', hash)
    .where('revoked_at', 'is', null)
    .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', eb.fn<Date>('now'))]))
    .executeTakeFirst()
  if (row && (row.last_used_at === null || row.last_used_at.getTime() < Date.now() - 60_000)) {
    await db
      .updateTable('api_key')
      .set((eb) => ({ last_used_at: eb.fn<Date>('now') }))
      .where('id', '=', row.id)
      .execute()
  }
  return row
}

export async function anyApiKey(db: Db): Promise<boolean> {
  return (await db.selectFrom('api_key').select('id').limit(1).executeTakeFirst()) !== undefined
}
