import fc from 'fast-check'
import { expect, test } from 'vitest'
import { COLOR_NAMES, contrast, hexOf, readableOn } from '../../src/render/color.ts'

const hex = fc.integer({ min: 0, max: 0xffffff }).map((value) => `#${value.toString(16).padStart(6, '0')}`)

test('A colour is #rgb, #rrggbb or a name, in any case', () => {
  expect(hexOf('#0A7')).toBe('#00aa77')
  expect(hexOf('#00aa77')).toBe('#00aa77')
  expect(hexOf('Teal')).toBe('#008080')
  for (const other of ['', '#', '#12', '#12345', '#1234567', 'red;', 'rgb(0,0,0)', 'constructor', '#0a7 ', 'url(x)', '#0a7\n']) {
    expect(hexOf(other), other).toBeNull()
  }
  fc.assert(fc.property(fc.string(), (text) => hexOf(text) === null || /^#[0-9a-f]{6}$/.test(hexOf(text)!)))
  for (const name of Object.keys(COLOR_NAMES)) expect(hexOf(name)).toMatch(/^#[0-9a-f]{6}$/)
})

test('A colour is moved until it can be read on its ground, and left alone where it already can', () => {
  expect(contrast('#000000', '#ffffff')).toBeCloseTo(21)
  fc.assert(
    fc.property(hex, fc.constantFrom('#ffffff', '#1d232a'), (color, ground) => {
      expect(contrast(readableOn(ground, color), ground)).toBeGreaterThanOrEqual(4.5)
      if (contrast(color, ground) >= 4.5) expect(readableOn(ground, color)).toBe(color)
    }),
  )
})
