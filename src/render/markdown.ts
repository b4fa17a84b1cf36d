import { LRUCache } from 'lru-cache'
import createMarkdown, { type MarkdownIt, type StateInline, type Token } from 'markdown-it'
import type { Block, List, ListItem, Span } from '../channels/provider.ts'
import { RenderRefusal } from './template.ts'

/**
 * Markdown as blocks (reference: courier 1.5, text). CommonMark with strikethrough, and these differences, since people
 * write messages in it and not pages: a single line break is one; HTML is text; an address is a link where it says its
 * scheme, or stands in angle brackets; indented lines are no code, and a line like `[1]: text` is no definition of a link.
 *
 * It reads texts whose values are left out (template.ts), so that no value can ever be markup. Addresses stay as they are
 * written: they are judged once their values are in (block.ts).
 */

const MOST = 256 * 1024
/** What a sign that may be markup takes to read, in letters; one that may begin an address takes the longest. */
const SIGN = 4
const COLON = 64
const DEEPEST = 24
const CACHED_BYTES = 16 * 1024 * 1024

const markdown = create()

function create(): MarkdownIt {
  const made = createMarkdown({ html: false, linkify: true, breaks: true, maxNesting: DEEPEST })
  made.disable(['table', 'code', 'reference'])
  made.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false })
  made.normalizeLink = (url) => url
  made.normalizeLinkText = (url) => url
  made.validateLink = () => true
  made.inline.ruler.before('autolink', 'marked_autolink', linkMark)
  return made
}

/** `<{{url}}>` is a link as `<https://…>` is: what it leads to is not known here. */
function linkMark(state: StateInline, isSilent: boolean): boolean {
  const pattern = /<(\ue000\d+\ue001[^<>\s]*)>/y
  pattern.lastIndex = state.pos
  const address = pattern.exec(state.src)?.[1]
  if (address === undefined) return false
  if (!isSilent) {
    state.push('link_open', 'a', 1).attrs = [['href', address]]
    state.push('text', '', 0).content = address
    state.push('link_close', 'a', -1)
  }
  state.pos += address.length + 2
  return true
}

const read = new LRUCache<string, readonly Block[]>({
  maxSize: CACHED_BYTES,
  sizeCalculation: (blocks, text) => 8 * text.length + 256 * blocks.length + 64,
})

/** What a message may still have read. A text that stands in a loop counts once. */
export interface MarkdownBudget {
  readonly counted: Set<string>
  left: number
}

export const newMarkdownBudget = (): MarkdownBudget => ({ counted: new Set(), left: MOST })

/**
 * The blocks of a text; marks stay in their texts and addresses. The same text gives the same blocks.
 *
 * @param budget of the message
 * @throws RenderRefusal beyond 262,144 characters in a message, where signs count for more: whatever they are, all of them
 * take less than half a second to read
 */
export function readMarkdown(markedText: string, budget = newMarkdownBudget()): readonly Block[] {
  count(markedText, budget)
  const known = read.get(markedText)
  if (known !== undefined) return known
  const blocks = blocksOf(trees(markdown.parse(markedText, {})))
  read.set(markedText, blocks)
  return blocks
}

function count(text: string, budget: MarkdownBudget): void {
  if (budget.counted.has(text)) return
  budget.counted.add(text)
  budget.left -= text.length
  if (budget.left >= 0) {
    const signs = text.match(/[^\p{L}\p{N} ]/gu)?.length ?? 0
    const colons = text.match(/:/g)?.length ?? 0
    budget.left -= (SIGN - 1) * signs + (COLON - SIGN) * colons
  }
  if (budget.left >= 0) return
  throw new RenderRefusal(
    `A message has at most ${MOST.toLocaleString('en')} characters of Markdown; a sign counts as ${SIGN}, a colon as ${COLON}.`,
  )
}

/** A token with what stands between it and the one that closes it. */
interface Tree {
  readonly token: Token
  readonly inner: readonly Tree[]
}

function trees(tokens: readonly Token[]): readonly Tree[] {
  const root: Tree[] = []
  const open = [root]
  for (const token of tokens) {
    if (token.nesting < 0) {
      open.pop()
      continue
    }
    const inner: Tree[] = []
    open.at(-1)!.push({ token, inner })
    if (token.nesting > 0) open.push(inner)
  }
  return root
}

const blocksOf = (inner: readonly Tree[]): readonly Block[] => inner.flatMap(blockOf)

function blockOf({ token, inner }: Tree): readonly Block[] {
  switch (token.type) {
    case 'heading_open':
      return [{ kind: 'heading', level: levelOf(token), spans: spansIn(inner) }]
    case 'paragraph_open':
      return imageIn(inner) ?? [{ kind: 'text', spans: spansIn(inner) }]
    case 'blockquote_open':
      return [{ kind: 'quote', spans: inLine(blocksOf(inner), '\n\n') }]
    case 'bullet_list_open':
    case 'ordered_list_open':
      return [listOf(token, inner)]
    case 'fence':
      return [{ kind: 'code', text: token.content.replace(/\n$/, '') }]
    case 'hr':
      return [{ kind: 'divider' }]
    default:
      return []
  }
}

const levelOf = ({ tag }: Token) => Math.min(Number(tag.slice(1)), 3) as 1 | 2 | 3

function listOf(token: Token, inner: readonly Tree[]): List {
  return { kind: 'list', ordered: token.type === 'ordered_list_open', items: inner.map((item) => itemOf(blocksOf(item.inner))) }
}

/** What an item holds beside its words is one list; another list goes on with it. */
function itemOf(blocks: readonly Block[]): ListItem {
  const lists = blocks.filter((block) => block.kind === 'list')
  const spans = inLine(
    blocks.filter((block) => block.kind !== 'list'),
    '\n',
  )
  const [first] = lists
  return first === undefined ? { spans } : { spans, children: { ...first, items: lists.flatMap(({ items }) => items) } }
}

/** Blocks where only a text has room. */
export function inLine(blocks: readonly Block[], between: string): readonly Span[] {
  const parts = blocks.map(spansOf).filter((spans) => spans.length > 0)
  return joined(parts.flatMap((spans, index) => (index === 0 ? spans : [{ text: between }, ...spans])))
}

function spansOf(block: Block): readonly Span[] {
  switch (block.kind) {
    case 'list':
      return inItems(block, '')
    case 'code':
      return [{ text: block.text, code: true }]
    case 'image':
      return asText(block)
    case 'divider':
      return []
    case 'action':
      return [{ text: block.action.label, href: block.action.href }]
    case 'heading':
      return block.spans.map((span) => ({ ...span, bold: true as const }))
    default:
      return block.spans
  }
}

function inItems({ ordered, items }: List, indent: string): readonly Span[] {
  return items.flatMap(({ spans, children }, index) => [
    { text: `${index === 0 && indent === '' ? '' : '\n'}${indent}${ordered ? `${index + 1}.` : '•'} ` },
    ...spans,
    ...(children ? inItems(children, `${indent}  `) : []),
  ])
}

/** An image as a word of its text: what describes it, leading to it, or to where it leads. */
const asText = ({ src, alt, href }: { readonly src: string; readonly alt: string; readonly href?: string }): readonly Span[] =>
  alt === '' ? [] : [{ text: alt, href: href ?? src }]

// ── Within a line ────────────────────────────────────────────────────────────

type Style = Omit<Span, 'text'>

const STYLES: { readonly [type: string]: Style } = {
  strong_open: { bold: true },
  em_open: { italic: true },
  s_open: { strikethrough: true },
}

const spansIn = (inner: readonly Tree[]): readonly Span[] => joined(inner.flatMap(({ token }) => runs(token.children ?? [])))

function runs(tokens: readonly Token[]): readonly Span[] {
  const spans: Span[] = []
  const open: Style[] = [{}]
  for (const token of tokens) {
    const style = open.at(-1)!
    if (token.nesting > 0) open.push({ ...style, ...styleOf(token) })
    else if (token.nesting < 0) open.pop()
    else spans.push(...wordsOf(token).map((span) => ({ ...span, ...style })))
  }
  return spans
}

const styleOf = (token: Token): Style => (token.type === 'link_open' ? { href: attribute(token, 'href') } : STYLES[token.type]!)

function wordsOf(token: Token): readonly Span[] {
  switch (token.type) {
    case 'softbreak':
    case 'hardbreak':
      return [{ text: '\n' }]
    case 'code_inline':
      return [{ text: token.content, code: true }]
    case 'image':
      return asText(imageOf(token))
    default:
      return [{ text: token.content }]
  }
}

/** A paragraph that is nothing but an image, which may be a link. */
function imageIn(inner: readonly Tree[]): readonly Block[] | null {
  const tokens = inner.flatMap(({ token }) => token.children ?? [])
  const [first, second, third] = tokens
  if (tokens.length === 1 && first!.type === 'image') return [{ kind: 'image', ...imageOf(first!) }]
  const isLinked = tokens.length === 3 && first!.type === 'link_open' && second!.type === 'image' && third!.type === 'link_close'
  return isLinked ? [{ kind: 'image', ...imageOf(second!), href: attribute(first!, 'href') }] : null
}

function imageOf(token: Token) {
  const alt = runs(token.children ?? []).map(({ text }) => text)
  return { src: attribute(token, 'src'), alt: alt.join('') }
}

const attribute = (token: Token, name: string) => String(token.attrGet(name) ?? '')

/** Neighbours of one style are one, and nothing is empty. */
export function joined(spans: readonly Span[]): readonly Span[] {
  const kept: Span[] = []
  for (const span of spans) {
    const before = kept.at(-1)
    if (span.text === '') continue
    if (before !== undefined && isAlike(before, span)) kept[kept.length - 1] = { ...before, text: before.text + span.text }
    else kept.push(span)
  }
  return kept
}

const STYLING = ['bold', 'italic', 'strikethrough', 'underline', 'code', 'href'] as const

const isAlike = (one: Span, other: Span) => STYLING.every((name) => one[name] === other[name])
