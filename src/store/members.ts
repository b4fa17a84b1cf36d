import { type RawBuilder, sql } from 'kysely'
import type { Db } from './database.ts'

/** Users who stand in several groups (lists, tenants), to be read in one order. */
export interface Groups {
  /** Common table expressions, `source(id, rank)` among them: the groups; of two that a user is in, the one with the lower rank counts. */
  readonly sources: RawBuilder<unknown>
  /** `select user_id from … where …` for who is in `source`; by an index that ends with user_id. */
  readonly members: RawBuilder<unknown>
}

export interface GroupMember {
  readonly userId: string
  readonly groupId: string
}

/** Asked of each group beyond its share, so that one that has a few more than the others does not end the round. */
const SPARE = 8

/**
 * A page of who is in any of the groups, by user id; each user once, with the first of the groups they were found in.
 *
 * Every group is asked for its next few. That settles who comes next up to the last user of any group that has more; for the
 * rest of the page all are asked again, for four times as many. What was passed already costs nothing. With thousands of
 * groups a page costs a few rows of each where their users are mixed, and more where each has its own stretch of ids.
 *
 * @param after the last user id of the page before; null: from the start
 * @param limit the most users of the page
 */
export async function readMembers(db: Db, groups: Groups, after: string | null, limit: number): Promise<readonly GroupMember[]> {
  const members: GroupMember[] = []
  let passed = after ?? ''
  for (let times = 1; ; times *= 4) {
    const { found, settledTo } = await readRound(db, groups, passed, limit - members.length, times)
    members.push(...found)
    if (members.length >= limit || settledTo === null) return members
    passed = settledTo
  }
}

/** settledTo: up to which user nobody is missing; null where nobody comes after. */
async function readRound(db: Db, groups: Groups, after: string, limit: number, times: number) {
  const { rows } = await sql<GroupMember & { settledTo: string | null }>`
    with recursive ${groups.sources},
    share as (select least(${limit}::bigint, ${times}::bigint * (${SPARE} + 2 * ${limit} / greatest(count(*), 1))) as size from source),
    next as (
      select source.id, source.rank, member.user_id
      from source cross join lateral (
        ${groups.members} and user_id > ${after}
        order by user_id
        limit (select size from share)
      ) member
    ),
    settled as (
      select min(last) as "to"
      from (select max(user_id) as last from next group by id having count(*) >= (select size from share)) more
    )
    select distinct on (user_id) user_id as "userId", id as "groupId", "to" as "settledTo"
    from next, settled
    where "to" is null or user_id <= "to"
    order by user_id, rank, id
    limit ${limit}`.execute(db)
  return { found: rows.map(({ userId, groupId }) => ({ userId, groupId })), settledTo: rows[0]?.settledTo ?? null }
}
