import { lockBulkJobsAround } from '../store/bulk-job.ts'
import { eraseBulkUsers } from '../store/bulk-user.ts'
import {
  deleteContents,
  deleteInbox,
  dropJobsOf,
  emptyBulkJobs,
  emptyRequests,
  eraseDeadLetters,
  eraseDeliveries,
  eraseEvents,
  eraseMessages,
  eraseWebhooks,
} from '../store/erase.ts'
import { deleteRow } from '../store/row.ts'
import { eraseCounts } from '../store/send-limit.ts'
import { keyOfUser } from './bulk-user-key.ts'
import { canceledEvent } from './cancel.ts'
import type { Command } from './command.ts'
import { checkId } from './id.ts'

/**
 * Erases a user: the profile and all that hangs on it, and from messages, deliveries, inbox, log and queue everything that
 * says who it was or what they were told. Messages that are still to be sent are CANCELED; of a call to a provider that is
 * under way nothing comes back. Counts and statuses stay, and so do tags and the event's name, which are what counts are
 * taken by; the trace id goes, since it leads to a person elsewhere. False where there was nothing to erase.
 *
 * What it cannot know to be theirs stays: messages to a bare address that never named the user, the person's name in somebody
 * else's message, content that a request shares with others or wrote for a group, idempotency keys (for 24 hours, their
 * results sealed), mails in the built-in catcher's folder, backups, and whatever providers keep. A send that is being accepted
 * at this very moment may count as one after the erasure; erasing again takes it too.
 *
 * Bulk jobs are locked first, so that none of their pages is made meanwhile: who is still pending there gets no message. One
 * of whose users nobody is left says nothing any more.
 * Jobs are locked before tokens and messages, in the order in which results are recorded, so the two cannot deadlock; the
 * log is locked last, by the events.
 */
export const deleteUser: Command<{ userId: string }, boolean> = async ({ tx, actor, now, append }, { userId }) => {
  checkId(userId, ['userId'])
  const { environmentId } = actor
  const key = keyOfUser(userId)
  await lockBulkJobsAround(tx, environmentId, key)
  await emptyBulkJobs(tx, environmentId, await eraseBulkUsers(tx, environmentId, key), now)
  await dropJobsOf(tx, environmentId, userId)
  // With device tokens, preferences, subscriptions and memberships.
  const existed = await deleteRow(tx, 'user', environmentId, userId)
  const messages = await eraseMessages(tx, environmentId, userId, now)
  const ids = messages.map(({ id }) => id)
  await eraseCounts(tx, environmentId, userId)
  await deleteContents(tx, environmentId, ids)
  await eraseDeliveries(tx, environmentId, ids)
  await eraseWebhooks(tx, environmentId, ids)
  await deleteInbox(tx, environmentId, userId)
  await eraseDeadLetters(tx, environmentId, ids)
  await emptyRequests(tx, environmentId, [...new Set(messages.map(({ requestId }) => requestId))])
  await eraseEvents(tx, environmentId, userId, ids)
  for (const message of messages) if (message.canceled) append(canceledEvent(environmentId, { ...message, userId: null }, now))
  return existed || messages.length > 0
}
