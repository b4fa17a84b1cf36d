import { checkWebhookHeader, parseEmailAddress } from '../channels/address.ts'
import type { AddressGuard } from '../channels/provider.ts'
import { badInput, type Issue, Refusal } from '../errors.ts'
import { checkId } from './id.ts'
import { checkSize, deepMerge, type JsonObject } from './json.ts'

/** Whom one message is for, as the send named them: a person (userId, an address, or both), or a place (a webhook). */
export interface RecipientInput {
  readonly userId?: string | null
  readonly email?: string | null
  readonly profile?: JsonObject | null
  readonly data?: JsonObject | null
  readonly webhook?: {
    readonly url: string
    readonly headers?: readonly { readonly name: string; readonly value: string }[] | null
  } | null
}

/** A recipient that was checked. `label` is what the log shows: the user id, otherwise the address. */
export interface Recipient {
  readonly label: string
  readonly userId: string | null
  readonly to: RecipientInput
  /** What is stored where the user is new. */
  readonly newProfile: JsonObject
}

/** Refuses what is not exactly one person or one place, with the path of each fault. */
export function checkRecipient(to: RecipientInput, path: readonly (string | number)[], guard: AddressGuard): Recipient {
  checkSize(to.data, [...path, 'data'])
  checkSize(to.profile, [...path, 'profile'])
  return to.webhook != null ? checkPlace(to, path, guard) : checkPerson(to, path)
}

function checkPerson(to: RecipientInput, path: readonly (string | number)[]): Recipient {
  const profileEmail = to.profile?.email
  const email = to.email ?? (typeof profileEmail === 'string' ? profileEmail : null)
  if (to.userId == null && email == null) {
    throw badInput(path, "A recipient needs a 'userId', an 'email' or a 'webhook'.")
  }
  if (to.userId != null) checkId(to.userId, [...path, 'userId'])
  if (profileEmail != null) checkEmail(profileEmail, [...path, 'profile', 'email'])
  if (to.email != null) checkEmail(to.email, [...path, 'email'])
  const address = to.email != null ? { email: to.email } : {}
  return {
    label: to.userId ?? (email as string),
    userId: to.userId ?? null,
    to,
    newProfile: deepMerge(to.profile ?? {}, address),
  }
}

function checkPlace(to: RecipientInput, path: readonly (string | number)[], guard: AddressGuard): Recipient {
  if (to.userId != null || to.email != null) {
    throw badInput(path, "A recipient is one person or one place: 'webhook' stands alone.")
  }
  const { url, headers } = to.webhook!
  const refused = guard.refuseUrl(url)
  if (refused !== null) throw badInput([...path, 'webhook', 'url'], refused)
  const issues: Issue[] = []
  for (const [index, header] of (headers ?? []).entries()) {
    const wrong = checkWebhookHeader(header)
    if (wrong !== null) issues.push({ path: [...path, 'webhook', 'headers', index], message: wrong })
  }
  if (issues.length > 0) throw new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
  return { label: new URL(url).href, userId: null, to, newProfile: {} }
}

/** One plain address, as RFC 5321 delivers to: no lists, groups, comments or quoted local parts. */
export function checkEmail(email: unknown, path: readonly (string | number)[]): string {
  const address = typeof email === 'string' ? parseEmailAddress(email) : null
  if (address === null) throw badInput(path, `'${path.at(-1)}' must be one plain email address, like ada@example.com.`)
  return address
}
