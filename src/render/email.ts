import { oneLine } from '../channels/one-line.ts'
import type { Block, Rendered } from '../channels/provider.ts'
import { plainText } from './block.ts'
import type { BrandEmail, RenderedBrand } from './brand.ts'
import { withPlace } from './brand-layout.ts'
import { colorOf } from './color.ts'
import { isFixedRow } from './columns.ts'
import { type Document, type Node, placeOf } from './document.ts'
import type { ActionElement, HtmlElement, ListElement, QuoteElement, TextElement } from './element.ts'
import { blocksHtml, type Look } from './email-block.ts'
import { htmlElement, isBlankHtml, rawEmail } from './email-raw.ts'
import { LIGHT, SIZES, type TextSize, tonesOf } from './email-style.ts'
import { hrefOf, imageOf, listBlocks, markdownBlocks, quoteBlocks, type Scene, textBlocks } from './email-text.ts'
import { at, eachShown, type FlowState, printAt, printField } from './flow.ts'
import { escapeHtml, fillHole, type Relink, relinkHtml } from './html.ts'
import type { RenderJob } from './job.ts'
import { hintIn, languageOf } from './language.ts'
import { layOut, slot } from './layout.ts'
import { cutText, firstLine } from './line.ts'
import { createRelink } from './link.ts'
import { addRow } from './row.ts'
import { sanitize } from './sanitize.ts'
import { cameToNothing, isSilent } from './silence.ts'
import { type Part, skeletonOf } from './skeleton.ts'
import { type Frame, RenderRefusal } from './template.ts'
import type { Urls } from './urls.ts'

/**
 * A document as an email: HTML that looks alike in all mail programs, a text that says the same, and a subject. The same job
 * gives the same bytes.
 *
 * @throws RenderRefusal for a text that is no template or breaks a limit, a layout that is no MJML, and a mail that says nothing
 * but what its brand puts around it
 */
export async function renderEmail(
  document: Document,
  state: FlowState,
  job: RenderJob,
  brand: RenderedBrand | null,
): Promise<Rendered> {
  const relink = createRelink(job)
  const raw = document.raw?.content
  const mail =
    raw?.html === undefined
      ? await Mail.write(withRawText(document), { state, relink, brand, urls: job.values.urls, locale: job.locale })
      : await rawEmail(document.raw!, raw.html, state, relink)
  const { tracking, overridingHtml } = job
  const subject = raw && printAt(raw.subject ?? raw.title ?? '', `${document.raw!.path}.subject`, state, state.top)
  if (mail.isSilent && !subject && !job.mayBeSilent) throw cameToNothing('EMAIL')
  return {
    subject: subjectOf(subject || mail.title || firstLine(mail.text ?? '')),
    text: mail.text ?? '',
    html: withPixel(mail.html ?? '', tracking.openUrl),
    ...(overridingHtml !== null && { overridingHtml: withPixel(relinkHtml(overridingHtml, relink), tracking.openUrl) }),
  }
}

/** A raw email of text alone is that text, laid out like any other. */
function withRawText(document: Document): Document {
  const { nodes, raw } = document
  if (raw === null) return document
  const text = {
    element: { type: 'text', content: raw.content.text ?? '' },
    nodes: [],
    path: raw.path,
    places: { content: `${raw.path}.text` },
  } as const
  return { ...document, nodes: [...nodes.filter(({ element }) => element.type === 'meta'), text], raw: null }
}

/** Some hundred pages: a list of a thousand entries may be that long, and no mail program shows more. */
const LONGEST_HTML = 4 * 1024 * 1024
const LONGEST_SUBJECT = 2_000
/** RFC 5322, 2.1.1, in octets. */
const LONGEST_LINE = 998

function subjectOf(text: string): string {
  const line = oneLine(text)
  if (line.length > LONGEST_SUBJECT) {
    throw new RenderRefusal(`The subject is longer than ${LONGEST_SUBJECT.toLocaleString('en')} characters.`)
  }
  let kept = line
  while (Buffer.byteLength(kept) > LONGEST_LINE) kept = `${cutText(line, Math.floor(kept.length * 0.9))}…`
  return kept
}

function withPixel(html: string, url: string | null): string {
  if (url === null) return html
  const pixel = `<img src="${escapeHtml(url)}" width="1" height="1" alt="" style="display:block;width:1px;height:1px;border:0">`
  const end = html.lastIndexOf('</body>')
  return end < 0 ? html + pixel : html.slice(0, end) + pixel + html.slice(end)
}

// ── A mail that is laid out ──────────────────────────────────────────────────

interface Circumstances {
  readonly state: FlowState
  readonly relink: Relink
  readonly brand: RenderedBrand | null
  readonly urls: Urls
  readonly locale: string | null
}

/** What an element says: HTML by the names of its slots; null where it is not shown. */
type Said = Readonly<Record<string, string>> | null

/** Where the walk stands: what the slots say there, and what the text part has so far. */
interface Spot {
  readonly frame: Frame
  readonly said: Readonly<Record<string, string>>
  readonly blocks: Block[]
  /** Of the columns that it stands in. */
  readonly cells: (readonly Block[])[]
  /** In a row that stays one on a phone, like a line of a receipt: its neighbours stand close. */
  readonly isClose: boolean
}

class Mail {
  readonly #given: Circumstances
  readonly #look: Look
  readonly #nodes: readonly Node[]
  readonly #values: readonly string[]
  readonly #html: string[] = []
  #left = LONGEST_HTML
  #title = ''
  /** HTML of its author's own shows something. */
  #isShown = false

  static async write(document: Document, given: Circumstances) {
    const { state, brand } = given
    const around = brand?.email?.layout
      ? at('brand.email.layout', () => state.printer.mark(withPlace(brand.email!.layout!, slot('content')), state.top))
      : null
    const laid = await laidOut(document, given, around?.text ?? null)
    return new Mail(given, laid, around?.values ?? []).#write(laid.parts)
  }

  private constructor(given: Circumstances, { nodes, isRightToLeft }: LaidOut, values: readonly string[]) {
    this.#given = given
    this.#nodes = nodes
    this.#values = values
    this.#look = {
      tones: tonesOf(given.brand?.colors),
      relink: given.relink,
      size: SIZES.text,
      isRightToLeft,
      isSoft: false,
      isColored: false,
      line: null,
    }
  }

  #write(parts: readonly Part[]) {
    const { state, brand, urls } = this.#given
    const header = this.#around('header')
    const footer = this.#around('footer')
    const links = brand?.email?.layout?.includes('urls.unsubscribe') ? [] : linksOf(urls)
    const softly = (blocks: readonly Block[], size: TextSize) => blocksHtml(blocks, { ...this.#look, isSoft: true, size })
    const said = {
      header: softly(header, { ...SIZES.subtext, space: 12 }),
      footer: softly(footer, { ...SIZES.subtext, size: 13, line: 20, space: 12 }),
      links: linkLine(links),
      foot: footer.length + links.length > 0 ? 'yes' : '',
    }
    const blocks: Block[] = []
    this.#walk(parts, { frame: state.top, said, blocks, cells: [], isClose: false })
    const html = this.#html.map((text) => (text === TITLE ? escapeHtml(this.#title) : text)).join('')
    // What stands around a message does not say what it is about.
    const title = this.#title || firstLine(plainText(blocks))
    const silent = !this.#isShown && isSilent(this.#title, blocks)
    return { title, isSilent: silent, html, text: asText({ header, blocks, footer, links: linksOf(urls) }) }
  }

  #around(name: keyof BrandEmail): readonly Block[] {
    const source = this.#given.brand?.email?.[name]
    const { state } = this.#given
    return source ? at(`brand.email.${name}`, () => markdownBlocks(source, this.#scene(state.top))) : []
  }

  #scene(frame: Frame): Scene {
    return { state: this.#given.state, frame, colors: this.#given.brand?.colors ?? null }
  }

  #walk(parts: readonly Part[], spot: Spot): void {
    for (const part of parts) {
      if (typeof part === 'string') this.#add(part)
      else if ('place' in part) this.#add(fillHole(part, this.#values, this.#given.relink))
      else if ('text' in part) this.#add(part.text === 'title' ? TITLE : (spot.said[part.text] ?? ''))
      else if (/^\d/.test(part.opened)) this.#element(this.#nodes[Number(part.opened)]!, part.parts, spot)
      else if (spot.said[part.opened]) this.#walk(part.parts, spot)
    }
  }

  #add(html: string): void {
    this.#left -= html.length
    if (this.#left < 0)
      throw new RenderRefusal(`The email is longer than ${LONGEST_HTML.toLocaleString('en')} characters of HTML.`)
    this.#html.push(html)
  }

  #element(node: Node, parts: readonly Part[], { frame, blocks, cells, isClose }: Spot): void {
    eachShown(node, this.#given.state, frame, (one) => {
      const isColumn = node.element.type === 'column'
      const own: Block[] = isColumn ? [] : blocks
      const inner: Spot['cells'] = node.element.type === 'columns' ? [] : cells
      const close = isClose || (node.element.type === 'columns' && isFixedRow(node))
      const said = this.#say(node, one, own, close)
      if (said === null) return
      this.#walk(parts, { frame: one, said, blocks: own, cells: inner, isClose: close })
      if (isColumn) cells.push(own)
      else if (inner !== cells) addRow(blocks, inner)
    })
  }

  /** Prints an element: once, for both parts. */
  #say(node: Node, frame: Frame, blocks: Block[], isClose: boolean): Said {
    const scene = this.#scene(frame)
    const { state, relink } = this.#given
    const { element } = node
    const print = (field: string) => printField(node, field, state, frame)
    const plain = isClose ? { ...this.#look, size: CLOSE } : this.#look
    const say = (own: readonly Block[], look: Look = plain): Said => {
      blocks.push(...own)
      return own.length === 0 ? null : { html: blocksHtml(own, look) }
    }
    switch (element.type) {
      case 'meta':
        this.#title ||= oneLine(print('title'))
        return node.path !== 'title' || this.#title === ''
          ? null
          : say([{ kind: 'heading', level: 1, spans: [{ text: this.#title }] }])
      case 'text':
        return say(textBlocks(node as Node<TextElement>, scene), { ...plain, isColored: element.color !== undefined })
      case 'quote':
        return say(quoteBlocks(node as Node<QuoteElement>, scene), {
          ...this.#look,
          size: SIZES[element.text_style ?? 'text'],
          line: colorOf(element.border_color, scene.colors),
        })
      case 'list':
        return say(listBlocks(node as Node<ListElement>, scene))
      case 'html': {
        const { html, text } = htmlElement((element as HtmlElement).content, placeOf(node, 'content'), { state, relink }, frame)
        if (text !== '') blocks.push({ kind: 'text', spans: [{ text }] })
        this.#isShown ||= !isBlankHtml(html)
        return { html: `<div style="margin:0 0 16px">${html}</div>` }
      }
      case 'divider':
        blocks.push({ kind: 'divider' })
        return {}
      case 'image':
        return this.#image(node, scene, blocks)
      case 'action':
        return this.#action(node as Node<ActionElement>, scene, blocks)
      default:
        return {}
    }
  }

  #image(node: Node, scene: Scene, blocks: Block[]): Said {
    const { disable_tracking: untracked, href: given } = node.element as {
      readonly disable_tracking?: boolean
      readonly href?: string
    }
    const src = imageOf(node, scene)
    if (src === null) return null
    const alt = oneLine(printField(node, 'alt_text', scene.state, scene.frame))
    const href = given === undefined ? null : hrefOf(node, scene)
    blocks.push({ kind: 'image', src, alt, ...(href !== null && { href }) })
    return { src: escapeHtml(src), alt: escapeHtml(alt), href: this.#linked(href, untracked) }
  }

  #action(node: Node<ActionElement>, scene: Scene, blocks: Block[]): Said {
    const { style, disable_tracking: untracked } = node.element
    const label = oneLine(printField(node, 'content', scene.state, scene.frame))
    const href = hrefOf(node, scene)
    if (label === '') return null
    if (href === null) blocks.push({ kind: 'text', spans: [{ text: label }] })
    else blocks.push({ kind: 'action', action: { label, href, style: style ?? 'button' } })
    const span = { text: label, bold: true as const, ...(href !== null && { href }), ...(untracked && { untracked }) }
    if (style === 'link') return { html: blocksHtml([{ kind: 'text', spans: [span] }], this.#look) }
    return { label: escapeHtml(label), href: this.#linked(href, untracked) }
  }

  /** An address as it stands in an attribute: `#` where there is none that may be followed (reference: reliability T18). */
  #linked(href: string | null, untracked: boolean | undefined): string {
    return href === null ? '#' : escapeHtml(this.#given.relink(href, untracked === true))
  }
}

const CLOSE: TextSize = { ...SIZES.text, space: 10 }

interface LaidOut {
  readonly brand: RenderedBrand | null
  readonly around: string | null
  /** Of the reader's locale, of which the document is not. */
  readonly hint: string | null
  readonly nodes: readonly Node[]
  readonly parts: readonly Part[]
  readonly isRightToLeft: boolean
}

/** The last layout of each document: its messages mostly have one brand. */
const layouts = new WeakMap<Document, LaidOut>()

async function laidOut(document: Document, { brand, locale }: Circumstances, around: string | null): Promise<LaidOut> {
  const known = layouts.get(document)
  const hint = hintIn(locale)
  if (known !== undefined && known.brand === brand && known.around === around && known.hint === hint) return known
  const language = languageOf(document, locale)
  const { source, nodes } = layOut(document, brand, around && sanitize(around, 'mjml'), language)
  const { isRightToLeft } = language
  const fresh = { brand, around, hint, nodes, isRightToLeft, parts: await skeletonOf(source, around !== null) }
  layouts.set(document, fresh)
  return fresh
}

/** Stands for the title, which is known when the elements have been printed. */
const TITLE = '\ue002title\ue003'

interface TextParts {
  readonly header: readonly Block[]
  readonly blocks: readonly Block[]
  readonly footer: readonly Block[]
  readonly links: readonly Link[]
}

/** The text part. What surrounds the message stands under the line that mail programs know a signature by (RFC 3676, section 4.3). */
function asText({ header, blocks, footer, links }: TextParts): string {
  const linked = links.map(({ label, url }) => `${label}: ${url}`).join('\n')
  const below = paragraphs([plainText(footer), linked])
  return paragraphs([plainText(header), plainText(blocks), below === '' ? '' : `-- \n${below}`])
}

/** The parts that say something, with a blank line between them. */
export function paragraphs(parts: readonly string[]): string {
  return parts.filter((part) => part.length > 0).join('\n\n')
}

interface Link {
  readonly label: string
  readonly url: string
}

function linksOf({ unsubscribe, preferences }: Urls): readonly Link[] {
  if (unsubscribe === null) return []
  const links = [{ label: 'Unsubscribe', url: unsubscribe }]
  return preferences === null ? links : [...links, { label: 'Manage preferences', url: preferences }]
}

const linkLine = (links: readonly Link[]) =>
  links
    .map(
      ({ label, url }) =>
        `<a class="soft" href="${escapeHtml(url)}" style="color:${LIGHT.soft};text-decoration:underline">${label}</a>`,
    )
    .join(' &middot; ')
