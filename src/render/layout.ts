import type { BrandLogo, RenderedBrand } from './brand.ts'
import { colorOf, readableOn } from './color.ts'
import type { Document, Node } from './document.ts'
import type { ActionElement, ColumnElement, Element, ImageElement } from './element.ts'
import {
  buttonClass,
  buttonColors,
  FONT,
  fixedClass,
  GAP,
  groundClass,
  INNER,
  inkClass,
  LIGHT,
  lineClass,
  restClass,
  SIDE,
  SIZES,
  sheet,
  type Tones,
  tonesOf,
  WIDTH,
} from './email-style.ts'
import { pixelsOf } from './email-text.ts'
import { escapeHtml } from './html.ts'
import { isWebUrl } from './urls.ts'

/**
 * A document as MJML without its words: where each element stands, and in which look. Slots stand for what a message says,
 * and around every element for whether and how often it is shown, so that one layout serves all messages of a document.
 */

/** `+3` opens the fourth of the layout's nodes, `+header` what is left out when it says nothing; `-` closes; others are texts. */
export const slot = (name: string) => `\ue002${name}\ue003`
export const SLOTS = /\ue002([^\ue003]*)\ue003/

export interface Layout {
  readonly source: string
  /** Elements, by the numbers of their slots. */
  readonly nodes: readonly Node[]
}

/** around: the brand's own MJML (cleaned, and its values left out), in which a slot `content` stands for the message. */
export function layOut(document: Document, brand: RenderedBrand | null, around: string | null): Layout {
  const paper = new Paper(tonesOf(brand?.colors), brand)
  const rows = paper.rows(document.nodes)
  const source = around === null ? wholeMail(rows, paper, brand) : within(around, rows, paper)
  return { source, nodes: paper.nodes }
}

const LOGO_WIDTH = 140
const UNTITLED = `<mj-title>${slot('title')}</mj-title>`

function wholeMail(rows: string, { tones, classes }: Paper, brand: RenderedBrand | null): string {
  const bar = colorOf(brand?.colors?.primary, brand?.colors)
  const edge = bar === null ? '' : ` border-top="4px solid ${bar}"`
  return (
    `<mjml><mj-head>${UNTITLED}<mj-breakpoint width="480px" />${DEFAULTS}` +
    '<mj-raw><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"></mj-raw>' +
    `<mj-style>${sheet(tones, classes, true)}</mj-style></mj-head>` +
    `<mj-body width="${WIDTH}px" background-color="${LIGHT.page}" css-class="page">${space(28)}` +
    `<mj-wrapper css-class="card bar" background-color="${LIGHT.card}" border-radius="10px" padding="32px 0 16px"${edge}>` +
    `${headOf(brand?.logo ?? null, brand?.name ?? '')}${rows}</mj-wrapper>${footOf()}${space(28)}</mj-body></mjml>`
  )
}

const DEFAULTS =
  `<mj-attributes><mj-all font-family="${FONT}" /><mj-section padding="0 ${SIDE}px" /><mj-column padding="0" />` +
  `<mj-text padding="0 ${GAP}px" font-size="${SIZES.text.size}px" line-height="${SIZES.text.line}px" color="${LIGHT.ink}" />` +
  `<mj-image padding="0 ${GAP}px 20px" /><mj-button padding="8px ${GAP}px 20px" /></mj-attributes>`

const space = (pixels: number) =>
  `<mj-raw><div style="height:${pixels}px;font-size:${pixels}px;line-height:${pixels}px">&#8202;</div></mj-raw>`

const raw = (html: string) => `<mj-raw>${html}</mj-raw>`
const when = (name: string, inner: string) => raw(slot(`+${name}`)) + inner + raw(slot('-'))
const section = (inner: string) => `<mj-section css-class="side"><mj-column>${inner}</mj-column></mj-section>`

function headOf(logo: BrandLogo | null, name: string): string {
  const header = when(
    'header',
    section(`<mj-text css-class="soft" color="${LIGHT.soft}" font-size="14px" line-height="21px">${slot('header')}</mj-text>`),
  )
  if (logo === null || !isWebUrl(logo.url)) return header
  const href = logo.href != null && isWebUrl(logo.href) ? ` href="${escapeHtml(logo.href)}"` : ''
  const image = `<mj-image align="left" css-class="logo" src="${escapeHtml(logo.url)}"${href} alt="${escapeHtml(logo.alt ?? name)}" width="${LOGO_WIDTH}px" padding="0 ${GAP}px 24px" />`
  return section(image) + header
}

function footOf(): string {
  const text = (name: string, size: number) =>
    `<mj-text css-class="soft" align="center" color="${LIGHT.soft}" font-size="${size}px" line-height="${size + 7}px">${slot(name)}</mj-text>`
  const inner = when('footer', text('footer', 13)) + when('links', text('links', 13))
  return when('foot', `<mj-section css-class="side" padding="24px ${SIDE}px 0"><mj-column>${inner}</mj-column></mj-section>`)
}

/** The brand's own layout. Its colours are its own, in the dark too: ours would not go with them. */
function within(around: string, rows: string, { tones, classes }: Paper): string {
  const place = new RegExp(`(?:<mj-raw>\\s*)?${slot('content')}(?:\\s*</mj-raw>)?`)
  const links = when(
    'links',
    section(`<mj-text align="center" color="${LIGHT.soft}" font-size="13px" line-height="20px">${slot('links')}</mj-text>`),
  )
  const body = around.replace(place, () => rows + links)
  const head = `${UNTITLED}${DEFAULTS}<mj-style>${sheet(tones, classes, false)}</mj-style>`
  return /<mj-head\b[^>]*>/.test(body)
    ? body.replace(/<mj-head\b[^>]*>/, (open) => open + head)
    : body.replace(/<mjml\b[^>]*>/, (open) => `${open}<mj-head>${head}</mj-head>`)
}

// ── Elements ─────────────────────────────────────────────────────────────────

/** What the elements of one mail have in common while they are laid out. */
class Paper {
  readonly tones: Tones
  readonly nodes: Node[] = []
  /** Those that the sheet has to know (email-style.ts). */
  readonly classes = new Set<string>()
  readonly #colors: RenderedBrand['colors']

  constructor(tones: Tones, brand: RenderedBrand | null) {
    this.tones = tones
    this.#colors = brand?.colors ?? null
  }

  /** Rows of the mail: what needs the whole width has its own, all else stands in one column. */
  rows(nodes: readonly Node[]): string {
    let mjml = ''
    let column = ''
    const close = () => {
      if (column !== '') mjml += section(column)
      column = ''
    }
    for (const node of nodes) {
      if (!isWide(node)) {
        column += this.#shown(node, () => this.#block(node, INNER))
        continue
      }
      close()
      mjml += this.#shown(node, () => (node.element.type === 'columns' ? this.#columns(node) : this.rows(node.nodes)))
    }
    close()
    return mjml
  }

  /** An element between the slots that open and close it. */
  #shown(node: Node, inner: () => string): string {
    const number = this.nodes.push(node) - 1
    return raw(slot(`+${number}`)) + inner() + raw(slot('-'))
  }

  #columns({ nodes }: Node): string {
    const columns = nodes as readonly Node<ColumnElement>[]
    const widths = columnWidths(columns.map(({ element }) => element.width))
    const inner = columns.map((node, index) =>
      this.#shown(node, () => {
        const { pixels, share, look } = widths.columns[index]!
        const blocks = node.nodes.map((one) => this.#shown(one, () => this.#block(one, pixels - 2 * GAP))).join('')
        const named = look === null ? '' : ` css-class="${this.#known(look)}"`
        return `<mj-column width="${share}%"${named}>${blocks}</mj-column>`
      }),
    )
    const row = widths.isFixed ? `<mj-group>${inner.join('')}</mj-group>` : inner.join('')
    return `<mj-section css-class="side" text-align="left">${row}</mj-section>`
  }

  #block(node: Node, width: number): string {
    const element = node.element as Exclude<Element, { type: 'columns' | 'channel' }>
    switch (element.type) {
      case 'meta':
        return text('ink', '')
      case 'text': {
        const ink = this.#ink(element.color)
        this.#partColors(node)
        return text(
          ink === null ? 'ink' : this.#known(inkClass(ink.asked)),
          alignOf(element.align) + (ink === null ? '' : ` color="${ink.light}"`),
        )
      }
      case 'quote': {
        const line = colorOf(element.border_color, this.#colors)
        if (line !== null) this.#known(lineClass(line))
        return text('ink', alignOf(element.align))
      }
      case 'list':
        this.#partColors(node)
        return text('ink', '')
      case 'html':
        return text('ink', '')
      case 'action':
        return this.#action(element)
      case 'image':
        return imageMjml(element, width)
      case 'divider': {
        const line = colorOf(element.color, this.#colors)
        const look = line === null ? 'rule' : this.#known(lineClass(line))
        return `<mj-divider css-class="${look}" border-width="1px" border-color="${line ?? LIGHT.line}" padding="8px ${GAP}px 24px" />`
      }
      case 'group':
        return node.nodes.map((one) => this.#shown(one, () => this.#block(one, width))).join('')
      default:
        return ''
    }
  }

  #action({ align, background_color, color, style }: ActionElement): string {
    if (style === 'link') return text('ink', alignOf(align === 'full' ? 'left' : (align ?? 'left')))
    const ground = colorOf(background_color, this.#colors) ?? this.tones.accent
    const { light } = buttonColors(ground, colorOf(color, this.#colors))
    const wide = align === 'full' ? 'align="center" width="100%"' : `align="${align ?? 'center'}"`
    return (
      `<mj-button ${wide} css-class="${this.#known(buttonClass(ground, light.ink))}" background-color="${ground}" color="${light.ink}" border="1px solid ${ground}" ` +
      `border-radius="8px" font-size="16px" font-weight="600" line-height="22px" inner-padding="12px 24px" href="${slot('href')}">${slot('label')}</mj-button>`
    )
  }

  /** Of words on the card: a brand's colour as far as it can be read there, any other as it was asked for. */
  #ink(color: string | undefined): { readonly asked: string; readonly light: string } | null {
    const asked = colorOf(color, this.#colors)
    return asked === null ? null : { asked, light: color!.includes('{{') ? readableOn(LIGHT.card, asked) : asked }
  }

  #partColors({ nodes }: Node): void {
    for (const node of nodes) {
      const { color, background_color } = node.element as { readonly color?: string; readonly background_color?: string }
      const ink = colorOf(color, this.#colors)
      const ground = colorOf(background_color, this.#colors)
      if (ink !== null) this.#known(inkClass(ink))
      if (ground !== null) this.#known(groundClass(ground))
      this.#partColors(node)
    }
  }

  #known(name: string): string {
    this.classes.add(name)
    return name
  }
}

const text = (look: string, attributes: string) => `<mj-text css-class="${look}"${attributes}>${slot('html')}</mj-text>`

const alignOf = (align: string | undefined) => (align === undefined ? '' : ` align="${align}"`)

const isWide = ({ element, nodes }: Node): boolean =>
  element.type === 'columns' || (element.type === 'group' && nodes.some(isWide))

function imageMjml({ width, align, href }: ImageElement, room: number): string {
  const share = /^(\d{1,3})(?:\.\d+)?%$/.exec(String(width ?? '').trim())?.[1]
  const wanted = share === undefined ? pixelsOf(width) : (room * Number(share)) / 100
  const wide =
    align === 'full' || wanted === null
      ? ' fluid-on-mobile="true"'
      : ` width="${Math.max(1, Math.min(room, Math.round(wanted)))}px"`
  const linked = href === undefined ? '' : ` href="${slot('href')}"`
  return `<mj-image align="${align === 'full' ? 'center' : (align ?? 'center')}" src="${slot('src')}" alt="${slot('alt')}"${linked}${wide} />`
}

/** Whether columns stay beside each other on a phone. */
export const isFixedRow = ({ nodes }: Node): boolean =>
  columnWidths((nodes as readonly Node<ColumnElement>[]).map(({ element }) => element.width)).isFixed

/** Beside each other, columns are 552 pixels wide in all. */
const ROOM = WIDTH - 2 * SIDE
/** So much of the row stays for the column that has no width, that it holds words on a phone as well. */
const LEAST_ROOM = 150
const PHONE_ROOM = 327

/**
 * How wide columns are, in pixels and as shares of a row. Those without a width share what is left. isFixed: all but one are
 * given in pixels, few enough to stay beside it on a phone, like the prices of a receipt.
 */
export function columnWidths(widths: readonly (string | number | undefined)[]) {
  const given = widths.map((width) => {
    const share = /^(\d{1,3}(?:\.\d+)?)%$/.exec(String(width ?? '').trim())?.[1]
    return share === undefined ? pixelsOf(width) : (ROOM * Number(share)) / 100
  })
  const open = given.filter((width) => width === null).length
  const taken = given.reduce<number>((sum, width) => sum + (width ?? 0), 0)
  const left = open === 0 ? 0 : Math.max(ROOM - taken, open * 60) / open
  const total = Math.max(taken + left * open, 1)
  // Columns that are more than the row all become narrower; fewer keep their widths.
  const scale = total > ROOM ? ROOM / total : 1
  const isFixed =
    open === 1 && widths.length > 1 && !widths.some((width) => String(width).includes('%')) && taken <= PHONE_ROOM - LEAST_ROOM
  const columns = given.map((width) => {
    const pixels = (width ?? left) * scale
    const share = Math.floor((pixels / ROOM) * 10_000) / 100
    return { pixels, share, look: !isFixed ? null : width === null ? restClass(taken) : fixedClass(width) }
  })
  return { columns, isFixed }
}
