import { expect } from 'vitest'
import { ask } from '../support/graph.ts'
import type { House } from '../support/house.ts'

export interface Job {
  readonly id: string
  readonly status: string
  readonly received: number
  readonly enqueued: number
  readonly failures: number
  readonly request: { readonly id: string } | null
  readonly counts: {
    readonly total: number
    readonly pending: number
    readonly sent: number
    readonly failed: number
    readonly skipped: number
    readonly canceled: number
  }
}

interface User {
  readonly recipient: string
  readonly status: string
  readonly error: string | null
  readonly messageId: string | null
  readonly message: {
    readonly id: string
    readonly status: string
    readonly resendOf: string | null
    readonly jobId: string
    readonly requestId: string
    readonly output: readonly { readonly text: string }[]
  } | null
}

export const JOB = '{ id status received enqueued failures request { id } counts { total pending sent failed skipped canceled } }'

const ADD = `mutation ($id: ID!, $users: [BulkUserInput!]!) {
  addBulkUsers(jobId: $id, users: $users) { total errors { index code error recipient } }
}`

interface Added {
  readonly total: number
  readonly errors: readonly {
    readonly index: number
    readonly code: string
    readonly error: string
    readonly recipient: string | null
  }[]
}

/** A job that was created with a message, and what is done with it. */
export async function createJob({ client }: Pick<House, 'client'>, message: Record<string, unknown>) {
  const { createBulkJob } = await ask<{ createBulkJob: { id: string } }>(
    client,
    'mutation ($m: MessageInput!) { createBulkJob(input: { message: $m }) { id } }',
    { m: message },
  )
  const { id } = createBulkJob
  const state = async (): Promise<Job> =>
    (await ask<{ bulkJob: Job }>(client, `query ($id: ID!) { bulkJob(id: $id) ${JOB} }`, { id })).bulkJob
  return {
    id,
    state,
    add: async (users: readonly { readonly to: Record<string, unknown> }[]): Promise<Added> =>
      (await ask<{ addBulkUsers: Added }>(client, ADD, { id, users })).addBulkUsers,
    run: async (): Promise<Job> =>
      (await ask<{ runBulkJob: Job }>(client, `mutation ($id: ID!) { runBulkJob(id: $id) ${JOB} }`, { id })).runBulkJob,
    /** Once no message of it is under way. */
    completed: async (status = 'COMPLETED'): Promise<Job> => {
      await expect
        .poll(
          async () => {
            const { status, counts } = await state()
            return [status, counts.pending]
          },
          { timeout: 20_000 },
        )
        .toEqual([status, 0])
      return state()
    },
    /** The first hundred. */
    users: async (): Promise<readonly User[]> =>
      (
        await ask<{ bulkJob: { users: { nodes: User[] } } }>(
          client,
          `query ($id: ID!) { bulkJob(id: $id) { users(first: 100) { nodes {
             recipient status error messageId message { id status resendOf jobId requestId output { text } }
           } } } }`,
          { id },
        )
      ).bulkJob.users.nodes,
  }
}
