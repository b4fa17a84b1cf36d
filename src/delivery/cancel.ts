import { cancelPage } from '../domain/cancel.ts'
import type { Commit, GroupScope } from '../domain/command.ts'
import { release } from '../queue/hold.ts'
import { type Held, lineOfJob, type Payload, type Perform } from '../queue/kinds.ts'
import { confirm, postpone, settle } from '../queue/settle.ts'

export interface CancelParts {
  readonly commit: Commit
}

/** After this long it looks again at messages whose providers were being called. */
const LOOK_AGAIN_MS = 1_000

/**
 * Cancels what is left of a canceled request, page by page, each one transaction with its events. A message whose provider is
 * being called is met again: it ends by what the provider says, or is stopped before it is tried once more.
 */
export function createCancel({ commit }: CancelParts): Perform<'cancel'> {
  return async (ref, work) => {
    let after: string | null = ''
    while (after !== null && !work.signal.aborted) {
      const from: string = after
      after = await commit((scope) => cancelFrom(scope, ref, from, work.job))
    }
  }
}

/** @returns where the next page begins; null: none of them is this performance's to cancel */
async function cancelFrom(
  scope: GroupScope,
  { environmentId, requestId, jobId }: Payload<'cancel'>,
  after: string,
  job: Held,
): Promise<string | null> {
  if (!(await confirm(scope.tx, [job])).has(job.id)) return null
  const page = await cancelPage(scope, environmentId, requestId, after)
  if (page.next !== null) return page.next
  // What is left of them is over, or in a provider's hands.
  if (jobId !== undefined) await release(scope.tx, lineOfJob(environmentId, jobId))
  if (page.isPending) await postpone(scope.tx, [{ ...job, runAt: { afterMs: LOOK_AGAIN_MS } }])
  else await settle(scope.tx, [job])
  return null
}
