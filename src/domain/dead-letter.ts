import type { NewEvent } from '../log/event.ts'
import { fairnessOf, fairnessOfJob, JOB_KINDS, type JobKindName, type NewJob } from '../queue/kinds.ts'
import {
  type DeadLetterRow,
  deleteDeadLetters,
  lockRevivable,
  type RevivedMessage,
  readDeadLetters,
  reviveMessages,
} from '../store/dead-letter.ts'
import type { Command } from './command.ts'

/**
 * Puts work that was given up back on its way, under the same ids: its job again, its message ENQUEUED again, the dead letter
 * gone. Passed over are ids that are not known, kinds of work that this version does not know, and messages that were stopped,
 * that a retry of their bulk job sent again, or whose user was erased. The answer is how many it was.
 *
 * Messages are locked before letters, as by who erases a user, so the two cannot deadlock.
 */
export const redriveDeadLetters: Command<{ ids: readonly string[] }, number> = async (scope, { ids }) => {
  const { tx, actor, now } = scope
  const { environmentId } = actor
  const letters = (await readDeadLetters(tx, environmentId, ids)).filter(isKnown)
  const revivable = await lockRevivable(tx, environmentId, messageIdsOf(letters))
  const wanted = letters.filter(({ messageId }) => messageId === null || revivable.has(messageId))
  const taken = await deleteDeadLetters(
    tx,
    environmentId,
    wanted.map(({ id }) => id),
  )
  const redriven = wanted.filter(({ id }) => taken.has(id))
  const messages = new Map(
    (await reviveMessages(tx, environmentId, messageIdsOf(redriven), now)).map((message) => [message.id, message]),
  )
  for (const message of messages.values()) scope.append(redrivenEvent(environmentId, message, now))
  for (const letter of redriven) scope.enqueue(jobOf(environmentId, letter, messages.get(letter.messageId ?? '')))
  return redriven.length
}

/** Lets work that was given up rest for good: its message stays UNDELIVERABLE. The answer is how many it was. */
export const discardDeadLetters: Command<{ ids: readonly string[] }, number> = async ({ tx, actor }, { ids }) =>
  (await deleteDeadLetters(tx, actor.environmentId, ids)).size

type KnownLetter = DeadLetterRow & { readonly kind: JobKindName }

function isKnown(letter: DeadLetterRow): letter is KnownLetter {
  return Object.hasOwn(JOB_KINDS, letter.kind)
}

const messageIdsOf = (letters: readonly DeadLetterRow[]) => letters.flatMap(({ messageId }) => messageId ?? [])

function jobOf(environmentId: string, { kind, payload }: KnownLetter, message: RevivedMessage | undefined): NewJob {
  return { kind, payload: JOB_KINDS[kind].payload.parse(payload), ...turnOf(environmentId, kind, message) } as NewJob
}

/** A message is claimed in its tenant's turn, or its bulk job's; what is done for many messages in a turn of its kind. */
function turnOf(
  environmentId: string,
  kind: JobKindName,
  message: RevivedMessage | undefined,
): Pick<NewJob, 'fairnessKey' | 'lane'> {
  if (message === undefined) return { fairnessKey: `${fairnessOf(environmentId, null)}\n${kind}` }
  if (message.jobId === null) return { fairnessKey: fairnessOf(environmentId, message.tenantId) }
  return { fairnessKey: fairnessOfJob(environmentId, message.jobId), lane: 'bulk' }
}

function redrivenEvent(environmentId: string, message: RevivedMessage, at: Date): NewEvent {
  return {
    environmentId,
    stream: 'MESSAGE',
    type: 'ENQUEUED',
    at,
    messageId: message.id,
    requestId: message.requestId,
    jobId: message.jobId,
    userId: message.userId,
    tenantId: message.tenantId,
    status: message.status,
    reason: null,
    channel: null,
    providerId: null,
    error: null,
    detail: { redriven: true },
  }
}
