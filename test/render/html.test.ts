import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { fillHref } from '../../src/render/block.ts'
import { checkLayout } from '../../src/render/brand-layout.ts'
import { checkContent } from '../../src/render/check.ts'
import { htmlText } from '../../src/render/email-raw.ts'
import { checkHtml, decode, fillHtml } from '../../src/render/html.ts'
import { compileMjml, prepareMjml } from '../../src/render/mjml.ts'
import { sanitize } from '../../src/render/sanitize.ts'
import { mark, RenderRefusal } from '../../src/render/template.ts'
import { nasty, treeOf } from './tree.ts'

const V = mark(0)
const fill = (html: string, value: string) => fillHtml(html, [value], (url) => url)

/** Places of a value in HTML, by name. */
const PLACES = {
  'text between tags': `<p>A ${V} b</p>`,
  'text at an end': `<td><b>${V}</b>${V}</td>`,
  'a title': `<html><head><title>Hi ${V}</title></head><body></body></html>`,
  'an attribute': `<img alt="${V}" title='b ${V}'>`,
  'a link': `<a href="${V}">x</a>`,
  'the path of a link': `<a href="https://a.example/${V}/x">x</a>`,
  'the query of a link': `<a href="https://a.example/?q=${V}&amp;r=1#${V}">x</a>`,
  'the host of a link': `<a href="https://${V}.example/">x</a>`,
  'an image': `<img src="${V}"><table background='${V}'></table>`,
  'a style': `<p style="color:${V};margin:0">x</p>`,
}

describe('A value stays in its place', () => {
  test.each(Object.entries(PLACES))('%s: the tree is the same for every value', (_name, html) => {
    const harmless = treeOf(fill(html, 'x'))
    fc.assert(
      fc.property(nasty, (value) => {
        expect(treeOf(fill(html, value))).toEqual(harmless)
      }),
    )
  })

  test('and is read there as it is', () => {
    expect(fill(`<p>${V}</p>`, '<b>1 & 2</b>\nx')).toBe('<p>&lt;b&gt;1 &amp; 2&lt;/b&gt;<br>x</p>')
    expect(fill(`<p title="${V}">`, 'a "b"\nc')).toBe('<p title="a &quot;b&quot;\nc">')
  })

  test('T17: an image that runs something is shown as text', () => {
    expect(fill(`<p>${V}</p>`, '<img src=x onerror=alert(1)>')).toBe('<p>&lt;img src=x onerror=alert(1)&gt;</p>')
  })
})

describe('A link', () => {
  test.each([
    ['javascript:alert(1)'],
    [' JaVaScRiPt:alert(1)'],
    ['java\nscript:alert(1)'],
    ['\u0001javascript:alert(1)'],
    ['data:text/html,<script>alert(1)</script>'],
    ['vbscript:msgbox(1)'],
    ['//evil.example'],
    ['file:///etc/passwd'],
    ['https://good.example@evil.example'],
    [''],
  ])('T18: leads nowhere for %j', (value) => {
    expect(fill(`<a href="${V}">x</a>`, value)).toBe('<a href="#">x</a>')
  })

  test('T18: never leads to anything but a page, a mail or a call, whatever its values are', () => {
    const templates = Object.values(PLACES).filter((html) => html.includes('href'))
    fc.assert(
      fc.property(nasty, fc.constantFrom(...templates), (value, html) => {
        expect(/href="([^"]*)"/.exec(fill(html, value))![1]).toMatch(/^(?:#$|https?:\/\/|mailto:|tel:)/i)
      }),
    )
  })

  test('stays on its host, whatever a value in its path or query is', () => {
    fc.assert(
      fc.property(nasty, (value) => {
        const href = /href="([^"]*)"/.exec(fill(`<a href="https://a.example/${V}?b=${V}">x</a>`, value))![1]!
        if (href !== '#') expect(new URL(href.replaceAll('&amp;', '&')).host).toBe('a.example')
      }),
    )
  })

  test('keeps the host that stands right before a value, whatever it is', () => {
    const onward = fc.tuple(fc.constantFrom('', '.', '/', '?', '#', '@', ':80', '-', '%2e', '//', '/../', '\\', '。'), nasty)
    const templates = [
      `https://a.example${V}`,
      `https://a.example${V}/x`,
      `https://a.example:80${V}.`,
      `https:a.example${V}${V}:81/`,
    ]
    fc.assert(
      fc.property(onward, fc.constantFrom(...templates), ([begin, value], address) => {
        const href = /href="([^"]*)"/.exec(fill(`<a href="${address}">x</a>`, begin + value))![1]!
        if (href !== '#') expect(new URL(decode(href)).hostname).toBe('a.example')
      }),
    )
  })

  test('takes a value behind its host that leads on from there, and a part of a host where the author ends it', () => {
    const link = (address: string, value: string) => fill(`<a href="${address}">`, value)
    expect(link(`https://bank.example${V}`, '.evil.test')).toBe('<a href="#">')
    expect(link(`https://bank.example${V}`, '/account?x=1')).toBe('<a href="https://bank.example/account?x=1">')
    expect(link(`https://bank.example${V}`, '')).toBe('<a href="https://bank.example">')
    expect(link(`https://${V}`, 'bank.example')).toBe('<a href="https://bank.example">')
    expect(link(`https://www.${V}/x`, 'bank.example')).toBe('<a href="https://www.bank.example/x">')
    expect(link(`https://shop${V}.example:8080/`, '7')).toBe('<a href="https://shop7.example:8080/">')
    expect(link(`https://shop${V}.example/`, '/evil')).toBe('<a href="#">')
    expect(link(`https://shop.example:${V}/`, '8080')).toBe('<a href="https://shop.example:8080/">')
    expect(fillHref(`https://bank.example${V}`, ['.evil.test'])).toBeNull()
    expect(fillHref(`https://bank.example${V}${mark(1)}`, ['', '.evil.test'])).toBeNull()
    expect(fillHref(`${V}${mark(1)}`, ['https://bank.example', '/a'])).toBe('https://bank.example/a')
  })

  test('stays under the path that its author wrote: no value climbs out of its place', () => {
    const segment = fc.constantFrom('..', '.', '%2e', '%2E.', '/', 'a', '', ' ', '\\')
    const values = fc.array(segment, { maxLength: 6 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(values, fc.constantFrom('u/', 'u/.', 'u/%2e', 'u/x', 'u/y/'), (value, before) => {
        const href = /href="([^"]*)"/.exec(fill(`<a href="https://a.example/${before}${V}${V}">`, value))![1]!
        if (href !== '#') expect(new URL(href).pathname).toBe(new URL(href).href.slice('https://a.example'.length))
        if (href !== '#') expect(new URL(href).pathname.split('/').length).toBe(href.split('/').length - 2)
      }),
    )
    const user = (value: string) => fill(`<a href="https://bank.example/u/${V}/x">`, value)
    expect(user('../../evil')).toBe('<a href="#">')
    expect(user('a/..')).toBe('<a href="#">')
    expect(user('.')).toBe('<a href="#">')
    expect(user('a..b/v1.2')).toBe('<a href="https://bank.example/u/a..b/v1.2/x">')
    expect(fill(`<a href="${V}">`, 'https://bank.example/a/../b')).toBe('<a href="https://bank.example/a/../b">')
  })

  test('is a value as it stands, and its parts are encoded for where they are', () => {
    expect(fill(`<a href="${V}">`, 'https://a.example/b?c=d&e=f#g')).toBe('<a href="https://a.example/b?c=d&amp;e=f#g">')
    expect(fill(`<a href="https://a.example/${V}">`, 'a/b c?d')).toBe('<a href="https://a.example/a/b%20c%3Fd">')
    expect(fill(`<a href="https://a.example/?q=${V}&amp;r=1">`, 'a/b&c=d')).toBe(
      '<a href="https://a.example/?q=a%2Fb%26c%3Dd&amp;r=1">',
    )
    expect(fill(`<a href="mailto:${V}">`, 'ada@example.com')).toBe('<a href="mailto:ada@example.com">')
  })

  test('to a place in the mail stays what its author wrote', () => {
    expect(fillHtml('<a href="#top">x</a>', [], (url) => url)).toBe('<a href="#top">x</a>')
  })
})

describe('A style', () => {
  test('takes a colour or a number, and nothing that ends it', () => {
    const html = `<p style="color:${V}">`
    expect(fill(html, '#0a7')).toBe('<p style="color:#0a7">')
    expect(fill(html, 'red;background:url(https://x.example)')).toBe('<p style="color:">')
  })
})

describe('T19: a variable where its value could be markup is refused', () => {
  test.each([
    ['<a title={{t}}>x</a>', 'whose value has no quotes'],
    ['<{{t}}>x', 'in the name of a tag'],
    ['<a {{t}}="x">y</a>', 'in the name of an attribute'],
    ['<a onclick="f({{t}})">y</a>', "in 'onclick'"],
    ['<!-- {{t}} -->', 'in a comment'],
    ['<style>p{color:{{t}}}</style>', 'in <style>'],
    ['<script>{{t}}</script>', 'in <script>'],
    ['</p {{t}}>', 'in a closing tag'],
  ])('%s', (html, where) => {
    expect(checkHtml(`line one\n${html}`)).toMatch(/^Line 2: /)
    expect(checkHtml(html)).toContain(where)
  })

  test('and one in text or in quotes is not, nor a block around them', () => {
    const html = '{{#if a}}<a title="{{t}}" href="{{{u}}}">{{else}}<a>{{/if}}{{! <{{ }}{{> foot}}{{t}}</a>'
    expect(checkHtml(html)).toBeNull()
  })

  test('and braces that are escaped are text, wherever they stand', () => {
    expect(checkHtml('<a title=\\{{t}}><!-- \\{{t}} --></a>')).toBeNull()
    expect(checkHtml('<a title=\\\\{{t}}>')).toContain('no quotes')
    expect(checkHtml('<p>{{concat \'}}\' "<"}}{{{~u~}}}{{{ u }~}}</p>')).toBeNull()
  })

  test('and while a message is rendered it is refused, too', () => {
    expect(() => fill(`<a title=${V}>x</a>`, 'x')).toThrow(RenderRefusal)
  })
})

describe("An author's HTML", () => {
  const clean = (html: string) => sanitize(html, 'part')

  test('T20: keeps nothing that runs', () => {
    const runs = [
      '<svg onload=alert(1)><a href="javascript:1">x</a></svg>',
      '<script>alert(1)</script><iframe src="https://x.example"></iframe>',
      '<form action="https://x.example"><input name=a><button>b</button></form>',
      '<img src=x onerror=alert(1)><object data=x></object><embed src=x>',
      '<a href=" JaVaScRiPt:alert(1)">x</a><a href="data:text/html,x">y</a><a href="vbscript:x">z</a>',
      '<p style="background:url(javascript:x)">x</p><p style="width:expression(alert(1))">y</p>',
      '<link rel=stylesheet href=https://x.example><base href=https://x.example><meta http-equiv=refresh content=0>',
      '<p style="b\\65haviour:url(x)">x</p><math><mtext></p></math><noscript><p title="</noscript><img src=x onerror=1>">',
    ]
    for (const html of runs) {
      expect(clean(html)).not.toMatch(
        /<(?:svg|script|iframe|form|input|button|object|embed|link|base|meta)|<[^>]*"\s+on\w+=|<\w+\s+on\w+=|javascript:|vbscript:|data:|expression|behaviou?r/i,
      )
    }
  })

  test('keeps what mails are made of', () => {
    const html =
      '<table width="600" cellpadding="0" bgcolor="#eeeeee"><tr><td align="center" style="padding:8px;background:url(https://a.example/b.png)"><a href="https://a.example" data-track="false" class="x">a</a><img src="cid:logo" alt="b" width="20" /></td></tr></table>'
    expect(clean(html)).toBe(html)
  })

  test('of a whole mail keeps its sheets, without what loads others', () => {
    const html =
      '<html><head><style>@import url(https://x.example/a.css);@font-face{src:url(https://x.example/b)}p > a{color:red}</style></head><body>x</body></html>'
    expect(sanitize(html, 'whole')).toBe('<html><head><style>p > a{color:red}</style></head><body>x</body></html>')
    expect(clean('<style>p{color:red}</style>x')).toBe('x')
  })

  test('T20: has no sheet that ends before its end, whatever is taken out of it', () => {
    expect(sanitize('<style>a{}<<a/style><<ascript>alert(1)<<a/script></style>', 'whole')).toBe(
      '<style>a{}a/style>ascript>alert(1)a/script></style>',
    )
    const words = fc.constantFrom(
      '<',
      '</',
      'style',
      'script',
      '>',
      'a',
      '!',
      '--',
      '\\',
      '/*',
      '*/',
      '@import',
      ';',
      '&lt;',
      'img src=x onerror=1',
    )
    const sheets = fc.array(words, { maxLength: 30 }).map((parts) => parts.join(''))
    fc.assert(
      fc.property(sheets, (sheet) => {
        const inner = sheet.replace(/<\/style/gi, '')
        const html = sanitize(`<style>${inner}</style>`, 'whole')
        expect(html.slice('<style>'.length, -'</style>'.length)).not.toContain('<')
        const mjml = sanitize(`<mjml><mj-head><mj-style>${inner}</mj-style></mj-head></mjml>`, 'mjml')
        expect(mjml.split('<mj-style>')[1]).not.toMatch(/<\/?(?:style|script|mj-style\b(?!><\/mj-head>))/i)
      }),
    )
  })
})

describe('256 KB are read in a time that their length explains', () => {
  const LONG = 256 * 1024
  const long = (text: string, length = LONG) => text.repeat(length / text.length)
  const quick = (run: () => unknown) => {
    const begin = process.threadCpuUsage()
    run()
    expect(process.threadCpuUsage(begin).user / 1_000).toBeLessThan(400)
  }
  const raw = (html: string) => ({ elements: [{ type: 'channel', channel: 'email', raw: { html } }] })

  test.each([
    `\\{{${' '.repeat(255_000)}`,
    `\\{{${' '.repeat(45)}`.repeat(4_900),
    '\\{{!--'.repeat(4_900),
    `${'\\{{!-- '.repeat(4_900)}${long('--a', 200_000)}`,
  ])('where braces are escaped', (html) => {
    quick(() => expect(checkContent(raw(html))).toBeNull())
  })

  test.each(['<a ', '<!--', '<!--[if ', '<', '</', '<title>', '<a href="', '<a =', '<a \'x"'])('of tags: %s', (text) => {
    quick(() => checkHtml(long(text)))
  })

  test.each(['<!--', '<mj-a "', '<mj-a \'"', `<mj${'a'.repeat(64_000)}`])("of a brand's layout: %.20s", (text) => {
    const layout = `<mjml><mj-body>${long(text, 60_000) || text}{{content}}</mj-body></mjml>`
    quick(() => expect(checkLayout(layout)).not.toBeNull())
  })

  test('of an address that begins with white space', () => {
    const href = `${' '.repeat(60_000)}{{a}}`
    quick(() => expect(checkContent({ elements: [{ type: 'action', content: 'x', href }] })).toBeNull())
    quick(() => fillHref(long(`${V} ${V}`), ['x']))
    quick(() => fillHref(`https://a.example/${long(V)}`, ['']))
    quick(() => fillHref(`https://a.example${long(V)}${long('-')}`, ['']))
  })

  test.each(['a', '@font-face{', 'url(', 'url(          ', 'behavior ', '@import ', '/*'])('of a sheet: %s', (text) => {
    quick(() => sanitize(`<style>${long(text)}</style>`, 'whole'))
    quick(() => sanitize(`<mjml><mj-head><mj-style>${long(text)}</mj-style></mj-head></mjml>`, 'mjml'))
    quick(() => sanitize(`<p style="${long(text)}">x</p>`, 'part'))
  })

  test.each(['<a ', '<!--', '<title>', '<a href="a">', '<img alt="', '<style>'])('of HTML that is told as text: %s', (text) => {
    quick(() => htmlText(sanitize(long(text), 'whole')))
  })

  test.each([' ', '\n', '\t'])('of white space in MJML: %j', async (text) => {
    await prepareMjml()
    const around = (inner: string) =>
      `<mjml><mj-body><mj-section><mj-column><mj-text>a${inner}b</mj-text></mj-column></mj-section></mj-body></mjml>`
    await compileMjml(around('x'), true)
    const begin = process.threadCpuUsage()
    await compileMjml(around(long(text)), true)
    expect(process.threadCpuUsage(begin).user / 1_000).toBeLessThan(400)
  })

  test('of tags that are cleaned', () => {
    for (const text of ['<a ', '<b>', '<p style="', '<!--', '<svg>']) {
      const begin = process.threadCpuUsage()
      sanitize(long(text, 64_000), 'part')
      expect(process.threadCpuUsage(begin).user / 1_000).toBeLessThan(800)
    }
  })
})
