import { Temporal } from 'temporal-polyfill'
import type { AudienceCondition, AudienceFilter } from '../../src/store/audience-filter.ts'

export interface ModelUser {
  readonly id: string
  readonly profile: { readonly [key: string]: unknown }
  readonly tenants: readonly string[]
}

/** Whether a user fits a filter, naively, in memory: what the manual says, to hold the SQL against. */
export function fits(user: ModelUser, filter: AudienceFilter): boolean {
  if ('filters' in filter) {
    const parts = filter.filters.map((part) => fits(user, part))
    return filter.operator === 'AND' ? parts.every(Boolean) : parts.some(Boolean)
  }
  return holds(user, filter)
}

function holds(user: ModelUser, { operator, path = '', value }: AudienceCondition): boolean {
  const found = path.split('.').reduce(step, user.profile as unknown)
  switch (operator) {
    case 'EQ':
      return equal(found, value)
    case 'NEQ':
      return !equal(found, value)
    case 'GT':
      return compare(found, value, (difference) => difference > 0n)
    case 'GTE':
      return compare(found, value, (difference) => difference >= 0n)
    case 'LT':
      return compare(found, value, (difference) => difference < 0n)
    case 'LTE':
      return compare(found, value, (difference) => difference <= 0n)
    case 'EXISTS':
      return (found != null) === (value === undefined || value === true || value === 'true')
    case 'INCLUDES':
      return several(value).some((one) => contains(found, one))
    case 'OMIT':
      return !several(value).some((one) => contains(found, one))
    case 'STARTS_WITH':
      return typeof found === 'string' && found.startsWith(value as string)
    case 'ENDS_WITH':
      return typeof found === 'string' && found.endsWith(value as string)
    case 'IS_BEFORE':
      return isBefore(found, value)
    case 'IS_AFTER':
      return isBefore(value, found)
    case 'MEMBER_OF':
      return several(value).some((tenant) => user.tenants.includes(tenant as string))
  }
}

function step(place: unknown, part: string): unknown {
  if (Array.isArray(place)) return /^[+-]?\d+$/.test(part) ? place.at(Number(part)) : undefined
  if (place === null || typeof place !== 'object') return undefined
  return Object.hasOwn(place, part) ? (place as Record<string, unknown>)[part] : undefined
}

const several = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value])

function equal(found: unknown, value: unknown): boolean {
  return found === value || (typeof value === 'string' && found !== undefined && found !== null && found === read(value))
}

/** The number or boolean that a text is the JSON of. */
function read(text: string): unknown {
  if (text.trim() !== text) return undefined
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'number' || typeof value === 'boolean' ? value : undefined
  } catch {
    return undefined
  }
}

function contains(found: unknown, value: unknown): boolean {
  if (Array.isArray(found)) return found.some((entry) => equal(entry, value))
  return typeof found === 'string' && typeof value === 'string' && found.includes(value)
}

function compare(found: unknown, value: unknown, is: (difference: bigint) => boolean): boolean {
  const [left, right] = [scaled(found), scaled(value)]
  return left !== null && right !== null && is(left - right)
}

/** A number, or a text of at most 15 digits before and after the point, times 10^400: exact, whatever its exponent. */
function scaled(value: unknown): bigint | null {
  const isNumber = typeof value === 'number' || (typeof value === 'string' && /^-?\d{1,15}(\.\d{1,15})?$/.test(value))
  if (!isNumber) return null
  const [, whole, fraction = '', exponent = '0'] = /^(-?\d+)(?:\.(\d+))?(?:e(.+))?$/.exec(String(value))!
  return BigInt(`${whole}${fraction}`) * 10n ** BigInt(400 - fraction.length + Number(exponent))
}

function isBefore(earlier: unknown, later: unknown): boolean {
  const [left, right] = [instant(earlier), instant(later)]
  return left !== null && right !== null && Temporal.Instant.compare(left, right) < 0
}

function instant(text: unknown): Temporal.Instant | null {
  if (typeof text !== 'string' || !/^\d{4}-\d\d-\d\d([T ]\d\d:\d\d.*)?$/.test(text)) return null
  const hasOffset = /[T ].*(Z|[+-]\d\d(:?\d\d)?)$/.test(text)
  try {
    return hasOffset ? Temporal.Instant.from(text) : Temporal.PlainDateTime.from(text).toZonedDateTime('UTC').toInstant()
  } catch {
    return null
  }
}
