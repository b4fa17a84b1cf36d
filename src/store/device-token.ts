import type { Insertable } from 'kysely'
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
