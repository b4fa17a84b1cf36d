import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Block } from '../../src/channels/provider.ts'
import { fillBlocks, plainText } from '../../src/render/block.ts'
import { newMarkdownBudget, readMarkdown } from '../../src/render/markdown.ts'
import { MARKS, mark } from '../../src/render/template.ts'
import { renderContent } from './job.ts'

const read = (text: string, values: readonly string[] = []) => fillBlocks(readMarkdown(text), values)
const paragraph = (text: string) => read(text)[0]

describe('Markdown', () => {
  test('keeps single line breaks, and is no HTML', () => {
    expect(read('one\ntwo  \nthree\\\nfour <b>x</b> &amp; &lt;')).toEqual([
      { kind: 'text', spans: [{ text: 'one\ntwo\nthree\nfour <b>x</b> & <' }] },
    ])
  })

  test('makes links of what is written as one or says its scheme, and of nothing else', () => {
    expect(paragraph('www.x.example x@y.example x.example')).toEqual({
      kind: 'text',
      spans: [{ text: 'www.x.example x@y.example x.example' }],
    })
    const [block] = read('https://x.example/?a=1&b=2. <https://y.example> [z](https://z.example "title") mailto:a@b.example')
    expect((block as { spans: readonly { href?: string }[] }).spans.flatMap(({ href }) => href ?? [])).toEqual([
      'https://x.example/?a=1&b=2',
      'https://y.example',
      'https://z.example',
      'mailto:a@b.example',
    ])
  })

  test('has no indented code, tables and definitions, which no message means', () => {
    expect(plainText(read('    four spaces\n\n[1]: not gone\n\n| a | b |\n|---|---|\n| c | d |'))).toBe(
      'four spaces\n\n[1]: not gone\n\n| a | b |\n|---|---|\n| c | d |',
    )
  })

  test('leaves out what came to nothing', () => {
    expect(read(`a\n\n${mark(0)}\n\n# ${mark(0)}\n\n- ${mark(0)}\n- b\n\n> ${mark(0)}`, ['  '])).toEqual([
      { kind: 'text', spans: [{ text: 'a' }] },
      { kind: 'list', ordered: false, items: [{ spans: [{ text: 'b' }] }] },
    ])
  })

  test('is refused beyond 262,144 characters in a message, of which signs count for more', () => {
    const refusal = /^A message has at most 262,144 characters of Markdown; a sign counts as 4, a colon as 64\.$/
    expect(() => readMarkdown('x'.repeat(262_144))).not.toThrow()
    for (const text of ['x'.repeat(262_145), '- '.repeat(53_000), ':'.repeat(4_097)]) {
      expect(() => readMarkdown(text)).toThrow(refusal)
    }
    const message = newMarkdownBudget()
    for (let n = 0; n < 10; n += 1) readMarkdown('a'.repeat(200_000), message)
    expect(() => readMarkdown('b'.repeat(70_000), message)).toThrow(refusal)
  })

  const BOMBS =
    '[|![|![a](|[a](|[[a](|_[|>|> |>\n- |- |- a\n|- a\n\n|1.\n|*a |*a_|_*|~~a|**a**|`a ``|<|&#|***|a\n|\n\n😀|http://|ahttp://x.y#😀*|://+1.a#|mailto:a'

  test.each(BOMBS.split('|'))('is read in less than half a second, as much of it as a message may have: %j', (bomb) => {
    const text = bomb.repeat((262_144 - 1) / costOf(bomb))
    const begin = process.cpuUsage()
    read(text)
    // Three times as long as on a machine that has nothing else to do.
    expect(process.cpuUsage(begin).user / 1_000).toBeLessThan(1_500)
  })
})

const costOf = (text: string) =>
  [...text].reduce((sum, one) => sum + (one === ':' ? 64 : /[\p{L}\p{N} ]/u.test(one) ? 1 : 4), text.length - [...text].length)

const TEMPLATE = `# H {{v}}

A {{v}} **{{v}}** _{{v}}_ \`{{v}}\` [l {{v}}](https://x.example/{{v}}?q={{v}}#{{v}})
{{v}}

{{v}} starts

1. {{v}}
   - {{v}}
2. b{{v}}c

> {{v}}

![i {{v}}](https://x.example/{{v}}.png)

\`\`\`
{{v}}
\`\`\``

const nasty = fc
  .oneof(
    fc.string({ unit: 'binary', maxLength: 40 }),
    fc.stringMatching(/^[#>*_`~[\]()!\\<&|\-+=:.\n a1]{1,30}$/),
    fc.constantFrom(
      '# x',
      '\n\n# x\n\n',
      '* x\n* y',
      '**x**',
      '](javascript:alert(1))',
      '[a](https://evil.example)',
      '![a](https://evil.example/pixel.png)',
      'https://evil.example',
      '```\n```\n',
      '---\n***\n===',
      '{{secret}}',
      mark(0),
      '\ue0001\ue001',
      '&#35; x',
      '<img src=x onerror=alert(1)>',
    ),
  )
  // What would climb out of the path it stands in takes its link along (html.test.ts).
  .filter((value) => value.trim() !== '' && !/(^|[/\\])(\.|%2e){1,2}($|[/\\?#])/i.test(value))

describe('No value is ever markup', () => {
  const shape = (blocks: readonly Block[]) =>
    JSON.stringify(blocks, (key, value) => (['text', 'alt', 'src', 'href', 'label'].includes(key) ? key : value))
  const blocksFor = async (v: string, onMissing: 'EMPTY' | 'FAIL' = 'EMPTY') =>
    (
      await renderContent(
        { title: 'T {{v}}', body: TEMPLATE },
        { channel: 'DIRECT_MESSAGE', data: { v, secret: 'SECRET' }, onMissing },
      )
    ).blocks!

  test('T16, T17: the blocks are the same whatever the value is, and it stands in them as it is, once', async () => {
    const plain = shape((await blocksFor('x')).slice(1))
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        const blocks = (await blocksFor(v)).slice(1)
        expect(shape(blocks)).toBe(plain)
        expect(blocks[0]).toEqual({ kind: 'heading', level: 1, spans: [{ text: `H ${v}` }] })
        expect(blocks.at(-1)).toEqual({ kind: 'code', text: v })
        expect(JSON.stringify(blocks)).not.toContain('SECRET')
      }),
    )
  })

  test('T20: addresses stay on the host that the template names, and a value that is one leads to the web or nowhere', async () => {
    await fc.assert(
      fc.asyncProperty(nasty, async (v) => {
        const hrefs = [...JSON.stringify(await blocksFor(v)).matchAll(/"(?:href|src)":"([^"]*)"/g)].map(
          ([, href]) => new URL(href!),
        )
        expect(hrefs.length).toBe(2)
        for (const { host, protocol } of hrefs) expect([protocol, host]).toEqual(['https:', 'x.example'])
      }),
    )
    for (const v of [
      'javascript:alert(1)',
      ' JaVaScRiPt:alert(1)',
      'java\nscript:x',
      'data:text/html,x',
      'vbscript:x',
      '//evil',
      '/x',
    ]) {
      const { text, actions } = await renderContent(
        {
          elements: [
            { type: 'text', content: 'a [b]({{v}}) <{{v}}>' },
            { type: 'action', content: 'Go', href: '{{v}}' },
          ],
        },
        { channel: 'INBOX', data: { v } },
      )
      expect({ text, actions }).toEqual({ text: `a b ${v}\n\nGo`, actions: [] })
    }
  })

  test('and marks in a text of the author are nothing', () => {
    const blocks = read('&#xe000;0&#xe001; [a](&#xe000;7&#xe001;)', ['v'])
    expect(JSON.stringify(blocks)).not.toMatch(MARKS)
  })
})
