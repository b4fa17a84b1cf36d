import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Block } from '../../src/channels/provider.ts'
import { fillBlocks, plainText } from '../../src/render/block.ts'
import { readMarkdown } from '../../src/render/markdown.ts'
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

  test('is read in time, however it is nested', () => {
    const bombs = ['[', '![', '>', '> ', '- ', '*a ', '*a_', '~~a', '[a](', '`a ``', '<', '&#', 'http://', '***', '_[']
    for (const bomb of bombs) {
      const started = performance.now()
      read(bomb.repeat(64_000 / bomb.length))
      expect(performance.now() - started, bomb).toBeLessThan(2_000)
    }
    expect(() => readMarkdown('x'.repeat(300_000))).toThrow('at most 262,144 characters')
  })
})

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
  .filter((value) => value.trim() !== '')

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
