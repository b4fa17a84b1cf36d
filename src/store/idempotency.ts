import { sql } from 'kysely'
import type { Tx } from './database.ts'

interface Key {
  readonly environmentId: string
  readonly operation: string
  readonly key: string
}

/** For how long an answered key is remembered, by the database's clock. */
const RETENTION = '24 hours'

/**
 * Claims keys with one insert, in key order so that two processes cannot deadlock. Returns `environment\noperation\nkey` of
 * those that are now ours. A key whose time is over is ours again. Waits at most 5 seconds for another transaction.
 */
export async function insertKeys(tx: Tx, keys: readonly (Key & { fingerprint: string })[]): Promise<ReadonlySet<string>> {
  await sql`set local lock_timeout = '5s'`.execute(tx)
  const { rows } = await sql<{ id: string }>`
    insert into idempotency as held (environment_id, operation, key, fingerprint, expires_at)
    select k."environmentId", k.operation, k.key, k.fingerprint, now() + ${RETENTION}::interval
    from jsonb_to_recordset(${JSON.stringify(keys)}::jsonb)
      as k("environmentId" text, operation text, key text, fingerprint text)
    order by 1, 2, 3
    on conflict (environment_id, operation, key) do update
      set fingerprint = excluded.fingerprint, expires_at = excluded.expires_at, created_at = now(), result = null
      where held.expires_at < now()
    returning environment_id || E'\n' || operation || E'\n' || key as id`.execute(tx)
  await sql`set local lock_timeout = default`.execute(tx)
  return new Set(rows.map((row) => row.id))
}

export async function readKeys(
  tx: Tx,
  keys: readonly Key[],
): Promise<ReadonlyMap<string, { fingerprint: string; result: string }>> {
  const { rows } = await sql<{ id: string; fingerprint: string; result: string }>`
    select i.environment_id || E'\n' || i.operation || E'\n' || i.key as id, i.fingerprint, i.result
    from idempotency i
    join jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) as k("environmentId" text, operation text, key text)
      on (i.environment_id, i.operation, i.key) = (k."environmentId", k.operation, k.key)
    where i.result is not null`.execute(tx)
  return new Map(rows.map((row) => [row.id, row]))
}

export async function writeResults(tx: Tx, results: readonly (Key & { result: string })[]): Promise<void> {
  await sql`
    update idempotency set result = r.result
    from jsonb_to_recordset(${JSON.stringify(results)}::jsonb)
      as r("environmentId" text, operation text, key text, result text)
    where (idempotency.environment_id, idempotency.operation, idempotency.key) = (r."environmentId", r.operation, r.key)`.execute(
    tx,
  )
}

export async function deleteKeys(tx: Tx, keys: readonly Key[]): Promise<void> {
  await sql`
    delete from idempotency i
    using jsonb_to_recordset(${JSON.stringify(keys)}::jsonb) as k("environmentId" text, operation text, key text)
    where (i.environment_id, i.operation, i.key) = (k."environmentId", k.operation, k.key)`.execute(tx)
}
