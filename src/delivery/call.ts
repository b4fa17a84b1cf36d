import type { Attachment, HttpDoor, Outcome, Rendered } from '../channels/provider.ts'
import { deliveryKey } from '../domain/id.ts'
import type { Step } from '../domain/plan.ts'
import { CALL_TIMEOUT_MS } from '../domain/time-budget.ts'
import { createAttachmentLoader, type LoadAttachments, type Unattached } from './attachment.ts'
import { blameOf } from './blame.ts'
import type { JourneyParts } from './journey.ts'
import type { Letter } from './letter.ts'
import { attachmentsOf, handedOver } from './outgoing.ts'

/** What is handed to a provider. The delivery's id is part of what the provider may tell a repetition by. */
export interface Call {
  readonly letter: Letter
  readonly step: Step
  readonly content: Rendered
  readonly unsubscribeUrl: string | null
  readonly deliveryId: string
  /** What is left of the time of its account, its channel and the message. */
  readonly timeoutMs: number
  /** Whether the message is still ours to send, asked again where fetching its attachments took its time. */
  readonly holdsLease?: () => boolean
  /** Told right before the provider is called. */
  readonly onCalling?: () => void
  /** Told where the outcome says nothing of the account: it was not called, or had less time than a call has. */
  readonly onNoNews?: () => void
}

/**
 * Calls the step's provider once, with what the send says about its channel and account. What it throws is a fault of ours,
 * after which nobody knows what it had done: unknown.
 */
export async function callProvider(parts: JourneyParts, call: Call, stop: AbortSignal): Promise<Outcome> {
  const { letter, step, content } = call
  const { definition } = letter.occasion
  const provider = parts.providers.find((candidate) => candidate.kind === step.kind)!
  const account = letter.accounts.find((candidate) => candidate.id === step.providerId)!
  let settings: unknown
  try {
    settings = parts.letters.settingsOf(account)
  } catch (fault) {
    parts.log.error({ err: fault, provider: step.providerId, kind: step.kind }, 'settings do not open')
    return { kind: 'retry', error: "The account's settings could not be opened; nothing was sent." }
  }
  if (call.timeoutMs <= 0) {
    call.onNoNews?.()
    return { kind: 'retry', error: 'Its time was up before the call; nothing was sent.' }
  }
  const ended = new AbortController()
  const timer = setTimeout(
    () => {
      if (call.timeoutMs < CALL_TIMEOUT_MS) call.onNoNews?.()
      ended.abort(new Error('The call took too long.'))
    },
    Math.min(call.timeoutMs, CALL_TIMEOUT_MS),
  )
  const onStop = () => ended.abort(stop.reason)
  stop.addEventListener('abort', onStop, { once: true })
  try {
    const attachments = await attachmentsFor(call, parts.http, ended.signal)
    if ('kind' in attachments) {
      call.onNoNews?.()
      return attachments
    }
    call.onCalling?.()
    const outgoing = {
      ...addressed(call, parts.callbacks.urlOf(letter.row.environmentId, account)),
      ...handedOver(definition, step, content, attachments),
    }
    const context = { settings, http: parts.http, guarded: account.row !== null, signal: ended.signal, now: parts.now() }
    return storable(blameOf(await provider.deliver(outgoing, context), outgoing))
  } catch (fault) {
    parts.log.error({ err: fault, provider: step.providerId, kind: step.kind }, 'provider threw')
    return { kind: 'unknown', error: 'Something went wrong on our side while the provider was called.' }
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
  }
}

function addressed({ letter, step, unsubscribeUrl, deliveryId }: Call, callbackUrl: string | null) {
  return {
    environmentId: letter.row.environmentId,
    messageId: letter.row.id,
    address: step.address,
    ...(step.channel === 'EMAIL' && unsubscribeUrl !== null && { unsubscribeUrl }),
    idempotencyKey: deliveryKey(letter.row.id, deliveryId),
    ...(callbackUrl !== null && { callbackUrl }),
  }
}

/** One for each door out, as long as that is there. */
const loaders = new WeakMap<HttpDoor, LoadAttachments>()

const NONE: readonly Attachment[] = []

async function attachmentsFor(
  { letter, step, holdsLease = () => true }: Call,
  http: HttpDoor,
  ended: AbortSignal,
): Promise<readonly Attachment[] | Unattached> {
  const settings = attachmentsOf(letter.occasion.definition, step)
  if (settings.length === 0) return NONE
  const load = loaders.get(http) ?? createAttachmentLoader(http)
  loaders.set(http, load)
  const loaded = await unlessAborted(load(settings), ended)
  if (loaded !== null && holdsLease()) return loaded
  return { kind: 'retry', error: 'The attachments were not fetched in time; nothing was sent.' }
}

/** Null once the signal is aborted. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return new Promise((resolve, reject) => {
    const onAbort = () => resolve(null)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

const LONGEST_TEXT = 1_000

/** The outside's words as PostgreSQL can keep them. */
function storable(outcome: Outcome): Outcome {
  const code = 'code' in outcome && outcome.code !== undefined ? { code: cleanText(outcome.code) } : {}
  if (outcome.kind !== 'accepted') return { ...outcome, ...code, error: cleanText(outcome.error) }
  const reference = outcome.reference === undefined ? {} : { reference: cleanText(outcome.reference) }
  return { ...outcome, ...code, ...reference }
}

function cleanText(text: string): string {
  return text.slice(0, LONGEST_TEXT).replaceAll('\0', '\ufffd').toWellFormed()
}
