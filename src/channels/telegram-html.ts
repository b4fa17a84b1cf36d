import { blocksToWrite, isWeb, listLines, onOneLine, textOf } from './chat-block.ts'
import type { Action, Block, Rendered, Span } from './provider.ts'

/**
 * Blocks as Telegram's HTML, with buttons under it. Source: Telegram's page "Telegram Bot API" ("HTML style", "sendMessage",
 * "InlineKeyboardButton", "LinkPreviewOptions").
 */

/** After entities are parsed, in UTF-16 units. */
const LONGEST_TEXT = 4_096
/** Of which further ones are not shown. */
const MOST_ENTITIES = 100
const MOST_BUTTONS = 100
/** No limit is documented; longer ones are cut off on a phone. */
const LONGEST_LABEL = 64

export interface TelegramMessage {
  readonly text: string
  readonly parse_mode: 'HTML'
  readonly link_preview_options?: object
  readonly reply_markup?: object
}

/** Null where there is nothing to write, or Telegram would not take it: the text says the same. */
export function writeTelegram(content: Rendered): TelegramMessage | null {
  const blocks = blocksToWrite(content)
  const buttons = blocks.flatMap((block) => (block.kind === 'action' && isButton(block.action) ? [block.action] : []))
  const words = blocks.filter((block) => !(block.kind === 'action' && isButton(block.action)))
  const text = words
    .map((block) => writeBlock(block) + (block.kind === 'heading' ? '\n' : '\n\n'))
    .join('')
    .trim()
  if (text === '' || shownLength(text) > LONGEST_TEXT || entitiesOf(text) > MOST_ENTITIES || buttons.length > MOST_BUTTONS) {
    return null
  }
  const image = blocks.find((block) => block.kind === 'image')
  return {
    text,
    parse_mode: 'HTML',
    // The picture of a message that is a text: Telegram shows what the first image's address leads to.
    ...(image && { link_preview_options: { url: image.src, prefer_large_media: true } }),
    ...(buttons.length > 0 && {
      reply_markup: { inline_keyboard: buttons.map(({ label, href }) => [{ text: label, url: href }]) },
    }),
  }
}

const shownLength = (html: string) => html.replace(/<[^>]*>/g, '').replace(/&(?:amp|lt|gt|quot);/g, '.').length
const entitiesOf = (html: string) => html.match(/<[a-z]/g)?.length ?? 0

const isButton = ({ style, label }: Action) => style === 'button' && label.trim() !== '' && label.length <= LONGEST_LABEL

function writeBlock(block: Block): string {
  switch (block.kind) {
    case 'heading':
      return writeSpans(onOneLine(block.spans).map((span) => ({ ...span, bold: true })))
    case 'text':
      return writeSpans(block.spans)
    case 'quote':
      return `<blockquote>${writeSpans(block.spans)}</blockquote>`
    case 'code':
      return `<pre>${escapeTelegram(block.text)}</pre>`
    case 'list':
      return listLines(block, '•')
        .map(({ depth, bullet, spans }) => `${'\u00a0'.repeat(4 * depth)}${bullet} ${writeSpans(spans)}`)
        .join('\n')
    case 'image':
      return writeSpan({ text: block.alt.trim() || 'Image', href: isWeb(block.href) ? block.href : block.src })
    case 'divider':
      return '──────────'
    case 'action':
      return writeSpan({ text: block.action.label || block.action.href, href: block.action.href })
  }
}

const writeSpans = (spans: readonly Span[]) => (textOf(spans) === '' ? '' : spans.map(writeSpan).join(''))

/** Code holds no other style and stands in none. */
function writeSpan({ text, bold, italic, strikethrough, underline, code, href }: Span): string {
  let written = escapeTelegram(text)
  if (text === '') return ''
  if (code && href === undefined) return `<code>${written}</code>`
  if (italic) written = `<i>${written}</i>`
  if (bold) written = `<b>${written}</b>`
  if (underline) written = `<u>${written}</u>`
  if (strikethrough) written = `<s>${written}</s>`
  return href === undefined ? written : `<a href="${escapeTelegram(href)}">${written}</a>`
}

/** Telegram knows these four by name. */
export function escapeTelegram(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
