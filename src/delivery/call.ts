import type { Outcome, Rendered } from '../channels/provider.ts'
import type { Step } from '../domain/plan.ts'
import type { JourneyParts } from './journey.ts'
import type { Letter } from './letter.ts'

/** One call to a provider ends after this long. */
const CALL_TIMEOUT_MS = 30_000

/** What is handed to a provider. The delivery's id is part of what the provider may tell a repetition by. */
export interface Call {
  readonly letter: Letter
  readonly step: Step
  readonly content: Rendered
  readonly unsubscribeUrl: string | null
  readonly deliveryId: string
}

/**
 * Calls the step's provider once. What it throws is a fault of ours, after which nobody knows what it had done: unknown.
 */
export async function callProvider(
  parts: JourneyParts,
  { letter, step, content, unsubscribeUrl, deliveryId }: Call,
  stop: AbortSignal,
): Promise<Outcome> {
  const provider = parts.providers.find((candidate) => candidate.kind === step.kind)!
  const account = letter.accounts.find((candidate) => candidate.id === step.providerId)!
  let settings: unknown
  try {
    settings = parts.letters.settingsOf(account)
  } catch (fault) {
    parts.log.error({ err: fault, provider: step.providerId, kind: step.kind }, 'settings do not open')
    return { kind: 'retry', error: "The account's settings could not be opened; nothing was sent." }
  }
  const outgoing = {
    environmentId: letter.row.environmentId,
    messageId: letter.row.id,
    address: step.address,
    content,
    ...(step.channel === 'EMAIL' && unsubscribeUrl !== null && { unsubscribeUrl }),
    idempotencyKey: `${letter.row.id}_${deliveryId.slice(4, 20)}`,
  }
  const ended = new AbortController()
  const timer = setTimeout(() => ended.abort(new Error('The call took longer than 30 seconds.')), CALL_TIMEOUT_MS)
  const onStop = () => ended.abort(stop.reason)
  stop.addEventListener('abort', onStop, { once: true })
  try {
    return storable(
      await provider.deliver(outgoing, {
        settings,
        http: parts.http,
        guarded: account.row !== null,
        signal: ended.signal,
        now: parts.now(),
      }),
    )
  } catch (fault) {
    parts.log.error({ err: fault, provider: step.providerId, kind: step.kind }, 'provider threw')
    return { kind: 'unknown', error: 'Something went wrong on our side while the provider was called.' }
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', onStop)
  }
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
