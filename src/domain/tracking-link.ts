import { timingSafeEqual } from 'node:crypto'
import { z } from 'zod'
import { CHANNELS, type Channel } from '../channels/provider.ts'
import type { Tracking } from '../render/job.ts'
import { signLink } from '../render/link.ts'
import { type LinkVault, openLink } from './link.ts'

/** What was opened or clicked: a message as one account brought it. */
export interface TrackedPlace {
  readonly environmentId: string
  readonly messageId: string
  readonly channel: Channel
  readonly providerId: string
}

/** A link in a mail that leads through us: where to, and of which message. */
export interface TrackedLink {
  readonly place: TrackedPlace
  /** An http(s) address, as a header may say it. */
  readonly location: string
}

/**
 * Addresses that a message is tracked by. Each is sealed for one purpose, says nothing of whose it is, is the same each time,
 * and outlives the rotation of CARILLON_SECRET. Where a click leads stands in the address beside a signature that holds for
 * this message alone: nobody can have us send people anywhere that the message did not.
 */
export interface TrackingLinks {
  openUrl(place: TrackedPlace): string
  clicks(place: TrackedPlace): NonNullable<Tracking['clicks']>
  pushUrl(place: TrackedPlace): string
  /** Null for what was not made here for this purpose, whatever is wrong with it. */
  readOpen(token: string): TrackedPlace | null
  readPush(token: string): TrackedPlace | null
  /** @param link where it says that it leads */
  readClick(token: string, signature: string, link: string): TrackedLink | null
}

/** Below this path: /o/<token>.gif, /c/<token>/<signature>?u=<link>, /p/<token>. */
export const TRACKING_PATH = '/t'
const OPEN = 'link/open'
const CLICK = 'link/click'
const PUSH = 'link/push'

/** Short, for it stands in every link of a mail. */
const placeShape = z.tuple([z.string(), z.string(), z.enum(CHANNELS), z.string()])

export interface TrackingLinkParts {
  readonly vault: LinkVault & { signByEach(purpose: string, text: string): readonly string[] }
  /** Where people reach us, no slash at its end; asked at each link, since a port is known only once it listens. */
  readonly publicUrl: () => string
}

export function createTrackingLinks({ vault, publicUrl }: TrackingLinkParts): TrackingLinks {
  const seal = ({ environmentId, messageId, channel, providerId }: TrackedPlace, purpose: string) =>
    vault.sealSame(JSON.stringify([environmentId, messageId, channel, providerId]), purpose)

  const read = (token: string, purpose: string): TrackedPlace | null => {
    const parts = placeShape.safeParse(openLink(vault, token, purpose)).data
    if (parts === undefined) return null
    const [environmentId, messageId, channel, providerId] = parts
    return { environmentId, messageId, channel, providerId }
  }

  return {
    openUrl: (place) => `${publicUrl()}${TRACKING_PATH}/o/${seal(place, OPEN)}.gif`,
    pushUrl: (place) => `${publicUrl()}${TRACKING_PATH}/p/${seal(place, PUSH)}`,
    clicks(place) {
      const token = seal(place, CLICK)
      return { base: `${publicUrl()}${TRACKING_PATH}/c/${token}`, key: vault.signByEach(CLICK, token)[0]! }
    },
    readOpen: (token) => read(token, OPEN),
    readPush: (token) => read(token, PUSH),
    readClick(token, signature, link) {
      const place = read(token, CLICK)
      if (place === null) return null
      // Made with a key that may have been retired since.
      const isOurs = vault.signByEach(CLICK, token).some((key) => equal(signature, signLink(key, link)))
      const location = isOurs ? locationOf(link) : null
      return location === null ? null : { place, location }
    },
  }
}

/** As a URL is written where only ASCII may stand; null for what is no web address. */
function locationOf(link: string): string | null {
  const url = URL.parse(link)
  return url !== null && /^https?:$/.test(url.protocol) ? url.href : null
}

function equal(given: string, expected: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
