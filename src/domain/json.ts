import { badInput } from '../errors.ts'

export type JsonObject = { readonly [key: string]: unknown }

/** No JSON value of a caller may nest deeper. */
const MAX_DEPTH = 64

/**
 * A caller's JSON as PostgreSQL and we can keep it: `__proto__` keys are dropped, lone surrogates become U+FFFD, and what
 * cannot be stored is refused with its path: NUL characters, numbers that would come back as another, nesting beyond 64
 * levels, lists of more than `maxEntries`.
 */
export function cleanJson<T>(value: T, maxEntries = Number.POSITIVE_INFINITY): T {
  return clean(value, [], maxEntries) as T
}

function clean(value: unknown, path: readonly (string | number)[], maxEntries: number): unknown {
  if (typeof value === 'string') return cleanText(value, path)
  if (typeof value === 'number' && !isExact(value)) {
    throw badInput(path, `${label(path)} cannot be kept exactly as a number: give it as a string.`)
  }
  if (value === null || typeof value !== 'object' || value instanceof Date) return value
  if (path.length > MAX_DEPTH) {
    throw badInput(path.slice(0, 8), `${label(path.slice(0, 8))} is nested deeper than ${MAX_DEPTH} levels.`)
  }
  if (Array.isArray(value)) {
    if (value.length > maxEntries)
      throw badInput(path, `${label(path)} may hold at most ${maxEntries.toLocaleString('en')} entries.`)
    return value.map((item, index) => clean(item, [...path, index], maxEntries))
  }
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    if (key === '__proto__') continue
    out[cleanText(key, path)] = clean((value as JsonObject)[key], [...path, key], maxEntries)
  }
  return out
}

/** A whole number beyond 2^53 - 1 may have been another one before it was read (RFC 8259, section 6). */
const isExact = (value: number) => Number.isFinite(value) && (!Number.isInteger(value) || Number.isSafeInteger(value))

function cleanText(text: string, path: readonly (string | number)[]): string {
  if (text.includes('\u0000')) throw badInput(path, `${label(path)} must not contain the NUL character.`)
  return text.isWellFormed() ? text : text.toWellFormed()
}

const label = (path: readonly (string | number)[]) => (path.length > 0 ? `'${path.join('.')}'` : 'The input')

/** Objects merge key by key, anything else is replaced; neither argument is changed. null replaces too. */
export function deepMerge(under: JsonObject, over: JsonObject): JsonObject {
  const out: Record<string, unknown> = { ...under }
  for (const [key, value] of Object.entries(over)) {
    if (key === '__proto__') continue
    const before = Object.hasOwn(under, key) ? under[key] : undefined
    out[key] = isObject(before) && isObject(value) ? deepMerge(before, value) : value
  }
  return out
}

export function isObject(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** What is read for each message, and again for each try, has to stay small. */
const MAX_SIZE = 256 * 1024

/** Refuses a JSON value of over 262,144 characters. */
export function checkSize(value: unknown, path: readonly (string | number)[]): void {
  if (value != null && JSON.stringify(value).length > MAX_SIZE) {
    throw badInput(path, `'${path.at(-1)}' must be at most ${MAX_SIZE.toLocaleString('en')} characters as JSON.`)
  }
}
