import type { Db, Tx } from './database.ts'

export async function upsertEnvironment(tx: Tx, row: { id: string; name: string; updatedAt: Date }): Promise<void> {
  await tx
    .insertInto('environment')
    .values({ id: row.id, name: row.name, updated_at: row.updatedAt })
    .onConflict((conflict) => conflict.column('id').doUpdateSet({ name: row.name, updated_at: row.updatedAt }))
    .execute()
}

/** Makes it when missing. */
export async function insertEnvironment(tx: Tx, row: { id: string; name: string }): Promise<void> {
  await tx
    .insertInto('environment')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

export async function environmentExists(db: Db | Tx, id: string): Promise<boolean> {
  return (await db.selectFrom('environment').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}
