import type { Channel, DeliveryStatus, MessageStatus } from '../generated/tables.ts'
import type { NewEvent } from '../log/event.ts'
import { groupWrites } from '../store/group.ts'
import { lockReported, type ReportedDelivery, type ReportedMessage, writeReported } from '../store/report.ts'
import type { Commit, GroupScope } from './command.ts'
import { type MarkedMessage, markInboxes } from './inbox.ts'
import { deliveredTo, takenBy } from './report.ts'

/** What a person, or a person's device, did with a message as a channel brought it. */
export interface Engagement {
  readonly messageId: string
  readonly channel: Channel
  /** Null: through whichever account. */
  readonly providerId: string | null
  readonly what: EngagementKind
}

export const ENGAGEMENTS = ['DELIVERED', 'OPENED', 'CLICKED'] as const
export type EngagementKind = (typeof ENGAGEMENTS)[number]

/** new: something of it had not been told before. unknown: of no message that went that way, or of a person that was erased. */
export type EngagementFate = 'new' | 'repeated' | 'unknown'

/**
 * Notes what became of messages at the people they are for. The first time counts, for each delivery; a click was an opening too.
 * Statuses only move forward: in whatever order openings, clicks and reports of providers come, and if they come before
 * the sending itself was recorded, they end in the same ones. What was opened or clicked on another channel is opened and read
 * in the inbox as well (reference: courier 9.1).
 *
 * Answers in the order given. Locks messages, deliveries, inbox messages and the log, in that order.
 */
export async function recordEngagements(
  scope: GroupScope,
  environmentId: string,
  engagements: readonly Engagement[],
): Promise<readonly EngagementFate[]> {
  const fates = await applyEngagements(scope, environmentId, engagements)
  await markInboxes(
    scope,
    environmentId,
    engagements.flatMap((engagement, index) => (fates[index] === 'new' ? copyMarks(engagement) : [])),
  )
  return fates
}

/** Those that are told at the same time share a transaction, those of one environment. Telling again changes nothing. */
export function createRecordEngagement(
  commit: Commit,
): (environmentId: string, engagement: Engagement) => Promise<EngagementFate> {
  const record = groupWrites<{ environmentId: string; engagement: Engagement }, EngagementFate>(
    async (told) => {
      const fates = new Map<Engagement, EngagementFate>()
      for (const [environmentId, those] of Map.groupBy(told, (one) => one.environmentId)) {
        const engagements = those.map(({ engagement }) => engagement)
        const found = await commit((scope) => recordEngagements(scope, environmentId, engagements))
        for (const [index, engagement] of engagements.entries()) fates.set(engagement, found[index]!)
      }
      return told.map(({ engagement }) => fates.get(engagement)!)
    },
    { maxSize: 200, repeatable: () => true },
  )
  return (environmentId, engagement) => record({ environmentId, engagement })
}

function copyMarks({ messageId, what }: Engagement): readonly MarkedMessage[] {
  if (what === 'DELIVERED') return []
  if (what === 'CLICKED') return [{ messageId, mark: 'CLICKED' }]
  return [
    { messageId, mark: 'OPENED' },
    { messageId, mark: 'READ' },
  ]
}

/** The same for messages and deliveries alone. */
export async function applyEngagements(
  { tx, now, append }: GroupScope,
  environmentId: string,
  engagements: readonly Engagement[],
): Promise<readonly EngagementFate[]> {
  if (engagements.length === 0) return []
  const locked = await lockReported(tx, environmentId, [...new Set(engagements.map(({ messageId }) => messageId))])
  const messages = new Map(locked.messages.map((message) => [message.id, message]))
  const deliveries = new Map(locked.deliveries.map((delivery) => [delivery.id, delivery]))
  const ofMessage = Map.groupBy(locked.deliveries, ({ messageId }) => messageId)
  const changed = new Set<string>()
  const fates = engagements.map((engagement): EngagementFate => {
    const message = messages.get(engagement.messageId)
    const ways = (ofMessage.get(engagement.messageId) ?? []).map(({ id }) => deliveries.get(id)!)
    const taken = ways.filter((delivery) => isWayOf(engagement, delivery))
    if (message === undefined || message.isErased || taken.length === 0) return 'unknown'
    const after = afterEngagement(message, taken, engagement.what, now)
    for (const event of after.events) append({ environmentId, ...event })
    if (after.events.length === 0) return 'repeated'
    messages.set(message.id, after.message)
    changed.add(message.id)
    if (after.delivery !== null) deliveries.set(after.delivery.id, after.delivery)
    return 'new'
  })
  if (changed.size === 0) return fates
  const written = [...changed].map((id) => messages.get(id)!)
  const moved = [...deliveries.values()].filter(({ messageId }) => changed.has(messageId))
  await writeReported(tx, environmentId, written, moved, now)
  return fates
}

function isWayOf({ channel, providerId }: Engagement, delivery: ReportedDelivery): boolean {
  const isOfAccount = providerId === null || delivery.providerId === providerId
  return delivery.channel === channel && isOfAccount && delivery.status !== 'SIMULATED'
}

interface After {
  readonly message: ReportedMessage
  /** Null where nobody knows which of several it was: two phones that one account reaches. */
  readonly delivery: ReportedDelivery | null
  readonly events: readonly Omit<NewEvent, 'environmentId'>[]
}

function afterEngagement(before: ReportedMessage, ways: readonly ReportedDelivery[], what: EngagementKind, now: Date): After {
  let message = before
  let delivery = theOne(ways)
  const events: Omit<NewEvent, 'environmentId'>[] = []
  for (const step of what === 'CLICKED' ? (['OPENED', 'CLICKED'] as const) : [what]) {
    if (wasTold(delivery ?? message, step)) continue
    message = raised(message, step, now)
    delivery = delivery && raisedDelivery(delivery, step, now)
    events.push(eventOf(message, delivery ?? ways[0]!, step, now))
  }
  return { message, delivery, events }
}

const TAKEN: readonly DeliveryStatus[] = ['SENT', 'DELIVERED', 'OPENED', 'CLICKED']

function theOne(ways: readonly ReportedDelivery[]): ReportedDelivery | null {
  const taken = ways.filter(({ status }) => TAKEN.includes(status))
  const candidates = taken.length > 0 ? taken : ways
  return candidates.length === 1 ? candidates[0]! : null
}

function wasTold({ deliveredAt, openedAt, clickedAt }: ReportedMessage | ReportedDelivery, step: EngagementKind): boolean {
  const at = { DELIVERED: deliveredAt, OPENED: openedAt, CLICKED: clickedAt }
  return at[step] !== null
}

/** How far a status is; one that is not here does not move any more: a message that was canceled stays so. */
const RANK: { readonly [S in MessageStatus | DeliveryStatus]?: number } = {
  ENQUEUED: 0,
  DELAYED: 0,
  ROUTED: 0,
  ATTEMPTING: 0,
  RETRYING: 0,
  UNKNOWN: 0,
  // What was given up may have arrived all the same.
  UNDELIVERABLE: 0,
  SENT: 1,
  DELIVERED: 2,
  OPENED: 3,
  CLICKED: 4,
}

function isForward(status: MessageStatus | DeliveryStatus, step: EngagementKind): boolean {
  return (RANK[status] ?? Number.POSITIVE_INFINITY) < RANK[step]!
}

function timesOf(row: ReportedMessage | ReportedDelivery, step: EngagementKind, at: Date) {
  return {
    sentAt: row.sentAt ?? at,
    deliveredAt: row.deliveredAt ?? (step === 'DELIVERED' ? at : null),
    openedAt: row.openedAt ?? (step === 'OPENED' ? at : null),
    clickedAt: row.clickedAt ?? (step === 'CLICKED' ? at : null),
  }
}

function raised(message: ReportedMessage, step: EngagementKind, at: Date): ReportedMessage {
  const moved = { ...message, ...timesOf(message, step, at) }
  return isForward(message.status, step) ? { ...moved, status: step, reason: null, error: null } : moved
}

function raisedDelivery(delivery: ReportedDelivery, step: EngagementKind, at: Date): ReportedDelivery {
  if (step === 'DELIVERED') return deliveredTo({ ...delivery, reports: [...delivery.reports, step] }, at)
  const status = isForward(delivery.status, step) ? step : delivery.status
  return { ...takenBy(delivery, at), ...timesOf(delivery, step, at), status }
}

function eventOf(message: ReportedMessage, way: ReportedDelivery, type: EngagementKind, at: Date) {
  const { id: messageId, requestId, jobId, userId, tenantId, status } = message
  const { channel, providerId } = way
  const about = { messageId, requestId, jobId, userId, tenantId, status, channel, providerId }
  return { ...about, stream: 'MESSAGE', type, at, reason: null, error: null, detail: null } as const
}
