import { createHash } from 'node:crypto'
import { sealChatPlace } from './chat-place.ts'
import type { Vault } from './command.ts'
import type { RecipientInput } from './recipient.ts'

/** Where the keys of a push token that one send brings are sealed to. */
function place(environmentId: string, token: string): string {
  return `message/${environmentId}/${createHash('sha256').update(token).digest('base64url')}`
}

/** A recipient as it is kept: the keys of its push tokens are secrets, and so is what gets a message into a chat. */
export function sealTokens(vault: Vault, environmentId: string, recipient: RecipientInput): unknown {
  const to = sealChatPlace(vault, environmentId, recipient)
  if (to.deviceTokens == null) return to
  return {
    ...to,
    deviceTokens: to.deviceTokens.map(({ keys, ...token }) => ({
      ...token,
      keys: keys ? vault.seal(JSON.stringify(keys), place(environmentId, token.token)) : null,
    })),
  }
}

/** The keys of a push token of a kept recipient. @throws where they do not open */
export function openTokenKeys(
  vault: Vault,
  environmentId: string,
  token: string,
  sealed: string,
): { readonly p256dh: string; readonly auth: string } {
  return JSON.parse(vault.open(sealed, place(environmentId, token)))
}
