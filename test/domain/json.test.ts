import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fingerprint } from '../../src/domain/idempotency.ts'
import { cleanJson, deepMerge, type JsonObject } from '../../src/domain/json.ts'
import { Refusal } from '../../src/errors.ts'

const object = fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }) as fc.Arbitrary<JsonObject>

function refusedAt(value: unknown): string | undefined {
  try {
    cleanJson({ input: value })
  } catch (error) {
    return (error as Refusal).issues[0]?.path.join('.')
  }
  return undefined
}

describe('Cleaning', () => {
  test('leaves what JSON can hold as it is, and what it leaves can be stored', () => {
    fc.assert(
      fc.property(object, (value) => {
        try {
          const clean = cleanJson(value)
          expect(cleanJson(clean)).toEqual(clean)
          expect(JSON.stringify(clean)).not.toContain('\\u0000')
          expect(JSON.stringify(clean).isWellFormed()).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
        }
      }),
    )
  })

  test.each([
    [{ a: '\0' }, 'input.a'],
    [{ a: [1, { b: 'x\0y' }] }, 'input.a.1.b'],
    [{ a: Number.NaN }, 'input.a'],
    [{ a: Number.POSITIVE_INFINITY }, 'input.a'],
    [{ a: 2 ** 53 }, 'input.a'],
    [{ a: -(2 ** 53) }, 'input.a'],
  ])('refuses %j with its path', (value, path) => {
    expect(refusedAt(value)).toBe(path)
  })

  test('keeps numbers that are exact, and dates', () => {
    const value = { a: 2 ** 53 - 1, b: -0.5, c: new Date(0), d: null, e: undefined }
    expect(cleanJson(value)).toEqual(value)
  })

  test('refuses 65 levels, takes 63, and never overflows', () => {
    const nested = (depth: number) => Array.from({ length: depth }).reduce<unknown>((inner) => ({ a: inner }), 1)
    expect(cleanJson(nested(63))).toEqual(nested(63))
    expect(refusedAt(nested(65))).toBeDefined()
    expect(refusedAt(nested(50_000))).toBeDefined()
  })
})

describe('Merging', () => {
  test('changes neither side, and what goes over is found in the result', () => {
    fc.assert(
      fc.property(object, object, (under, over) => {
        const before = JSON.stringify([under, over])
        const merged = deepMerge(under, over)
        expect(JSON.stringify([under, over])).toBe(before)
        for (const [key, value] of Object.entries(over)) {
          if (key !== '__proto__' && (value === null || typeof value !== 'object')) expect(merged[key]).toBe(value)
        }
        for (const key of Object.keys(under)) if (key !== '__proto__') expect(Object.hasOwn(merged, key)).toBe(true)
        expect(deepMerge(merged, over)).toEqual(merged)
      }),
    )
  })

  test('never changes a prototype, whatever the keys', () => {
    const evil = JSON.parse('{"__proto__":{"p":1},"constructor":{"prototype":{"p":1}},"a":{"__proto__":{"p":1}}}') as JsonObject
    deepMerge(deepMerge({ a: {} }, evil), evil)
    expect(({} as { p?: number }).p).toBeUndefined()
  })

  test('replaces lists and nulls whole', () => {
    expect(deepMerge({ a: [1, 2], b: { c: 1 }, d: 1 }, { a: [3], b: null, d: { e: 1 } })).toEqual({
      a: [3],
      b: null,
      d: { e: 1 },
    })
  })
})

describe('A fingerprint', () => {
  test('does not depend on the order of keys, and tells different inputs apart', () => {
    const turned = (value: unknown): unknown => {
      if (Array.isArray(value)) return value.map(turned)
      if (value === null || typeof value !== 'object') return value
      return Object.fromEntries(
        Object.entries(value)
          .toReversed()
          .map(([key, inner]) => [key, turned(inner)]),
      )
    }
    fc.assert(
      fc.property(object, (value) => {
        expect(fingerprint(turned(value))).toBe(fingerprint(value))
        expect(fingerprint({ ...value, 'one more': 1 })).not.toBe(fingerprint({ ...value, 'one more': 2 }))
      }),
    )
  })

  test('has a date for what it stands for', () => {
    expect(fingerprint({ at: new Date(0) })).toBe(fingerprint({ at: new Date(0).toISOString() }))
  })
})
