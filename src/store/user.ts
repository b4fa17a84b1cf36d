import { sql } from 'kysely'
import type { Db, Tx } from './database.ts'

export interface NewUser {
  readonly environmentId: string
  readonly id: string
  readonly profile: unknown
}

/** Makes the users that are missing; those that are there stay as they are. In key order, so that two processes cannot deadlock. */
export async function insertUsers(tx: Tx, users: readonly NewUser[]): Promise<void> {
  if (users.length === 0) return
  await sql`
    /* prepared: users */
    insert into "user" (environment_id, id, profile)
    select "environmentId", id, profile
    from jsonb_to_recordset(${JSON.stringify(users)}::jsonb) as u("environmentId" text, id text, profile jsonb)
    order by 1, 2
    on conflict do nothing`.execute(tx)
}

/**
 * The profile as it is now, locked until the transaction ends; the user is made where missing. Unlike insertUsers it waits
 * for an erasure that is under way, so what is written after it has a user to belong to.
 */
export async function ensureUser(tx: Tx, environmentId: string, userId: string): Promise<Record<string, unknown>> {
  const row = await tx
    .insertInto('user')
    .values({ environment_id: environmentId, id: userId, profile: '{}' })
    .onConflict((conflict) =>
      conflict.columns(['environment_id', 'id']).doUpdateSet((old) => ({ updated_at: old.ref('user.updated_at') })),
    )
    .returning('profile')
    .executeTakeFirstOrThrow()
  return row.profile as Record<string, unknown>
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

/** Whether there is such a user at this moment. */
export async function hasUser(db: Db, environmentId: string, userId: string): Promise<boolean> {
  const row = await db
    .selectFrom('user')
    .select('id')
    .where('environment_id', '=', environmentId)
    .where('id', '=', userId)
    .executeTakeFirst()
  return row !== undefined
}
