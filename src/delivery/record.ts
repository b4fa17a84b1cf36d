import { append, lockLog } from '../log/append.ts'
import type { LogEvent, NewEvent } from '../log/event.ts'
import type { Held } from '../queue/kinds.ts'
import { confirm, postpone, settle } from '../queue/settle.ts'
import type { Db, Tx } from '../store/database.ts'
import { groupWrites } from '../store/group.ts'
import { countInboxes, type InboxCounts, insertInboxMessages, type NewInboxMessage } from '../store/inbox.ts'
import {
  changeDeliveries,
  changeMessages,
  type DeliveryChange,
  insertDeadLetters,
  insertDeliveries,
  keepOutputs,
  keepPlans,
  type MessageChange,
  markProviders,
  type NewOutput,
  type NewPlan,
  retireDeviceTokens,
} from '../store/record.ts'

/** One entry of a message's journey: everything that is to be true at once. What it does not name stays as it is. */
export interface Entry {
  readonly job: Held
  /** What becomes of the job: kept for the next step, over, or put back until a moment. */
  readonly after: 'keep' | 'settle' | Date
  readonly message?: MessageChange
  /** Deliveries that begin. */
  readonly begun?: readonly DeliveryChange[]
  readonly deliveries?: readonly DeliveryChange[]
  readonly plan?: NewPlan
  readonly output?: NewOutput
  readonly inbox?: NewInboxMessage
  readonly events?: readonly NewEvent[]
  readonly deadLetter?: Parameters<typeof insertDeadLetters>[1][number]
  readonly retire?: Parameters<typeof retireDeviceTokens>[1][number]
  readonly mark?: Parameters<typeof markProviders>[1][number]
}

/**
 * Writes an entry, together with those of other messages that came meanwhile. False: the job was taken over, or the
 * message is no longer a delivery's to move, and nothing of the entry was written.
 */
export type Record = (entry: Entry) => Promise<boolean>

export function createRecord(parts: { db: Db; published(events: readonly LogEvent[]): void }): Record {
  return groupWrites<Entry, boolean>(
    async (entries) => {
      const { kept, written } = await parts.db.transaction().execute((tx) => write(tx, entries))
      if (written.length > 0) parts.published(written)
      return entries.map((entry) => kept.has(entry))
    },
    // A job that is settled is not there to be settled again; what keeps or postpones it would be written twice.
    { maxSize: 200, repeatable: ({ after }) => after === 'settle' },
  )
}

async function write(tx: Tx, entries: readonly Entry[]): Promise<{ kept: ReadonlySet<Entry>; written: readonly LogEvent[] }> {
  const ours = await dealWithJobs(tx, entries)
  const moved = await changeMessages(tx, pick(ours, 'message'))
  const kept = ours.filter((entry) => entry.message === undefined || moved.has(entry.message.id))
  await insertDeliveries(
    tx,
    kept.flatMap((entry) => entry.begun ?? []),
  )
  await changeDeliveries(
    tx,
    kept.flatMap((entry) => entry.deliveries ?? []),
  )
  await keepPlans(tx, pick(kept, 'plan'))
  await keepOutputs(tx, pick(kept, 'output'))
  await insertDeadLetters(tx, pick(kept, 'deadLetter'))
  await retireDeviceTokens(tx, pick(kept, 'retire'))
  await markProviders(tx, pick(kept, 'mark'))
  const inboxEvents = await fillInboxes(tx, pick(kept, 'inbox'))
  const events = [...kept.flatMap((entry) => entry.events ?? []), ...inboxEvents]
  return { kept: new Set(kept), written: events.length > 0 ? await append(tx, events) : [] }
}

/** The entries whose job is still held with the fence it was claimed with. */
async function dealWithJobs(tx: Tx, entries: readonly Entry[]): Promise<readonly Entry[]> {
  const kept = entries.filter(({ after }) => after === 'keep')
  const over = entries.filter(({ after }) => after === 'settle')
  const later = entries.filter(({ after }) => after instanceof Date)
  const alive = new Set<number>()
  const add = (ids: ReadonlySet<number>) => {
    for (const id of ids) alive.add(id)
  }
  if (kept.length > 0)
    add(
      await confirm(
        tx,
        kept.map(({ job }) => job),
      ),
    )
  if (over.length > 0)
    add(
      await settle(
        tx,
        over.map(({ job }) => job),
      ),
    )
  if (later.length > 0)
    add(
      await postpone(
        tx,
        later.map(({ job, after }) => ({ ...job, runAt: after as Date })),
      ),
    )
  return entries.filter(({ job }) => alive.has(job.id))
}

/** Inbox rows and their events. The log is locked first, so that the counts are true at the event's position. */
async function fillInboxes(tx: Tx, messages: readonly NewInboxMessage[]): Promise<readonly NewEvent[]> {
  const added = await insertInboxMessages(tx, messages)
  const fresh = messages.filter(({ id }) => added.has(id))
  if (fresh.length === 0) return []
  await lockLog(tx, [...new Set(fresh.map(({ environmentId }) => environmentId))])
  const counts = await countInboxes(tx, fresh)
  return fresh.map((message, index) => ({
    environmentId: message.environmentId,
    stream: 'INBOX',
    type: 'MESSAGE',
    at: message.createdAt,
    messageId: message.id,
    requestId: null,
    jobId: null,
    userId: message.userId,
    tenantId: message.tenantId,
    status: null,
    reason: null,
    channel: 'INBOX',
    providerId: null,
    error: null,
    detail: { counts: without(counts[index]!, laterInSameInbox(fresh, index)) },
  }))
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
