import { createHmac, timingSafeEqual } from 'node:crypto'
import type { CallbackReading, Report } from './provider.ts'

/** What reading the callbacks of providers has in common: what is fresh, what equals a signature, how much is read. */

const MAX_AGE_MS = 5 * 60_000
const MAX_EVENTS = 10_000

/** Whether a signed time, in milliseconds, is at most five minutes from now, either way: clocks differ. */
export function isFresh(at: number, now: Date): boolean {
  return Math.abs(now.getTime() - at) <= MAX_AGE_MS
}

/** Whether a text is the signature expected, in a time that says nothing about where they differ. */
export function isSignature(given: string | undefined, expected: string): boolean {
  const bytes = Buffer.from(given ?? '')
  const wanted = Buffer.from(expected)
  return bytes.length === wanted.length && timingSafeEqual(bytes, wanted)
}

/** HMAC-SHA256 as lower-case hexadecimal digits. */
export function hmacHex(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex')
}

export function forged(error: string): CallbackReading {
  return { kind: 'forged', error }
}

export function malformed(error: string): CallbackReading {
  return { kind: 'malformed', error }
}

/** Every event of a body, each read by itself; one that is no news of a message of ours is null. */
export function readEvents(events: readonly unknown[], read: (event: unknown) => Report | null): CallbackReading {
  if (events.length > MAX_EVENTS) return malformed(`The body holds more than ${MAX_EVENTS} events.`)
  return { kind: 'reports', reports: events.map(read).filter((report) => report !== null) }
}
