import pg from 'pg'
import { graphql, type House } from './house.ts'
import { CONTENT } from './mailing.ts'

const CREATE = 'mutation ($input: CreateBulkJobInput!) { createBulkJob(input: $input) { id } }'
const ADD = `mutation ($jobId: ID!, $users: [BulkUserInput!]!) {
  addBulkUsers(jobId: $jobId, users: $users) { total errors { code } }
}`
const RUN = 'mutation ($id: ID!) { runBulkJob(id: $id) { id } }'
const CANCEL = 'mutation ($id: ID!) { cancelBulkJob(id: $id) { id } }'

/** How a call of addBulkUsers is cut, and how many are under way at a time. */
export const A_CALL = Number(process.env.A_CALL ?? 2_500)
export const IN_FLIGHT = Number(process.env.IN_FLIGHT ?? 3)

export async function createJob(url: string, { key }: House): Promise<string> {
  const input = { message: { content: CONTENT } }
  const { createBulkJob } = await graphql<{ createBulkJob: { id: string } }>(url, key, CREATE, { input })
  return createBulkJob.id
}

/** Adds so many users to a job, some calls at a time. How many seconds it took. */
export async function addUsers(url: string, { key }: House, jobId: string, users: number): Promise<number> {
  const calls = Array.from({ length: Math.ceil(users / A_CALL) }, (_, call) => ({
    jobId,
    users: Array.from({ length: Math.min(A_CALL, users - call * A_CALL) }, (_, index) => userOf(call * A_CALL + index)),
  }))
  const began = performance.now()
  const caller = async (): Promise<void> => {
    for (let call = calls.pop(); call !== undefined; call = calls.pop()) {
      const { addBulkUsers } = await graphql<{ addBulkUsers: { total: number } }>(url, key, ADD, call)
      if (addBulkUsers.total !== call.users.length) throw new Error(`${addBulkUsers.total} users of ${call.users.length} added.`)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, caller))
  return (performance.now() - began) / 1000
}

function userOf(number: number): object {
  return { to: { userId: `user-${number}`, email: `user-${number}@example.com`, data: { name: `User ${number}` } } }
}

export async function runJob(url: string, { key }: House, id: string): Promise<void> {
  await graphql(url, key, RUN, { id })
}

export async function cancelJob(url: string, { key }: House, id: string): Promise<void> {
  await graphql(url, key, CANCEL, { id })
}

/** How a job stands, read from the database: no client stands between what is measured and the clock. */
export interface Standing {
  readonly status: string
  readonly received: number
  readonly pending: number
  readonly sent: number
  readonly others: number
}

export interface JobWatch {
  standing(jobId: string): Promise<Standing>
  /** Once every message of the job is SENT. Throws when one ends otherwise. */
  sent(jobId: string): Promise<void>
  /** Once no message of the job is under way any more, however each ended. */
  ended(jobId: string): Promise<void>
  close(): Promise<void>
}

/** How often it is looked: the end of a job is known so much too late. */
const LOOK_MS = 50

export async function openJobWatch({ databaseUrl }: House): Promise<JobWatch> {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  const standing = async (jobId: string) => (await client.query<Standing>(STANDING, [jobId])).rows[0]!
  return {
    standing,
    async sent(jobId) {
      for (;;) {
        const { status, received, sent, others } = await standing(jobId)
        if (others > 0 || status === 'ERROR') throw new Error(`A job is ${status}: ${others} messages were not sent.`)
        if (status === 'COMPLETED' && sent === received) return
        await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
      }
    },
    async ended(jobId) {
      while ((await standing(jobId)).pending > 0) await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    },
    close: () => client.end(),
  }
}

const STANDING = `
  select status, received, coalesce(pending, 0)::int as pending, coalesce(sent, 0)::int as sent, coalesce(others, 0)::int as others
  from bulk_job, (
    select sum(pending) as pending, sum(sent) as sent, sum(failed + skipped + canceled) as others from bulk_count where job_id = $1
  ) as counted
  where id = $1`
