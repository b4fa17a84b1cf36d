import { RenderRefusal } from '../template.ts'
import { ownValue, textOf } from '../value.ts'
import type { Place, TemplateFunction } from './function.ts'

const ANY_NUMBER = Number.POSITIVE_INFINITY

/** Values: where they come from when they are not simply named (reference: courier 7.3, Data helpers). */
export const DATA: Readonly<Record<string, TemplateFunction>> = {
  /** The first of its values that is there: not null. */
  default: { least: 1, most: ANY_NUMBER, isLenient: true, call: (values) => values.find((value) => value != null) },
  lookup: {
    least: 2,
    most: 2,
    isLenient: true,
    call: ([value, key]) => (typeof key === 'object' ? undefined : ownValue(value, textOf(key))),
  },
  /** Where it leads nowhere it prints its path in braces (printer.ts), so that a reader sees what is missing. */
  var: { least: 1, most: 1, call: ([path], _named, place) => place.valueAt(pathIn(path, 'var', place)) },
  /** Where it leads nowhere it is null, which is not missing. */
  path: { least: 1, most: 1, call: ([path], _named, place) => place.valueAt(pathIn(path, 'path', place)) ?? null },
  params: { least: 0, most: 0, named: 'ANY', isLenient: true, call: (_values, named) => Object.fromEntries(named) },
  'json-parse': {
    least: 1,
    most: 1,
    call([text], _named, place) {
      if (typeof text !== 'string') return text
      // A value takes many times the room of the text it was read from.
      place.spend(8 * text.length)
      try {
        return JSON.parse(text) as unknown
      } catch {
        throw new RenderRefusal("'json-parse' was given what is no JSON.")
      }
    },
  },
}

function pathIn(path: unknown, name: string, place: Place): string {
  if (typeof path !== 'string') throw new RenderRefusal(`'${name}' takes a path in quotes: {{${name} "customer.name"}}.`)
  place.spend(16 * path.length)
  return path
}
