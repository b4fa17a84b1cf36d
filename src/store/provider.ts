import type { Insertable, Selectable } from 'kysely'
import type { Provider } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'
import { putRow } from './row.ts'

export async function lockProvider(tx: Tx, environmentId: string, id: string): Promise<Selectable<Provider> | undefined> {
  return tx
    .selectFrom('provider')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

/** Puts the whole account; a new put makes a failing or refused account whole again. */
export async function upsertProvider(tx: Tx, row: Insertable<Provider>): Promise<void> {
  await putRow(tx, 'provider', { ...row, health: 'OK', last_error: null })
}

export async function readProviders(db: Db, environmentIds: readonly string[]): Promise<readonly Selectable<Provider>[]> {
  if (environmentIds.length === 0) return []
  return db
    .selectFrom('provider')
    .selectAll()
    .where('environment_id', 'in', [...environmentIds])
    .execute()
}
