import { Temporal } from 'temporal-polyfill'
import { Refusal } from '../errors.ts'

/**
 * An ISO 8601 duration in milliseconds, one that was begun counts whole: "PT15M" is 900,000. A day is 24 hours; months and
 * years are not taken, they differ in length.
 *
 * @throws Refusal BAD_USER_INPUT, with `path` where one is given
 */
export function durationMs(text: string, path?: readonly (string | number)[]): number {
  try {
    const duration = Temporal.Duration.from(text)
    return Math.ceil(duration.with({ weeks: 0, days: duration.weeks * 7 + duration.days }).total('milliseconds'))
  } catch (cause) {
    const message = `'${text.slice(0, 64)}' is not a duration in weeks, days, hours, minutes and seconds, like PT15M.`
    throw new Refusal('BAD_USER_INPUT', message, { issues: path ? [{ path, message }] : [], cause })
  }
}

/** Milliseconds as an ISO 8601 duration: 900,000 is "PT15M". */
export function durationText(ms: number): string {
  return Temporal.Duration.from({ milliseconds: ms }).round({ largestUnit: 'hours' }).toString()
}
