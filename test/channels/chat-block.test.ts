import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { escapeMarkdown } from '../../src/channels/chat-escape.ts'
import { writeDiscord, writeDiscordText } from '../../src/channels/discord-markdown.ts'
import { cardOfText, writeCard } from '../../src/channels/msteams-card.ts'
import type { Action, Block, Rendered, Span } from '../../src/channels/provider.ts'
import { writeSlackBlocks } from '../../src/channels/slack-block.ts'
import { writeTelegram } from '../../src/channels/telegram-html.ts'

/** Everything a message may say, once. */
const LETTER: readonly Block[] = [
  { kind: 'heading', level: 1, spans: [{ text: 'Your tea & *scones*' }] },
  {
    kind: 'text',
    spans: [
      { text: 'Dear ' },
      { text: 'Ada', bold: true },
      { text: ',\nit left ' },
      { text: 'today', italic: true, underline: true },
      { text: ', not ' },
      { text: 'yesterday', strikethrough: true },
      { text: '. See ' },
      { text: 'the order', href: 'https://tea.example/o/1?a=1&b=2' },
      { text: ' or ' },
      { text: 'npm run tea', code: true },
      { text: '.' },
    ],
  },
  {
    kind: 'list',
    ordered: true,
    items: [
      { spans: [{ text: 'Assam' }], children: { kind: 'list', ordered: false, items: [{ spans: [{ text: 'loose' }] }] } },
      { spans: [{ text: 'Scones' }] },
    ],
  },
  { kind: 'quote', spans: [{ text: 'Hot,\nplease.' }] },
  { kind: 'code', text: '<b>&\nboil()' },
  { kind: 'divider' },
  { kind: 'image', src: 'https://tea.example/pot.png', alt: 'A pot', href: 'https://tea.example/pot' },
  { kind: 'action', action: { label: 'Track it', href: 'https://tea.example/t', style: 'button' } },
  { kind: 'action', action: { label: 'Return it', href: 'https://tea.example/r', style: 'button' } },
  { kind: 'action', action: { label: 'Ask us', href: 'https://tea.example/ask', style: 'link' } },
  { kind: 'text', subtle: true, spans: [{ text: 'Tea Ltd, 1 Pot Lane' }] },
]

const saying = (...blocks: readonly Block[]): Rendered => ({ text: 'The same.', blocks })
const text = (...spans: readonly Span[]): Block => ({ kind: 'text', spans })
const button = (changes: Partial<Action> = {}): Block => ({
  kind: 'action',
  action: { label: 'Go', href: 'https://tea.example', style: 'button', ...changes },
})

describe('A message with everything in it is written', () => {
  const golden = (name: string) => `./golden/${name}`

  test('in blocks for Slack', async () => {
    await expect(`${JSON.stringify(writeSlackBlocks(saying(...LETTER)), null, 2)}\n`).toMatchFileSnapshot(golden('slack.json'))
  })

  test('as an Adaptive Card for Microsoft Teams', async () => {
    await expect(`${JSON.stringify(writeCard(saying(...LETTER)), null, 2)}\n`).toMatchFileSnapshot(golden('msteams.json'))
  })

  test.each([
    ['by a bot', true, 'discord-bot.md'],
    ['by a webhook', false, 'discord-webhook.md'],
  ])('in Markdown for Discord, %s', async (_how, hasButtons, file) => {
    const { content, ...rest } = writeDiscord(saying(...LETTER), hasButtons)!
    await expect(`${content}\n\n${JSON.stringify(rest, null, 2)}\n`).toMatchFileSnapshot(golden(file))
  })

  test('in HTML for Telegram', async () => {
    const { text: html, ...rest } = writeTelegram(saying(...LETTER))!
    await expect(`${html}\n\n${JSON.stringify(rest, null, 2)}\n`).toMatchFileSnapshot(golden('telegram.html'))
  })
})

const WRITERS = [
  ['Slack', (content: Rendered) => writeSlackBlocks(content)],
  ['Microsoft Teams', (content: Rendered) => writeCard(content)],
  ['Discord', (content: Rendered) => writeDiscord(content, true)],
  ['Telegram', (content: Rendered) => writeTelegram(content)],
] as const

describe.each(WRITERS)('For %s', (service, write) => {
  test('a message without blocks, or whose blocks say nothing, is left to its text', () => {
    expect(write({ text: 'Tea' })).toBeNull()
    expect(write(saying(text({ text: ' ' }), { kind: 'list', ordered: false, items: [] }))).toBeNull()
  })

  test('what is more than the service takes is left to its text', () => {
    const paragraph = text({ text: 'x'.repeat(1_000) })
    expect(write(saying(...Array.from({ length: 60 }, () => paragraph)))).toBeNull()
  })

  test('images and buttons lead to http(s) alone', () => {
    const href = 'javascript:alert(1)'
    const written = JSON.stringify(
      write(saying(text({ text: 'Tea' }), button({ href }), { kind: 'image', src: 'data:image/png;base64,AA', alt: '' })),
    )
    expect(written).not.toMatch(/javascript|data:/)
  })

  test('a button to write to somebody or to call them is a line with their address', () => {
    const mail = button({ label: 'Write to us', href: 'mailto:tea@tea.example?subject=Tea' })
    const call = button({ label: 'Call 555', href: 'tel:555', style: 'link' })
    const written = JSON.stringify(write(saying(mail, call))).replaceAll('\\', '')
    expect(written).toContain('Write to us (tea@tea.example)')
    expect(written).toContain('Call 555')
    expect(written).not.toMatch(/mailto|tel:|"button"|OpenUrl|"components"|inline_keyboard/)
  })

  test('a button whose label or address is too long for one is a link, or a button all the same', () => {
    const label = 'Long '.repeat(30).trim()
    const written = JSON.stringify(write(saying(button({ label }))))
    expect(written).toContain(label)
    expect(written).toContain('https://tea.example')
    if (service !== 'Microsoft Teams') expect(written).not.toMatch(/"button"|"components"|inline_keyboard/)
  })
})

// ── What a service reads out of it again ─────────────────────────────────────

/** What a reader is shown: each run of text, with what is special about it. */
type Shown = { readonly text: string; readonly marks: string }

/** Adjoining runs of one kind are one. */
function joined(shown: readonly Shown[]): readonly Shown[] {
  const out: Shown[] = []
  for (const run of shown) {
    const last = out.at(-1)
    if (run.text === '') continue
    if (last?.marks === run.marks) out[out.length - 1] = { ...run, text: last.text + run.text }
    else out.push(run)
  }
  return out
}

/** As Discord's clients read Markdown of one paragraph: an escape, then what may begin here, the longest first. */
function readDiscord(source: string, marks = ''): readonly Shown[] {
  const shown: Shown[] = []
  let rest = source
  let isLineStart = true
  const RULES: readonly (readonly [RegExp, string])[] = [
    [/^\*\*((?:\\[\s\S]|[^\\])+?)\*\*(?!\*)/, 'b'],
    [/^__((?:\\[\s\S]|[^\\])+?)__(?!_)/, 'u'],
    [/^\*(?=\S)((?:\*\*|\\[\s\S]|[^*\\])+?)\*(?!\*)/, 'i'],
    [/^\b_((?:__|\\[\s\S]|[^\\_])+?)_\b/, 'i'],
    [/^~~((?:\\[\s\S]|[^\\])+?)~~(?!_)/, 's'],
    [/^\|\|([\s\S]+?)\|\|/, 'spoiler'],
    [/^\[((?:\\[\s\S]|[^\]\\])+)\]\(<([^>\s]+)>\)/, 'link'],
  ]
  while (rest !== '') {
    const escaped = /^\\([^0-9A-Za-z\s])/.exec(rest)
    const special =
      /^(?:<[@#:/!&t]|@everyone|@here|https?:\/\/\S|discord\.gg\/|:\w+:|`)/.exec(rest) ??
      (isLineStart ? /^ *(?:#{1,3} |-# |[-*+] |\d+\. |>{1,3} )/.exec(rest) : null)
    const rule = RULES.find(([pattern]) => pattern.test(rest))
    if (escaped) {
      shown.push({ text: escaped[1]!, marks })
      rest = rest.slice(2)
      isLineStart = false
    } else if (special) {
      shown.push({ text: special[0], marks: `${marks}!` })
      rest = rest.slice(special[0].length)
    } else if (rule) {
      const [whole, inner, url = ''] = rule[0].exec(rest)!
      shown.push(...readDiscord(inner!, [...marks, rule[1] + url].sort().join('')))
      rest = rest.slice(whole.length)
      isLineStart = false
    } else {
      const [first] = rest
      shown.push({ text: first!, marks })
      rest = rest.slice(first!.length)
      isLineStart = first === '\n' || (isLineStart && first === ' ')
    }
  }
  return joined(shown)
}

/** As Telegram reads its HTML. */
function readTelegram(html: string): readonly Shown[] {
  const open: string[] = []
  const shown: Shown[] = []
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"' }
  for (const [, tag, entity, plain] of html.matchAll(/<([^>]*)>|&([a-z]+);|([\s\S])/gu)) {
    if (tag?.startsWith('/')) expect(open.pop()?.split(' ')[0]).toBe(tag.slice(1))
    else if (tag !== undefined) open.push(tag)
    else if (entity !== undefined) shown.push({ text: named[entity] ?? `?${entity}`, marks: [...open].sort().join('') })
    else {
      expect(plain).not.toMatch(/[<>&]/)
      shown.push({ text: plain!, marks: [...open].sort().join('') })
    }
  }
  expect(open).toEqual([])
  return joined(shown)
}

const NASTY = [
  '<!channel>',
  '<@U024BE7LH>',
  '<https://evil.test|bank>',
  '*bold* _it_ ~st~ `code`',
  '@everyone @here <@123> <#1> <:a:1>',
  '[bank](https://evil.test)',
  '||spoiler|| :tea: discord.gg/abc https://evil.test',
  '# h\n-# s\n- l\n1. n\n> q\n>>> r',
  '</b><a href="https://evil.test">bank</a>&amp;&lt;',
  '\\*\\_\\\\',
  '```js\nx\n```',
  '{{secret}}',
]
const anyText = fc.oneof(
  fc.constantFrom(...NASTY),
  fc.string({ unit: 'grapheme' }),
  fc.array(fc.constantFrom(...'*_~`|<>[]()#@:/.+-1 \n\\&;"a='), { maxLength: 30 }).map((all) => all.join('')),
)
const words = anyText.filter((one) => one.trim() !== '')

describe('Whatever a text says, the service shows that and nothing more', () => {
  test('Slack, where every text is data of its own', () => {
    fc.assert(
      fc.property(words, (said) => {
        const written = writeSlackBlocks(saying(text({ text: said })))
        expect(written).toEqual([
          { type: 'rich_text', elements: [{ type: 'rich_text_section', elements: [{ type: 'text', text: said }] }] },
        ])
      }),
    )
  })

  test('Slack, in a heading, a small print and a button, of plain text', () => {
    fc.assert(
      fc.property(words, (said) => {
        const line = { kind: 'heading', level: 1, spans: [{ text: said }] } as const
        const written = JSON.stringify(
          writeSlackBlocks(saying(line, { ...line, kind: 'text', subtle: true }, button({ label: said }))),
        )
        expect(written).not.toMatch(/mrkdwn|<[!@#h]/)
      }),
    )
  })

  test('Microsoft Teams, where every text is a run of its own', () => {
    fc.assert(
      fc.property(words, (said) => {
        for (const card of [writeCard(saying(text({ text: said }))), cardOfText(said)]) {
          const { body } = card as unknown as { body: { type: string; inlines: { type: string; text: string }[] }[] }
          expect(new Set(body.map(({ type }) => type))).toEqual(new Set(['RichTextBlock']))
          expect(new Set(body.flatMap(({ inlines }) => inlines.flatMap((run) => Object.keys(run))))).toEqual(
            new Set(['type', 'text']),
          )
        }
        const { body } = writeCard(saying(text({ text: said }))) as unknown as { body: { inlines: { text: string }[] }[] }
        expect(
          body
            .map(({ inlines }) =>
              inlines
                .map((run) => run.text)
                .join('')
                .replace(/^\u00a0$/, ''),
            )
            .join('\n'),
        ).toBe(said.replace(/^\u00a0$/gm, ''))
      }),
    )
  })

  test('Discord, in a paragraph and where there are no blocks', () => {
    fc.assert(
      fc.property(words, (said) => {
        expect(readDiscord(escapeMarkdown(said))).toEqual([{ text: said, marks: '' }])
        const { content } = writeDiscord(saying(text({ text: said })), true)!
        expect(readDiscord(content!)).toEqual([{ text: said.trimEnd(), marks: '' }])
        expect(readDiscord(writeDiscordText(said).content!)).toEqual([{ text: said, marks: '' }])
      }),
    )
  })

  test('Discord, in every style and beside every other', () => {
    const style = fc.constantFrom<Omit<Span, 'text'>>(
      {},
      { bold: true },
      { italic: true },
      { bold: true, italic: true },
      { underline: true },
      { strikethrough: true },
    )
    const span = fc.tuple(fc.stringMatching(/^[a-z*_~\\<@:.]{1,8}$/), style).map(([said, how]): Span => ({ text: said, ...how }))
    const marksOf = ({ bold, italic, underline, strikethrough }: Span) =>
      [bold && 'b', italic && 'i', underline && 'u', strikethrough && 's'].filter(Boolean).sort().join('')
    fc.assert(
      fc.property(fc.array(span, { minLength: 1, maxLength: 4 }), (spans) => {
        const { content } = writeDiscord(saying(text(...spans)), true)!
        const shown = readDiscord(content!).filter((run) => run.text !== '\u200b')
        expect(joined(shown)).toEqual(joined(spans.map((one) => ({ text: one.text, marks: marksOf(one) }))))
      }),
    )
  })

  test('Telegram, in every place', () => {
    fc.assert(
      fc.property(words, (said) => {
        const { text: html } = writeTelegram(saying(text({ text: said }), button()))!
        expect(readTelegram(html)).toEqual([{ text: said.trim(), marks: '' }])
        const code = writeTelegram(saying({ kind: 'code', text: said }))!
        expect(readTelegram(code.text)).toEqual([{ text: said, marks: 'pre' }])
      }),
    )
  })

  test('Telegram, in a link, whose address stays one', () => {
    const href = 'https://tea.example/?a="><b>&c=1'
    const [shown, ...others] = readTelegram(writeTelegram(saying(text({ text: 'Tea', href })))!.text)
    expect(others).toEqual([])
    expect(shown).toEqual({ text: 'Tea', marks: 'a href="https://tea.example/?a=&quot;&gt;&lt;b&gt;&amp;c=1"' })
  })
})

describe('For Discord', () => {
  const linked = (span: Span) => writeDiscord(saying(text(span)), true)!.content

  test('a link is named, unless its name looks like an address itself', () => {
    expect(linked({ text: 'tea', href: 'https://tea.example/(1)' })).toBe('[tea](<https://tea.example/%281%29>)')
    expect(linked({ text: 'https://tea.example', href: 'https://tea.example' })).toBe('<https://tea.example>')
    expect(linked({ text: 'https://bank.test', href: 'https://evil.test' })).toBe('https\\:\\/\\/bank.test (<https://evil.test>)')
    expect(linked({ text: 'us', href: 'mailto:tea@tea.example' })).toBe('us \\(tea\\@tea.example\\)')
    expect(linked({ text: 'tea', bold: true, href: 'https://tea.example/**' })).toBe('[**tea**](<https://tea.example/**>)')
  })

  test('a text that is longer than a message is an embed, as long as one may be', () => {
    const long = { kind: 'text', spans: [{ text: 'x'.repeat(3_000) }] } as const
    expect(writeDiscord(saying(long), true)).toEqual({ embeds: [{ description: 'x'.repeat(3_000) }] })
    expect(writeDiscordText('*'.repeat(2_000))).toEqual({ embeds: [{ description: '\\*'.repeat(2_000) }] })
  })

  test('buttons stand five in a row, and at most 25', () => {
    const { components } = writeDiscord(saying(...Array.from({ length: 7 }, () => button())), true)!
    expect(components).toMatchObject([{ components: { length: 5 } }, { components: { length: 2 } }])
    expect(writeDiscord(saying(...Array.from({ length: 26 }, () => button())), true)).toBeNull()
  })
})
