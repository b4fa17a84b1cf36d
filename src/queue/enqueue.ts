import { sql } from 'kysely'
import type { Tx } from '../store/database.ts'
import { JOB_KINDS, type NewJob } from './kinds.ts'

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
