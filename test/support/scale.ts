/** The long form of the tests that kill processes: `npm run chaos`. The short one is part of every run. */
export const isFull = process.env.CARILLON_CHAOS === 'full'

/** A count, or a number of milliseconds, by the form that runs. */
export function scaled(short: number, full: number): number {
  return isFull ? full : short
}
