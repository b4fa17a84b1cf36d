import type { Channel } from '../channels/provider.ts'
import type { Step } from './plan.ts'
import { QUICK_MS, type Try } from './route.ts'
import type { Definition } from './send.ts'

/** One call to a provider ends after this long. */
export const CALL_TIMEOUT_MS = 30_000
/** Where the send does not say (reference: failover, default timeouts). */
const PROVIDER_TIMEOUT_MS = 5 * 60_000
const CHANNEL_TIMEOUT_MS = 30 * 60_000

/** An attempt and where it was made. */
export interface Spent {
  readonly providerId: string
  readonly channel: Channel
  readonly attempts: readonly Pick<Try, 'startedAt' | 'endedAt' | 'outcome'>[]
}

/**
 * What is left of a step's time, in milliseconds: of its account's or its channel's, whichever is less. They are used up by
 * calls, and by the short waits for a second try; the rest between two rounds of the whole route is nobody's time. Calls that
 * were under way at once (a user's devices) count once.
 */
export function timeLeftMs(
  { providerId, channel }: Step,
  { timeouts, channels, providers }: Pick<Definition, 'timeouts' | 'channels' | 'providers'>,
  spent: readonly Spent[],
  now: Date,
): number {
  const ofAccount = providers?.find((one) => one.providerId === providerId)?.timeoutMs
  const accountMs = ofAccount ?? timeouts?.providerMs ?? PROVIDER_TIMEOUT_MS
  const channelMs = channels?.[channel]?.timeoutMs ?? timeouts?.channelMs ?? CHANNEL_TIMEOUT_MS
  return Math.min(
    accountMs -
      spentMs(
        spent.filter((one) => one.providerId === providerId),
        now,
      ),
    channelMs -
      spentMs(
        spent.filter((one) => one.channel === channel),
        now,
      ),
  )
}

/** A worker that never came back took no time that anybody knows of. */
function spentMs(spent: readonly Spent[], now: Date): number {
  const spans = spent
    .flatMap(({ attempts }) => attempts)
    .flatMap(({ startedAt, endedAt, outcome }) =>
      endedAt === null && outcome !== null ? [] : [{ from: startedAt.getTime(), to: (endedAt ?? now).getTime() }],
    )
    .sort((a, b) => a.from - b.from)
  let total = 0
  let last = Number.NEGATIVE_INFINITY
  for (const { from, to } of spans) {
    if (to <= last) continue
    total += to - (from - last <= QUICK_MS ? last : from)
    last = to
  }
  return total
}
