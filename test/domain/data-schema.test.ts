import { describe, expect, test } from 'vitest'
import { checkDataSchema, dataProblems } from '../../src/domain/data-schema.ts'
import { patternPower } from '../../src/domain/data-schema-cost.ts'
import type { JsonObject } from '../../src/domain/json.ts'

const object = (rest: JsonObject = {}): JsonObject => ({ type: 'object', ...rest })
const field = (rules: JsonObject | boolean): JsonObject => object({ properties: { x: rules } })

describe('A data schema can be used', () => {
  test.each<[string, JsonObject]>([
    ['that asks for an object and nothing more', object()],
    ['of draft-07, with its definitions', object({ $schema: 'http://json-schema.org/draft-07/schema#', definitions: { a: {} } })],
    [
      'of draft 2020-12 with an id of its own',
      object({ $schema: 'https://json-schema.org/draft/2020-12/schema', $id: 'https://a.test/b' }),
    ],
    ['with a reference within it', object({ properties: { x: { $ref: '#/$defs/a~1b%20c' } }, $defs: { 'a/b c': {} } })],
    ['that leads to itself through the data', object({ properties: { child: { $ref: '#' } } })],
    ['with words that assert nothing', object({ title: 'Order', examples: [{}], 'x-team': 'shop', nullable: true })],
    ['with a format nobody knows', field({ format: 'iban' })],
    [
      'with fields that have the names of keywords and of methods',
      object({ properties: { type: {}, $ref: {}, constructor: {}, required: {} } }),
    ],
  ])('%s', (_what, schema) => {
    expect(checkDataSchema(schema)).toBeNull()
  })
})

describe('A data schema is refused', () => {
  test.each<[string, JsonObject, string]>([
    ['whose data is no object', { type: 'string' }, "The data of a message is an object: the schema's 'type' must be 'object'."],
    ['without a type', {}, "The data of a message is an object: the schema's 'type' must be 'object'."],
    [
      'of a type nobody knows',
      field({ type: 'decimal' }),
      "'properties.x.type' must be one of array, boolean, integer, null, number, object, string, or a list of them.",
    ],
    [
      'of a draft nobody knows',
      object({ $schema: 'http://json-schema.org/draft-04/schema#' }),
      "'$schema' must name a draft that is known, like https://json-schema.org/draft/2020-12/schema.",
    ],
    [
      'that reads another document',
      field({ $ref: 'https://a.test/b.json' }),
      "'properties.x.$ref' must stay within this schema, like '#/$defs/address'.",
    ],
    [
      'that reads a file',
      field({ $ref: 'file:///etc/passwd' }),
      "'properties.x.$ref' must stay within this schema, like '#/$defs/address'.",
    ],
    ['with a reference to nothing', field({ $ref: '#/$defs/none' }), "'properties.x.$ref' leads to no schema of this document."],
    [
      'with a reference to what is no schema',
      object({ required: ['x'], properties: { x: { $ref: '#/required/0' } } }),
      "'properties.x.$ref' leads to no schema of this document.",
    ],
    ['that leads to itself on the spot', object({ allOf: [{ $ref: '#' }] }), 'leads back to itself'],
    [
      'with what is no regular expression',
      field({ pattern: '(' }),
      "'properties.x.pattern' is no regular expression (unterminated group).",
    ],
    ['with a bound that is a flag', field({ exclusiveMinimum: true }), "'properties.x.exclusiveMinimum' must be a number."],
    ['with a length below nothing', field({ minLength: -1 }), "'properties.x.minLength' must be a whole number, 0 or more."],
    ['with a flag for what is required', field({ required: true }), "'properties.x.required' must be a list of names."],
    ['with a schema that is a text', object({ properties: { x: 'string' } }), "'properties.x' must be a schema."],
    ['of over 65,536 characters', object({ title: 'x'.repeat(70_000) }), 'A data schema has at most 65,536 characters.'],
    [
      'that is nested without end',
      nested(60),
      "'properties.x.properties.x.properties.x.properties.x' is nested deeper than 32 schemas.",
    ],
  ])('%s', (_what, schema, message) => {
    expect(checkDataSchema(schema)).toContain(message)
  })
})

function nested(levels: number): JsonObject {
  return levels === 0 ? object() : field(nested(levels - 1))
}

const ORDER = object({
  required: ['name', 'total'],
  additionalProperties: false,
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 20 },
    total: { type: 'number', minimum: 0 },
    currency: { enum: ['EUR', 'USD'] },
    code: { type: 'string', pattern: '^[A-Z]{2}-\\d+$' },
    email: { type: 'string', format: 'email' },
    note: { type: ['string', 'null'] },
    who: { anyOf: [{ type: 'string' }, { type: 'number' }] },
    address: { $ref: '#/$defs/address' },
    items: {
      type: 'array',
      minItems: 1,
      items: { type: 'object', required: ['price'], properties: { price: { type: 'number' } } },
    },
  },
  $defs: {
    address: {
      type: 'object',
      required: ['city'],
      properties: { city: { type: 'string' } },
      dependentRequired: { street: ['zip'] },
    },
  },
})

describe('Data', () => {
  test('that is as its schema asks has no problems', () => {
    const items = [{ price: 1 }, { price: 2.5 }]
    const data = { name: 'Ada', total: 3.5, currency: 'EUR', code: 'AB-12', email: 'a@b.test', note: null, who: 7, items }
    expect(dataProblems(ORDER, data)).toEqual([])
  })

  test.each<[JsonObject, (string | number)[], string]>([
    [{ total: 1 }, ['name'], "'name' is required."],
    [{ name: 'Ada', total: '1' }, ['total'], "'total' must be a number."],
    [{ name: 'Ada', total: -1 }, ['total'], "'total' must be 0 or more."],
    [{ name: '', total: 1 }, ['name'], "'name' must have 1 character or more."],
    [{ name: 'a'.repeat(21), total: 1 }, ['name'], "'name' must have at most 20 characters."],
    [{ name: 'Ada', total: 1, currency: 'GBP' }, ['currency'], "'currency' must be one of 'EUR' or 'USD'."],
    [{ name: 'Ada', total: 1, code: 'x' }, ['code'], "'code' must match ^[A-Z]{2}-\\d+$."],
    [{ name: 'Ada', total: 1, email: 'x' }, ['email'], "'email' must be an email address."],
    [{ name: 'Ada', total: 1, note: 1 }, ['note'], "'note' must be a string or null."],
    [{ name: 'Ada', total: 1, who: true }, ['who'], "'who' must be a string or a number."],
    [{ name: 'Ada', total: 1, items: [] }, ['items'], "'items' must have 1 entry or more."],
    [
      { name: 'Ada', total: 1, items: [{ price: 1 }, { price: '2' }] },
      ['items', 1, 'price'],
      "'items.1.price' must be a number.",
    ],
    [{ name: 'Ada', total: 1, items: [{}] }, ['items', 0, 'price'], "'items.0.price' is required."],
    [{ name: 'Ada', total: 1, address: {} }, ['address', 'city'], "'address.city' is required."],
    [
      { name: 'Ada', total: 1, address: { city: 'X', street: 'Y' } },
      ['address', 'zip'],
      "'address.zip' is required beside 'street'.",
    ],
    [{ name: 'Ada', total: 1, extra: 1 }, ['extra'], "'extra' is not expected here."],
    [{ name: 'Ada', total: 1, 'a/b~ ü': 1 }, ['a/b~ ü'], "'a/b~ ü' is not expected here."],
    [{ name: 'Ada', total: 1, constructor: 1 }, ['constructor'], "'constructor' is not expected here."],
  ])('%j is told its problem by place and name', (data, path, message) => {
    expect(dataProblems(ORDER, data)).toEqual([{ path, message }])
  })

  test('that is wrong in many ways is told the first five, and none of its values', () => {
    const schema = object({ required: ['a', 'b', 'c', 'd', 'e', 'f'], properties: { secret: { type: 'number' } } })
    const problems = dataProblems(schema, { secret: 'hunter2' })
    expect(problems).toHaveLength(5)
    expect(JSON.stringify(problems)).not.toContain('hunter2')
  })

  test('that fits no form of a choice is told of the choice, once', () => {
    const closed = (name: string) => object({ required: [name], properties: { [name]: {} }, additionalProperties: false })
    const schema = field({ oneOf: [closed('a'), closed('b')] })
    expect(dataProblems(schema, { x: { c: 1 } })).toEqual([
      { path: ['x'], message: "'x' must be exactly one of what its schema offers: an object as its schema describes." },
    ])
  })

  test('of ten thousand wrong entries is told of the first ones', () => {
    const schema = field({ type: 'array', items: { type: 'object', additionalProperties: false } })
    const x = Array.from({ length: 10_000 }, () => ({ a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7 }))
    expect(dataProblems(schema, { x })[0]).toEqual({ path: ['x', 0, 'a'], message: "'x.0.a' is not expected here." })
  })

  test('beside a reference is asked by both in draft 2020-12, and by the reference alone in draft-07', () => {
    const rules = { properties: { x: { $ref: '#/definitions/a', maxLength: 1 } }, definitions: { a: { type: 'string' } } }
    expect(dataProblems(object(rules), { x: 'long' })).toHaveLength(1)
    expect(dataProblems(object({ ...rules, $schema: 'http://json-schema.org/draft-07/schema#' }), { x: 'long' })).toEqual([])
  })

  test('is asked by what older drafts say, too', () => {
    const schema = object({
      properties: { pair: { items: [{ type: 'string' }], additionalItems: false }, kind: { const: 'a' } },
      dependencies: { pair: ['kind'], kind: { required: ['pair'] } },
    })
    expect(dataProblems(schema, { pair: ['a', 'b'], kind: 'a' })).toEqual([
      { path: ['pair', 1], message: "'pair.1' is not expected here." },
    ])
    expect(dataProblems(schema, { pair: ['a'], kind: 'b' })[0]?.message).toBe("'kind' must be 'a'.")
    expect(dataProblems(schema, { pair: ['a'] })[0]?.message).toBe("'kind' is required beside 'pair'.")
    expect(dataProblems(schema, { kind: 'a' })[0]?.message).toBe("'pair' is required.")
  })

  test('reaches no prototype, whatever a schema names', () => {
    const schema = object({
      required: ['constructor'],
      properties: { toString: { type: 'string' } },
      dependentRequired: { valueOf: ['x'] },
    })
    expect(dataProblems(schema, {})).toEqual([{ path: ['constructor'], message: "'constructor' is required." }])
    expect(dataProblems(field({ format: 'constructor' }), { x: 'a' })).toEqual([])
  })
})

describe('A check that would not end is ended', () => {
  const letters = `${'a'.repeat(60)}!`

  test.each<[string, JsonObject, JsonObject]>([
    ['of a pattern that tries without end', field({ pattern: '^(a+)+$' }), { x: letters }],
    ['of a pattern of names that tries without end', object({ patternProperties: { '^(a|a)*$': {} } }), { [letters]: 1 }],
    ['of references that double', doubling(40), { x: 1 }],
    ['of a tree that is tried in two ways', twofold(), deep(60)],
  ])('%s', (_what, schema, data) => {
    expect(checkDataSchema(schema)).toBeNull()
    const begun = performance.now()
    expect(dataProblems(schema, data)[0]?.message).toContain('takes too long')
    expect(performance.now() - begun).toBeLessThan(3_000)
  })

  test('and asked for again and again, it is refused at once, while other schemas are asked', () => {
    const schema = field({ pattern: '^(a+)+$' })
    for (let time = 0; time < 10; time++) dataProblems(schema, { x: letters })
    const before = process.threadCpuUsage()
    for (let time = 0; time < 100; time++) expect(dataProblems(schema, { x: letters })).toHaveLength(1)
    expect(process.threadCpuUsage(before).user).toBeLessThan(100_000)
    expect(dataProblems(field({ pattern: '^(b+)+$' }), { x: 'bb' })).toEqual([])
  })
})

function doubling(levels: number): JsonObject {
  const level = (index: number) => ({ anyOf: [{ $ref: `#/$defs/l${index + 1}` }, { $ref: `#/$defs/l${index + 1}` }] })
  const $defs = Object.fromEntries(Array.from({ length: levels }, (_, index) => [`l${index}`, level(index)]))
  return object({ properties: { x: { $ref: '#/$defs/l0' } }, $defs: { ...$defs, [`l${levels}`]: { type: 'string' } } })
}

function twofold(): JsonObject {
  const way = { properties: { x: { $ref: '#/$defs/node' } } }
  return object({ $ref: '#/$defs/node', $defs: { node: { allOf: [{ anyOf: [way, way] }], maxProperties: 1 } } })
}

function deep(levels: number): JsonObject {
  return levels === 0 ? { y: 1, z: 2 } : { x: deep(levels - 1) }
}

describe('The power of a pattern', () => {
  test.each<[string, number]>([
    ['^[A-Z]{3}$', 1],
    ['^\\d+$', 1],
    ['^#[0-9a-f]{6}$', 1],
    ['^(?:EUR|USD)$', 1],
    ['^[a-z]+-\\d+$', 2],
    ['\\d+', 2],
    ['^[(+*]+$', 1],
    ['^[a-z]+(?:-[a-z]+)*$', Number.POSITIVE_INFINITY],
    ['^(a|b)*$', Number.POSITIVE_INFINITY],
    ['^(a)\\1*$', Number.POSITIVE_INFINITY],
    ['^(?=a)b$', Number.POSITIVE_INFINITY],
    ['^(?:a{2}){3}$', 1],
    ['^(?:a?){30}$', Number.POSITIVE_INFINITY],
  ])('%s is %d', (pattern, power) => {
    expect(patternPower(pattern)).toBe(power)
  })
})
