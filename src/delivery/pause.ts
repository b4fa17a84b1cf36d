import type { Held } from '../queue/kinds.ts'
import { park } from '../queue/settle.ts'
import { holdPaused } from '../store/bulk-job.ts'
import type { Db } from '../store/database.ts'
import type { LetterRow } from '../store/letter.ts'

/**
 * Lets a message wait with the others of its bulk job while that is paused: one that a worker had in hand when it was paused, or
 * that was a dead letter. False where the job is not paused. A job that is resumed meanwhile waits for it, or is not paused.
 */
export type RestWhilePaused = (row: Pick<LetterRow, 'environmentId' | 'jobId' | 'isPaused'>, job: Held) => Promise<boolean>

export function createRestWhilePaused(db: Db): RestWhilePaused {
  return async ({ environmentId, jobId, isPaused }, job) => {
    if (!isPaused || jobId === null) return false
    return await db.transaction().execute(async (tx) => {
      if (!(await holdPaused(tx, environmentId, jobId))) return false
      await park(tx, job)
      return true
    })
  }
}
