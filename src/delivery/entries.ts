import type { Outcome, Rendered } from '../channels/provider.ts'
import { delayedEvent } from '../domain/accept.ts'
import { type ContentToSend, contentToKeep, contentToSend } from '../domain/channel-override.ts'
import { newId } from '../domain/id.ts'
import type { Decision, Plan, Step } from '../domain/plan.ts'
import { type AttemptOutcome, isUserNamed, type Move } from '../domain/route.ts'
import type { DeliveryStatus, MessageReason, MessageStatus } from '../generated/tables.ts'
import type { NewEvent } from '../log/event.ts'
import type { Held } from '../queue/kinds.ts'
import type { NewInboxMessage } from '../store/inbox.ts'
import type { ProviderState } from '../store/provider.ts'
import type { DeliveryChange, MessageChange, NewPlan } from '../store/record.ts'
import { type KnownDelivery, type Letter, newDelivery } from './letter.ts'
import type { Entry } from './record.ts'

/** What is written at each point of a journey. Pure: values in, an entry out. */

/** What is told where no provider said anything. */
export const UNCALLED = 'The worker did not get to the call; nothing was sent.'
export const FAULTY = 'Something went wrong on our side each time, until its time was up.'
export const ABANDONED = 'The worker that called the provider never came back; nobody knows whether it was taken.'

/** A step that is about to be tried. failedOver: the delivery that it stands in for. */
export interface Begun {
  readonly step: Step
  readonly delivery: KnownDelivery
  readonly content: Rendered
  readonly failedOver: KnownDelivery | null
}

/** Planned, rendered, and about to be tried: written before the calls. */
export function attemptEntry(attempt: {
  readonly letter: Letter
  readonly job: Held
  readonly begun: readonly Begun[]
  readonly decisions: readonly Decision[]
  /** Nothing was tried before it. */
  readonly first: boolean
  /** Another of its addresses took it already. */
  readonly sent: boolean
}): Entry {
  const { letter, job, begun, decisions, first, sent } = attempt
  const status = sent ? 'SENT' : 'ROUTED'
  const at = begun[0]!.delivery.attempts.at(-1)!.startedAt
  const routed = first ? [event(letter, 'ROUTED', at, { status })] : []
  const outputs = new Map(begun.map(({ step: { channel }, content }) => [channel, contentToKeep(content)]))
  const deliveries = begun.map(({ delivery }) => deliveryChange(letter, delivery))
  const isNew = ({ attempts }: DeliveryChange) => attempts.length === 1
  return {
    job,
    after: 'keep',
    ...(!sent && { message: change(letter, status, at), plan: planned(letter, decisions) }),
    begun: deliveries.filter(isNew),
    deliveries: deliveries.filter((delivery) => !isNew(delivery)),
    outputs: [...outputs].map(([channel, content]) => ({ ...placeOf(letter), channel, content })),
    events: [...routed, ...begun.flatMap((one) => attemptEvents(letter, one, status))],
  }
}

function attemptEvents(letter: Letter, { step, delivery, failedOver }: Begun, status: MessageStatus): readonly NewEvent[] {
  const at = delivery.attempts.at(-1)!.startedAt
  const about = { status, channel: step.channel, providerId: step.providerId } as const
  const events: NewEvent[] = []
  if (failedOver) {
    const from = { channel: failedOver.channel, providerId: failedOver.providerId }
    const error = failedOver.attempts.at(-1)?.error ?? null
    events.push(event(letter, 'FAILED_OVER', at, { ...about, error, detail: { from } }))
  }
  if (delivery.attempts.length === 1) events.push(event(letter, 'RENDERED', at, about))
  events.push(event(letter, 'DELIVERING', at, { ...about, detail: { attempt: delivery.attempts.length } }))
  return events
}

const placeOf = ({ row }: Letter) => ({ environmentId: row.environmentId, messageId: row.id })

/** The provider's answer, and what follows from it. */
export function settledEntry(settled: {
  letter: Letter
  job: Held
  step: Step
  delivery: KnownDelivery
  outcome: Outcome
  content: Rendered
  move: Move
  now: Date
  /** Another of its addresses took it already. */
  sent: boolean
  /** Other deliveries that change with it. */
  others: readonly KnownDelivery[]
  /** What changed about its account. */
  news: News | null
}): Entry {
  const { letter, job, step, delivery, outcome, move, now } = settled
  const reference = outcome.kind === 'accepted' ? outcome.reference : undefined
  const base = {
    job,
    after: afterwards(move, now),
    deliveries: [deliveryChange(letter, delivery, reference), ...settled.others.map((other) => deliveryChange(letter, other))],
    ...consequences(letter, step, outcome, settled.news),
  }
  if (outcome.kind === 'accepted') return { ...base, ...acceptedEntry(settled) }
  const about = { channel: step.channel, providerId: step.providerId, error: outcome.error }
  const status = settled.sent ? 'SENT' : 'ROUTED'
  if (move.kind === 'fail') {
    const failed = failedEntry(letter, job, move, now)
    return { ...base, message: failed.message!, events: failed.events!.map((one) => ({ ...one, ...about })) }
  }
  const again = delivery.nextAttemptAt
  const detail = { attempt: delivery.attempts.length, ...(again && { nextAttemptAt: again.toISOString() }) }
  const events = again ? [event(letter, 'RETRYING', now, { ...about, status, detail })] : []
  return { ...base, ...(!settled.sent && { message: change(letter, status, now, { error: outcome.error }) }), events }
}

function afterwards(move: Move, now: Date): Entry['after'] {
  if (move.kind === 'try' || move.kind === 'busy') return 'keep'
  return move.kind === 'wait' ? restUntil(move.until, now) : 'settle'
}

/** Told as a delay, which the database counts by its own clock: by two clocks, a message would be woken too early, again and again. */
function restUntil(until: Date, now: Date): { readonly afterMs: number } {
  return { afterMs: Math.max(1, until.getTime() - now.getTime()) }
}

/** Nothing may be tried yet. */
export function waitEntry(
  letter: Letter,
  job: Held,
  move: Move & { kind: 'wait' },
  /** Where other decisions hold than those that are kept. */
  decisions: readonly Decision[] | null,
  now: Date,
): Entry {
  return { job, after: restUntil(move.until, now), ...(decisions !== null && { plan: planned(letter, decisions) }) }
}

/** Other decisions hold than those that are kept. */
export function plannedEntry(letter: Letter, job: Held, decisions: readonly Decision[]): Entry {
  return { job, after: 'keep', plan: planned(letter, decisions) }
}

/** Its time has not come. Who looks too early, by a clock that is behind, does not say so again. */
export function delayedEntry(letter: Letter, job: Held, { until, decisions }: Plan & { kind: 'delay' }, now: Date): Entry {
  const entry = { job, after: restUntil(until, now), message: change(letter, 'DELAYED', now, { scheduledFor: until }) }
  if (letter.row.status === 'DELAYED') return entry
  return { ...entry, plan: planned(letter, decisions), events: [event(letter, 'DELAYED', now, delayedEvent(until))] }
}

/** An attempt was noted, perhaps, and its call never made: it is tried again at once, by whoever holds the message then. */
export function uncalledEntry(letter: Letter, job: Held, deliveries: readonly KnownDelivery[]): Entry {
  return { job, after: { afterMs: 0 }, deliveries: deliveries.map((delivery) => deliveryChange(letter, delivery)) }
}

/**
 * The entry that ends a message's job ends its deliveries too: none of them is tried again.
 *
 * @param count how many deliveries the message has
 */
export function withEnded(entry: Entry, letter: Letter, ended: readonly KnownDelivery[], count: number): Entry {
  const { environmentId, id: messageId } = letter.row
  const ends = { environmentId, messageId, several: count > 1 }
  if (ended.length === 0) return { ...entry, ends }
  return { ...entry, ends, deliveries: [...(entry.deliveries ?? []), ...ended.map((one) => deliveryChange(letter, one))] }
}

/**
 * What is left of an entry where its provider reported meanwhile that an earlier attempt arrived: what became of a call, but
 * no attempt that is to begin. Null: nothing is left. Other calls may be under way, so the job stays held.
 */
export function overtakenEntry({ job, deliveries = [], retire, state }: Entry, begins: boolean): Entry | null {
  if (begins || deliveries.length === 0) return null
  return { job, after: 'keep', deliveries, ...(retire && { retire }), ...(state && { state }) }
}

function acceptedEntry({ letter, step, content, outcome, now }: Parameters<typeof settledEntry>[0]): Partial<Entry> {
  const reference = outcome.kind === 'accepted' ? outcome.reference : undefined
  const about = {
    status: 'SENT',
    channel: step.channel,
    providerId: step.providerId,
    ...(reference && { detail: { reference } }),
  } as const
  return {
    message: change(letter, 'SENT', now, { sentAt: now }),
    events: [event(letter, 'SENT', now, about)],
    ...(step.channel === 'INBOX' && {
      inbox: inboxMessage(letter, contentToSend(letter.occasion.definition, step, content), now),
    }),
  }
}

function inboxMessage(letter: Letter, content: ContentToSend, now: Date): NewInboxMessage {
  const { row } = letter
  return {
    environmentId: row.environmentId,
    id: row.id,
    userId: row.userId!,
    tenantId: row.tenantId,
    title: content.title ?? null,
    preview: content.preview ?? null,
    body: content.text ?? null,
    actions: (content.actions ?? []).map(({ label, href, ...data }) => ({ label, href, data })),
    data: content.payload ?? {},
    tags: row.tags,
    createdAt: now,
    expiresAt: letter.occasion.definition.expiresAt ?? null,
  }
}

/** A dead device token is retired, refused settings are noted with their account. */
function consequences(letter: Letter, step: Step, outcome: Outcome, news: News | null): Partial<Entry> {
  const { environmentId } = letter.row
  if (outcome.kind === 'rejected' && outcome.what === 'address' && step.address.deviceTokenId) {
    return { retire: { environmentId, id: step.address.deviceTokenId, reason: outcome.error } }
  }
  if (isUserNamed(step)) return {}
  const learned: News | null =
    outcome.kind === 'misconfigured' ? { health: 'MISCONFIGURED', lastError: outcome.error, until: null } : news
  if (learned === null) return {}
  const { version } = letter.accounts.find(({ id }) => id === step.providerId)!
  return { state: { environmentId, providerId: step.providerId, version, ...learned } }
}

/** Nothing is left to try. */
export function failedEntry(letter: Letter, job: Held, move: Move & { kind: 'fail' }, now: Date): Entry {
  return ended(letter, job, 'UNDELIVERABLE', move.reason, move.error, now)
}

/** What is learned of an account. */
type News = Pick<ProviderState, 'health' | 'lastError' | 'until'>

/** Planning found that nobody is to be called. */
export function stoppedEntry(letter: Letter, job: Held, stopped: Plan & { kind: 'stop' }, now: Date): Entry {
  return {
    ...ended(letter, job, stopped.status, stopped.reason, stopped.error, now),
    plan: planned(letter, stopped.decisions),
  }
}

function ended(
  letter: Letter,
  job: Held,
  status: MessageStatus & NewEvent['type'],
  reason: MessageReason | null,
  error: string,
  now: Date,
): Entry {
  return {
    job,
    after: 'settle',
    message: change(letter, status, now, { reason, error }),
    events: [event(letter, status, now, { status, reason, error })],
  }
}

/** The whole lifecycle but the calls. */
export function simulatedEntry(
  letter: Letter,
  job: Held,
  simulated: readonly { readonly step: Step; readonly content: Rendered }[],
  decisions: readonly Decision[],
  now: Date,
): Entry {
  const aboutEach = simulated.map(({ step: { channel, providerId } }) => ({ channel, providerId }))
  const outputs = new Map(simulated.map(({ step: { channel }, content }) => [channel, contentToKeep(content)]))
  return {
    job,
    after: 'settle',
    message: change(letter, 'SIMULATED', now),
    plan: planned(letter, decisions),
    begun: simulated.map(({ step }) => ({ ...deliveryChange(letter, newDelivery(letter, step, now)), status: 'SIMULATED' })),
    outputs: [...outputs].map(([channel, content]) => ({ ...placeOf(letter), channel, content })),
    events: [
      event(letter, 'ROUTED', now, { status: 'ROUTED' }),
      ...aboutEach.map((about) => event(letter, 'RENDERED', now, { ...about, status: 'ROUTED' })),
      ...aboutEach.map((about) => event(letter, 'SIMULATED', now, { ...about, status: 'SIMULATED' })),
    ],
  }
}

/** Attempts whose worker never came back: ambiguous, and visible as such. */
export function leftoversEntry(letter: Letter, job: Held, deliveries: readonly KnownDelivery[]): Entry {
  return { job, after: 'keep', deliveries: deliveries.map((delivery) => deliveryChange(letter, delivery)) }
}

/**
 * A message that keeps crashing its workers is set aside.
 *
 * @param sent one of its addresses took it: then it stays SENT
 */
export function giveUpEntry(letter: Letter, job: Held, crashes: number, now: Date, sent: boolean): Omit<Entry, 'deliveries'> {
  const error = `It was given up after ${crashes} attempts from which no worker came back.`
  const { environmentId, id: messageId } = letter.row
  return {
    ...(sent ? { job, after: 'settle' } : ended(letter, job, 'UNDELIVERABLE', 'FAILED', error, now)),
    deadLetter: {
      environmentId,
      id: newId('dlt'),
      kind: 'deliver',
      messageId,
      payload: { environmentId, messageId },
      error,
      crashes,
      at: now,
    },
  }
}

const DELIVERY_STATUS = {
  ACCEPTED: 'SENT',
  REJECTED: 'UNDELIVERABLE',
  RETRY: 'RETRYING',
  MISCONFIGURED: 'UNDELIVERABLE',
  UNKNOWN: 'UNKNOWN',
} as const satisfies { [K in AttemptOutcome]: DeliveryStatus }

/** By its last attempt; one that was put off and is not tried again is undeliverable. */
function statusOf({ attempts, nextAttemptAt }: KnownDelivery): DeliveryStatus {
  const outcome = attempts.at(-1)?.outcome ?? null
  if (outcome === null) return 'ATTEMPTING'
  return outcome === 'RETRY' && nextAttemptAt === null ? 'UNDELIVERABLE' : DELIVERY_STATUS[outcome]
}

function change(letter: Letter, status: MessageStatus, updatedAt: Date, more: Partial<MessageChange> = {}): MessageChange {
  const { environmentId, id } = letter.row
  return { environmentId, id, status, reason: null, error: null, sentAt: null, updatedAt, ...more }
}

function planned(letter: Letter, decisions: readonly Decision[]): NewPlan {
  return { environmentId: letter.row.environmentId, messageId: letter.row.id, decisions }
}

function deliveryChange(letter: Letter, delivery: KnownDelivery, reference: string | null = null): DeliveryChange {
  const last = delivery.attempts.at(-1)
  return {
    environmentId: letter.row.environmentId,
    id: delivery.id,
    messageId: letter.row.id,
    channel: delivery.channel,
    providerId: delivery.providerId,
    address: delivery.address,
    status: statusOf(delivery),
    reference,
    error: last?.error ?? null,
    startedAt: delivery.startedAt,
    sentAt: last?.outcome === 'ACCEPTED' ? last.endedAt : null,
    nextAttemptAt: delivery.nextAttemptAt,
    attempts: delivery.attempts,
  }
}

function event(letter: Letter, type: string, at: Date, more: Partial<NewEvent>): NewEvent {
  const { row } = letter
  return {
    environmentId: row.environmentId,
    stream: 'MESSAGE',
    type,
    at,
    messageId: row.id,
    requestId: row.requestId,
    jobId: row.jobId,
    userId: row.userId,
    tenantId: row.tenantId,
    status: row.status,
    reason: null,
    channel: null,
    providerId: null,
    error: null,
    detail: null,
    ...more,
  }
}
