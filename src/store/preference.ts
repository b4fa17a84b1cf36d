import { sql } from 'kysely'
import type { Channel } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'

/** What a user chose about a topic. tenantId: null where it holds everywhere. channels: only these; null means every one. */
export interface ChoiceRow {
  readonly userId: string
  readonly topicId: string
  readonly tenantId: string | null
  readonly status: 'OPTED_IN' | 'OPTED_OUT'
  readonly channels: readonly Channel[] | null
  readonly snoozedUntil: Date | null
}

export type UserTopic = Pick<ChoiceRow, 'userId' | 'topicId'>

/** topicIds: only about these; null means every topic. tenantId: their choices in it beside those that hold everywhere. */
export interface ChoiceFilter {
  readonly userIds: readonly string[]
  readonly tenantId: string | null
  readonly topicIds: readonly string[] | null
}

/** What these users chose. */
export async function readChoices(db: Db, environmentId: string, filter: ChoiceFilter): Promise<readonly ChoiceRow[]> {
  const { userIds, tenantId, topicIds } = filter
  const { rows } = await sql<ChoiceRow>`
    select user_id as "userId", topic_id as "topicId", nullif(tenant_id, '') as "tenantId", status,
           nullif(channels::text[], '{}') as channels, snoozed_until as "snoozedUntil"
    from preference
    where environment_id = ${environmentId} and user_id = any(${userIds}::text[])
      and tenant_id in ('', ${tenantId ?? ''})
      and (${topicIds}::text[] is null or topic_id = any(${topicIds}::text[]))`.execute(db)
  return rows
}

/** Puts a user's choices, each whole. In key order, so that two processes cannot deadlock. */
export async function upsertChoices(tx: Tx, environmentId: string, choices: readonly ChoiceRow[], now: Date): Promise<void> {
  await sql`
    insert into preference (environment_id, user_id, topic_id, tenant_id, status, channels, snoozed_until, updated_at)
    select ${environmentId}, "userId", "topicId", coalesce("tenantId", ''), status, coalesce(channels, '{}'), "snoozedUntil", ${now}
    from jsonb_to_recordset(${JSON.stringify(choices)}::jsonb)
      as c("userId" text, "topicId" text, "tenantId" text, status preference_status, channels channel[], "snoozedUntil" timestamptz)
    order by 2, 3, 4
    on conflict (environment_id, user_id, topic_id, tenant_id) do update
    set status = excluded.status, channels = excluded.channels, snoozed_until = excluded.snoozed_until,
        updated_at = excluded.updated_at`.execute(tx)
}

/**
 * Opts a user out of a topic: everywhere, and in every tenant where they chose about it, since a choice in a tenant goes before
 * the one made everywhere. Channels and snooze of each stay. Whoever calls has locked the user, so nothing is chosen meanwhile.
 */
export async function optOut(tx: Tx, environmentId: string, { userId, topicId }: UserTopic, now: Date): Promise<void> {
  await sql`
    insert into preference (environment_id, user_id, topic_id, tenant_id, status, updated_at)
    values (${environmentId}, ${userId}, ${topicId}, '', 'OPTED_OUT', ${now})
    on conflict (environment_id, user_id, topic_id, tenant_id) do update
    set status = excluded.status, updated_at = excluded.updated_at`.execute(tx)
  await sql`
    update preference set status = 'OPTED_OUT', updated_at = ${now}
    where environment_id = ${environmentId} and user_id = ${userId} and topic_id = ${topicId} and status <> 'OPTED_OUT'`.execute(
    tx,
  )
}

/** Whether a user opted out of a topic everywhere, and did not opt in again in any tenant. */
export async function isOptedOut(db: Db, environmentId: string, { userId, topicId }: UserTopic): Promise<boolean> {
  const { rows } = await sql<{ out: boolean }>`
    select coalesce(bool_or(tenant_id = '') and bool_and(status = 'OPTED_OUT'), false) as out
    from preference
    where environment_id = ${environmentId} and user_id = ${userId} and topic_id = ${topicId}`.execute(db)
  return rows[0]!.out
}

export async function deleteChoice(
  tx: Tx,
  environmentId: string,
  choice: Pick<ChoiceRow, 'userId' | 'topicId' | 'tenantId'>,
): Promise<void> {
  await tx
    .deleteFrom('preference')
    .where('environment_id', '=', environmentId)
    .where('user_id', '=', choice.userId)
    .where('topic_id', '=', choice.topicId)
    .where('tenant_id', '=', choice.tenantId ?? '')
    .execute()
}
