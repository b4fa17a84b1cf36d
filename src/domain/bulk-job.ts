import { badInput, notFound, Refusal } from '../errors.ts'
import type { BulkJobStatus } from '../generated/tables.ts'
import { hold, release } from '../queue/hold.ts'
import { fairnessOfJob, lineOfJob } from '../queue/kinds.ts'
import { type BulkJobState, changeBulkJob, insertBulkJob, lockBulkJob, readJobDefinition } from '../store/bulk-job.ts'
import { hasFailedMessages } from '../store/bulk-user.ts'
import { insertMessages } from '../store/message.ts'
import { findMissing } from '../store/reference.ts'
import { isCanceled } from '../store/request.ts'
import { createTemplateVersions } from '../store/template.ts'
import type { Actor, Mode } from './actor.ts'
import { endJob, hasEnded, stopRequest } from './cancel.ts'
import type { Command, Scope } from './command.ts'
import { LAST_ROUND, newId } from './id.ts'
import { checkMessage, type Definition, hasExpired, type MessageInput, missing, modeOf, referencesOf } from './send.ts'
import { settleTemplate } from './template-use.ts'

/**
 * Takes the message that every user of the job gets. A template is taken as it is published now, so that what is added later
 * is held against one and the same schema. The answer is the job's id.
 *
 * @throws Refusal BAD_USER_INPUT, NOT_FOUND for what it names, CONFLICT where nothing of the template is published
 */
export const createBulkJob: Command<MessageInput, string> = async (scope, given) => {
  const { tx, actor, now } = scope
  const definition = await settledDefinition(scope, given)
  const id = newId('job')
  await insertBulkJob(tx, {
    environmentId: actor.environmentId,
    id,
    mode: modeOf(actor),
    given,
    definition,
    requestId: newId('req'),
    now,
  })
  return id
}

async function settledDefinition({ tx, actor, guard, now }: Scope, given: MessageInput): Promise<Definition> {
  const { environmentId } = actor
  const whole = checkMessage(given, ['input', 'message'], { guard, now: () => now })
  const send = { individuals: [], definition: whole, data: [] }
  if (hasExpired(whole, now)) throw badInput(['input', 'message', 'expiresAt'], "'expiresAt' must be in the future.")
  const [unknown] = await findMissing(tx, referencesOf(environmentId, send))
  if (unknown) throw missing(unknown)
  const settled = await settleTemplate(tx, createTemplateVersions(), { environmentId, input: send })
  if (settled instanceof Refusal) throw settled
  const { definition } = settled
  if (definition.template?.version !== null) return definition
  throw new Refusal('CONFLICT', `Nothing of the template '${definition.template.id}' is published: publish it first.`)
}

/**
 * Begins to make the messages, in the background; from here on nobody can be added. Whether they are simulated is up to the key
 * that runs it.
 *
 * @throws Refusal NOT_FOUND, JOB_ALREADY_RUN, CONFLICT where its messages would have expired
 */
export const runBulkJob: Command<{ readonly id: string }, string> = async (scope, { id }) => {
  const { tx, actor, now } = scope
  const { environmentId } = actor
  const job = await lockKnown(scope, id)
  if (job.status !== 'CREATED') throw alreadyRun(job)
  const { requestId } = job
  const mode = modeOf(actor)
  const definition = (await readJobDefinition(tx, environmentId, id)) as Definition
  refuseExpired(definition, now)
  await insertMessages(tx, [{ environmentId, id: requestId, mode, definition, expansion: { jobId: id }, acceptedAt: now }], [])
  await changeBulkJob(tx, environmentId, id, { status: 'PROCESSING', mode, startedAt: now }, now)
  fanOut(scope, id)
  return id
}

/** Why a job is not run, and nobody added to it. */
export function alreadyRun({ startedAt }: BulkJobState): Refusal {
  const why = startedAt === null ? 'was canceled' : 'has been run: it runs once'
  return new Refusal('JOB_ALREADY_RUN', `The job ${why}, and nobody can be added to it any more.`)
}

/**
 * Makes no further message for now, and sends none of those that wait. What a worker has in hand goes on, until it
 * would be put back.
 *
 * @throws Refusal NOT_FOUND, CONFLICT where it has not begun, or every message of it has ended
 */
export const pauseBulkJob: Command<{ readonly id: string }, string> = async (scope, { id }) => {
  const { tx, actor, now } = scope
  const { environmentId } = actor
  const job = await lockKnown(scope, id)
  if (job.status === 'PAUSED') return id
  const isUnderWay = job.status === 'PROCESSING' || (job.status === 'COMPLETED' && !(await hasEnded(tx, environmentId, job)))
  if (!isUnderWay) throw cannot('paused', job.status)
  await changeBulkJob(tx, environmentId, id, { status: 'PAUSED' }, now)
  await hold(tx, lineOfJob(environmentId, id), null)
  return id
}

/** Goes on where it was paused, or given up. @throws Refusal NOT_FOUND, CONFLICT, also for a simulating key where messages are real */
export const resumeBulkJob: Command<{ readonly id: string }, string> = async (scope, { id }) => {
  const { tx, actor, now } = scope
  const { environmentId } = actor
  const { status, mode, completedAt } = await lockKnown(scope, id)
  if (status === 'PROCESSING') return id
  if (status !== 'PAUSED' && status !== 'ERROR') throw cannot('resumed', status)
  refuseInEarnest(actor, mode)
  // It was paused when its messages had all been made.
  const next = completedAt === null ? 'PROCESSING' : 'COMPLETED'
  await changeBulkJob(tx, environmentId, id, { status: next, error: null }, now)
  // Its fan-out waits in its line, unless it was given up.
  if (status === 'ERROR') fanOut(scope, id)
  await release(tx, lineOfJob(environmentId, id))
  return id
}

/**
 * Makes no further message, and cancels those that can still be stopped, as cancelRequest does. Canceling again changes
 * nothing.
 *
 * @throws Refusal NOT_FOUND, TOO_LATE where every message of it has ended
 */
export const cancelBulkJob: Command<{ readonly id: string }, string> = async (scope, { id }) => {
  const job = await lockKnown(scope, id)
  if (job.status === 'CANCELED') return id
  if (await hasEnded(scope.tx, scope.actor.environmentId, job)) {
    throw new Refusal('TOO_LATE', 'The job can no longer be stopped: every message of it has ended.')
  }
  await endJob(scope, id)
  if (job.startedAt !== null) await stopRequest(scope, job.requestId, id)
  return id
}

/**
 * Sends again to those whose message failed, each as a new message of the same request that takes the place of the first. A
 * delay counts anew.
 *
 * @throws Refusal NOT_FOUND, CONFLICT where it is not COMPLETED, its request was canceled, its messages have expired, a
 * simulating key asks for real ones, or it was retried 4,095 times
 */
export const retryBulkJob: Command<{ readonly id: string }, string> = async (scope, { id }) => {
  const { tx, actor, now } = scope
  const { environmentId } = actor
  const { status, mode, requestId, round } = await lockKnown(scope, id)
  if (status !== 'COMPLETED') throw cannot('retried', status)
  refuseInEarnest(actor, mode)
  if (!(await hasFailedMessages(tx, environmentId, requestId))) return id
  refuseExpired((await readJobDefinition(tx, environmentId, id)) as Definition, now)
  if (await isCanceled(tx, environmentId, requestId)) throw new Refusal('CONFLICT', 'The request of this job was canceled.')
  if (round >= LAST_ROUND) throw new Refusal('CONFLICT', `A job is retried ${LAST_ROUND} times at most.`)
  const again = { status: 'PROCESSING', round: round + 1, retried: '', completedAt: null } as const
  await changeBulkJob(tx, environmentId, id, again, now)
  fanOut(scope, id)
  return id
}

async function lockKnown({ tx, actor }: Scope, id: string): Promise<BulkJobState> {
  const job = await lockBulkJob(tx, actor.environmentId, id)
  if (job === null) throw notFound('bulk job', id)
  return job
}

function cannot(what: string, status: BulkJobStatus): Refusal {
  return new Refusal('CONFLICT', `A job that is ${status} cannot be ${what}.`)
}

function refuseInEarnest(actor: Actor, mode: Mode): void {
  if (modeOf(actor) === 'LIVE' || mode === 'SIMULATE') return
  throw new Refusal('CONFLICT', 'The messages of this job are real: a key that simulates cannot have them sent.')
}

function refuseExpired(definition: Definition, now: Date): void {
  if (hasExpired(definition, now)) throw new Refusal('CONFLICT', `Its messages expired at ${definition.expiresAt}.`)
}

/** Behind what the job has placed already: those who were placed are sent to while the next are. */
function fanOut({ actor, enqueue }: Scope, jobId: string): void {
  const { environmentId } = actor
  enqueue({ kind: 'fanOut', payload: { environmentId, jobId }, fairnessKey: fairnessOfJob(environmentId, jobId) })
}
