import { createHash } from 'node:crypto'
import type { ChatTarget } from '../channels/provider.ts'
import { directMessageAddresses } from './chat-place.ts'
import { fingerprint } from './idempotency.ts'
import { readPhoneNumber } from './profile.ts'
import { addressOf, type Individual, isPlace, type RecipientInput } from './recipient.ts'

/**
 * By what users of a job are told apart: the user's id, otherwise the address, of which a hash is kept. Mail addresses that
 * differ in case alone are one: hardly any mailbox tells them apart, and nobody wants a mail twice. Phone numbers are told
 * apart as E.164 writes them, and places by all that leads to them, of which the label shows a part.
 */
export function bulkUserKey({ userId, label, to }: Pick<Individual, 'userId' | 'label' | 'to'>): string {
  if (userId !== null) return keyOfUser(userId)
  const place = placeOf(to)
  if (place !== null) return `place ${fingerprint(place)}`
  const address = readPhoneNumber(label) ?? (/^[^/@\s]+@[^/@\s]+$/.test(label) ? label.toLowerCase() : label)
  return `address ${createHash('sha256').update(address).digest('base64url')}`
}

/** The key of a user who has an id, in every job. */
export function keyOfUser(userId: string): string {
  return `user ${userId}`
}

/** What leads to a recipient that is a place, or a person of whom nothing but one is known; null for others. */
function placeOf(to: RecipientInput) {
  if (to.webhook != null) return webhookPlace(to.webhook)
  if (!isPlace(to) && addressOf(to) !== null) return null
  const [first] = directMessageAddresses(to, to.profile ?? {}, (secret) => secret)
  return first?.address.chat ? chatPlace(first.address.chat) : null
}

/** Headers as they are sent: of those of one name the last. */
function webhookPlace({ url, headers }: NonNullable<RecipientInput['webhook']>) {
  const sent = (headers ?? []).map(({ name, value }) => [name.toLowerCase(), value])
  return { url: new URL(url).href, headers: Object.fromEntries(sent) }
}

function chatPlace(target: ChatTarget): ChatTarget {
  if (target.to === 'webhookUrl') return { ...target, value: new URL(target.value).href }
  return target.to === 'email' ? { ...target, value: target.value.toLowerCase() } : target
}
