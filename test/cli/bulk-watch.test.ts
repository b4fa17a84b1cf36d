import { describe, expect, test } from 'vitest'
import { type Api, CallError } from '../../src/cli/api.ts'
import { type JobState, watchJob } from '../../src/cli/bulk-watch.ts'

const NONE = { total: 0, pending: 0, sent: 0, failed: 0, skipped: 0, canceled: 0 }
const JOB: JobState = { id: 'job_1', status: 'PROCESSING', error: null, received: 1, failures: 0, counts: NONE }
const DONE: JobState = { ...JOB, status: 'COMPLETED', counts: { ...NONE, total: 1, sent: 1 } }

/** What a socket ends with that was closed before it told anything: no error of ours, and no words. */
const CLOSED = { code: 4403, reason: 'Forbidden' }
const AWAY = new CallError('Nothing answers.', 0)
const REVOKED = new CallError('This needs a valid API key.', 401, {
  message: 'This needs a valid API key.',
  extensions: { code: 'UNAUTHENTICATED', status: 401 },
})

/** A server whose sockets tell what is given, or end with it, and that answers calls so; the last of each for ever. */
function serverOf(sockets: readonly (JobState | object)[], answers: readonly (JobState | null | Error)[]): Api {
  const next = <One>(all: readonly One[]) => {
    const left = [...all]
    return () => (left.length > 1 ? left.shift()! : left[0]!)
  }
  const nextSocket = next(sockets)
  const nextAnswer = next(answers)
  return {
    async *follow() {
      const told = nextSocket()
      if (!('status' in told)) throw told
      yield { bulkJobProgress: told }
    },
    async call() {
      const answer = nextAnswer()
      if (answer instanceof Error) throw answer
      return { bulkJob: answer }
    },
  } as unknown as Api
}

async function watched(api: Api, patienceMs: number) {
  const shown: JobState[] = []
  const complaints: string[] = []
  const persistence = { signal: new AbortController().signal, complain: (one: string) => complaints.push(one), patienceMs }
  const outcome = await watchJob(api, 'job_1', (job) => shown.push(job), persistence)
  return { outcome, shown, complaints }
}

describe('Watching a job', () => {
  test('ends with what the server refuses, where its sockets are closed without a word', async () => {
    await expect(watched(serverOf([CLOSED], [REVOKED]), 600_000)).rejects.toBe(REVOKED)
  })

  test('ends where nothing was heard for as long as patience lasts', async () => {
    await expect(watched(serverOf([CLOSED], [AWAY]), 0)).rejects.toBe(AWAY)
  })

  test('has its patience anew with each thing that is heard', async () => {
    const { outcome } = await watched(serverOf([JOB, CLOSED, JOB, DONE], [JOB, AWAY, AWAY, AWAY]), 1500)
    expect(outcome).toEqual(DONE)
  })

  test('goes on by calls where something between lets no socket through', async () => {
    const { outcome, shown, complaints } = await watched(serverOf([CLOSED], [JOB, DONE]), 0)
    expect(outcome).toEqual(DONE)
    expect(shown).toEqual([JOB, DONE])
    expect(complaints.length).toBe(2)
  })

  test('ends where the job is there no more', async () => {
    await expect(watched(serverOf([CLOSED], [null]), 600_000)).rejects.toThrow("no job 'job_1'")
  })
})
