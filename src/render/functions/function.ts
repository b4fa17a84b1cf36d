import { textOf } from '../value.ts'

/**
 * A function of the template language. Values are JSON, or undefined for what leads nowhere. Pure: nothing reads a clock, a
 * zone, a locale or a file of the machine.
 */
export interface TemplateFunction {
  /** How many values it takes; more is Infinity for any number. */
  readonly least: number
  readonly most: number
  /** The names that its named values may have; absent: none. ANY: every name. */
  readonly named?: readonly string[] | 'ANY'
  /** It has an answer to values that lead nowhere: they are no missing variables. */
  readonly isLenient?: true
  /** @throws RenderRefusal with a sentence; the caller adds the line. */
  call(values: readonly unknown[], named: Named, at: Place): unknown
}

export type Named = ReadonlyMap<string, unknown>

/** What a function has of the template it stands in. */
export interface Place {
  /** Where a path leads, from the top. */
  valueAt(path: string): unknown
  /** Pays for text that is read or made, before it is made: they are counted in characters for the whole message. */
  spend(characters: number): void
}

export const NO_NAMED: Named = new Map()

/** A value as text, paid for. */
export function read(value: unknown, place: Place): string {
  const text = textOf(value)
  place.spend(text.length)
  return text
}
