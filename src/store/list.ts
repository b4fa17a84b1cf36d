import { type RawBuilder, sql } from 'kysely'
import type { Db, Tx } from './database.ts'
import { readMembers } from './members.ts'

/** Lists as a recipient: one by its id, or all that a checked pattern fits. */
export type ListTarget = { readonly listId: string } | { readonly listPattern: string }

/**
 * A checked pattern as a regular expression, for PostgreSQL and JavaScript alike: `*` is one whole part, `**` one or more.
 * Everything else stands for itself.
 */
export function patternToRegex(pattern: string): string {
  const parts = pattern.split('.').map((part) => {
    if (part === '*') return '[^.]+'
    if (part === '**') return '[^.]+(?:[.][^.]+)*'
    return part.replaceAll(/[\\^$|?*+()[\]{}]/g, '\\$&')
  })
  return `^${parts.join('[.]')}$`
}

/**
 * A page of those who are subscribed, by user id; each user once, with the first of the lists they were found on.
 *
 * @param after the last user id of the page before; null: from the start
 * @param limit the most users of the page
 */
export async function readListMembers(
  db: Db,
  environmentId: string,
  target: ListTarget,
  after: string | null,
  limit: number,
): Promise<readonly { readonly userId: string; readonly listId: string }[]> {
  const groups = {
    sources: sql`source as (select id, 0 as rank from (${listsOf(environmentId, target)}) matching)`,
    members: sql`select user_id from list_subscription where environment_id = ${environmentId} and list_id = source.id`,
  }
  const members = await readMembers(db, groups, after, limit)
  return members.map(({ userId, groupId }) => ({ userId, listId: groupId }))
}

/** All who are subscribed as a query, to be counted together with others: in no order, and not each once. */
export function listMembersQuery(environmentId: string, target: ListTarget): RawBuilder<{ user_id: string }> {
  return sql<{ user_id: string }>`
    select user_id from list_subscription
    where environment_id = ${environmentId} and list_id in (${listsOf(environmentId, target)})`
}

function listsOf(environmentId: string, target: ListTarget) {
  const fits = 'listId' in target ? sql`id = ${target.listId}` : sql`id ~ ${patternToRegex(target.listPattern)}`
  return sql`select id from list where environment_id = ${environmentId} and ${fits}`
}

/**
 * Makes a list that is missing, under its id as name. One that is there stays as it is (the condition never holds) and is
 * locked, so that nobody deletes it, or changes who is on it, before the transaction ends.
 */
export async function makeList(tx: Tx, environmentId: string, id: string): Promise<void> {
  await sql`
    insert into list (environment_id, id, name) values (${environmentId}, ${id}, ${id})
    on conflict (environment_id, id) do update set name = excluded.name where false`.execute(tx)
}

/**
 * Subscribes users who are there; those who are subscribed stay so since the day they were. In key order, so that two
 * processes cannot deadlock. A user who is being erased meanwhile is left out.
 */
export async function insertSubscriptions(
  tx: Tx,
  environmentId: string,
  listId: string,
  userIds: readonly string[],
): Promise<void> {
  await sql`
    insert into list_subscription (environment_id, list_id, user_id)
    select environment_id, ${listId}, id from "user"
    where environment_id = ${environmentId} and id = any(${[...userIds]}::text[])
    order by id
    for key share
    on conflict do nothing`.execute(tx)
}

export async function deleteSubscriptions(
  tx: Tx,
  environmentId: string,
  listId: string,
  userIds: readonly string[],
): Promise<void> {
  await sql`
    delete from list_subscription
    where environment_id = ${environmentId} and list_id = ${listId} and user_id = any(${[...userIds]}::text[])`.execute(tx)
}
