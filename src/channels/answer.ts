import type { HttpReply, Outcome, Rejected } from './provider.ts'

/** The longest wait that a server may ask for: a message lives no longer. */
const MAX_RETRY_AFTER_MS = 72 * 3_600_000

const HTTP_DATE =
  /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/

/**
 * The milliseconds that a Retry-After header asks for (RFC 9110, 10.2.3: whole seconds or an HTTP date), at most 72
 * hours. Undefined for junk, negative numbers and dates that have passed: then the schedule of our own holds.
 */
export function readRetryAfter(header: string | undefined, now: Date): number | undefined {
  const text = header?.trim() ?? ''
  if (/^\d{1,15}$/.test(text)) return Math.min(Number(text) * 1_000, MAX_RETRY_AFTER_MS)
  if (!HTTP_DATE.test(text)) return undefined
  const wait = Date.parse(text) - now.getTime()
  return wait > 0 ? Math.min(wait, MAX_RETRY_AFTER_MS) : undefined
}

/**
 * What an HTTP call came to, by the status alone: bodies are the server's words, and never shown. A provider that knows
 * better about some status (a push service's 410) looks at it first.
 */
export function classifyHttp(reply: HttpReply, now: Date): Outcome {
  if (reply.kind === 'refused') return { kind: 'rejected', what: 'address', error: reply.error }
  if (reply.kind === 'failed') return { kind: 'retry', error: reply.error }
  if (reply.kind === 'unknown') return { kind: 'unknown', error: reply.error }

  const { status } = reply
  const code = String(status)
  const error = `The server answered ${status}.`
  if (status >= 200 && status < 300) return { kind: 'accepted', code }
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    const afterMs = readRetryAfter(reply.headers['retry-after'], now)
    return { kind: 'retry', error, code, ...(afterMs !== undefined && { afterMs }) }
  }
  if (status === 401) return { kind: 'misconfigured', error, code, isLogin: true }
  if (status === 403) return { kind: 'misconfigured', error, code }
  if (status === 413) return { kind: 'rejected', what: 'content', error, code }
  return { kind: 'rejected', what: 'request', error, code }
}

/** The JSON that a provider's own interface answered; undefined where it is none. */
export function readJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

/** The words of a provider's own interface, as a sentence for people may hold them: one line of at most 200 characters. */
export function quote(words: string): string {
  return words
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .trim()
    .slice(0, 200)
}

/** What an error code of a provider's own says about a message. login: misconfigured, by the credentials alone. */
export type Meaning = Rejected | 'retry' | 'misconfigured' | 'login'

/** What a provider's own interface said was wrong. Without a meaning, the status says it. */
export interface Said {
  readonly code: string
  readonly words: string
  readonly meaning?: Meaning
}

/** What a table says about a code of a provider's: its own rows alone, whatever the code is called. */
export function lookUp<T>(table: Readonly<Record<string, T>>, code: string): T | undefined {
  return Object.hasOwn(table, code) ? table[code] : undefined
}

/** The outcome that a provider's own error stands for, where it says more than the HTTP status. */
export function classifySaid(provider: string, reply: HttpReply, { code, words, meaning }: Said, now: Date): Outcome {
  const outcome = classifyHttp(reply, now)
  const kind = meaning ?? (outcome.kind === 'rejected' ? outcome.what : outcome.kind)
  // What was said about a login is for nobody.
  if (kind === 'misconfigured' || kind === 'login') {
    const isLogin = kind === 'login' || (reply.kind === 'answered' && reply.status === 401)
    return { kind: 'misconfigured', error: `${provider} answered ${code}.`, code, ...(isLogin && { isLogin }) }
  }
  const error = words === '' ? `${provider} answered ${code}.` : `${provider} answered ${code}: ${quote(words)}`
  if (kind === 'retry') {
    const afterMs = reply.kind === 'answered' ? readRetryAfter(reply.headers['retry-after'], now) : undefined
    return { kind, error, code, ...(afterMs !== undefined && { afterMs }) }
  }
  return { kind: 'rejected', what: kind === 'address' || kind === 'content' ? kind : 'request', error, code }
}
