import { Temporal } from 'temporal-polyfill'
import { badInput } from '../errors.ts'
import { durationMs } from './duration.ts'
import type { JsonObject } from './json.ts'
import { nextOpening, unlessOpeningHours } from './opening-hours.ts'
import { checkTimeZone, readTimeZone } from './profile.ts'

/** When a message is to be sent: after a while, at an instant, or while a window of opening hours is open. */
export type Delay =
  | { readonly kind: 'duration'; readonly ms: number }
  /** ISO 8601, UTC. */
  | { readonly kind: 'until'; readonly at: string }
  /** opening_hours syntax; in the time zone given here, or else the recipient's. */
  | { readonly kind: 'window'; readonly hours: string; readonly timezone?: string }

/** A delay as a send says it: one of the first three. duration: ISO 8601. */
export interface DelayInput {
  readonly duration?: string | null
  readonly until?: Date | string | null
  readonly window?: string | null
  /** Of the window. */
  readonly timezone?: string | null
}

const DAY_MS = 86_400_000
/** The longest duration, and how far ahead a window is looked for. */
export const MOST_DAYS = 90
const LONGEST_UNTIL_MS = 366 * DAY_MS

/** @throws Refusal BAD_USER_INPUT with the path of the fault */
export function checkDelay(input: DelayInput, path: readonly (string | number)[], now: Date): Delay {
  const { duration, until, window, timezone } = input
  const given = [duration, until, window].filter((one) => one != null)
  if (given.length !== 1) throw badInput(path, "'delay' must hold exactly one of 'duration', 'until' and 'window'.")
  if (timezone != null && window == null) {
    throw badInput([...path, 'timezone'], "'timezone' goes with 'window': a duration and an instant are the same everywhere.")
  }
  if (duration != null) return { kind: 'duration', ms: checkDuration(duration, [...path, 'duration']) }
  if (until != null) return { kind: 'until', at: checkUntil(until, [...path, 'until'], now) }
  const hours = checkWindow(window!, [...path, 'window'])
  if (timezone == null) return { kind: 'window', hours }
  checkTimeZone(timezone, [...path, 'timezone'])
  return { kind: 'window', hours, timezone }
}

function checkDuration(duration: string, path: readonly (string | number)[]): number {
  const ms = durationMs(duration, path)
  if (ms > 0 && ms <= MOST_DAYS * DAY_MS) return ms
  throw badInput(path, `'duration' must be more than nothing and at most ${MOST_DAYS} days.`)
}

function checkUntil(until: Date | string, path: readonly (string | number)[], now: Date): string {
  const at = new Date(until).getTime()
  if (at <= now.getTime() + LONGEST_UNTIL_MS) return new Date(at).toISOString()
  throw badInput(path, "'until' must be an instant, like 2026-06-01T09:00:00Z, at most a year ahead.")
}

function checkWindow(window: string, path: readonly (string | number)[]): string {
  const hours = window.trim()
  const wrong = unlessOpeningHours(hours)
  if (wrong !== null) throw badInput(path, `'window' ${wrong}`)
  return hours
}

/** When a message may go on; because: in words, as the end of a sentence. never: it cannot, and why not. */
export type Release = { readonly at: Date; readonly because: string } | { readonly never: string }

export interface ReleaseCircumstances {
  readonly enqueuedAt: Date
  readonly now: Date
  /** The window's: see `timezoneOf`. */
  readonly timezone: string
}

/**
 * The first moment, now or later, at which a delay lets a message go. At that moment itself it says the same again, but
 * later a window may have closed: what was once let go is not to ask again.
 */
export function releaseOf(delay: Delay, { enqueuedAt, now, timezone }: ReleaseCircumstances): Release {
  switch (delay.kind) {
    case 'duration': {
      const length = Temporal.Duration.from({ milliseconds: delay.ms }).round({ largestUnit: 'hours' })
      const at = new Date(enqueuedAt.getTime() + delay.ms)
      return { at: later(at, now), because: `it was to wait for ${length} after it was accepted` }
    }
    case 'until':
      return { at: later(new Date(delay.at), now), because: `it was to wait until ${delay.at}` }
    case 'window': {
      const at = firstOpen(delay.hours, timezone, now)
      const window = `the window '${delay.hours}' (${timezone})`
      if (at === null) return { never: `${window} does not open within ${MOST_DAYS} days` }
      return { at, because: at > now ? `${window} opens at ${at.toISOString()}` : `${window} is open` }
    }
  }
}

const later = (one: Date, other: Date): Date => (one > other ? one : other)

/**
 * Between two changes of the clocks a time zone is a fixed offset from UTC, so windows are looked for from change to change.
 * What the clocks of a spring skip happens at the first instant after the gap; what an autumn repeats is open both times.
 */
function firstOpen(hours: string, timezone: string, now: Date): Date | null {
  const end = now.getTime() + MOST_DAYS * DAY_MS
  // From just before: now may be the first instant after a gap.
  let zoned = Temporal.Instant.fromEpochMilliseconds(now.getTime() - 1).toZonedDateTimeISO(timezone)
  for (let from = now.getTime(); from < end; ) {
    const offset = offsetMs(zoned)
    const change = zoned.getTimeZoneTransition('next')
    const changesAt = change?.epochMilliseconds ?? end
    const skipped = change === null ? 0 : Math.max(0, offsetMs(change) - offset)
    const until = Math.min(end, changesAt + skipped)
    const opening = nextOpening(hours, new Date(from + offset), new Date(until + offset))
    if (opening !== null) return new Date(Math.min(opening.getTime() - offset, changesAt))
    if (change === null) return null
    from = changesAt
    zoned = change
  }
  return null
}

const offsetMs = (zoned: Temporal.ZonedDateTime): number => zoned.offsetNanoseconds / 1e6

/**
 * The time zone that a delay goes by, as Intl and Temporal call it: its own, or else the recipient's, their profile's
 * `zoneinfo` (OpenID Connect Core 1.0, section 5.1) or `timezone`, or else UTC. What is no time zone is passed over.
 */
export function timezoneOf(delay: Delay, to: { readonly timezone?: string | null }, profile: JsonObject): string {
  const own = delay.kind === 'window' ? delay.timezone : undefined
  for (const candidate of [own, to.timezone, profile.zoneinfo, profile.timezone]) {
    const timezone = readTimeZone(candidate)
    if (timezone !== null) return timezone
  }
  return 'UTC'
}
