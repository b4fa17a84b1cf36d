import { describe, expect, test } from 'vitest'
import { CHANNELS, type Rendered } from '../../src/channels/provider.ts'
import { checkContent } from '../../src/render/check.ts'
import type { Content } from '../../src/render/element.ts'
import { RenderRefusal } from '../../src/render/template.ts'
import { renderContent } from './job.ts'
import { SAMPLES } from './samples.ts'

/** What each element is on each channel, in files to be read and compared: golden/<element>.<channel>. `vitest -u` writes them anew. */

const DATA = {
  name: 'Ada <Lovelace> & *Co*',
  url: 'https://shop.example/orders/7?from=mail',
  id: 'A 7/b',
  lines: [
    { name: 'Tea', price: '€ 3.00', notes: ['green', 'loose'] },
    { name: 'Milk & honey', price: '€ 12.50', notes: [] },
  ],
}

const render = (content: Content, channel: (typeof CHANNELS)[number]) =>
  renderContent(content, { channel, data: DATA, locale: 'fr-CA' })

describe.each(Object.entries(SAMPLES))('%s', (name, content) => {
  test('can be kept', () => {
    expect(checkContent(content)).toBeNull()
  })

  test.each(CHANNELS)('says on %s what its file says', async (channel) => {
    const file = `golden/${name}.${channel.toLowerCase()}`
    const said = await render(content, channel).catch((error: unknown) => {
      if (error instanceof RenderRefusal) return error
      throw error
    })
    if (said instanceof RenderRefusal) return expect(`${said.message}\n`).toMatchFileSnapshot(`${file}.refused.txt`)
    if (channel !== 'EMAIL') return expect(`${JSON.stringify(withoutData(said), null, 2)}\n`).toMatchFileSnapshot(`${file}.json`)
    const { html, ...texts } = said
    await expect(`${html}\n`).toMatchFileSnapshot(`${file}.html`)
    return expect(`Subject: ${texts.subject}\n\n${texts.text}\n`).toMatchFileSnapshot(`${file}.txt`)
  })
})

/** Which is the same in all of them. */
function withoutData({ payload, ...said }: Rendered): Rendered {
  if (payload === undefined || JSON.stringify(payload) === JSON.stringify(DATA)) return said
  const { data: _data, ...others } = payload as Record<string, unknown>
  return Array.isArray(payload) ? { ...said, payload } : { ...said, payload: others }
}
