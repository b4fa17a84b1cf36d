import type { Issue } from '../errors.ts'
import type { SchemaForm, SchemaRules } from './data-schema-form.ts'
import { isObject, type JsonObject } from './json.ts'

/** One thing that the library found, as it says it. Both locations are JSON pointers, encoded as in a URI, that begin with `#`. */
export interface Complaint {
  readonly keyword: string
  readonly keywordLocation: string
  readonly instanceLocation: string
}

type Path = readonly (string | number)[]

/**
 * What complaints mean, as sentences that name the field and what would be right. Those that merely say that another one
 * was found below are left out, and so are those about the branches of a choice: the choice itself is told.
 *
 * @param schemas every schema of the document by its pointer
 */
export function problemsOf(complaints: readonly Complaint[], data: JsonObject, root: SchemaRules, schemas: Schemas): Issue[] {
  const choices = complaints.filter(({ keyword }) => CHOICES.has(keyword)).map(({ keywordLocation }) => `${keywordLocation}/`)
  const isBranch = ({ keywordLocation }: Complaint) => choices.some((place) => keywordLocation.startsWith(place))
  let belongs = false
  return complaints.flatMap((complaint, index) => {
    // The library gives `false` no place of its own: it belongs to what stands before it.
    const before = complaints[index - 1]
    belongs = complaint.keyword === 'false' && before ? belongs || CHOICES.has(before.keyword) : isBranch(complaint)
    return belongs ? [] : problemsOfOne(complaint, data, root, schemas)
  })
}

type Schemas = Readonly<Record<string, SchemaForm>>

const CHOICES = new Set(['anyOf', 'oneOf', 'contains', 'propertyNames'])

function problemsOfOne(
  { keyword, keywordLocation, instanceLocation }: Complaint,
  data: JsonObject,
  root: SchemaRules,
  schemas: Schemas,
): Issue[] {
  const path = pathOf(instanceLocation, data)
  // Its location is the value's.
  if (keyword === 'false') return [problem(path, 'is not expected here')]
  const rules = rulesAt(keywordLocation, root, schemas)
  const value = valueAt(data, path)
  if (keyword === 'required') return missing(rules.required ?? [], value).map((name) => problem([...path, name], 'is required'))
  if (keyword === 'dependentRequired')
    return dependents(rules, value).map(([name, given]) => problem([...path, name], `is required beside '${cut(given)}'`))
  const words = WORDS[keyword]?.(rules)
  return words === undefined ? [] : [problem(path, words)]
}

function missing(required: readonly string[], value: unknown): readonly string[] {
  return isObject(value) ? required.filter((name) => !Object.hasOwn(value, name)) : []
}

function dependents({ dependentRequired = {} }: SchemaRules, value: unknown): readonly (readonly [string, string])[] {
  const given = Object.entries(dependentRequired).filter(([name]) => isObject(value) && Object.hasOwn(value, name))
  return given.flatMap(([name, others]) => missing(others, value).map((other) => [other, name] as const))
}

/** By keyword, the end of a sentence that begins with the name of the field. Those that are missing say nothing by themselves. */
const WORDS: Readonly<Record<string, ((rules: SchemaRules) => string) | undefined>> = {
  type: ({ type = [] }) => `must be ${oneOf(type.map((one) => A_TYPE[one]))}`,
  enum: (rules) => `must be ${listed(rules.enum ?? [])}`,
  anyOf: (rules) => `must be ${formsIn(rules.anyOf)}`,
  oneOf: (rules) =>
    `must be exactly one of what its schema offers${typesIn(rules.oneOf) === null ? '' : `: ${formsIn(rules.oneOf)}`}`,
  not: () => 'is what its schema says it must not be',
  minimum: ({ minimum }) => `must be ${minimum} or more`,
  maximum: ({ maximum }) => `must be ${maximum} or less`,
  exclusiveMinimum: ({ exclusiveMinimum }) => `must be more than ${exclusiveMinimum}`,
  exclusiveMaximum: ({ exclusiveMaximum }) => `must be less than ${exclusiveMaximum}`,
  multipleOf: ({ multipleOf }) => `must be a multiple of ${multipleOf}`,
  minLength: ({ minLength }) => `must have ${counted(minLength!, 'character')} or more`,
  maxLength: ({ maxLength }) => `must have at most ${counted(maxLength!, 'character')}`,
  pattern: ({ pattern }) => `must match ${cut(pattern!)}`,
  format: ({ format }) => `must be ${A_FORMAT[format!] ?? `of the format ${format}`}`,
  minItems: ({ minItems }) => `must have ${counted(minItems!, 'entry')} or more`,
  maxItems: ({ maxItems }) => `must have at most ${counted(maxItems!, 'entry')}`,
  uniqueItems: () => 'must not hold an entry twice',
  contains: () => 'must hold an entry as its schema asks',
  minContains: ({ minContains }) => `must hold ${minContains} or more entries as its schema asks`,
  maxContains: ({ maxContains }) => `must hold at most ${counted(maxContains!, 'entry')} as its schema describes`,
  minProperties: ({ minProperties }) => `must have ${counted(minProperties!, 'field')} or more`,
  maxProperties: ({ maxProperties }) => `must have at most ${counted(maxProperties!, 'field')}`,
  propertyNames: () => 'has a field whose name its schema does not allow',
}

export const A_TYPE = {
  array: 'a list',
  boolean: 'true or false',
  integer: 'a whole number',
  null: 'null',
  number: 'a number',
  object: 'an object',
  string: 'a string',
} as const

const A_FORMAT: Readonly<Record<string, string>> = {
  date: 'a date, like 2026-01-31',
  time: 'a time with its offset, like 09:30:00Z',
  'date-time': 'a date and time, like 2026-01-31T09:30:00Z',
  duration: 'a duration, like PT1H',
  email: 'an email address',
  uri: 'a URI, like https://example.com/',
  uuid: 'a UUID',
}

/** The types that all forms of a choice ask for and nothing else does; null where they say more, or something else. */
function typesIn(forms: readonly SchemaForm[] = []): readonly string[] | null {
  const types = forms.map((form) => (typeof form === 'object' && form.type?.length === 1 ? A_TYPE[form.type[0]!] : null))
  return types.includes(null) ? null : [...new Set(types as string[])]
}

function formsIn(forms: readonly SchemaForm[] = []): string {
  const types = typesIn(forms)
  return types === null
    ? 'one of what its schema offers'
    : `${oneOf(types)}${forms.length > types.length ? ' as its schema describes' : ''}`
}

// ── Words ────────────────────────────────────────────────────────────────────

function problem(path: Path, words: string): Issue {
  return { path, message: `${path.length === 0 ? 'The data' : `'${cut(path.join('.'))}'`} ${words}.` }
}

export function oneOf(words: readonly string[]): string {
  return words.length < 2 ? words.join('') : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`
}

const MOST_VALUES = 8

/** Values of the schema, never of the data. */
export function listed(values: readonly unknown[]): string {
  const shown = values.slice(0, MOST_VALUES).map((value) => cut(typeof value === 'string' ? `'${value}'` : JSON.stringify(value)))
  if (values.length > MOST_VALUES) return `one of ${shown.join(', ')} …`
  return values.length === 1 ? shown[0]! : `one of ${oneOf(shown)}`
}

export function counted(count: number, noun: 'character' | 'entry' | 'field'): string {
  if (count === 1) return `1 ${noun}`
  return `${count.toLocaleString('en')} ${noun === 'entry' ? 'entries' : `${noun}s`}`
}

const LONGEST = 120

export function cut(words: string): string {
  return words.length > LONGEST ? `${words.slice(0, LONGEST).toWellFormed()}…` : words
}

// ── Places ───────────────────────────────────────────────────────────────────

function stepsOf(location: string): readonly string[] {
  const steps = location.split('/').slice(1)
  return steps.map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'))
}

function pathOf(location: string, data: JsonObject): Path {
  let value: unknown = data
  return stepsOf(location).map((step) => {
    const key = Array.isArray(value) ? Number(step) : step
    value = valueAt(value, [key])
    return key
  })
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (within, key) =>
      within !== null && typeof within === 'object' && Object.hasOwn(within, key)
        ? (within as Record<string, unknown>)[key]
        : undefined,
    value,
  )
}

/** The rules in which a keyword stands: its location leads from the root, through each $ref into what that leads to. */
function rulesAt(location: string, root: SchemaRules, schemas: Schemas): SchemaRules {
  let at: unknown = root
  for (const step of stepsOf(location).slice(0, -1)) {
    const next = valueAt(at, [step])
    at = step === '$ref' && typeof next === 'string' ? schemas[next] : next
  }
  return isObject(at) ? at : {}
}
