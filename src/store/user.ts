import { sql } from 'kysely'
import type { Tx } from './database.ts'

export interface NewUser {
  readonly environmentId: string
  readonly id: string
  readonly profile: unknown
}

/** Makes the users that are missing; those that are there stay as they are. In key order, so that two processes cannot deadlock. */
export async function insertUsers(tx: Tx, users: readonly NewUser[]): Promise<void> {
  if (users.length === 0) return
  await sql`
    insert into "user" (environment_id, id, profile)
    select "environmentId", id, profile
    from jsonb_to_recordset(${JSON.stringify(users)}::jsonb) as u("environmentId" text, id text, profile jsonb)
    order by 1, 2
    on conflict do nothing`.execute(tx)
}

/** The profile as it is now, locked until the transaction ends; null where there is no such user. */
export async function lockProfile(tx: Tx, environmentId: string, userId: string): Promise<Record<string, unknown> | null> {
  const row = await tx
    .selectFrom('user')
    .select('profile')
    .where('environment_id', '=', environmentId)
    .where('id', '=', userId)
    .forUpdate()
    .executeTakeFirst()
  return row ? (row.profile as Record<string, unknown>) : null
}

export async function writeProfile(tx: Tx, environmentId: string, userId: string, profile: unknown, now: Date): Promise<void> {
  await tx
    .updateTable('user')
    .set({ profile: JSON.stringify(profile), updated_at: now })
    .where('environment_id', '=', environmentId)
    .where('id', '=', userId)
    .execute()
}
