import { LRUCache } from 'lru-cache'
import { markTags } from './scan.ts'
import { MARKS, RenderRefusal } from './template.ts'
import { checkHref, checkImage, fillAddress } from './urls.ts'

/**
 * HTML with marks (template.ts) in it, and what puts values in their places: each escaped for where it stands, so that no
 * value becomes a tag, an attribute, a style or an address of another kind than the author wrote (reference: reliability T17 to T19).
 */

/**
 * Where a mark may stand. text: between tags; line: in a title, where there are no tags; attribute: of no special meaning;
 * link and image: an address; style: a part of a declaration.
 */
type Place = 'text' | 'line' | 'attribute' | 'link' | 'image' | 'style'

/** One place: what the author wrote there, and numbers of values. An address is judged whole, whoever wrote which part. */
interface Hole {
  readonly place: Place
  readonly parts: readonly (string | number)[]
  /** A link that its author wants left as it is: `data-track="false"`. */
  readonly untracked: boolean
}

/** Pieces of HTML that stand as they are, and holes between them. */
export type Piece = string | Hole

/** What becomes of a link's address before it is written: link.ts. */
export type Relink = (url: string, untracked: boolean) => string

const scanned = new LRUCache<string, readonly Piece[]>({
  maxSize: 8 * 1024 * 1024,
  sizeCalculation: (pieces, html) => 4 * html.length + 128 * pieces.length + 1,
})

/**
 * Finds the places of marks, and of the links of `a` and `area` whoever wrote them. Remembered.
 *
 * @throws RenderRefusal where a mark stands in a tag's or attribute's name, in a value without quotes, a comment or a sheet
 */
export function scanHtml(html: string): readonly Piece[] {
  const known = scanned.get(html)
  if (known !== undefined) return known
  const pieces = new Scanner(html).scan()
  scanned.set(html, pieces)
  return pieces
}

/**
 * Null where each variable of an author's HTML stands where its value cannot be taken for markup; otherwise the sentence that
 * says which does not (reference: reliability T19). The template in it is checked elsewhere.
 */
export function checkHtml(source: string): string | null {
  try {
    new Scanner(markTags(source)).scan()
    return null
  } catch (error) {
    if (error instanceof RenderRefusal) return error.message
    throw error
  }
}

/** HTML with its values in their places. */
export function fillHtml(html: string, values: readonly string[], relink: Relink): string {
  return scanHtml(html)
    .map((piece) => (typeof piece === 'string' ? piece : fillHole(piece, values, relink)))
    .join('')
}

/**
 * HTML that stands as its author wrote it, but for where the links of `a` and `area` lead. Nothing in it is a mark. A link whose
 * address is none of the web's, or has references in it that are not read here, stays as it is.
 */
export function relinkHtml(html: string, relink: Relink): string {
  return scanHtml(html.replaceAll('\ue000', NO_MARK))
    .map((piece) => {
      if (typeof piece === 'string') return piece
      const written = piece.parts.join('')
      const address = decode(written)
      const url = REFERENCE.test(address) ? null : checkHref(address)
      const led = url === null ? null : relink(url, piece.untracked)
      return led === null || led === url ? written : escapeHtml(led)
    })
    .join('')
    .replaceAll(NO_MARK, '\ue000')
}

/** A noncharacter, which no text has to tell anybody. */
const NO_MARK = '\ufdd0'
const REFERENCE = /&(?:[a-z][\da-z]*|#\d+|#x[\da-f]+);/i

export function fillHole({ place, parts, untracked }: Hole, values: readonly string[], relink: Relink): string {
  const told = (part: string | number) => (typeof part === 'string' ? part : (values[part] ?? ''))
  switch (place) {
    case 'text':
      return escapeText(parts.map(told).join(''))
    case 'line':
    case 'attribute':
      return parts.map((part) => (typeof part === 'string' ? part : escapeHtml(told(part)))).join('')
    case 'style':
      return parts.map((part) => (typeof part === 'string' || STYLE_VALUE.test(told(part)) ? told(part) : '')).join('')
    case 'image':
      return escapeHtml(checkImage(fillAddress(plain(parts), values)) ?? '')
    case 'link': {
      const written = parts.length === 1 && typeof parts[0] === 'string' ? parts[0] : null
      const url = checkHref(fillAddress(plain(parts), values))
      // What its author wrote without values was judged when it was cleaned; it may lead to a place in the mail.
      return url === null ? (written ?? '#') : escapeHtml(relink(url, untracked))
    }
  }
}

const plain = (parts: Hole['parts']) => parts.map((part) => (typeof part === 'string' ? decode(part) : part))

/** A part of a declaration that ends nothing and calls nothing. */
const STYLE_VALUE = /^[\w#.%, -]*$/

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }
const CHARACTERS: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#x27': "'" }

/** For text between tags and between double or single quotes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}

/** For text between tags: its lines stay lines. */
export function escapeText(text: string): string {
  return escapeHtml(text).replace(/\r\n?|\n/g, '<br>')
}

/** Undoes escapeHtml. */
export const decode = (html: string) => html.replace(/&(amp|lt|gt|quot|#39|#x27);/g, (_, name: string) => CHARACTERS[name]!)

// ── Reading ──────────────────────────────────────────────────────────────────

const IMAGES = new Set(['src', 'background', 'poster'])
const LINKS = new Set(['href', 'action', 'formaction', 'cite', 'longdesc', 'xlink:href', 'data', 'ping'])
/** What a browser reads as plain characters up to the closing tag; in the first two with entities. */
const PLAIN = new Set(['title', 'textarea', 'style', 'script', 'xmp', 'iframe', 'noembed', 'noframes', 'noscript', 'plaintext'])
const WITH_ENTITIES = new Set(['title', 'textarea'])
const TRACKED = new Set(['a', 'area'])

interface Attribute {
  readonly name: string
  /** Where its value begins and ends in the text, without the quotes; null for none. */
  readonly value: { readonly from: number; readonly to: number; readonly quoted: boolean } | null
}

/** Reads as the tokenizer of the HTML standard does (section 13.2.5), and refuses marks wherever that would not take them for text. */
class Scanner {
  readonly #html: string
  readonly #pieces: Piece[] = []
  /** Up to here the text is in the pieces. */
  #written = 0
  #at = 0

  constructor(html: string) {
    this.#html = html
  }

  scan(): readonly Piece[] {
    const html = this.#html
    while (this.#at < html.length) {
      const open = html.indexOf('<', this.#at)
      const end = open < 0 ? html.length : open
      this.#text(this.#at, end, 'text')
      this.#at = end
      if (open >= 0) this.#markup()
    }
    this.#write(html.length)
    return this.#pieces
  }

  #markup(): void {
    const at = this.#at
    if (/[a-z]/i.test(this.#html[at + 1] ?? '')) {
      this.#tag()
      return
    }
    const { end, where } = skipped(this.#html, at)
    if (this.#html.slice(at, end).includes('\ue000')) this.#refuse(at, where)
    this.#at = end
  }

  #tag(): void {
    const html = this.#html
    const start = this.#at
    const name = /[^\s/>]+/.exec(html.slice(start + 1, start + 1 + LONGEST_NAME))![0]
    if (name.includes('\ue000')) this.#refuse(start, 'in the name of a tag')
    this.#at = start + 1 + name.length
    const tag = name.toLowerCase()
    const attributes = this.#attributes()
    const untracked = attributes.some((one) => one.name === 'data-track' && this.#valueOf(one) === 'false')
    for (const { name, value } of attributes) {
      if (value !== null) this.#attribute(tag, name, value, untracked)
    }
    if (PLAIN.has(tag)) this.#plain(tag)
  }

  /** Up to and with the > of the tag. */
  #attributes(): readonly Attribute[] {
    const html = this.#html
    const found: Attribute[] = []
    for (;;) {
      this.#at = skipFrom(html, /[\s/]*/y, this.#at)
      if (this.#at >= html.length || html[this.#at] === '>') break
      const from = this.#at
      this.#at = skipFrom(html, /=?[^\s/>=]*/y, from)
      const name = html.slice(from, this.#at).toLowerCase()
      if (name.includes('\ue000')) this.#refuse(from, 'in the name of an attribute')
      const equals = skipFrom(html, /\s*/y, this.#at)
      if (html[equals] !== '=') {
        found.push({ name, value: null })
        continue
      }
      found.push({ name, value: this.#value(skipFrom(html, /\s*/y, equals + 1)) })
    }
    this.#at += 1
    return found
  }

  #value(from: number): NonNullable<Attribute['value']> {
    const html = this.#html
    const quote = html[from]
    if (quote === '"' || quote === "'") {
      const to = html.indexOf(quote, from + 1)
      this.#at = to < 0 ? html.length : to + 1
      return { from: from + 1, to: to < 0 ? html.length : to, quoted: true }
    }
    this.#at = skipFrom(html, /[^\s>]*/y, from)
    return { from, to: this.#at, quoted: false }
  }

  #valueOf({ value }: Attribute): string | null {
    return value && this.#html.slice(value.from, value.to).trim().toLowerCase()
  }

  #attribute(tag: string, name: string, { from, to, quoted }: NonNullable<Attribute['value']>, untracked: boolean): void {
    const text = this.#html.slice(from, to)
    const isMarked = text.includes('\ue000')
    const isTracked = TRACKED.has(tag) && name === 'href'
    if (!isMarked && !isTracked) return
    if (isMarked && !quoted) this.#refuse(from, `in '${name}', whose value has no quotes around it`)
    if (/^on/.test(name) || name === 'srcset' || name === 'srcdoc') this.#refuse(from, `in '${name}'`)
    const place = IMAGES.has(name) ? 'image' : LINKS.has(name) ? 'link' : name === 'style' ? 'style' : 'attribute'
    this.#write(from)
    this.#pieces.push({ place, parts: partsOf(text), untracked: untracked || !TRACKED.has(tag) })
    this.#written = to
  }

  /** The content of an element that has no tags in it, up to its closing tag. */
  #plain(tag: string): void {
    const rest = this.#html.slice(this.#at)
    const close = new RegExp(`</${tag}(?=[\\s/>])`, 'i').exec(rest)
    const end = close === null ? this.#html.length : this.#at + close.index
    if (WITH_ENTITIES.has(tag)) this.#text(this.#at, end, 'line')
    else if (this.#html.slice(this.#at, end).includes('\ue000')) this.#refuse(this.#at, `in <${tag}>`)
    this.#at = end
  }

  #text(from: number, to: number, place: Place): void {
    const text = this.#html.slice(from, to)
    if (!text.includes('\ue000')) return
    for (const { index, 0: mark, 1: number } of text.matchAll(MARKS)) {
      this.#write(from + index)
      this.#pieces.push({ place, parts: [Number(number)], untracked: true })
      this.#written = from + index + mark.length
    }
  }

  #write(to: number): void {
    if (to > this.#written) this.#pieces.push(this.#html.slice(this.#written, to))
    this.#written = to
  }

  #refuse(at: number, where: string): never {
    const line = this.#html.slice(0, at).split('\n').length
    throw new RenderRefusal(
      `Line ${line}: a variable may not stand ${where}: in HTML they stand in text and in quoted attributes.`,
    )
  }
}

const LONGEST_NAME = 10_000

/** A marked text as what was written in it and the numbers of its values. */
export function partsOf(text: string): readonly (string | number)[] {
  const parts = text.split(MARKS).map((part, index) => (index % 2 === 1 ? Number(part) : part))
  return parts.filter((part) => part !== '')
}

function skipFrom(html: string, pattern: RegExp, at: number): number {
  pattern.lastIndex = at
  return at + (pattern.exec(html)?.[0].length ?? 0)
}

/** HTML for Outlook on Windows alone. To others it is a comment; no value ends it, since each is written without a `>`. */
const CONDITION = /<!--\[if\b[^\]<>]*\]>/iy

/** What begins with a < and is no tag: up to where, and as whose part nobody would read a mark in it as text. */
function skipped(html: string, at: number): { readonly end: number; readonly where: string } {
  const condition = skipFrom(html, CONDITION, at)
  if (condition > at) return { end: condition, where: 'in a comment' }
  if (html.startsWith('<!--', at)) return { end: commentEnd(html, at), where: 'in a comment' }
  switch (html[at + 1]) {
    case '!':
    case '?':
      return { end: after(html, '>', at), where: 'in a declaration' }
    case '/':
      return { end: after(html, '>', at), where: 'in a closing tag' }
    default:
      return { end: at + (html[at + 1] === '\ue000' ? 2 : 1), where: 'in the name of a tag' }
  }
}

function after(html: string, text: string, at: number): number {
  const found = html.indexOf(text, at)
  return found < 0 ? html.length : found + text.length
}

/** `<!-->` and `<!--->` are comments, and `--!>` ends one too. */
function commentEnd(html: string, at: number): number {
  const short = /<!--(?:>|->)/y
  short.lastIndex = at
  const found = short.exec(html)
  if (found !== null) return at + found[0].length
  const end = /--!?>/g
  end.lastIndex = at + 4
  return end.exec(html) === null ? html.length : end.lastIndex
}
