import type { Selectable } from 'kysely'
import type { Provider as ProviderRow } from '../generated/tables.ts'
import type { RenderedBrand } from '../render/brand.ts'
import { type BrandRow, readBrands } from '../store/brand.ts'
import type { Db } from '../store/database.ts'
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
import type { TenantRow } from '../store/tenant.ts'
import { type Account, accountsOf, type BuiltInAccount } from './account.ts'
import { brandOf, chooseBrand, DEFAULT_BRAND } from './brand.ts'
import type { Vault } from './command.ts'
import { keysPlace } from './device-token.ts'
import { openTokenKeys } from './inline-token.ts'
import { deepMerge, type JsonObject } from './json.ts'
import type { PlannedToken, Snapshot } from './plan.ts'
import { type PreferenceLayers, storedLayers } from './preference-rule.ts'
import type { RecipientInput } from './recipient.ts'
import type { Definition } from './send.ts'
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
  /** Ids of device tokens that are left out, since their keys do not open: sealed with a secret that is gone. */
  readonly sealedTokens: readonly string[]
}

/** What messages share, read once for all of them. */
export interface Surroundings {
  readonly accounts: ReadonlyMap<string, readonly Account[]>
  readonly shared: SharedFacts
  readonly brands: ReadonlyMap<string, BrandRow>
}

export interface SituationParts {
  readonly vault: Vault
  readonly now: () => Date
}

/** What holds in an environment whoever the message is for: read while the messages themselves are. */
export async function readGrounds(
  db: Db,
  builtIns: readonly BuiltInAccount[],
  environmentIds: readonly string[],
): Promise<Omit<Surroundings, 'shared'>> {
  const ids = [...new Set(environmentIds)]
  const defaults = ids.map((environmentId) => ({ environmentId, id: DEFAULT_BRAND }))
  const [rows, brands] = await Promise.all([readProviders(db, ids), readBrands(db, defaults)])
  return { accounts: byEnvironment(ids, rows, builtIns), brands }
}

/** And what some of these messages share: nothing is asked for that none of them names. */
export async function readSurroundings(
  db: Db,
  grounds: Omit<Surroundings, 'shared'>,
  occasions: readonly Occasion[],
): Promise<Surroundings> {
  const shared = await readShared(db, {
    topics: named(occasions, ({ topicId }) => topicId),
    lists: named(occasions, ({ listId, topicId }) => (topicId === null ? null : listId)),
    tenants: named(occasions, ({ tenantId }) => tenantId),
  })
  const wanted = brandsOf(occasions, shared)
  if (wanted.length === 0) return { ...grounds, shared }
  return { ...grounds, shared, brands: new Map([...grounds.brands, ...(await readBrands(db, wanted))]) }
}

function named(occasions: readonly Occasion[], idOf: (occasion: Occasion) => string | null): readonly Named[] {
  const found = new Map<string, Named>()
  for (const occasion of occasions) {
    const id = idOf(occasion)
    if (id !== null) found.set(keyOf(occasion.environmentId, id), { environmentId: occasion.environmentId, id })
  }
  return [...found.values()]
}

/** Every brand that one of them may take beside the default. */
function brandsOf(occasions: readonly Occasion[], { chains }: SharedFacts): readonly Named[] {
  const found = new Map<string, Named>()
  const add = (environmentId: string, id: string | null) => {
    if (id !== null) found.set(keyOf(environmentId, id), { environmentId, id })
  }
  for (const { environmentId, tenantId, definition } of occasions) {
    add(environmentId, definition.brandId ?? null)
    if (tenantId === null) continue
    for (const { brandId } of chains.get(keyOf(environmentId, tenantId)) ?? []) add(environmentId, brandId)
  }
  return [...found.values()]
}

function byEnvironment(
  environmentIds: readonly string[],
  rows: readonly Selectable<ProviderRow>[],
  builtIns: readonly BuiltInAccount[],
): ReadonlyMap<string, readonly Account[]> {
  const ofEnvironment = (id: string) => rows.filter((row) => row.environment_id === id)
  return new Map(environmentIds.map((id) => [id, accountsOf(ofEnvironment(id), builtIns)]))
}

/** One message's circumstances, from what is known of its person and what it shares with others. Pure but for the clock. */
export function situationOf(
  occasion: Occasion,
  person: PersonRow,
  { accounts, shared, brands }: Surroundings,
  { vault, now }: SituationParts,
): Situation {
  const { environmentId, userId, tenantId, topicId, listId, definition } = occasion
  const to = addressed(occasion)
  const chain = tenantId === null ? [] : (shared.chains.get(keyOf(environmentId, tenantId)) ?? [])
  const topic = topicId === null ? null : (shared.topics.get(keyOf(environmentId, topicId)) ?? null)
  const said = listId === null ? undefined : shared.lists.get(keyOf(environmentId, listId))
  const list = listId !== null && said !== undefined ? { id: listId, preferences: said } : null
  const stored = person.tokens ?? []
  const kept = stored.flatMap((token) => storedToken(environmentId, userId ?? '', token, vault) ?? [])
  const inline = (to.deviceTokens ?? []).flatMap((token) => inlineToken(environmentId, token, vault) ?? [])
  return {
    snapshot: {
      to,
      userId,
      profile: profileOf(chain, person, to),
      deviceTokens: inline.length > 0 ? inline : kept,
      accounts: accounts.get(environmentId) ?? [],
      preferences: topic && to.webhook == null ? layersOf(topic, { to, choices: person.choices ?? [], list, chain }) : null,
      gone: to.webhook == null ? goneOf(occasion, topic, chain) : null,
      now: now(),
    },
    data: to.data == null ? definition.data : deepMerge(definition.data, to.data),
    tenant: inContext(chain),
    topic,
    brand: chosenBrand(occasion, chain, brands),
    sealedTokens: stored.map(({ id }) => id).filter((id) => !kept.some((token) => token.id === id)),
  }
}

function goneOf({ topicId, tenantId }: Occasion, topic: TopicFacts | null, chain: readonly TenantRow[]): Snapshot['gone'] {
  if (topicId !== null && topic === null) return { noun: 'topic', id: topicId }
  return tenantId !== null && chain.length === 0 ? { noun: 'tenant', id: tenantId } : null
}

/** The recipient with what its group says for every member. */
function addressed({ to, definition }: Occasion): KeptRecipient {
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

function chosenBrand(
  { environmentId, definition }: Occasion,
  chain: readonly TenantRow[],
  brands: Surroundings['brands'],
): RenderedBrand | null {
  const fallback = brands.get(keyOf(environmentId, DEFAULT_BRAND)) ?? null
  const candidates = { message: definition.brandId ?? null, tenants: chain.map(({ brandId }) => brandId), template: null }
  const id = chooseBrand(candidates, (one) => brands.has(keyOf(environmentId, one)))
  const own = id === null ? null : (brands.get(keyOf(environmentId, id)) ?? null)
  return brandOf(own, fallback)
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
