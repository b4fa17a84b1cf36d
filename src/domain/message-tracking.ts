import { NO_TRACKING, type Tracking } from '../render/job.ts'
import type { Definition } from './send.ts'
import type { TrackedPlace, TrackingLinks } from './tracking-link.ts'

/** Whether opens and clicks of a message's emails are told. */
export interface EmailTracking {
  readonly opens: boolean
  readonly clicks: boolean
}

/** What the send says of its emails goes over what its environment says of all. */
export function emailTracking(
  { channels }: Pick<Definition, 'channels'>,
  environment: { readonly trackOpens: boolean; readonly trackClicks: boolean } | undefined,
): EmailTracking {
  const { trackOpens, trackClicks } = channels?.EMAIL?.override ?? {}
  return { opens: trackOpens ?? environment?.trackOpens ?? false, clicks: trackClicks ?? environment?.trackClicks ?? false }
}

/**
 * What one account's rendering of a message is tracked by. A push message always brings an address at which its app may tell
 * what became of it: nothing is told unless the app does. Simulated messages and previews are never tracked: do not ask.
 */
export function trackingOf(
  place: TrackedPlace,
  { opens, clicks }: EmailTracking,
  links: Pick<TrackingLinks, 'openUrl' | 'clicks' | 'pushUrl'>,
): Pick<Tracking, 'openUrl' | 'clicks' | 'pushUrl'> {
  if (place.channel === 'PUSH') return { openUrl: null, clicks: null, pushUrl: links.pushUrl(place) }
  if (place.channel !== 'EMAIL') return NO_TRACKING
  return { openUrl: opens ? links.openUrl(place) : null, clicks: clicks ? links.clicks(place) : null, pushUrl: null }
}
