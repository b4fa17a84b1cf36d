import { badInput, notFound, type Refusal } from '../errors.ts'
import { checkContent as checkWhole } from '../render/check.ts'
import type { Content, Element } from '../render/element.ts'
import type { MissingVariable } from '../render/job.ts'
import type { Reference } from '../store/reference.ts'
import type { Actor } from './actor.ts'
import {
  type ChannelsInput,
  type ChannelsSettings,
  checkChannels,
  checkProviderSettings,
  checkTimeouts,
  checkUtm,
  type ProviderSettings,
  type ProviderSettingsInput,
  said,
  type TimeoutInput,
  type Timeouts,
  type Utm,
} from './channel-settings.ts'
import { checkDelay, type Delay, type DelayInput } from './delay.ts'
import type { Group } from './group.ts'
import { checkId } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'
import { checkLocale } from './profile.ts'
import { checkRecipient, type Individual, type RecipientInput, type RecipientRules } from './recipient.ts'
import { checkRouting, type Routing, type RoutingInput } from './routing.ts'

type Path = readonly (string | number)[]

export interface ContentInput {
  readonly title?: string | null
  readonly body?: string | null
  readonly version?: string | null
  /** Each an object with a type; whether it is an Element is checked. */
  readonly elements?: readonly JsonObject[] | null
}

export interface SendInput {
  readonly to: readonly RecipientInput[]
  readonly content?: ContentInput | null
  readonly template?: string | null
  readonly data?: JsonObject | null
  readonly brandId?: string | null
  readonly tenantId?: string | null
  readonly locale?: string | null
  readonly routing?: RoutingInput | null
  readonly channels?: ChannelsInput | null
  readonly providers?: readonly ProviderSettingsInput[] | null
  readonly topicId?: string | null
  readonly delay?: DelayInput | null
  readonly timeout?: TimeoutInput | null
  readonly expiresAt?: Date | string | null
  readonly metadata?: MetadataInput | null
  readonly idempotencyKey?: string | null
}

export interface MetadataInput {
  readonly event?: string | null
  readonly tags?: readonly string[] | null
  readonly traceId?: string | null
  readonly utm?: { readonly [K in keyof Utm]?: string | null } | null
}

/** What every message of a request shares; kept with the request. A message that was expanded from a group names it by its place. */
export interface Definition {
  /** Empty where a template says it, until withTemplate (template-use.ts) put the template under the definition. */
  readonly content: Content
  /** version: as it was published when the send was accepted; null: nothing of it was. */
  readonly template?: { readonly id: string; readonly version: number | null }
  /** What withTemplate put there, never kept: what goes under what the message itself, or its tenant, says of these. */
  readonly under?: { readonly routing?: Routing; readonly brandId?: string; readonly emailBrandId?: string }
  /** Of the template; absent: EMPTY. */
  readonly onMissing?: MissingVariable
  readonly data: JsonObject
  readonly brandId: string | null
  readonly tenantId: string | null
  readonly locale: string | null
  readonly topicId: string | null
  readonly groups: readonly Group[]
  readonly metadata: Metadata
  /** What follows is there only where the send said it. */
  readonly routing?: Routing
  readonly channels?: ChannelsSettings
  readonly providers?: readonly ProviderSettings[]
  readonly timeouts?: Timeouts
  readonly delay?: Delay
  /** ISO 8601, UTC: what was not sent by then is not sent any more. */
  readonly expiresAt?: string
}

/** By what messages are found again. */
export interface Metadata {
  readonly event: string | null
  readonly tags: readonly string[]
  readonly traceId: string | null
  /** Only where the send said it. */
  readonly utm?: Utm
}

/** What sends are checked against. */
export interface SendRules extends RecipientRules {
  readonly now: () => Date
}

/** A send that needs nothing but the database any more. A user who is named twice is in it once. */
export interface CheckedSend {
  readonly individuals: readonly Individual[]
  readonly definition: Definition
  /** What recipients say over the request's data, each with its place in `to`; data: null where one says nothing of its own. */
  readonly data: readonly { readonly place: number; readonly data: JsonObject | null }[]
}

/** A send without its recipients: what every message of it shares. */
export type MessageInput = Omit<SendInput, 'to' | 'idempotencyKey'>

/**
 * Everything about a send that can be refused without the database. The sentences are the ones this field's users know.
 * @throws Refusal BAD_USER_INPUT with the path of the fault
 */
export function checkSend(input: SendInput, rules: SendRules): CheckedSend {
  const message = checkMessage(input, ['input'], rules)
  if (input.to.length === 0) throw badInput(['input', 'to'], "The 'to' property is required.")
  const recipients = input.to.map((to, index) => checkRecipient(to, ['input', 'to', index], rules))
  return {
    individuals: withoutRepeated(recipients.filter((one) => one.kind === 'individual')),
    data: input.template == null ? [] : input.to.map(({ data = null }, place) => ({ place, data })),
    definition: { ...message, groups: checkGroups(recipients.flatMap((one) => (one.kind === 'group' ? [one.group] : []))) },
  }
}

/**
 * What messages share, before a template was read and without groups.
 *
 * @param path where the input is, for what is refused
 * @throws Refusal BAD_USER_INPUT with the path of the fault
 */
export function checkMessage(input: MessageInput, path: Path, rules: Pick<SendRules, 'guard' | 'now'>): Definition {
  if (input.content == null && input.template == null) {
    throw badInput(path, "Either 'content' or 'template' must be defined.")
  }
  if (input.content != null && input.template != null) {
    throw badInput(path, "Either 'content' or 'template' may be defined, but not both.")
  }
  checkSize(input.data, [...path, 'data'])
  return {
    ...(input.template == null
      ? { content: checkContent(input.content!, [...path, 'content']) }
      : { content: {}, template: { id: input.template, version: null } }),
    data: input.data ?? {},
    ...checkContext(input, path),
    groups: [],
    metadata: checkMetadata(input.metadata ?? {}, [...path, 'metadata']),
    ...checkManner(input, path, rules),
  }
}

/** A user who is named twice by one request gets one message: what was said first holds. */
function withoutRepeated(individuals: readonly Individual[]): readonly Individual[] {
  const seen = new Set<string>()
  return individuals.filter(({ userId }) => {
    if (userId === null) return true
    if (seen.has(userId)) return false
    seen.add(userId)
    return true
  })
}

/** Each is looked through by itself, so they are few. */
const MOST_GROUPS = 100

/** A group that is named twice is looked through once: what was said first holds. */
function checkGroups(groups: readonly Group[]): readonly Group[] {
  const unique = new Map<string, Group>()
  for (const group of groups) {
    const name = JSON.stringify(group.target)
    if (!unique.has(name)) unique.set(name, group)
  }
  if (unique.size <= MOST_GROUPS) return [...unique.values()]
  throw badInput(['input', 'to'], `'to' may name at most ${MOST_GROUPS} groups; a list can be named by a pattern.`)
}

/** What a message or a template says, as it is kept. @throws Refusal BAD_USER_INPUT with the path of the fault */
export function checkContent(content: ContentInput, path: Path): Content {
  const { title, body, version, elements } = content
  const fault = checkWhole(said<object>({ title, body, version, elements }))
  if (fault !== null) throw badInput([...path, ...fault.path], fault.message)
  return said<Content>({ title, body, version, elements: elements as readonly Element[] | null | undefined })
}

function checkContext(input: MessageInput, path: Path): Pick<Definition, 'brandId' | 'tenantId' | 'locale' | 'topicId'> {
  const { brandId = null, tenantId = null, locale = null, topicId = null } = input
  for (const [name, id] of Object.entries({ brandId, tenantId, topicId })) if (id !== null) checkId(id, [...path, name])
  if (locale !== null) checkLocale(locale, [...path, 'locale'])
  return { brandId, tenantId, locale, topicId }
}

type Manner = Pick<Definition, 'routing' | 'channels' | 'providers' | 'timeouts' | 'delay' | 'expiresAt'>

/** How and when it is sent. What the send did not say is absent: most say nothing of it, and every message's work reads it. */
function checkManner(input: MessageInput, path: Path, { guard, now }: Pick<SendRules, 'guard' | 'now'>): Manner {
  const { routing, channels, providers, timeout, delay, expiresAt } = input
  return said<Manner>({
    routing: routing && checkRouting(routing, [...path, 'routing']),
    channels: channels && checkChannels(channels, [...path, 'channels'], guard),
    providers: providers && checkProviderSettings(providers, [...path, 'providers']),
    timeouts: timeout && checkTimeouts(timeout, [...path, 'timeout']),
    delay: delay && checkDelay(delay, [...path, 'delay'], now()),
    expiresAt: expiresAt && new Date(expiresAt).toISOString(),
  })
}

function checkMetadata(metadata: MetadataInput, path: Path): Metadata {
  const { event = null, traceId = null, utm } = metadata
  const tags = checkTags(metadata.tags ?? [], [...path, 'tags'])
  for (const [name, value] of Object.entries({ event, traceId })) {
    if (value !== null && value.length > 256) throw badInput([...path, name], `'${name}' must be at most 256 characters.`)
  }
  const kept = { event, tags, traceId }
  return utm ? { ...kept, utm: checkUtm(utm, [...path, 'utm']) } : kept
}

/** @throws Refusal BAD_USER_INPUT for more than 9, and for one that is empty or over 30 characters */
export function checkTags(tags: readonly string[], path: Path): readonly string[] {
  if (tags.length > 9) throw badInput(path, "'tags' may hold at most 9 tags.")
  for (const [index, tag] of tags.entries()) {
    if (tag.length === 0 || tag.length > 30) throw badInput([...path, index], 'A tag must be 1 to 30 characters.')
  }
  return tags
}

/**
 * A send is late whose messages would have expired before they are there. One that is answered again by its idempotency key
 * is not asked: it was in time when it was accepted.
 */
export function refuseLate({ definition }: CheckedSend, now: Date): Refusal | null {
  return hasExpired(definition, now) ? badInput(['input', 'expiresAt'], "'expiresAt' must be in the future.") : null
}

export function hasExpired({ expiresAt }: Definition, now: Date): boolean {
  return expiresAt !== undefined && new Date(expiresAt) <= now
}

type Name = readonly [Reference['kind'], string | null | undefined]

/** What a person or place names by its id. */
export function namedBy(to: RecipientInput): readonly Name[] {
  return [['tenant', to.tenantId], ...(to.preferences ?? []).map(({ topicId }): Name => ['topic', topicId])]
}

/** Everything that a send names by its id, apart from users, who need not exist. */
export function referencesOf(environmentId: string, { individuals, definition }: CheckedSend): readonly Reference[] {
  const { brandId, tenantId, topicId, groups, channels } = definition
  const named: Name[] = [
    ['brand', brandId],
    ['brand', channels?.EMAIL?.brandId],
    ['tenant', tenantId],
    ['topic', topicId],
    ...groups.flatMap(({ target, shared }): Name[] => [
      ...namedBy(shared),
      target.kind === 'list' ? ['list', target.listId] : ['audience', target.kind === 'audience' ? target.audienceId : null],
      ['tenant', target.kind === 'tenant' ? target.tenantId : null],
    ]),
    ...individuals.flatMap(({ to }) => namedBy(to)),
  ]
  const unique = new Map(named.flatMap(([kind, id]) => (id == null ? [] : [[`${kind}\n${id}`, { environmentId, kind, id }]])))
  return [...unique.values()]
}

const NOUNS: { readonly [K in Reference['kind']]: string } = {
  tenant: 'tenant',
  list: 'list id',
  audience: 'audience_id',
  topic: 'topic',
  brand: 'brand',
}

export function missing({ kind, id }: Reference): Refusal {
  return notFound(NOUNS[kind], id)
}

/** A simulated send is another one than the real. */
export function modeOf(actor: Actor) {
  return actor.kind === 'key' ? actor.mode : 'LIVE'
}
