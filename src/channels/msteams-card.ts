import { blocksToWrite, isWeb, linesOf, listLines, onOneLine } from './chat-block.ts'
import type { Action, Block, List, Rendered, Span } from './provider.ts'

/**
 * Blocks as an Adaptive Card. Sources: Microsoft's pages "Adaptive Card schema" (RichTextBlock, TextRun, Image, Container,
 * ActionSet, Action.OpenUrl) and "Format cards in Teams". Texts are runs of a RichTextBlock, in which there is no Markdown: in a
 * TextBlock it would be read, and clients differ in what they take for an escape.
 */

export interface Card {
  readonly type: 'AdaptiveCard'
}

type CardElement = Readonly<Record<string, unknown>>

/** A webhook takes 28 KB with what is around the card, and a bot a little more. */
const MAX_CARD_BYTES = 27 * 1_024
/** Of which Teams shows one row. */
const MOST_BUTTONS = 6

export function isCard(blocks: unknown): blocks is Card {
  return blocks !== null && typeof blocks === 'object' && Reflect.get(blocks, 'type') === 'AdaptiveCard'
}

/** Null where there is nothing to write, or it is more than Teams would take: the text says the same. */
export function writeCard(content: Rendered): Card | null {
  const blocks = blocksToWrite(content)
  const body: CardElement[] = []
  let isDivided = false
  for (let at = 0; at < blocks.length; at += 1) {
    const block = blocks[at]!
    if (block.kind === 'divider') {
      isDivided = true
      continue
    }
    const buttons = buttonsFrom(blocks, at)
    const [first, ...rest] = buttons.length > 0 ? [writeButtons(buttons)] : writeBlock(block)
    at += Math.max(0, buttons.length - 1)
    if (first === undefined) continue
    // A line of its own is none of a card's elements: it stands above one.
    body.push(isDivided ? { ...first, separator: true, spacing: 'Large' } : first, ...rest)
    isDivided = false
  }
  const card = cardWith(body)
  return body.length === 0 || Buffer.byteLength(JSON.stringify(card)) > MAX_CARD_BYTES ? null : card
}

/** Line by line, each a block of its own. */
export function cardOfText(text: string): Card {
  return cardWith(
    text
      .split(/\r?\n/)
      .filter((line) => line.trim() !== '')
      .map((line) => richText([{ type: 'TextRun', text: line }])),
  )
}

function cardWith(body: readonly CardElement[]): Card & CardElement {
  return { type: 'AdaptiveCard', $schema: 'http://adaptivecards.io/schemas/adaptive-card.json', version: '1.4', body }
}

const richText = (inlines: readonly CardElement[]): CardElement => ({ type: 'RichTextBlock', inlines })

/** Buttons that follow each other stand beside each other. */
function buttonsFrom(blocks: readonly Block[], from: number): readonly Action[] {
  const buttons: Action[] = []
  for (const block of blocks.slice(from, from + MOST_BUTTONS)) {
    if (block.kind !== 'action' || block.action.style !== 'button') break
    buttons.push(block.action)
  }
  return buttons
}

const openUrl = (url: string) => ({ type: 'Action.OpenUrl', url })

const writeButtons = (buttons: readonly Action[]): CardElement => ({
  type: 'ActionSet',
  actions: buttons.map(({ label, href }) => ({ ...openUrl(href), title: label || href })),
})

const SIZES = { 1: 'ExtraLarge', 2: 'Large', 3: 'Medium' } as const

function writeBlock(block: Block): readonly CardElement[] {
  switch (block.kind) {
    case 'heading':
      return [richText(runs(onOneLine(block.spans), { size: SIZES[block.level], weight: 'Bolder' }))]
    case 'text':
      return writeLines(block.spans, block.subtle ? { isSubtle: true, size: 'Small' } : {})
    case 'quote':
      return [{ type: 'Container', style: 'emphasis', items: writeLines(block.spans, {}) }]
    case 'code':
      return writeLines([{ text: indented(block.text), code: true }], {})
    case 'list':
      return writeList(block)
    case 'image':
      return [
        {
          type: 'Image',
          url: block.src,
          altText: block.alt,
          ...(isWeb(block.href) && { selectAction: openUrl(block.href) }),
        },
      ]
    case 'action':
      return [richText(runs([{ text: block.action.label || block.action.href, href: block.action.href }], {}))]
    case 'divider':
      return []
  }
}

/** A run takes no line breaks: each line is a block of its own, close to the one above. */
function writeLines(spans: readonly Span[], manner: CardElement): readonly CardElement[] {
  return linesOf(spans)
    .map((line) => runs(line, manner))
    .map((inlines, index) => ({
      ...richText(inlines.length > 0 ? inlines : [{ type: 'TextRun', text: NO_BREAK_SPACE }]),
      ...(index > 0 && { spacing: 'None' }),
    }))
}

const NO_BREAK_SPACE = '\u00a0'

/** Spaces at the beginning of a run are not shown. */
const indented = (text: string) => text.replace(/^ +/gm, (spaces) => NO_BREAK_SPACE.repeat(spaces.length))

function writeList(list: List): readonly CardElement[] {
  return listLines(list, '•').flatMap(({ depth, bullet, spans }, index) => {
    const before = { text: `${NO_BREAK_SPACE.repeat(4 * depth)}${bullet} ` }
    const [first, ...rest] = writeLines([before, ...spans], {})
    return [{ ...first!, ...(index > 0 && { spacing: 'Small' }) }, ...rest]
  })
}

function runs(spans: readonly Span[], manner: CardElement): readonly CardElement[] {
  return spans
    .filter(({ text }) => text !== '')
    .map(({ text, bold, italic, strikethrough, underline, code, href }) => ({
      type: 'TextRun',
      text,
      ...manner,
      ...(bold && { weight: 'Bolder' }),
      ...(italic && { italic }),
      ...(strikethrough && { strikethrough }),
      ...(code && { fontType: 'Monospace' }),
      ...((underline || href !== undefined) && { underline: true }),
      ...(href !== undefined && { color: 'Accent', selectAction: openUrl(href) }),
    }))
}
