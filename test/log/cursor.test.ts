import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createCursors } from '../../src/log/cursor.ts'
import { createSecrets } from '../../src/secrets.ts'

const refused = expect.objectContaining({ code: 'BAD_CURSOR' })

describe('a cursor', () => {
  const cursors = createCursors(createSecrets([randomBytes(32)]))

  test('says again the place it was made for', () => {
    for (const position of [0, 1, 41, Number.MAX_SAFE_INTEGER])
      expect(cursors.decode('production', cursors.encode('production', 'e-_1', position))).toEqual({ epoch: 'e-_1', position })
  })

  test('is opaque: letters, digits, minus and underscore', () => {
    expect(cursors.encode('production', 'epoch', 7)).toMatch(/^[\w-]+$/)
  })

  test('of another environment is refused', () => {
    expect(() => cursors.decode('staging', cursors.encode('production', 'epoch', 7))).toThrow(refused)
  })

  test('of another installation is refused', () => {
    const foreign = createCursors(createSecrets([randomBytes(32)]))
    expect(() => cursors.decode('production', foreign.encode('production', 'epoch', 7))).toThrow(refused)
  })

  test('is refused with any one character changed, added or taken away', () => {
    const cursor = cursors.encode('production', 'epoch', 1234)
    for (let at = 0; at < cursor.length; at++) {
      for (const character of ['A', 'z', '-', '=', ' ']) {
        if (cursor[at] === character) continue
        expect(() => cursors.decode('production', cursor.slice(0, at) + character + cursor.slice(at + 1))).toThrow(refused)
      }
      expect(() => cursors.decode('production', cursor.slice(0, at) + cursor.slice(at + 1))).toThrow(refused)
    }
    for (const tail of ['=', 'A', '\n', '.']) expect(() => cursors.decode('production', cursor + tail)).toThrow(refused)
  })

  test('is refused whatever nonsense is sent in its place', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.base64String()), (nonsense) => {
        expect(() => cursors.decode('production', nonsense)).toThrow(refused)
      }),
    )
    expect(() => cursors.decode('production', 'A'.repeat(10_000_000))).toThrow(refused)
  })
})
