import { sql } from 'kysely'
import type { Db } from './database.ts'

/** Something that a caller names by its id. */
export interface Reference {
  readonly environmentId: string
  readonly kind: 'tenant' | 'list' | 'audience' | 'topic' | 'brand'
  readonly id: string
}

/** Those of the references that name nothing, in one statement whatever their number. */
export async function findMissing<R extends Reference>(db: Db, references: readonly R[]): Promise<readonly R[]> {
  if (references.length === 0) return []
  const { rows } = await sql<{ place: number }>`
    select place::int
    from jsonb_to_recordset(${JSON.stringify(references.map(({ environmentId, kind, id }, place) => ({ environmentId, kind, id, place })))}::jsonb)
      as r("environmentId" text, kind text, id text, place int)
    where not case kind
      when 'tenant' then exists (select 1 from tenant where environment_id = r."environmentId" and id = r.id)
      when 'list' then exists (select 1 from list where environment_id = r."environmentId" and id = r.id)
      when 'audience' then exists (select 1 from audience where environment_id = r."environmentId" and id = r.id)
      when 'topic' then exists (select 1 from topic where environment_id = r."environmentId" and id = r.id)
      when 'brand' then exists (select 1 from brand where environment_id = r."environmentId" and id = r.id)
    end
    order by place`.execute(db)
  return rows.map(({ place }) => references[place]!)
}
