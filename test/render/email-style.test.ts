import fc from 'fast-check'
import { expect, test } from 'vitest'
import { contrast } from '../../src/render/color.ts'
import { buttonColors, DARK, LIGHT, tonesOf } from '../../src/render/email-style.ts'

const color = fc.integer({ min: 0, max: 0xffffff }).map((number) => `#${number.toString(16).padStart(6, '0')}`)

test('Buttons and links can be read in light and in dark, whatever the colours of the brand are', () => {
  fc.assert(
    fc.property(color, fc.option(color), (ground, ink) => {
      const { light, dark } = buttonColors(ground, ink)
      expect(contrast(light.ground, light.ink)).toBeGreaterThanOrEqual(4.5)
      expect(contrast(dark.ground, dark.ink)).toBeGreaterThanOrEqual(4.5)
      // A button is seen as one, also where the card is as dark as it.
      expect(contrast(dark.ground, DARK.card)).toBeGreaterThanOrEqual(3)
      const tones = tonesOf({ primary: ground })
      expect(contrast(tones.light, LIGHT.card)).toBeGreaterThanOrEqual(4.5)
      expect(contrast(tones.dark, DARK.card)).toBeGreaterThanOrEqual(4.5)
    }),
    { numRuns: 2_000 },
  )
})

test('Every text of ours can be read on every ground that it stands on', () => {
  for (const { ink, soft, card, page, shade } of [LIGHT, DARK]) {
    for (const ground of [card, shade]) expect(contrast(ink, ground)).toBeGreaterThanOrEqual(4.5)
    for (const ground of [card, page]) expect(contrast(soft, ground)).toBeGreaterThanOrEqual(4.5)
  }
})
