import { type NumberType, parsePhoneNumberFromString } from 'libphonenumber-js/max'
import { parseEmailAddress } from '../channels/address.ts'
import { badInput, type Issue, Refusal } from '../errors.ts'
import { CHAT_KEYS, checkChatProfile } from './chat-place.ts'
import { isObject, type JsonObject } from './json.ts'

type Path = readonly (string | number)[]

/** Says what would be right, as the end of a sentence that begins with the key; null where the value is right. */
type Rule = (value: unknown) => string | null

/**
 * The keys whose meaning is known, by the names of OpenID Connect Core 1.0 (section 5.1), and those of chat services
 * (chat-place.ts); everything else in a profile is the caller's own. A phone number, locale or time zone stays as it was written: whoever uses one reads it with the functions
 * below. `updated_at` is not looked at: users have a time of their own.
 */
const WELL_KNOWN: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ...['sub', 'name', 'given_name', 'family_name', 'middle_name', 'nickname', 'preferred_username', 'gender'].map(
    (key) => [key, unlessText] as const,
  ),
  ...['profile', 'picture', 'website'].map((key) => [key, unlessWebUrl] as const),
  ...['email_verified', 'phone_number_verified'].map((key) => [key, unlessBoolean] as const),
  ['email', unlessEmail],
  ['phone_number', unlessPhoneNumber],
  ['locale', unlessLocale],
  ['zoneinfo', unlessTimeZone],
  ['birthdate', unlessBirthdate],
  ['address', (value) => (isObject(value) ? null : 'must be an object, like { "locality": "Ghent" }.')],
  ...CHAT_KEYS.map((key) => [key, (value: unknown) => checkChatProfile(key, value)] as const),
])

/**
 * Refuses a profile whose well-known keys do not hold what they stand for. null is allowed: it takes a value away.
 *
 * @throws Refusal BAD_USER_INPUT with one issue for each wrong key
 */
export function checkProfile(profile: JsonObject, path: Path): void {
  refuse(faultsOf(profile).map(({ key, message }) => ({ path: [...path, key], message })))
}

/** The well-known keys of a profile that are wrong, each with a sentence that says what would be right. */
export function faultsOf(profile: JsonObject): readonly { readonly key: string; readonly message: string }[] {
  return Object.entries(profile).flatMap(([key, value]) => {
    const wrong = value === null ? null : (WELL_KNOWN.get(key)?.(value) ?? null)
    return wrong === null ? [] : [{ key, message: `'${key}' ${wrong}` }]
  })
}

/** @throws Refusal BAD_USER_INPUT with all of the issues, where there are any */
export function refuse(issues: readonly Issue[]): void {
  if (issues.length > 0) throw new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
}

/** One plain address, as RFC 5321 delivers to: no lists, groups, comments or quoted local parts. Its domain in ASCII. */
export function checkEmail(value: unknown, path: Path): string {
  return must(value, unlessEmail, readEmail, path)
}

/** One phone number in international form, as E.164 writes it: `+32470123456`. */
export function checkPhoneNumber(value: unknown, path: Path): string {
  return must(value, unlessPhoneNumber, readPhoneNumber, path)
}

/** A language tag (BCP 47) in its canonical form: `fr-BE`. */
export function checkLocale(value: unknown, path: Path): string {
  return must(value, unlessLocale, readLocale, path)
}

/** A time zone by the name that Intl and Temporal take: `Europe/Brussels`, or `+02:00` for UTC+2. */
export function checkTimeZone(value: unknown, path: Path): string {
  return must(value, unlessTimeZone, readTimeZone, path)
}

function must(value: unknown, rule: Rule, read: (value: unknown) => string | null, path: Path): string {
  const wrong = rule(value)
  if (wrong !== null) throw badInput(path, `'${path.at(-1)}' ${wrong}`)
  return read(value)!
}

/**
 * The number as E.164 writes it; null where it is not one. It has to be written internationally, with or without spaces,
 * dots, dashes and brackets. Letters, extensions and `tel:` are not taken, since they are lost on the way to a carrier.
 */
export function readPhoneNumber(value: unknown): string | null {
  return parsePhoneNumber(value)?.number ?? null
}

const MOST_WRITTEN = 40

function parsePhoneNumber(value: unknown): { number: string; type: NumberType } | null {
  if (typeof value !== 'string' || value.length > MOST_WRITTEN || !/^\+[\d ().-]+$/.test(value)) return null
  const parsed = parsePhoneNumberFromString(value)
  return parsed?.isValid() ? { number: parsed.number, type: parsed.getType() } : null
}

/** Numbers that charge whoever reaches them are refused: what is sent to them is paid to their owner. */
function unlessPhoneNumber(value: unknown): string | null {
  const parsed = parsePhoneNumber(value)
  if (parsed === null) {
    return 'must be one phone number with + and its country code, like +32470123456; short and emergency numbers are not taken.'
  }
  return parsed.type === 'PREMIUM_RATE' ? 'must not be a premium-rate number.' : null
}

/** The canonical tag; null where it is not one. An underscore is read as a dash, as OpenID Connect allows: `fr_CA`. */
export function readLocale(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 256) return null
  try {
    return Intl.getCanonicalLocales(value.replaceAll('_', '-'))[0] ?? null
  } catch {
    return null
  }
}

function unlessLocale(value: unknown): string | null {
  return readLocale(value) === null ? 'must be a language tag (BCP 47), like fr or fr-BE.' : null
}

const ZONES: ReadonlySet<string> = new Set(Intl.supportedValuesOf('timeZone'))

/** What Intl and Temporal call the time zone; null where there is none. `UTC+n` and `UTC-n` are n hours east and west. */
export function readTimeZone(value: unknown): string | null {
  if (typeof value !== 'string' || value.length > 64) return null
  if (ZONES.has(value)) return value
  const [, sign, hours, minutes = '00'] = /^UTC([+-])(\d{1,2})(?::(00|30|45))?$/.exec(value) ?? []
  if (sign && hours) return isOffset(sign, Number(hours), Number(minutes)) ? `${sign}${hours.padStart(2, '0')}:${minutes}` : null
  if (!/^[A-Za-z]/.test(value)) return null
  try {
    return new Intl.DateTimeFormat('en', { timeZone: value }).resolvedOptions().timeZone
  } catch {
    return null
  }
}

/** From UTC-12 to UTC+14, as far as there are people. */
function isOffset(sign: string, hours: number, minutes: number): boolean {
  return hours + minutes / 60 <= (sign === '+' ? 14 : 12)
}

function unlessTimeZone(value: unknown): string | null {
  return readTimeZone(value) === null ? 'must be a time zone, like Europe/Brussels or UTC+2.' : null
}

function readEmail(value: unknown): string | null {
  return typeof value === 'string' ? parseEmailAddress(value) : null
}

function unlessEmail(value: unknown): string | null {
  return readEmail(value) === null ? 'must be one plain email address, like ada@example.com.' : null
}

/** The year may be left out as 0000, and so may month and day (OpenID Connect Core 1.0, section 5.1). */
function unlessBirthdate(value: unknown): string | null {
  if (typeof value === 'string' && (/^\d{4}$/.test(value) || isDate(value))) return null
  return 'must be a date, like 1815-12-10, 0000-12-10 without the year, or 1815.'
}

function isDate(text: string): boolean {
  const at = /^\d{4}-\d{2}-\d{2}$/.test(text) ? new Date(`${text}T00:00:00Z`) : null
  return at !== null && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text)
}

function unlessWebUrl(value: unknown): string | null {
  const url = typeof value === 'string' && value.length <= 2_048 ? URL.parse(value) : null
  return url !== null && /^https?:$/.test(url.protocol) ? null : 'must be an http or https URL.'
}

function unlessText(value: unknown): string | null {
  return typeof value === 'string' ? null : 'must be a string.'
}

function unlessBoolean(value: unknown): string | null {
  return typeof value === 'boolean' ? null : 'must be true or false.'
}
