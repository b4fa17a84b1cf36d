import { type ChatService, chatAddressId, checkChatField } from '../channels/chat-address.ts'
import type { Address, AddressGuard, ChatTarget } from '../channels/provider.ts'
import { badInput } from '../errors.ts'
import type { Vault } from './command.ts'
import { isObject, type JsonObject } from './json.ts'

type Path = readonly (string | number)[]

/** The places in chat services that a recipient may be. webhookUrl and accessToken are secrets, sealed where they are kept. */
export interface ChatRecipient {
  readonly slack?: {
    readonly channel?: string | null
    readonly userId?: string | null
    readonly email?: string | null
    readonly webhookUrl?: string | null
    readonly accessToken?: string | null
  } | null
  readonly msTeams?: {
    readonly webhookUrl?: string | null
    readonly tenantId?: string | null
    readonly serviceUrl?: string | null
    readonly userId?: string | null
    readonly email?: string | null
    readonly channelId?: string | null
    readonly conversationId?: string | null
  } | null
  readonly discord?: {
    readonly channelId?: string | null
    readonly userId?: string | null
    readonly webhookUrl?: string | null
  } | null
  readonly telegram?: { readonly chatId: string } | null
}

/**
 * A chat service: the field of a recipient and the key of a profile that name a place in it, and the fields of which one says
 * where, the most personal first: that one counts where a profile holds several. `beside`: what a bot needs with each of them.
 */
interface Service {
  readonly service: ChatService
  readonly field: keyof ChatRecipient
  readonly key: string
  readonly targets: readonly string[]
  readonly beside: readonly string[]
  readonly optional: readonly string[]
}

const SERVICES: readonly Service[] = [
  {
    service: 'slack',
    field: 'slack',
    key: 'slack',
    targets: ['userId', 'email', 'channel', 'webhookUrl'],
    beside: [],
    optional: ['accessToken'],
  },
  {
    service: 'msteams',
    field: 'msTeams',
    key: 'ms_teams',
    targets: ['conversationId', 'userId', 'email', 'channelId', 'webhookUrl'],
    beside: ['tenantId', 'serviceUrl'],
    optional: [],
  },
  {
    service: 'discord',
    field: 'discord',
    key: 'discord',
    targets: ['userId', 'channelId', 'webhookUrl'],
    beside: [],
    optional: [],
  },
  { service: 'telegram', field: 'telegram', key: 'telegram', targets: ['chatId'], beside: [], optional: [] },
]

const SECRETS = ['webhookUrl', 'accessToken'] as const

/** The fields of a recipient that name a place in a chat service. */
export const CHAT_FIELDS = SERVICES.map(({ field }) => field)

/**
 * The place in a chat service that a recipient is; null where it is none. `label` is what may be seen of it.
 *
 * @throws Refusal BAD_USER_INPUT, at the field that is missing, wrong or one too many
 */
export function checkChatPlace(to: ChatRecipient, path: Path, guard: AddressGuard): { readonly label: string } | null {
  const named = SERVICES.find(({ field }) => to[field] != null)
  if (named === undefined) return null
  const { service, field, targets, beside, optional } = named
  const fields = fieldsOf(to, named)
  const at = [...path, field]
  const given = targets.filter((name) => fields[name] !== undefined)
  if (given.length !== 1) {
    throw badInput(given.length === 0 ? at : [...at, given[1]!], `'${field}' takes exactly one of ${listed(targets)}.`)
  }
  for (const name of given[0] === 'webhookUrl' ? [...beside, ...optional] : []) {
    if (fields[name] !== undefined) throw badInput([...at, name], `'${name}' has no use beside 'webhookUrl'.`)
  }
  for (const [name, value] of Object.entries(fields)) {
    const wrong = checkChatField(service, name, value)
    if (wrong !== null) throw badInput([...at, name], `'${name}' ${wrong}`)
  }
  const refused = fields.webhookUrl === undefined ? null : guard.refuseUrl(fields.webhookUrl)
  if (refused !== null) throw badInput([...at, 'webhookUrl'], refused)
  const target = targetOf(named, fields)
  if (target !== null) return { label: chatAddressId(target) }
  const missing = beside.find((name) => fields[name] === undefined)!
  throw badInput([...at, missing], `'${field}' needs '${missing}' beside '${given[0]}'.`)
}

const listed = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ')

/** The keys of profiles that name a place in a chat service. */
export const CHAT_KEYS: readonly string[] = SERVICES.map(({ key }) => key)

/**
 * Null where one of these keys of a profile holds what it stands for; otherwise the end of a sentence that begins with the
 * key. It may hold a part of a place, the rest comes from the profiles of tenants; what it holds beside is the caller's own.
 */
export function checkChatProfile(key: string, value: unknown): string | null {
  const { service, targets, beside, optional } = SERVICES.find((one) => one.key === key)!
  if (!isObject(value)) return `must be an object, like { "${snakeCase(targets[0]!)}": "…" }.`
  for (const name of [...targets, ...beside, ...optional]) {
    const held = heldAs(value, name)
    const wrong = held == null ? null : checkChatField(service, name, held)
    if (wrong !== null) return `holds a '${snakeCase(name)}', which ${wrong}`
  }
  return null
}

/** What may be seen of the first place that a profile names in a chat service; null where it names none. */
export function chatLabelOf(profile: JsonObject): string | null {
  return placesOf(profile).map(({ target }) => chatAddressId(target))[0] ?? null
}

/** Whether a profile says where in a chat service somebody is, and not merely with which token one gets there. */
export function namesChatTarget(profile: JsonObject, key: string): boolean {
  const held = profile[key]
  const { targets } = SERVICES.find((one) => one.key === key)!
  return isObject(held) && targets.some((name) => held[snakeCase(name)] != null)
}

/** An address on the channel DIRECT_MESSAGE. kind: of the accounts that carry it. */
export interface DirectMessageAddress {
  readonly address: Address
  readonly kind: ChatService
}

/**
 * Where a direct message reaches a recipient: the place it is, or every place that its profile names, one for each service.
 * Pure. What does not open, since it was sealed with a secret that is gone, is left out.
 *
 * @param to as it is kept
 * @param profile everything that is known of the person, merged
 * @param open gives what was sealed back; may throw
 */
export function directMessageAddresses(
  to: ChatRecipient,
  profile: JsonObject,
  open: (sealed: string) => string,
): readonly DirectMessageAddress[] {
  const named = SERVICES.find(({ field }) => to[field] != null)
  const places = named === undefined ? placesOf(profile) : openedPlace(named, fieldsOf(to, named), open)
  return places.map(({ kind, target }) => ({ kind, address: { id: chatAddressId(target), chat: target } }))
}

interface Place {
  readonly kind: ChatService
  readonly target: ChatTarget
}

function openedPlace(named: Service, fields: Fields, open: (sealed: string) => string): readonly Place[] {
  const opened: Record<string, string> = { ...fields }
  try {
    for (const name of SECRETS) if (opened[name] !== undefined) opened[name] = open(opened[name])
  } catch {
    return []
  }
  const target = targetOf(named, opened)
  return target === null ? [] : [{ kind: named.service, target }]
}

function placesOf(profile: JsonObject): readonly Place[] {
  return SERVICES.flatMap((one) => {
    const held = profile[one.key]
    const target = isObject(held) ? targetOf(one, fieldsOfProfile(one, held)) : null
    return target === null ? [] : [{ kind: one.service, target }]
  })
}

type Fields = { readonly [name: string]: string }

function fieldsOf(to: ChatRecipient, { field }: Service): Fields {
  return Object.fromEntries(Object.entries(to[field] ?? {}).flatMap(([name, value]) => (value == null ? [] : [[name, value]])))
}

function fieldsOfProfile({ targets, beside, optional, service }: Service, held: JsonObject): Fields {
  const names = [...targets, ...beside, ...optional]
  const read = names.map((name) => [name, heldAs(held, name)] as const)
  return Object.fromEntries(
    read.filter((entry): entry is [string, string] => entry[1] != null && checkChatField(service, entry[0], entry[1]) === null),
  )
}

/** Ids of chats are numbers to some; both forms are taken. */
function heldAs(profile: JsonObject, name: string): unknown {
  const held = profile[snakeCase(name)]
  return typeof held === 'number' && Number.isSafeInteger(held) ? String(held) : held
}

/** Null where something is missing: then nobody can go there. */
function targetOf({ service, targets, beside, optional }: Service, fields: Fields): ChatTarget | null {
  const to = targets.find((name) => fields[name] !== undefined && (name === 'webhookUrl' || isWhole(beside, fields)))
  if (to === undefined) return null
  const names = to === 'webhookUrl' ? [] : [...beside, ...optional]
  const rest = names.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]]))
  return { service, to, value: fields[to]!, ...Object.fromEntries(rest) } as ChatTarget
}

const isWhole = (names: readonly string[], fields: Fields) => names.every((name) => fields[name] !== undefined)

const snakeCase = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** A recipient as it is kept: with its secrets sealed. */
export function sealChatPlace<To extends ChatRecipient>(vault: Vault, environmentId: string, to: To): To {
  const named = SERVICES.find(({ field }) => to[field] != null)
  if (named === undefined) return to
  const fields: Record<string, string> = { ...fieldsOf(to, named) }
  for (const name of SECRETS) {
    if (fields[name] !== undefined) fields[name] = vault.seal(fields[name], sealedTo(environmentId))
  }
  return { ...to, [named.field]: fields }
}

/** Opens what {@link sealChatPlace} sealed. @throws where it does not open */
export function openChatSecret(vault: Vault, environmentId: string, sealed: string): string {
  return vault.open(sealed, sealedTo(environmentId))
}

const sealedTo = (environmentId: string) => `message/${environmentId}/chat`
