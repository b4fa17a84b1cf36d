import type { Block, List, ListItem, Span } from '../channels/provider.ts'
import { joined } from './markdown.ts'
import { MARKS } from './template.ts'
import { checkHref, fillAddress, isWebUrl } from './urls.ts'

/** Puts values into their places in a text. */
export function fillText(marked: string, values: readonly string[]): string {
  return marked.replace(MARKS, (_mark, index) => values[Number(index)] ?? '')
}

/** An address with its values in their places, or null where it may not be followed. */
export function fillHref(marked: string, values: readonly string[]): string | null {
  return checkHref(filledAddress(marked, values))
}

const filledAddress = (marked: string, values: readonly string[]) =>
  fillAddress(
    marked.split(MARKS).map((part, index) => (index % 2 === 1 ? Number(part) : part)),
    values,
  )

// ── Blocks ───────────────────────────────────────────────────────────────────

/**
 * Puts values into their places in blocks. An address that may not be followed is dropped, and its text stays; blocks that
 * came to nothing are left out.
 */
export function fillBlocks(blocks: readonly Block[], values: readonly string[]): readonly Block[] {
  return blocks.flatMap((block) => fillBlock(block, values))
}

function fillBlock(block: Block, values: readonly string[]): readonly Block[] {
  switch (block.kind) {
    case 'divider':
      return [block]
    case 'code':
      return [{ kind: 'code', text: fillText(block.text, values) }]
    case 'list':
      return listed(fillList(block, values))
    case 'image':
      return fillImage(block, values)
    case 'action': {
      const label = fillText(block.action.label, values)
      const href = fillHref(block.action.href, values)
      return href === null ? said([{ text: label }]) : [{ kind: 'action', action: { ...block.action, label, href } }]
    }
    default: {
      const spans = fillSpans(block.spans, values)
      return isBlank(spans) ? [] : [{ ...block, spans }]
    }
  }
}

const said = (spans: readonly Span[]): readonly Block[] => (isBlank(spans) ? [] : [{ kind: 'text', spans }])

export const isBlank = (spans: readonly Span[]) => spans.every(({ text }) => text.trim() === '')

export const listed = (list: List): readonly Block[] => (list.items.length === 0 ? [] : [list])

function fillImage(block: Extract<Block, { kind: 'image' }>, values: readonly string[]): readonly Block[] {
  const { src, alt, href, ...rest } = block
  const source = checkHref(filledAddress(src, values))
  const described = fillText(alt, values)
  const leads = href === undefined ? null : fillHref(href, values)
  const led = leads === null ? {} : { href: leads }
  if (source === null || !isWebUrl(source)) return said([{ text: described, ...led }])
  return [{ ...rest, src: source, alt: described, ...led }]
}

function fillList({ kind, ordered, items }: List, values: readonly string[]): List {
  const filled = items.map(({ spans, children }): ListItem => {
    const inner = children && fillList(children, values)
    return { spans: fillSpans(spans, values), ...(inner && inner.items.length > 0 && { children: inner }) }
  })
  return { kind, ordered, items: filled.filter(({ spans, children }) => children !== undefined || !isBlank(spans)) }
}

export function fillSpans(spans: readonly Span[], values: readonly string[]): readonly Span[] {
  return joined(
    spans.map((span) => {
      if (span.href === undefined) return { ...span, text: fillText(span.text, values) }
      const { href: marked, ...rest } = span
      const href = fillHref(marked, values)
      // An address that was written out shows where it leads.
      const text = href !== null && span.text === marked ? href : fillText(span.text, values)
      return href === null ? { ...rest, text } : { ...rest, text, href }
    }),
  )
}

// ── As plain text ────────────────────────────────────────────────────────────

/** bullet: before an item. links: whether addresses are written out. images, actions: whether they are told at all. */
export interface Manner {
  readonly bullet: string
  readonly divider: string
  readonly links: boolean
  readonly images: boolean
  readonly actions: boolean
}

/** For who reads a text as it stands and cannot press anything. */
export const READING: Manner = { bullet: '•', divider: '---', links: true, images: true, actions: true }

/**
 * Blocks as a text that reads well: a blank line between them, but for actions, which stand together; values stand in it as
 * they are. A link alone is told as `text: address`, one within a sentence as `text (address)`.
 */
export function plainText(blocks: readonly Block[], manner: Manner = READING): string {
  let text = ''
  let before: Block['kind'] | null = null
  for (const block of blocks) {
    const said = sayBlock(block, manner)
    if (said === '') continue
    if (before !== null) text += before === 'action' && block.kind === 'action' ? '\n' : '\n\n'
    text += said
    before = block.kind
  }
  return text
}

function sayBlock(block: Block, manner: Manner): string {
  switch (block.kind) {
    case 'heading':
    case 'text':
      return sayLine(block.spans, manner)
    case 'quote':
      return indent(saySpans(block.spans, manner), '> ', '> ')
    case 'code':
      return block.text
    case 'list':
      return sayList(block, manner)
    case 'image':
      if (block.alt === '' || !manner.images) return ''
      return linked(block.alt, manner.links ? block.href : undefined, true)
    case 'divider':
      return manner.divider
    case 'action':
      return manner.actions ? linked(block.action.label, block.action.href, true) : ''
  }
}

function sayList({ ordered, items }: List, manner: Manner): string {
  const lines = items.map(({ spans, children }, index) => {
    const point = `${ordered ? `${index + 1}.` : manner.bullet} `
    const inner = [sayLine(spans, manner), children ? sayList(children, manner) : ''].filter((text) => text !== '')
    return indent(inner.join('\n'), point, ' '.repeat(point.length))
  })
  return lines.join('\n')
}

/** Words that are one link, and nothing else, stand before its address like a name before what it names. */
function sayLine(spans: readonly Span[], manner: Manner): string {
  const [only, ...others] = byLink(spans)
  if (only === undefined || others.length > 0) return saySpans(spans, manner)
  return linked(only.text, manner.links ? only.href : undefined, true)
}

const saySpans = (spans: readonly Span[], { links }: Manner) =>
  byLink(spans)
    .map(({ text, href }) => linked(text, links ? href : undefined, false))
    .join('')

/** Neighbours that lead to one address, whatever their styles. */
function byLink(spans: readonly Span[]): readonly { readonly text: string; readonly href?: string }[] {
  return joined(spans.map(({ text, href }) => (href === undefined ? { text } : { text, href })))
}

function linked(text: string, href: string | undefined, isAlone: boolean): string {
  if (href === undefined || href === text || href.replace(/^(?:mailto|tel):/i, '') === text) return text
  return isAlone ? `${text}: ${href}` : `${text} (${href})`
}

function indent(text: string, first: string, others: string): string {
  return text
    .split('\n')
    .map((line, index) => (index === 0 ? first : others) + line)
    .map((line) => (line.trim() === '>' ? '>' : line))
    .join('\n')
}
