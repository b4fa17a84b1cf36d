import { ask } from './caller.ts'

/** What every user of a job gets; who has no address gets it in the inbox. */
const MESSAGE = { content: { title: 'Hello', body: 'It rings.' } }

const CREATE = 'mutation ($input: CreateBulkJobInput!) { createBulkJob(input: $input) { id } }'
const ADD = `mutation ($jobId: ID!, $users: [BulkUserInput!]!) {
  addBulkUsers(jobId: $jobId, users: $users) { total errors { index code } }
}`
const RUN = 'mutation ($id: ID!) { runBulkJob(id: $id) { id } }'
const JOB = `query ($id: ID!) {
  bulkJob(id: $id) { status received enqueued failures counts { total pending sent failed skipped canceled } }
}`

/** A job and how it stands, as an API process tells. */
export interface BulkJob {
  readonly status: string
  readonly received: number
  readonly enqueued: number
  readonly failures: number
  readonly counts: { readonly [Tally in 'total' | 'pending' | 'sent' | 'failed' | 'skipped' | 'canceled']: number }
}

/** A way to one API process, with a key. */
export interface Way {
  readonly url: string
  readonly key: string
}

export async function createJob({ url, key }: Way): Promise<string> {
  const { createBulkJob } = await ask<{ createBulkJob: { id: string } }>(url, key, CREATE, { input: { message: MESSAGE } })
  return createBulkJob.id
}

/** Adds people who are known by an id alone. How many were added: all or, where some are there already, fewer. */
export async function addUsers({ url, key }: Way, jobId: string, userIds: readonly string[]): Promise<number> {
  const users = userIds.map((userId) => ({ to: { userId } }))
  const { addBulkUsers } = await ask<{ addBulkUsers: { total: number } }>(url, key, ADD, { jobId, users })
  return addBulkUsers.total
}

export async function runJob({ url, key }: Way, id: string): Promise<void> {
  await ask(url, key, RUN, { id })
}

export async function readJob({ url, key }: Way, id: string): Promise<BulkJob> {
  return (await ask<{ bulkJob: BulkJob }>(url, key, JOB, { id })).bulkJob
}

/** 'done', or the code with which it was refused. */
export async function outcomeOf(asked: Promise<unknown>): Promise<string> {
  return asked.then(
    () => 'done',
    (error: Error) => error.message.split(':')[0]!,
  )
}
