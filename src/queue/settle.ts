import { type RawBuilder, sql } from 'kysely'
import type { Db, Tx } from '../store/database.ts'
import type { Held } from './kinds.ts'

/**
 * How held jobs are let go. What a performer does belongs in the transaction that records its results: settle,
 * postpone and confirm return the ids of the jobs that were still the caller's; what is not returned was taken over,
 * and its result must be dropped. Rows are locked in the order of their ids, so that two processes with the same jobs
 * cannot deadlock.
 */

/** When a job is to run again: an instant, or a delay from now by the database's clock. */
export type RunAt = Date | { readonly afterMs: number }

/** Ends jobs for good. */
export async function settle(tx: Tx, jobs: readonly Held[]): Promise<ReadonlySet<number>> {
  if (jobs.length === 0) return new Set()
  const settled = await sql<{ id: number }>`
    with held as (${lockHeld(jobs)})
    delete from job where id = any(array(select id from held)) returning id
  `.execute(tx)
  return idsOf(settled.rows)
}

/**
 * Puts jobs back to be claimed again at `runAt`, by any process. Their fence is raised: to whoever had them they are over,
 * so that a postponement whose answer got lost can be asked for again without being carried out twice.
 */
export async function postpone(tx: Tx, jobs: readonly (Held & { readonly runAt: RunAt })[]): Promise<ReadonlySet<number>> {
  if (jobs.length === 0) return new Set()
  const at = jobs.map(({ runAt }) => (runAt instanceof Date ? runAt : null))
  const afterMs = jobs.map(({ runAt }) => (runAt instanceof Date ? null : runAt.afterMs))
  const postponed = await sql<{ id: number }>`
    with held as (${lockHeld(jobs)}),
    wanted as (
      select * from unnest(${jobs.map((job) => job.id)}::bigint[], ${at}::timestamptz[], ${afterMs}::float8[])
        as wanted(id, at, after_ms)
    )
    update job
    set holder = null, fence = fence + 1,
        run_at = coalesce(wanted.at, date_trunc('milliseconds', now()) + wanted.after_ms * interval '1 millisecond')
    from wanted
    where job.id = any(array(select id from held)) and wanted.id = job.id
    returning job.id
  `.execute(tx)
  return idsOf(postponed.rows)
}

/** Which jobs are still the caller's. They stay locked until the transaction ends, so a takeover waits for it. */
export async function confirm(tx: Tx, jobs: readonly Held[]): Promise<ReadonlySet<number>> {
  if (jobs.length === 0) return new Set()
  const confirmed = await lockHeld(jobs).execute(tx)
  return idsOf(confirmed.rows)
}

/**
 * Lets go of jobs that were claimed and not performed to an end, to be claimed again after `afterMs` (0: at once, in
 * their old place). Jobs that the worker no longer holds are left as they are.
 */
export async function giveBack(db: Db, worker: string, jobs: readonly Held[], afterMs = 0): Promise<void> {
  if (jobs.length === 0) return
  await sql`
    with held as (${lockHeld(jobs)})
    update job
    set holder = null,
        run_at = case when ${afterMs}::float8 = 0 then run_at else now() + ${afterMs}::float8 * interval '1 millisecond' end
    where id = any(array(select id from held)) and holder = ${worker}
  `.execute(db)
}

function lockHeld(jobs: readonly Held[]): RawBuilder<{ id: number }> {
  return sql<{ id: number }>`
    select job.id
    from unnest(${jobs.map((job) => job.id)}::bigint[], ${jobs.map((job) => job.fence)}::bigint[]) as mine(id, fence)
    join job on job.id = mine.id and job.fence = mine.fence
    order by job.id
    for update of job
  `
}

function idsOf(rows: readonly { id: number }[]): ReadonlySet<number> {
  return new Set(rows.map((row) => row.id))
}
