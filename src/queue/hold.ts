import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../store/database.ts'
import type { Line } from './kinds.ts'
import type { RunAt } from './settle.ts'

/**
 * Keeps all jobs of a line from being claimed, those that come to it later as well: until it is released, or until that time by
 * the database's clock. It costs the same for any number of jobs. What somebody holds, or is just claiming, goes on; put back,
 * it waits with the rest. Holding again replaces the time.
 *
 * @param until null: until it is released
 */
export async function hold(db: Db, { lane, fairnessKey }: Line, until: RunAt | null): Promise<void> {
  const at = until instanceof Date ? until : null
  const afterMs = until === null || until instanceof Date ? null : until.afterMs
  await sql`
    insert into held_line (lane, fairness_key, until)
    values (${lane}, ${fairnessKey}, coalesce(${at}::timestamptz, now() + ${afterMs}::float8 * interval '1 millisecond'))
    on conflict (lane, fairness_key) do update set until = excluded.until`.execute(db)
}

/** Lets a line be claimed from again. Waking the lane is the caller's, after commit; else it is found within a second. */
export async function release(db: Db, { lane, fairnessKey }: Line): Promise<void> {
  await sql`delete from held_line where lane = ${lane} and fairness_key = ${fairnessKey}`.execute(db)
}

/** SQL: whether the jobs of a line are to be left alone now. A value, not a join: what asks keeps its order. */
export function isHeld(lane: RawBuilder<unknown>, fairnessKey: RawBuilder<unknown>): RawBuilder<boolean> {
  return sql<boolean>`coalesce((
    select coalesce(held_line.until > now(), true) from held_line
    where held_line.lane = ${lane} and held_line.fairness_key = ${fairnessKey}
  ), false)`
}
