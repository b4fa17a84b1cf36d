import type { Address, Channel } from '../channels/provider.ts'
import type { MessageReason, MessageStatus } from '../generated/tables.ts'
import type { ConditionFacts } from '../render/condition.ts'
import type { Content } from '../render/element.ts'
import type { Account } from './account.ts'
import type { ChannelsSettings, ProviderSettings } from './channel-settings.ts'
import type { DirectMessageAddress } from './chat-place.ts'
import { type Delay, releaseOf, timezoneOf } from './delay.ts'
import type { JsonObject } from './json.ts'
import { type PreferenceDecision, type PreferenceLayers, resolvePreference } from './preference-rule.ts'
import { planRoute, type RouteNode } from './route-tree.ts'
import type { Routing } from './routing.ts'
import { isOver, type SendLimit } from './send-limit.ts'
import type { KeptRecipient } from './situation.ts'

/** Everything planning knows. It asks for nothing else: same snapshot, same plan. */
export interface Snapshot {
  readonly to: KeptRecipient
  readonly userId: string | null
  /** Everything that is known of them, merged; empty where nothing is. */
  readonly profile: JsonObject
  readonly deviceTokens: readonly PlannedToken[]
  /** The place in a chat service that the recipient is, or every one that the profile names. */
  readonly directMessages: readonly DirectMessageAddress[]
  /** Of the message's environment, in the order in which a channel tries them. */
  readonly accounts: readonly Account[]
  /** What is said about the message's topic; null where it has none, and for places, which have no preferences. */
  readonly preferences: PreferenceLayers | null
  /** The topic or tenant that the message stands under and that was deleted since: what it would say is not known any more. */
  readonly gone: { readonly noun: 'topic' | 'tenant'; readonly id: string } | null
  /** The template of which nothing was published when the message was accepted: nobody knows what it would say. */
  readonly unpublished: string | null
  /** What it says: a channel for which it has nothing is not tried. */
  readonly content: Content
  /** Of the message, or else of its template, or else of its environment; tree: null where none of them says one. */
  readonly routing: { readonly from: 'message' | 'template' | 'environment' | 'default'; readonly tree: Routing | null }
  readonly channels: ChannelsSettings
  readonly providers: readonly ProviderSettings[]
  /** What conditions are asked about, beside the profile. */
  readonly facts: Omit<ConditionFacts, 'profile'>
  readonly timing: Timing
  readonly limits: LimitsFacts
  readonly now: Date
}

/** When a message may be sent. scheduledFor: when it was put off until; it is not put off twice. */
export interface Timing {
  readonly delay: Delay | null
  readonly enqueuedAt: Date
  readonly scheduledFor: Date | null
  readonly expiresAt: Date | null
}

/** How far the send limits that hold for a message are used up; counted: it has been counted by them, so they let it go. */
export interface LimitsFacts {
  readonly used: readonly { readonly limit: SendLimit; readonly count: number }[]
  readonly isExempt: boolean
  readonly isCounted: boolean
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
  readonly rule:
    | 'template'
    | 'address'
    | 'provider'
    | 'route'
    | 'channels'
    | 'condition'
    | 'delay'
    | 'expiry'
    | 'send limit'
    | 'health'
    | 'render'
    | PreferenceDecision['rule']
  readonly subject: string
  readonly passed: boolean
  readonly because: string
  readonly detail: JsonObject | null
}

export type Plan =
  | {
      readonly kind: 'route'
      readonly tree: RouteNode
      /** The tree's, in the order in which they would be tried. */
      readonly steps: readonly Step[]
      readonly decisions: readonly Decision[]
    }
  | { readonly kind: 'delay'; readonly until: Date; readonly decisions: readonly Decision[] }
  | {
      readonly kind: 'stop'
      readonly status: MessageStatus
      /** Null for THROTTLED, which says it all. */
      readonly reason: MessageReason | null
      readonly error: string
      readonly decisions: readonly Decision[]
    }

export type Routed = Plan & { readonly kind: 'route' }
export type Stopped = Plan & { readonly kind: 'stop' }

/**
 * Who gets the message by which doors, or why nobody does, or when it is to be looked at again. Pure. A message that waits
 * is judged when its time has come, by what is true then: so first come its template, its expiry and its delay, then what is said about
 * its topic, which may stop it and cut the channels, then the routing, and last the send limits, which count only what
 * would be sent.
 */
export function plan(snapshot: Snapshot): Plan {
  const decisions: Decision[] = []
  const { timing, now } = snapshot
  if (snapshot.unpublished !== null) return unmapped(snapshot.unpublished)
  if (snapshot.gone) return filtered('FILTERED', [deleted(snapshot.gone)])
  if (timing.expiresAt !== null && timing.expiresAt <= now) return expired(timing.expiresAt)
  const waits = delayed(snapshot, decisions)
  if (waits !== null) return waits

  const resolution = snapshot.preferences && resolvePreference(snapshot.preferences, now)
  if (resolution) decisions.push(...resolution.decisions)
  if (resolution?.stops) return filtered(resolution.stops, decisions)

  const routed = planRoute(snapshot, resolution, decisions)
  return routed.kind === 'route' ? (throttled(snapshot, routed.decisions) ?? routed) : routed
}

function filtered(reason: MessageReason, decisions: readonly Decision[]): Stopped {
  return { kind: 'stop', status: 'FILTERED', reason, error: sentence(decisions.at(-1)!.because), decisions }
}

function unmapped(template: string): Stopped {
  const because = `the template '${template}' had no published version when the message was accepted`
  const decision: Decision = { rule: 'template', subject: template, passed: false, because, detail: null }
  return { kind: 'stop', status: 'UNMAPPED', reason: 'UNPUBLISHED', error: sentence(because), decisions: [decision] }
}

/** What nobody can be asked about any more is not sent on a guess. */
function deleted({ noun, id }: NonNullable<Snapshot['gone']>): Decision {
  return { rule: noun, subject: id, passed: false, because: `the ${noun} '${id}' was deleted`, detail: null }
}

const sentence = (words: string) => `${words.charAt(0).toUpperCase()}${words.slice(1)}.`

function expired(expiresAt: Date): Stopped {
  return { kind: 'stop', status: 'UNDELIVERABLE', ...expiry(expiresAt) }
}

/** What a message that was not sent in time is told. */
export function expiry(expiresAt: Date): Pick<Stopped, 'reason' | 'error' | 'decisions'> {
  const because = `it expired at ${expiresAt.toISOString()}`
  const decision: Decision = { rule: 'expiry', subject: 'message', passed: false, because, detail: null }
  return { reason: 'EXPIRED', error: sentence(because), decisions: [decision] }
}

/** Null where it may go on, with the decision that says so. */
function delayed({ timing, to, profile, now }: Snapshot, decisions: Decision[]): Plan | null {
  const { delay, enqueuedAt, scheduledFor, expiresAt } = timing
  if (delay === null) return null
  const note = (passed: boolean, because: string, until?: Date) =>
    decisions.push({
      rule: 'delay',
      subject: delay.kind,
      passed,
      because,
      detail: until === undefined ? null : { until: until.toISOString() },
    })
  if (scheduledFor !== null) {
    note(scheduledFor <= now, `it was put off until ${scheduledFor.toISOString()}`, scheduledFor)
    return scheduledFor <= now ? null : { kind: 'delay', until: scheduledFor, decisions }
  }
  const release = releaseOf(delay, { enqueuedAt, now, timezone: timezoneOf(delay, to, profile) })
  if ('never' in release) {
    note(false, release.never)
    return { kind: 'stop', status: 'UNDELIVERABLE', reason: 'FAILED', error: sentence(release.never), decisions }
  }
  if (expiresAt !== null && release.at >= expiresAt) {
    note(false, `${release.because}, after it expires at ${expiresAt.toISOString()}`, release.at)
    return { kind: 'stop', status: 'UNDELIVERABLE', reason: 'EXPIRED', error: sentence(decisions.at(-1)!.because), decisions }
  }
  note(release.at <= now, release.because, release.at)
  return release.at <= now ? null : { kind: 'delay', until: release.at, decisions }
}

/** Null where no send limit stops it. */
function throttled({ limits }: Snapshot, before: readonly Decision[]): Stopped | null {
  const over = limits.isExempt || limits.isCounted ? undefined : limits.used.find((one) => isOver(one, one.count))
  return over === undefined ? null : overLimit(over.limit, before)
}

/** A message that a send limit stops. */
export function overLimit({ scope, max, period }: SendLimit, before: readonly Decision[]): Stopped {
  const because = `the send limit for ${LIMITED[scope]} is ${max} per ${period.toLowerCase()}`
  const decision: Decision = { rule: 'send limit', subject: scope, passed: false, because, detail: { scope, max, period } }
  return { kind: 'stop', status: 'THROTTLED', reason: null, error: sentence(because), decisions: [...before, decision] }
}

const LIMITED = {
  ALL: 'the environment',
  TENANT: 'its tenant',
  USER: 'its user',
  USER_TOPIC: 'its user and topic',
} as const satisfies { [K in SendLimit['scope']]: string }
