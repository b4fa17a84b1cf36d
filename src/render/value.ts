import { RenderRefusal } from './template.ts'

/** How templates see JSON: what leads where, what counts as empty, and how a value is written. */

/** Own keys alone: what an object inherits, and what a text has, is no data. Undefined: it leads nowhere. */
export function ownValue(value: unknown, key: string): unknown {
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined
  return (value as Record<string, unknown>)[key]
}

/** As `if` judges: false, '', 0, null, what is missing, and an empty list are empty. */
export function isEmpty(value: unknown): boolean {
  return !value || (Array.isArray(value) && value.length === 0)
}

/** As it is printed: nothing for null and for what is missing, JSON for a list or an object. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  if (value == null) return ''
  if (typeof value !== 'object') return String(value)
  try {
    return JSON.stringify(value)
  } catch {
    throw new RenderRefusal("'JSON' nests too deep to be printed.")
  }
}
