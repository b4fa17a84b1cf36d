import { createHmac } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { RenderedBrand } from '../../src/render/brand.ts'
import { checkLayout } from '../../src/render/brand-layout.ts'
import { checkContent } from '../../src/render/check.ts'
import type { Content, Element, RawContent } from '../../src/render/element.ts'
import { relinkHtml } from '../../src/render/html.ts'
import { signLink } from '../../src/render/link.ts'
import { RenderRefusal } from '../../src/render/template.ts'
import { starter } from '../support/starters.ts'
import { type Given, renderContent } from './job.ts'
import { nasty, treeOf } from './tree.ts'

const URLS = { unsubscribe: 'https://c.example/u?t=1&s=2', preferences: 'https://c.example/p?t=1' }
const BRAND: RenderedBrand = { id: 'acme', name: 'Acme', colors: { primary: '#0a7' }, snippets: new Map() }

const send = (content: Content, given: Given = {}) =>
  renderContent(content, given) as Promise<{ subject: string; text: string; html: string }>
const elements = (...all: Element[]): Content => ({ elements: all })
const raw = (content: RawContent): Content => elements({ type: 'channel', channel: 'email', raw: content })
const links = (html: string) =>
  [...html.matchAll(/<a\b[^>]*?\bhref="([^"]*)"/g)].map(([, href]) => href!.replaceAll('&amp;', '&'))

describe('Links of an email', () => {
  const CLICKS = { base: 'https://c.example/c', key: 'k' }
  const tracked = (link: string) =>
    `https://c.example/c/${createHmac('sha256', 'k').update(link).digest('base64url').slice(0, 22)}?u=${encodeURIComponent(link)}`
  const content = elements(
    { type: 'text', content: '[one](https://a.example/1?x={{v}}) and https://a.example/2 and [mail](mailto:a@a.example)' },
    { type: 'action', content: 'Three', href: 'https://a.example/3#top' },
    { type: 'action', content: 'Four', href: 'https://a.example/4', disable_tracking: true },
    {
      type: 'html',
      content: '<a href="https://a.example/5">5</a><a data-track="false" href="https://a.example/6">6</a><a href="#top">7</a>',
    },
  )

  test('lead through us where clicks are tracked, but for those whose author does not want it, and the line that leads out', async () => {
    const { html, text } = await send(content, { data: { v: 'a b' }, urls: URLS, tracking: { clicks: CLICKS } })
    expect(links(html)).toEqual([
      tracked('https://a.example/1?x=a%20b'),
      tracked('https://a.example/2'),
      'mailto:a@a.example',
      tracked('https://a.example/3#top'),
      'https://a.example/4',
      tracked('https://a.example/5'),
      'https://a.example/6',
      '#top',
      URLS.unsubscribe,
      URLS.preferences,
    ])
    expect(text).not.toContain('c.example/c')
    expect(text).toContain('Three: https://a.example/3#top')
  })

  const HTML = `<!-- <a href="https://a.example/0"> --><body onload=go()>{{x}} \ue000 &copy;
<A HREF='https://a.example/1?x=1&amp;y=2'>1</A><a href=https://a.example/2>2</a><a data-track="false" href="https://a.example/3">3</a>
<a href="javascript:go()">4</a><a href="?a=1&copy;">5</a><a href="https://a.example/6?a&#38;b">6</a><a href=" mailto:a@a.example?subject=&nbsp;">7</a>
</body></html>`

  test('of an HTML that stands over it are led alike, and all else in it stays, whatever it is', async () => {
    const given = { urls: URLS, tracking: { clicks: CLICKS, openUrl: 'https://c.example/o' }, overridingHtml: HTML }
    const { html, overridingHtml } = await renderContent({ body: 'https://a.example/own' }, given)
    const unescaped = (link: string) => tracked(link).replaceAll('&', '&amp;')
    const pixel = /<img src="https:\/\/c.example\/o"[^>]*>/.exec(html!)![0]
    expect(overridingHtml).toBe(
      HTML.replace('https://a.example/1?x=1&amp;y=2', unescaped('https://a.example/1?x=1&y=2'))
        .replace('https://a.example/2', unescaped('https://a.example/2'))
        .replace('</body>', `${pixel}</body>`),
    )
    expect(links(html!)[0]).toBe(tracked('https://a.example/own'))
    const told = await renderContent({ body: 'b' }, { overridingHtml: HTML, tracking: { utm: { source: 's' } } })
    expect(told.overridingHtml).toContain(`'https://a.example/1?x=1&amp;y=2&amp;utm_source=s'`)
    expect((await renderContent({ body: 'b' }, { overridingHtml: HTML })).overridingHtml).toBe(HTML)
    expect(await renderContent({ body: 'b' })).not.toHaveProperty('overridingHtml')
  })

  test('where nothing is to be done to them leave an HTML that stands over it as it is', () => {
    fc.assert(fc.property(fc.oneof(nasty, fc.string({ unit: 'binary' })), (html) => relinkHtml(html, (url) => url) === html))
  })

  test('say where a click came from, where they do not say it themselves', async () => {
    const body = 'https://a.example/ https://a.example/?a=1&utm_source=own#top https://a.example/#x'
    const { html, text } = await send({ body }, { urls: URLS, tracking: { utm: { source: 'news letter', medium: 'email' } } })
    expect(links(html)).toEqual([
      'https://a.example/?utm_source=news%20letter&utm_medium=email',
      'https://a.example/?a=1&utm_source=own&utm_medium=email#top',
      'https://a.example/?utm_source=news%20letter&utm_medium=email#x',
      URLS.unsubscribe,
      URLS.preferences,
    ])
    expect(text).toContain(body)
  })

  test('are signed as they are when they say where they came from', async () => {
    const { html } = await send({ body: 'https://a.example/' }, { tracking: { clicks: CLICKS, utm: { source: 's' } } })
    expect(links(html)).toEqual([tracked('https://a.example/?utm_source=s')])
    expect(signLink('k', 'https://a.example/')).not.toBe(signLink('other', 'https://a.example/'))
  })

  test('stand as they are where nothing is tracked, and nothing but the pixel tells that a mail was opened', async () => {
    const plain = await send(content, { data: { v: 1 } })
    expect(links(plain.html).slice(0, 2)).toEqual(['https://a.example/1?x=1', 'https://a.example/2'])
    expect(plain.html).not.toContain('<img')
    const opened = await send(content, { data: { v: 1 }, tracking: { openUrl: 'https://c.example/o/1?a&b' } })
    expect(opened.html).toMatch(/<img src="https:\/\/c\.example\/o\/1\?a&amp;b" width="1" height="1" alt="" [^>]*><\/body>/)
    expect(opened.text).toBe(plain.text)
  })
})

describe('The subject', () => {
  test('C1, C2: is one line that fits a header; far too long, it fails its message', async () => {
    expect((await send({ title: '{{v}}' }, { data: { v: 'a\r\nBcc: b\u2028\tc\u001b[1md\u202ee' } })).subject).toBe(
      'a Bcc: b c [1mde',
    )
    const { subject } = await send({ title: '{{v}}' }, { data: { v: '👩‍👩‍👧‍👦'.repeat(100) } })
    expect(Buffer.byteLength(subject)).toBeLessThanOrEqual(998)
    expect(subject.replaceAll('👩‍👩‍👧‍👦', '')).toBe('…')
    await expect(send({ title: '{{v}}' }, { data: { v: 'x'.repeat(1_000_000) } })).rejects.toThrow(RenderRefusal)
  })

  test('of a document is its title, which its text does not say again, or else its first line', async () => {
    const titled = await send(elements({ type: 'meta', title: 'Hi' }, { type: 'text', content: 'Body' }))
    expect(titled).toMatchObject({ subject: 'Hi', text: 'Body' })
    expect(titled.html).not.toContain('<h1')
    expect((await send(elements({ type: 'text', content: '**First** line\n\nmore' }))).subject).toBe('First line')
  })
})

describe('The look', () => {
  const colored = elements(
    { type: 'text', content: 'x', color: '#ffff00' },
    { type: 'action', content: 'Go', href: 'https://a.example', background_color: '#222222' },
  )

  test('has a dark set of colours for mail programs that ask for one, and for those that set marks', async () => {
    const { html } = await send(colored)
    expect(html).toContain('<meta name="color-scheme" content="light dark">')
    expect(html).toMatch(/@media \(prefers-color-scheme:dark\)\{.*\.card\b/)
    expect(html).toMatch(/\[data-ogsc\] \.card/)
    expect(html).toMatch(/\.ink-ffff00,[^{]*\{color:#ffff00!important\}/)
    // What is black on light is light in the dark, with dark words on it.
    expect(html).toMatch(/\.button-222222-ffffff td,[^{]*\{background:#e4e7eb!important;[^}]*color:#111418!important\}/)
  })

  test('keeps nothing that reaches out, and no colour that is none', async () => {
    const { html } = await send(colored, { brand: { ...BRAND, colors: { primary: 'red;background:url(https://evil.example)' } } })
    expect(html.match(/(?:\ssrc=|url\(|@import|<link|<script)[^>]*/g)).toBeNull()
    expect(html).not.toContain('evil')
  })

  test('has prices beside their lines on a phone too, and other columns under each other', async () => {
    const column = (content: string, width?: string) => ({
      type: 'column' as const,
      ...(width && { width }),
      elements: [{ type: 'text' as const, content }],
    })
    const fixed = await send(elements({ type: 'columns', elements: [column('Tea'), column('€2', '90px')] }))
    expect(fixed.html).toMatch(/<tr valign="top"><td class="ink" [^>]*>.*Tea.*<td class="ink" width="90" [^>]*>.*€2.*<\/tr>/)
    expect(fixed.text).toBe('Tea: €2')
    const button = { type: 'action' as const, content: 'Go', href: 'https://a.example' }
    const boxed = await send(
      elements({ type: 'columns', elements: [column('Tea'), { ...column('', '90px'), elements: [button] }] }),
    )
    expect(boxed.html).toContain('.fixed-90{width:90px!important}')
    const open = await send(elements({ type: 'columns', elements: [column('a', '50%'), column('b')] }))
    expect(open.html).not.toMatch(/\.(?:fixed|rest)-/)
    expect(open.html).toContain('mj-column-per-50')
  })

  test('of a receipt of a hundred lines is light enough for Gmail, which cuts off what is beyond 102 KB', async () => {
    const { content, sample } = starter('receipt')
    const lines = Array.from({ length: 100 }, (_one, index) => ({ name: `Coffee no. ${index}`, quantity: 2, price: 11.9 }))
    const { html } = await send(content, { data: { ...sample, lines }, urls: URLS, tracking: { openUrl: 'https://c.example/o' } })
    expect(html).toContain('Coffee no. 99')
    expect(Buffer.byteLength(html)).toBeLessThan(100_000)
  })

  test('is laid out for no more than a mail program shows: beyond that its message fails', async () => {
    const rows = elements({
      type: 'columns',
      loop: 'rows',
      elements: [1, 2, 3].map(() => ({
        type: 'column',
        elements: [{ type: 'action', content: 'x', href: 'https://a.example' }],
      })),
    })
    const data = (count: number) => ({ rows: Array.from({ length: count }, (_one, index) => index) })
    expect((await send(rows, { data: data(200) })).html).toContain('</html>')
    await expect(send(rows, { data: data(1_000) })).rejects.toThrow('characters of HTML')
  })

  test('is the same, byte for byte, for the same message', async () => {
    expect(await send(colored, { brand: BRAND })).toEqual(await send(colored, { brand: BRAND }))
  })
})

describe("A brand's own layout", () => {
  const layout =
    '<mjml><mj-head><mj-font name="x" href="https://evil.example/f.css" /></mj-head><mj-body><mj-section><mj-column><mj-text>For {{profile.name}} <script>x</script></mj-text></mj-column></mj-section>{{content}}<mj-include path="/etc/passwd" /></mj-body></mjml>'
  const brand = { ...BRAND, email: { layout } }

  test('stands around the message, its values in it as text, and loads nothing', async () => {
    const { html } = await send({ body: 'Hello' }, { brand, profile: { name: '<b>Ada</b>' }, urls: URLS })
    expect(html).toMatch(/For &lt;b&gt;Ada&lt;\/b&gt;[\s\S]*Hello/)
    expect(html).not.toMatch(/evil|<script|passwd|class="card/)
    expect(links(html)).toEqual([URLS.unsubscribe, URLS.preferences])
  })

  test('may have variables in the colours and pictures that Outlook on Windows is told for itself', async () => {
    const own = layout.replace(
      '<mj-section>',
      '<mj-section background-color="{{brand.colors.primary}}" background-url="https://a.example/{{data.picture}}">',
    )
    expect(checkLayout(own)).toBeNull()
    const given = (picture: string): Given => ({ data: { picture }, brand: { ...brand, email: { layout: own } } })
    const { html } = await send({ body: 'Hello' }, given('a-->"><b>'))
    expect(html).toContain('bgcolor="#0a7"')
    expect(html).not.toContain('<b>')
    expect(treeOf(html)).toEqual(treeOf((await send({ body: 'Hello' }, given('a'))).html))
  })

  test('may say itself where the line that leads out stands', async () => {
    const own = layout.replace('For', '<a href="{{urls.unsubscribe}}">out</a>')
    const { html, text } = await send({ body: 'Hello' }, { brand: { ...brand, email: { layout: own } }, urls: URLS })
    expect(links(html)).toEqual([URLS.unsubscribe])
    expect(text).toContain(`Unsubscribe: ${URLS.unsubscribe}`)
  })

  test('is refused where it has no place for the message, or a variable where none may stand', () => {
    expect(checkLayout(layout)).toBeNull()
    expect(checkLayout(layout.replace('{{content}}', '<mj-raw>{{ content }}</mj-raw>'))).toBeNull()
    expect(checkLayout('<p>{{content}}</p>')).toContain('<mjml>')
    expect(checkLayout('<mjml><mj-body></mj-body></mjml>')).toContain('0 times')
    expect(checkLayout(layout.replace('{{content}}', '{{content}}{{content}}'))).toContain('2 times')
    expect(checkLayout(layout.replace('{{profile.name}}', '{{content}}').replace(/\{\{content\}\}(?=<mj-inc)/, ''))).toContain(
      '<mj-text>',
    )
    expect(checkLayout(layout.replace('<mj-text>', '<mj-text color={{c}}>'))).toContain('no quotes')
  })
})

describe('An email in its own HTML', () => {
  test('is cleaned, its values in their places, and has a text made of it', async () => {
    const html =
      '<html><head><style>p{color:red}</style></head><body onload="x"><h1>Hi {{v}}</h1><p>Line<br>two <a href="{{u}}">see</a></p><script>x</script></body></html>'
    const said = await send(raw({ subject: 'S {{v}}', html }), { data: { v: '<i>', u: 'https://a.example/?a=1&b=2' } })
    expect(said.subject).toBe('S <i>')
    expect(said.html).toBe(
      '<!doctype html><html><head><style>p{color:red}</style></head><body><h1>Hi &lt;i&gt;</h1><p>Line<br />two <a href="https://a.example/?a=1&amp;b=2">see</a></p></body></html>',
    )
    expect(said.text).toBe('Hi <i>\n\nLine\ntwo see (https://a.example/?a=1&b=2)')
  })

  test('may be MJML', async () => {
    const html =
      '<mjml><mj-body><mj-section><mj-column><mj-text>Hi {{v}}</mj-text><mj-button href="{{u}}">Go</mj-button></mj-column></mj-section></mj-body></mjml>'
    const said = await send(raw({ subject: 'S', html, transformers: ['handlebars', 'mjml'] }), {
      data: { v: '<i>', u: 'javascript:x' },
    })
    expect(said.html).toContain('Hi &lt;i&gt;</div>')
    expect(links(said.html)).toEqual(['#'])
    expect(said.html).not.toContain('fonts.googleapis')
    await expect(send(raw({ html: '<p>x</p>', transformers: ['mjml'] }))).rejects.toThrow('elements.0.raw.html: this is no MJML')
  })

  test('that has only a text is that text, laid out', async () => {
    const { html, text } = await send(raw({ subject: 'S', text: '**Hi** {{v}}' }), { data: { v: '*x*' } })
    expect(html).toContain('<strong style="font-weight:700">Hi</strong> *x*')
    expect(text).toBe('Hi *x*')
  })

  test('T19: is refused when it is saved with a variable where its value could be markup', () => {
    expect(checkContent(raw({ html: '<p>\n<a title={{t}}>x</a></p>' }))).toEqual({
      path: ['elements', 0, 'raw', 'html'],
      message: expect.stringContaining("'elements.0.raw.html': Line 2: a variable may not stand in 'title'"),
    })
    expect(checkContent(elements({ type: 'html', content: '<{{t}}>' }))?.path).toEqual(['elements', 0, 'content'])
  })

  test('is refused where it stands: in its translation', async () => {
    const content = elements({ type: 'html', content: 'x', locales: { fr: { content: '<p>\n{{truncate a "b"}}</p>' } } })
    await expect(send(content, { locale: 'fr-CA' })).rejects.toThrow('elements.0.locales.fr.content: ')
    await expect(send(content)).resolves.toBeDefined()
  })
})

describe('No value breaks out of an email', () => {
  const everything = elements(
    { type: 'meta', title: 'T {{v}}' },
    {
      type: 'text',
      content: '# A {{v}}\n\nB {{v}} [c {{v}}](https://a.example/{{v}}?q={{v}})\n\n- x{{v}}\n\n> y{{v}}\n\n`z{{v}}`',
    },
    {
      type: 'text',
      elements: [
        { type: 'string', content: 's{{v}}' },
        { type: 'link', content: 'l{{v}}', href: '{{v}}' },
      ],
    },
    { type: 'action', content: 'Go {{v}}', href: 'https://a.example/{{v}}' },
    { type: 'action', content: 'Go {{v}}', href: 'https://a.example/?{{v}}', style: 'link' },
    { type: 'image', src: 'https://a.example/{{v}}.png', alt_text: '{{v}}', href: '{{v}}' },
    { type: 'quote', content: 'q{{v}}' },
    { type: 'list', elements: [{ type: 'list-item', content: 'i{{v}}' }] },
    { type: 'columns', elements: [{ type: 'column', elements: [{ type: 'text', content: 'k{{v}}' }] }] },
    {
      type: 'html',
      content:
        '<p title="{{v}}" style="color:{{v}}">{{v}}<a href="https://a.example/{{v}}">x</a><img src="https://a.example/{{v}}" alt="{{v}}"></p>',
    },
  )
  const layout =
    '<mjml><mj-head><mj-title>x{{v}}</mj-title></mj-head><mj-body><mj-section><mj-column><mj-text>y{{v}}</mj-text><mj-button href="https://a.example/{{v}}">b{{v}}</mj-button><mj-image src="https://a.example/{{v}}" alt="{{v}}" /></mj-column></mj-section>{{content}}</mj-body></mjml>'
  const brands = {
    'with our layout': { ...BRAND, email: { header: 'h{{v}}', footer: 'f{{v}}' } },
    "with a brand's layout": { ...BRAND, email: { layout } },
  }
  /** Links that may not be followed are no links: what else they are does not count here. */
  const tree = (html: string) => JSON.stringify(treeOf(html)).replace(/\["tag","a",\[[^\]]*\],\[\]\],?/g, '')

  test.each(Object.entries(brands))('%s: its tree is the same for every value', async (_name, brand) => {
    const given = (v: string): Given => ({ data: { v }, brand, urls: URLS, tracking: { openUrl: 'https://c.example/o' } })
    const harmless = tree((await send(everything, given('x'))).html)
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        expect(tree((await send(everything, given(`x${v}`))).html)).toBe(harmless)
      }),
      { numRuns: 200 },
    )
  })

  test('and nothing that is rendered loads or runs anything but images of the web', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        const { html } = await send(everything, { data: { v }, brand: brands["with a brand's layout"], urls: URLS })
        for (const [, url] of html.matchAll(/\s(?:src|href)="([^"]*)"/g))
          expect(url).toMatch(/^(?:#$|$|https?:\/\/|mailto:|tel:)/i)
      }),
    )
  })
})
