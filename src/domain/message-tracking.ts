import type { Tracking } from '../render/job.ts'
import type { Definition } from './send.ts'
import type { TrackedPlace, TrackingLinks } from './tracking-link.ts'

/** What is told of a message: of its emails opens and clicks, by its push messages whatever their app tells. */
export interface MessageTracking {
  readonly opens: boolean
  readonly clicks: boolean
  readonly push: boolean
}

/**
 * What the send says of its emails goes over what its environment says of all. A push message brings an address at which its
 * app may tell what became of it, in an environment that tracks anything.
 */
export function messageTracking(
  { channels }: Pick<Definition, 'channels'>,
  environment: { readonly trackOpens: boolean; readonly trackClicks: boolean } | undefined,
): MessageTracking {
  const said = channels?.EMAIL?.override ?? {}
  const { trackOpens = false, trackClicks = false } = environment ?? {}
  return { opens: said.trackOpens ?? trackOpens, clicks: said.trackClicks ?? trackClicks, push: trackOpens || trackClicks }
}

/** What one account's rendering of a message is tracked by. Simulated messages and previews never are: do not ask. */
export function trackingOf(
  place: TrackedPlace,
  { opens, clicks, push }: MessageTracking,
  links: Pick<TrackingLinks, 'openUrl' | 'clicks' | 'pushUrl'>,
): Pick<Tracking, 'openUrl' | 'clicks' | 'pushUrl'> {
  const isEmail = place.channel === 'EMAIL'
  return {
    openUrl: isEmail && opens ? links.openUrl(place) : null,
    clicks: isEmail && clicks ? links.clicks(place) : null,
    pushUrl: place.channel === 'PUSH' && push ? links.pushUrl(place) : null,
  }
}
