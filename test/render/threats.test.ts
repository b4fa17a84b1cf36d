import { describe, expect, test } from 'vitest'
import { createPrinter } from '../../src/render/printer.ts'
import { RenderRefusal, type TemplateContext } from '../../src/render/template.ts'
import { checkSnippets, checkTemplate } from '../../src/render/template-check.ts'

/** What templates are tried with, by the rows of reliability, section 3; those of what reads markup are with its files. */

const snippets = (entries: Readonly<Record<string, string>>) => new Map(Object.entries(entries))

function print(source: string, data: unknown = {}, given: Partial<TemplateContext> = {}): string {
  const context = { data, profile: null, tenant: null, brand: null, urls: null, snippets: snippets({}), ...given }
  return createPrinter(context).print(source)
}

/** Of this process, so that a busy machine changes nothing. */
function cpuMs(run: () => unknown): number {
  const begin = process.cpuUsage()
  run()
  return process.cpuUsage(begin).user / 1_000
}

const refusedAtOnce = (source: string, sentence: RegExp) => {
  expect(cpuMs(() => expect(checkTemplate(source)).toMatch(sentence))).toBeLessThan(100)
}

describe('Templates read their data and nothing behind it', () => {
  test.each([
    '{{constructor.name}}',
    '{{lookup this "__proto__"}}',
    '{{lookup a "constructor"}}',
    '{{__lookupSetter__}}',
    '{{this.__proto__.x}}',
    '{{#with this as |it|}}{{it.__proto__.x}}{{it.constructor.name}}{{/with}}',
    '{{#each l}}{{lookup .. "constructor"}}{{../constructor.name}}{{this.constructor}}{{/each}}',
    '{{path "constructor.name"}}{{path "__proto__"}}{{#if (filter "data" "__proto__" "NOT_EMPTY")}}x{{/if}}',
    '{{$.constructor.name}}{{refs.constructor.name}}{{data.constructor.name}}{{@root.constructor.name}}',
    '{{#with (params a=1)}}{{constructor.name}}{{/with}}{{lookup (params a=1) "__proto__"}}',
    '{{s.length}}{{lookup s "length"}}{{s.constructor.name}}',
  ])('T1: %s prints nothing', (source) => {
    expect(print(source, { a: {}, l: [[]], s: 'text' })).toBe('')
  })

  test('T2: the way by string.sub and constructor ends at a word that is no function', () => {
    const source =
      '{{#with "s" as |string|}}{{#with "e"}}{{#with split as |conslist|}}{{this.pop}}{{this.push (lookup string.sub "constructor")}}{{/with}}{{/with}}{{/with}}'
    expect(checkTemplate(source)).toMatch(/^Line 1: 'this\.push' is not a function/)
    expect(print('{{#with "s" as |string|}}{{lookup string.sub "constructor"}}{{string.sub.constructor}}{{/with}}')).toBe('')
  })

  test('T9: keys of the data are keys, whatever they are called', () => {
    const data = JSON.parse(
      '{"__proto__":{"isAdmin":true},"constructor":{"prototype":{"x":1}},"a":{"__proto__":{"y":2}}}',
    ) as object
    expect(
      print('{{__proto__.isAdmin}}{{constructor.prototype.x}}{{lookup a "__proto__"}}{{#each a}}{{@key}}{{/each}}', data),
    ).toBe('true1{"y":2}__proto__')
    print('{{> s a __proto__=5}}{{#with (params __proto__=7 constructor=8)}}{{__proto__}}{{/with}}{{set "__proto__" 9}}', data, {
      snippets: snippets({ s: '{{__proto__}}' }),
    })
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined()
    expect(Object.getPrototypeOf({})).toBe(Object.prototype)
  })

  test('T16: a template in a value is printed, not run', () => {
    const data = { name: '{{secret}} {{> s}} {{#each l}}x{{/each}}', secret: 'no', l: [1] }
    const printed = print('{{name}}{{concat name}}{{> s}}', data, { snippets: snippets({ s: '{{name}}' }) })
    expect(printed).toBe(data.name.repeat(3))
  })
})

describe('Refused when it is saved, with its line, is', () => {
  test.each([
    ['T4: a snippet named by data', '{{> (lookup . "p")}}'],
    ['T5: a decorator', '{{*n}}'],
    ['T5: a decorator with a block', '{{#*n}}x{{/n}}'],
    ['T5: a snippet of its own', '{{#*inline "a"}}x{{/inline}}'],
    ['T5: a snippet with a block', '{{#> a}}x{{/a}}'],
    ['T5: the block of a snippet', '{{> @partial-block}}'],
    ['T6: the function for missing functions', '{{helperMissing}}'],
    ['T6: the same with a value', '{{helperMissing "x"}}'],
    ['T6: the same for blocks', '{{#blockHelperMissing .}}x{{/blockHelperMissing}}'],
    ['T7: a line for the log', '{{log "x\\n{\\"level\\":60,\\"msg\\":\\"fake\\"}" level="error"}}'],
    ['T7: the same in brackets', '{{#if (log "x")}}{{/if}}'],
    ['T8: an unknown function', '{{foo "x"}}'],
    ['T8: an unknown function in brackets', '{{#each (foo "x")}}{{/each}}'],
    ['T8: what every object has', '{{toString "x"}}'],
    ['T8: what every object has, in brackets', '{{concat (constructor "x")}}'],
  ])('%s', (_name, source) => {
    expect(checkTemplate(`one\n{{#if a}}\n${source}\n{{/if}}`)).toMatch(/^Line 3: /)
    expect(() => print(source)).toThrow(RenderRefusal)
  })

  test('T3: what is no text: a tree that was read elsewhere', () => {
    const tree = { type: 'Program', body: [{ type: 'MustacheStatement' }], includes: () => true, replace: () => '{{a}}' }
    expect(checkTemplate(tree as never)).toBe('A template is a text.')
    expect(() => print(tree as never)).toThrow('A template is a text.')
  })

  test('T10: 100 KB of variables', () => refusedAtOnce('{{x}}'.repeat(20_480), /5,000 names/))

  test('T11: 3,000 blocks in each other', () => {
    refusedAtOnce('{{#if a}}'.repeat(3_000), /50 deep/)
    refusedAtOnce('{{#if a}}'.repeat(3_000) + '{{/if}}'.repeat(3_000), /50 deep/)
    refusedAtOnce(`{{#if a}}${'{{else if a}}'.repeat(3_000)}{{/if}}`, /50 deep/)
    refusedAtOnce(`{{^if a}}${'{{^if a}}'.repeat(3_000)}`, /50 deep/)
    refusedAtOnce(`{{and ${'(and '.repeat(190)}${')'.repeat(40)}}}`, /50 deep/)
    expect(checkTemplate('{{#if a}}'.repeat(50) + '{{/if}}'.repeat(50))).toBeNull()
  })

  test('T15: 100,000 open braces, and 200 KB of dashes', () => {
    refusedAtOnce('{{'.repeat(100_000), /^Line 1: /)
    refusedAtOnce(`{{!--${'-'.repeat(200_000)}`, /never closed/)
    refusedAtOnce(`{{and "${'\\"'.repeat(100_000)}`, /1,000 characters/)
    refusedAtOnce(`{{${'['.repeat(100_000)}`, /1,000 characters/)
  })
})

describe('Ended at a limit is', () => {
  const hundred = Array.from({ length: 100 }, (_, at) => at)

  test('T12: a loop of six over 100 things, which fails its message and nothing else', () => {
    const source = `${'{{#each @root.hundred}}'.repeat(6)}{{this}}${'{{/each}}'.repeat(6)}`
    expect(cpuMs(() => expect(() => print(source, { hundred })).toThrow(/500,000 steps/))).toBeLessThan(250)
    expect(cpuMs(() => expect(() => print(source.replace('{{this}}', ''), { hundred })).toThrow(/500,000 steps/))).toBeLessThan(
      250,
    )
    expect(print('{{hundred.[5]}}', { hundred })).toBe('5')
  })

  test('T13: a snippet that brings in itself by way of another', () => {
    const circle = snippets({ a: '{{> b}}', b: '{{#if x}}{{else}}{{> a}}{{/if}}' })
    expect(checkSnippets(circle)).toMatch(/a > b > a/)
    expect(() => print('{{> a}}', {}, { snippets: circle })).toThrow(/nest deeper than 5/)
  })

  test('T14: a large value in a loop', () => {
    const data = { items: Array.from({ length: 1_000 }, () => ({})), big: 'x'.repeat(1_000_000) }
    expect(() => print('{{#each items}}{{{../big}}}{{/each}}', data)).toThrow(/1,048,576 characters/)
  })
})
