import type { BrandLogo, RenderedBrand } from './brand.ts'
import { colorOf, readableOn } from './color.ts'
import { columnWidths, isLightRow, sharedWidths } from './columns.ts'
import type { Document, Node } from './document.ts'
import type { ActionElement, ColumnElement, DividerElement, Element, ImageElement } from './element.ts'
import { cellImage, cellLine, cellOf, cellWords, rowOf, rowTable, type Words } from './email-row.ts'
import {
  buttonClass,
  buttonColors,
  FONT,
  GAP,
  groundClass,
  INNER,
  inkClass,
  LIGHT,
  lineClass,
  ROW_CLASS,
  SIDE,
  SIZES,
  sheet,
  type Tones,
  tonesOf,
  WIDTH,
} from './email-style.ts'
import { pixelsOf } from './email-text.ts'
import { escapeHtml } from './html.ts'
import type { Language } from './language.ts'
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
export function layOut({ nodes }: Document, brand: RenderedBrand | null, around: string | null, language: Language): Layout {
  const paper = new Paper(tonesOf(brand?.colors), brand, language)
  const rows = paper.rows(nodes)
  const source = around === null ? wholeMail(rows, paper, brand) : within(around, rows, paper)
  return { source, nodes: paper.nodes }
}

const LOGO_WIDTH = 140
const UNTITLED = `<mj-title>${slot('title')}</mj-title>`

function wholeMail(rows: string, { tones, classes, language }: Paper, brand: RenderedBrand | null): string {
  const bar = colorOf(brand?.colors?.primary, brand?.colors)
  const edge = bar === null ? '' : ` border-top="4px solid ${bar}"`
  return (
    `<mjml${languageOf(language)}><mj-head>${UNTITLED}<mj-breakpoint width="480px" />${defaults(language)}` +
    '<mj-raw><meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark"></mj-raw>' +
    `<mj-style>${sheet(tones, classes, true)}</mj-style></mj-head>` +
    `<mj-body width="${WIDTH}px" background-color="${LIGHT.page}" css-class="page">${space(28)}` +
    `<mj-wrapper css-class="card bar" background-color="${LIGHT.card}" border-radius="10px" padding="32px 0 16px"${edge}>` +
    `${headOf(brand?.logo ?? null, brand?.name ?? '', language)}${rows}</mj-wrapper>${footOf()}${space(28)}</mj-body></mjml>`
  )
}

/** As MJML says it. Nothing where it is not known: what is not said is left to the reader's program. */
const languageOf = ({ tag, isRightToLeft }: Language) =>
  `${tag === null ? '' : ` lang="${tag}"`}${isRightToLeft ? ' dir="rtl"' : ''}`

const defaults = ({ isRightToLeft }: Language) =>
  `<mj-attributes>${isRightToLeft ? RIGHT_TO_LEFT : ''}<mj-all font-family="${FONT}" /><mj-section padding="0 ${SIDE}px" /><mj-column padding="0" />` +
  `<mj-text padding="0 ${GAP}px" font-size="${SIZES.text.size}px" line-height="${SIZES.text.line}px" color="${LIGHT.ink}" />` +
  `<mj-image padding="0 ${GAP}px 20px" /><mj-button padding="8px ${GAP}px 20px" /></mj-attributes>`

const RIGHT_TO_LEFT =
  '<mj-wrapper direction="rtl" /><mj-section direction="rtl" /><mj-group direction="rtl" /><mj-column direction="rtl" /><mj-text align="right" />'

const space = (pixels: number) =>
  `<mj-raw><div style="height:${pixels}px;font-size:${pixels}px;line-height:${pixels}px">&#8202;</div></mj-raw>`

const raw = (html: string) => `<mj-raw>${html}</mj-raw>`
const when = (name: string, inner: string) => raw(slot(`+${name}`)) + inner + raw(slot('-'))
const section = (inner: string) => `<mj-section css-class="side"><mj-column>${inner}</mj-column></mj-section>`

function headOf(logo: BrandLogo | null, name: string, { isRightToLeft }: Language): string {
  const header = when(
    'header',
    section(`<mj-text css-class="soft" color="${LIGHT.soft}" font-size="14px" line-height="21px">${slot('header')}</mj-text>`),
  )
  if (logo === null || !isWebUrl(logo.url)) return header
  const href = logo.href != null && isWebUrl(logo.href) ? ` href="${escapeHtml(logo.href)}"` : ''
  const image = `<mj-image align="${isRightToLeft ? 'right' : 'left'}" css-class="logo" src="${escapeHtml(logo.url)}"${href} alt="${escapeHtml(logo.alt ?? name)}" width="${LOGO_WIDTH}px" padding="0 ${GAP}px 24px" />`
  return section(image) + header
}

function footOf(): string {
  const text = (name: string, size: number) =>
    `<mj-text css-class="soft" align="center" color="${LIGHT.soft}" font-size="${size}px" line-height="${size + 7}px">${slot(name)}</mj-text>`
  const inner = when('footer', text('footer', 13)) + when('links', text('links', 13))
  return when('foot', `<mj-section css-class="side" padding="24px ${SIDE}px 0"><mj-column>${inner}</mj-column></mj-section>`)
}

/** The brand's own layout. Its colours are its own, in the dark too: ours would not go with them. */
function within(around: string, rows: string, { tones, classes, language }: Paper): string {
  const place = new RegExp(`(?:<mj-raw>\\s*)?${slot('content')}(?:\\s*</mj-raw>)?`)
  const links = when(
    'links',
    section(`<mj-text align="center" color="${LIGHT.soft}" font-size="13px" line-height="20px">${slot('links')}</mj-text>`),
  )
  const body = around
    .replace(place, () => rows + links)
    .replace(/<mjml\b(?![^>]*\s(?:lang|dir)=)/, (open) => open + languageOf(language))
  const head = `${UNTITLED}${defaults(language)}<mj-style>${sheet(tones, classes, false)}</mj-style>`
  return /<mj-head\b[^>]*>/.test(body)
    ? body.replace(/<mj-head\b[^>]*>/, (open) => open + head)
    : body.replace(/<mjml\b[^>]*>/, (open) => `${open}<mj-head>${head}</mj-head>`)
}

// ── Elements ─────────────────────────────────────────────────────────────────

/** What the elements of one mail have in common while they are laid out. */
class Paper {
  readonly tones: Tones
  readonly language: Language
  readonly nodes: Node[] = []
  /** Those that the sheet has to know (email-style.ts). */
  readonly classes = new Set<string>()
  readonly #colors: RenderedBrand['colors']

  constructor(tones: Tones, brand: RenderedBrand | null, language: Language) {
    this.tones = tones
    this.language = language
    this.#colors = brand?.colors ?? null
  }

  /** Rows of the mail: what needs the whole width has its own, all else stands in one column. */
  rows(nodes: readonly Node[]): string {
    let mjml = ''
    let column: Node[] = []
    const close = () => {
      if (column.length > 0) mjml += section(this.#stack(column, { room: INNER, isMirrored: false }))
      column = []
    }
    for (const node of nodes) {
      if (!isWide(node)) {
        column.push(node)
        continue
      }
      close()
      mjml += this.#shown(node, () => (node.element.type === 'columns' ? this.#columns(node) : this.rows(node.nodes)))
    }
    close()
    return mjml
  }

  /** An element between the slots that open and close it. */
  #shown(node: Node, inner: () => string, slotted = raw): string {
    const number = this.nodes.push(node) - 1
    return slotted(slot(`+${number}`)) + inner() + slotted(slot('-'))
  }

  /** Elements beneath each other in a column of MJML. Rows of the same columns that follow each other are of one table. */
  #stack(nodes: readonly Node[], place: Place): string {
    let mjml = ''
    let rows = ''
    let widths = ''
    const close = () => {
      if (rows !== '') mjml += raw(rowTable(rows, this.language.isRightToLeft, this.#known(ROW_CLASS)))
      rows = ''
    }
    for (const node of nodes) {
      const own = isLightRow(node) ? sharedWidths(node) : null
      if (own === null || own !== widths) close()
      widths = own ?? ''
      if (own !== null) rows += this.#shown(node, () => this.#row(node), asItIs)
      else mjml += this.#shown(node, () => this.#block(node, place))
    }
    close()
    return mjml
  }

  #row({ nodes }: Node): string {
    const columns = nodes as readonly Node<ColumnElement>[]
    const { columns: widths } = columnWidths(columns.map(({ element }) => element.width))
    const cells = columns.map((node, index) =>
      this.#shown(
        node,
        () => {
          const { pixels } = widths[index]!
          const place = { room: pixels - 2 * GAP, isMirrored: this.language.isRightToLeft }
          // Words that stand alone need no box of their own.
          const words = node.nodes.length === 1 ? this.#words(node.nodes[0]!, place) : null
          const inner = node.nodes.map((one) =>
            this.#shown(one, () => (words === null ? this.#inCell(one, place) : slot('html')), asItIs),
          )
          return cellOf(inner.join(''), node.element.width === undefined ? null : pixels, words)
        },
        asItIs,
      ),
    )
    return rowOf(cells.join(''))
  }

  #inCell(node: Node, place: Place): string {
    const { element } = node
    const words = this.#words(node, place)
    if (words !== null) return cellWords(words, slot('html'))
    switch (element.type) {
      case 'image': {
        const { align, pixels } = imageSize(element, place.room)
        const href = element.href === undefined ? null : slot('href')
        const side = this.#side(align, place) ?? 'center'
        return cellImage({ src: slot('src'), alt: slot('alt'), href, pixels: pixels ?? place.room, align: side })
      }
      case 'divider': {
        const { look, color } = this.#rule(element)
        return cellLine(look, color)
      }
      case 'group':
        return node.nodes.map((one) => this.#shown(one, () => this.#inCell(one, place), asItIs)).join('')
      default:
        return ''
    }
  }

  #columns({ nodes }: Node): string {
    const columns = nodes as readonly Node<ColumnElement>[]
    const widths = columnWidths(columns.map(({ element }) => element.width))
    const inner = columns.map((node, index) =>
      this.#shown(node, () => {
        const { pixels, share, look } = widths.columns[index]!
        const place = { room: pixels - 2 * GAP, isMirrored: this.language.isRightToLeft }
        const blocks = node.nodes.map((one) => this.#shown(one, () => this.#block(one, place))).join('')
        const named = look === null ? '' : ` css-class="${this.#known(look)}"`
        return `<mj-column width="${share}%"${named}>${blocks}</mj-column>`
      }),
    )
    const row = widths.isFixed ? `<mj-group>${inner.join('')}</mj-group>` : inner.join('')
    return `<mj-section css-class="side" text-align="${this.language.isRightToLeft ? 'right' : 'left'}">${row}</mj-section>`
  }

  #block(node: Node, place: Place): string {
    const words = this.#words(node, place)
    if (words !== null) return text(words)
    const element = node.element as Exclude<Element, { type: 'columns' | 'channel' }>
    switch (element.type) {
      case 'action':
        return this.#button(element, this.#side(element.align, place))
      case 'image':
        return imageMjml(element, place.room, this.#side(element.align, place))
      case 'divider': {
        const { look, color } = this.#rule(element)
        return `<mj-divider css-class="${look}" border-width="1px" border-color="${color}" padding="8px ${GAP}px 24px" />`
      }
      case 'group':
        return this.#stack(node.nodes, place)
      default:
        return ''
    }
  }

  /** How an element's words stand; null for one that is more than words. */
  #words(node: Node, place: Place): Words | null {
    const { element } = node
    const plain = { look: 'ink', color: null, align: undefined }
    switch (element.type) {
      case 'meta':
      case 'html':
        return plain
      case 'text': {
        const ink = this.#ink(element.color)
        this.#partColors(node)
        const align = this.#side(element.align, place)
        return ink === null ? { ...plain, align } : { look: this.#known(inkClass(ink.asked)), color: ink.light, align }
      }
      case 'quote': {
        const line = colorOf(element.border_color, this.#colors)
        if (line !== null) this.#known(lineClass(line))
        return { ...plain, align: this.#side(element.align, place) }
      }
      case 'list':
        this.#partColors(node)
        return plain
      case 'action': {
        const align = element.align === 'full' ? undefined : element.align
        return element.style === 'link' ? { ...plain, align: this.#side(align, place) } : null
      }
      default:
        return null
    }
  }

  /** What stands in columns is mirrored with them. */
  #side<A extends string>(align: A | undefined, { isMirrored }: Place): A | 'left' | 'right' | undefined {
    if (!isMirrored) return align
    return align === 'left' ? 'right' : align === 'right' ? 'left' : align
  }

  #rule({ color }: DividerElement) {
    const line = colorOf(color, this.#colors)
    return line === null ? { look: 'rule', color: LIGHT.line } : { look: this.#known(lineClass(line)), color: line }
  }

  #button({ background_color, color }: ActionElement, align: ActionElement['align']): string {
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

/** Where an element stands: in so many pixels, and whether its sides are those of columns that are mirrored. */
interface Place {
  readonly room: number
  readonly isMirrored: boolean
}

const asItIs = (html: string) => html

const text = ({ look, color, align }: Words) =>
  `<mj-text css-class="${look}"${align === undefined ? '' : ` align="${align}"`}${color === null ? '' : ` color="${color}"`}>${slot('html')}</mj-text>`

const isWide = (node: Node): boolean =>
  (node.element.type === 'columns' && !isLightRow(node)) || (node.element.type === 'group' && node.nodes.some(isWide))

/** pixels: null for as many as there are. */
function imageSize({ width, align }: ImageElement, room: number) {
  const share = /^(\d{1,3})(?:\.\d+)?%$/.exec(String(width ?? '').trim())?.[1]
  const wanted = share === undefined ? pixelsOf(width) : (room * Number(share)) / 100
  const pixels = align === 'full' || wanted === null ? null : Math.max(1, Math.min(room, Math.round(wanted)))
  return { pixels, align: align === 'full' ? undefined : align }
}

function imageMjml(element: ImageElement, room: number, side: string | undefined): string {
  const { pixels } = imageSize(element, room)
  const wide = pixels === null ? ' fluid-on-mobile="true"' : ` width="${pixels}px"`
  const linked = element.href === undefined ? '' : ` href="${slot('href')}"`
  return `<mj-image align="${side === 'full' ? 'center' : (side ?? 'center')}" src="${slot('src')}" alt="${slot('alt')}"${linked}${wide} />`
}
