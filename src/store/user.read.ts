import { type RawBuilder, sql } from 'kysely'
import type { Db } from './database.ts'

export interface UserRow {
  readonly environmentId: string
  readonly id: string
  readonly profile: Record<string, unknown>
  readonly createdAt: Date
  readonly updatedAt: Date
}

export interface UserReads {
  /**
   * Users by id, those behind `after` only. `search`: text that occurs, whatever its case, in the id or in the profile's
   * email, name or phone number; null or empty: everybody. It reads every user until the page is full.
   */
  findUsers(environmentId: string, search: string | null, after: string | null, take: number): Promise<readonly UserRow[]>
}

/** By Unicode's rules, which a database of the C locale leaves to ICU; nothing in the text is a pattern. */
function contains(where: RawBuilder<unknown>, text: string): RawBuilder<unknown> {
  return sql`strpos(lower((${where}) collate "und-x-icu"), lower(${text}::text collate "und-x-icu")) > 0`
}

export function createUserReads(db: Db): UserReads {
  return {
    async findUsers(environmentId, search, after, take) {
      const text = search ?? ''
      const { rows } = await sql<UserRow>`
        select environment_id as "environmentId", id, profile, created_at as "createdAt", updated_at as "updatedAt"
        from "user"
        where environment_id = ${environmentId}
          and (${after}::text is null or id > ${after}::text)
          and (${text}::text = '' or ${contains(sql`id`, text)} or ${contains(sql`profile ->> 'email'`, text)}
               or ${contains(sql`profile ->> 'name'`, text)} or ${contains(sql`profile ->> 'phone_number'`, text)})
        order by id
        limit ${take}`.execute(db)
      return rows
    },
  }
}
