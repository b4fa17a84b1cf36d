import { type RawBuilder, sql } from 'kysely'
import { type AudienceFilter, audienceCondition, audiencePrefilter } from './audience-filter.ts'
import type { Db } from './database.ts'

/** The filters of those of these audiences that there are, by id. */
export async function findAudiences(
  db: Db,
  environmentId: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, AudienceFilter>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('audience')
    .select(['id', 'filter'])
    .where('environment_id', '=', environmentId)
    .where('id', 'in', [...new Set(ids)])
    .execute()
  return new Map(rows.map(({ id, filter }) => [id, filter as unknown as AudienceFilter]))
}

/** How many users are looked at for each member asked for, before an index is asked instead. */
const LOOKED_AT_FOR_EACH = 80
const LOOKED_AT_AT_LEAST = 4_000

/**
 * The ids of who is in an audience now, in order, after one of them; fewer than `limit` means there are no more.
 *
 * PostgreSQL keeps no statistics of what is inside profiles, so it cannot know whether matches are many or few, and the wrong
 * plan takes seconds for a million users. Many are found soon by walking the users in order, so that comes first and ends
 * early; few are found by the index on profiles, if the filter asks for something that it knows; else the walk goes on.
 */
export async function readAudienceMembers(
  db: Db,
  environmentId: string,
  filter: AudienceFilter,
  after: string | null,
  limit: number,
): Promise<readonly string[]> {
  if (limit < 1) return []
  const condition = audienceCondition(environmentId, filter)
  const further = sql`(${after}::text is null or u.id > ${after}::text)`
  const users = sql`"user" u where u.environment_id = ${environmentId} and ${further}`
  const lookedAt = Math.max(LOOKED_AT_AT_LEAST, limit * LOOKED_AT_FOR_EACH)
  const near = await idsOf(
    db,
    sql`select u.id from (select u.id, u.profile from ${users} order by u.id limit ${lookedAt}) u
        where ${condition} order by u.id limit ${limit}`,
  )
  if (near.length === limit) return near
  const prefilter = audiencePrefilter(environmentId, filter, 'as array')
  if (prefilter === null) return idsOf(db, sql`select u.id from ${users} and ${condition} order by u.id limit ${limit}`)
  // Written so that only the prefilter can name an index: the environment looks rare to a PostgreSQL that has not yet counted
  // a new million of users, and the order and the limit, seen through, would make it walk the users again.
  return idsOf(
    db,
    sql`with member as materialized (
          select u.id from "user" u where ${prefilter} and u.environment_id || '' = ${environmentId} and ${condition}
        )
        select u.id from member u where ${further} order by u.id limit ${limit}`,
  )
}

/** How many users are in an audience now. */
export async function countAudienceMembers(db: Db, environmentId: string, filter: AudienceFilter): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from (${audienceMembersQuery(environmentId, filter)}) members`.execute(db)
  return rows[0]!.count
}

/** All who are in an audience now, in no order: to be counted, or united with others. */
export function audienceMembersQuery(environmentId: string, filter: AudienceFilter): RawBuilder<{ user_id: string }> {
  const prefilter = audiencePrefilter(environmentId, filter, 'as table') ?? sql`true`
  return sql`
    select u.id as user_id from "user" u
    where u.environment_id = ${environmentId} and ${prefilter} and ${audienceCondition(environmentId, filter)}`
}

async function idsOf(db: Db, query: RawBuilder<unknown>): Promise<readonly string[]> {
  const { rows } = await sql<{ id: string }>`${query}`.execute(db)
  return rows.map(({ id }) => id)
}
