import type { Address } from '../channels/provider.ts'
import type { Account } from './account.ts'

/**
 * Where an account carries every message to that it is given, whoever it is for; null for kinds whose messages go to an address
 * of the recipient. The kind `http` names its URL itself: on the channel WEBHOOK it carries what is for a person, and nothing
 * that is for a place. Of the URL only what is no secret is shown.
 *
 * @param recipient a user's id or an address: whatever takes the message has to know whom it is for
 */
export function accountAddress({ kind, settings }: Account, recipient: string | null): Address | null {
  const url = kind === 'http' && typeof settings.url === 'string' ? URL.parse(settings.url) : null
  return url === null ? null : { id: `${url.origin}${url.pathname}`, ...(recipient !== null && { name: recipient }) }
}
