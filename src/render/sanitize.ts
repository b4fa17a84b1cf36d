import { LRUCache } from 'lru-cache'
import sanitizeHtml from 'sanitize-html'

/**
 * An author's own HTML without what runs, sends or loads anything but images (reference: reliability T20). It has marks
 * (template.ts) where values go, so that it is cleaned once and not for each message.
 */

/** part: what stands in a mail's text. whole: a mail of its own, with its head and sheets. mjml: MJML, and HTML in it. */
export type Cleaning = 'part' | 'whole' | 'mjml'

const cleaned = new LRUCache<string, string>({
  maxSize: 8 * 1024 * 1024,
  sizeCalculation: (clean, html) => 2 * (clean.length + html.length) + 1,
})

export function sanitize(html: string, cleaning: Cleaning): string {
  const key = `${cleaning} ${html}`
  const known = cleaned.get(key)
  if (known !== undefined) return known
  const tags = sanitizeHtml(html, OPTIONS[cleaning])
  const clean = cleaning === 'whole' ? tags.replace(SHEETS, (_, open, sheet, close) => open + cleanSheet(sheet) + close) : tags
  cleaned.set(key, clean)
  return clean
}

/** As they are written once a mail is cleaned. */
const SHEETS = /(<style[^>]*>)(.*?)(<\/style>)/gs

const words = (text: string) => text.trim().split(/\s+/)

const TAGS = words(`
  a abbr acronym address article aside b bdi bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em
  figcaption figure font footer h1 h2 h3 h4 h5 h6 header hr i img ins kbd li main mark nav ol p pre q rp rt ruby s samp section
  small span strike strong sub sup table tbody td tfoot th thead time tr tt u ul var wbr`)

const ATTRIBUTES = words(`
  abbr align alt aria-* background bgcolor border cellpadding cellspacing class color cols colspan data-track datetime dir face
  headers height href hspace id lang name nowrap reversed role rowspan rules scope size span src start style summary target title
  type valign value vspace width`)

const WHOLE_TAGS = [...TAGS, 'html', 'head', 'body', 'title', 'meta', 'style']

/** What MJML knows, without what loads files (mj-include, mj-font) or changes other elements' attributes unseen (mj-html-attributes). */
const MJML_TAGS = words(`
  mjml mj-head mj-body mj-all mj-attributes mj-breakpoint mj-class mj-preview mj-style mj-title mj-accordion mj-accordion-element
  mj-accordion-text mj-accordion-title mj-button mj-column mj-divider mj-group mj-hero mj-image mj-navbar mj-navbar-link mj-raw
  mj-section mj-social mj-social-element mj-spacer mj-table mj-text mj-wrapper`)

const MJML_ATTRIBUTES = words(`
  background-* base-url border-* caption-* color container-* css-class direction fluid-on-mobile font-* full-width gap hamburger
  icon-* ico-* inline inner-* letter-spacing line-height max-width mode owa padding padding-* sizes src table-layout
  text-* thumbnails title-* usemap vertical-align word-spacing`)

const EMPTY = ['img', 'br', 'hr', 'col', 'wbr', 'meta']
/** Self-closing where MJML has them so; an empty pair of tags means the same. */
const MJML_EMPTY = words('mj-all mj-breakpoint mj-class mj-divider mj-image mj-spacer')

const OPTIONS: Readonly<Record<Cleaning, sanitizeHtml.IOptions>> = {
  part: options(TAGS, ATTRIBUTES),
  whole: options(WHOLE_TAGS, [...ATTRIBUTES, 'charset', 'content', 'http-equiv', 'media']),
  mjml: {
    ...options([...TAGS, ...MJML_TAGS], [...ATTRIBUTES, ...MJML_ATTRIBUTES]),
    selfClosing: [...EMPTY, ...MJML_EMPTY],
    parser: { recognizeSelfClosing: true },
    textFilter: (text, tag) => (tag === 'mj-style' ? cleanSheet(text.replaceAll('&gt;', '>').replaceAll('&amp;', '&')) : text),
  },
}

function options(tags: readonly string[], attributes: readonly string[]): sanitizeHtml.IOptions {
  return {
    allowedTags: [...tags],
    allowedAttributes: { '*': [...attributes] },
    allowedSchemes: ['http', 'https', 'mailto', 'tel'],
    allowedSchemesByTag: { img: ['http', 'https', 'cid'], 'mj-image': ['http', 'https', 'cid'] },
    allowedSchemesAppliedToAttributes: ['href', 'src', 'background', 'background-url', 'base-url', 'cite'],
    allowProtocolRelative: false,
    nonTextTags: ['script', 'style', 'textarea', 'option', 'title'],
    nestingLimit: 200,
    selfClosing: EMPTY,
    // The sheets of a whole mail, which are cleaned for themselves.
    allowVulnerableTags: true,
    parseStyleAttributes: false,
    transformTags: { '*': cleanTag },
    exclusiveFilter: ({ tag, attribs }) => tag === 'meta' && !isHarmlessMeta(attribs),
  }
}

function cleanTag(tagName: string, attribs: sanitizeHtml.Attributes): sanitizeHtml.Tag {
  const { style } = attribs
  if (style === undefined) return { tagName, attribs }
  return { tagName, attribs: { ...attribs, style: cleanDeclarations(style) } }
}

/** No other page is opened, and no rule is set for what the mail may load: the words that say how it is written and shown. */
function isHarmlessMeta({ 'http-equiv': rule, content = '' }: sanitizeHtml.Attributes): boolean {
  return (rule === undefined || /^(?:content-type|x-ua-compatible)$/i.test(rule)) && !content.includes('\ue000')
}

/** Words that run or load something in one mail program or other. Marks are no part of them: a value is put in as a word or number. */
const UNFIT = /expression|javascript|vbscript|behaviou?r\s*:|-moz-binding|@import|@charset|@namespace/i
const FOREIGN_URL = /url\((?!\s*(?:["']\s*)?(?:https?:\/\/|cid:))/i

/** The declarations of a style attribute that load nothing but images. */
function cleanDeclarations(style: string): string {
  const plain = withoutTricks(style)
  if (!UNFIT.test(plain) && !FOREIGN_URL.test(plain)) return plain
  return plain
    .split(';')
    .filter((one) => !UNFIT.test(one) && !FOREIGN_URL.test(one))
    .join(';')
}

/**
 * A sheet that loads nothing but images: no other sheets, no fonts. Without any <, so that nothing ends it: what is taken out
 * of it puts together what stood around.
 */
function cleanSheet(sheet: string): string {
  return withoutTricks(sheet)
    .replaceAll('<', '')
    .replace(/@import[^;{}]*;?/gi, '')
    .replace(/@font-face\s*\{[^}]*\}?/gi, '')
    .replace(/[^;{}]+/g, (part) => (RUNS.test(part) ? '' : part))
    .replace(/url\([^)]*\)?/gi, (url) => (FOREIGN_URL.test(url) ? 'none' : url))
}

const RUNS = /expression|javascript|vbscript|behaviou?r\s*:|-moz-binding/i

/** Comments and escapes would hide a word from the patterns above. */
const withoutTricks = (css: string) => css.replace(/\/\*[\s\S]*?(?:\*\/|$)/g, '').replaceAll('\\', '')
