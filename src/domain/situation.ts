import type { RenderedBrand } from '../render/brand.ts'
import { type BrandRow, readBrands } from '../store/brand.ts'
import type { Db } from '../store/database.ts'
import { readEnvironmentRules } from '../store/environment.ts'
import {
  type ChosenRow,
  keyOf,
  type Named,
  type PersonRow,
  readShared,
  type SharedFacts,
  type TokenRow,
  type TopicFacts,
} from '../store/facts.ts'
import { readProviders } from '../store/provider.ts'
import { readCounts } from '../store/send-limit.ts'
import type { TenantRow } from '../store/tenant.ts'
import { type Account, accountsOf, type BuiltInAccount } from './account.ts'
import { DEFAULT_BRAND } from './brand.ts'
import type { ChannelsSettings } from './channel-settings.ts'
import { directMessageAddresses, openChatSecret } from './chat-place.ts'
import type { Vault } from './command.ts'
import { keysPlace } from './device-token.ts'
import { openTokenKeys } from './inline-token.ts'
import { deepMerge, type JsonObject } from './json.ts'
import { brandFor, brandsOf, emailBrandFor } from './message-brand.ts'
import { type MessageTracking, messageTracking } from './message-tracking.ts'
import type { LimitsFacts, PlannedToken, Snapshot, Timing } from './plan.ts'
import { type PreferenceLayers, storedLayers } from './preference-rule.ts'
import { isPlace, type RecipientInput } from './recipient.ts'
import type { Routing } from './routing.ts'
import type { Definition } from './send.ts'
import { type Counter, countersOf, type SendLimit } from './send-limit.ts'
import type { TopicPreference } from './topic-preference.ts'

/** A message of a recipient, as far as planning and rendering depend on it. */
export interface Occasion {
  readonly environmentId: string
  readonly userId: string | null
  readonly tenantId: string | null
  readonly topicId: string | null
  readonly listId: string | null
  /** As it is kept with the message. */
  readonly to: KeptRecipient
  readonly definition: Definition
  readonly enqueuedAt: Date
  /** When it was put off until; null where it was not. */
  readonly scheduledFor: Date | null
  /** The send limits have counted it. */
  readonly isCounted: boolean
  /** Something of it was tried: it is not put off any more. */
  readonly isUnderWay?: boolean
}

/** A recipient as it is kept. group: what the group of this place in the definition says holds for it. */
export type KeptRecipient = Omit<RecipientInput, 'deviceTokens'> & {
  readonly group?: number
  readonly deviceTokens?: readonly (Omit<NonNullable<RecipientInput['deviceTokens']>[number], 'keys' | 'expiresAt'> & {
    readonly keys: string | null
    readonly expiresAt?: string | null
  })[]
}

/** A tenant as a message speaks of it: its properties over those of the tenants above it. */
export type TenantContext = Pick<TenantRow, 'id' | 'name' | 'properties'>

/** A message's circumstances: everything that planning and rendering know. */
export interface Situation {
  readonly snapshot: Snapshot
  /** Data of the request and, over it, of the recipient. */
  readonly data: JsonObject
  readonly tenant: TenantContext | null
  readonly topic: TopicFacts | null
  readonly brand: RenderedBrand | null
  /** The one for emails alone, where the send or its template says so. */
  readonly emailBrand: RenderedBrand | null
  readonly tracking: MessageTracking
  /** Ids of device tokens that are left out, since their keys do not open: sealed with a secret that is gone. */
  readonly sealedTokens: readonly string[]
}

/** What messages share, read once for all of them. */
export interface Surroundings {
  readonly accounts: ReadonlyMap<string, readonly Account[]>
  readonly rules: ReadonlyMap<string, Rules>
  readonly shared: SharedFacts
  readonly brands: ReadonlyMap<string, BrandRow>
  /** How much of the send limits is used up, by counter. */
  readonly used: ReadonlyMap<string, number>
}

/** What an environment says for all of its messages. */
export interface Rules {
  readonly routing: Routing | null
  readonly sendLimits: readonly SendLimit[]
  readonly trackOpens: boolean
  readonly trackClicks: boolean
}

/** What is read while the messages themselves are. */
export type Grounds = Pick<Surroundings, 'accounts' | 'rules' | 'brands'>

export interface SituationParts {
  readonly vault: Vault
  readonly now: () => Date
}

/** What holds in an environment whoever the message is for: read while the messages themselves are. */
export async function readGrounds(
  db: Db,
  builtIns: readonly BuiltInAccount[],
  environmentIds: readonly string[],
): Promise<Grounds> {
  const ids = [...new Set(environmentIds)]
  const defaults = ids.map((environmentId) => ({ environmentId, id: DEFAULT_BRAND }))
  const [rows, environments, brands] = await Promise.all([
    readProviders(db, ids),
    readEnvironmentRules(db, ids),
    readBrands(db, defaults),
  ])
  return {
    accounts: new Map(ids.map((id) => [id, accountsOf(rows, builtIns, id)])),
    rules: new Map(environments.map(({ id, ...rules }) => [id, rules as Rules])),
    brands,
  }
}

/** And what some of these messages share: nothing is asked for that none of them names. */
export async function readSurroundings(
  db: Db,
  grounds: Grounds,
  occasions: readonly Occasion[],
  now: Date,
): Promise<Surroundings> {
  const [shared, used] = await Promise.all([
    readShared(db, {
      topics: named(occasions, ({ topicId }) => topicId),
      lists: named(occasions, ({ listId, topicId }) => (topicId === null ? null : listId)),
      tenants: named(occasions, ({ tenantId }) => tenantId),
    }),
    readUsed(db, grounds, occasions, now),
  ])
  const wanted = brandsOf(occasions, shared)
  if (wanted.length === 0) return { ...grounds, shared, used }
  return { ...grounds, shared, used, brands: new Map([...grounds.brands, ...(await readBrands(db, wanted))]) }
}

/** How far the send limits that hold for some of these messages are used up; nothing is asked for where there are none. */
async function readUsed(
  db: Db,
  { rules }: Grounds,
  occasions: readonly Occasion[],
  now: Date,
): Promise<ReadonlyMap<string, number>> {
  const counters = new Map<string, Counter>()
  for (const occasion of occasions) {
    const limits = occasion.isCounted ? [] : (rules.get(occasion.environmentId)?.sendLimits ?? [])
    for (const counter of countersOf(limits, occasion, now)) counters.set(counterName(counter), counter)
  }
  if (counters.size === 0) return new Map()
  const counts = await readCounts(db, [...counters.values()])
  return new Map([...counters.keys()].map((name, index) => [name, counts[index]!]))
}

/** What they are once another message was counted. */
export function countAlso(surroundings: Surroundings, occasion: Occasion, now: Date): Surroundings {
  const limits = surroundings.rules.get(occasion.environmentId)?.sendLimits ?? []
  if (limits.length === 0) return surroundings
  const used = new Map(surroundings.used)
  for (const name of new Set(countersOf(limits, occasion, now).map(counterName))) used.set(name, (used.get(name) ?? 0) + 1)
  return { ...surroundings, used }
}

const counterName = ({ environmentId, key }: Counter) => `${environmentId}\n${key}`

function named(occasions: readonly Occasion[], idOf: (occasion: Occasion) => string | null): readonly Named[] {
  const found = new Map<string, Named>()
  for (const occasion of occasions) {
    const id = idOf(occasion)
    if (id !== null) found.set(keyOf(occasion.environmentId, id), { environmentId: occasion.environmentId, id })
  }
  return [...found.values()]
}

/** One message's circumstances, from what is known of its person and what it shares with others. Pure but for the clock. */
export function situationOf(
  occasion: Occasion,
  person: PersonRow,
  { accounts, rules, shared, brands, used }: Surroundings,
  { vault, now }: SituationParts,
): Situation {
  const at = now()
  const { environmentId, userId, tenantId, topicId, listId, definition } = occasion
  const to = addressed(occasion)
  const chain = tenantId === null ? [] : (shared.chains.get(keyOf(environmentId, tenantId)) ?? [])
  const topic = topicId === null ? null : (shared.topics.get(keyOf(environmentId, topicId)) ?? null)
  const said = listId === null ? undefined : shared.lists.get(keyOf(environmentId, listId))
  const list = listId !== null && said !== undefined ? { id: listId, preferences: said } : null
  const stored = person.tokens ?? []
  const kept = stored.flatMap((token) => storedToken(environmentId, userId ?? '', token, vault) ?? [])
  const inline = (to.deviceTokens ?? []).flatMap((token) => inlineToken(environmentId, token, vault) ?? [])
  const profile = profileOf(chain, person, to)
  const data = to.data == null ? definition.data : deepMerge(definition.data, to.data)
  const tenant = inContext(chain)
  return {
    snapshot: {
      to,
      userId,
      profile,
      deviceTokens: inline.length > 0 ? inline : kept,
      directMessages: directMessageAddresses(to, profile, (sealed) => openChatSecret(vault, environmentId, sealed)),
      accounts: accounts.get(environmentId) ?? [],
      preferences: topic && !isPlace(to) ? layersOf(topic, { to, choices: person.choices ?? [], list, chain }) : null,
      gone: isPlace(to) ? null : goneOf(occasion, topic, chain),
      content: definition.content,
      unpublished: definition.template?.version === null ? definition.template.id : null,
      routing: routingOf(definition, rules.get(environmentId)),
      channels: definition.channels ?? NO_CHANNELS,
      providers: definition.providers ?? [],
      facts: { data, tenant },
      timing: timingOf(occasion),
      limits: limitsOf(occasion, topic, rules.get(environmentId), used, at),
      now: at,
    },
    data,
    tenant,
    topic,
    brand: brandFor(occasion, chain, brands),
    emailBrand: emailBrandFor(occasion, chain, brands),
    tracking: messageTracking(definition, rules.get(environmentId)),
    sealedTokens: stored.map(({ id }) => id).filter((id) => !kept.some((token) => token.id === id)),
  }
}

const NO_CHANNELS: ChannelsSettings = {}

/** Precedence: the message's own, then its template's, then its environment's. */
function routingOf({ routing, under }: Definition, rules: Rules | undefined): Snapshot['routing'] {
  if (routing !== undefined) return { from: 'message', tree: routing }
  if (under?.routing !== undefined) return { from: 'template', tree: under.routing }
  const ofEnvironment = rules?.routing ?? null
  return { from: ofEnvironment === null ? 'default' : 'environment', tree: ofEnvironment }
}

function timingOf({ definition, enqueuedAt, scheduledFor, isUnderWay = false }: Occasion): Timing {
  const { delay = null, expiresAt } = definition
  return {
    delay: isUnderWay ? null : delay,
    enqueuedAt,
    scheduledFor,
    expiresAt: expiresAt === undefined ? null : new Date(expiresAt),
  }
}

function limitsOf(
  occasion: Occasion,
  topic: TopicFacts | null,
  rules: Rules | undefined,
  used: Surroundings['used'],
  now: Date,
): LimitsFacts {
  const counters = countersOf(rules?.sendLimits ?? [], occasion, now)
  return {
    used: counters.map((counter) => ({ limit: counter.limit, count: used.get(counterName(counter)) ?? 0 })),
    isExempt: topic?.exemptFromSendLimits ?? false,
    isCounted: occasion.isCounted,
  }
}

function goneOf({ topicId, tenantId }: Occasion, topic: TopicFacts | null, chain: readonly TenantRow[]): Snapshot['gone'] {
  if (topicId !== null && topic === null) return { noun: 'topic', id: topicId }
  return tenantId !== null && chain.length === 0 ? { noun: 'tenant', id: tenantId } : null
}

/** The recipient with what its group says for every member. */
export function addressed({ to, definition }: Pick<Occasion, 'to' | 'definition'>): KeptRecipient {
  const group = to.group === undefined ? undefined : definition.groups?.[to.group]
  if (group === undefined) return to
  const { deviceTokens: _none, ...shared } = group.shared as KeptRecipient
  return { ...shared, ...to }
}

function inContext(chain: readonly TenantRow[]): TenantContext | null {
  const [leaf] = chain
  if (leaf === undefined) return null
  const properties = chain.map((tenant) => tenant.properties).reduceRight((under, over) => deepMerge(under, over), {})
  return { id: leaf.id, name: leaf.name, properties }
}

/**
 * The profile that holds for a message: what its recipient says, over the member's own of the tenant, over the user's stored
 * one, over those of the tenants from leaf to root.
 */
function profileOf(chain: readonly TenantRow[], person: PersonRow, to: KeptRecipient): JsonObject {
  const layers = [to.profile, person.memberProfile, person.profile, ...chain.map(({ profile }) => profile)]
  return layers.reduceRight<JsonObject>((under, over) => (over == null ? under : deepMerge(under, over)), {})
}

/** Everything that is said about the message's topic. */
function layersOf(
  topic: TopicFacts,
  {
    to,
    choices,
    list,
    chain,
  }: {
    readonly to: KeptRecipient
    readonly choices: readonly ChosenRow[]
    readonly list: { readonly id: string; readonly preferences: readonly TopicPreference[] } | null
    readonly chain: readonly TenantRow[]
  },
): PreferenceLayers {
  const isAbout = ({ topicId }: { readonly topicId: string }) => topicId === topic.id
  const send = to.preferences?.find(isAbout)
  const ofList = list?.preferences.find(isAbout)
  const placed = choices.map((choice) => ({ ...choice, snoozedUntil: dateOf(choice.snoozedUntil) }))
  return {
    ...storedLayers(topic, placed, chain),
    send: send ? { status: send.status, channels: send.channels ?? null } : null,
    list: list && ofList ? { listId: list.id, preference: ofList } : null,
  }
}

/** Null where its keys do not open. */
function storedToken(environmentId: string, userId: string, row: TokenRow, vault: Vault): PlannedToken | null {
  const { id, kind, token, providerId } = row
  const open = (sealed: string) => JSON.parse(vault.open(sealed, keysPlace(environmentId, userId, row.tokenHash)))
  const keys = openedKeys(row.keys, open)
  return keys === undefined ? null : { id, kind, token, providerId, keys, expiresAt: dateOf(row.expiresAt) }
}

/** A push token that the send brought. It is not stored, so there is none to retire. */
function inlineToken(
  environmentId: string,
  token: NonNullable<KeptRecipient['deviceTokens']>[number],
  vault: Vault,
): PlannedToken | null {
  const keys = openedKeys(token.keys, (sealed) => openTokenKeys(vault, environmentId, token.token, sealed))
  if (keys === undefined) return null
  const { kind, providerId = null, expiresAt } = token
  return { id: null, kind, token: token.token, providerId, keys, expiresAt: dateOf(expiresAt ?? null) }
}

/** Undefined where they do not open. */
function openedKeys(sealed: string | null, open: (sealed: string) => PlannedToken['keys']): PlannedToken['keys'] | undefined {
  if (sealed === null) return null
  try {
    return open(sealed)
  } catch {
    return undefined
  }
}

const dateOf = (text: string | null): Date | null => (text === null ? null : new Date(text))
