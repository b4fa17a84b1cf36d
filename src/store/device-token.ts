import { type Insertable, sql } from 'kysely'
import type { DeviceToken } from '../generated/tables.ts'
import type { Tx } from './database.ts'

/** Inserts the token, or renews the one with the same user, kind and token. Returns its id. */
export async function upsertDeviceToken(tx: Tx, row: Insertable<DeviceToken>): Promise<string> {
  const { id, environment_id, user_id, kind, token, token_hash, ...rest } = row
  const kept = await tx
    .insertInto('device_token')
    .values(row)
    .onConflict((conflict) =>
      conflict
        .columns(['environment_id', 'user_id', 'token_hash'])
        .doUpdateSet({ ...rest, status: 'ACTIVE', status_reason: null }),
    )
    .returning('id')
    .executeTakeFirstOrThrow()
  return kept.id
}

/** Deletes a user's token, whatever its kinds. Whether there was one. */
export async function deleteDeviceTokens(tx: Tx, environmentId: string, userId: string, token: string): Promise<boolean> {
  const gone = await tx
    .deleteFrom('device_token')
    .where('environment_id', '=', environmentId)
    .where('user_id', '=', userId)
    .where('token', '=', token)
    .returning('id')
    .execute()
  return gone.length > 0
}

/** Revokes a user's tokens in use beyond the newest so many. Those whose time is over take nobody's place. */
export async function retireOldest(tx: Tx, environmentId: string, userId: string, most: number, now: Date): Promise<void> {
  await sql`
    update device_token set status = 'REVOKED', status_reason = ${`The user has more than ${most} devices.`}
    where environment_id = ${environmentId} and id in (
      select id from device_token
      where environment_id = ${environmentId} and user_id = ${userId} and status = 'ACTIVE'
        and (expires_at is null or expires_at > ${now})
      order by updated_at desc, id desc offset ${most}
    )`.execute(tx)
}
