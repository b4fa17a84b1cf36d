import { DATA } from './data.ts'
import { DATE } from './date.ts'
import type { TemplateFunction } from './function.ts'
import { LOGIC } from './logic.ts'
import { MATH } from './math.ts'
import { TEXT } from './text.ts'

/** Every function of the template language, by name (reference: courier 7.3). One set for all. */
export const FUNCTIONS: ReadonlyMap<string, TemplateFunction> = new Map(
  [LOGIC, DATA, TEXT, MATH, DATE].flatMap((functions) => Object.entries(functions)),
)

/** What there is instead of a function that is not here. */
export function whyUnknown(name: string): string {
  if (name === 't') return "'t' is not known here: translations are an element's locales."
  if (name === 'set') return '\'set\' stands alone: {{set "total" 5}}.'
  return `'${name}' is not a function; there are ${[...FUNCTIONS.keys(), 'set'].sort().join(', ')}.`
}
