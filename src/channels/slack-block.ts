import { blocksToWrite, isWeb, onOneLine, textOf } from './chat-block.ts'
import { escapeSlack } from './chat-escape.ts'
import type { Action, Block, List, Rendered, Span } from './provider.ts'

/**
 * Blocks as Slack's own. Sources: Slack's pages "Rich text block", "Header block", "Image block", "Context block", "Actions
 * block", "Button element" and "Text object". Texts are rich text, whose elements are data: in `mrkdwn` a star or an
 * underscore of somebody's name would be markup, and there is no escape for it.
 */

const MOST_BLOCKS = 50
const MOST_BUTTONS = 25
const LONGEST_HEADER = 150
const LONGEST_LABEL = 75
const LONGEST_URL = 3_000
const LONGEST_ALT = 2_000
/** Documented for a text object; taken for the texts of a rich text, for which nothing is. */
const LONGEST_BLOCK = 3_000
/** All of them: documented for Markdown, and below the size at which Slack has refused blocks (msg_blocks_too_long). */
const LONGEST_MESSAGE = 12_000

type SlackBlock = Readonly<Record<string, unknown>>

/** Null where there is nothing to write, or Slack would not take it: the text says the same. */
export function writeSlackBlocks(content: Rendered): readonly SlackBlock[] | null {
  const blocks = blocksToWrite(content)
  const written: SlackBlock[] = []
  for (let at = 0; at < blocks.length; at += 1) {
    const buttons = buttonsFrom(blocks, at)
    if (buttons.length === 0) written.push(...writeBlock(blocks[at]!))
    else {
      written.push({ type: 'actions', elements: buttons.map(writeButton) })
      at += buttons.length - 1
    }
  }
  const lengths = blocks.map(lengthOf)
  const isTooLong = Math.max(0, ...lengths) > LONGEST_BLOCK || lengths.reduce((sum, one) => sum + one, 0) > LONGEST_MESSAGE
  return written.length === 0 || written.length > MOST_BLOCKS || isTooLong ? null : written
}

/** Buttons that follow each other stand beside each other. */
function buttonsFrom(blocks: readonly Block[], from: number): readonly Action[] {
  const buttons: Action[] = []
  for (const block of blocks.slice(from, from + MOST_BUTTONS)) {
    if (block.kind !== 'action' || !isButton(block.action)) break
    buttons.push(block.action)
  }
  return buttons
}

function isButton({ style, label, href }: Action): boolean {
  return style === 'button' && label.trim() !== '' && label.length <= LONGEST_LABEL && href.length <= LONGEST_URL
}

const writeButton = ({ label, href }: Action) => ({ type: 'button', text: plainText(label), url: href })

function writeBlock(block: Block): readonly SlackBlock[] {
  switch (block.kind) {
    case 'heading':
      return [writeHeading(block)]
    case 'text':
      return [block.subtle && isPlain(block.spans) ? small(textOf(block.spans)) : richText(section(block.spans))]
    case 'quote':
      return [richText({ type: 'rich_text_quote', elements: inline(block.spans) })]
    case 'code':
      return [richText({ type: 'rich_text_preformatted', elements: [{ type: 'text', text: block.text }] })]
    case 'list':
      return [richText(...writeList(block, 0))]
    case 'image':
      return writeImage(block)
    case 'divider':
      return [{ type: 'divider' }]
    case 'action':
      return [richText(section([{ text: block.action.label || block.action.href, href: block.action.href }]))]
  }
}

function writeHeading({ level, spans }: Extract<Block, { kind: 'heading' }>): SlackBlock {
  const line = onOneLine(spans)
  const text = plainText(textOf(line))
  if (level < 3 && isPlain(line) && text.text.length <= LONGEST_HEADER) return { type: 'header', text }
  return richText(section(line.map((span) => ({ ...span, bold: true }))))
}

const isPlain = (spans: readonly Span[]) => spans.every(({ href }) => href === undefined)

/** `<`, `>` and `&` are Slack's own, and `:tea:` stays what it is. */
function plainText(text: string) {
  return { type: 'plain_text', text: escapeSlack(text), emoji: false }
}

const small = (text: string): SlackBlock => ({ type: 'context', elements: [plainText(text)] })

const richText = (...elements: readonly SlackBlock[]): SlackBlock => ({ type: 'rich_text', elements })

const section = (spans: readonly Span[]): SlackBlock => ({ type: 'rich_text_section', elements: inline(spans) })

/** Never none, which Slack refuses. */
function inline(spans: readonly Span[]): readonly SlackBlock[] {
  const some = spans.filter(({ text }) => text !== '')
  return (some.length > 0 ? some : [{ text: ' ' }]).map(writeSpan)
}

/** Slack documents no underline. */
function writeSpan({ text, bold, italic, strikethrough, code, href }: Span): SlackBlock {
  const given = Object.entries({ bold, italic, strike: strikethrough, code }).filter(([, is]) => is)
  const style = given.length > 0 ? { style: Object.fromEntries(given) } : {}
  return href === undefined ? { type: 'text', text, ...style } : { type: 'link', url: href, text, ...style }
}

/** Slack's lists hold no lists: one that lies deeper comes in between, and the numbers go on after it. */
function writeList({ ordered, items }: List, indent: number): readonly SlackBlock[] {
  const written: SlackBlock[] = []
  let begun: SlackBlock[] = []
  let offset = 0
  const flush = () => {
    if (begun.length === 0) return
    const style = ordered ? 'ordered' : 'bullet'
    written.push({ type: 'rich_text_list', style, indent, ...(ordered && offset > 0 && { offset }), elements: begun })
    offset += begun.length
    begun = []
  }
  for (const { spans, children } of items) {
    begun.push(section(spans))
    if (children === undefined) continue
    flush()
    written.push(...writeList(children, indent + 1))
  }
  flush()
  return written
}

/** An image leads nowhere by itself in Slack. */
function writeImage({ src, alt, href }: Extract<Block, { kind: 'image' }>): readonly SlackBlock[] {
  const link = (url: string) => richText(section([{ text: alt.trim() || url, href: url }]))
  const isTaken = src.length <= LONGEST_URL && alt.length <= LONGEST_ALT
  const image = isTaken ? { type: 'image', image_url: src, alt_text: alt.trim() || 'Image' } : link(src)
  return isWeb(href) ? [image, link(href)] : [image]
}

function lengthOf(block: Block): number {
  switch (block.kind) {
    case 'heading':
    case 'text':
    case 'quote':
      return textOf(block.spans).length
    case 'code':
      return block.text.length
    case 'list':
      return block.items.reduce((sum, { spans, children }) => sum + textOf(spans).length + (children ? lengthOf(children) : 0), 0)
    case 'image':
      return block.alt.length
    default:
      return 0
  }
}
