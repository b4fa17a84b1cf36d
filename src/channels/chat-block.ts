import type { Block, List, Outgoing, Rendered, Span } from './provider.ts'

/** What the providers of chat services do alike with the blocks of a message, before each writes them in its service's own. */

/**
 * The service's own blocks that somebody wrote for this message: the send's, otherwise the template's. Those of another
 * service are none.
 */
export function nativeBlocks<T>({ extras, content }: Outgoing, isNative: (blocks: unknown) => blocks is T): T | undefined {
  return [extras?.blocks, content.payload].find(isNative)
}

/** What is to be written in the service's own; nothing where a send or a template has done so. */
export function blocksToWrite({ blocks = [] }: Rendered): readonly Block[] {
  const saying = blocks.map(asLine).filter(hasSomethingToSay)
  return saying.every(({ kind }) => kind === 'divider') ? [] : saying
}

/** No service has a button for an address to write to or a number to call: it is a line that names them. */
function asLine(block: Block): Block {
  if (block.kind !== 'action' || !isPersonal(block.action.href)) return block
  return { kind: 'text', spans: [{ text: withAddress(block.action.label, block.action.href) }] }
}

function hasSomethingToSay(block: Block): boolean {
  switch (block.kind) {
    case 'heading':
    case 'text':
    case 'quote':
      return textOf(block.spans).trim() !== ''
    case 'code':
      return block.text.trim() !== ''
    case 'list':
      return block.items.length > 0
    case 'image':
      return isWeb(block.src)
    case 'action':
      return isWeb(block.action.href)
    case 'divider':
      return true
  }
}

export const textOf = (spans: readonly Span[]) => spans.map(({ text }) => text).join('')

/** Services fetch images, and open what a button leads to, by http(s) alone. */
export const isWeb = (href: string | undefined): href is string => href !== undefined && /^https?:\/\//i.test(href)

const PERSONAL = /^(?:mailto|tel):/i

const isPersonal = (href: string) => PERSONAL.test(href)

/** What a link says, and where it leads, for where it cannot lead there. Of a mail to be written the address alone is told. */
export function withAddress(text: string, href: string): string {
  const address = isPersonal(href) ? href.replace(PERSONAL, '').replace(/\?.*$/s, '') : href
  if (text.includes(address)) return text
  return text.trim() === '' ? address : `${text} (${address})`
}

/** The spans of each line; a line may have none. */
export function linesOf(spans: readonly Span[]): readonly (readonly Span[])[] {
  const lines: Span[][] = [[]]
  for (const span of spans) {
    for (const [index, text] of span.text.split('\n').entries()) {
      if (index > 0) lines.push([])
      if (text !== '') lines.at(-1)!.push({ ...span, text })
    }
  }
  return lines
}

export const onOneLine = (spans: readonly Span[]): readonly Span[] =>
  spans.map((span) => ({ ...span, text: span.text.replace(/\n+/g, ' ') }))

/** An item of a list as a line of its own: how deep it lies (from 0), and what stands before it. */
export interface ListLine {
  readonly depth: number
  readonly bullet: string
  readonly spans: readonly Span[]
}

/** @param dot before the items of a list that has no numbers */
export function listLines({ items, ordered }: List, dot: string, depth = 0): readonly ListLine[] {
  return items.flatMap(({ spans, children }, index) => [
    { depth, bullet: ordered ? `${index + 1}.` : dot, spans },
    ...(children ? listLines(children, dot, depth + 1) : []),
  ])
}
