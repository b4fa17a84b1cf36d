import { validate } from '@cfworker/json-schema'
import { inTime, TooLong } from '../render/in-time.ts'
import {
  isSame,
  readSchema,
  type SchemaDocument,
  SchemaFault,
  type SchemaForm,
  type SchemaRules,
  type SchemaType,
} from './data-schema-form.ts'
import { A_TYPE, counted, cut, listed, oneOf } from './data-schema-problem.ts'
import type { JsonObject } from './json.ts'

/**
 * What callers would notice of a new data schema: a sentence for each thing that data which they send today would be refused
 * for, or that would mean nothing any more. Empty: whatever the old schema takes of the fields that it names, the new one
 * takes. Both are schemas that checkDataSchema took; null takes any object.
 *
 * A new field that may be left out breaks nobody, though somebody may send one of its name: the old schema did not name it.
 * Where two schemas are too different in kind to be compared, that is said, for it may break somebody.
 */
export function breakingChanges(before: JsonObject | null, after: JsonObject | null): readonly string[] {
  if (after === null) return []
  try {
    const comparison: Comparison = {
      old: before === null ? ANY_OBJECT : readSchema(before),
      new: readSchema(after),
      underWay: [],
      left: MOST_COMPARISONS,
    }
    return [...new Set(narrowings(comparison.old.root, comparison.new.root, { ...ROOT, comparison }))]
  } catch (error) {
    if (error instanceof SchemaFault) return [`The data changed in a way that cannot be compared: ${error.message}`]
    throw error
  }
}

const ANY_OBJECT: SchemaDocument = { root: { type: ['object'], properties: {} }, schemas: new Map() }
/** Choices are compared each with each, so that schemas full of them would take too long. */
const MOST_COMPARISONS = 5_000

interface Comparison {
  readonly old: SchemaDocument
  readonly new: SchemaDocument
  /** Schemas that are just being compared: where they come together again, within the data, nothing new is to be said. */
  readonly underWay: { readonly before: SchemaForm; readonly after: SchemaForm; readonly isStrict: boolean }[]
  left: number
}

interface Place {
  readonly comparison: Comparison
  /** `items[].price`; empty: the data itself. */
  readonly path: string
  /** The old schema may name a field elsewhere, so that one that is new here may not be new. */
  readonly isStrict: boolean
  /** The new schema names fields elsewhere too, so that one that is missing here may not be. */
  readonly isPart: boolean
}

const ROOT = { path: '', isStrict: false, isPart: false }

/** What the one schema takes and the other does not, in sentences; empty only where that is nothing. */
function narrowings(before: SchemaForm, after: SchemaForm, place: Place): readonly string[] {
  const { comparison, isStrict } = place
  const was = resolved(before, comparison.old)
  const is = resolved(after, comparison.new)
  if (was === false || is === true || isSameForm(was, is, comparison)) return []
  if (is === false) return [say(place, 'is no longer allowed')]
  comparison.left -= 1
  if (comparison.left < 0) return [incomparable(place)]
  const { underWay } = comparison
  if (underWay.some((one) => one.before === was && one.after === is && one.isStrict === isStrict)) return []
  underWay.push({ before: was, after: is, isStrict })
  const found = narrowingsOfRules(was === true ? {} : was, is, place)
  underWay.pop()
  return found
}

function narrowingsOfRules(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  if (was.enum !== undefined) return lostValues(was, is, place)
  const within: Place = { ...place, isStrict: place.isStrict || saysElsewhere(was), isPart: place.isPart || saysElsewhere(is) }
  return [
    ...lostTypes(was, is, within),
    ...(is.enum === undefined ? [] : [say(within, `must now be ${listed(is.enum)}`)]),
    ...(mayBe(was, 'number') || mayBe(was, 'integer') ? tighterNumbers(was, is, within) : []),
    ...(mayBe(was, 'string') ? tighterTexts(was, is, within) : []),
    ...(mayBe(was, 'array') ? tighterLists(was, is, within) : []),
    ...(mayBe(was, 'object') ? tighterObjects(was, is, within) : []),
    ...tighterChoices(was, is, within),
  ]
}

const TYPES: readonly SchemaType[] = ['array', 'boolean', 'null', 'number', 'object', 'string']

const mayBe = ({ type }: SchemaRules, one: SchemaType) => type === undefined || type.includes(one)

/** What it takes does not stand in its own keywords alone. */
function saysElsewhere({
  $ref,
  allOf,
  anyOf,
  oneOf,
  not,
  if: condition,
  dependentSchemas,
  patternProperties,
  propertyNames,
}: SchemaRules): boolean {
  return [$ref, allOf, anyOf, oneOf, not, condition, dependentSchemas, patternProperties, propertyNames].some(
    (one) => one !== undefined,
  )
}

// ── One value ────────────────────────────────────────────────────────────────

function lostValues(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const wasTaken = taking(was, place.comparison.old)
  const isTaken = taking(is, place.comparison.new)
  try {
    const lost = inTime(() => was.enum!.filter((value) => wasTaken(value) && !isTaken(value)))
    return lost.length === 0 ? [] : [say(place, `may no longer be ${listed(lost).replace(/^one of /, '')}`)]
  } catch (error) {
    if (error instanceof TooLong) return [incomparable(place)]
    throw error
  }
}

function taking(rules: SchemaRules, { schemas }: SchemaDocument): (value: unknown) => boolean {
  const lookup = Object.fromEntries(schemas) as never
  return (value) => validate(value, rules as object, '2020-12', lookup).valid
}

function lostTypes(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  if (is.type === undefined) return []
  const now = oneOf(is.type.map((one) => A_TYPE[one]))
  const lost = (was.type ?? TYPES).filter((one) => !mayBe(is, one) && !(one === 'integer' && mayBe(is, 'number')))
  if (lost.length === 0) return []
  const isLimited = was.type !== undefined && lost.length < was.type.length
  return [say(place, isLimited ? `may no longer be ${oneOf(lost.map((one) => A_TYPE[one]))}` : `must now be ${now}`)]
}

interface Bound {
  readonly at: number
  readonly isExcluded: boolean
}

/** The tightest of both keywords; sign: 1 for a lower bound, -1 for an upper one. */
function boundOf(included: number | undefined, excluded: number | undefined, sign: 1 | -1): Bound | null {
  if (excluded !== undefined && (included === undefined || sign * excluded >= sign * included))
    return { at: excluded, isExcluded: true }
  return included === undefined ? null : { at: included, isExcluded: false }
}

function isTighter(now: Bound | null, then: Bound | null, sign: 1 | -1): now is Bound {
  if (now === null || then === null) return now !== null
  return sign * now.at > sign * then.at || (now.at === then.at && now.isExcluded && !then.isExcluded)
}

function tighterNumbers(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const lower = boundOf(is.minimum, is.exclusiveMinimum, 1)
  const upper = boundOf(is.maximum, is.exclusiveMaximum, -1)
  const isLower = isTighter(lower, boundOf(was.minimum, was.exclusiveMinimum, 1), 1)
  const isUpper = isTighter(upper, boundOf(was.maximum, was.exclusiveMaximum, -1), -1)
  const { multipleOf } = is
  const isFiner = multipleOf === undefined || (was.multipleOf !== undefined && validate(was.multipleOf, { multipleOf }).valid)
  return [
    ...(isLower ? [say(place, `must now be ${lower.isExcluded ? `more than ${lower.at}` : `${lower.at} or more`}`)] : []),
    ...(isUpper ? [say(place, `must now be ${upper.isExcluded ? `less than ${upper.at}` : `${upper.at} or less`}`)] : []),
    ...(isFiner ? [] : [say(place, `must now be a multiple of ${multipleOf}`)]),
  ]
}

function tighterTexts(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  return [
    ...tighterCounts(was, is, ['minLength', 'maxLength', 'character'], place),
    ...(is.pattern === undefined || is.pattern === was.pattern ? [] : [say(place, `must now match ${cut(is.pattern)}`)]),
    ...(is.format === undefined || is.format === was.format ? [] : [say(place, `must now be of the format ${is.format}`)]),
  ]
}

type Counts =
  | readonly ['minLength', 'maxLength', 'character']
  | readonly ['minItems', 'maxItems', 'entry']
  | readonly ['minProperties', 'maxProperties', 'field']

function tighterCounts(was: SchemaRules, is: SchemaRules, [fewest, most, noun]: Counts, place: Place): readonly string[] {
  const least = is[fewest] ?? 0
  const limit = is[most] ?? Number.POSITIVE_INFINITY
  return [
    ...(least > (was[fewest] ?? 0) ? [say(place, `must now have ${counted(least, noun)} or more`)] : []),
    ...(limit < (was[most] ?? Number.POSITIVE_INFINITY) ? [say(place, `may now have at most ${counted(limit, noun)}`)] : []),
  ]
}

// ── What a value holds ───────────────────────────────────────────────────────

function tighterLists(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const isTuple = was.prefixItems !== undefined || is.prefixItems !== undefined
  const entries: Place = { ...place, path: `${place.path}[]`, isPart: false }
  return [
    ...tighterCounts(was, is, ['minItems', 'maxItems', 'entry'], place),
    ...(is.uniqueItems && !was.uniqueItems ? [say(place, 'may no longer hold an entry twice')] : []),
    ...(isTuple
      ? unlessSame(['prefixItems', 'items'], was, is, place)
      : narrowings(was.items ?? true, is.items ?? true, entries)),
    ...unlessSame(['contains', 'minContains', 'maxContains'], was, is, place),
    ...(is.unevaluatedItems === undefined ? [] : [incomparable(place)]),
  ]
}

function tighterObjects(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const required = (is.required ?? []).filter((name) => !was.required?.includes(name))
  const names = new Set([...Object.keys(was.properties ?? {}), ...(was.required ?? []), ...Object.keys(is.properties ?? {})])
  return [
    ...required.map((name) => say(inside(place, name), 'is now required')),
    ...[...names].flatMap((name) => narrowingsOfField(name, was, is, place)),
    ...closing(was, is, place),
    ...tighterCounts(was, is, ['minProperties', 'maxProperties', 'field'], place),
    ...newDependents(was, is, place),
    ...unlessSame(['propertyNames'], was, is, place),
    ...unlessSame(['patternProperties'], was, is, place),
    ...(is.unevaluatedProperties === undefined ? [] : [incomparable(place)]),
  ]
}

function narrowingsOfField(name: string, was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const before = ownOf(was.properties, name) ?? (was.required?.includes(name) ? true : undefined)
  const after = ownOf(is.properties, name)
  const field: Place = { ...inside(place, name), isPart: false }
  if (before === undefined) return narrowingsOfNew(was, after!, place, field)
  if (after !== undefined) return narrowings(before, after, field)
  const { additionalProperties } = is
  if (additionalProperties !== undefined && additionalProperties !== true) return narrowings(before, additionalProperties, field)
  if (place.isPart || ownOf(was.properties, name) === undefined || before === false) return []
  return [say(field, 'is no longer named: what is sent in it may be ignored')]
}

/**
 * A field that the old schema did not name. Data breaks only where it said what such fields are, may name them elsewhere, or
 * names none at all: then anything goes, and something may.
 */
function narrowingsOfNew(was: SchemaRules, after: SchemaForm, place: Place, field: Place): readonly string[] {
  if (was.patternProperties !== undefined) return narrowings(true, after, field)
  if (was.additionalProperties === undefined && was.properties !== undefined && !place.isStrict) return []
  return narrowings(was.additionalProperties ?? true, after, field)
}

function closing(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const { additionalProperties: before } = was
  const { additionalProperties: after } = is
  if (after === undefined || after === true) return []
  // A field that matched a pattern may be one that is not named now.
  if (was.patternProperties !== undefined && is.patternProperties === undefined) return [incomparable(place)]
  if (before === false) return []
  if (after === false) return [say(place, 'no longer takes fields that are not named')]
  return narrowings(before ?? true, after, { ...place, path: `${place.path}.*`.replace(/^\./, ''), isPart: false })
}

function newDependents(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  return Object.entries(is.dependentRequired ?? {}).flatMap(([name, others]) => {
    const known = [...(ownOf(was.dependentRequired, name) ?? []), ...(was.required ?? [])]
    return others
      .filter((other) => !known.includes(other))
      .map((other) => say(inside(place, other), `is now required beside '${cut(name)}'`))
  })
}

// ── Choices ──────────────────────────────────────────────────────────────────

function tighterChoices(was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  const { comparison } = place
  const parts = [...(is.allOf ?? []), ...(is.$ref === undefined ? [] : [{ $ref: is.$ref }])]
  const known: readonly SchemaForm[] = [...(was.allOf ?? []), ...(was.$ref === undefined ? [] : [{ $ref: was.$ref }])]
  const fresh = parts.filter((part) => !known.some((one) => isSameForm(one, part, comparison)))
  return [
    ...fresh.flatMap((part) => narrowings(was, part, { ...place, isPart: true })),
    ...tighterAlternatives(was, is, place),
    ...unlessSame(['oneOf'], was, is, place),
    ...unlessSame(['not'], was, is, place),
    ...(is.if === undefined ? [] : unlessSame(['if', 'then', 'else'], was, is, place)),
    ...unlessSame(['dependentSchemas'], was, is, place),
  ]
}

/** Each form that there was must be one of those that there are, or all of them together. */
function tighterAlternatives(was: SchemaRules, { anyOf }: SchemaRules, place: Place): readonly string[] {
  if (anyOf === undefined) return []
  const strictly: Place = { ...place, isStrict: true, isPart: true }
  const isTaken = (form: SchemaForm) => anyOf.some((one) => narrowings(form, one, strictly).length === 0)
  const forms = was.anyOf ?? was.oneOf
  if (forms?.every(isTaken) || isTaken(was)) return []
  return [incomparable(place)]
}

type Keyword = keyof SchemaRules

/** Of keywords that mean something together: nothing where the new schema has none of them, or both have the same. */
function unlessSame(keywords: readonly Keyword[], was: SchemaRules, is: SchemaRules, place: Place): readonly string[] {
  if (keywords.every((keyword) => is[keyword] === undefined)) return []
  return keywords.every((keyword) => isSameForm(was[keyword], is[keyword], place.comparison)) ? [] : [incomparable(place)]
}

// ── Schemas ──────────────────────────────────────────────────────────────────

/** What a schema that is a reference and nothing else leads to. */
function resolved(form: SchemaForm, { schemas }: SchemaDocument): SchemaForm {
  let at = form
  while (typeof at === 'object' && at.$ref !== undefined && Object.keys(at).length === 1) at = schemas.get(at.$ref)!
  return typeof at === 'object' && Object.keys(at).length === 0 ? true : at
}

/** Whether two parts of schemas say the same, references into their documents included. */
function isSameForm(before: unknown, after: unknown, comparison: Comparison, met: readonly string[] = []): boolean {
  if (typeof before !== 'object' || typeof after !== 'object' || before === null || after === null) return isSame(before, after)
  if (Array.isArray(before) !== Array.isArray(after)) return false
  const keys = Object.keys(before)
  if (keys.length !== Object.keys(after).length) return false
  return keys.every((key) => {
    if (!Object.hasOwn(after, key)) return false
    const [one, other] = [before[key as never] as unknown, after[key as never] as unknown]
    if (key !== '$ref' || typeof one !== 'string' || typeof other !== 'string') return isSameForm(one, other, comparison, met)
    const pair = `${one}\n${other}`
    const [leads, alsoLeads] = [comparison.old.schemas.get(one), comparison.new.schemas.get(other)]
    if (leads === undefined || alsoLeads === undefined) return one === other
    return met.includes(pair) || isSameForm(leads, alsoLeads, comparison, [...met, pair])
  })
}

function ownOf<T>(map: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return map !== undefined && Object.hasOwn(map, name) ? map[name] : undefined
}

// ── Words ────────────────────────────────────────────────────────────────────

const inside = (place: Place, name: string): Place => ({ ...place, path: place.path === '' ? name : `${place.path}.${name}` })

function say({ path }: Place, words: string): string {
  return `${path === '' ? 'The data' : `'${cut(path)}'`} ${words}.`
}

const incomparable = (place: Place) => say(place, 'changed in a way that cannot be compared')
