import fc from 'fast-check'
import { createPatch } from 'rfc6902'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/domain/json.ts'
import { applyJsonPatch, type JsonPatchOperation } from '../../src/domain/json-patch.ts'
import type { Refusal } from '../../src/errors.ts'

const apply = (document: unknown, patch: readonly object[]) =>
  applyJsonPatch(document as JsonObject, patch as readonly JsonPatchOperation[], ['patch'])

function refusal(document: unknown, patch: readonly object[]) {
  const before = structuredClone(document)
  try {
    apply(document, patch)
  } catch (error) {
    expect(document).toEqual(before)
    const [issue] = (error as Refusal).issues
    return { path: issue!.path.join('.'), message: issue!.message }
  }
  throw new Error('It was not refused.')
}

describe("The RFC's own examples", () => {
  test.each([
    ['A.1 adding an object member', { foo: 'bar' }, [{ op: 'add', path: '/baz', value: 'qux' }], { baz: 'qux', foo: 'bar' }],
    [
      'A.2 adding an array element',
      { foo: ['bar', 'baz'] },
      [{ op: 'add', path: '/foo/1', value: 'qux' }],
      { foo: ['bar', 'qux', 'baz'] },
    ],
    ['A.3 removing an object member', { baz: 'qux', foo: 'bar' }, [{ op: 'remove', path: '/baz' }], { foo: 'bar' }],
    [
      'A.4 removing an array element',
      { foo: ['bar', 'qux', 'baz'] },
      [{ op: 'remove', path: '/foo/1' }],
      { foo: ['bar', 'baz'] },
    ],
    [
      'A.5 replacing a value',
      { baz: 'qux', foo: 'bar' },
      [{ op: 'replace', path: '/baz', value: 'boo' }],
      { baz: 'boo', foo: 'bar' },
    ],
    [
      'A.6 moving a value',
      { foo: { bar: 'baz', waldo: 'fred' }, qux: { corge: 'grault' } },
      [{ op: 'move', from: '/foo/waldo', path: '/qux/thud' }],
      { foo: { bar: 'baz' }, qux: { corge: 'grault', thud: 'fred' } },
    ],
    [
      'A.7 moving an array element',
      { foo: ['all', 'grass', 'cows', 'eat'] },
      [{ op: 'move', from: '/foo/1', path: '/foo/3' }],
      { foo: ['all', 'cows', 'eat', 'grass'] },
    ],
    [
      'A.8 testing a value: success',
      { baz: 'qux', foo: ['a', 2, 'c'] },
      [
        { op: 'test', path: '/baz', value: 'qux' },
        { op: 'test', path: '/foo/1', value: 2 },
      ],
      { baz: 'qux', foo: ['a', 2, 'c'] },
    ],
    [
      'A.10 adding a nested member object',
      { foo: 'bar' },
      [{ op: 'add', path: '/child', value: { grandchild: {} } }],
      { foo: 'bar', child: { grandchild: {} } },
    ],
    [
      'A.11 ignoring unrecognised elements',
      { foo: 'bar' },
      [{ op: 'add', path: '/baz', value: 'qux', xyz: 123 }],
      { foo: 'bar', baz: 'qux' },
    ],
    ['A.14 ~ escape ordering', { '/': 9, '~1': 10 }, [{ op: 'test', path: '/~01', value: 10 }], { '/': 9, '~1': 10 }],
    [
      'A.16 adding an array value',
      { foo: ['bar'] },
      [{ op: 'add', path: '/foo/-', value: ['abc', 'def'] }],
      { foo: ['bar', ['abc', 'def']] },
    ],
  ])('%s', (_title, document, patch, expected) => {
    expect(apply(document, patch)).toEqual(expected)
  })

  test.each([
    ['A.9 testing a value: error', { baz: 'qux' }, { op: 'test', path: '/baz', value: 'bar' }, 'patch.0.value'],
    ['A.12 adding to a nonexistent target', { foo: 'bar' }, { op: 'add', path: '/baz/bat', value: 'qux' }, 'patch.0.path'],
    ['A.15 comparing strings and numbers', { '/': 9, '~1': 10 }, { op: 'test', path: '/~01', value: '10' }, 'patch.0.value'],
  ])('%s', (_title, document, operation, path) => {
    expect(refusal(document, [operation]).path).toBe(path)
  })
})

describe('A patch', () => {
  test('is applied whole or not at all, and names the operation that failed', () => {
    const patch = [
      { op: 'add', path: '/a', value: 1 },
      { op: 'remove', path: '/nowhere' },
    ]
    expect(refusal({}, patch)).toEqual({ path: 'patch.1.path', message: "'/nowhere' is not there." })
  })

  test('may replace the whole document, by an object only', () => {
    expect(apply({ a: 1 }, [{ op: 'replace', path: '', value: { b: 2 } }])).toEqual({ b: 2 })
    expect(apply({ a: { b: 2 } }, [{ op: 'copy', from: '/a', path: '' }])).toEqual({ b: 2 })
    expect(refusal({}, [{ op: 'replace', path: '', value: 'text' }]).path).toBe('patch')
    expect(refusal({}, [{ op: 'remove', path: '' }]).path).toBe('patch')
  })

  test('takes null for a value, and none for a missing one', () => {
    expect(apply({ a: 1 }, [{ op: 'replace', path: '/a', value: null }])).toEqual({ a: null })
    expect(apply({ a: null }, [{ op: 'test', path: '/a', value: null }])).toEqual({ a: null })
    expect(refusal({ a: 1 }, [{ op: 'replace', path: '/a' }]).path).toBe('patch.0.value')
    expect(refusal({}, [{ op: 'test', path: '/a', value: null }]).path).toBe('patch.0.path')
  })

  test.each([
    ['a path without a slash', { op: 'remove', path: 'a' }, 'path'],
    ['a path with a bare tilde', { op: 'remove', path: '/a~2' }, 'path'],
    ['an index that is none', { op: 'remove', path: '/list/x' }, 'path'],
    ['the length of an array', { op: 'replace', path: '/list/length', value: 0 }, 'path'],
    ['an index with a leading zero', { op: 'remove', path: '/list/00' }, 'path'],
    ['a negative index', { op: 'remove', path: '/list/-1' }, 'path'],
    ['an index beyond the end', { op: 'add', path: '/list/9', value: 1 }, 'path'],
    ['the place behind the last, to be removed', { op: 'remove', path: '/list/-' }, 'path'],
    ['an index that is gone once the value is moved', { op: 'move', from: '/list/0', path: '/list/2' }, 'path'],
    ['a place within what is moved', { op: 'move', from: '/a', path: '/a/b' }, 'path'],
    ['a key of a text', { op: 'add', path: '/text/b', value: 1 }, 'path'],
    ['no from', { op: 'move', path: '/b' }, 'from'],
    ['a from that is not there', { op: 'copy', from: '/nowhere', path: '/b' }, 'from'],
    ['what every object inherits', { op: 'copy', from: '/toString', path: '/b' }, 'from'],
    ['an inherited key to be removed', { op: 'remove', path: '/hasOwnProperty' }, 'path'],
  ])('with %s is refused', (_name, operation, field) => {
    expect(refusal({ a: {}, list: [1, 2], text: 'abc' }, [operation]).path).toBe(`patch.0.${field}`)
  })

  test.each(['/__proto__/polluted', '/constructor/prototype/polluted', '/a/__proto__', '/prototype'])(
    'whose path is %s is refused and changes no prototype',
    (path) => {
      expect(refusal({ a: {} }, [{ op: 'add', path, value: { polluted: true } }]).path).toBe('patch.0.path')
      expect(refusal({ a: {} }, [{ op: 'copy', from: path, path: '/b' }]).path).toBe('patch.0.from')
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    },
  )

  test('holds the names of methods as plain data', () => {
    const patched = apply({}, [
      { op: 'add', path: '/toString', value: 'ts' },
      { op: 'add', path: '/length', value: 2 },
      { op: 'add', path: '/hasOwnProperty', value: 1 },
    ])
    expect(patched).toEqual({ toString: 'ts', length: 2, hasOwnProperty: 1 })
  })

  test('that doubles the document again and again is refused before it fills the memory', () => {
    const doubling = Array.from({ length: 60 }, (_, n) => ({ op: 'copy', from: '/a', path: `/a/${n}` }))
    expect(refusal({ a: { x: 'x'.repeat(100) } }, doubling).message).toContain('262,144 characters')
  })

  test('that nests the document in itself is refused at 64 levels', () => {
    const nesting = Array.from({ length: 70 }, () => ({ op: 'copy', from: '', path: '/a' }))
    expect(refusal({}, nesting).message).toContain('64 levels')
  })

  test('of over 500 operations is refused', () => {
    const tests = Array(501).fill({ op: 'test', path: '', value: {} })
    expect(apply({}, tests.slice(1))).toEqual({})
    expect(refusal({}, tests)).toEqual({ path: 'patch', message: "'patch' may hold at most 500 operations." })
  })

  describe('that reads and writes more than 2,097,152 characters is refused at the operation that does', () => {
    const wide = Object.fromEntries(Array.from({ length: 8_000 }, (_, n) => [`key${n}`, n]))
    const document = { a: wide, b: null }
    const moving = Array.from({ length: 250 }, () => [
      { op: 'move', from: '/a', path: '/c' },
      { op: 'move', from: '/c', path: '/a' },
    ])
    const [at, sentence] = [/^patch\.(?:[6-9]|1\d)$/, /^The patch reads and writes over 2,097,152 characters/]

    test.each([
      ['copies', Array(400).fill({ op: 'copy', from: '/a', path: '/b' })],
      ['tests', Array(400).fill({ op: 'test', path: '/a', value: wide })],
      ['moves', moving.flat()],
      ['replaced values', Array(400).fill({ op: 'replace', path: '/b', value: wide })],
    ])('by %s', (_name, patch) => {
      const { path, message } = refusal(document, patch)
      expect(path).toMatch(at)
      expect(message).toMatch(sentence)
    })

    test('by the length of its paths', () => {
      const from = '/nowhere'.repeat(30_000)
      expect(refusal(document, Array(400).fill({ op: 'add', path: '/b', value: 1, from })).message).toMatch(sentence)
    })

    test('or weighs a document that is not there', () => {
      const key = 'k'.repeat(90_000)
      const added = Array.from({ length: 4 }, () => [
        { op: 'add', path: `/${key}`, value: 1 },
        { op: 'remove', path: `/${key}` },
      ])
      const patch = [...added.flat(), { op: 'remove', path: '' }, { op: 'add', path: '', value: { b: 1 } }]
      expect(apply({ a: 1 }, patch)).toEqual({ b: 1 })
    })

    test('and hundreds of small changes to a large document are not', () => {
      const small = Array.from({ length: 250 }, (_, n) => [
        { op: 'replace', path: `/a/key${n}`, value: -n },
        { op: 'move', from: `/a/key${n + 1_000}`, path: `/a/moved${n}` },
      ])
      const large = { ...document, text: 'x'.repeat(262_144 - JSON.stringify(document).length - 1_000) }
      expect(apply(large, small.flat()).a).toMatchObject({ key249: -249, moved249: 1_249 })
    })
  })

  test('takes and compares lists as long as the document may be', () => {
    const zeros = Array<number>(120_000).fill(0)
    expect(apply({ a: 1 }, [{ op: 'add', path: '/a', value: zeros }])).toEqual({ a: zeros })
    const ones = zeros.map(() => 1)
    expect(refusal({ a: zeros }, [{ op: 'test', path: '/a', value: ones }]).path).toBe('patch.0.value')
  })

  test('compares as JSON does: whatever the order of keys, and no list with an object', () => {
    const document = { a: { x: 1, y: [null, 0, 'z'] } }
    expect(apply(document, [{ op: 'test', path: '/a', value: { y: [null, -0, 'z'], x: 1 } }])).toEqual(document)
    for (const value of [{ x: 1 }, { x: 1, y: { 0: null, 1: 0, 2: 'z' } }, { x: 1, z: [] }, [1], null, { ...document.a, q: 1 }]) {
      expect(refusal(document, [{ op: 'test', path: '/a', value }]).path, JSON.stringify(value)).toBe('patch.0.value')
    }
  })

  test('keeps what it copies apart from what it was copied from, and from the value given', () => {
    const value = { n: [1] }
    const patch = [
      { op: 'add', path: '/a', value },
      { op: 'copy', from: '/a', path: '/b' },
      { op: 'add', path: '/c', value },
      { op: 'add', path: '/b/n/-', value: 2 },
      { op: 'replace', path: '/c/n/0', value: 3 },
    ]
    expect(apply({}, patch)).toEqual({ a: { n: [1] }, b: { n: [1, 2] }, c: { n: [3] } })
    expect(value).toEqual({ n: [1] })
  })

  test('turns any document into any other', () => {
    const documents = fc.dictionary(
      fc.string().filter((key) => !['__proto__', 'constructor', 'prototype'].includes(key)),
      fc.jsonValue({ maxDepth: 3 }),
    )
    fc.assert(
      fc.property(documents, documents, (from, to) => {
        const plain = JSON.parse(JSON.stringify([from, to])) as [JsonObject, JsonObject]
        fc.pre(!/__proto__|constructor|prototype/.test(JSON.stringify(plain)))
        const patch = createPatch(plain[0], plain[1])
        expect(apply(plain[0], patch)).toEqual(plain[1])
      }),
      { numRuns: 200 },
    )
  })
})
