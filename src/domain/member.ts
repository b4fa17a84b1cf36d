import { type RawBuilder, sql } from 'kysely'
import { audienceMembersQuery, findAudiences, readAudienceMembers } from '../store/audience.ts'
import type { Db } from '../store/database.ts'
import { listMembersQuery, readListMembers } from '../store/list.ts'
import { readTenantMembers, tenantMembersQuery } from '../store/tenant.ts'
import type { Member, Target } from './group.ts'

/**
 * A page of a group's members as it stands now, by user id, each user once; fewer than `limit` means there are no more. A
 * group that is gone has no members.
 *
 * @param after the last user id of the page before; null: from the start
 */
export async function readMembers(
  db: Db,
  environmentId: string,
  target: Target,
  after: string | null,
  limit: number,
): Promise<readonly Member[]> {
  switch (target.kind) {
    case 'list':
    case 'pattern':
      return (await readListMembers(db, environmentId, target, after, limit)).map((found) => ({ ...found, tenantId: null }))
    case 'audience': {
      const filter = (await findAudiences(db, environmentId, [target.audienceId])).get(target.audienceId)
      const ids = filter === undefined ? [] : await readAudienceMembers(db, environmentId, filter, after, limit)
      return ids.map((userId) => ({ userId, listId: null, tenantId: null }))
    }
    case 'tenant': {
      const named = { id: target.tenantId, includeDescendants: target.includeDescendants }
      return (await readTenantMembers(db, environmentId, named, after, limit)).map((found) => ({ ...found, listId: null }))
    }
  }
}

/** How many users these groups and the ids beside them are together, each once. */
export async function countMembers(
  db: Db,
  environmentId: string,
  targets: readonly Target[],
  userIds: readonly string[],
): Promise<number> {
  if (targets.length === 0) return userIds.length
  const parts = await Promise.all(targets.map((target) => membersQuery(db, environmentId, target)))
  const named = sql`select unnest(${[...userIds]}::text[]) as user_id`
  const { rows } = await sql<{ count: number }>`
    select count(distinct user_id)::int as count
    from (${sql.join([named, ...parts.filter((part) => part !== null)], sql` union all `)}) as everybody`.execute(db)
  return rows[0]!.count
}

/** All members of a group as a query; null where the group is gone. */
async function membersQuery(db: Db, environmentId: string, target: Target): Promise<RawBuilder<unknown> | null> {
  switch (target.kind) {
    case 'list':
    case 'pattern':
      return listMembersQuery(environmentId, target)
    case 'audience': {
      const filter = (await findAudiences(db, environmentId, [target.audienceId])).get(target.audienceId)
      return filter === undefined ? null : audienceMembersQuery(environmentId, filter)
    }
    case 'tenant':
      return tenantMembersQuery(environmentId, { id: target.tenantId, includeDescendants: target.includeDescendants })
  }
}
