import { sql } from 'kysely'
import type { List } from '../generated/prisma/client.ts'
import type { Db } from './database.ts'
import { patternToRegex } from './list.ts'

export interface ListReads {
  /** The lists that a checked pattern fits (null: all), by id. */
  readLists(environmentId: string, pattern: string | null, after: string | null, take: number): Promise<readonly List[]>
}

export function createListReads(db: Db): ListReads {
  return {
    async readLists(environmentId, pattern, after, take) {
      const { rows } = await sql<List>`
        select environment_id as "environmentId", id, name, preferences, created_at as "createdAt", updated_at as "updatedAt"
        from list
        where environment_id = ${environmentId} and id > ${after ?? ''}
          and ${pattern === null ? sql`true` : sql`id ~ ${patternToRegex(pattern)}`}
        order by id
        limit ${take}`.execute(db)
      return rows
    },
  }
}
