import { setTimeout as sleep } from 'node:timers/promises'
import { type Api, CallError } from './api.ts'
import { type Persistence, passes, persist } from './bulk-call.ts'

/** A bulk job as it stands. */
export interface JobState {
  readonly id: string
  readonly status: 'CREATED' | 'PROCESSING' | 'PAUSED' | 'COMPLETED' | 'CANCELED' | 'ERROR'
  readonly error: string | null
  /** Users that were added. */
  readonly received: number
  /** Users for whom no message could be made. */
  readonly failures: number
  readonly counts: Readonly<Record<'total' | 'pending' | 'sent' | 'failed' | 'skipped' | 'canceled', number>>
}

const STATE = 'id status error received failures counts { total pending sent failed skipped canceled }'
const JOB = `query ($id: ID!) { bulkJob(id: $id) { ${STATE} } }`
const PROGRESS = `subscription ($id: ID!) { bulkJobProgress(id: $id) { ${STATE} } }`
const RUN = `mutation ($id: ID!) { runBulkJob(id: $id) { ${STATE} } }`

/** Null where the server knows no such job. */
export async function askForJob(api: Api, id: string): Promise<JobState | null> {
  return (await api.call<{ bulkJob: JobState | null }>(JOB, { id })).bulkJob
}

/** Starts a job, or finds that an earlier call did, whose answer was lost. */
export async function runJob(api: Api, id: string, persistence: Persistence): Promise<void> {
  try {
    await persist(() => api.call(RUN, { id }), persistence)
  } catch (error) {
    if (!(error instanceof CallError) || error.code !== 'JOB_ALREADY_RUN') throw error
  }
}

const FIRST_REST_MS = 250
const LONGEST_REST_MS = 10_000

/**
 * Follows a job to its end, whatever happens to the connection. After each cut the server is asked by a call as well: a socket that
 * is refused says neither why nor whether it was the server.
 *
 * @returns how it stands then: no message is under way
 * @throws what the server refuses for good; what the last call threw, where nothing was heard for as long as patience lasts
 */
export async function watchJob(
  api: Api,
  id: string,
  show: (job: JobState) => void,
  { signal, complain, patienceMs }: Persistence,
): Promise<JobState> {
  let heardAt = performance.now()
  const hear = (job: JobState): JobState => {
    heardAt = performance.now()
    show(job)
    return job
  }
  for (let restMs = FIRST_REST_MS; ; restMs = Math.min(LONGEST_REST_MS, restMs * 2)) {
    try {
      for await (const { bulkJobProgress: job } of api.follow<{ bulkJobProgress: JobState }>(PROGRESS, { id }, signal)) {
        restMs = FIRST_REST_MS
        if (hasEnded(hear(job))) return job
      }
    } catch (error) {
      if (error instanceof CallError && error.code !== null && !passes(error)) throw error
      complain('The connection was cut. Trying again.')
    }
    signal.throwIfAborted()
    try {
      const job = await askForJob(api, id)
      if (job === null) throw new Error(`The server has no job '${id}' any more.`)
      if (hasEnded(hear(job))) return job
    } catch (error) {
      if (!passes(error) || performance.now() - heardAt > patienceMs) throw error
    }
    await sleep(restMs, undefined, { signal })
  }
}

export function hasEnded({ status, counts }: JobState): boolean {
  return ['COMPLETED', 'CANCELED', 'ERROR'].includes(status) && counts.pending === 0
}
