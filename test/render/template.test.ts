import fc from 'fast-check'
import Handlebars from 'handlebars'
import { describe, expect, test, vi } from 'vitest'
import { createPrinter } from '../../src/render/printer.ts'
import { RenderRefusal, type TemplateContext } from '../../src/render/template.ts'
import { checkSnippets, checkTemplate, createChecker } from '../../src/render/template-check.ts'

const NOTHING: TemplateContext = { data: {}, profile: null, tenant: null, brand: null, urls: null, snippets: new Map() }

function print(source: string, context: Partial<TemplateContext> = {}): string {
  return createPrinter({ ...NOTHING, ...context }).print(source)
}

const snippets = (entries: Readonly<Record<string, string>>) => new Map(Object.entries(entries))

describe('A variable', () => {
  test('reads the data by a path, and profile, tenant, brand and urls by their names', () => {
    const context = {
      data: { order: { lines: [{ name: 'Bell' }] } },
      profile: { name: 'Ada' },
      tenant: { plan: 'gold' },
      brand: { colors: { primary: '#0a7' } },
      urls: { unsubscribe: 'https://a.example/u' },
    }
    const source = '{{order.lines.0.name}} {{profile.name}} {{tenant.plan}} {{brand.colors.primary}} {{urls.unsubscribe}}'
    expect(print(source, context)).toBe('Bell Ada gold #0a7 https://a.example/u')
  })

  test('reads the data by those names too where nothing follows them, and nothing but them where something does', () => {
    const data = { brand: 'Volvo', tenant: { name: 'of the data' } }
    expect(print('{{brand}}|{{tenant.name}}', { data, brand: { name: 'Acme' } })).toBe('Volvo|')
  })

  test('prints numbers and booleans as they are written, objects and lists as JSON, and null and what is missing as nothing', () => {
    const data = { n: 0, f: -1.5, t: true, b: false, o: { a: [1, 'x'] }, l: ['a'], z: null }
    expect(print('{{n}},{{f}},{{t}},{{b}},{{o}},{{l}},{{z}},{{gone}},{{o.a.5.b}}', { data })).toBe(
      '0,-1.5,true,false,{"a":[1,"x"]},["a"],,,',
    )
  })

  test('prints the same with two braces, three, or an ampersand: escaping belongs to where the text goes', () => {
    expect(print('{{a}} {{{a}}} {{&a}}', { data: { a: '<&>' } })).toBe('<&> <&> <&>')
  })

  test('is printed once: a value that looks like a template stays as it is', () => {
    const data = { name: '{{secret}} {{> s}} \\{{x}}', secret: 'no' }
    expect(print('{{name}}', { data, snippets: snippets({ s: 'no' }) })).toBe(data.name)
  })

  test('sees no property that an object inherits', () => {
    const paths = [
      'constructor.name',
      '__lookupSetter__',
      'toString',
      'a.constructor.prototype',
      'l.map',
      '__proto__.x',
      's.length',
    ]
    for (const path of paths) {
      expect(print(`{{${path}}}`, { data: { a: {}, l: [], s: 'abc' }, profile: {} }), path).toBe('')
      expect(print(`{{profile.${path}}}`, { profile: {} }), path).toBe('')
    }
    const own = JSON.parse('{"__proto__":{"isAdmin":true},"constructor":{"prototype":{}}}') as object
    print('{{__proto__.isAdmin}}{{constructor.prototype}}', { data: own })
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
  })
})

describe('A snippet', () => {
  test('prints with the same values, and prints nothing where no brand has it', () => {
    const context = { data: { who: 'Ada' }, snippets: snippets({ hi: 'Hi {{who}}{{> mark}}', mark: '!' }) }
    expect(print('{{> hi}} {{> gone}}.', context)).toBe('Hi Ada! .')
  })

  test('that has a line to itself takes that line, and its indent holds for all of its lines', () => {
    expect(print('a\n  {{> s}}\nb', { snippets: snippets({ s: 'one\ntwo\n' }) })).toBe('a\n  one\n  two\nb')
  })

  test('must not bring in itself, nor nest deeper than five', () => {
    expect(checkSnippets(snippets({ a: '{{> b}}', b: 'x {{> a}}' }))).toContain('a > b > a')
    expect(checkSnippets(snippets({ a: '{{> a}}' }))).toContain('a > a')
    const chain = (length: number) =>
      snippets(Object.fromEntries(Array.from({ length }, (_, at) => [`s${at}`, at + 1 < length ? `{{> s${at + 1}}}` : 'end'])))
    expect(checkSnippets(chain(5))).toBeNull()
    expect(checkSnippets(chain(6))).toMatch(/5 levels/)
    expect(checkSnippets(snippets({ a: '{{> c}}{{> b}}', b: '{{> c}}', c: '{{> of-another-brand}}' }))).toBeNull()
  })

  test('that comes back to itself by way of another brand ends its message, not the process', () => {
    expect(() => print('{{> a}}', { snippets: snippets({ a: '{{> b}}', b: '{{> a}}' }) })).toThrow(RenderRefusal)
  })
})

describe('Refused, with its line, is', () => {
  const refused = {
    'a block of no known name': '{{#a}}x{{/a}}',
    'an inverted block of no known name': '{{^a}}x{{/a}}',
    'a block of a path': '{{#a.b}}x{{/a.b}}',
    'a block of a function': '{{#and a}}x{{/and}}',
    'a block that is never closed': '{{#if a}}x',
    'a block that was never opened': 'x{{/if}}',
    'a block that is closed by another name': '{{#if a}}x{{/each}}',
    'a block of nothing': '{{#if}}x{{/if}}',
    'a block of two values': '{{#each a b}}x{{/each}}',
    'a block with a named value': '{{#each a b=c}}x{{/each}}',
    'an if that gives a name': '{{#if a as |b|}}x{{/if}}',
    'a with that gives two': '{{#with a as |b c|}}x{{/with}}',
    'a block without its #': '{{if a}}',
    'a block as a variable': '{{each}}',
    'a raw block': '{{{{raw}}}}x{{{{/raw}}}}',
    'an else': '{{else}}',
    'a helper with an argument': '{{foo "x"}}',
    'a helper with a name': '{{foo bar}}',
    'a helper with a named argument': '{{foo bar=baz}}',
    'a line for the log': '{{log "x\\n{\\"level\\":60}" level="error"}}',
    'the log helper': '{{log}}',
    'a lookup of nothing': '{{lookup}}',
    'a lookup of one value': '{{lookup a}}',
    'a function of a path': '{{a.trim "x"}}',
    'a function with a named value that it does not take': '{{trim a b=c}}',
    'an unknown function in brackets': '{{#if (foo a)}}x{{/if}}',
    'a function of a text': '{{("trim") a}}',
    'a name that may not be set': '{{set "profile" 1}}',
    'a name that is not in quotes': '{{set a 1}}',
    'a setting in brackets': '{{trim (set "a" 1)}}',
    'a translation': '{{t "key"}}',
    'an unknown name of a loop': '{{@a}}',
    'the missing helper': '{{helperMissing}}',
    'the missing block helper': '{{#blockHelperMissing .}}x{{/blockHelperMissing}}',
    'the chain by way of string.sub':
      '{{#with "s" as |string|}}{{#with split as |c|}}{{string.sub "constructor"}}{{/with}}{{/with}}',
    'a dynamic partial': '{{> (lookup . "p")}}',
    'a partial with two contexts': '{{> a b c}}',
    'a partial that is a path': '{{> a/b}}',
    'a partial that is a text': '{{> "a b"}}',
    'a partial of the block': '{{> @partial-block}}',
    'a partial with a block': '{{#> a}}x{{/a}}',
    'an inline partial': '{{#*inline "a"}}x{{/inline}}',
    'a decorator': '{{*n}}',
    'the context in a path': '{{a.this.b}}',
    'a text': '{{"a"}}',
    'a number': '{{12}}',
    'a word that is a value': '{{true}}',
    'an empty tag': '{{}}',
    'an open tag': '{{a',
    'an open comment': '{{!-- a }}',
    'three braces closed by two': '{{{a}}',
    'a bracket that is closed behind the tag': '{{[a}} ] (b (c',
    'a bracket that the parser does not see closed': '{{[a\\]}} ] (b (c',
  }
  test.each(Object.entries(refused))('%s', (_name, source) => {
    expect(checkTemplate(`one\ntwo {{a}}\n${source}\nfour`)).toMatch(/^Line [34]: .{10,}/)
    expect(() => print(source)).toThrow(RenderRefusal)
  })

  test('what is no text: a tree that was read elsewhere runs code', () => {
    const tree = { type: 'Program', body: [], toString: () => '{{a}}', includes: () => true }
    expect(checkTemplate(tree as never)).toMatch(/text/)
  })

  test('nothing else: braces, comments and escaped tags are fine', () => {
    for (const source of [
      '',
      '{ } } {',
      'a }} b',
      '{{! #if }}',
      '{{!-- {{#if}} --}}',
      '\\{{#if}}',
      '{{a.[b c].d}}',
      '{{~a~}}',
      '{{ a }}',
    ]) {
      expect(checkTemplate(source), source).toBeNull()
    }
    expect(print('\\{{a}} {{!-- {{b}} --}}{{a}}', { data: { a: 1 } })).toBe('{{a}} 1')
  })
})

describe('A text stays within limits', () => {
  test('of its source and of the names in it', () => {
    expect(checkTemplate('{{x}}'.repeat(5_000))).toBeNull()
    expect(checkTemplate('{{x}}'.repeat(5_001))).toMatch(/5,000 names/)
    expect(checkTemplate('{{x.x.x.x.x}}'.repeat(1_000))).toBeNull()
    expect(checkTemplate('{{x.x.x.x.x}}'.repeat(1_001))).toMatch(/5,000 names/)
    expect(checkTemplate(`{{x}}${'a'.repeat(262_140)}`)).toMatch(/262,144 characters/)
    expect(checkTemplate('a'.repeat(262_145))).toBeNull()
  })

  test('of a tag, comments apart', () => {
    expect(checkTemplate(`{{${'x'.repeat(1_000)}}}`)).toBeNull()
    expect(checkTemplate(`one\n{{${'x'.repeat(1_001)}}}`)).toBe('Line 2: a tag may have at most 1,000 characters.')
    expect(checkTemplate(`{{a ${'['.repeat(100_000)}}}`)).toMatch(/1,000 characters/)
    expect(checkTemplate(`{{! ${'x'.repeat(200_000)}}}`)).toBeNull()
  })

  test.each(['[]', '..', './', '[a]', '@[b]', '[a]=[b]', '. '])('of the words of tags, %s as well', (word) => {
    const tag = `{{a ${word.repeat(Math.floor(990 / word.length))}}}`
    expect(checkTemplate(tag.repeat(50))).toMatch(/5,000 names/)
  })

  test('of the names of all texts that are kept together', () => {
    const check = createChecker()
    expect(check('{{x}}'.repeat(2_500))).toBeNull()
    expect(check('{{#if}}')).toMatch(/never closed/)
    expect(check('{{y}}'.repeat(2_500))).toBeNull()
    expect(check('no names')).toBeNull()
    expect(check('{{z}}')).toMatch(/5,000 names/)
  })

  test('of what the parser reads: comments reach it empty, since it copies all that follows one that begins with dashes', () => {
    const parse = vi.spyOn(Handlebars, 'parse')
    try {
      expect(checkTemplate(`{{!--${'{{a}} ['.repeat(40)}--}}`.repeat(900))).toBeNull()
      expect(parse).toHaveBeenCalledExactlyOnceWith('{{!}}'.repeat(900))
    } finally {
      parse.mockRestore()
    }
  })

  const bombs = {
    'open braces': '{{'.repeat(100_000),
    'an open comment': `{{!--${'-'.repeat(200_000)}`,
    'open blocks': '{{#if a}}'.repeat(3_000),
    'nested blocks': '{{#if a}}'.repeat(3_000) + '{{/if}}'.repeat(3_000),
    'nested calls': `{{a ${'(b '.repeat(80_000)}`,
    'nested calls behind a bracket': `{{[a}} ] ${'(b '.repeat(80_000)}`,
    'escaped braces': '\\{{'.repeat(80_000),
    'a long path': `{{a${'.a'.repeat(120_000)}}}`,
    'many variables': '{{x}}'.repeat(50_000),
    comments: '{{!}}'.repeat(50_000),
  }
  test.each(Object.entries(bombs))('and %s are refused, or read, at once', (_name, source) => {
    const begin = process.cpuUsage()
    checkTemplate(source)
    const { user } = process.cpuUsage(begin)
    expect(user / 1000).toBeLessThan(400)
  })

  test('of what it prints', () => {
    const data = { big: 'x'.repeat(1_000_000) }
    expect(print('{{big}}', { data })).toHaveLength(1_000_000)
    expect(() => print('{{big}}{{big}}', { data })).toThrow(/1,048,576 characters/)
    const { print: printed } = createPrinter({ ...NOTHING, data })
    printed('{{big}}')
    expect(() => printed('{{big}}')).toThrow(RenderRefusal)
  })

  test('of the snippets in it, though they print nothing', () => {
    const doubling = snippets({
      a: '{{> b}}'.repeat(60),
      b: '{{> c}}'.repeat(60),
      c: '{{> d}}'.repeat(60),
      d: '{{> e}}'.repeat(60),
      e: '{{gone}}',
    })
    expect(checkSnippets(doubling)).toBeNull()
    expect(() => print('{{> a}}', { snippets: doubling })).toThrow(/500,000 steps/)
  })

  test('of an indent before many lines', () => {
    const context = { data: { lines: 'x\n'.repeat(20_000) }, snippets: snippets({ s: '{{lines}}' }) }
    expect(() => print(`${' '.repeat(200_000)}{{> s}}\n`, context)).toThrow(/1,048,576 characters/)
  })
})

test('Whatever is accepted prints what Handlebars prints', () => {
  const piece = fc.constantFrom(
    ...['{{a}}', '{{ b.c }}', '{{{a}}}', '{{&a}}', '{{~a}}', '{{a~}}', '{{gone}}', '{{gone.c}}', '{{l.0.x}}', '{{profile.a}}'],
    ...[
      '{{! no }}',
      '{{!-- {{no}} --}}',
      '{{~! no ~}}',
      '{{!-- no\n --~}}',
      '{{~!--~}}',
      '{{!~}}',
      '{{> s}}',
      '{{>t}}',
      '{{~> s ~}}',
      '\n',
      '\n  ',
      ' ',
      '\t',
      '\r\n',
    ],
    ...['\\{{a}}', '\\\\{{a}}', '\\\\\\{{a}}', '\\', '{', '}', 'x', 'é', '}}', '"', '('],
  )
  const sources = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''))
  const data = { a: '<a>\n&', b: { c: 'C' }, l: [{ x: 'X' }], profile: { a: 'of the profile' } }
  const parts = { s: 'one {{a}}\ntwo\n', t: '{{b.c}}' }
  const engine = Handlebars.create()
  let accepted = 0
  fc.assert(
    fc.property(sources, (source) => {
      let expected: string
      try {
        expected = engine.compile(source, { noEscape: true })(data, { partials: parts })
      } catch {
        expect(checkTemplate(source)).not.toBeNull()
        return
      }
      if (checkTemplate(source) !== null) return
      accepted += 1
      expect(print(source, { data, profile: data.profile, snippets: snippets(parts) })).toBe(expected)
    }),
    { numRuns: 600 },
  )
  expect(accepted).toBeGreaterThan(300)
})

test('Any text at all is accepted or refused with a sentence, and prints the same every time', () => {
  const mess = fc.array(
    fc.constantFrom(
      ...['{', '{{', '}}', '}', '#', '/', '>', '!', '--', '~', '\\', 'a', '.', '[', ']', '"', "'", ' ', '\n', '&', '^', '*', '@'],
      ...['(', ')', '=', '|', '$', '..', '0', 'if ', 'each ', 'else', 'as |x|', '{{#if a}}', '{{/if}}', 'and ', '{{#each a}}'],
    ),
  )
  fc.assert(
    fc.property(
      mess.map((parts) => parts.join('')),
      (source) => {
        if (checkTemplate(source) !== null) return
        expect(print(source, { data: { a: 'A' } })).toBe(print(source, { data: { a: 'A' } }))
      },
    ),
    { numRuns: 2_000 },
  )
})
