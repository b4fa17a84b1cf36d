import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHANNELS } from '../../src/channels/provider.ts'
import type { RenderedBrand } from '../../src/render/brand.ts'
import type { Content } from '../../src/render/element.ts'
import { smsText } from '../../src/render/sms.ts'
import { RenderRefusal } from '../../src/render/template.ts'
import { type Given, renderContent } from './job.ts'

const BRAND: RenderedBrand = {
  id: 'acme',
  name: 'Acme',
  colors: { primary: '#0a7' },
  logo: { url: 'https://acme.example/logo.png', href: 'https://acme.example/' },
  email: { header: 'News for {{profile.name}}', footer: 'Acme Ltd, {{tenant.town}}\n\n{{> imprint}}' },
  snippets: new Map([['imprint', 'Registered as {{brand.name}} in {{tenant.name}}']]),
}
const URLS = { unsubscribe: 'https://c.example/u?t=1&s=2', preferences: 'https://c.example/p?t=1' }

const CONTENT: Content = { title: 'Hello {{name}}', body: 'Your order {{order.id}} is ready.' }
const DATA = { name: 'Ada', order: { id: 7 } }

type Over = Given & { readonly content?: Content }
const say = ({ content = CONTENT, ...given }: Over = {}) => renderContent(content, { data: DATA, ...given })
const email = (over: Over = {}) => say({ ...over, channel: 'EMAIL' }) as Promise<{ subject: string; text: string; html: string }>

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
  test('says what the template says with the values in it', async () => {
    const title = 'Hello Ada'
    const body = 'Your order 7 is ready.'
    const text = `${title}\n\n${body}`
    expect(await email()).toMatchObject({ subject: title, text })
    expect(await say({ channel: 'SMS' })).toEqual({ text, payload: { encoding: 'GSM_7', characters: 33, segments: 1 } })
    expect(await say({ channel: 'PUSH' })).toEqual({ title, text: body, payload: DATA })
    expect(await say({ channel: 'INBOX' })).toEqual({ title, text: body, preview: body, actions: [], payload: DATA })
    expect(await say({ channel: 'DIRECT_MESSAGE' })).toEqual({
      text,
      blocks: [
        { kind: 'heading', level: 1, spans: [{ text: title }] },
        { kind: 'text', spans: [{ text: body }] },
      ],
    })
    expect(await say({ channel: 'WEBHOOK' })).toEqual({
      title,
      text: body,
      actions: [],
      payload: { messageId: 'msg_1', title, body, actions: [], data: DATA },
    })
  })

  test('says a text without variables as it stands', async () => {
    for (const channel of CHANNELS) {
      const said = await say({ channel, content: { title: 'A } {b} \\', body: '50 % \\ {x}' } })
      expect(JSON.stringify(said)).toContain(JSON.stringify('50 % \\ {x}').slice(1, -1))
    }
  })

  test('refuses a text beyond its limits', async () => {
    const content = { title: '{{big}}', body: '{{big}}' }
    for (const channel of CHANNELS) {
      await expect(say({ channel, content, data: { big: 'x'.repeat(600_000) } })).rejects.toThrow(RenderRefusal)
    }
  })

  test('refuses a document that has nothing for it, by name', async () => {
    const content: Content = { elements: [{ type: 'text', content: 'Hi', channels: ['webhook'] }] }
    for (const channel of CHANNELS.filter((one) => one !== 'WEBHOOK')) {
      await expect(say({ channel, content })).rejects.toThrow(`The content says nothing on ${channel}: no element is for it.`)
    }
  })

  test('fails at a variable that leads nowhere, where the template asks for it, and names element, line and variable', async () => {
    const content: Content = { title: 'Hi', elements: [{ type: 'text', content: 'one\ntwo {{nobody}}' }] }
    for (const channel of CHANNELS) {
      const refused = say({ channel, content, onMissing: 'FAIL' })
      await expect(refused).rejects.toThrow(/^elements\.0\.content: line 2: .*nobody/)
      await expect(say({ channel, content })).resolves.toBeDefined()
    }
  })
})

describe('A branded email', () => {
  const branded = (over: Over = {}) =>
    email({
      brand: BRAND,
      profile: { name: 'Grace' },
      tenant: { id: 't1', name: 'North', town: 'Bremen' },
      ...over,
    })

  test('has the logo on top, linked, and described by the name of the brand where nothing else does', async () => {
    const { html } = await branded()
    const [, logo] = /<a\s+href="https:\/\/acme\.example\/"[^>]*>\s*<img\s([^>]*)>/.exec(html)!
    for (const said of ['src="https://acme.example/logo.png"', 'alt="Acme"', 'width="140"']) expect(logo).toContain(said)
    expect(html.indexOf('<img')).toBeLessThan(html.indexOf('<h1'))
  })

  test('has its header above and its footer below, variables and snippets filled in, in both parts', async () => {
    const { html, text } = await branded()
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
  ])('wears %s, as far as it can be read on dark', async (primary, bar) => {
    const { html } = await branded({ brand: { ...BRAND, colors: { primary } } })
    expect(html).toContain(`border-top:4px solid ${bar}`)
    expect(html).toMatch(/\.tone\{color:#[0-9a-f]{6}!important\}/)
  })

  test('says that it can be shown light and dark, and loads nothing but the logo', async () => {
    const { html } = await branded({ urls: URLS })
    expect(html).toContain('<meta name="color-scheme" content="light dark">')
    expect(html.match(/(?:src|url\(|@import|<link|<script)[^>]*/g)).toEqual([expect.stringContaining('acme.example/logo.png')])
  })

  test('lets nothing into a style or an address that is no colour and no web address, whatever the row says', async () => {
    const { html } = await branded({
      brand: {
        ...BRAND,
        colors: { primary: 'red;background:url(https://evil.example)' },
        logo: { url: 'javascript:alert(1)', href: 'javascript:alert(1)' },
      },
    })
    expect(html).not.toContain('evil.example')
    expect(html).not.toContain('javascript:')
    const other = await branded({ brand: { ...BRAND, logo: { ...BRAND.logo!, href: ' data:text/html,x' } } })
    expect(other.html).not.toContain('data:')
  })

  test('keeps its variables from what is not meant for readers', async () => {
    const { subject } = await branded({ content: { body: '{{brand.email.footer}}{{brand.snippets}}|' } })
    expect(subject).toBe('|')
  })
})

describe('The line that leads out', () => {
  test('stands in both parts where there is a page to unsubscribe, and names the preferences where they have one', async () => {
    const { html, text } = await email({ urls: URLS })
    expect(html).toContain('href="https://c.example/u?t=1&amp;s=2"')
    expect(html).toContain('href="https://c.example/p?t=1"')
    expect(text).toMatch(
      /\n-- \nUnsubscribe: https:\/\/c\.example\/u\?t=1&s=2\nManage preferences: https:\/\/c\.example\/p\?t=1$/,
    )
    const alone = await email({ urls: { ...URLS, preferences: null } })
    expect(alone.html + alone.text).not.toContain('preferences')
  })

  test('does not stand where there is none, though a text may still name the preferences', async () => {
    const { html, text } = await email({ content: { body: 'See {{urls.preferences}}' }, urls: { ...URLS, unsubscribe: null } })
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
  const context = (v: string): Over => ({
    content: { title: 'T {{v}}', body: 'A {{v}} B' },
    data: { v, secret: 'SECRET' },
    brand: { ...BRAND, name: v, email: { header: 'H {{v}}', footer: 'F {{profile.v}} {{tenant.name}}' } },
    profile: { v },
    tenant: { id: v, name: v, v },
    urls: URLS,
  })
  /** HTML with the tags and attributes it has, and no texts but those of its author. */
  const shapeOf = (html: string) =>
    html
      .replaceAll(/\s(?:alt|aria-label)="[^"<>]*"/g, '')
      .replaceAll(/>[^<]*/g, '>')
      .replaceAll('<br>', '')

  test('of the HTML: its tags and attributes are the same for every value, and the text shows the value', async () => {
    const plain = shapeOf((await email(context('x'))).html)
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        const { html } = await email(context(v))
        expect(shapeOf(html)).toBe(plain)
        expect(shown(html)).toContain(`A ${v} B`.split(/[\n\r]/)[0]!.trim())
      }),
    )
  })

  test('of the subject and of titles: they stay one line', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        const titled = ['PUSH', 'INBOX', 'WEBHOOK'] as const
        const lines = [(await email(context(v))).subject]
        for (const channel of titled) lines.push((await say({ ...context(v), channel })).title!)
        for (const line of lines) expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
      }),
    )
  })

  test('of the text part: nothing in it is escaped or read again', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        expect((await email(context(v))).text).toContain(`A ${v} B`)
        expect((await say({ ...context(v), channel: 'SMS' })).text).toContain(`A ${smsText(v)} B`)
      }),
    )
  })

  test("of a webhook's JSON: what is parsed is what was sent", async () => {
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        const { payload } = await say({ ...context(v), channel: 'WEBHOOK' })
        expect(JSON.parse(JSON.stringify(payload))).toEqual({
          messageId: 'msg_1',
          title: `T ${v}`,
          body: `A ${v} B`,
          actions: [],
          data: { v, secret: 'SECRET' },
        })
      }),
    )
  })

  test('and what is rendered twice is the same', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, fc.constantFrom(...CHANNELS), async (v, channel) => {
        expect(await say({ ...context(v), channel })).toEqual(await say({ ...context(v), channel }))
      }),
    )
  })
})
