import type { Db } from './database.ts'

/** Which of these topics there are. */
export async function findTopics(db: Db, environmentId: string, ids: readonly string[]): Promise<ReadonlySet<string>> {
  const rows = await db
    .selectFrom('topic')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Set(rows.map((row) => row.id))
}
