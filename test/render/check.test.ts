import { describe, expect, test } from 'vitest'
import { checkContent } from '../../src/render/check.ts'
import { SAMPLES } from './samples.ts'

const TEXT = { type: 'text', content: 'Hi' }
const of = (...elements: unknown[]) => ({ elements })
const said = (content: unknown) => {
  const fault = checkContent(content)
  return fault && [fault.path.join('.'), fault.message]
}

/** Elements within each other, the innermost first. */
function nested(depth: number, around: (inner: object) => object, inner: object): object {
  let outer = inner
  for (let at = 0; at < depth; at += 1) outer = around(outer)
  return outer
}

describe('A content', () => {
  test.each(Object.keys(SAMPLES))('of every element can be kept: %s', (name) => {
    expect(checkContent(SAMPLES[name])).toBeNull()
  })

  test('says something', () => {
    const sentence = "'content' must contain one of: 'title', 'body', or 'elements'"
    for (const content of [{}, { title: '' }, { elements: [] }, { title: null, body: null, elements: null, version: null }]) {
      expect(said(content)).toEqual(['', sentence])
    }
    expect(said(null)).toEqual(['', "'content' must be an object."])
    expect(said({ title: 'T', text: 'x' })).toEqual([
      'text',
      "'text' is not known in 'content'; it has title, body, version, elements.",
    ])
    expect(said({ ...of(TEXT), version: '2022-01-01' })).toBeNull()
    expect(said({ ...of(TEXT), version: '1' })).toEqual(['version', "'version' must be one of: 2022-01-01, 2020-01-01."])
  })

  test('T3: has texts, never what a parser would have made of them', () => {
    const ast = { type: 'Program', body: [] }
    expect(said({ body: ast })).toEqual(['body', "'body' must be a string."])
    expect(said({ title: ast })).toEqual(['title', "'title' must be a string."])
    expect(said(of({ type: 'text', content: ast }))).toEqual(['elements.0.content', "'elements.0.content' must be a string."])
  })
})

describe('An element', () => {
  test.each([
    [
      'is of a type that is known',
      of(TEXT, { type: 'txt' }),
      'elements.1.type',
      `is no type of element: "txt"; here may stand: text, action,`,
    ],
    ['has a type', of({ content: 'x' }), 'elements.0.type', 'is required; here may stand:'],
    ['is an object', of('text'), 'elements.0', 'must be an object with a type.'],
    [
      'has its own fields alone',
      of({ ...TEXT, colour: 'red' }),
      'elements.0.colour',
      "is not known in 'text'; it has type, channels, if,",
    ],
    ['has the fields it needs', of({ type: 'action', content: 'Go' }), 'elements.0.href', 'is required.'],
    ['has words of a list', of({ ...TEXT, align: 'middle' }), 'elements.0.align', 'must be one of: left, center, right.'],
    ['has colours', of({ ...TEXT, color: 'url(x)' }), 'elements.0.color', 'must be a colour: #rgb, #rrggbb, a basic name'],
    [
      'has widths',
      of({ type: 'image', src: 'https://x.example', width: '12em' }),
      'elements.0.width',
      'must be pixels, like 140',
    ],
    ['has either content or elements', of({ type: 'text' }), 'elements.0', "must have exactly one of 'content' and 'elements'."],
    ['has either, not both', of({ ...TEXT, elements: [] }), 'elements.0', "must have exactly one of 'content' and 'elements'."],
    [
      'has locales',
      of({ ...TEXT, locales: { 'fr CA': { content: 'x' } } }),
      'elements.0.locales.fr CA',
      'is no locale: they are written',
    ],
    ['translates texts', of({ ...TEXT, locales: { fr: { align: 'left' } } }), 'elements.0.locales.fr.content', 'is required.'],
    ['loops over a path', of({ ...TEXT, loop: '{{items}}' }), 'elements.0.loop', 'must be a path to a list, like data.items'],
    ['is named by a name', of({ ...TEXT, ref: '__proto__ x' }), 'elements.0.ref', 'must be a name: letters, digits and _'],
    [
      'names channels in lower case',
      of({ ...TEXT, channels: ['EMAIL'] }),
      'elements.0.channels.0',
      'is written in lower case: email.',
    ],
    [
      'of a channel too',
      of({ type: 'channel', channel: 'SMS', elements: [] }),
      'elements.0.channel',
      'is written in lower case: sms.',
    ],
  ])('%s', (_what, content, path, sentence) => {
    const fault = checkContent(content)!
    expect(fault.path.join('.')).toBe(path)
    expect(fault.message).toContain(`'${path}' ${sentence}`)
  })

  test.each([
    ['a list alone', of({ type: 'list', elements: [TEXT] }), "is 'text'; here may stand: list-item."],
    ['columns alone', of({ type: 'columns', elements: [TEXT] }), "is 'text'; here may stand: column."],
    [
      'no columns in columns',
      of({
        type: 'columns',
        elements: [{ type: 'column', elements: [{ type: 'group', elements: [{ type: 'columns', elements: [] }] }] }],
      }),
      'columns hold no columns.',
    ],
    [
      'channels at the top',
      of({ type: 'group', elements: [{ type: 'channel', channel: 'sms', elements: [] }] }),
      'channel elements stand at the top of a document alone.',
    ],
    [
      'channels without others',
      of({ type: 'channel', channel: 'sms', elements: [] }, TEXT),
      'where one element at the top is a channel, all of them are.',
    ],
    ['parts of a text in a text', of({ type: 'link', content: 'x', href: 'https://x.example' }), "is 'link'; here may stand:"],
  ])('holds and stands where it belongs: %s', (_what, content, sentence) => {
    expect(checkContent(content)!.message).toContain(sentence)
  })

  test('lies at most 50 deep, lists 5, and there are at most 2,000', () => {
    const group = (inner: object) => ({ type: 'group', elements: [inner] })
    const list = (inner: object) => ({ type: 'list-item', elements: [{ type: 'list', elements: [inner] }] })
    const lists = (depth: number) =>
      of({ type: 'list', elements: [nested(depth - 1, list, { type: 'list-item', content: 'x' })] })
    expect(checkContent(of(nested(49, group, TEXT)))).toBeNull()
    expect(checkContent(of(nested(50, group, TEXT)))!.message).toContain('50 levels deep')
    expect(checkContent(of(nested(20_000, group, TEXT)))!.message).toContain('50 levels deep')
    expect(checkContent(lists(5))).toBeNull()
    expect(checkContent(lists(6))!.message).toContain('5 levels deep')
    expect(checkContent(of(...Array.from({ length: 2_000 }, () => TEXT)))).toBeNull()
    expect(said(of(...Array.from({ length: 2_001 }, () => TEXT)))).toEqual([
      'elements',
      "'elements' must be at most 2,000, each within others counted.",
    ])
  })
})

describe('Its texts', () => {
  test('are templates, in every place, and complaints name their line', () => {
    const wrong = 'a\nb {{#if x}}'
    const link = 'https://x.example'
    const places: readonly [string, unknown][] = [
      ['title', { title: wrong }],
      ['body', { body: wrong }],
      ['elements.0.title', of({ type: 'meta', title: wrong })],
      ['elements.1.elements.0.content', of(TEXT, { type: 'group', elements: [{ type: 'quote', content: wrong }] })],
      ['elements.0.locales.fr.content', of({ ...TEXT, locales: { fr: { content: wrong } } })],
      ['elements.0.href', of({ type: 'action', content: 'x', href: `/${wrong}` })],
      ['elements.0.alt_text', of({ type: 'image', src: link, alt_text: wrong })],
      ['elements.0.elements.0.content', of({ type: 'text', elements: [{ type: 'link', href: link, content: wrong }] })],
      ['elements.0.raw.payload.a.1', of({ type: 'channel', channel: 'webhook', raw: { payload: { a: ['x', wrong] } } })],
      ['elements.0.raw.subject', of({ type: 'channel', channel: 'email', raw: { subject: wrong, html: 'x' } })],
    ]
    for (const [path, content] of places) {
      const fault = checkContent(content)
      expect(fault?.path.join('.'), path).toBe(path)
      expect(fault!.message).toMatch(new RegExp(`^'${path}': Line 2`))
    }
  })

  test('C2: are as long as their limits say', () => {
    const long = (length: number) => 'x'.repeat(length)
    expect(said({ title: long(2_001) })).toEqual(['title', "'title' must be at most 2,000 characters."])
    expect(said(of({ type: 'meta', title: long(100_000) }))?.[0]).toBe('elements.0.title')
    expect(said({ body: long(256 * 1024 + 1) })?.[0]).toBe('body')
    expect(said(of({ type: 'text', content: long(64 * 1024 + 1) }))?.[0]).toBe('elements.0.content')
  })

  test('T20: lead to the web, to mail or to phones, where they say where', () => {
    const action = (href: string) => said(of({ type: 'action', content: 'Go', href }))
    for (const href of [
      'https://x.example/{{id}}',
      'mailto:a@x.example',
      'tel:+49301',
      '{{url}}',
      '{{base}}/x',
      'https://{{host}}/a:b',
    ]) {
      expect(action(href), href).toBeNull()
    }
    for (const href of ['javascript:alert(1)', ' JaVaScRiPt:{{x}}', 'data:text/html,x', 'vbscript:x', 'x.example', '/path', '']) {
      expect(action(href), href).toEqual(['elements.0.href', "'elements.0.href' must lead to http, https, mailto or tel."])
    }
    expect(said(of({ type: 'image', src: 'data:image/svg+xml,x' }))?.[0]).toBe('elements.0.src')
    expect(said(of({ type: 'text', elements: [{ type: 'img', src: 'javascript:{{x}}' }] }))?.[0]).toBe(
      'elements.0.elements.0.src',
    )
  })
})

describe('Its conditions', () => {
  test('can be asked, and know data, refs and, in a loop, item', () => {
    const all = 'data.n > 1 && profile.x == "y" && refs.a.visible && has(tenant.plan)'
    expect(said(of({ ...TEXT, ref: 'a' }, { ...TEXT, if: all }))).toBeNull()
    expect(said(of({ ...TEXT, loop: 'items', if: 'item.n > index' }))).toBeNull()
    expect(said(of({ ...TEXT, if: 'data.x ==' }))?.[0]).toBe('elements.0.if')
    expect(said(of({ ...TEXT, if: 'nothing.x' }))?.[0]).toBe('elements.0.if')
  })

  test('name elements before theirs alone', () => {
    const condition = { ...TEXT, if: 'refs.a.visible' }
    const sentence = ['elements.0.if', "'elements.0.if' names refs.a, which is the ref of no element before this one."]
    expect(said(of(condition, { ...TEXT, ref: 'a' }))).toEqual(sentence)
    expect(said(of({ ...condition, ref: 'a' }))).toEqual(sentence)
    expect(said(of({ ...TEXT, if: 'refs["a"].visible' }))).toEqual(sentence)
    expect(said(of({ type: 'group', ref: 'a', elements: [condition] }))?.[0]).toBe('elements.0.elements.0.if')
  })
})

describe('A raw channel', () => {
  const raw = (channel: string, content: object, more: object = {}) =>
    said(of({ type: 'channel', channel, raw: content, ...more }))

  test('says what its channel can say', () => {
    expect(raw('email', { subject: 'S', html: '<p>x</p>', text: 'x', transformers: ['handlebars'] })).toBeNull()
    expect(raw('slack', { blocks: [] })).toBeNull()
    expect(raw('webhook', { payload: { a: 1 } })).toBeNull()
    expect(raw('sms', { html: 'x' })).toEqual([
      'elements.0.raw.html',
      "'elements.0.raw.html' is not for the channel 'sms'; it takes title, text.",
    ])
    expect(raw('email', {})?.[1]).toContain('must say something: subject, html, text, transformers.')
    expect(raw('email', { html: 'x', js: 'x' })?.[0]).toBe('elements.0.raw.js')
  })

  test('has no conditions, and no elements beside it', () => {
    expect(raw('sms', { text: 'x' }, { if: 'data.x' })?.[0]).toBe('elements.0.if')
    expect(raw('sms', { text: 'x' }, { elements: [] })?.[1]).toContain("exactly one of 'elements' and 'raw'")
  })
})
