import { notFound, Refusal } from '../errors.ts'
import type { MessageStatus } from '../generated/tables.ts'
import type { NewEvent } from '../log/event.ts'
import { hold, release } from '../queue/hold.ts'
import { fairnessOf, lineOfJob } from '../queue/kinds.ts'
import { type BulkJobState, changeBulkJob, lockBulkJob, readJobOfRequest } from '../store/bulk-job.ts'
import { type CanceledMessage, cancelLocked, hasPending, lockMessage, lockPending } from '../store/cancel.ts'
import type { Tx } from '../store/database.ts'
import { endRequest } from '../store/request.ts'
import type { Command, GroupScope, Scope } from './command.ts'

/**
 * Stops a message before a provider is called for it, or between attempts; the answer is its id. An attempt is noted under the
 * lock of the message's row before its provider is called, and is not noted once the message is CANCELED: after that no
 * provider is called. Canceling again changes nothing.
 *
 * @throws Refusal NOT_FOUND; TOO_LATE where its provider is being called, or it has ended otherwise
 */
export const cancelMessage: Command<{ id: string }, string> = async (scope, { id }) => {
  const { environmentId } = scope.actor
  const status = await lockMessage(scope.tx, environmentId, id)
  if (status === null) throw notFound('message', id)
  if (status === 'CANCELED') return id
  const canceled = await cancelLocked(scope.tx, environmentId, [id], scope.now)
  if (canceled.length === 0) throw tooLate(status)
  announce(scope, environmentId, canceled)
  return id
}

function tooLate(status: MessageStatus): Refusal {
  const isPending = status === 'ENQUEUED' || status === 'DELAYED' || status === 'ROUTED'
  const why = isPending ? 'its provider is being called' : `it is ${status} already`
  return new Refusal('TOO_LATE', `The message can no longer be stopped: ${why}.`)
}

/**
 * Makes no further message of a request, and cancels those that can still be stopped: some at once, the rest by a job, which
 * also comes back for those whose provider is being called, until none of them is pending. A bulk job whose request it is ends
 * as CANCELED, unless all of its messages have ended. The answer is the request's id.
 *
 * @throws Refusal NOT_FOUND
 */
export const cancelRequest: Command<{ id: string }, string> = async (scope, { id }) => {
  const { environmentId } = scope.actor
  const jobId = await readJobOfRequest(scope.tx, environmentId, id)
  // Locked before its request, as by whoever makes its messages.
  const job = jobId === null ? null : await lockBulkJob(scope.tx, environmentId, jobId)
  const isUnderWay = job !== null && job.status !== 'CANCELED' && !(await hasEnded(scope.tx, environmentId, job))
  if (isUnderWay) await endJob(scope, job.id)
  await stopRequest(scope, id, isUnderWay ? job.id : undefined)
  return id
}

/** Whether a job makes no message any more and none of its messages can still be stopped. */
export async function hasEnded(tx: Tx, environmentId: string, job: Pick<BulkJobState, 'status' | 'requestId'>): Promise<boolean> {
  return job.status === 'COMPLETED' && !(await hasPending(tx, environmentId, job.requestId))
}

/** Ends a bulk job as CANCELED: no further message is made. */
export async function endJob({ tx, actor, now }: Scope, jobId: string): Promise<void> {
  await changeBulkJob(tx, actor.environmentId, jobId, { status: 'CANCELED', completedAt: now }, now)
}

/**
 * @param jobId of the bulk job that ended with it, whose messages wait until they are canceled: none of them is sent meanwhile
 * @throws Refusal NOT_FOUND
 */
export async function stopRequest(scope: Scope, requestId: string, jobId: string | undefined): Promise<void> {
  const { environmentId } = scope.actor
  if (!(await endRequest(scope.tx, environmentId, requestId, scope.now))) throw notFound('request', requestId)
  if (jobId !== undefined) await hold(scope.tx, lineOfJob(environmentId, jobId), null)
  const page = await cancelPage(scope, environmentId, requestId, '')
  if (page.next === null && jobId !== undefined) await release(scope.tx, lineOfJob(environmentId, jobId))
  if (page.next === null && !page.isPending) return
  scope.enqueue({
    kind: 'cancel',
    payload: { environmentId, requestId, ...(jobId !== undefined && { jobId }) },
    fairnessKey: `${fairnessOf(environmentId, null)}\ncancel`,
  })
}

const PAGE = 500

/** next: where the next page begins; null: there is none, and isPending says whether messages are pending all the same. */
export type CanceledPage =
  | { readonly next: string; readonly isPending: true }
  | { readonly next: null; readonly isPending: boolean }

/** Cancels those of a page of a request's messages that can be stopped now. */
export async function cancelPage(
  scope: GroupScope,
  environmentId: string,
  requestId: string,
  after: string,
): Promise<CanceledPage> {
  const ids = await lockPending(scope.tx, environmentId, requestId, after, PAGE)
  announce(scope, environmentId, await cancelLocked(scope.tx, environmentId, ids, scope.now))
  if (ids.length === PAGE) return { next: ids.at(-1)!, isPending: true }
  return { next: null, isPending: await hasPending(scope.tx, environmentId, requestId) }
}

function announce(scope: GroupScope, environmentId: string, messages: readonly CanceledMessage[]): void {
  for (const message of messages) scope.append(canceledEvent(environmentId, message, scope.now))
}

/** The last event of a message that was stopped. */
export function canceledEvent(environmentId: string, message: CanceledMessage, at: Date): NewEvent {
  return {
    environmentId,
    stream: 'MESSAGE',
    type: 'CANCELED',
    at,
    messageId: message.id,
    requestId: message.requestId,
    jobId: message.jobId,
    userId: message.userId,
    tenantId: message.tenantId,
    status: 'CANCELED',
    reason: null,
    channel: null,
    providerId: null,
    error: null,
    detail: null,
  }
}
