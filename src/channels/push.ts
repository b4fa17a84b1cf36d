import type { Outcome, Outgoing } from './provider.ts'

/** What the push services of phones have in common: what a message shows, and what it brings to the app. */

/** How long a service keeps a message for a device that is away, in seconds: as long as a message lives. */
export const TIME_TO_LIVE_SECONDS = 72 * 3_600
/** Apple's and Google's limit, for Expo's messages too, which those two deliver. */
export const MAX_PAYLOAD_BYTES = 4_096

export interface Alert {
  readonly title?: string
  readonly body?: string
}

/** What the device shows; null for a message that only brings data. */
export function alertOf({ content }: Outgoing): Alert | null {
  const title = content.title ?? content.subject
  const body = content.text
  if (title === undefined && body === undefined) return null
  return { ...(title !== undefined && { title }), ...(body !== undefined && { body }) }
}

/**
 * What the app is given: the payload's own keys, where a tap leads, and the message's id, by which an app knows one that
 * came twice. A payload that is no object stands under `data`.
 */
export function dataOf({ content, extras, messageId }: Outgoing): Record<string, unknown> {
  const { payload } = content
  const isObject = payload !== null && typeof payload === 'object' && !Array.isArray(payload)
  return {
    ...(isObject ? (payload as Record<string, unknown>) : payload !== undefined && { data: payload }),
    ...(extras?.clickAction !== undefined && { clickAction: extras.clickAction }),
    messageId,
  }
}

/** Why a message cannot be pushed, before anybody is called; null when it can. */
export function refusePush(outgoing: Outgoing, token: RegExp): Outcome | null {
  if (!token.test(outgoing.address.id)) {
    return { kind: 'rejected', what: 'address', error: 'The recipient is not a device token of this service.' }
  }
  if (alertOf(outgoing) === null && outgoing.content.payload === undefined) {
    return { kind: 'rejected', what: 'content', error: 'A push message needs a title, a text or data.' }
  }
  return null
}

export const tooBig: Outcome = {
  kind: 'rejected',
  what: 'content',
  error: `A push message holds at most ${MAX_PAYLOAD_BYTES.toLocaleString('en')} bytes.`,
}
