import { sql } from 'kysely'
import type { Db } from '../store/database.ts'
import type { Held } from './kinds.ts'

/**
 * Frees the jobs of every worker whose heartbeat is older than the lease, by the database's clock, and forgets these
 * workers. Jobs whose holder is no known worker are freed too: a claim may commit after its worker was forgotten.
 * Any process may sweep at any time. Fences stay as they are: a free job that nobody claimed again still counts for
 * the one that had it. Returns how many jobs were freed.
 */
export async function sweep(db: Db, leaseSeconds: number): Promise<number> {
  // The holders are fixed before the rows are locked: a row that meanwhile went to a worker unknown to this
  // statement's snapshot no longer matches. Locked rows are being settled or swept; the next sweep sees what is left.
  const { rows } = await sql<{ freed: number }>`
    with dead as (
      delete from worker where id in (
        select id from worker where heartbeat < now() - ${leaseSeconds}::float8 * interval '1 second'
        order by id for update skip locked)
      returning id
    ),
    orphan as (
      select id from job
      where holder = any(array(
        select id from dead
        union
        select holder from job where holder is not null and not exists (select from worker where worker.id = job.holder)))
      order by id for update skip locked
    ),
    freed as (update job set holder = null where id = any(array(select id from orphan)) returning id)
    select count(*)::int as freed from freed
  `.execute(db)
  return rows[0]?.freed ?? 0
}

/** Frees everything anybody holds: right only where this process is known to be the only one. */
export async function freeAll(db: Db): Promise<void> {
  await sql`with forgotten as (delete from worker) update job set holder = null where holder is not null`.execute(db)
}

/** Makes the worker known, with a fresh heartbeat: before its first claim, or a sweep would free what it claims. */
export async function register(db: Db, worker: string): Promise<void> {
  await sql`insert into worker (id, heartbeat) values (${worker}, now())`.execute(db)
}

/** Renews the lease of everything the worker holds. False: it was swept, and holds nothing any more. */
export async function renew(db: Db, worker: string): Promise<boolean> {
  const { numAffectedRows } = await sql`update worker set heartbeat = now() where id = ${worker}`.execute(db)
  return numAffectedRows === 1n
}

/** Frees all that the worker holds and forgets it. */
export async function retire(db: Db, worker: string): Promise<void> {
  await sql`
    with gone as (delete from worker where id = ${worker}),
    held as (select id from job where holder = ${worker} order by id for update skip locked)
    update job set holder = null where id = any(array(select id from held))
  `.execute(db)
}

/** What the worker holds by the database's account. */
export async function heldBy(db: Db, worker: string): Promise<readonly Held[]> {
  return await db.selectFrom('job').select(['id', 'fence']).where('holder', '=', worker).execute()
}
