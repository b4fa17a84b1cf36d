import type { Action, Block, List, ListItem, Span } from '../channels/provider.ts'
import { isBlank } from './block.ts'
import type { Document, Node } from './document.ts'
import type { ActionElement, ImageElement, ListElement, QuoteElement, TextElement } from './element.ts'
import { type EmailSpan, hrefOf, imageOf, listBlocks, quoteBlocks, textBlocks } from './email-text.ts'
import { eachShown, type FlowState, printAt, printField } from './flow.ts'
import { joined } from './markdown.ts'
import { addRow } from './row.ts'
import type { Frame } from './template.ts'
import { isWebUrl } from './urls.ts'

/** What a document says to one reader, its values in their places. title: as it was written; null for none. */
export interface Said {
  readonly title: string | null
  readonly blocks: readonly Block[]
}

/**
 * A document for channels that show blocks and text. Elements that are HTML say nothing there; columns stand under each
 * other, but for short ones, which are one row. The first title that is shown is the title. Of a raw document, title and text
 * stand where it has them. between: signs between cells of a row, where there are more than two.
 */
export function saidBy(document: Document, state: FlowState, between = ' · '): Said {
  const teller = new Teller(state, between)
  for (const node of document.nodes) teller.show(node, state.top)
  const said = { title: teller.title, blocks: teller.blocks }
  if (document.raw === null) return said
  const { content, path } = document.raw
  const title = content.title === undefined ? said.title : printAt(content.title, `${path}.title`, state, state.top)
  if (content.text === undefined) return { ...said, title }
  return { title, blocks: asText([{ text: printAt(content.text, `${path}.text`, state, state.top) }]) }
}

const asText = (spans: readonly Span[]): readonly Block[] => (isBlank(spans) ? [] : [{ kind: 'text', spans }])

class Teller {
  readonly #state: FlowState
  title: string | null = null
  blocks: Block[] = []
  readonly #between: string

  constructor(state: FlowState, between: string) {
    this.#state = state
    this.#between = between
  }

  show(node: Node, frame: Frame): void {
    eachShown(node, this.#state, frame, (inner) => this.#showOnce(node, inner))
  }

  #showOnce(node: Node, frame: Frame): void {
    const scene = { state: this.#state, frame, colors: null }
    switch (node.element.type) {
      case 'meta':
        if (this.title === null && node.element.title) this.title = printField(node, 'title', this.#state, frame)
        break
      case 'text':
        this.blocks.push(...textBlocks(node as Node<TextElement>, scene).map(withoutLooks))
        break
      case 'quote':
        this.blocks.push(...quoteBlocks(node as Node<QuoteElement>, scene).map(withoutLooks))
        break
      case 'list':
        this.blocks.push(...listBlocks(node as Node<ListElement>, scene).map(withoutLooks))
        break
      case 'action':
        this.blocks.push(...this.#action(node as Node<ActionElement>, frame))
        break
      case 'image':
        this.blocks.push(...this.#image(node as Node<ImageElement>, frame))
        break
      case 'divider':
        this.blocks.push({ kind: 'divider' })
        break
      case 'columns':
        this.#columns(node, frame)
        break
      case 'group':
      case 'column':
        for (const one of node.nodes) this.show(one, frame)
        break
    }
  }

  #action(node: Node<ActionElement>, frame: Frame): readonly Block[] {
    const label = printField(node, 'content', this.#state, frame).replaceAll(/\s+/g, ' ').trim()
    const href = hrefOf(node, { state: this.#state, frame, colors: null })
    if (label === '') return []
    if (href === null) return asText([{ text: label }])
    const { style = 'button', action_id } = node.element
    const action: Action = { label, href, style, ...(action_id !== undefined && { id: action_id }) }
    return [{ kind: 'action', action }]
  }

  #image(node: Node<ImageElement>, frame: Frame): readonly Block[] {
    const scene = { state: this.#state, frame, colors: null }
    const alt = printField(node, 'alt_text', this.#state, frame)
    const src = imageOf(node, scene)
    const href = node.element.href === undefined ? null : hrefOf(node, scene)
    const led = href === null ? {} : { href }
    return src !== null && isWebUrl(src) ? [{ kind: 'image', src, alt, ...led }] : asText([{ text: alt, ...led }])
  }

  #columns({ nodes }: Node, frame: Frame): void {
    const before = this.blocks
    const cells: Block[][] = []
    for (const column of nodes) {
      eachShown(column, this.#state, frame, (inner) => {
        this.blocks = []
        for (const one of column.nodes) this.show(one, inner)
        cells.push(this.blocks)
      })
    }
    this.blocks = before
    addRow(this.blocks, cells, this.#between)
  }
}

// ── What only HTML can show is left out ──────────────────────────────────────

function withoutLooks(block: Block): Block {
  switch (block.kind) {
    case 'heading':
    case 'text':
    case 'quote':
      return { ...block, spans: joined(block.spans.flatMap(plainSpan)) }
    case 'list':
      return plainList(block)
    default:
      return block
  }
}

function plainList({ kind, ordered, items }: List): List {
  const plain = items.map(({ spans, children }): ListItem => {
    return { spans: joined(spans.flatMap(plainSpan)), ...(children && { children: plainList(children) }) }
  })
  return { kind, ordered, items: plain }
}

/** An image within a line is the word that describes it, and leads to it. */
function plainSpan(span: EmailSpan): readonly Span[] {
  const { color: _color, untracked: _untracked, image, ...plain } = span
  if (plain.text === '') return []
  return [image && plain.href === undefined && isWebUrl(image.src) ? { ...plain, href: image.src } : plain]
}
