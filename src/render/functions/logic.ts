import { RenderRefusal } from '../template.ts'
import { isEmpty, textOf } from '../value.ts'
import { type Place, read, type TemplateFunction } from './function.ts'

const ANY_NUMBER = Number.POSITIVE_INFINITY

/** What `if` takes for true; 0 is not. */
const isTrue = (value: unknown) => !isEmpty(value)

const OPERATORS = new Map<unknown, (a: unknown, b: unknown) => boolean>([
  ['==', isSame],
  ['===', isSame],
  ['!=', (a, b) => !isSame(a, b)],
  ['!==', (a, b) => !isSame(a, b)],
  ['>', (a, b) => compare(a, b) > 0],
  ['<', (a, b) => compare(a, b) < 0],
  ['>=', (a, b) => compare(a, b) >= 0],
  ['<=', (a, b) => compare(a, b) <= 0],
])

/** Of a property and a value; what it looks for in a text is paid for. */
const FILTERS = new Map<unknown, (property: unknown, value: unknown, place: Place) => boolean>([
  ['EQUALS', isSame],
  ['NOT_EQUALS', (property, value) => !isSame(property, value)],
  ['CONTAINS', contains],
  ['NOT_CONTAINS', (property, value, place) => !contains(property, value, place)],
  ['STARTS_WITH', (property, value, place) => read(property, place).startsWith(read(value, place))],
  ['ENDS_WITH', (property, value, place) => read(property, place).endsWith(read(value, place))],
  ['IS_EMPTY', (property, _value, place) => isBlank(property, place)],
  ['NOT_EMPTY', (property, _value, place) => !isBlank(property, place)],
  ['GREATER_THAN', (property, value) => compare(property, value) > 0],
  ['GREATER_THAN_OR_EQUALS', (property, value) => compare(property, value) >= 0],
  ['LESS_THAN', (property, value) => compare(property, value) < 0],
  ['LESS_THAN_OR_EQUALS', (property, value) => compare(property, value) <= 0],
])

/** Judgements: true or false (reference: courier 7.3, Logic helpers). What leads nowhere is a value like another. */
export const LOGIC: Readonly<Record<string, TemplateFunction>> = {
  and: { least: 0, most: ANY_NUMBER, isLenient: true, call: (values) => values.every(isTrue) },
  or: { least: 0, most: ANY_NUMBER, isLenient: true, call: (values) => values.some(isTrue) },
  not: { least: 1, most: 1, isLenient: true, call: ([value]) => !isTrue(value) },
  condition: {
    least: 3,
    most: 3,
    isLenient: true,
    call([a, operator, b], _named, place) {
      const operate = OPERATORS.get(operator)
      if (!operate) throw noOperator('condition', operator, OPERATORS)
      spendOn(place, a, b)
      return operate(a, b)
    },
  },
  conditional: {
    least: 1,
    most: ANY_NUMBER,
    named: ['operator'],
    isLenient: true,
    call(values, named) {
      const operator = named.get('operator') ?? 'and'
      if (operator !== 'and' && operator !== 'or') throw new RenderRefusal("'conditional' has the operators 'and' and 'or'.")
      return operator === 'and' ? values.every(isTrue) : values.some(isTrue)
    },
  },
  filter: {
    least: 3,
    most: 4,
    isLenient: true,
    call([source, property, operator, value], _named, place) {
      const judge = FILTERS.get(operator)
      if (!judge) throw noOperator('filter', operator, FILTERS)
      if (typeof source !== 'string' || typeof property !== 'string') {
        throw new RenderRefusal(
          '\'filter\' takes the name of a source and a path in it: (filter "data" "customer.name" "EQUALS" "Ada").',
        )
      }
      const found = place.valueAt(`${source}.${property}`)
      spendOn(place, found, value)
      return judge(found, value, place)
    },
  },
  eq: comparison('=='),
  ne: comparison('!='),
  gt: comparison('>'),
  gte: comparison('>='),
  lt: comparison('<'),
  lte: comparison('<='),
}

function comparison(operator: string): TemplateFunction {
  const operate = OPERATORS.get(operator)!
  return {
    least: 2,
    most: 2,
    isLenient: true,
    call([a, b], _named, place) {
      spendOn(place, a, b)
      return operate(a, b)
    },
  }
}

function spendOn(place: Place, a: unknown, b: unknown): void {
  place.spend((typeof a === 'string' ? a.length : 0) + (typeof b === 'string' ? b.length : 0))
}

/** A number, true and false are the same as the text that is written like them. */
function isSame(a: unknown, b: unknown): boolean {
  if (a == null || b == null) return a == null && b == null
  if (typeof a === 'object' || typeof b === 'object') return a === b
  return typeof a === typeof b ? a === b : String(a) === String(b)
}

/** Numbers, and texts that are written like numbers, by size; other texts by their characters. NaN, and so false, for all else. */
function compare(a: unknown, b: unknown): number {
  const [x, y] = [numberOf(a), numberOf(b)]
  if (x !== null && y !== null) return x - y
  if (typeof a !== 'string' || typeof b !== 'string') return Number.NaN
  return a < b ? -1 : a > b ? 1 : 0
}

/** A number, or a text that is written like one; null for all else. */
export function numberOf(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value !== 'string' || value.length > 40 || !/^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(value))
    return null
  return Number.isFinite(Number(value)) ? Number(value) : null
}

function contains(property: unknown, value: unknown, place: Place): boolean {
  if (Array.isArray(property)) {
    place.spend(16 * property.length)
    return property.some((one) => isSame(one, value))
  }
  if (property == null || typeof property === 'object') return false
  const sought = read(value, place)
  // Looking for a long text in a long one takes as many steps as both are long, multiplied, at worst.
  place.spend(textOf(property).length * Math.min(16, sought.length))
  return textOf(property).includes(sought)
}

/** Nothing, white space, an empty list or an empty object; 0 and false are something. */
function isBlank(property: unknown, place: Place): boolean {
  if (property == null) return true
  if (Array.isArray(property)) return property.length === 0
  if (typeof property === 'object') {
    const keys = Object.keys(property)
    place.spend(16 * keys.length)
    return keys.length === 0
  }
  return typeof property === 'string' && !/\S/.test(property)
}

function noOperator(name: string, given: unknown, known: ReadonlyMap<unknown, unknown>): RenderRefusal {
  return new RenderRefusal(
    `'${name}' has no operator '${textOf(given).slice(0, 40)}'; there are ${[...known.keys()].join(', ')}.`,
  )
}
