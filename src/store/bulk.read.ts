import { type RawBuilder, sql } from 'kysely'
import type { BulkJobStatus } from '../generated/tables.ts'
import type { Db } from './database.ts'
import type { MessageCounts } from './message.read.ts'

/** A bulk job without its message, which may be long, and with how its users' latest messages stand: all of one instant. */
export interface BulkJobRow {
  readonly environmentId: string
  readonly id: string
  readonly status: BulkJobStatus
  readonly error: string | null
  readonly requestId: string
  /** Users are received, enqueued (with a message), failures (with an error), or pending: the rest. */
  readonly received: number
  readonly enqueued: number
  readonly failures: number
  readonly counts: MessageCounts
  readonly createdAt: Date
  readonly startedAt: Date | null
  readonly completedAt: Date | null
}

export const BULK_USER_STATUSES = ['PENDING', 'ENQUEUED', 'ERROR'] as const
export type BulkUserStatus = (typeof BULK_USER_STATUSES)[number]

export interface BulkUserRow {
  readonly position: number
  readonly recipient: string
  readonly status: BulkUserStatus
  /** Of the message that took the place of the first; null: the first is the latest. */
  readonly messageId: string | null
  readonly error: string | null
}

export interface BulkJobRef {
  readonly environmentId: string
  readonly id: string
}

export interface BulkReads {
  /** Those that there are. */
  readBulkJobs(refs: readonly BulkJobRef[]): Promise<readonly BulkJobRow[]>
  /** Newest first, after a place (the created_at and id of the last row seen). */
  readNewestBulkJobs(
    environmentId: string,
    after: { readonly at: Date; readonly id: string } | null,
    take: number,
  ): Promise<readonly BulkJobRow[]>
  /** In the order in which they were added, after a position. status: null means every one. */
  readBulkUsers(job: BulkJobRef, status: BulkUserStatus | null, after: number, take: number): Promise<readonly BulkUserRow[]>
  /** The request that a job's messages are of, or will be; null where there is no such job. */
  readRequestIdOfJob(environmentId: string, jobId: string): Promise<string | null>
  /** Whether a request is, or will be, that of one of these jobs. */
  isRequestOfJobs(environmentId: string, requestId: string, jobIds: readonly string[]): Promise<boolean>
}

export function createBulkReads(db: Db): BulkReads {
  return {
    async readBulkJobs(refs) {
      if (refs.length === 0) return []
      const { rows } = await sql<BulkJobRow>`
        select ${JOB}
        from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.id)}::text[]) as ref(environment_id, id)
        join bulk_job j on j.environment_id = ref.environment_id and j.id = ref.id
        ${COUNTED}`.execute(db)
      return rows
    },
    async readNewestBulkJobs(environmentId, after, take) {
      const { rows } = await sql<BulkJobRow>`
        select ${JOB}
        from (
          select * from bulk_job
          where environment_id = ${environmentId}
            and (${after === null} or (created_at, id) < (${after?.at ?? null}::timestamptz, ${after?.id ?? null}))
          order by created_at desc, id desc limit ${take}
        ) as j
        ${COUNTED}
        order by j.created_at desc, j.id desc`.execute(db)
      return rows
    },
    async readBulkUsers({ environmentId, id }, status, after, take) {
      const { rows } = await sql<BulkUserRow>`
        select u.position, u.recipient, u.message_id as "messageId", u.error,
               case when u.error is not null then 'ERROR' when u.position > j.placed then 'PENDING' else 'ENQUEUED' end as status
        from bulk_job j join bulk_user u on u.environment_id = j.environment_id and u.job_id = j.id
        where j.environment_id = ${environmentId} and j.id = ${id} and u.position > ${after} and ${isOf(status)}
        order by u.position limit ${take}`.execute(db)
      return rows
    },
    async readRequestIdOfJob(environmentId, jobId) {
      const row = await db
        .selectFrom('bulk_job')
        .select('request_id')
        .where('environment_id', '=', environmentId)
        .where('id', '=', jobId)
        .executeTakeFirst()
      return row?.request_id ?? null
    },
    async isRequestOfJobs(environmentId, requestId, jobIds) {
      const row = await db
        .selectFrom('bulk_job')
        .select('id')
        .where('environment_id', '=', environmentId)
        .where('id', 'in', [...jobIds])
        .where('request_id', '=', requestId)
        .executeTakeFirst()
      return row !== undefined
    },
  }
}

const JOB = sql`
  j.environment_id as "environmentId", j.id, j.status, j.error, j.request_id as "requestId", j.received, j.enqueued,
  j.failures, j.created_at as "createdAt", j.started_at as "startedAt", j.completed_at as "completedAt", c.counts`

const COUNTED = sql`
  cross join lateral (
    select json_build_object(
      'total', coalesce(sum(pending + sent + failed + skipped + canceled), 0), 'pending', coalesce(sum(pending), 0),
      'sent', coalesce(sum(sent), 0), 'failed', coalesce(sum(failed), 0), 'skipped', coalesce(sum(skipped), 0),
      'canceled', coalesce(sum(canceled), 0)
    ) as counts
    from bulk_count where environment_id = j.environment_id and job_id = j.id
  ) as c`

function isOf(status: BulkUserStatus | null): RawBuilder<unknown> {
  if (status === 'ERROR') return sql`u.error is not null`
  if (status === 'PENDING') return sql`u.position > j.placed`
  if (status === 'ENQUEUED') return sql`u.position <= j.placed and u.error is null`
  return sql`true`
}
