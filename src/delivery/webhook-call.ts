import type { Logger } from 'pino'
import { readRetryAfter } from '../channels/answer.ts'
import type { HttpDoor, HttpReply, Outcome } from '../channels/provider.ts'
import { signWebhook } from '../channels/webhook-signature.ts'
import type { Vault } from '../domain/command.ts'
import type { AttemptOutcome } from '../domain/route.ts'
import { webhookSecrets } from '../domain/webhook-endpoint.ts'
import { MOST_TRIES, restBefore } from '../domain/webhook-retry.ts'
import type { Payload, Perform, Work } from '../queue/kinds.ts'
import type { Db } from '../store/database.ts'
import { type DueWebhook, type EndpointLine, readDueWebhook, type ToldDelivery, type WebhookAttempt } from '../store/webhook.ts'
import type { BegunCall, BreakerLimits, Breakers, CalledAccount } from './breaker.ts'
import { pass } from './gate.ts'
import type { WriteWebhook } from './webhook-record.ts'

export interface WebhookParts {
  readonly db: Db
  readonly record: WriteWebhook
  readonly http: HttpDoor
  readonly vault: Pick<Vault, 'open'>
  readonly breakers: Breakers
  readonly now: () => Date
  /** In [0, 1). */
  readonly random: () => number
  readonly log: Logger
  /** One call's outcome, for the metrics. */
  observed(outcome: AttemptOutcome, seconds: number): void
}

/**
 * An endpoint takes less of a process than a provider does: there are more of them, and their events can wait. Of the places that
 * a process has for calls that last (worker.ts; four for each slot), most may be taken by endpoints of which nothing is known yet,
 * and fewer by those that are known to hang: what is left is for those that answer.
 */
export const OF_ENDPOINTS: BreakerLimits = {
  called: { field: 'endpoint', noun: 'A webhook endpoint' },
  crowd: { all: 48, environment: 20, full: 96, untriedShare: 4 },
  share: 4,
  busyShare: 16,
  firstOpenMs: 5_000,
  longestOpenMs: 60_000,
}

const ABANDONED = 'The worker that called the endpoint never came back; nobody knows whether it took the event.'
const DISABLED = 'The endpoint is disabled; it was not called.'
const GONE = 'It answered 410: it wants no more events.'

/**
 * Calls an endpoint for one event (Standard Webhooks 1.0): the call is noted before it is made and settled after it, each in
 * one transaction under the job's fence. A worker that dies between the two leaves an attempt that is UNKNOWN, and the call is
 * made again: the endpoint tells the repetition by its webhook-id. The body is the same every time, byte by byte.
 */
export function createWebhookCall(parts: WebhookParts): Perform<'webhook'> {
  return async (ref, work) => {
    const due = await readDueWebhook(parts.db, ref.environmentId, ref.deliveryId)
    if (due === null || due.status !== 'PENDING') return letGo(parts, work, 'settle')
    if (due.endpoint === null) return drop(parts, ref, work)
    const event: Event = { ref, work, due, endpoint: due.endpoint, before: withAbandoned(due.attempts) }
    if (!event.endpoint.enabled) return fail(parts, event, DISABLED)
    if (event.before.length - ref.since >= MOST_TRIES) return fail(parts, event, ABANDONED)
    const called = calledAccount(event)
    const rest = parts.breakers.notBefore(called, false)
    if (rest !== null) return passOver(parts, event, rest.opensAt)
    await makeCall(parts, event, parts.breakers.begin(called, false))
  }
}

/** What is to be delivered. before: the calls so far, oldest first, none of them under way. */
interface Event {
  readonly ref: Payload<'webhook'>
  readonly work: Work
  readonly due: DueWebhook
  readonly endpoint: NonNullable<DueWebhook['endpoint']>
  readonly before: readonly WebhookAttempt[]
}

function calledAccount({ ref, endpoint }: Event): CalledAccount {
  const { id, version, isFailing } = endpoint
  return { environmentId: ref.environmentId, id, version, isFailing, failingUntil: null }
}

function withAbandoned(attempts: readonly WebhookAttempt[]): readonly WebhookAttempt[] {
  return attempts.map((attempt) => (attempt.outcome === null ? { ...attempt, outcome: 'UNKNOWN', error: ABANDONED } : attempt))
}

async function makeCall(parts: WebhookParts, event: Event, begun: BegunCall): Promise<void> {
  const { work } = event
  const attempt = newAttempt(event, parts.now())
  const body = await note(parts, event, attempt).catch((error: unknown) => {
    begun.dropped()
    throw error
  })
  if (body === null || !work.holdsLease()) {
    begun.dropped()
    return body === null ? letGo(parts, work, { afterMs: 0 }) : takeBack(parts, event)
  }
  let retryAfterMs = 0
  const started = performance.now()
  const outcome = await pass(begun, work, async (calling) => {
    calling()
    const reply = await call(parts, event, body)
    retryAfterMs = askedRest(reply, parts.now())
    return judge(reply)
  })
  // What this process itself broke off is called for again, as after a crash.
  if (work.signal.aborted) throw work.signal.reason
  const ended = endedAttempt(attempt, outcome, parts.now())
  parts.observed(ended.outcome, (performance.now() - started) / 1000)
  await settle(parts, event, ended, retryAfterMs)
}

function newAttempt({ before, work }: Event, now: Date): WebhookAttempt {
  return {
    number: before.length + 1,
    fence: work.job.fence,
    startedAt: now.toISOString(),
    endedAt: null,
    outcome: null,
    code: null,
    error: null,
  }
}

/** The body to send; null: the call must not be made. */
async function note(parts: WebhookParts, { ref, work, due, before }: Event, attempt: WebhookAttempt): Promise<string | null> {
  const written = due.deliveries === null ? null : withDeliveries(due.body, due.deliveries)
  const begun = {
    environmentId: ref.environmentId,
    id: ref.deliveryId,
    attempts: [...before, attempt],
    body: due.body,
    written,
  }
  const isNoted = await parts.record({ job: work.job, after: 'keep', begun })
  return isNoted ? (written ?? due.body) : null
}

/** The call that was noted is not made: another that claims the job is not to take it for one that was. */
async function takeBack(parts: WebhookParts, { ref, work, before }: Event): Promise<void> {
  const { environmentId, deliveryId: id } = ref
  const ended = { environmentId, id, status: 'PENDING', attempts: before, nextAttemptAt: parts.now() } as const
  const isOurs = await parts.record({ job: work.job, after: { afterMs: 0 }, ended })
  if (isOurs) work.comesBack(0)
}

/** Before the first call the message's deliveries are put into the event, as they are then. */
function withDeliveries(body: string, deliveries: readonly ToldDelivery[]): string {
  const event = JSON.parse(body) as { readonly data: object }
  return JSON.stringify({ ...event, data: { ...event.data, deliveries } })
}

async function call(parts: WebhookParts, { ref, work, endpoint }: Event, body: string): Promise<HttpReply> {
  const at = parts.now()
  let secrets: readonly string[]
  try {
    secrets = webhookSecrets(parts.vault, { ...endpoint, environmentId: ref.environmentId }, at)
  } catch (fault) {
    parts.log.error(
      { err: fault, environment: ref.environmentId, endpoint: endpoint.id },
      'secrets of a webhook endpoint do not open',
    )
    return { kind: 'failed', error: "The endpoint's secrets could not be opened; nothing was sent." }
  }
  return await parts.http.request({
    method: 'POST',
    url: endpoint.url,
    headers: { 'content-type': 'application/json', ...signWebhook({ secrets, id: ref.deliveryId, at, body }) },
    body,
    signal: work.signal,
  })
}

function askedRest(reply: HttpReply, now: Date): number {
  return reply.kind === 'answered' ? (readRetryAfter(reply.headers['retry-after'], now) ?? 0) : 0
}

/** 2xx took it, 410 wants no more; everything else, a redirect too, is worth another try. Of an answer only its status is kept. */
function judge(reply: HttpReply): Outcome {
  if (reply.kind === 'unknown') return { kind: 'unknown', error: reply.error }
  if (reply.kind !== 'answered') return { kind: 'retry', error: reply.error }
  const code = String(reply.status)
  if (reply.status >= 200 && reply.status < 300) return { kind: 'accepted', code }
  if (reply.status === 410) return { kind: 'rejected', what: 'address', code, error: GONE }
  return { kind: 'retry', code, error: `The endpoint answered ${code}.` }
}

type EndedAttempt = WebhookAttempt & { readonly outcome: AttemptOutcome }

function endedAttempt(attempt: WebhookAttempt, outcome: Outcome, now: Date): EndedAttempt {
  return {
    ...attempt,
    endedAt: now.toISOString(),
    outcome: outcome.kind.toUpperCase() as AttemptOutcome,
    code: 'code' in outcome ? (outcome.code ?? null) : null,
    error: outcome.kind === 'accepted' ? null : outcome.error,
  }
}

async function settle(parts: WebhookParts, event: Event, attempt: EndedAttempt, retryAfterMs: number): Promise<void> {
  const { ref, work, endpoint, before } = event
  const { environmentId, deliveryId: id } = ref
  const now = parts.now()
  const worked = attempt.outcome === 'ACCEPTED'
  const disable = attempt.outcome === 'REJECTED' ? GONE : null
  const attempts = [...before, attempt]
  const round = attempts.slice(ref.since)
  const tries = { count: round.length, firstAt: new Date(round[0]!.startedAt) }
  const afterMs = worked || disable !== null ? null : restBefore(tries, retryAfterMs, now, parts.random())
  const status = worked ? 'DELIVERED' : afterMs === null ? 'FAILED' : 'PENDING'
  const isOurs = await parts.record({
    job: work.job,
    after: afterMs === null ? 'settle' : { afterMs },
    ended: { environmentId, id, status, attempts, nextAttemptAt: afterMs === null ? null : new Date(now.getTime() + afterMs) },
    news: { environmentId, id: endpoint.id, version: endpoint.version, at: now, worked, disable },
    line: lineAfter(parts, event, worked),
  })
  if (isOurs && afterMs !== null) work.comesBack(afterMs)
}

/** What waits for an endpoint is not claimed while its breaker is open, and is once it works again. */
function lineAfter(parts: WebhookParts, event: Event, worked: boolean): EndpointLine | undefined {
  const opensAt = parts.breakers.takeNews(calledAccount(event))?.until ?? null
  if (opensAt !== null) return lineOf(event, msUntil(parts, opensAt))
  return worked && event.endpoint.isFailing ? lineOf(event, null) : undefined
}

/** Its endpoint is not called now; so that not all that waits is claimed to be passed over like this one, its line is held. */
async function passOver(parts: WebhookParts, event: Event, opensAt: Date): Promise<void> {
  const afterMs = msUntil(parts, opensAt)
  const isOurs = await parts.record({ job: event.work.job, after: { afterMs }, line: lineOf(event, afterMs) })
  if (isOurs) event.work.comesBack(afterMs)
}

function lineOf({ ref, endpoint: { id, version } }: Event, heldMs: number | null): EndpointLine {
  return { environmentId: ref.environmentId, id, version, heldMs }
}

function msUntil({ now }: WebhookParts, at: Date): number {
  return Math.max(0, at.getTime() - now().getTime())
}

/** It is given up without a call, which its attempts say. */
async function fail(parts: WebhookParts, event: Event, error: string): Promise<void> {
  const { ref, work, before } = event
  const now = parts.now()
  const attempts = [...before, { ...newAttempt(event, now), endedAt: now.toISOString(), outcome: 'REJECTED', error }]
  const ended = { environmentId: ref.environmentId, id: ref.deliveryId, status: 'FAILED', attempts, nextAttemptAt: null } as const
  await parts.record({ job: work.job, after: 'settle', ended })
}

/** An endpoint of the same name may be there by now, which the event then waits for: the job is over once the event is gone. */
async function drop(parts: WebhookParts, { environmentId, deliveryId: id }: Payload<'webhook'>, work: Work): Promise<void> {
  const isOurs = await parts.record({ job: work.job, after: { afterMs: 0 }, gone: { environmentId, id } })
  if (isOurs) work.comesBack(0)
}

async function letGo(parts: WebhookParts, work: Work, after: 'settle' | { readonly afterMs: number }): Promise<void> {
  const isOurs = await parts.record({ job: work.job, after })
  if (isOurs && after !== 'settle') work.comesBack(after.afterMs)
}
