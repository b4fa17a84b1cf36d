import type { Channel } from '../../src/channels/provider.ts'
import type { Account } from '../../src/domain/account.ts'
import { type PlannedToken, plan, type Snapshot } from '../../src/domain/plan.ts'
import type { Choice, PreferenceLayers } from '../../src/domain/preference-rule.ts'
import type { Routing, RoutingStep } from '../../src/domain/routing.ts'

export const NOW = new Date('2026-06-01T12:00:00Z')
export const fromNow = (ms: number) => new Date(NOW.getTime() + ms)

export function account(id: string, channel: Channel, more: Partial<Account> = {}): Account {
  return {
    id,
    kind: id,
    channel,
    name: null,
    settings: {},
    priority: 0,
    enabled: true,
    onUnknown: 'RESEND',
    health: 'OK',
    failingUntil: null,
    version: '1',
    lastError: null,
    createdAt: NOW,
    updatedAt: NOW,
    row: null,
    ...more,
  }
}

export const token = (id: string, more: Partial<PlannedToken> = {}): PlannedToken => ({
  id,
  kind: 'webpush',
  token: `t-${id}`,
  providerId: null,
  keys: null,
  expiresAt: null,
  ...more,
})

/** Of a person of whom nothing is known, with the accounts that exist at start. */
export function snapshot(more: Partial<Snapshot> = {}): Snapshot {
  return {
    to: {},
    userId: null,
    profile: {},
    deviceTokens: [],
    directMessages: [],
    accounts: [account('smtp', 'EMAIL'), account('webpush', 'PUSH'), account('inbox', 'INBOX'), account('webhook', 'WEBHOOK')],
    preferences: null,
    gone: null,
    unpublished: null,
    content: { title: 'Hello' },
    routing: { from: 'default', tree: null },
    channels: {},
    providers: [],
    facts: { data: {}, tenant: null },
    timing: { delay: null, enqueuedAt: NOW, scheduledFor: null, expiresAt: null },
    limits: { used: [], isExempt: false, isCounted: false },
    now: NOW,
    ...more,
  }
}

/** The steps of a plan as `account address`, or why there are none. */
export function stepsOf(more: Partial<Snapshot>): readonly string[] {
  const planned = plan(snapshot(more))
  if (planned.kind === 'route') return planned.steps.map(({ providerId, address }) => `${providerId} ${address.id}`)
  return planned.kind === 'delay' ? [planned.until.toISOString()] : [planned.reason ?? planned.status]
}

/** `EMAIL` is the channel, `smtp` the account. */
export type Branch = string | Routing

const stepOf = (branch: Branch): RoutingStep =>
  typeof branch !== 'string'
    ? { routing: branch }
    : branch === branch.toUpperCase()
      ? { channel: branch as Channel }
      : { providerId: branch }

export const single = (...branches: Branch[]): Routing => ({ method: 'SINGLE', channels: branches.map(stepOf) })
export const all = (...branches: Branch[]): Routing => ({ method: 'ALL', channels: branches.map(stepOf) })

/** Everything that is said about the topic `news`. */
export function layers({
  topic = 'OPTED_IN',
  ...more
}: Partial<Omit<PreferenceLayers, 'topic'>> & { readonly topic?: PreferenceLayers['topic']['defaultStatus'] }): PreferenceLayers {
  const silent = { send: null, inTenant: null, everywhere: null, list: null, tenants: [] }
  return { ...silent, ...more, topic: { id: 'news', defaultStatus: topic } }
}

export const chose = (status: Choice['status'], more: Partial<Choice> = {}): Choice => ({
  status,
  channels: null,
  snoozedUntil: null,
  ...more,
})
