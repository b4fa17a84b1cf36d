import { sql } from 'kysely'
import type { ApiKeyMode, BulkJobStatus } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'

export interface NewBulkJob {
  readonly environmentId: string
  readonly id: string
  readonly mode: ApiKeyMode
  /** As the caller wrote it. */
  readonly given: unknown
  readonly definition: unknown
  readonly requestId: string
  readonly now: Date
}

/** A bulk job as those see it who move it on. */
export interface BulkJobState {
  readonly id: string
  readonly mode: ApiKeyMode
  readonly status: BulkJobStatus
  readonly requestId: string
  readonly startedAt: Date | null
  /** When its last message was made; null where messages are still to be made. */
  readonly completedAt: Date | null
  /** Users up to this position have their message, or their error. */
  readonly placed: number
  readonly round: number
  /** Of the messages that failed before this round, those up to this one were sent again; null where none is left. */
  readonly retried: string | null
}

export async function insertBulkJob(tx: Tx, job: NewBulkJob): Promise<void> {
  await tx
    .insertInto('bulk_job')
    .values({
      environment_id: job.environmentId,
      id: job.id,
      mode: job.mode,
      given: JSON.stringify(job.given),
      definition: JSON.stringify(job.definition),
      request_id: job.requestId,
      created_at: job.now,
      updated_at: job.now,
    })
    .execute()
}

const STATE = sql`id, mode, status, request_id as "requestId", started_at as "startedAt", completed_at as "completedAt", placed, round, retried`

/** The message that every user of a job gets, which may be some megabytes; null where there is no such job. */
export async function readJobDefinition(db: Db, environmentId: string, id: string): Promise<unknown> {
  const { rows } = await sql<{ definition: unknown }>`
    select definition from bulk_job where environment_id = ${environmentId} and id = ${id}`.execute(db)
  return rows[0]?.definition ?? null
}

/** What of it the data of a user are held against: its template, and its own data where it has one. Null where there is no such job. */
export async function readJobTemplate(
  db: Db,
  environmentId: string,
  id: string,
): Promise<{ readonly template: unknown; readonly data: unknown } | null> {
  const { rows } = await sql<{ template: unknown; data: unknown }>`
    select definition -> 'template' as template, case when definition ? 'template' then definition -> 'data' end as data
    from bulk_job where environment_id = ${environmentId} and id = ${id}`.execute(db)
  return rows[0] ?? null
}

/** As it is now: nobody else moves it before the transaction ends. Null where there is none. */
export async function lockBulkJob(tx: Tx, environmentId: string, id: string): Promise<BulkJobState | null> {
  const { rows } = await sql<BulkJobState>`
    select ${STATE} from bulk_job where environment_id = ${environmentId} and id = ${id} for no key update`.execute(tx)
  return rows[0] ?? null
}

/**
 * Waits for pages that are being made, and lets no other be made before the transaction ends; of jobs that have ended, locks
 * those that a user is in. In the order of their ids.
 *
 * @param key of the user, as in bulk_user
 */
export async function lockBulkJobsAround(tx: Tx, environmentId: string, key: string): Promise<void> {
  await sql`
    select from bulk_job j
    where environment_id = ${environmentId} and (
      status not in ('COMPLETED', 'CANCELED')
      or exists (select from bulk_user u where u.environment_id = j.environment_id and u.job_id = j.id and u.key = ${key})
    )
    order by id for no key update`.execute(tx)
}

export interface BulkJobChange {
  readonly status?: BulkJobStatus
  readonly mode?: ApiKeyMode
  readonly error?: string | null
  readonly placed?: number
  readonly round?: number
  readonly retried?: string | null
  readonly startedAt?: Date
  readonly completedAt?: Date | null
  /** More of them. */
  readonly enqueued?: number
  readonly failures?: number
}

/** Changes what is given; updated_at is `now`, and what failed before counts no more. */
export async function changeBulkJob(tx: Tx, environmentId: string, id: string, change: BulkJobChange, now: Date): Promise<void> {
  const { enqueued = 0, failures = 0, startedAt, completedAt, ...rest } = change
  await tx
    .updateTable('bulk_job')
    .set((job) => ({
      ...rest,
      ...(startedAt !== undefined && { started_at: startedAt }),
      ...(completedAt !== undefined && { completed_at: completedAt }),
      enqueued: job('enqueued', '+', enqueued),
      failures: job('failures', '+', failures),
      updated_at: now,
      faulty_since: null,
    }))
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .execute()
}

/**
 * Counts users that this transaction has added, as its last change: from here to its end the job does not begin to run. False
 * where it has begun, or is gone.
 */
export async function countReceived(tx: Tx, environmentId: string, id: string, users: number, now: Date): Promise<boolean> {
  const { rows } = await sql`
    update bulk_job set received = received + ${users}, updated_at = ${now}
    where environment_id = ${environmentId} and id = ${id} and status = 'CREATED'
    returning id`.execute(tx)
  return rows.length > 0
}

/** The bulk job whose messages a request's are; null where it is of none. */
export async function readJobOfRequest(tx: Tx, environmentId: string, requestId: string): Promise<string | null> {
  const { rows } = await sql<{ jobId: string | null }>`
    select coalesce(
      expansion ->> 'jobId',
      (select job_id from message where environment_id = ${environmentId} and request_id = ${requestId} limit 1)
    ) as "jobId"
    from request where environment_id = ${environmentId} and id = ${requestId}`.execute(tx)
  return rows[0]?.jobId ?? null
}

/**
 * Notes that a job that is being worked on fails by a fault; what moves it on takes the note away. Since when it has been failing,
 * or null where it is not being worked on.
 */
export async function noteFault(db: Db, environmentId: string, id: string, now: Date): Promise<Date | null> {
  const { rows } = await sql<{ since: Date }>`
    update bulk_job set faulty_since = coalesce(faulty_since, ${now})
    where environment_id = ${environmentId} and id = ${id} and status = 'PROCESSING'
    returning faulty_since as since`.execute(db)
  return rows[0]?.since ?? null
}
