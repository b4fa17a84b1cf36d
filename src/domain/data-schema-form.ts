import { deepCompareStrict } from '@cfworker/json-schema'
import { isObject, type JsonObject } from './json.ts'

/**
 * A JSON Schema as it is asked here, whatever draft it was written for: checked keyword by keyword, with nothing in it that
 * asserts nothing (titles, examples, formats nobody knows). What two drafts say in two ways is said in one.
 */
export type SchemaForm = boolean | SchemaRules

export type SchemaType = 'array' | 'boolean' | 'integer' | 'null' | 'number' | 'object' | 'string'

/** The keywords of draft 2020-12 (json-schema.org); $ref is the pointer of a schema of the same document. */
export interface SchemaRules {
  readonly $ref?: string
  readonly type?: readonly SchemaType[]
  /** const is an enum of one. */
  readonly enum?: readonly unknown[]
  readonly allOf?: readonly SchemaForm[]
  readonly anyOf?: readonly SchemaForm[]
  readonly oneOf?: readonly SchemaForm[]
  readonly not?: SchemaForm
  readonly if?: SchemaForm
  readonly then?: SchemaForm
  readonly else?: SchemaForm
  readonly properties?: Readonly<Record<string, SchemaForm>>
  readonly patternProperties?: Readonly<Record<string, SchemaForm>>
  readonly additionalProperties?: SchemaForm
  readonly unevaluatedProperties?: SchemaForm
  readonly propertyNames?: SchemaForm
  readonly required?: readonly string[]
  readonly dependentRequired?: Readonly<Record<string, readonly string[]>>
  readonly dependentSchemas?: Readonly<Record<string, SchemaForm>>
  readonly minProperties?: number
  readonly maxProperties?: number
  readonly prefixItems?: readonly SchemaForm[]
  readonly items?: SchemaForm
  readonly unevaluatedItems?: SchemaForm
  readonly contains?: SchemaForm
  readonly minContains?: number
  readonly maxContains?: number
  readonly minItems?: number
  readonly maxItems?: number
  readonly uniqueItems?: boolean
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly multipleOf?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
  readonly format?: string
}

/** schemas: every schema of the document by its pointer, which is what a $ref names. */
export interface SchemaDocument {
  readonly root: SchemaRules
  readonly schemas: ReadonlyMap<string, SchemaForm>
}

/** No schema that can be used. `message` is a sentence that names the place of the fault. */
export class SchemaFault extends Error {
  override readonly name = 'SchemaFault'
}

const LONGEST = 64 * 1024
const MOST_LEVELS = 32
const MOST_PATTERN = 1_000
const TYPES: readonly string[] = ['array', 'boolean', 'integer', 'null', 'number', 'object', 'string'] satisfies SchemaType[]
/** What draft it is written for: those that say the same with the same words, but for what is unified here. */
const DRAFTS = /^https?:\/\/json-schema\.org\/(draft-0[67]|draft\/20(19-09|20-12))\/schema#?$/
const REF_ALONE = /draft-0[67]/
/** Formats that are looked at; any other is a note to the reader. */
export const FORMATS: readonly string[] = [
  ...['date', 'time', 'date-time', 'duration', 'uri', 'uri-reference', 'uri-template', 'email', 'hostname', 'ipv4', 'ipv6'],
  ...['uuid', 'regex', 'json-pointer', 'relative-json-pointer'],
]

type Place = readonly (string | number)[]

/**
 * Reads a JSON Schema, draft-06 to 2020-12, whose root is an object and whose every $ref stays within it. At most 65,536
 * characters and 32 levels of schemas.
 *
 * @throws SchemaFault
 */
export function readSchema(schema: JsonObject): SchemaDocument {
  if (JSON.stringify(schema).length > LONGEST) throw new SchemaFault('A data schema has at most 65,536 characters.')
  const { $schema } = schema
  if ($schema !== undefined && !(typeof $schema === 'string' && DRAFTS.test($schema))) {
    throw fault(['$schema'], 'must name a draft that is known, like https://json-schema.org/draft/2020-12/schema')
  }
  if (schema.type !== 'object') throw new SchemaFault("The data of a message is an object: the schema's 'type' must be 'object'.")
  const reader: Reader = { refAlone: REF_ALONE.test(($schema as string) ?? ''), schemas: new Map(), refs: [] }
  const root = readForm(schema, [], reader) as SchemaRules
  for (const { to, place } of reader.refs) {
    if (!reader.schemas.has(to)) throw fault(place, 'leads to no schema of this document')
  }
  refuseCircles(reader.schemas)
  return { root, schemas: reader.schemas }
}

interface Reader {
  /** In the drafts before 2019-09 what stands beside a $ref says nothing. */
  readonly refAlone: boolean
  readonly schemas: Map<string, SchemaForm>
  readonly refs: { readonly to: string; readonly place: Place }[]
}

function readForm(value: unknown, place: Place, reader: Reader, level = 0): SchemaForm {
  const form = typeof value === 'boolean' ? value : readRules(value, place, reader, level)
  reader.schemas.set(pointerOf(place), form)
  return form
}

function readRules(value: unknown, place: Place, reader: Reader, level: number): SchemaRules {
  if (!isObject(value)) throw fault(place, 'must be a schema')
  if (level > MOST_LEVELS) throw fault(place.slice(0, 8), `is nested deeper than ${MOST_LEVELS} schemas`)
  if (level > 0 && value.$id !== undefined) throw fault([...place, '$id'], 'may be given to the whole schema alone')
  const rules: Record<string, unknown> = {}
  for (const [keyword, said] of Object.entries(inNewWords(value))) {
    const read = KEYWORDS.get(keyword)
    if (read === undefined) continue
    const kept = read(said, [...place, keyword], {
      schema: (one, at) => readForm(one, at, reader, level + 1),
      refers: (to, at) => reader.refs.push({ to, place: at }),
    })
    if (kept !== undefined) rules[keyword] = kept
  }
  const isAlone = reader.refAlone && rules.$ref !== undefined && level > 0
  return isAlone ? { $ref: rules.$ref as string } : rules
}

/** What older drafts say, and const, in the words of 2020-12 that are kept. */
function inNewWords(value: JsonObject): JsonObject {
  const { const: only, items, additionalItems, dependencies, ...rest } = value
  const isTuple = Array.isArray(items)
  const [lists, schemas] = split(isObject(dependencies) ? dependencies : {})
  return {
    ...rest,
    ...(Object.hasOwn(value, 'const') && {
      enum: Array.isArray(rest.enum) ? rest.enum.filter((one) => isSame(one, only)) : [only],
    }),
    ...(items !== undefined && (isTuple ? { prefixItems: items } : { items })),
    ...(isTuple && additionalItems !== undefined && { items: additionalItems }),
    ...(Object.keys(lists).length > 0 && { dependentRequired: lists }),
    ...(Object.keys(schemas).length > 0 && { dependentSchemas: schemas }),
  }
}

function split(dependencies: JsonObject): readonly [JsonObject, JsonObject] {
  const entries = Object.entries(dependencies)
  return [
    Object.fromEntries(entries.filter(([, one]) => Array.isArray(one))),
    Object.fromEntries(entries.filter(([, one]) => !Array.isArray(one))),
  ]
}

/** Whether two JSON values are the same, whatever the order of their keys. */
export function isSame(one: unknown, other: unknown): boolean {
  return deepCompareStrict(one, other)
}

// ── Keywords ─────────────────────────────────────────────────────────────────

interface Reading {
  schema(value: unknown, place: Place): SchemaForm
  refers(to: string, place: Place): void
}
/** What is kept of a keyword; undefined: nothing, it asserts nothing. */
type Read = (said: unknown, place: Place, reading: Reading) => unknown

const schema: Read = (said, place, reading) => reading.schema(said, place)

const schemas: Read = (said, place, reading) => {
  if (!Array.isArray(said) || said.length === 0) throw fault(place, 'must be a list of schemas')
  return said.map((one, index) => reading.schema(one, [...place, index]))
}

const schemasByName: Read = (said, place, reading) => byName(said, place, reading.schema)

function byName<T>(said: unknown, place: Place, read: (value: unknown, place: Place) => T): Readonly<Record<string, T>> {
  if (!isObject(said)) throw fault(place, 'must be an object')
  return Object.fromEntries(Object.entries(said).map(([name, value]) => [name, read(value, [...place, name])]))
}

/** Says nothing where it stands; a $ref may lead into it. */
const definitions: Read = (said, place, reading) => {
  byName(said, place, reading.schema)
}

const count: Read = (said, place) => {
  if (!Number.isSafeInteger(said) || (said as number) < 0) throw fault(place, 'must be a whole number, 0 or more')
  return said
}

const number: Read = (said, place) => {
  if (typeof said !== 'number') throw fault(place, 'must be a number')
  return said
}

const divisor: Read = (said, place) => {
  if (typeof said !== 'number' || said <= 0) throw fault(place, 'must be a number over 0')
  return said
}

const flag: Read = (said, place) => {
  if (typeof said !== 'boolean') throw fault(place, 'must be true or false')
  return said || undefined
}

function names(said: unknown, place: Place): readonly string[] {
  const isList = Array.isArray(said) && said.every((one) => typeof one === 'string')
  if (!isList) throw fault(place, 'must be a list of names')
  return [...new Set(said as readonly string[])]
}

const type: Read = (said, place) => {
  const given: readonly unknown[] = Array.isArray(said) ? said : [said]
  const isKnown = given.length > 0 && given.every((one) => TYPES.includes(one as string))
  if (!isKnown) throw fault(place, `must be one of ${TYPES.join(', ')}, or a list of them`)
  return [...new Set(given)]
}

const values: Read = (said, place) => {
  if (!Array.isArray(said)) throw fault(place, 'must be a list of values')
  return said
}

function pattern(said: unknown, place: Place): string {
  if (typeof said !== 'string') throw fault(place, 'must be a regular expression')
  if (said.length > MOST_PATTERN) throw fault(place, 'must be at most 1,000 characters')
  try {
    new RegExp(said, 'u')
    return said
  } catch (error) {
    const why = (error as Error).message.split('/u: ').at(-1)!
    throw fault(place, `is no regular expression (${why.toLowerCase()})`)
  }
}

const schemasByPattern: Read = (said, place, reading) =>
  byName(said, place, (value, at) => {
    pattern(at.at(-1), at)
    return reading.schema(value, at)
  })

const format: Read = (said, place) => {
  if (typeof said !== 'string') throw fault(place, 'must be the name of a format')
  return FORMATS.includes(said) ? said : undefined
}

const ref: Read = (said, place, reading) => {
  if (typeof said !== 'string' || !/^#(\/|$)/.test(said)) {
    throw fault(place, "must stay within this schema, like '#/$defs/address'")
  }
  const to = decoded(said.slice(1))
  reading.refers(to, place)
  return to
}

function decoded(fragment: string): string {
  try {
    return decodeURIComponent(fragment)
  } catch {
    return fragment
  }
}

const unsupported: Read = (_said, place) => {
  throw fault(place, "is not supported; '$ref' is")
}

const namesByName: Read = (said, place) => byName(said, place, names)

const READ_BY: readonly (readonly [Read, string])[] = [
  [ref, '$ref'],
  [unsupported, '$dynamicRef $recursiveRef'],
  [definitions, '$defs definitions'],
  [schema, 'not if then else additionalProperties unevaluatedProperties propertyNames items unevaluatedItems contains'],
  [schemas, 'allOf anyOf oneOf prefixItems'],
  [schemasByName, 'properties dependentSchemas'],
  [schemasByPattern, 'patternProperties'],
  [type, 'type'],
  [values, 'enum'],
  [names, 'required'],
  [namesByName, 'dependentRequired'],
  [count, 'minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains'],
  [number, 'minimum maximum exclusiveMinimum exclusiveMaximum'],
  [divisor, 'multipleOf'],
  [flag, 'uniqueItems'],
  [pattern, 'pattern'],
  [format, 'format'],
]
const KEYWORDS = new Map(READ_BY.flatMap(([read, keywords]) => keywords.split(' ').map((keyword) => [keyword, read] as const)))

// ── What leads where ─────────────────────────────────────────────────────────

/** The schemas that are asked about the very value that this one is asked about. */
export function formsBeside(rules: SchemaRules, schemas: ReadonlyMap<string, SchemaForm>): readonly SchemaForm[] {
  const { $ref, allOf = [], anyOf = [], oneOf = [], not, if: condition, then, else: otherwise, dependentSchemas = {} } = rules
  const target = $ref === undefined ? undefined : schemas.get($ref)
  const some = [target, not, condition, then, otherwise].filter((one) => one !== undefined)
  return [...some, ...allOf, ...anyOf, ...oneOf, ...Object.values(dependentSchemas)]
}

/** The schemas that are asked about what the value holds: its properties, their names, its entries. */
export function formsWithin(rules: SchemaRules): readonly SchemaForm[] {
  const { additionalProperties, unevaluatedProperties, propertyNames, items, unevaluatedItems, contains } = rules
  const some = [additionalProperties, unevaluatedProperties, propertyNames, items, unevaluatedItems, contains]
  const named = [...Object.values(rules.properties ?? {}), ...Object.values(rules.patternProperties ?? {})]
  return [...some.filter((one) => one !== undefined), ...named, ...(rules.prefixItems ?? [])]
}

/** A schema that leads back to itself without going into the data would be asked for ever. */
function refuseCircles(schemas: ReadonlyMap<string, SchemaForm>): void {
  const done = new Set<SchemaForm>()
  const way = new Set<SchemaForm>()
  const visit = (form: SchemaForm, pointer: string) => {
    if (typeof form === 'boolean' || done.has(form)) return
    if (way.has(form)) throw new SchemaFault(`'${pointer.slice(1).replaceAll('/', '.')}' leads back to itself.`)
    way.add(form)
    for (const next of formsBeside(form, schemas)) visit(next, pointer)
    way.delete(form)
    done.add(form)
  }
  for (const [pointer, form] of schemas) visit(form, pointer)
}

function pointerOf(place: Place): string {
  return place.map((one) => `/${String(one).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

function fault(place: Place, words: string): SchemaFault {
  return new SchemaFault(`${place.length > 0 ? `'${shortened(place.join('.'))}'` : 'The schema'} ${words}.`)
}

function shortened(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200).toWellFormed()}…` : name
}
