import { blocksToWrite, isWeb, linesOf, listLines, onOneLine, withAddress } from './chat-block.ts'
import { escapeMarkdown } from './chat-escape.ts'
import type { Action, Block, Rendered, Span } from './provider.ts'

/**
 * Blocks as Discord's Markdown, embeds for images and buttons that lead somewhere. Sources: the Discord Developer
 * Documentation, "Messages Resource" (Create Message, Embed Limits) and "Component Reference" (Action Row, Button), and
 * Discord's help page "Markdown Text 101".
 */

const LONGEST_CONTENT = 2_000
/** Of an embed's description, which takes Markdown too. */
const LONGEST_EMBED = 4_096
const LONGEST_EMBEDS = 6_000
const MOST_EMBEDS = 10
const LONGEST_LABEL = 80
const LONGEST_BUTTON_URL = 512
const BUTTONS_IN_A_ROW = 5
const MOST_BUTTONS = 25

/** What a message to Discord says. */
export interface DiscordMessage {
  readonly content?: string
  readonly embeds?: readonly object[]
  readonly components?: readonly object[]
}

/**
 * @param hasButtons whether components are shown: Discord leaves them out of what a webhook that is no application's own says
 * @returns null where there is nothing to write, or Discord would not take it: the text says the same
 */
export function writeDiscord(content: Rendered, hasButtons: boolean): DiscordMessage | null {
  const blocks = blocksToWrite(content)
  const isButton = (block: Block) => hasButtons && block.kind === 'action' && canBeButton(block.action)
  const buttons = blocks.flatMap((block) => (block.kind === 'action' && isButton(block) ? [block.action] : []))
  const images = blocks.filter((block) => block.kind === 'image').map(writeImage)
  const words = blocks
    .filter((block) => block.kind !== 'image' && !isButton(block))
    .map((block) => writeBlock(block) + (block.kind === 'heading' ? '\n' : '\n\n'))
  const said = messageOf(words.join('').trimEnd())
  if (said === null || blocks.length === 0) return null
  const embeds = [...(said.embeds ?? []), ...images]
  const length = embeds.reduce((sum, { description = '' }) => sum + description.length, 0)
  if (buttons.length > MOST_BUTTONS || embeds.length > MOST_EMBEDS || length > LONGEST_EMBEDS) return null
  return {
    ...said,
    ...(embeds.length > 0 && { embeds }),
    ...(buttons.length > 0 && { components: rowsOf(buttons) }),
  }
}

/** A text that is no markup, of 2,000 characters at most. Escaped it may be longer than a message: then it is an embed. */
export function writeDiscordText(text: string): DiscordMessage {
  return messageOf(escapeMarkdown(text)) ?? {}
}

interface Embed {
  readonly description?: string
  readonly image?: { readonly url: string }
}

function messageOf(markdown: string): { readonly content?: string; readonly embeds?: readonly Embed[] } | null {
  if (markdown.trim() === '') return {}
  const { length } = [...markdown]
  if (length <= LONGEST_CONTENT) return { content: markdown }
  return length <= LONGEST_EMBED ? { embeds: [{ description: markdown }] } : null
}

function canBeButton({ style, label, href }: Action): boolean {
  return style === 'button' && label.trim() !== '' && label.length <= LONGEST_LABEL && href.length <= LONGEST_BUTTON_URL
}

function rowsOf(buttons: readonly Action[]): readonly object[] {
  const rows = Array.from({ length: Math.ceil(buttons.length / BUTTONS_IN_A_ROW) }, (_, row) =>
    buttons.slice(row * BUTTONS_IN_A_ROW, (row + 1) * BUTTONS_IN_A_ROW),
  )
  return rows.map((row) => ({
    type: ACTION_ROW,
    components: row.map(({ label, href }) => ({ type: BUTTON, style: LINK, label, url: href })),
  }))
}

const ACTION_ROW = 1
const BUTTON = 2
const LINK = 5

function writeBlock(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return `${'#'.repeat(block.level)} ${writeSpans(onOneLine(block.spans))}`
    case 'text':
      return writeLines(block.spans, block.subtle ? '-# ' : '')
    case 'quote':
      return writeLines(block.spans, '> ')
    case 'code':
      // The line break keeps the first line from being the name of a language.
      return block.text.includes('```') ? escapeMarkdown(block.text) : `\`\`\`\n${block.text}\n\`\`\``
    case 'list':
      return listLines(block, '-')
        .map(({ depth, bullet, spans }) => `${'  '.repeat(depth)}${bullet} ${writeSpans(onOneLine(spans))}`)
        .join('\n')
    case 'divider':
      return '──────────'
    case 'action':
      return writeSpans([{ text: block.action.label || block.action.href, href: block.action.href }])
    case 'image':
      return ''
  }
}

/** What an image shows stands above it: an embed's picture has no text of its own. */
function writeImage({ src, alt, href }: Extract<Block, { kind: 'image' }>): Embed {
  const text = alt.trim() || (href ?? '')
  const description = text === '' ? '' : writeSpans([{ text, ...(isWeb(href) && { href }) }])
  return { ...(description !== '' && { description }), image: { url: src } }
}

const writeLines = (spans: readonly Span[], before: string) =>
  linesOf(spans)
    .map((line) => before + writeSpans(line))
    .join('\n')

/** Where two styles touch, nothing would tell where the first ends: a space of no width stands between them. */
function writeSpans(spans: readonly Span[]): string {
  let written = ''
  let wasStyled = false
  for (const span of spans.flatMap(apart)) {
    const piece = writeSpan(span)
    const isStyled = isSet(span)
    if (wasStyled && isStyled) written += '\u200b'
    written += piece
    wasStyled = isStyled
  }
  return written
}

const isSet = ({ text: _text, ...style }: Span) => Object.values(style).some((one) => one !== undefined)

/** White space at the ends of a styled text stands outside of it: stars next to it are stars. */
function apart(span: Span): readonly Span[] {
  if (!isSet(span)) return span.text === '' ? [] : [span]
  const [, before = '', text = '', after = ''] = /^(\s*)([\s\S]*?)(\s*)$/.exec(span.text) ?? []
  return [{ text: before }, { ...span, text }, { text: after }].filter(({ text }) => text !== '')
}

/** What a link leads to stands in no style, in which its stars would count. */
function writeSpan({ href, ...span }: Span): string {
  if (href === undefined) return writeStyled(span)
  const { text } = span
  if (!isWeb(href) || /[<>\s\\]/.test(href)) return writeStyled({ ...span, text: withAddress(text, href) })
  const target = `<${href.replaceAll('(', '%28').replaceAll(')', '%29')}>`
  if (text === href) return target
  // To Discord what looks like an address is no name for another.
  return /:\/\/|^www\./i.test(text) ? `${writeStyled(span)} (${target})` : `[${writeStyled(span)}](${target})`
}

function writeStyled({ text, bold, italic, strikethrough, underline, code }: Span): string {
  let written = code && !/[`\n]/.test(text) ? `\`${text}\`` : escapeMarkdown(text)
  if (italic) written = `*${written}*`
  if (bold) written = `**${written}**`
  if (underline) written = `__${written}__`
  if (strikethrough) written = `~~${written}~~`
  return written
}
