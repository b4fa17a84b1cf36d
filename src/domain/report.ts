import type { Report } from '../channels/provider.ts'
import type { DeliveryStatus, MessageStatus } from '../generated/tables.ts'
import type { NewEvent } from '../log/event.ts'
import {
  type FoundDelivery,
  findReported,
  lockReported,
  type ReportedDelivery,
  type ReportedMessage,
  type ReportedRef,
  writeReported,
} from '../store/report.ts'
import type { CallbackPlace } from './callback-link.ts'
import type { GroupScope } from './command.ts'
import { readDeliveryKey } from './id.ts'
import type { Attempt } from './route.ts'

/** What one account's provider reports, verified. */
export interface Reports extends CallbackPlace {
  readonly reports: readonly Report[]
}

/** How many of the reports changed something, had been made before, or were of no delivery of this account. */
export interface ReportCounts {
  readonly applied: number
  readonly repeated: number
  readonly unknown: number
}

/**
 * Takes what a provider reports of messages that it took. Each kind counts once for a delivery, however often it is
 * reported, and in whatever order the reports come, they end in the same statuses (reliability G7, G16): DELIVERED goes
 * over bounced, and what a person did with the message over both. A report about an attempt of which no answer came closes it
 * (reliability G3): delivered, it was taken and is not sent again; bounced, its address was rejected and the journey goes on.
 *
 * A bounce of a message that was SENT makes it UNDELIVERABLE once no other delivery has it or may have it yet; where one
 * is under way, its journey's last entry does so (store/report.ts, endBounced).
 */
export async function applyReports(scope: GroupScope, { reports, ...place }: Reports): Promise<ReportCounts> {
  const named = reports.flatMap((report) => {
    const ref = readDeliveryKey(report.key)
    return ref === null ? [] : [{ ...report, ...ref }]
  })
  const found = new Map((await findReported(scope.tx, place, distinct(named))).map((one) => [nameOf(one), one]))
  const known = named.filter((report) => found.has(nameOf(report)))
  const unknown = reports.length - known.length
  const news = known.filter((report) => !found.get(nameOf(report))!.reports.includes(KINDS[report.what]))
  const applied = news.length === 0 ? 0 : await applyNews(scope, place.environmentId, news, found)
  return { applied, repeated: known.length - applied, unknown }
}

/** So many messages are written by one statement. */
const PAGE = 500

type NamedReport = Report & ReportedRef

async function applyNews(
  { tx, now, append }: GroupScope,
  environmentId: string,
  news: readonly NamedReport[],
  found: ReadonlyMap<string, FoundDelivery>,
): Promise<number> {
  const locked = await lockReported(tx, environmentId, [...new Set(news.map(({ messageId }) => messageId))])
  const messages = new Map(locked.messages.map((message) => [message.id, message]))
  const deliveries = new Map(locked.deliveries.map((delivery) => [delivery.id, delivery]))
  const ofMessage = Map.groupBy(locked.deliveries, ({ messageId }) => messageId)
  const events: NewEvent[] = []
  for (const report of news) {
    const message = messages.get(report.messageId)
    const delivery = deliveries.get(found.get(nameOf(report))!.id)
    // Erased, or told by another call, since it was found.
    if (message === undefined || delivery === undefined || delivery.reports.includes(KINDS[report.what])) continue
    const others = ofMessage.get(message.id)!.flatMap(({ id }) => (id === delivery.id ? [] : [deliveries.get(id)!]))
    const after = afterReport(message, delivery, others, report, now)
    messages.set(message.id, after.message)
    deliveries.set(delivery.id, after.delivery)
    events.push(eventOf(environmentId, after, report, now))
  }
  if (events.length === 0) return 0
  const reported = new Set(news.map((report) => found.get(nameOf(report))!.id))
  const changed = [...deliveries.values()].filter(({ id }) => reported.has(id))
  const told = [...messages.values()]
  for (let at = 0; at < Math.max(told.length, changed.length); at += PAGE) {
    await writeReported(tx, environmentId, told.slice(at, at + PAGE), changed.slice(at, at + PAGE), now)
  }
  for (const event of events) append(event)
  return events.length
}

/** As delivery.reports has them. */
const KINDS = { delivered: 'DELIVERED', bounced: 'BOUNCED' } as const satisfies { [W in Report['what']]: string }

interface After {
  readonly message: ReportedMessage
  readonly delivery: ReportedDelivery
}

/** A message and the delivery that is meant, once this was reported of it. */
function afterReport(
  message: ReportedMessage,
  before: ReportedDelivery,
  others: readonly ReportedDelivery[],
  report: Report,
  now: Date,
): After {
  const delivery = { ...before, reports: [...before.reports, KINDS[report.what]] }
  const at = plausible(report.at, before.startedAt, now)
  if (report.what === 'delivered') return { message: delivered(message, at), delivery: deliveredTo(delivery, at) }
  if (before.reports.includes(KINDS.delivered) || SEEN.includes(before.status)) return { message, delivery }
  const error = storable(report.error ?? BOUNCED)
  return { message: bounced(message, others, error), delivery: bouncedOff(delivery, error, now) }
}

const BOUNCED = 'The provider could not deliver it.'

const SEEN: readonly DeliveryStatus[] = ['OPENED', 'CLICKED']

/** One that arrived, of which that is told. */
export function deliveredTo(delivery: ReportedDelivery, at: Date): ReportedDelivery {
  return {
    ...takenBy(delivery, at),
    status: SEEN.includes(delivery.status) ? delivery.status : 'DELIVERED',
    deliveredAt: delivery.deliveredAt ?? at,
  }
}

/** Whatever was answered to its last attempt, it is not to be sent again. */
export function takenBy(delivery: ReportedDelivery, at: Date): ReportedDelivery {
  return {
    ...delivery,
    error: null,
    sentAt: delivery.sentAt ?? at,
    nextAttemptAt: null,
    attempts: withLast(delivery, { outcome: 'ACCEPTED', rejected: null, error: null }, at),
  }
}

function bouncedOff(delivery: ReportedDelivery, error: string, now: Date): ReportedDelivery {
  const { outcome } = delivery.attempts.at(-1) as Attempt
  const isOpen = outcome === null || outcome === 'UNKNOWN' || outcome === 'RETRY'
  return {
    ...delivery,
    status: 'UNDELIVERABLE',
    error,
    nextAttemptAt: null,
    attempts: isOpen ? withLast(delivery, { outcome: 'REJECTED', rejected: 'address', error }, now) : delivery.attempts,
  }
}

/** One whose worker never came back ends when its provider speaks of it: it is no crash any more. */
function withLast({ attempts }: ReportedDelivery, end: Partial<Attempt>, at: Date): readonly unknown[] {
  const last = attempts.at(-1) as Attempt
  return [...attempts.slice(0, -1), { ...last, ...end, endedAt: last.endedAt ?? at }]
}

/** What was given up may have arrived all the same. A message that was canceled stays so. */
const RAISED: readonly MessageStatus[] = ['ENQUEUED', 'DELAYED', 'ROUTED', 'SENT', 'UNDELIVERABLE']

function delivered(message: ReportedMessage, at: Date): ReportedMessage {
  const times = { sentAt: message.sentAt ?? at, deliveredAt: message.deliveredAt ?? at }
  if (!RAISED.includes(message.status)) return { ...message, ...times }
  return { ...message, ...times, status: 'DELIVERED', reason: null, error: null }
}

const TAKEN: readonly DeliveryStatus[] = ['SENT', 'DELIVERED', 'OPENED', 'CLICKED']

function bounced(message: ReportedMessage, others: readonly ReportedDelivery[], error: string): ReportedMessage {
  const wasSent = message.status === 'SENT' && !others.some((other) => TAKEN.includes(other.status) || isUnderWay(other))
  const wasUnknown = message.reason === 'UNKNOWN' && !others.some(({ status }) => status === 'UNKNOWN')
  return wasSent || wasUnknown ? { ...message, status: 'UNDELIVERABLE', reason: 'BOUNCED', error } : message
}

function isUnderWay({ status, nextAttemptAt }: ReportedDelivery): boolean {
  return status === 'ATTEMPTING' || status === 'RETRYING' || (status === 'UNKNOWN' && nextAttemptAt !== null)
}

function eventOf(environmentId: string, { message, delivery }: After, { what, error }: Report, now: Date): NewEvent {
  const { id: messageId, requestId, jobId, userId, tenantId, status } = message
  const { channel, providerId, reference } = delivery
  return {
    environmentId,
    stream: 'MESSAGE',
    type: what === 'delivered' ? 'DELIVERED' : 'UNDELIVERABLE',
    at: now,
    messageId,
    requestId,
    jobId,
    userId,
    tenantId,
    status,
    reason: what === 'delivered' ? null : 'BOUNCED',
    channel,
    providerId,
    error: what === 'delivered' ? null : storable(error ?? BOUNCED),
    detail: reference === null ? null : { reference },
  }
}

/** A provider's clock is not ours: nothing arrives before it was first tried, or later than now. */
function plausible(at: Date, first: Date, now: Date): Date {
  const ms = at.getTime()
  return Number.isNaN(ms) || ms > now.getTime() ? now : ms < first.getTime() ? first : at
}

const LONGEST_ERROR = 1_000

/** The outside's words as PostgreSQL can keep them. */
function storable(text: string): string {
  return text.slice(0, LONGEST_ERROR).replaceAll('\0', '\ufffd').toWellFormed()
}

const nameOf = ({ messageId, idPrefix }: ReportedRef) => `${messageId}\n${idPrefix}`

function distinct(refs: readonly ReportedRef[]): readonly ReportedRef[] {
  return [...new Map(refs.map((ref) => [nameOf(ref), ref])).values()]
}
