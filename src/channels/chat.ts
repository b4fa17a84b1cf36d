import { type ChatService, checkChatTarget } from './chat-address.ts'
import type { ChatTarget, HttpCall, Outcome, Outgoing, Rendered } from './provider.ts'

/** What the providers of chat services have in common. */

export type TargetOf<S extends ChatService> = Extract<ChatTarget, { readonly service: S }>

/**
 * The place and the text of a message, or why it cannot be taken there, before anybody is called.
 *
 * @param longest in characters (Unicode code points), as the service documents it; null where the message is said in the
 *   service's own blocks: the text may be as long as it is, and need not be there
 */
export function readChatMessage<S extends ChatService>(
  service: S,
  { address: { chat }, content }: Outgoing,
  longest: number | null,
): { readonly target: TargetOf<S>; readonly text: string } | Outcome {
  if (chat?.service !== service) return { kind: 'rejected', what: 'address', error: 'The recipient is in another chat service.' }
  const wrong = checkChatTarget(chat)
  if (wrong !== null) return { kind: 'rejected', what: 'address', error: wrong }
  const text = chatTextOf(content)
  if (longest === null) return { target: chat as TargetOf<S>, text }
  if (text === '') return { kind: 'rejected', what: 'content', error: 'A direct message needs a text.' }
  if ([...text].length > longest) {
    return { kind: 'rejected', what: 'content', error: `The service takes at most ${longest.toLocaleString('en')} characters.` }
  }
  return { target: chat as TargetOf<S>, text }
}

export const chatTextOf = ({ text, title, subject }: Rendered) => (text ?? title ?? subject ?? '').trim()

/** How much is read of the answer of a service that repeats the message in it, in bytes: cut short, it would say nothing. */
export const MAX_ECHO_BYTES = 1_024 * 1_024

/** A POST of JSON. None of these services documents it, but whoever stands before a webhook may tell a repetition by the key. */
export function postJson(
  url: string,
  body: unknown,
  { idempotencyKey }: Outgoing,
  headers: Readonly<Record<string, string>> = {},
): HttpCall {
  return {
    method: 'POST',
    url,
    headers: { ...headers, 'content-type': 'application/json; charset=utf-8', 'idempotency-key': idempotencyKey },
    body: JSON.stringify(body),
  }
}

/** What became of a call before the one that carries the message: nothing was sent, so what is not known may be tried again. */
export function beforehand(outcome: Outcome): Outcome {
  return outcome.kind === 'unknown' ? { kind: 'retry', error: outcome.error } : outcome
}

/** Where the place brought its own credential, a refusal of it is about the place: the account is not at fault. */
export function ofThePlace(outcome: Outcome): Outcome {
  return outcome.kind === 'misconfigured' ? { ...outcome, kind: 'rejected', what: 'address' } : outcome
}

/** The outcome of an answer that has the status of success, but is none that the service documents: it may have been taken. */
export function unreadable(service: string): Outcome {
  return { kind: 'unknown', error: `${service} answered, but not in a way that says what became of the message.` }
}

export function isOutcome<T extends object>(value: T | Outcome): value is Outcome {
  return 'kind' in value
}

export function isSuccess({ status }: { readonly status: number }): boolean {
  return status >= 200 && status < 300
}
