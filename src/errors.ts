/** The closed list of codes a caller may get in `extensions.code`. Each maps to one type and one HTTP status. */
export const REFUSALS = {
  BAD_USER_INPUT: { type: 'invalid_request_error', status: 400 },
  BAD_CURSOR: { type: 'invalid_request_error', status: 400 },
  CURSOR_EXPIRED: { type: 'invalid_request_error', status: 410 },
  TOO_COMPLEX: { type: 'invalid_request_error', status: 400 },
  IDEMPOTENCY_AMBIGUOUS: { type: 'invalid_request_error', status: 400 },
  NOT_FOUND: { type: 'invalid_request_error', status: 404 },
  CONFLICT: { type: 'invalid_request_error', status: 409 },
  TOO_LATE: { type: 'invalid_request_error', status: 409 },
  JOB_ALREADY_RUN: { type: 'invalid_request_error', status: 409 },
  IDEMPOTENCY_IN_PROGRESS: { type: 'invalid_request_error', status: 409 },
  IDEMPOTENCY_KEY_REUSED: { type: 'invalid_request_error', status: 422 },
  PAYLOAD_TOO_LARGE: { type: 'invalid_request_error', status: 413 },
  UNAUTHENTICATED: { type: 'authentication_error', status: 401 },
  FORBIDDEN: { type: 'authorization_error', status: 403 },
  RATE_LIMITED: { type: 'rate_limit_error', status: 429 },
  INTERNAL: { type: 'api_error', status: 500 },
  UNAVAILABLE: { type: 'api_error', status: 503 },
} as const

export type RefusalCode = keyof typeof REFUSALS

/** What passes by itself, and how soon it is worth another try. */
const RETRY_AFTER_SECONDS: { readonly [C in RefusalCode]?: number } = { IDEMPOTENCY_IN_PROGRESS: 1, UNAVAILABLE: 1 }

/** One thing wrong with the input: where (`['input', 'to', 0, 'email']`) and what would be right. */
export interface Issue {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/**
 * The caller's mistake, or something the caller can act on. `message` is fit for the person it reaches;
 * anything private goes into `cause`, which is never shown.
 */
export class Refusal extends Error {
  readonly code: RefusalCode
  readonly issues: readonly Issue[]
  /** When it is worth another try; undefined: no time is known to help. */
  readonly retryAfterSeconds: number | undefined

  constructor(
    code: RefusalCode,
    message: string,
    options: { issues?: readonly Issue[]; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause })
    this.name = 'Refusal'
    this.code = code
    this.issues = options.issues ?? []
    this.retryAfterSeconds = options.retryAfterSeconds ?? RETRY_AFTER_SECONDS[code]
  }

  get type(): string {
    return REFUSALS[this.code].type
  }

  get status(): number {
    return REFUSALS[this.code].status
  }
}

/** A refusal of one field of the input. `path` begins at the argument: `['input', 'to', 0, 'email']`. */
export function badInput(path: readonly (string | number)[], message: string): Refusal {
  return new Refusal('BAD_USER_INPUT', message, { issues: [{ path, message }] })
}

/** What is not there and what is not yours get the same words. */
export function notFound(noun: string, id: string): Refusal {
  return new Refusal('NOT_FOUND', `The ${noun} '${id}' was not found.`)
}
