import { type Address, CHANNELS, type Channel } from '../channels/provider.ts'
import type { MessageReason, MessageStatus } from '../generated/tables.ts'
import type { Account } from './account.ts'
import type { JsonObject } from './json.ts'
import { type PreferenceDecision, type PreferenceLayers, resolvePreference } from './preference-rule.ts'
import { readPhoneNumber } from './profile.ts'
import type { KeptRecipient } from './situation.ts'

/** Everything planning knows. It asks for nothing else: same snapshot, same plan. */
export interface Snapshot {
  readonly to: KeptRecipient
  readonly userId: string | null
  /** Everything that is known of them, merged; empty where nothing is. */
  readonly profile: JsonObject
  readonly deviceTokens: readonly PlannedToken[]
  /** Of the message's environment, in the order in which a channel tries them. */
  readonly accounts: readonly Account[]
  /** What is said about the message's topic; null where it has none, and for places, which have no preferences. */
  readonly preferences: PreferenceLayers | null
  /** The topic or tenant that the message stands under and that was deleted since: what it would say is not known any more. */
  readonly gone: { readonly noun: 'topic' | 'tenant'; readonly id: string } | null
  readonly now: Date
}

/** A push token that is ACTIVE. id: null for one that only this send brings. `keys`: opened, for web push. */
export interface PlannedToken {
  readonly id: string | null
  readonly kind: string
  readonly token: string
  readonly providerId: string | null
  readonly keys: { readonly p256dh: string; readonly auth: string } | null
  readonly expiresAt: Date | null
}

/** One account's turn with one address, in the order in which they are tried. */
export interface Step {
  readonly channel: Channel
  readonly providerId: string
  readonly kind: string
  readonly address: Address
}

/** A rule that was asked, and what it answered. The last one that said no is the deciding one. */
export interface Decision {
  readonly rule: 'address' | 'provider' | 'route' | 'channels' | 'render' | PreferenceDecision['rule']
  readonly subject: string
  readonly passed: boolean
  readonly because: string
  readonly detail: JsonObject | null
}

export type Plan =
  | { readonly kind: 'route'; readonly steps: readonly Step[]; readonly decisions: readonly Decision[] }
  | {
      readonly kind: 'stop'
      readonly status: MessageStatus
      readonly reason: MessageReason
      readonly error: string
      readonly decisions: readonly Decision[]
    }

/**
 * Who gets the message by which doors, or why nobody does. Pure. First what is said about its topic: it may stop the message,
 * and it may cut the channels. Where nobody gives a routing, it is SINGLE over the channels in the contract's order: the
 * first that has an address and a provider and takes the message.
 */
export function plan(snapshot: Snapshot): Plan {
  if (snapshot.gone) return filtered('FILTERED', [deleted(snapshot.gone)])
  const resolution = snapshot.preferences && resolvePreference(snapshot.preferences, snapshot.now)
  const asked: readonly Decision[] = resolution?.decisions ?? []
  if (resolution?.stops) return filtered(resolution.stops, asked)
  return route(snapshot, resolution?.channels ?? null, asked)
}

function filtered(reason: MessageReason, decisions: readonly Decision[]): Plan {
  return { kind: 'stop', status: 'FILTERED', reason, error: sentence(decisions.at(-1)!.because), decisions }
}

/** What nobody can be asked about any more is not sent on a guess. */
function deleted({ noun, id }: NonNullable<Snapshot['gone']>): Decision {
  return { rule: noun, subject: id, passed: false, because: `the ${noun} '${id}' was deleted`, detail: null }
}

const sentence = (words: string) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`

/** @param chosen the channels that may carry it; null: every one */
function route(snapshot: Snapshot, chosen: readonly Channel[] | null, asked: readonly Decision[]): Plan {
  const decisions: Decision[] = [...asked]
  const note = (rule: Decision['rule'], subject: string, passed: boolean, because: string) =>
    decisions.push({ rule, subject, passed, because, detail: null })

  const steps: Step[] = []
  let reachable = 0
  for (const channel of CHANNELS) {
    if (chosen !== null && !chosen.includes(channel)) {
      note('channels', channel, false, `only ${chosen.join(' and ')} may carry the topic`)
      continue
    }
    const addresses = addressesOn(channel, snapshot)
    note('address', channel, addresses.length > 0, describeAddresses(channel, addresses))
    if (addresses.length === 0) continue
    reachable += 1
    for (const account of snapshot.accounts.filter((candidate) => candidate.channel === channel)) {
      const refused = refuseAccount(account)
      note('provider', account.id, refused === null, refused ?? `carries ${channel}`)
      if (refused === null)
        steps.push(...addresses.filter((place) => place.carriedBy(account)).map((place) => stepOf(account, place)))
    }
  }
  if (steps.length > 0) {
    note('route', 'SINGLE', true, `tries ${[...new Set(steps.map((step) => step.providerId))].join(', then ')}`)
    return { kind: 'route', steps, decisions }
  }
  const reason = reachable === 0 ? 'NO_CHANNELS' : 'NO_PROVIDERS'
  const error = reason === 'NO_CHANNELS' ? withoutAddress(chosen) : WITHOUT_PROVIDER
  note('route', 'SINGLE', false, error)
  return { kind: 'stop', status: 'UNROUTABLE', reason, error, decisions }
}

const WITHOUT_PROVIDER = 'No enabled provider carries a channel on which the recipient has an address.'

function withoutAddress(chosen: readonly Channel[] | null): string {
  return chosen === null
    ? 'The recipient has no address on any channel.'
    : `The recipient has no address on ${chosen.join(' or ')}, which alone may carry the topic.`
}

interface Place {
  readonly address: Address
  carriedBy(account: Account): boolean
}

function addressesOn(channel: Channel, snapshot: Snapshot): readonly Place[] {
  const { to, profile, userId } = snapshot
  switch (channel) {
    case 'EMAIL':
      return anywhere(to.email ?? textOf(profile.email))
    case 'PUSH':
      return snapshot.deviceTokens.filter((token) => token.expiresAt === null || token.expiresAt > snapshot.now).map(pushPlace)
    case 'INBOX':
      return anywhere(userId)
    case 'WEBHOOK':
      return to.webhook ? [{ address: { id: to.webhook.url, headers: to.webhook.headers ?? [] }, carriedBy: () => true }] : []
    case 'SMS':
      return anywhere(readPhoneNumber(to.phoneNumber ?? profile.phone_number))
    case 'DIRECT_MESSAGE':
      return []
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

function anywhere(id: string | null): readonly Place[] {
  return id === null ? [] : [{ address: { id }, carriedBy: () => true }]
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value.length > 0 ? value : null)

function describeAddresses(channel: Channel, places: readonly Place[]): string {
  if (places.length === 0) return `the recipient has no address on ${channel}`
  return places.length === 1 ? 'the recipient has an address' : `the recipient has ${places.length} addresses`
}

function refuseAccount(account: Account): string | null {
  if (!account.enabled) return 'is disabled'
  if (account.health === 'MISCONFIGURED') return `its settings were refused: ${account.lastError ?? 'put it again'}`
  return null
}

function stepOf(account: Account, place: Place): Step {
  return { channel: account.channel, providerId: account.id, kind: account.kind, address: place.address }
}
