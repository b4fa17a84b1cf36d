import { type RawBuilder, sql } from 'kysely'
import type { Channel, PreferenceStatus } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'
import { readMembers } from './members.ts'
import { deleteRow, lockRow } from './row.ts'

export interface TenantRow {
  readonly id: string
  readonly name: string
  readonly parentId: string | null
  readonly brandId: string | null
  readonly properties: { readonly [key: string]: unknown }
  readonly profile: { readonly [key: string]: unknown }
  readonly defaultPreferences: readonly {
    readonly topicId: string
    readonly status: PreferenceStatus
    readonly channels: readonly Channel[] | null
  }[]
}

/** A tenant as a recipient. includeDescendants: with the tenants below it, however deep. */
export interface TenantTarget {
  readonly id: string
  readonly includeDescendants: boolean
}

/** Tenants may stand deeper; what is further up than this has no say. */
const MOST_LEVELS = 4

/** A tenant and those above it, leaf first: four at most, counted from the leaf. None where there is no such tenant. */
export async function readTenantChain(db: Db, environmentId: string, tenantId: string): Promise<readonly TenantRow[]> {
  const { rows } = await sql<TenantRow & { level: number }>`
    ${tenantChain(sql`${environmentId}::text`, sql`${tenantId}::text`)} order by level`.execute(db)
  return rows.map(({ level: _level, ...row }) => row)
}

/** The same as a query, to stand beside rows that name the tenant. */
export function tenantChain(environmentId: RawBuilder<unknown>, tenantId: RawBuilder<unknown>) {
  return sql<TenantRow & { level: number }>`
    with recursive chain as (
      select tenant.*, array[id] as path from tenant where environment_id = ${environmentId} and id = ${tenantId}
      union all
      select parent.*, path || parent.id
      from chain join tenant parent on parent.environment_id = chain.environment_id and parent.id = chain.parent_id
      where cardinality(path) < ${MOST_LEVELS} and parent.id <> all (path)
    )
    select id, name, parent_id as "parentId", brand_id as "brandId", properties, profile,
           default_preferences as "defaultPreferences", cardinality(path) as level
    from chain`
}

/**
 * A page of a tenant's members, by user id; each user once, with the tenant they were found in, the nearest to the named one
 * first.
 *
 * @param after the last user id of the page before; null: from the start
 * @param limit the most members of the page
 */
export async function readTenantMembers(
  db: Db,
  environmentId: string,
  target: TenantTarget,
  after: string | null,
  limit: number,
): Promise<readonly { readonly userId: string; readonly tenantId: string }[]> {
  const groups = {
    sources: sql`${branchOf(environmentId, target)}, source as (select id, cardinality(path) as rank from branch)`,
    members: sql`select user_id from tenant_member where environment_id = ${environmentId} and tenant_id = source.id`,
  }
  const members = await readMembers(db, groups, after, limit)
  return members.map(({ userId, groupId }) => ({ userId, tenantId: groupId }))
}

/** Every member of a tenant as a query, to be counted together with others: in no order, and not each once. */
export function tenantMembersQuery(environmentId: string, target: TenantTarget): RawBuilder<{ user_id: string }> {
  return sql<{ user_id: string }>`
    select user_id from tenant_member
    where environment_id = ${environmentId}
      and tenant_id in (with recursive ${branchOf(environmentId, target)} select id from branch)`
}

/** The tenant itself and, when asked, those below it; path: from the one that was named. */
function branchOf(environmentId: string, { id, includeDescendants }: TenantTarget) {
  return sql`branch as (
      select id, array[id] as path from tenant where environment_id = ${environmentId} and id = ${id}
      union all
      select child.id, path || child.id
      from branch join tenant child on child.environment_id = ${environmentId} and child.parent_id = branch.id
      where ${includeDescendants}::boolean and child.id <> all (path)
    )`
}

/** For those of these users who are members of exactly one tenant, that tenant. */
export async function readOnlyTenants(
  db: Db,
  environmentId: string,
  userIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ userId: string; tenantId: string }>`
    select user_id as "userId", min(tenant_id) as "tenantId" from tenant_member
    where environment_id = ${environmentId} and user_id = any(${[...new Set(userIds)]}::text[])
    group by user_id
    having count(*) = 1`.execute(db)
  return new Map(rows.map(({ userId, tenantId }) => [userId, tenantId]))
}

/** Until the transaction ends nobody else of the environment puts or deletes a tenant: two at once could close a circle. */
export async function lockHierarchy(tx: Tx, environmentId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtextextended(${`tenant/${environmentId}`}, 0))`.execute(tx)
}

/** Whether going up from a tenant comes by another (or begins there). */
export async function isBelow(tx: Tx, environmentId: string, tenantId: string, ancestorId: string): Promise<boolean> {
  const { rows } = await sql`
    with recursive above as (
      select id, parent_id from tenant where environment_id = ${environmentId} and id = ${tenantId}
      union
      select parent.id, parent.parent_id
      from above join tenant parent on parent.environment_id = ${environmentId} and parent.id = above.parent_id
    )
    select from above where id = ${ancestorId}`.execute(tx)
  return rows.length > 0
}

export async function hasChildren(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  const { rows } = await sql`
    select from tenant where environment_id = ${environmentId} and parent_id = ${id} limit 1`.execute(tx)
  return rows.length > 0
}

/**
 * With its members, and with what anybody chose in it. False where there was none. Choices go before members and in key order,
 * as in the erasure of a user: the two cannot deadlock.
 */
export async function deleteTenantRow(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  if (!(await lockRow(tx, 'tenant', environmentId, id, 'deletion'))) return false
  // The conditions on '' are that of the index preference_of_tenant.
  await sql`
    with held as (
      select user_id, topic_id from preference
      where environment_id = ${environmentId} and tenant_id = ${id} and tenant_id <> ''
      order by user_id, topic_id
      for update
    )
    delete from preference p using held
    where p.environment_id = ${environmentId} and p.tenant_id = ${id} and p.tenant_id <> ''
      and p.user_id = held.user_id and p.topic_id = held.topic_id`.execute(tx)
  return deleteRow(tx, 'tenant', environmentId, id)
}

/** Which of these tenants a user is a member of at this moment. */
export async function tenantsWithMember(
  db: Db,
  environmentId: string,
  userId: string,
  ids: readonly string[],
): Promise<ReadonlySet<string>> {
  const { rows } = await sql<{ id: string }>`
    select tenant_id as id from tenant_member
    where environment_id = ${environmentId} and user_id = ${userId} and tenant_id = any(${[...ids]}::text[])`.execute(db)
  return new Set(rows.map(({ id }) => id))
}

/** Adds, or replaces the member's profile. */
export async function upsertTenantMember(
  tx: Tx,
  member: { environmentId: string; tenantId: string; userId: string; profile: unknown },
): Promise<void> {
  const profile = JSON.stringify(member.profile)
  await tx
    .insertInto('tenant_member')
    .values({ environment_id: member.environmentId, tenant_id: member.tenantId, user_id: member.userId, profile })
    .onConflict((conflict) => conflict.columns(['environment_id', 'tenant_id', 'user_id']).doUpdateSet({ profile }))
    .execute()
}

export async function deleteTenantMember(tx: Tx, environmentId: string, tenantId: string, userId: string): Promise<boolean> {
  const gone = await tx
    .deleteFrom('tenant_member')
    .where('environment_id', '=', environmentId)
    .where('tenant_id', '=', tenantId)
    .where('user_id', '=', userId)
    .returning('user_id')
    .executeTakeFirst()
  return gone !== undefined
}
