import { inboxEvent } from '../domain/inbox.ts'
import { append, lockLog } from '../log/append.ts'
import type { LogEvent, NewEvent } from '../log/event.ts'
import type { Held } from '../queue/kinds.ts'
import { confirm, postpone, settle } from '../queue/settle.ts'
import type { Db, Tx } from '../store/database.ts'
import { groupWrites } from '../store/group.ts'
import { countInboxes, type InboxCounts, insertInboxMessages, type NewInboxMessage } from '../store/inbox.ts'
import { keepProviderStates, type ProviderState } from '../store/provider.ts'
import {
  changeDeliveries,
  changeMessages,
  type DeliveryChange,
  insertDeadLetters,
  insertDeliveries,
  keepOutputs,
  keepPlans,
  type MessageChange,
  type NewOutput,
  type NewPlan,
  retireDeviceTokens,
} from '../store/record.ts'
import { type BouncedMessage, endBounced, holdEnding, type MessageOfJourney } from '../store/report.ts'
import { createSurvey } from '../store/survey.ts'

/** One entry of a message's journey: everything that is to be true at once. What it does not name stays as it is. */
export interface Entry {
  readonly job: Held
  /** What becomes of the job: kept for the next step, over, or put back for a while by the database's clock. */
  readonly after: 'keep' | 'settle' | { readonly afterMs: number }
  readonly message?: MessageChange
  /** Deliveries that begin. */
  readonly begun?: readonly DeliveryChange[]
  readonly deliveries?: readonly DeliveryChange[]
  readonly plan?: NewPlan
  readonly outputs?: readonly NewOutput[]
  readonly inbox?: NewInboxMessage
  readonly events?: readonly NewEvent[]
  readonly deadLetter?: Parameters<typeof insertDeadLetters>[1][number]
  readonly retire?: Parameters<typeof retireDeviceTokens>[1][number]
  readonly state?: ProviderState
  /** The journey ends with this entry. several: of its deliveries there are more than the entry names. */
  readonly ends?: MessageOfJourney & { readonly several: boolean }
}

/**
 * Writes an entry, together with those of other messages that came meanwhile. False: the job was taken over, or the
 * message is no longer a delivery's to move, and nothing of the entry was written.
 *
 * Where the connection was lost the entry may have been written all the same. One that lets its job go may be written
 * again: the job is not there to be let go twice, so the second time answers false. One that keeps it may not.
 */
export type WriteEntry = (entry: Entry) => Promise<boolean>

export function createRecord(parts: { db: Db; published(events: readonly LogEvent[]): void }): WriteEntry {
  const survey = createSurvey(parts.db)
  return groupWrites<Entry, boolean>(
    async (entries) => {
      const { kept, written } = await parts.db.transaction().execute((tx) => write(tx, entries))
      if (written.length > 0) parts.published(written)
      await survey(pick(entries, 'plan').length)
      return entries.map((entry) => kept.has(entry))
    },
    // Repetition is the caller's, who knows whether the job is still held.
    { maxSize: 200 },
  )
}

async function write(tx: Tx, entries: readonly Entry[]): Promise<{ kept: ReadonlySet<Entry>; written: readonly LogEvent[] }> {
  const ours = await holdJobs(tx, entries)
  const moved = await changeMessages(tx, pick(ours, 'message'))
  const kept = ours.filter((entry) => entry.message === undefined || moved.has(entry.message.id))
  await letGo(tx, kept)
  await insertDeliveries(
    tx,
    kept.flatMap((entry) => entry.begun ?? []),
  )
  const ends = pick(kept, 'ends')
  await holdEnding(
    tx,
    ends.filter(({ several }) => several),
  )
  const reported = await changeDeliveries(
    tx,
    kept.flatMap((entry) => entry.deliveries ?? []),
  )
  await keepPlans(tx, pick(kept, 'plan'))
  await keepOutputs(
    tx,
    kept.flatMap((entry) => entry.outputs ?? []),
  )
  await insertDeadLetters(tx, pick(kept, 'deadLetter'))
  await retireDeviceTokens(tx, pick(kept, 'retire'))
  await keepProviderStates(tx, pick(kept, 'state'))
  const bounced = await endBounced(
    tx,
    ends.filter(({ several, messageId }) => several || reported.has(messageId)),
  )
  const messageEvents = [...kept.flatMap((entry) => entry.events ?? []), ...bounced.map(bouncedEvent)]
  const inboxEvents = await fillInboxes(tx, pick(kept, 'inbox'), messageEvents)
  const events = [...messageEvents, ...inboxEvents]
  return { kept: new Set(kept), written: events.length > 0 ? await append(tx, events) : [] }
}

/** The entries whose job is still held with the fence it was claimed with. */
export async function holdJobs<E extends Pick<Entry, 'job'>>(tx: Tx, entries: readonly E[]): Promise<readonly E[]> {
  const confirmed = await confirm(
    tx,
    entries.map(({ job }) => job),
  )
  // A process that took its own job over may have both in one group; the newest fence is the one that counted.
  const newest = new Map<number, number>()
  for (const { job } of entries) newest.set(job.id, Math.max(job.fence, newest.get(job.id) ?? 0))
  return entries.filter(({ job: { id, fence } }) => confirmed.has(id) && newest.get(id) === fence)
}

/** Only of what was kept: the job of a message that is no longer a delivery's to move stays in hand, for what is left of its entry. */
export async function letGo(tx: Tx, kept: readonly Pick<Entry, 'job' | 'after'>[]): Promise<void> {
  await settle(
    tx,
    kept.filter(({ after }) => after === 'settle').map(({ job }) => job),
  )
  const later = kept.flatMap(({ job, after }) => (typeof after === 'object' ? [{ ...job, runAt: after }] : []))
  await postpone(tx, later)
}

function bouncedEvent({ id: messageId, updatedAt: at, ...message }: BouncedMessage): NewEvent {
  return {
    ...message,
    stream: 'MESSAGE',
    type: 'UNDELIVERABLE',
    at,
    messageId,
    status: 'UNDELIVERABLE',
    reason: 'BOUNCED',
    channel: null,
    providerId: null,
    detail: null,
  }
}

/**
 * Inbox rows and their events. The log is locked first, so that the counts are true at the event's position: with the logs
 * of everything else that this transaction is about to append, since heads are locked in one order or two writers deadlock.
 */
async function fillInboxes(
  tx: Tx,
  messages: readonly NewInboxMessage[],
  others: readonly NewEvent[],
): Promise<readonly NewEvent[]> {
  const added = await insertInboxMessages(tx, messages)
  const fresh = messages.filter(({ id }) => added.has(id))
  if (fresh.length === 0) return []
  await lockLog(tx, [...new Set([...fresh, ...others].map(({ environmentId }) => environmentId))])
  const counts = await countInboxes(tx, fresh)
  return fresh.map((message, index) =>
    inboxEvent(message, message.id, 'MESSAGE', message.createdAt, without(counts[index]!, laterInSameInbox(fresh, index))),
  )
}

function laterInSameInbox(messages: readonly NewInboxMessage[], index: number): number {
  const { environmentId, userId, tenantId } = messages[index]!
  return messages
    .slice(index + 1)
    .filter((other) => other.environmentId === environmentId && other.userId === userId && other.tenantId === tenantId).length
}

const without = (counts: InboxCounts, unseen: number): InboxCounts => ({
  total: counts.total - unseen,
  unread: counts.unread - unseen,
  unopened: counts.unopened - unseen,
})

function pick<K extends keyof Entry>(entries: readonly Entry[], key: K): NonNullable<Entry[K]>[] {
  return entries.flatMap((entry) => (entry[key] === undefined ? [] : [entry[key] as NonNullable<Entry[K]>]))
}
