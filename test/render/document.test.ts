import { describe, expect, test } from 'vitest'
import { resolveDocument, speaksOn } from '../../src/render/document.ts'
import type { Content, Element } from '../../src/render/element.ts'
import { documentOf } from '../../src/render/parsed.ts'
import { jobOf, renderContent } from './job.ts'

const SLACK = { id: 'acc_slack_1', kind: 'slack' }
const text = (content: string, more: object = {}): Element => ({ type: 'text', content, ...more })
const textsFor = (content: Content, over: Partial<Parameters<typeof resolveDocument>[1]> = {}) => {
  const { nodes } = resolveDocument(content, { channel: 'SMS', provider: null, locale: null, ...over })
  const flat = (all: typeof nodes): typeof nodes => all.flatMap((node) => [node, ...flat(node.nodes)])
  return flat(nodes).flatMap(({ element }) => ('content' in element && element.content !== undefined ? [element.content] : []))
}
const say = async (elements: readonly Element[], given: Parameters<typeof renderContent>[1] = {}) =>
  (await renderContent({ elements }, { channel: 'SMS', ...given })).text

describe('A translation', () => {
  const content: Content = {
    elements: [
      text('base', { locales: { fr: { content: 'fr' }, 'fr-CA': { content: 'fr-CA' }, zh_hant: { content: 'zh-Hant' } } }),
    ],
  }

  test.each([
    ['fr-CA', 'fr-CA'],
    ['fr_ca', 'fr-CA'],
    ['FR', 'fr'],
    ['fr-BE', 'fr'],
    ['fr-CA-x-quebec', 'fr-CA'],
    ['zh-Hant-TW', 'zh-Hant'],
    ['zh', 'base'],
    ['de', 'base'],
    ['f', 'base'],
    ['', 'base'],
    [null, 'base'],
  ])('of %s is that of the nearest locale: %s', (locale, expected) => {
    expect(textsFor(content, { locale })).toEqual([expected])
  })

  test('that is wrong is named by its place', async () => {
    const action: Element = {
      type: 'action',
      content: 'Go',
      href: 'https://x.example',
      locales: { fr: { content: 'a\n{{nobody}}' } },
    }
    await expect(say([action], { locale: 'fr-CH', onMissing: 'FAIL' })).rejects.toThrow(
      /^elements\.0\.locales\.fr\.content: line 2: /,
    )
    await expect(say([action], { locale: 'de', onMissing: 'FAIL' })).resolves.toBe('Go: https://x.example')
  })
})

describe('Elements for some channels', () => {
  test('are seen on these, by kinds of their providers and by accounts', () => {
    const content: Content = {
      elements: [
        text('all'),
        text('sms', { channels: ['sms'] }),
        text('slack', { channels: ['slack'] }),
        text('account', { channels: ['email', 'acc_slack_1'] }),
      ],
    }
    expect(textsFor(content)).toEqual(['all', 'sms'])
    expect(textsFor(content, { channel: 'DIRECT_MESSAGE', provider: SLACK })).toEqual(['all', 'slack', 'account'])
    expect(textsFor(content, { channel: 'PUSH' })).toEqual(['all'])
  })

  test('take with them what they hold', () => {
    const group: Element = { type: 'group', channels: ['email'], elements: [text('inner')] }
    expect(textsFor({ elements: [group] })).toEqual([])
    expect(textsFor({ elements: [group] }, { channel: 'EMAIL' })).toEqual(['inner'])
  })

  test('say whether a content has anything for a channel', () => {
    const content: Content = {
      title: 'T',
      elements: [{ type: 'group', elements: [{ type: 'html', content: '<p>x</p>' }] }, { type: 'comment' }],
    }
    expect(speaksOn(content, 'EMAIL')).toBe(true)
    expect(speaksOn({ elements: content.elements! }, 'EMAIL')).toBe(true)
    expect(speaksOn({ elements: content.elements! }, 'SMS')).toBe(false)
  })
})

describe('A channel element', () => {
  const of = (channel: string): Element => ({ type: 'channel', channel, elements: [text(channel)] })
  const provider = SLACK
  const channel = 'DIRECT_MESSAGE'

  test('is chosen by the account, else its kind, else the channel, else the default, whatever their order', () => {
    const all = ['default', 'direct_message', 'slack', 'acc_slack_1'].map(of)
    for (const expected of ['acc_slack_1', 'slack', 'direct_message', 'default']) {
      expect(textsFor({ elements: all }, { channel, provider })).toEqual([expected])
      all.pop()
    }
    expect(textsFor({ elements: [of('email')] }, { channel, provider })).toEqual([])
  })

  test('stands beneath title and body, and carries its own conditions and loops', async () => {
    const elements: Element[] = [
      { type: 'channel', channel: 'sms', loop: 'names', if: 'item != "Bob"', elements: [text('Hi {{$.item}}')] },
      of('default'),
    ]
    const said = await renderContent(
      { title: 'T', body: 'B', elements },
      { channel: 'SMS', data: { names: ['Ada', 'Bob', 'Eve'] } },
    )
    expect(said.text).toBe('T\n\nB\n\nHi Ada\n\nHi Eve')
  })
})

describe('A loop', () => {
  test('shows an element for each entry, asks each for itself, and nothing for what is no list', async () => {
    const element = text('{{$.index}} {{$.item.n}}', { loop: 'data.list', if: 'item.n > 1.0' })
    expect(await say([text('all'), element], { data: { list: [{ n: 1 }, { n: 2 }, { n: 3 }] } })).toBe('all\n\n1 2\n\n2 3')
    for (const list of [undefined, null, 'text', 7, { a: 1 }, []])
      expect(await say([text('all'), element], { data: { list } })).toBe('all')
  })

  test('has loops in it, over what its entry holds', async () => {
    const inner = text('{{$.item}}', { loop: '$.item.tags' })
    const data = { list: [{ tags: ['a', 'b'] }, { tags: ['c'] }] }
    expect(await say([{ type: 'group', loop: 'list', elements: [inner] }], { data })).toBe('a\n\nb\n\nc')
  })

  test('ends at 1,000 entries and 10,000 elements, by the name of its element', async () => {
    const many = Array.from({ length: 1_001 }, () => 1)
    await expect(say([text('x', { loop: 'many' })], { data: { many } })).rejects.toThrow(
      'elements.0.loop: the list has 1,001 entries; a loop goes over at most 1,000.',
    )
    const nested: Element = { type: 'group', loop: 'many', elements: [text('x', { loop: 'many' })] }
    await expect(say([nested], { data: { many: many.slice(500) } })).rejects.toThrow(
      'elements.0.elements.0: more than 10,000 elements are shown.',
    )
  })

  test('does not repeat a text beyond the limit of all texts, though nothing is filled in', async () => {
    const long = text('x'.repeat(60_000), { loop: 'many' })
    await expect(say([long], { data: { many: Array.from({ length: 100 }, () => 1) } })).rejects.toThrow(
      'elements.0.content: the text is longer than 1,048,576 characters.',
    )
  })
})

describe('A text of more markdown than is read', () => {
  test('is refused by its place, also where it is many texts', async () => {
    const many = Array.from({ length: 6 }, (_, index) => text(`${index}`.repeat(50_000)))
    await expect(say(many)).rejects.toThrow('elements.5.content: a message has at most 262,144 characters of Markdown')
    const content = `{{#each many}}${'x'.repeat(50_000)}{{/each}}`
    await expect(say([text(content)], { data: { many: [1, 2, 3, 4, 5, 6] } })).rejects.toThrow(
      'elements.0.content: a message has at most 262,144 characters of Markdown; a sign counts as 4, a colon as 64.',
    )
  })
})

describe('A ref', () => {
  test('tells later elements whether its own was shown, and what it said', async () => {
    const elements = (data: object) => [
      text('Total {{n}}', { ref: 'total', if: 'data.n > 0.0' }),
      text('seen: {{refs.total.content}}', { if: 'refs.total.visible' }),
      text('unseen', { if: '!refs.total.visible' }),
      text(JSON.stringify(data), { if: 'false' }),
    ]
    expect(await say(elements({}), { data: { n: 1 } })).toBe('Total 1\n\nseen: Total 1')
    expect(await say(elements({}), { data: { n: 0 } })).toBe('unseen')
  })

  test('of an element for other channels, and of one in what was not shown, is not visible', async () => {
    const elements: Element[] = [
      text('mail', { ref: 'mail', channels: ['email'] }),
      { type: 'group', if: 'false', elements: [text('inner', { ref: 'inner' })] },
      text('neither', { if: '!refs.mail.visible && !refs.inner.visible' }),
    ]
    expect(await say(elements)).toBe('neither')
  })
})

describe('What is read of a content', () => {
  const content: Content = {
    elements: [
      text('Hello', { locales: { fr: { content: 'Bonjour' }, 'fr-CA': { content: 'Allo' } } }),
      text('Special', { channels: ['special'] }),
    ],
  }
  const read = (locale: string | null, id = 'any', of = content) =>
    documentOf(jobOf(of, { channel: 'SMS', locale, provider: { id, kind: 'twilio' } }))

  test('is one for all whom it does not tell apart', () => {
    expect(read('x-1')).toBe(read('x-2'))
    expect(read('de')).toBe(read(null, 'other'))
    expect(read('fr-BE')).toBe(read('FR_be_x'))
    expect(read('fr-ca-x')).toBe(read('fr-CA'))
    expect(new Set([read('de'), read('fr'), read('fr-CA'), read('fr', 'special')]).size).toBe(4)
  })

  test('is not kept beyond its room, however many languages it has', () => {
    const locales = Object.fromEntries(Array.from({ length: 60 }, (_, index) => [`l${index}`, { content: 'x' }]))
    const many: Content = {
      elements: [text('x', { locales }), ...Array.from({ length: 1_900 }, () => ({ type: 'divider' as const }))],
    }
    const first = read('l0', 'any', many)
    expect(read('l0', 'any', many)).toBe(first)
    for (const locale of Object.keys(locales)) read(locale, 'any', many)
    expect(read('l0', 'any', many)).not.toBe(first)
  })
})
