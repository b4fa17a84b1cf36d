import type { Outcome, Rendered } from '../channels/provider.ts'
import { newId } from '../domain/id.ts'
import type { Decision, Plan, Step } from '../domain/plan.ts'
import type { AttemptOutcome, Move } from '../domain/route.ts'
import type { DeliveryStatus, MessageReason, MessageStatus } from '../generated/tables.ts'
import type { NewEvent } from '../log/event.ts'
import type { Held } from '../queue/kinds.ts'
import { cutText } from '../render/content.ts'
import type { NewInboxMessage } from '../store/inbox.ts'
import type { DeliveryChange, MessageChange, NewPlan } from '../store/record.ts'
import { type KnownDelivery, type Letter, newDelivery } from './letter.ts'
import type { Entry } from './record.ts'

/** What is written at each point of a journey. Pure: values in, an entry out. */

/** Planned, rendered, and about to be tried: written before the call. */
export function attemptEntry(step: {
  letter: Letter
  job: Held
  step: Step
  delivery: KnownDelivery
  content: Rendered
  decisions: readonly Decision[]
  failedOver: KnownDelivery | null
  /** Nothing was tried before it. */
  first: boolean
  /** Another of its addresses took it already. */
  sent: boolean
}): Entry {
  const { letter, delivery, first, sent } = step
  const at = delivery.attempts.at(-1)!.startedAt
  const status = sent ? 'SENT' : 'ROUTED'
  const about = { status, channel: step.step.channel, providerId: step.step.providerId } as const
  const events: NewEvent[] = []
  if (first) events.push(event(letter, 'ROUTED', at, { status }))
  if (step.failedOver) {
    events.push(
      event(letter, 'FAILED_OVER', at, {
        ...about,
        detail: { from: { channel: step.failedOver.channel, providerId: step.failedOver.providerId } },
      }),
    )
  }
  if (delivery.attempts.length === 1) events.push(event(letter, 'RENDERED', at, about))
  events.push(event(letter, 'DELIVERING', at, { ...about, detail: { attempt: delivery.attempts.length } }))
  return {
    job: step.job,
    after: 'keep',
    ...(!sent && { message: change(letter, status, at), plan: planned(letter, step.decisions) }),
    [delivery.attempts.length === 1 ? 'begun' : 'deliveries']: [deliveryChange(letter, delivery)],
    output: {
      environmentId: letter.row.environmentId,
      messageId: letter.row.id,
      channel: step.step.channel,
      content: step.content,
    },
    events,
  }
}

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
}): Entry {
  const { letter, job, step, delivery, outcome, move, now } = settled
  const reference = outcome.kind === 'accepted' ? outcome.reference : undefined
  const base = {
    job,
    after: move.kind === 'try' ? ('keep' as const) : move.kind === 'wait' ? restUntil(move.until, now) : ('settle' as const),
    deliveries: [deliveryChange(letter, delivery, reference), ...settled.others.map((other) => deliveryChange(letter, other))],
    ...consequences(letter, step, outcome),
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

/** Told as a delay, which the database counts by its own clock: by two clocks, a message would be woken too early, again and again. */
function restUntil(until: Date, now: Date): { readonly afterMs: number } {
  return { afterMs: Math.max(1, until.getTime() - now.getTime()) }
}

/** Nothing may be tried yet. */
export function waitEntry(job: Held, move: Move & { kind: 'wait' }, now: Date): Entry {
  return { job, after: restUntil(move.until, now) }
}

/** An attempt was noted, perhaps, and its call never made: it is tried again at once, by whoever holds the message then. */
export function uncalledEntry(letter: Letter, job: Held, delivery: KnownDelivery): Entry {
  return { job, after: { afterMs: 0 }, deliveries: [deliveryChange(letter, delivery)] }
}

/** The entry that ends a message's job ends its deliveries too: none of them is tried again. */
export function withEnded(entry: Entry, letter: Letter, ended: readonly KnownDelivery[]): Entry {
  if (ended.length === 0) return entry
  return { ...entry, deliveries: [...(entry.deliveries ?? []), ...ended.map((one) => deliveryChange(letter, one))] }
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
    ...(step.channel === 'INBOX' && { inbox: inboxMessage(letter, content, now) }),
  }
}

const PREVIEW_LENGTH = 200

function inboxMessage(letter: Letter, content: Rendered, now: Date): NewInboxMessage {
  const { row } = letter
  const body = content.text ?? null
  return {
    environmentId: row.environmentId,
    id: row.id,
    userId: row.userId!,
    tenantId: row.tenantId,
    title: content.title ?? null,
    preview: body === null ? null : cutText(body, PREVIEW_LENGTH),
    body,
    data: content.payload ?? {},
    tags: row.tags,
    createdAt: now,
  }
}

/** A dead device token is retired, refused settings are noted with their account. */
function consequences(letter: Letter, step: Step, outcome: Outcome): Partial<Entry> {
  const { environmentId } = letter.row
  if (outcome.kind === 'rejected' && outcome.what === 'address' && step.address.deviceTokenId) {
    return { retire: { environmentId, id: step.address.deviceTokenId, reason: outcome.error } }
  }
  const putAt = letter.accounts.find(({ id }) => id === step.providerId)?.row?.updated_at
  // A web push service is the user's to name: what one of them says of our keys is not said of the account.
  if (outcome.kind === 'misconfigured' && step.address.keys === undefined && putAt) {
    return { mark: { environmentId, id: step.providerId, putAt, health: 'MISCONFIGURED', error: outcome.error } }
  }
  return {}
}

/** Nothing is left to try. */
export function failedEntry(letter: Letter, job: Held, move: Move & { kind: 'fail' }, now: Date): Entry {
  return ended(letter, job, 'UNDELIVERABLE', move.reason, move.error, now)
}

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
  reason: MessageReason,
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

/** The whole lifecycle but the call. */
export function simulatedEntry(
  letter: Letter,
  job: Held,
  step: Step,
  content: Rendered,
  decisions: readonly Decision[],
  now: Date,
): Entry {
  const { environmentId, id: messageId } = letter.row
  const about = { channel: step.channel, providerId: step.providerId }
  const delivery = newDelivery(letter, step, now)
  return {
    job,
    after: 'settle',
    message: change(letter, 'SIMULATED', now),
    plan: planned(letter, decisions),
    begun: [{ ...deliveryChange(letter, delivery), status: 'SIMULATED' }],
    output: { environmentId, messageId, channel: step.channel, content },
    events: [
      event(letter, 'ROUTED', now, { status: 'ROUTED' }),
      event(letter, 'RENDERED', now, { ...about, status: 'ROUTED' }),
      event(letter, 'SIMULATED', now, { ...about, status: 'SIMULATED' }),
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
