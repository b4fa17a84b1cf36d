import { type Insertable, sql } from 'kysely'
import type { Brand } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'

/** A brand as its row holds it: settings and snippets are what domain/brand.ts put there. */
export interface BrandRow {
  readonly environmentId: string
  readonly id: string
  readonly name: string
  readonly settings: unknown
  readonly snippets: unknown
}

/** Reads brands, of whatever environments, in one statement: by `${environmentId}\n${id}`. Those that are not there are left out. */
export async function readBrands(
  db: Db,
  refs: readonly { readonly environmentId: string; readonly id: string }[],
): Promise<ReadonlyMap<string, BrandRow>> {
  if (refs.length === 0) return new Map()
  const { rows } = await sql<BrandRow>`
    select b.environment_id as "environmentId", b.id, b.name, b.settings, b.snippets
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.id)}::text[]) as ref(environment_id, id)
    join brand b on b.environment_id = ref.environment_id and b.id = ref.id`.execute(db)
  return new Map(rows.map((row) => [`${row.environmentId}\n${row.id}`, row]))
}

export async function upsertBrand(tx: Tx, row: Insertable<Brand>): Promise<void> {
  const { environment_id, id, ...rest } = row
  await tx
    .insertInto('brand')
    .values(row)
    .onConflict((conflict) => conflict.columns(['environment_id', 'id']).doUpdateSet(rest))
    .execute()
}

/** Whether there is such a brand; it then stays until the transaction ends. For whoever writes its id into a row. */
export async function holdBrand(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('brand')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .forKeyShare()
    .executeTakeFirst()
  return row !== undefined
}

/** Whether there is such a brand; nobody else can hold or delete it until the transaction ends. */
export async function lockBrand(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  const row = await tx
    .selectFrom('brand')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
  return row !== undefined
}

/** The first tenant that has the brand, by id; null where none has. */
export async function findTenantOfBrand(tx: Tx, environmentId: string, brandId: string): Promise<string | null> {
  const row = await tx
    .selectFrom('tenant')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('brand_id', '=', brandId)
    .orderBy('id')
    .limit(1)
    .executeTakeFirst()
  return row?.id ?? null
}

export async function deleteBrandRow(tx: Tx, environmentId: string, id: string): Promise<void> {
  await tx.deleteFrom('brand').where('environment_id', '=', environmentId).where('id', '=', id).execute()
}
