import { type InsertObject, sql } from 'kysely'
import type { DB } from '../generated/tables.ts'
import type { Tx } from './database.ts'

/** The tables whose rows have an id of their own in each environment. */
type Table = 'audience' | 'brand' | 'list' | 'provider' | 'tenant' | 'topic' | 'user'

/** Makes a row, or replaces the whole of it but the time it was made at. */
export async function putRow<T extends Table>(tx: Tx, table: T, row: InsertObject<DB, T>): Promise<void> {
  const { environment_id, id, created_at, ...rest } = row as InsertObject<DB, Table>
  await tx
    .insertInto(table as Table)
    .values(row as InsertObject<DB, Table>)
    .onConflict((conflict) => conflict.columns(['environment_id', 'id']).doUpdateSet(rest))
    .execute()
}

/** With what hangs on it by a foreign key. False where there was none. */
export async function deleteRow(tx: Tx, table: Table, environmentId: string, id: string): Promise<boolean> {
  const gone = await tx
    .deleteFrom(table)
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .returning('id')
    .executeTakeFirst()
  return gone !== undefined
}

/** Which of these there are. They cannot be deleted before the transaction ends. For whoever writes their ids into other rows. */
export async function holdRows(
  tx: Tx,
  table: Table,
  environmentId: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select id from ${sql.table(table)}
    where environment_id = ${environmentId} and id = any(${[...ids]}::text[])
    order by id
    for key share`.execute(tx)
  return new Set(rows.map(({ id }) => id))
}

/** Whether there is such a row, held in the same way. */
export async function holdRow(tx: Tx, table: Table, environmentId: string, id: string): Promise<boolean> {
  return (await holdRows(tx, table, environmentId, [id])).has(id)
}

const LOCKS = {
  /** Nobody else changes it. */
  change: sql`for no key update`,
  /** Nor may anybody hold it. */
  deletion: sql`for update`,
}

/** Whether there is such a row; it is locked for a change, or for its deletion, until the transaction ends. */
export async function lockRow(
  tx: Tx,
  table: Table,
  environmentId: string,
  id: string,
  before: keyof typeof LOCKS,
): Promise<boolean> {
  const { rows } = await sql`
    select from ${sql.table(table)} where environment_id = ${environmentId} and id = ${id} ${LOCKS[before]}`.execute(tx)
  return rows.length > 0
}
