import type { Recipient } from './bulk-mapping.ts'

/**
 * What a recipient is known by. Of two whom the server would take for the same, at least one name is equal; a name too many in
 * common costs time, since their calls are then made one after the other. Nothing was checked yet.
 */
export function namesOf({ userId, email, phoneNumber, deviceTokens, profile, ...rest }: Recipient): readonly string[] {
  if (userId != null) return [nameIn(userId)]
  const places = placesIn(rest)
  if (places.length > 0) return places
  const own = objectIn(profile)
  const mail = email ?? own.email
  if (mail != null) return [nameIn(mail)]
  const number = phoneNumber ?? own.phone_number
  if (number != null) return [numberEnd(number)]
  const token = Array.isArray(deviceTokens) ? objectIn(deviceTokens[0]).token : null
  return token == null ? placesIn(own) : [nameIn(token)]
}

/** Of a recipient, and of a profile. */
const PLACES = ['slack', 'msTeams', 'ms_teams', 'discord', 'telegram'] as const
/** What many places have in common. */
const SHARED = new Set(['accessToken', 'access_token', 'tenantId', 'tenant_id', 'serviceUrl', 'service_url'])

function placesIn(from: Readonly<Record<string, unknown>>): readonly string[] {
  const webhook = objectIn(from.webhook).url
  const chats = PLACES.flatMap((place) =>
    Object.entries(objectIn(from[place])).flatMap(([name, value]) => (SHARED.has(name) || value == null ? [] : [value])),
  )
  return [...(webhook == null ? [] : [webhook]), ...chats].map(nameIn)
}

/** However a URL or a name is written. */
function nameIn(value: unknown): string {
  const text = textIn(value)
  return (URL.parse(text)?.href ?? text).toLowerCase()
}

/** However a number is written, it ends in the same digits. */
const numberEnd = (value: unknown) => textIn(value).replace(/\D/g, '').slice(-8)

const textIn = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

function objectIn(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
