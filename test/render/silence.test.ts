import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/channels/provider.ts'
import { render } from '../../src/render/content.ts'
import type { Content } from '../../src/render/element.ts'
import { jobOf, renderContent } from './job.ts'

const READ: readonly Channel[] = ['EMAIL', 'SMS', 'PUSH', 'INBOX', 'DIRECT_MESSAGE']
const NOTHING = 'what is for it is empty, or left out by its conditions'

const EMPTY: { readonly [what: string]: Content } = {
  'elements whose conditions do not hold': { elements: [{ type: 'text', content: 'Hi', if: 'data.there' }] },
  'a title and a body that print nothing': { title: '{{first}} ', body: '{{second}}' },
  'a line between elements that are not shown': {
    elements: [{ type: 'text', content: '{{first}}' }, { type: 'divider' }, { type: 'text', content: '{{second}}' }],
  },
  'a loop over nothing': { elements: [{ type: 'group', loop: 'data.items', elements: [{ type: 'text', content: '{{item}}' }] }] },
}

const inside = (channel: Channel, raw: object): Content =>
  ({ elements: [{ type: 'channel', channel: channel.toLowerCase(), raw }] }) as unknown as Content

describe('A message that came to nothing is refused', () => {
  for (const [what, content] of Object.entries(EMPTY)) {
    test.each(READ)(`of ${what}: on %s`, async (channel) => {
      await expect(renderContent(content, { channel, data: { items: [] } })).rejects.toThrow(`on ${channel}: ${NOTHING}`)
    })
  }

  test('in an email of its author’s own HTML, with nothing to read or see in it', async () => {
    const raw = inside('EMAIL', { html: '<p>{{first}}</p>', subject: '{{second}}' })
    await expect(renderContent(raw)).rejects.toThrow(NOTHING)
    const element: Content = { elements: [{ type: 'html', content: '<p>{{first}}</p>' }] }
    await expect(renderContent(element)).rejects.toThrow(NOTHING)
  })

  test('in an email that a brand surrounds with words of its own', async () => {
    const brand = {
      id: 'acme',
      name: 'Acme',
      colors: {},
      snippets: new Map(),
      email: { header: 'The shop', footer: 'Veldstraat 4' },
    }
    await expect(renderContent(EMPTY['a loop over nothing']!, { brand })).rejects.toThrow(NOTHING)
  })

  test('where the channel does not show what there is: a picture nobody describes, in a text message or a push', async () => {
    const content: Content = { elements: [{ type: 'image', src: 'https://shop.test/a.png' }] }
    for (const channel of ['SMS', 'PUSH'] as const) await expect(renderContent(content, { channel })).rejects.toThrow(NOTHING)
    for (const channel of ['EMAIL', 'DIRECT_MESSAGE'] as const) {
      await expect(renderContent(content, { channel })).resolves.toBeDefined()
    }
  })
})

describe('A message is rendered', () => {
  test.each(READ)('that has a title alone: on %s', async (channel) => {
    await expect(renderContent({ title: 'Ready' }, { channel })).resolves.toBeDefined()
  })

  test('to a webhook, which brings the data', async () => {
    const { payload } = await renderContent(EMPTY['a loop over nothing']!, { channel: 'WEBHOOK', data: { items: [] } })
    expect(payload).toMatchObject({ data: { items: [] } })
  })

  test('of a picture alone, in HTML of its author’s own', async () => {
    const html = '<img src="https://shop.test/a.png" alt="">'
    await expect(renderContent(inside('EMAIL', { html }))).resolves.toBeDefined()
    await expect(renderContent({ elements: [{ type: 'html', content: html }] })).resolves.toBeDefined()
  })

  test.each(READ)('empty, where the send brings words of its own: on %s', async (channel) => {
    await expect(render({ ...jobOf(EMPTY['a loop over nothing']!, { channel }), mayBeSilent: true })).resolves.toBeDefined()
  })
})
