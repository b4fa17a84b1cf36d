import type { Address, Channel } from '../channels/provider.ts'
import type { Account } from './account.ts'
import { accountAddress } from './account-address.ts'
import type { PlannedToken, Snapshot } from './plan.ts'
import { readPhoneNumber } from './profile.ts'
import { isPlace } from './recipient.ts'
import type { KeptRecipient } from './situation.ts'

/** An address of a recipient on some channel, and which accounts take messages there. */
export interface Place {
  readonly address: Address
  carriedBy(account: Account): boolean
}

/** Every address that the recipient has on a channel. */
export function placesOn(channel: Channel, snapshot: Snapshot): readonly Place[] {
  const { to, profile, userId } = snapshot
  switch (channel) {
    case 'EMAIL':
      return anywhere(to.email ?? textOf(profile.email))
    case 'PUSH':
      return snapshot.deviceTokens.filter((token) => token.expiresAt === null || token.expiresAt > snapshot.now).map(pushPlace)
    case 'INBOX':
      return anywhere(userId)
    case 'WEBHOOK':
      return to.webhook ? [webhookPlace(to.webhook)] : isPlace(to) ? [] : accountPlaces(snapshot)
    case 'SMS':
      return anywhere(readPhoneNumber(to.phoneNumber ?? profile.phone_number))
    case 'DIRECT_MESSAGE':
      return snapshot.directMessages.map(({ address, kind }) => ({ address, carriedBy: (account) => account.kind === kind }))
  }
}

function pushPlace(token: PlannedToken): Place {
  return {
    address: {
      id: token.token,
      ...(token.id !== null && { deviceTokenId: token.id }),
      ...(token.keys && { keys: token.keys }),
    },
    carriedBy: (account) => account.kind === token.kind && (token.providerId === null || token.providerId === account.id),
  }
}

function webhookPlace({ url, headers }: NonNullable<KeptRecipient['webhook']>): Place {
  return { address: { id: url, headers: headers ?? [] }, carriedBy: (account) => accountAddress(account, url) === null }
}

/** Accounts that carry what is for a person to a place of their own. */
function accountPlaces({ accounts, userId, to, profile }: Snapshot): readonly Place[] {
  const recipient = userId ?? to.email ?? textOf(profile.email) ?? readPhoneNumber(to.phoneNumber ?? profile.phone_number)
  return accounts.flatMap((account) => {
    const address = accountAddress(account, recipient)
    return address === null ? [] : [{ address, carriedBy: (other: Account) => other.id === account.id }]
  })
}

function anywhere(id: string | null): readonly Place[] {
  return id === null ? [] : [{ address: { id }, carriedBy: () => true }]
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value.length > 0 ? value : null)
