import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkDataSchema, dataProblems } from '../../src/domain/data-schema.ts'
import { breakingChanges } from '../../src/domain/data-schema-change.ts'
import { isObject, type JsonObject } from '../../src/domain/json.ts'

const object = (rest: JsonObject = {}): JsonObject => ({ type: 'object', ...rest })
const field = (rules: JsonObject | boolean): JsonObject => object({ properties: { x: rules } })
const list = (items: JsonObject | boolean): JsonObject => field({ type: 'array', items })
const tree = (rules: JsonObject) =>
  object({
    properties: { x: { $ref: '#/$defs/node' } },
    $defs: { node: { ...rules, properties: { next: { $ref: '#/$defs/node' }, ...(rules.properties as object) } } },
  })

describe('Callers break where', () => {
  test.each<[string, JsonObject | null, JsonObject | null, string]>([
    ['a field is required', field({}), object({ properties: { x: {} }, required: ['x'] }), "'x' is now required."],
    ['a first schema requires a field', null, object({ required: ['x'], properties: { x: {} } }), "'x' is now required."],
    ['a type is another', field({ type: 'string' }), field({ type: 'number' }), "'x' must now be a number."],
    ['a type is taken away', field({ type: ['string', 'null'] }), field({ type: 'string' }), "'x' may no longer be null."],
    ['a number must be whole', field({ type: 'number' }), field({ type: 'integer' }), "'x' must now be a whole number."],
    ['a first type is given', field({}), field({ type: 'number' }), "'x' must now be a number."],
    ['a value is taken away', field({ enum: ['a', 'b', 'c'] }), field({ enum: ['a'] }), "'x' may no longer be 'b' or 'c'."],
    [
      'values are listed',
      field({ type: 'string' }),
      field({ type: 'string', enum: ['a', 'b'] }),
      "'x' must now be one of 'a' or 'b'.",
    ],
    ['a number is bounded', field({ type: 'number' }), field({ type: 'number', minimum: 1 }), "'x' must now be 1 or more."],
    [
      'a bound is excluded',
      field({ type: 'number', maximum: 9 }),
      field({ type: 'number', exclusiveMaximum: 9 }),
      "'x' must now be less than 9.",
    ],
    [
      'steps are coarser',
      field({ type: 'number', multipleOf: 0.1 }),
      field({ type: 'number', multipleOf: 0.5 }),
      "'x' must now be a multiple of 0.5.",
    ],
    [
      'a text is shorter',
      field({ type: 'string', maxLength: 9 }),
      field({ type: 'string', maxLength: 5 }),
      "'x' may now have at most 5 characters.",
    ],
    ['a pattern is added', field({ type: 'string' }), field({ type: 'string', pattern: '^a' }), "'x' must now match ^a."],
    [
      'a pattern is another',
      field({ type: 'string', pattern: '^b' }),
      field({ type: 'string', pattern: '^a' }),
      "'x' must now match ^a.",
    ],
    [
      'a format is added',
      field({ type: 'string' }),
      field({ type: 'string', format: 'email' }),
      "'x' must now be of the format email.",
    ],
    ['entries are more', list({}), field({ type: 'array', minItems: 2 }), "'x' must now have 2 entries or more."],
    ['entries are narrower', list({ type: ['string', 'number'] }), list({ type: 'string' }), "'x[]' may no longer be a number."],
    ['a field within entries is required', list(object()), list(object({ required: ['y'] })), "'x[].y' is now required."],
    [
      'other fields are refused',
      field({}),
      { ...field({}), additionalProperties: false },
      'The data no longer takes fields that are not named.',
    ],
    [
      'a field is no longer named',
      field({ type: 'string' }),
      object({ properties: {} }),
      "'x' is no longer named: what is sent in it may be ignored.",
    ],
    [
      'a field is refused',
      { ...field({}), additionalProperties: false },
      object({ additionalProperties: false }),
      "'x' is no longer allowed.",
    ],
    [
      'a free object names its fields',
      field({ type: 'object' }),
      field(object({ properties: { y: { type: 'string' } } })),
      "'x.y' must now be a string.",
    ],
    [
      'another field is required beside one',
      field({}),
      { ...field({}), dependentRequired: { x: ['y'] } },
      "'y' is now required beside 'x'.",
    ],
    [
      'a field matched a pattern that is gone, in a closed object',
      object({ patternProperties: { '^x': {} }, additionalProperties: false }),
      object({ additionalProperties: false }),
      'The data changed in a way that cannot be compared.',
    ],
    [
      'a field is named that matched a pattern',
      object({ properties: {}, patternProperties: { '^x': {} }, additionalProperties: false }),
      object({ properties: { x: { type: 'string' } }, patternProperties: { '^x': {} }, additionalProperties: false }),
      "'x' must now be a string.",
    ],
    [
      'a choice has a form less',
      field({ anyOf: [{ type: 'string' }, { type: 'number' }] }),
      field({ anyOf: [{ type: 'string' }] }),
      "'x' changed in a way that cannot be compared.",
    ],
    [
      'a condition is another',
      field({ if: { type: 'string' }, else: { minimum: 1 } }),
      field({ if: { type: 'string' }, else: { minimum: 2 } }),
      "'x' changed in a way that cannot be compared.",
    ],
    ['a schema that many parts refer to is narrower', tree({}), tree({ required: ['y'] }), "'x.y' is now required."],
  ])('%s', (_what, before, after, sentence) => {
    expect(breakingChanges(before, after)).toEqual([sentence])
  })
})

describe('Callers do not break where', () => {
  test.each<[string, JsonObject | null, JsonObject | null]>([
    ['nothing changes', tree({ required: ['y'] }), tree({ required: ['y'] })],
    ['a field is added that may be left out', field({}), object({ properties: { x: {}, y: { type: 'string' } } })],
    ['a first schema requires nothing', null, field({ type: 'string' })],
    ['the schema is taken away', field({ type: 'string' }), null],
    ['words change that assert nothing', field({ title: 'A', description: 'b' }), field({ title: 'C', default: 1 })],
    ['a type is wider', field({ type: 'integer' }), field({ type: ['number', 'null'] })],
    ['values are added', field({ enum: ['a'] }), field({ enum: ['a', 'b'] })],
    ['listed values become their type', field({ enum: ['a', 'b'] }), field({ type: 'string', maxLength: 1 })],
    ['a field may be left out', object({ properties: { x: {} }, required: ['x'] }), field({})],
    [
      'bounds are wider',
      field({ type: 'number', minimum: 2, multipleOf: 4 }),
      field({ type: 'number', exclusiveMinimum: 1, multipleOf: 2 }),
    ],
    [
      'a choice has a form more',
      field({ oneOf: [{ type: 'string' }] }),
      field({ anyOf: [{ type: 'number' }, { type: 'string' }] }),
    ],
    [
      'what was said is said by reference',
      field({ type: 'string' }),
      { ...field({ $ref: '#/$defs/a' }), $defs: { a: { type: 'string' } } },
    ],
    [
      'what was said is said in parts',
      field({ type: 'string', maxLength: 3 }),
      field({ allOf: [{ type: 'string' }, { maxLength: 4 }] }),
    ],
    ['a tree is wider', tree({ required: ['y'] }), tree({})],
    [
      'an older draft says the same',
      { ...field({ const: 1 }), $schema: 'http://json-schema.org/draft-07/schema#' },
      field({ enum: [1] }),
    ],
  ])('%s', (_what, before, after) => {
    expect(breakingChanges(before, after)).toEqual([])
  })
})

test('Schemas full of choices are compared in little time', () => {
  const choices = (levels: number, leaf: JsonObject): JsonObject =>
    levels === 0 ? leaf : { anyOf: Array.from({ length: 4 }, (_, index) => ({ ...choices(levels - 1, leaf), maxLength: index })) }
  const begun = performance.now()
  expect(breakingChanges(field(choices(4, { minLength: 1 })), field(choices(4, { minLength: 2 })))).not.toEqual([])
  expect(breakingChanges(field({ enum: [`${'a'.repeat(60)}!`] }), field({ pattern: '^(a+)+$' }))).not.toEqual([])
  expect(performance.now() - begun).toBeLessThan(5_000)
})

// ── Any schemas ──────────────────────────────────────────────────────────────

const NAMES = ['a', 'b', 'c'] as const
const small = fc.integer({ min: 0, max: 3 })
const scalar = fc.constantFrom<unknown>(null, true, false, 0, 1, 2, 1.5, 3, '', 'a', 'ab', 'abc')
const name = fc.constantFrom(...NAMES)

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { arbitrary: scalar, weight: 3 },
    { arbitrary: fc.dictionary(fc.constantFrom(...NAMES, 'z'), tie('value'), { maxKeys: 3 }), weight: 2 },
    { arbitrary: fc.array(tie('value'), { maxLength: 3 }), weight: 1 },
  ),
}))

type Rules = Record<string, unknown>

const { rules } = fc.letrec<{ rules: Rules; form: Rules | boolean }>((tie) => ({
  form: fc.oneof({ maxDepth: 3 }, { arbitrary: fc.boolean(), weight: 1 }, { arbitrary: tie('rules'), weight: 5 }),
  rules: fc
    .tuple(
      fc.option(
        fc.oneof(
          fc.constantFrom('object', 'array', 'string', 'number', 'integer'),
          fc.uniqueArray(fc.constantFrom('object', 'array', 'string', 'number', 'null', 'boolean'), {
            minLength: 1,
            maxLength: 3,
          }),
        ),
      ),
      fc.uniqueArray(keyword(tie('form'), tie('rules')), { maxLength: 3, selector: ([key]) => key }),
    )
    .map(([type, keywords]) => ({ ...(type !== null && { type }), ...Object.fromEntries(keywords) })),
}))

function keyword(form: fc.Arbitrary<Rules | boolean>, schema: fc.Arbitrary<Rules>): fc.Arbitrary<[string, unknown]> {
  const forms = fc.array(form, { minLength: 1, maxLength: 2 })
  const map = fc.dictionary(name, form, { maxKeys: 3 })
  const names = fc.uniqueArray(name, { maxLength: 2 })
  const of = <T>(keys: readonly string[], arbitrary: fc.Arbitrary<T>) => fc.tuple(fc.constantFrom(...keys), arbitrary)
  return fc.oneof(
    { arbitrary: of(['properties'], map), weight: 6 },
    { arbitrary: of(['required'], names), weight: 3 },
    { arbitrary: of(['additionalProperties', 'items'], form), weight: 3 },
    of(['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'minLength', 'maxLength'], small),
    of(['minItems', 'maxItems', 'minProperties', 'maxProperties'], small),
    of(['multipleOf'], fc.constantFrom(0.5, 1, 2)),
    of(['enum'], fc.array(value, { minLength: 1, maxLength: 4 })),
    of(['const'], value),
    of(['pattern'], fc.constantFrom('^a', 'b$')),
    of(['uniqueItems'], fc.boolean()),
    of(['allOf', 'anyOf', 'oneOf', 'prefixItems'], forms),
    of(['not', 'if', 'then', 'else', 'contains', 'unevaluatedProperties', 'unevaluatedItems'], form),
    of(['propertyNames'], schema),
    of(['patternProperties'], fc.dictionary(fc.constantFrom('^a', '[bc]'), form, { maxKeys: 2 })),
    of(['dependentRequired'], fc.dictionary(name, names, { maxKeys: 2 })),
    of(['dependentSchemas'], fc.dictionary(name, form, { maxKeys: 1 })),
    of(['$ref'], fc.constantFrom('#/$defs/d', '#')),
  ) as fc.Arbitrary<[string, unknown]>
}

const schema = fc
  .tuple(rules, rules)
  .map(([root, d]): JsonObject => ({ ...root, type: 'object', $defs: { d } }))
  .filter((one) => checkDataSchema(one) === null)

/** A schema and one that came of it by a change somewhere, or another one. */
const change = fc
  .tuple(schema, schema, fc.array(fc.nat(), { maxLength: 6 }), fc.boolean())
  .map(([before, other, way, isOther]): [JsonObject, JsonObject] => [
    before,
    isOther ? other : (changed(before, other, way) as JsonObject),
  ])
  .filter(([, after]) => after.type === 'object' && checkDataSchema(after) === null)

function changed(value: unknown, other: unknown, [step, ...way]: readonly number[]): unknown {
  if (!isObject(value) || !isObject(other)) return other
  const keys = Object.keys(value)
  const key = keys[(step ?? 0) % (keys.length + 1)]
  if (step === undefined || key === undefined) return { ...value, ...other }
  if (way.length === 0) return Object.fromEntries(Object.entries(value).filter(([one]) => one !== key))
  return { ...value, [key]: changed(value[key], other[key] ?? Object.values(other)[0], way) }
}

const ELSEWHERE = ['$ref', 'allOf', 'anyOf', 'oneOf', 'not', 'if', 'dependentSchemas', 'patternProperties', 'propertyNames']

/** Data without the fields that a schema leaves to anybody although it names others. */
function named(value: unknown, form: unknown): unknown {
  if (!isObject(form) || ELSEWHERE.some((key) => form[key] !== undefined) || 'enum' in form || 'const' in form) return value
  if (Array.isArray(value)) return value.map((one) => named(one, form.items))
  if (!isObject(value)) return value
  const properties = form.properties as JsonObject | undefined
  const required = (form.required as readonly string[]) ?? []
  const isNamed = (key: string) => {
    return key === 'z' || !properties || form.additionalProperties !== undefined || key in properties || required.includes(key)
  }
  const entries = Object.entries(value).filter(([key]) => isNamed(key))
  return Object.fromEntries(entries.map(([key, one]) => [key, named(one, properties?.[key] ?? form.additionalProperties)]))
}

test('Where nothing is said to break, whatever the old schema takes of what it names, the new one takes', () => {
  const data = fc.dictionary(fc.constantFrom(...NAMES, 'z'), value, { maxKeys: 3 })
  fc.assert(
    fc.property(change, fc.array(data, { minLength: 10, maxLength: 40 }), ([before, after], samples) => {
      fc.pre(breakingChanges(before, after).length === 0)
      for (const one of samples) {
        const sent = named(one, before) as JsonObject
        if (dataProblems(before, sent).length === 0) expect(dataProblems(after, sent)).toEqual([])
      }
    }),
    { numRuns: 1_000, maxSkipsPerRun: 1_000 },
  )
}, 60_000)
