import { sql } from 'kysely'
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
    /* prepared: brands */
    select b.environment_id as "environmentId", b.id, b.name, b.settings, b.snippets
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.id)}::text[]) as ref(environment_id, id)
    join brand b on b.environment_id = ref.environment_id and b.id = ref.id`.execute(db)
  return new Map(rows.map((row) => [`${row.environmentId}\n${row.id}`, row]))
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
