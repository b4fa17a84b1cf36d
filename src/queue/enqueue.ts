import { sql } from 'kysely'
import type { Tx } from '../store/database.ts'
import { JOB_KINDS, type Line, type NewJob, PAUSED_LANE } from './kinds.ts'

/**
 * Writes jobs in the transaction that makes them necessary: they commit or vanish with it. One statement, whatever
 * their number. Waking the lane is the caller's, after commit; unwoken jobs are found within a second.
 */
export async function enqueue(tx: Tx, jobs: readonly NewJob[]): Promise<void> {
  if (jobs.length === 0) return
  const rows = jobs.map((job) => ({
    kind: job.kind,
    lane: job.lane ?? JOB_KINDS[job.kind].lane,
    fairness_key: job.fairnessKey,
    run_at: job.runAt,
    payload: job.payload,
  }))
  // Truncated: run_at keeps milliseconds, and rounded up a job would not be due yet when its wake-up arrives.
  await sql`
    /* prepared: enqueue */
    insert into job (kind, lane, fairness_key, run_at, payload)
    select kind, lane, fairness_key, coalesce(run_at, date_trunc('milliseconds', now())), payload
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)
      as new_job(kind text, lane text, fairness_key text, run_at timestamptz, payload jsonb)
  `.execute(tx)
}

/** Keeps jobs that wait from being claimed until they are let on; those that somebody holds, or is just claiming, go on. */
export async function holdBack(tx: Tx, { kind, lane, fairnessKey }: Line): Promise<void> {
  await sql`
    with waiting as (
      select id from job
      where lane = ${lane} and fairness_key = ${fairnessKey} and kind = ${kind} and holder is null
      order by id
      for update skip locked
    )
    update job set lane = ${PAUSED_LANE} where id = any(array(select id from waiting))`.execute(tx)
}

/** Lets on what was held back. Waking the lane is the caller's, after commit. */
export async function letOn(tx: Tx, { kind, lane, fairnessKey }: Line): Promise<void> {
  await sql`
    with held as (
      select id from job where lane = ${PAUSED_LANE} and fairness_key = ${fairnessKey} and kind = ${kind}
      order by id
      for update
    )
    update job set lane = ${lane} where id = any(array(select id from held))`.execute(tx)
}
