import type { Block, List, ListItem, Span } from '../channels/provider.ts'
import { fillBlocks, fillHref, isBlank } from './block.ts'
import type { BrandColors } from './brand.ts'
import { colorOf } from './color.ts'
import { type Node, placeOf } from './document.ts'
import type { ListElement, ListItemElement, QuoteElement, TextElement, TextPart } from './element.ts'
import { at, eachShown, type FlowState, markField, printField } from './flow.ts'
import { partsOf } from './html.ts'
import { joined, readMarkdown } from './markdown.ts'
import type { Frame } from './template.ts'
import { checkImage, fillAddress } from './urls.ts'

/**
 * Texts of elements as an email shows them: blocks, as every channel has them, that also know what only HTML can show. Each
 * text is printed once, for both parts of the mail.
 */

/** color: `#rrggbb`. untracked: its link is left as it is. image: stands in the line, and text describes it. */
export interface EmailSpan extends Span {
  readonly color?: string
  readonly untracked?: true
  readonly image?: { readonly src: string; readonly width: number | null }
}

export interface EmailItem extends ListItem {
  readonly spans: readonly EmailSpan[]
  /** `#rrggbb` */
  readonly background?: string
}

/** Where elements are printed: whose colours they may name, and at which place of the document they stand. */
export interface Scene {
  readonly state: FlowState
  readonly frame: Frame
  readonly colors: BrandColors | null
}

export function textBlocks(node: Node<TextElement>, scene: Scene): readonly Block[] {
  const { element, nodes } = node
  const style = styleOf(element)
  const blocks = element.content === undefined ? asText(spansOf(nodes, scene)) : contentBlocks(node, scene, element.format)
  return blocks.map((block) => {
    if (block.kind !== 'text') return 'spans' in block ? { ...block, spans: styled(block.spans, style) } : block
    return shaped(styled(block.spans, style), element.text_style)
  })
}

export function quoteBlocks(node: Node<QuoteElement>, scene: Scene): readonly Block[] {
  const spans = contentBlocks(node, scene, 'markdown').flatMap((block, index) => {
    const own = 'spans' in block ? block.spans : block.kind === 'code' ? [{ text: block.text }] : []
    return index === 0 ? own : [{ text: '\n\n' }, ...own]
  })
  return isBlank(spans) ? [] : [{ kind: 'quote', spans: joined(spans) }]
}

export function listBlocks(node: Node<ListElement>, scene: Scene): readonly Block[] {
  const list = listOf(node, scene)
  return list.items.length === 0 ? [] : [list]
}

/** Words of a brand or a template that stand by themselves, as markdown. */
export function markdownBlocks(source: string, { state, frame }: Scene): readonly Block[] {
  const { text, values } = state.printer.mark(source, frame)
  return fillBlocks(readMarkdown(text, state.markdown), values)
}

/** A link's address, judged; null where it may not be followed. */
export function hrefOf(node: Node, { state, frame }: Scene): string | null {
  const { text, values } = markField(node, 'href', state, frame)
  return fillHref(text, values)
}

/** An image's address, judged; null where no mail may show it. */
export function imageOf(node: Node, { state, frame }: Scene): string | null {
  const { text, values } = markField(node, 'src', state, frame)
  return checkImage(fillAddress(partsOf(text), values))
}

function contentBlocks(node: Node, { state, frame }: Scene, format: TextElement['format']): readonly Block[] {
  if (format === 'plain') return asText([{ text: printField(node, 'content', state, frame) }])
  const { text, values } = markField(node, 'content', state, frame)
  return fillBlocks(
    at(placeOf(node, 'content'), () => readMarkdown(text, state.markdown)),
    values,
  )
}

const asText = (spans: readonly Span[]): readonly Block[] => (isBlank(spans) ? [] : [{ kind: 'text', spans }])

function shaped(spans: readonly Span[], style: TextElement['text_style']): Block {
  switch (style) {
    case 'h1':
    case 'h2':
    case 'h3':
      return { kind: 'heading', level: Number(style[1]) as 1 | 2 | 3, spans }
    case 'subtext':
      return { kind: 'text', spans, subtle: true }
    default:
      return { kind: 'text', spans }
  }
}

type Style = Pick<Span, 'bold' | 'italic' | 'strikethrough' | 'underline'>

function styleOf({ bold, italic, strikethrough, underline }: Partial<Record<keyof Style, boolean>>): Style {
  return {
    ...(bold && { bold }),
    ...(italic && { italic }),
    ...(strikethrough && { strikethrough }),
    ...(underline && { underline }),
  }
}

const styled = (spans: readonly Span[], style: Style): readonly Span[] =>
  Object.keys(style).length === 0 ? spans : spans.map((span) => ({ ...span, ...style }))

function listOf(node: Node<ListElement>, scene: Scene): List {
  const items: EmailItem[] = []
  for (const one of node.nodes as readonly Node<ListItemElement>[]) {
    eachShown(one, scene.state, scene.frame, (frame) => {
      const item = itemOf(one, { ...scene, frame })
      if (item !== null) items.push(item)
    })
  }
  return { kind: 'list', ordered: node.element.list_type === 'ordered', items }
}

function itemOf(node: Node<ListItemElement>, scene: Scene): EmailItem | null {
  const { element, nodes } = node
  const lists = nodes.filter((one): one is Node<ListElement> => one.element.type === 'list')
  const spans =
    element.content === undefined
      ? spansOf(nodes, scene)
      : contentBlocks(node, scene, 'markdown').flatMap((block) => ('spans' in block ? block.spans : []))
  const inner: List[] = []
  for (const list of lists) {
    eachShown(list, scene.state, scene.frame, (frame) => inner.push(listOf(list, { ...scene, frame })))
  }
  const [first] = inner.filter(({ items }) => items.length > 0)
  if (isBlank(spans) && first === undefined) return null
  const background = colorOf(element.background_color, scene.colors)
  const children = first && { ...first, items: inner.flatMap(({ items }) => items) }
  return { spans, ...(children && { children }), ...(background !== null && { background }) }
}

/** Parts of one line of text. */
function spansOf(nodes: readonly Node[], scene: Scene): readonly EmailSpan[] {
  const spans: EmailSpan[] = []
  for (const node of nodes) {
    if (node.element.type === 'list') continue
    const part = node as Node<TextPart>
    eachShown(part, scene.state, scene.frame, (frame) => spans.push(...spanOf(part, { ...scene, frame })))
  }
  return spans
}

function spanOf(node: Node<TextPart>, scene: Scene): readonly EmailSpan[] {
  const { element } = node
  const { state, frame, colors } = scene
  const href = 'href' in element && element.href !== undefined ? hrefOf(node, scene) : null
  const led = {
    ...(href !== null && { href }),
    ...('disable_tracking' in element && element.disable_tracking && { untracked: true as const }),
  }
  if (element.type === 'img') {
    const src = imageOf(node, scene)
    const text = printField(node, 'alt_text', state, frame)
    return src === null ? [{ text, ...led }] : [{ text, ...led, image: { src, width: pixelsOf(element.width) } }]
  }
  const color = colorOf(element.color, colors)
  const text = printField(node, 'content', state, frame)
  return text === '' ? [] : [{ text, ...led, ...styleOf(element), ...(color !== null && { color }) }]
}

/** `140` and `140px`; null for a share, and for none. */
export function pixelsOf(width: string | number | undefined): number | null {
  const found = /^(\d{1,4})(?:\.\d+)?(?:px)?$/.exec(String(width ?? '').trim())
  return found === null ? null : Number(found[1])
}
