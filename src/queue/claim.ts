import { type RawBuilder, sql } from 'kysely'
import type { Db } from '../store/database.ts'
import { isHeld } from './hold.ts'
import type { Claimed, JobKindName, Lane } from './kinds.ts'

/** The most jobs that one claim takes. */
export const BATCH = 100

export interface ClaimRequest {
  readonly worker: string
  readonly lane: Lane
  /** At most BATCH. */
  readonly limit: number
  /** What this process can perform; jobs of other kinds are left for others. */
  readonly kinds: readonly JobKindName[]
  /** The fairness key at which the last claim stopped; the scan begins behind it. Empty: at the first. */
  readonly after: string
}

export interface Batch {
  /** In turns: the first job of each fairness key, then the second of each … Payloads are as they were stored. */
  readonly jobs: readonly Claimed[]
  /** Where the next claim should begin. */
  readonly after: string
}

interface ClaimedRow extends Claimed {
  readonly key: string
}

/** A turn of a key; without a job where others were quicker, or where this process does not know its kinds. */
type Turn = ClaimedRow | { readonly key: string; readonly id: null }

/**
 * Takes due jobs of a lane, shared equally among the fairness keys that have any: a key with very many jobs gets no
 * more of a batch than the others leave. Marks them as the worker's and raises their fence, in one statement.
 *
 * The keys come from a loose index scan over job_waiting, one probe a key, so a claim costs by the number of keys
 * with waiting jobs and not by the number of jobs. Where more keys are due than fit in a batch, the next claim goes on
 * where this one stopped. Lines that are held (hold.ts) have no turn.
 */
export async function claim(db: Db, { worker, lane, limit, kinds, after }: ClaimRequest): Promise<Batch> {
  const { rows } = await sql<Turn>`
    with recursive onward as (
      (${headOf(lane)} and fairness_key > ${after} order by fairness_key, run_at, id limit 1)
      union all
      select head.* from onward cross join lateral
        (${headOf(lane)} and fairness_key > onward.key order by fairness_key, run_at, id limit 1) as head
    ),
    wrapped as (
      (${headOf(lane)} and fairness_key <= ${after} order by fairness_key, run_at, id limit 1)
      union all
      select head.* from wrapped cross join lateral
        (${headOf(lane)} and fairness_key > wrapped.key and fairness_key <= ${after}
         order by fairness_key, run_at, id limit 1) as head
    ),
    due as materialized (
      select key, row_number() over () as place
      from (select key from onward where ${isDue(lane)}
            union all
            select key from wrapped where ${isDue(lane)}
            limit ${limit}) as found
    ),
    taken as (
      select mine.id, due.key
      from due cross join lateral (
        select id from job
        where lane = ${lane} and holder is null and fairness_key = due.key and run_at <= now() and kind = any(${kinds})
        order by run_at, id
        limit (select ceil(${limit}::float8 / greatest(count(*), 1)) from due)::bigint
        for update skip locked
      ) as mine
      limit ${limit}
    ),
    claimed as (
      update job set holder = ${worker}, fence = fence + 1
      where id = any(array(select id from taken))
      returning id, fence, kind, lane, payload, fairness_key, run_at
    )
    select due.key, claimed.id, claimed.fence, claimed.kind, claimed.lane, claimed.payload
    from due left join claimed on claimed.fairness_key = due.key
    order by row_number() over (partition by due.key order by claimed.run_at, claimed.id), due.place
  `.execute(db)
  const jobs = rows.filter(hasJob).map(({ key: _, ...job }) => job)
  return { jobs, after: lastKey(rows, jobs.length === limit) ?? after }
}

function headOf(lane: Lane): RawBuilder<unknown> {
  return sql`select fairness_key as key, run_at from job where lane = ${lane} and holder is null`
}

function isDue(lane: Lane): RawBuilder<boolean> {
  return sql`run_at <= now() and not ${isHeld(sql`${lane}`, sql`key`)}`
}

function hasJob(turn: Turn): turn is ClaimedRow {
  return turn.id !== null
}

/** A full batch may have left out the last keys: they are the first of the next. The first round has every key in order. */
function lastKey(rows: readonly Turn[], full: boolean): string | undefined {
  const firstRound = [...new Set(rows.filter((turn) => !full || hasJob(turn)).map((turn) => turn.key))]
  return firstRound.at(-1)
}
