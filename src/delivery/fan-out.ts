import type { Logger } from 'pino'
import { enqueuedEvent, templateOf } from '../domain/accept.ts'
import type { Commit, GroupScope } from '../domain/command.ts'
import { messageIdAt, positionIn, roundStart } from '../domain/id.ts'
import { newProfileOf, type RecipientInput } from '../domain/recipient.ts'
import { MESSAGE_TIMEOUT_MS } from '../domain/route.ts'
import type { Definition } from '../domain/send.ts'
import { fairnessOfJob, type Held, type Payload, type Perform, type Work } from '../queue/kinds.ts'
import { confirm, postpone, settle } from '../queue/settle.ts'
import {
  type BulkJobChange,
  type BulkJobState,
  changeBulkJob,
  lockBulkJob,
  noteFault,
  readJobDefinition,
} from '../store/bulk-job.ts'
import {
  type AddressedMessage,
  type BulkUserPlace,
  failBulkUsers,
  lockFailedMessages,
  type PageSize,
  readBulkUsersAfter,
  replaceMessages,
} from '../store/bulk-user.ts'
import { isConnectionLost } from '../store/connect.ts'
import type { Db, Tx } from '../store/database.ts'
import { keepExpansion } from '../store/expansion.ts'
import { insertMessages, type NewMessage } from '../store/message.ts'
import { createSurvey } from '../store/survey.ts'
import { readOnlyTenants } from '../store/tenant.ts'
import { insertUsers } from '../store/user.ts'

export interface FanOutParts {
  readonly db: Db
  readonly commit: Commit
  readonly now: () => Date
  readonly log: Logger
}

/** Users of one transaction: their messages, events and jobs are committed with the place where the next begins. */
const PAGE: PageSize = { rows: 500, bytes: 4_000_000 }
/** Pages of one job, after which it stands in line behind what it placed: other jobs have their turn, and the line stays short. */
const PAGES_A_TURN = 4

/**
 * Makes the messages of a bulk job's users in the order in which they were added, page by page; or, where those that failed are
 * sent again, messages that take their place. A crash loses a page at most and doubles nobody: how far the job is stands in
 * the transaction that made the page.
 *
 * A job that fails by a fault of ours for as long as a message may take ends in ERROR, and may be resumed.
 */
export function createFanOut(parts: FanOutParts): Perform<'fanOut'> {
  const survey = createSurvey(parts.db)
  return async (ref, work) => {
    try {
      await fanOut(parts, survey, ref, work)
    } catch (fault) {
      if (work.signal.aborted || isConnectionLost(fault) || !(await isOverdue(parts, ref))) throw fault
      parts.log.error({ err: fault, job: ref.jobId }, 'a bulk job did not get on until its time was up')
      await parts.commit((scope) => giveUp(scope, ref, work.job))
    }
  }
}

async function fanOut(
  { commit }: FanOutParts,
  survey: ReturnType<typeof createSurvey>,
  ref: Payload<'fanOut'>,
  work: Work,
): Promise<void> {
  for (let page = 1; !work.signal.aborted; page += 1) {
    const isLastOfTurn = page === PAGES_A_TURN
    const goesOn = await commit((scope) => makePage(scope, ref, work.job, isLastOfTurn))
    await survey(PAGE.rows)
    if (goesOn && !isLastOfTurn) continue
    if (goesOn) work.comesBack(0)
    return
  }
}

async function isOverdue({ db, now }: FanOutParts, { environmentId, jobId }: Payload<'fanOut'>): Promise<boolean> {
  const since = await noteFault(db, environmentId, jobId, now())
  return since !== null && now().getTime() - since.getTime() >= MESSAGE_TIMEOUT_MS
}

async function giveUp({ tx, now }: GroupScope, { environmentId, jobId }: Payload<'fanOut'>, held: Held): Promise<void> {
  if (!(await confirm(tx, [held])).has(held.id)) return
  const job = await lockBulkJob(tx, environmentId, jobId)
  if (job?.status !== 'PROCESSING') return letGo(tx, held, job)
  await changeBulkJob(tx, environmentId, jobId, { status: 'ERROR', error: STUCK }, now)
  await settle(tx, [held])
}

/** A job that is paused keeps its fan-out, which waits in its line; any other needs none. */
async function letGo(tx: Tx, held: Held, job: BulkJobState | null): Promise<void> {
  if (job?.status === 'PAUSED') await postpone(tx, [{ ...held, runAt: { afterMs: 0 } }])
  else await settle(tx, [held])
}

const STUCK = 'Something went wrong on our side each time its messages were made, until its time was up. It can be resumed.'
const ERASED_USER = 'The user was erased.'

/** What of a job one transaction makes. */
interface Page {
  readonly environmentId: string
  readonly job: BulkJobState
  readonly definition: Definition
}

/** @returns whether there is a page after this one, and it is still this worker's to make */
async function makePage(
  scope: GroupScope,
  { environmentId, jobId }: Payload<'fanOut'>,
  held: Held,
  isLastOfTurn: boolean,
): Promise<boolean> {
  const { tx, now } = scope
  if (!(await confirm(tx, [held])).has(held.id)) return false
  const job = await lockBulkJob(tx, environmentId, jobId)
  if (job?.status !== 'PROCESSING') {
    await letGo(tx, held, job)
    return false
  }
  const definition = (await readJobDefinition(tx, environmentId, jobId)) as Definition
  const page: Page = { environmentId, job, definition }
  const change = job.retried === null ? await placeUsers(scope, page) : await sendAgain(scope, page, job.retried)
  await changeBulkJob(tx, environmentId, jobId, change, now)
  const goesOn = change.status === undefined
  if (!goesOn) await settle(tx, [held])
  else if (isLastOfTurn) await postpone(tx, [{ ...held, runAt: { afterMs: 0 } }])
  return goesOn
}

/** The next users' messages. */
async function placeUsers(scope: GroupScope, page: Page): Promise<BulkJobChange> {
  const { environmentId, job } = page
  const { id: jobId, requestId, placed } = job
  const { rows: users, isLast } = await readBulkUsersAfter(scope.tx, environmentId, jobId, placed, PAGE)
  const present = users.filter(({ to }) => to !== null)
  const gone = users.filter(({ to }) => to === null).map(({ position }) => position)
  await addMessages(scope, page, present)
  await failBulkUsers(scope.tx, environmentId, jobId, gone, ERASED_USER)
  if (isLast) await keepExpansion(scope.tx, environmentId, requestId, null)
  return {
    placed: users.at(-1)?.position ?? placed,
    enqueued: present.length,
    failures: gone.length,
    ...(isLast && { status: 'COMPLETED', completedAt: scope.now }),
  }
}

async function addMessages(scope: GroupScope, page: Page, users: readonly BulkUserPlace[]): Promise<void> {
  const { environmentId, job, definition } = page
  const persons = users.map(({ position, recipient, to }) => ({ position, recipient, to: to as RecipientInput }))
  await insertUsers(
    scope.tx,
    persons.flatMap(({ to }) => (to.userId == null ? [] : [{ environmentId, id: to.userId, profile: newProfileOf(to, ['to']) }])),
  )
  const inferred = await inferTenants(scope, page, persons)
  const messages = persons.map(({ position, recipient, to }) =>
    messageOf(page, scope.now, {
      id: messageIdAt(job.requestId, 0, position),
      userId: to.userId ?? null,
      recipient,
      to,
      tenantId: to.tenantId ?? definition.tenantId ?? inferred.get(to.userId ?? '') ?? null,
      topicId: definition.topicId,
    }),
  )
  await insertMessages(scope.tx, [], messages)
  for (const message of messages) announce(scope, page, message)
}

/** A user who is a member of exactly one tenant stands in its context, where nobody gives another. */
async function inferTenants(
  { tx }: GroupScope,
  { environmentId, definition }: Page,
  persons: readonly { readonly to: RecipientInput }[],
): Promise<ReadonlyMap<string, string>> {
  if (definition.tenantId !== null) return new Map()
  const ids = persons.flatMap(({ to }) => (to.userId != null && to.tenantId == null ? to.userId : []))
  return ids.length === 0 ? new Map() : readOnlyTenants(tx, environmentId, ids)
}

/** Messages in the place of the next ones that failed. */
async function sendAgain(scope: GroupScope, page: Page, after: string): Promise<BulkJobChange> {
  const { environmentId, job } = page
  const { requestId, round } = job
  const before = roundStart(requestId, round)
  const { rows: failed, isLast } = await lockFailedMessages(scope.tx, environmentId, requestId, { after, before }, PAGE)
  const again = failed.map((one) => againOf(page, one, scope.now))
  await insertMessages(scope.tx, [], again)
  await replaceMessages(
    scope.tx,
    environmentId,
    job.id,
    again.map(({ id, resendOf }) => ({ position: positionIn(id), messageId: resendOf!, replacedBy: id })),
  )
  for (const message of again) announce(scope, page, message)
  if (isLast) return { retried: null, status: 'COMPLETED', completedAt: scope.now }
  return { retried: failed.at(-1)!.id }
}

function againOf(page: Page, failed: AddressedMessage, now: Date): NewMessage {
  const { requestId, round } = page.job
  const id = messageIdAt(requestId, round, positionIn(failed.id))
  return { ...messageOf(page, now, { ...failed, id }), resendOf: failed.id }
}

function messageOf({ environmentId, job, definition }: Page, now: Date, one: AddressedMessage): NewMessage {
  return {
    ...one,
    environmentId,
    requestId: job.requestId,
    jobId: job.id,
    status: 'ENQUEUED',
    reason: null,
    error: null,
    listId: null,
    audienceId: null,
    ...templateOf(definition),
    ...definition.metadata,
    enqueuedAt: now,
    expiresAt: definition.expiresAt ?? null,
  }
}

/** Its first event and its delivery, in the job's own line. */
function announce(scope: GroupScope, { environmentId, job }: Page, message: NewMessage): void {
  scope.append(enqueuedEvent(message))
  scope.enqueue({
    kind: 'deliver',
    payload: { environmentId, messageId: message.id },
    fairnessKey: fairnessOfJob(environmentId, job.id),
    lane: 'bulk',
  })
}
