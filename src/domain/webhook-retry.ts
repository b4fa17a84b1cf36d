const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

/** The rests between two calls for one event: eleven calls within three days (Standard Webhooks, "Deliverability and reliability"). */
const RESTS_MS = [
  5 * SECOND,
  MINUTE,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  5 * HOUR,
  10 * HOUR,
  14 * HOUR,
  20 * HOUR,
  20 * HOUR,
] as const

/** The most calls for an event, until somebody asks for it again. */
export const MOST_TRIES = RESTS_MS.length + 1

/** Part of a rest that chance takes away, so that what failed together does not come back together. */
const JITTER = 0.2

/** How long after its first call an event is called again. */
const PATIENCE_MS = 72 * HOUR

/** The calls made for an event since it happened, or since somebody asked for it again. At least one. */
export interface WebhookTries {
  readonly count: number
  readonly firstAt: Date
}

/**
 * How many milliseconds after a call that failed the next one is due; null: that was the last. What the endpoint asks for
 * (Retry-After) is a lower bound, within the event's three days.
 *
 * @param random in [0, 1)
 */
export function restBefore(tries: WebhookTries, retryAfterMs: number, now: Date, random: number): number | null {
  const restMs = RESTS_MS[tries.count - 1]
  const leftMs = tries.firstAt.getTime() + PATIENCE_MS - now.getTime()
  if (restMs === undefined || leftMs <= 0) return null
  return Math.ceil(Math.min(Math.max(restMs * (1 - JITTER * random), retryAfterMs), leftMs))
}

/** An endpoint all of whose calls failed for so long is disabled. */
export const LONGEST_FAILING_MS = 120 * HOUR

/** Where none failed for so long, that time begins anew: longer than any rest of ours. */
export const FAILURES_APART_MS = 48 * HOUR
