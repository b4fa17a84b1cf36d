import { type Insertable, sql } from 'kysely'
import type { Channel, PreferenceStatus, Topic } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'
import { deleteRow, putRow } from './row.ts'

export interface TopicRow {
  readonly environmentId: string
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly section: string | null
  readonly defaultStatus: PreferenceStatus
  /** Empty: every one. */
  readonly channels: Channel[]
  readonly includeUnsubscribeHeader: boolean
  readonly exemptFromSendLimits: boolean
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** As a preference page shows them: by section, those without one last, then by name. ids: only these; null means every one. */
export async function readTopics(db: Db, environmentId: string, ids: readonly string[] | null): Promise<readonly TopicRow[]> {
  const { rows } = await sql<TopicRow>`
    select environment_id as "environmentId", id, name, description, section, default_status as "defaultStatus",
           channels::text[] as channels, include_unsubscribe_header as "includeUnsubscribeHeader",
           exempt_from_send_limits as "exemptFromSendLimits", created_at as "createdAt", updated_at as "updatedAt"
    from topic
    where environment_id = ${environmentId} and (${ids}::text[] is null or id = any(${ids}::text[]))
    order by section collate "C" nulls last, name collate "C", id collate "C"`.execute(db)
  return rows
}

/** Puts the whole topic. */
export async function upsertTopic(tx: Tx, row: Omit<Insertable<Topic>, 'channels'>, channels: readonly Channel[]): Promise<void> {
  await putRow(tx, 'topic', { ...row, channels: sql<string>`${channels}::channel[]` })
}

/** With what users, lists and tenants said about it, so that a later topic of the same id begins clean. False where there was none. */
export async function deleteTopicRow(tx: Tx, environmentId: string, id: string): Promise<boolean> {
  if (!(await deleteRow(tx, 'topic', environmentId, id))) return false
  await forgetTopic(tx, environmentId, id, 'list', 'preferences')
  await forgetTopic(tx, environmentId, id, 'tenant', 'default_preferences')
  return true
}

/** Locks in key order, so that two topics can be deleted at once. */
async function forgetTopic(tx: Tx, environmentId: string, topicId: string, table: string, column: string): Promise<void> {
  const said = sql.ref(column)
  const { rows } = await sql<{ id: string }>`
    select id from ${sql.table(table)}
    where environment_id = ${environmentId} and ${said} @> ${JSON.stringify([{ topicId }])}::jsonb
    order by id for update`.execute(tx)
  await sql`
    update ${sql.table(table)}
    set ${said} = (
      select coalesce(jsonb_agg(one order by place), '[]')
      from jsonb_array_elements(${said}) with ordinality as each (one, place)
      where one ->> 'topicId' <> ${topicId}
    )
    where environment_id = ${environmentId} and id = any(${rows.map(({ id }) => id)}::text[])`.execute(tx)
}
