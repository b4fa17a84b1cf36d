import { checkWebhookHeader } from '../channels/address.ts'
import type { AddressGuard, Provider } from '../channels/provider.ts'
import { badInput, type Issue, Refusal } from '../errors.ts'
import { CHAT_FIELDS, type ChatRecipient, chatLabelOf, checkChatPlace } from './chat-place.ts'
import { checkDeviceToken, type DeviceTokenInput } from './device-token.ts'
import { checkGroup, type Group, targetOf } from './group.ts'
import { checkId } from './id.ts'
import { checkSize, deepMerge, type JsonObject } from './json.ts'
import { checkEmail, checkLocale, checkPhoneNumber, checkProfile, checkTimeZone } from './profile.ts'
import { checkTopicPreferences, type TopicPreferenceInput } from './topic-preference.ts'

/**
 * Whom messages are for, as the send named them: a person (userId, an address, or both), a group (a list, lists by a pattern,
 * an audience, a tenant's members) or a place (a webhook, or one in a chat service).
 */
export interface RecipientInput extends ChatRecipient {
  readonly userId?: string | null
  readonly email?: string | null
  readonly phoneNumber?: string | null
  readonly deviceTokens?: readonly DeviceTokenInput[] | null
  readonly listId?: string | null
  readonly listPattern?: string | null
  readonly audienceId?: string | null
  readonly tenant?: { readonly id: string; readonly includeDescendants?: boolean | null } | null
  readonly webhook?: {
    readonly url: string
    readonly headers?: readonly { readonly name: string; readonly value: string }[] | null
  } | null
  readonly profile?: JsonObject | null
  readonly data?: JsonObject | null
  readonly preferences?: readonly TopicPreferenceInput[] | null
  readonly tenantId?: string | null
  readonly locale?: string | null
  readonly timezone?: string | null
}

/** A person or place that was checked. `label` is what the log shows: the user id, otherwise the address. */
export interface Individual {
  readonly kind: 'individual'
  readonly label: string
  readonly userId: string | null
  readonly to: RecipientInput
  /** What is stored where the user is new. */
  readonly newProfile: JsonObject
}

export type Recipient = Individual | { readonly kind: 'group'; readonly group: Group }

type Path = readonly (string | number)[]

/** What recipients are checked against. */
export interface RecipientRules {
  readonly guard: AddressGuard
  readonly providers: readonly Provider[]
}

/** Refuses what is not exactly one person, one group or one place, with the path of each fault. */
export function checkRecipient(to: RecipientInput, path: Path, rules: RecipientRules): Recipient {
  refuseSeveralKinds(to, path)
  checkSize(to.data, [...path, 'data'])
  checkSize(to.profile, [...path, 'profile'])
  if (to.profile != null) checkProfile(to.profile, [...path, 'profile'])
  if (to.tenantId != null) checkId(to.tenantId, [...path, 'tenantId'])
  if (to.locale != null) checkLocale(to.locale, [...path, 'locale'])
  if (to.timezone != null) checkTimeZone(to.timezone, [...path, 'timezone'])
  checkTopicPreferences(to.preferences, [...path, 'preferences'])
  const target = targetOf(to, path)
  if (target !== null) return { kind: 'group', group: checkGroup(target, to, path) }
  return isPlace(to) ? checkPlace(to, path, rules.guard) : checkPerson(to, path, rules)
}

const PLACES = ['webhook', ...CHAT_FIELDS] as const
const KINDS = ['listId', 'listPattern', 'audienceId', 'tenant', ...PLACES] as const

/** Whether messages are for a place, which is nobody: it has no choices, and nothing else is known of it. */
export function isPlace(to: Pick<RecipientInput, (typeof PLACES)[number]>): boolean {
  return PLACES.some((kind) => to[kind] != null)
}

function refuseSeveralKinds(to: RecipientInput, path: Path): void {
  const named = KINDS.filter((kind) => to[kind] != null)
  if (named.length > 1) {
    throw badInput(path, `A recipient is of one kind: give only one of ${named.map((kind) => `'${kind}'`).join(' and ')}.`)
  }
}

/** Who a person is: the user id, otherwise the first address; null where none but places in chat services may be known. */
export function addressOf({ userId, email, phoneNumber, deviceTokens, profile }: RecipientInput): string | null {
  return (
    userId ?? email ?? textOf(profile?.email) ?? phoneNumber ?? textOf(profile?.phone_number) ?? deviceTokens?.[0]?.token ?? null
  )
}

function checkPerson(to: RecipientInput, path: Path, { guard, providers }: RecipientRules): Individual {
  const label = addressOf(to) ?? chatLabelOf(to.profile ?? {})
  if (label === null) {
    throw badInput(
      path,
      "A recipient needs a 'userId', an address ('email', 'phoneNumber', 'deviceTokens'), a group ('listId', 'listPattern', 'audienceId', 'tenant') or a place ('webhook', 'slack', 'msTeams', 'discord', 'telegram').",
    )
  }
  if (to.userId != null) checkId(to.userId, [...path, 'userId'])
  if (to.email != null) checkEmail(to.email, [...path, 'email'])
  for (const [index, token] of (to.deviceTokens ?? []).entries()) {
    checkDeviceToken(token, [...path, 'deviceTokens', index], { guard, providers })
  }
  return { kind: 'individual', label, userId: to.userId ?? null, to, newProfile: newProfileOf(to, path) }
}

/**
 * What is stored of a person who is new.
 *
 * @param path where it is in the input, for what is refused
 */
export function newProfileOf({ profile, email, phoneNumber }: RecipientInput, path: Path): JsonObject {
  const address = {
    ...(email != null && { email }),
    ...(phoneNumber != null && { phone_number: checkPhoneNumber(phoneNumber, [...path, 'phoneNumber']) }),
  }
  return deepMerge(profile ?? {}, address)
}

function checkPlace(to: RecipientInput, path: Path, guard: AddressGuard): Individual {
  if (to.userId != null || to.email != null || to.phoneNumber != null || to.deviceTokens != null) {
    const named = PLACES.find((kind) => to[kind] != null)
    throw badInput(path, `A recipient is one person or one place: '${named}' stands alone.`)
  }
  const { label } = checkChatPlace(to, path, guard) ?? checkWebhook(to.webhook!, [...path, 'webhook'], guard)
  return { kind: 'individual', label, userId: null, to, newProfile: {} }
}

function checkWebhook({ url, headers }: NonNullable<RecipientInput['webhook']>, path: Path, guard: AddressGuard) {
  const refused = guard.refuseUrl(url)
  if (refused !== null) throw badInput([...path, 'url'], refused)
  const issues: Issue[] = []
  for (const [index, header] of (headers ?? []).entries()) {
    const wrong = checkWebhookHeader(header)
    if (wrong !== null) issues.push({ path: [...path, 'headers', index], message: wrong })
  }
  if (issues.length > 0) throw new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
  return { label: new URL(url).href }
}

const textOf = (value: unknown): string | null => (typeof value === 'string' && value.length > 0 ? value : null)
