import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHANNELS } from '../../src/channels/provider.ts'
import type { RenderedBrand } from '../../src/render/brand.ts'
import { type RenderInput, render } from '../../src/render/content.ts'
import { RenderRefusal } from '../../src/render/template.ts'

const BRAND: RenderedBrand = {
  id: 'acme',
  name: 'Acme',
  colors: { primary: '#0a7' },
  logo: { url: 'https://acme.example/logo.png', href: 'https://acme.example/' },
  email: { header: 'News for {{profile.name}}', footer: 'Acme Ltd, {{tenant.town}}\n\n{{> imprint}}' },
  snippets: new Map([['imprint', 'Registered as {{brand.name}} in {{tenant.name}}']]),
}
const URLS = { unsubscribe: 'https://c.example/u?t=1&s=2', preferences: 'https://c.example/p?t=1' }

const input = (over: Partial<RenderInput> = {}): RenderInput => ({
  content: { title: 'Hello {{name}}', body: 'Your order {{order.id}} is ready.' },
  data: { name: 'Ada', order: { id: 7 } },
  messageId: 'msg_1',
  ...over,
})
const email = (over: Partial<RenderInput> = {}) => render('EMAIL', input(over)) as { subject: string; text: string; html: string }

/** What a reader of HTML sees, its paragraphs on lines of their own. */
const shown = (html: string) =>
  html
    .replace(/<head>.*<\/head>/s, '')
    .replaceAll(/<br>|<\/p>|<\/h1>|<\/div>/g, '\n')
    .replaceAll(/<[^>]*>/g, '')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&amp;', '&')

describe('Every channel', () => {
  test('says what the template says with the values in it', () => {
    const title = 'Hello Ada'
    const body = 'Your order 7 is ready.'
    const { data } = input()
    expect(email()).toMatchObject({ subject: title, text: `${title}\n\n${body}` })
    expect(render('SMS', input())).toEqual({ text: `${title}\n\n${body}` })
    expect(render('PUSH', input())).toEqual({ title, text: body, payload: data })
    expect(render('INBOX', input())).toEqual({ title, text: body, payload: data })
    expect(render('DIRECT_MESSAGE', input())).toEqual({ text: `${title}\n\n${body}` })
    expect(render('WEBHOOK', input())).toEqual({ title, text: body, payload: { messageId: 'msg_1', title, body, data } })
  })

  test('says a text without variables as it stands', () => {
    for (const channel of CHANNELS) {
      const said = render(channel, input({ content: { title: 'A } {b} \\', body: '50 % \\ {x}' } }))
      expect(JSON.stringify(said)).toContain(JSON.stringify('50 % \\ {x}').slice(1, -1))
    }
  })

  test('refuses a text beyond its limits', () => {
    const content = { title: '{{big}}', body: '{{big}}' }
    for (const channel of CHANNELS) {
      expect(() => render(channel, input({ content, data: { big: 'x'.repeat(600_000) } }))).toThrow(RenderRefusal)
    }
  })
})

describe("A tenant's properties", () => {
  test('are seen beside its id and name, which go before properties of that name', () => {
    const tenant = { id: 't1', name: 'North', properties: { plan: 'gold', name: 'not this' } }
    const content = { title: '{{tenant.id}} {{tenant.name}} {{tenant.plan}}' }
    expect(email({ content, tenant }).subject).toBe('t1 North gold')
  })
})

describe('A branded email', () => {
  const branded = (over: Partial<RenderInput> = {}) =>
    email({
      brand: BRAND,
      profile: { name: 'Grace' },
      tenant: { id: 't1', name: 'North', properties: { town: 'Bremen' } },
      ...over,
    })

  test('has the logo on top, linked, and described by the name of the brand where nothing else does', () => {
    const { html } = branded()
    expect(html).toMatch(
      /<a href="https:\/\/acme\.example\/"><img [^>]*src="https:\/\/acme\.example\/logo\.png" alt="Acme" width="140"/,
    )
    expect(html.indexOf('<img')).toBeLessThan(html.indexOf('<h1'))
  })

  test('has its header above and its footer below, variables and snippets filled in, in both parts', () => {
    const { html, text } = branded()
    const order = ['News for Grace', 'Hello Ada', 'Your order 7 is ready.', 'Acme Ltd, Bremen', 'Registered as Acme in North']
    for (const part of [shown(html), text]) {
      const places = order.map((line) => part.indexOf(line))
      expect(places).toEqual([...places].sort((a, b) => a - b))
      expect(places[0]).toBeGreaterThanOrEqual(0)
    }
    expect(text).toContain('Your order 7 is ready.\n\n-- \nAcme Ltd, Bremen\n\nRegistered')
  })

  test.each([
    ['#0a7', '#00aa77'],
    ['yellow', '#ffff00'],
    ['NAVY', '#000080'],
  ])('wears %s, in headings as far as it can be read on light and dark', (primary, bar) => {
    const { html } = branded({ brand: { ...BRAND, colors: { primary } } })
    expect(html).toContain(`border-top:4px solid ${bar}`)
    expect(html).toMatch(/<h1 class="tone" style="[^"]*;color:#[0-9a-f]{6}">/)
    expect(html).toMatch(/\.tone\{color:#[0-9a-f]{6}!important\}/)
  })

  test('says that it can be shown light and dark, and loads nothing but the logo', () => {
    const { html } = branded({ urls: URLS })
    expect(html).toContain('<meta name="color-scheme" content="light dark">')
    expect(html.match(/(?:src|url\(|@import|<link|<script)[^>]*/g)).toEqual([expect.stringContaining('acme.example/logo.png')])
  })

  test('lets nothing into a style or an address that is no colour and no web address, whatever the row says', () => {
    const { html } = branded({
      brand: {
        ...BRAND,
        colors: { primary: 'red;background:url(https://evil.example)' },
        logo: { url: 'javascript:alert(1)', href: 'javascript:alert(1)' },
      },
    })
    expect(html).not.toContain('evil.example')
    expect(html).not.toContain('javascript:')
    expect(branded({ brand: { ...BRAND, logo: { ...BRAND.logo!, href: ' data:text/html,x' } } }).html).not.toContain('data:')
  })

  test('keeps its variables from what is not meant for readers', () => {
    expect(branded({ content: { body: '{{brand.email.footer}}{{brand.snippets}}|' } }).subject).toBe('|')
  })
})

describe('The line that leads out', () => {
  test('stands in both parts where there is a page to unsubscribe, and names the preferences where they have one', () => {
    const { html, text } = email({ urls: URLS })
    expect(html).toContain('href="https://c.example/u?t=1&amp;s=2"')
    expect(html).toContain('href="https://c.example/p?t=1"')
    expect(text).toMatch(
      /\n-- \nUnsubscribe: https:\/\/c\.example\/u\?t=1&s=2\nManage preferences: https:\/\/c\.example\/p\?t=1$/,
    )
    const alone = email({ urls: { ...URLS, preferences: null } })
    expect(alone.html + alone.text).not.toContain('preferences')
  })

  test('does not stand where there is none, though a text may still name the preferences', () => {
    const { html, text } = email({ content: { body: 'See {{urls.preferences}}' }, urls: { ...URLS, unsubscribe: null } })
    expect(text).toBe('See https://c.example/p?t=1')
    expect(html).not.toContain('<a ')
  })
})

describe('No value breaks out of its place', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.constantFrom(
      '<img src=x onerror=alert(1)>',
      '"><script>alert(1)</script>',
      '</title><script>',
      "' onmouseover='alert(1)",
      '{{secret}}',
      '{{> imprint}}',
      'a\r\nBcc: evil@example.com\r\n\r\nx',
      '\u2028\u202egpj.exe',
      '</td></tr></table>',
      '&lt;b&gt;',
      '-->',
    ),
  )
  const sayIt = { title: 'T {{v}}', body: 'A {{v}} B' }
  const context = (v: string): Partial<RenderInput> => ({
    content: sayIt,
    data: { v, secret: 'SECRET' },
    brand: { ...BRAND, name: v, email: { header: 'H {{v}}', footer: 'F {{profile.v}} {{tenant.name}}' } },
    profile: { v },
    tenant: { id: v, name: v, properties: { v } },
    urls: URLS,
  })
  const tagsOf = (html: string) =>
    [...new Set(html.match(/<[^>]*>/g))].filter((tag) => !/^<(?:br|\/?p|p style="[^"]*")>$/.test(tag))
  const withoutAlt = (tags: readonly string[]) => tags.map((tag) => tag.replace(/ alt="[^"<>]*"/, ''))

  test('of the HTML: its tags and attributes are the same for every value, and the text shows the value', () => {
    const plain = withoutAlt(tagsOf(email(context('x')).html))
    fc.assert(
      fc.property(nasty, (v) => {
        const { html } = email(context(v))
        expect(withoutAlt(tagsOf(html))).toEqual(plain)
        expect(shown(html)).toContain(`A ${v} B`.split(/\n{2,}/)[0]!.trim())
      }),
    )
  })

  test('of the subject and of titles: they stay one line', () => {
    fc.assert(
      fc.property(nasty, (v) => {
        const lines = [
          email(context(v)).subject,
          ...(['PUSH', 'INBOX', 'WEBHOOK'] as const).map((one) => render(one, input(context(v))).title),
        ]
        for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
      }),
    )
  })

  test('of the text part: nothing in it is escaped or read again', () => {
    fc.assert(
      fc.property(nasty, (v) => {
        expect(email(context(v)).text).toContain(`A ${v} B`)
        expect(render('SMS', input(context(v))).text).toContain(`A ${v} B`)
      }),
    )
  })

  test("of a webhook's JSON: what is parsed is what was sent", () => {
    fc.assert(
      fc.property(nasty, (v) => {
        const { payload } = render('WEBHOOK', input(context(v)))
        expect(JSON.parse(JSON.stringify(payload))).toEqual({
          messageId: 'msg_1',
          title: `T ${v}`,
          body: `A ${v} B`,
          data: { v, secret: 'SECRET' },
        })
      }),
    )
  })

  test('and what is rendered twice is the same', () => {
    fc.assert(
      fc.property(nasty, fc.constantFrom(...CHANNELS), (v, channel) => {
        expect(render(channel, input(context(v)))).toEqual(render(channel, input(context(v))))
      }),
    )
  })
})
