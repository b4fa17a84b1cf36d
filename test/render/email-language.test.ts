import { describe, expect, test } from 'vitest'
import type { Content } from '../../src/render/element.ts'
import { type Given, renderContent } from './job.ts'

const send = (content: Content, given: Given = {}) => renderContent(content, given) as Promise<{ html: string }>
const TRANSLATED: Content = {
  elements: [
    {
      type: 'text',
      content: 'Hello',
      locales: { fr: { content: 'Bonjour' }, he: { content: 'שלום' }, 'fr-CA': { content: 'Allô' } },
    },
  ],
}
const languages = (html: string) => new Set([...html.matchAll(/\slang="([^"]*)"/g)].map(([, lang]) => lang))
const directions = (html: string) =>
  new Set([...html.matchAll(/\sdir="([^"]*)"|direction:(\w+)/g)].map((one) => one[1] ?? one[2]))

describe('The language of an email', () => {
  test.each([
    ['fr-BE', 'Bonjour', 'fr'],
    ['fr_ca', 'Allô', 'fr-CA'],
    ['he-IL', 'שלום', 'he'],
  ])('for a reader of %s is that of the words it says', async (locale, words, lang) => {
    const { html } = await send(TRANSLATED, { locale })
    expect(html).toContain(words)
    expect(languages(html)).toEqual(new Set([lang]))
  })

  test.each([null, 'de', 'ar', 'no locale'])('is not named where it says its base words (%s)', async (locale) => {
    const { html } = await send(TRANSLATED, { locale })
    expect(languages(html)).toEqual(new Set())
    expect(directions(html)).toEqual(new Set(['auto', 'ltr']))
  })

  test("is the reader's where both are written from right to left, as when all words come with the data", async () => {
    expect(languages((await send({ body: 'مرحبا {{name}}' }, { locale: 'ar' })).html)).toEqual(new Set(['ar']))
    expect(languages((await send({ body: 'مرحبا {{name}}' }, { locale: 'fa' })).html)).toEqual(new Set(['fa']))
    expect(languages((await send({ body: '{{text}}' }, { locale: 'fa_IR', data: { text: 'سلام' } })).html)).toEqual(
      new Set(['fa-IR']),
    )
    expect(languages((await send({ body: 'مرحبا' }, { locale: 'fr' })).html)).toEqual(new Set())
  })

  test('is found in a time that the length of its words explains, whatever they open and never close', async () => {
    for (const opened of ['<', '<a ', '{{{{ ']) {
      const element = { type: 'html' as const, content: `\\${opened.repeat(60_000 / opened.length)}` }
      const begin = process.cpuUsage()
      await send({ elements: Array.from({ length: 5 }, () => element) }).catch(() => {})
      expect(process.cpuUsage(begin).user / 1_000, opened).toBeLessThan(3_000)
    }
  })

  test('stays what the layout of a brand says it is', async () => {
    const layout = '<mjml lang="it"><mj-body>{{content}}</mj-body></mjml>'
    const brand = { id: 'a', name: 'A', snippets: new Map<string, string>(), email: { layout } }
    expect(languages((await send(TRANSLATED, { brand, locale: 'fr' })).html)).toEqual(new Set(['it']))
    const own = { ...brand, email: { layout: layout.replace(' lang="it"', '') } }
    expect(languages((await send(TRANSLATED, { brand: own, locale: 'fr' })).html)).toEqual(new Set(['fr']))
  })
})

describe('An email that is written from right to left', () => {
  const ARABIC: Content = {
    elements: [
      { type: 'text', content: 'قهوة' },
      { type: 'list', list_type: 'ordered', elements: [{ type: 'list-item', content: 'أولا' }] },
      { type: 'quote', content: 'اقتباس' },
      { type: 'text', content: 'يسار', align: 'left' },
      {
        type: 'columns',
        elements: [
          { type: 'column', elements: [{ type: 'text', content: 'شاي' }] },
          { type: 'column', width: '80px', elements: [{ type: 'text', content: '4.00', align: 'right' }] },
        ],
      },
    ],
  }

  test('begins at the right: its texts, numbers of lists, the lines of quotes and its columns', async () => {
    const { html } = await send(ARABIC, { locale: 'ar' })
    expect(html).toMatch(/<html lang="ar" dir="rtl"/)
    expect(directions(html)).toEqual(new Set(['rtl']))
    expect(html).toMatch(/<div\s+style="[^"]*text-align:right[^"]*"\s*><p [^>]*>قهوة/)
    expect(html).toMatch(/<ol style="[^"]*padding:0 24px 0 0"/)
    expect(html).toMatch(/<td class="edge" style="border-right:3px/)
  })

  test('has its sides where the author set them, but in columns, which are mirrored with all that stands in them', async () => {
    const { html } = await send(ARABIC, { locale: 'ar' })
    expect(html).toMatch(/text-align:left[^"]*"\s*><p [^>]*>يسار/)
    expect(html).toMatch(/<td class="ink" align="left" width="80"[^>]*><p [^>]*>4\.00/)
  })

  test('is one whose words are, whatever its reader reads', async () => {
    expect(directions((await send(ARABIC)).html)).toEqual(new Set(['rtl']))
    expect(directions((await send({ body: 'In English' }, { locale: 'ar' })).html)).not.toContain('rtl')
  })
})
