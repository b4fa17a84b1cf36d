import { type RateLimiterAbstract, RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { RateLimiter, RateLimits, Verdict } from './rate-limit.ts'

/** What each mutation's calls are counted by. */
export type Counters = ReadonlyMap<string, RateLimiterAbstract>

export const WINDOW_SECONDS = 60

/** What expires this soon is not worth giving back, and coming too late it would be a present for the next window. */
const NOT_GIVEN_BACK_MS = 1_000

/** Counts in this process alone. */
export function createMemoryRateLimiter(limits: RateLimits, windowSeconds = WINDOW_SECONDS): RateLimiter {
  const counters: Counters = new Map(
    [...limits].map(([field, points]) => [field, new RateLimiterMemory({ keyPrefix: field, points, duration: windowSeconds })]),
  )
  return { limits, take: (caller, calls) => takeAll(counters, caller, calls) }
}

/**
 * Takes the calls of every field at once; where one of them has too few left, all is given back.
 *
 * @throws what a counter failed with
 */
export async function takeAll(counters: Counters, caller: string, calls: ReadonlyMap<string, number>): Promise<Verdict> {
  const taken = await Promise.all(
    [...calls].map(async ([field, asked]) => {
      const counter = counters.get(field)!
      const result = await counter.consume(caller, asked).catch((refused: unknown) => refused)
      return { field, asked, counter, result }
    }),
  )
  const shares = taken.map(({ field, counter, result }) => {
    if (!(result instanceof RateLimiterRes)) throw result
    const limit = counter.points
    return { field, limit, left: limit - result.consumedPoints, ms: result.msBeforeNext }
  })
  const longest = shares.filter(({ left }) => left < 0).toSorted((one, other) => other.ms - one.ms)[0]
  if (longest === undefined) {
    const [tightest] = shares.toSorted((one, other) => one.left - other.left)
    return { admitted: true, limit: tightest!.limit, remaining: tightest!.left }
  }
  giveBack(caller, taken)
  const { field, limit, ms } = longest
  return { admitted: false, field, limit, retryAfterSeconds: Math.max(1, Math.ceil(ms / 1_000)) }
}

/** Nobody waits for it: what is asked of a counter after it is counted after it. */
function giveBack(
  caller: string,
  taken: readonly { readonly asked: number; readonly counter: RateLimiterAbstract; readonly result: unknown }[],
): void {
  for (const { asked, counter, result } of taken) {
    const remains = result instanceof RateLimiterRes && result.msBeforeNext > NOT_GIVEN_BACK_MS
    // Lost together with what it would have been taken from.
    if (remains) counter.reward(caller, asked).catch(() => {})
  }
}
