import { createHash } from 'node:crypto'
import { badInput } from '../errors.ts'
import { CHAT_KEYS, namesChatTarget } from './chat-place.ts'
import { checkId } from './id.ts'
import type { JsonObject } from './json.ts'
import { checkListId, checkListPattern } from './list-pattern.ts'
import type { RecipientInput } from './recipient.ts'

type Path = readonly (string | number)[]

/** Whose members are meant. */
export type Target =
  | { readonly kind: 'list'; readonly listId: string }
  | { readonly kind: 'pattern'; readonly listPattern: string }
  | { readonly kind: 'audience'; readonly audienceId: string }
  | { readonly kind: 'tenant'; readonly tenantId: string; readonly includeDescendants: boolean }

/** What the recipient says for every member of its group. */
export type Shared = Pick<RecipientInput, 'profile' | 'data' | 'preferences' | 'tenantId' | 'locale' | 'timezone'>

/** A group as a send named it: its members are found in the background, each gets a message of its own. */
export interface Group {
  readonly target: Target
  readonly shared: Shared
}

/** How far the groups of a request are expanded: all before `group` are, and of it all members up to `after`. */
export interface Expansion {
  readonly group: number
  readonly after: string | null
}

/** One who was found in a group. listId: the list they were found on; tenantId: the tenant of the group they belong to. */
export interface Member {
  readonly userId: string
  readonly listId: string | null
  readonly tenantId: string | null
}

/** The group that a recipient names; null where it names a person or a place. */
export function targetOf(to: RecipientInput, path: Path): Target | null {
  const { listId, listPattern, audienceId, tenant } = to
  if (listId != null) return { kind: 'list', listId: checkListId(listId, [...path, 'listId']) }
  if (listPattern != null) return { kind: 'pattern', listPattern: checkListPattern(listPattern, [...path, 'listPattern']) }
  if (audienceId != null) return { kind: 'audience', audienceId: checkId(audienceId, [...path, 'audienceId']) }
  if (tenant == null) return null
  return {
    kind: 'tenant',
    tenantId: checkId(tenant.id, [...path, 'tenant', 'id']),
    includeDescendants: tenant.includeDescendants ?? false,
  }
}

const ONLY_FOR_ONE = ['userId', 'email', 'phoneNumber', 'deviceTokens'] as const

/** A group as it is kept with its request. @throws Refusal BAD_USER_INPUT where it names a person beside the group */
export function checkGroup(target: Target, to: RecipientInput, path: Path): Group {
  const odd = ONLY_FOR_ONE.find((name) => to[name] != null)
  if (odd) throw badInput([...path, odd], `A recipient is one person, one group or one place: '${odd}' is a person's.`)
  const address = addressIn(to.profile ?? {})
  if (address) throw badInput([...path, 'profile', address], `'${address}' is one person's: a group's profile must not hold it.`)
  const { profile, data, preferences, tenantId, locale, timezone } = to
  return { target, shared: { profile, data, preferences, tenantId, locale, timezone } }
}

/** What a profile holds that leads to one person alone. */
function addressIn(profile: JsonObject): string | undefined {
  const own = ['email', 'phone_number'].find((key) => profile[key] != null)
  return own ?? CHAT_KEYS.find((key) => namesChatTarget(profile, key))
}

/** The tenant in whose context a member's message stands, before one is inferred. A tenant's members stand in its own. */
export function contextOf(group: Group, member: Member, requestTenantId: string | null): string | null {
  return group.shared.tenantId ?? member.tenantId ?? requestTenantId
}

/**
 * The message of one user in one request, whoever names them and however often: so a user that stands on several lists gets
 * one, and a page that is expanded again after a crash makes none twice. A UUID of version 8 (RFC 9562): the request's own
 * time, so that messages stay in the order of their making, and a hash for the rest.
 */
export function messageIdOf(requestId: string, userId: string): string {
  const time = requestId.slice(4, 16)
  const hash = createHash('sha256').update(`${requestId}\n${userId}`).digest('hex')
  return `msg_${time}8${hash.slice(0, 3)}${((Number.parseInt(hash[3]!, 16) & 3) | 8).toString(16)}${hash.slice(4, 19)}`
}
