import { lockLog } from '../log/append.ts'
import type { NewEvent } from '../log/event.ts'
import { countInboxes, type InboxCounts, type InboxRef } from '../store/inbox.ts'
import { type InboxState, lockInboxStates, writeInboxStates } from '../store/inbox-mark.ts'
import type { GroupScope } from './command.ts'

/** What can be done with one message of an inbox, as its event is called. OPENED: it was seen there. CLICKED: an action was taken. */
export const INBOX_MARKS = ['READ', 'UNREAD', 'OPENED', 'ARCHIVED', 'UNARCHIVED', 'CLICKED'] as const
export type InboxMark = (typeof INBOX_MARKS)[number]

export interface MarkedMessage {
  readonly messageId: string
  readonly mark: InboxMark
}

/**
 * Marks messages in their inboxes, each with an event that says what its inbox then counts. What is so already, or gone, is left
 * as it is and says nothing. Locks the inbox messages and then the log: whoever locks messages or deliveries does so before.
 */
export async function markInboxes(
  { tx, now, append }: GroupScope,
  environmentId: string,
  marks: readonly MarkedMessage[],
): Promise<void> {
  if (marks.length === 0) return
  const locked = await lockInboxStates(tx, environmentId, [...new Set(marks.map(({ messageId }) => messageId))])
  const states = new Map(locked.map((state) => [state.id, state]))
  const changes = marks.flatMap(({ messageId, mark }) => stepsOf(mark).flatMap((step) => changeOf(states, messageId, step, now)))
  if (changes.length === 0) return
  const changed = new Set(changes.map(({ after }) => after.id))
  await writeInboxStates(
    tx,
    environmentId,
    [...changed].map((id) => states.get(id)!),
  )
  const inboxes = [...Map.groupBy(changes, inboxOf).values()]
  await lockLog(tx, [environmentId])
  const counts = await countInboxes(
    tx,
    inboxes.map((those) => ({ environmentId, ...those[0]!.after })),
  )
  for (const [index, those] of inboxes.entries()) {
    const countsAfter = countsAfterEach(those, counts[index]!)
    for (const [nth, { step, after }] of those.entries()) {
      append(inboxEvent({ environmentId, ...after }, after.id, step, now, countsAfter[nth]!))
    }
  }
}

/** One that something was done with. changes: oldest first. */
interface Change {
  readonly step: InboxMark
  readonly before: InboxState
  readonly after: InboxState
}

/** Who takes an action of a message has seen and read it. */
function stepsOf(mark: InboxMark): readonly InboxMark[] {
  return mark === 'CLICKED' ? ['OPENED', 'READ', 'CLICKED'] : [mark]
}

/** Keeps what comes of it in `states`. */
function changeOf(states: Map<string, InboxState>, id: string, step: InboxMark, now: Date): readonly Change[] {
  const before = states.get(id)
  const said = before && changed(before, step, now)
  if (before === undefined || said == null) return []
  const after = { ...before, ...said }
  states.set(id, after)
  return [{ step, before, after }]
}

/** Null where it is so already. */
function changed(state: InboxState, step: InboxMark, now: Date): Partial<InboxState> | null {
  const { readAt, openedAt, archivedAt, clickedAt } = state
  switch (step) {
    case 'READ':
      return readAt === null ? { readAt: now } : null
    case 'UNREAD':
      return readAt === null ? null : { readAt: null }
    case 'OPENED':
      return openedAt === null ? { openedAt: now } : null
    case 'CLICKED':
      return clickedAt === null ? { clickedAt: now } : null
    case 'ARCHIVED':
      return archivedAt === null ? { archivedAt: now } : null
    case 'UNARCHIVED':
      return archivedAt === null ? null : { archivedAt: null }
  }
}

const inboxOf = ({ after: { userId, tenantId } }: Change) => JSON.stringify([userId, tenantId])

/** What an inbox counted after each change to it: what it counts now, less what the later ones made of it. */
function countsAfterEach(changes: readonly Change[], now: InboxCounts): readonly InboxCounts[] {
  let counts = now
  const newestFirst = changes.toReversed().map(({ before, after }) => {
    const counted = counts
    const [made, had] = [countedOf(after), countedOf(before)]
    counts = {
      total: counts.total - made.total + had.total,
      unread: counts.unread - made.unread + had.unread,
      unopened: counts.unopened - made.unopened + had.unopened,
    }
    return counted
  })
  return newestFirst.reverse()
}

/** What one message adds to the counts of its inbox. */
function countedOf({ readAt, openedAt, archivedAt }: InboxState): InboxCounts {
  if (archivedAt !== null) return { total: 0, unread: 0, unopened: 0 }
  return { total: 1, unread: Number(readAt === null), unopened: Number(openedAt === null) }
}

/** Something that happened to an inbox message. counts: of its inbox, once it had. */
export function inboxEvent(
  { environmentId, userId, tenantId }: InboxRef,
  messageId: string,
  type: InboxMark | 'MESSAGE',
  at: Date,
  counts: InboxCounts,
): NewEvent {
  return {
    environmentId,
    stream: 'INBOX',
    type,
    at,
    messageId,
    requestId: null,
    jobId: null,
    userId,
    tenantId,
    status: null,
    reason: null,
    channel: 'INBOX',
    providerId: null,
    error: null,
    detail: { counts },
  }
}
