import type { BrandLogo } from './brand.ts'
import { hexOf, readableOn } from './color.ts'
import { isWebUrl, type Urls } from './urls.ts'

/** An email's texts, variables filled in: plain text, to be escaped here and nowhere else. */
export interface EmailTexts {
  readonly title: string
  readonly body: string
  /** The brand's, around the body. */
  readonly header: string
  readonly footer: string
  readonly logo: BrandLogo | null
  /** The brand's primary colour; null for none. */
  readonly color: string | null
  /** Pages of the reader's own. The line that names them stands only where unsubscribe does. */
  readonly urls: Urls
}

/** The text part. What surrounds the message stands under the line that mail programs know a signature by (RFC 3676, section 4.3). */
export function emailText({ title, body, header, footer, urls }: EmailTexts): string {
  const links = linksOf(urls).map(({ label, url }) => `${label}: ${url}`)
  const below = [footer, links.join('\n')].filter((part) => part.length > 0)
  return paragraphs([header, title, body.trimEnd(), below.length > 0 ? `-- \n${below.join('\n\n')}` : ''])
}

/** The parts that say something, with a blank line between them. */
export function paragraphs(parts: readonly string[]): string {
  return parts.filter((part) => part.length > 0).join('\n\n')
}

const FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
const LIGHT = { page: '#f4f5f7', card: '#ffffff', text: '#1f2933', soft: '#616e7c' }
const DARK = { page: '#12161b', card: '#1d232a', text: '#e4e7eb', soft: '#9aa5b1' }
const LOGO_WIDTH = 140

/**
 * The HTML part: one column, at most 600 pixels wide, that any mail client lays out: tables, styles in the tags, nothing
 * loaded but the logo. The sheet in its head only adds dark colours and narrow screens. An address in the text is left to
 * the reader's program to make a link of.
 */
export function emailHtml(texts: EmailTexts): string {
  const { title, body, header, footer, logo, urls } = texts
  const color = texts.color === null ? null : hexOf(texts.color)
  const tone = { light: color && readableOn(LIGHT.card, color), dark: color && readableOn(DARK.card, color) }
  const heading = title
    ? `<h1 class="tone" style="margin:0 0 16px;font-size:22px;line-height:1.3;color:${tone.light ?? LIGHT.text}">${escapeHtml(title)}</h1>`
    : ''
  const bar = color === null ? '' : `;border-top:4px solid ${color}`
  const card =
    row('pad', '32px 32px 0', logoHtml(logo, tone.light) + softly(header)) +
    row('pad ink', `${logo || header ? 8 : 32}px 32px 16px;color:${LIGHT.text}`, heading + textHtml(body, '0 0 16px'))
  const below = softly(footer, 'center') + linkLine(urls)
  return (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">' +
    '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">' +
    `<title>${escapeHtml(title)}</title><style>${sheet(tone.dark)}</style></head>` +
    `<body class="page" style="margin:0;padding:0;background:${LIGHT.page}">` +
    `${table(`class="page" width="100%" style="background:${LIGHT.page}"`)}<tr><td align="center" style="padding:24px 12px">` +
    `${table(`class="card bar" width="600" style="width:100%;max-width:600px;background:${LIGHT.card};border-radius:8px${bar}"`)}${card}</table>` +
    (below && `${table('width="600" style="width:100%;max-width:600px"')}${row('pad', '20px 32px 0', below)}</table>`) +
    '</td></tr></table></body></html>'
  )
}

function sheet(darkTone: string | null): string {
  return (
    ':root{color-scheme:light dark;supported-color-schemes:light dark}' +
    `@media(prefers-color-scheme:dark){.page{background:${DARK.page}!important}.card{background:${DARK.card}!important}` +
    `.ink{color:${DARK.text}!important}.soft,.soft a{color:${DARK.soft}!important}.tone{color:${darkTone ?? DARK.text}!important}` +
    `.bar{border-top-color:${darkTone ?? DARK.card}!important}}` +
    '@media(max-width:480px){.pad{padding-left:20px!important;padding-right:20px!important}}'
  )
}

const table = (attributes: string) => `<table role="presentation" cellpadding="0" cellspacing="0" border="0" ${attributes}>`

function row(name: string, style: string, inner: string): string {
  if (inner === '') return ''
  return `<tr><td class="${name}" style="padding:${style};${FONT};font-size:16px;line-height:1.5;word-break:break-word">${inner}</td></tr>`
}

function logoHtml(logo: BrandLogo | null, tone: string | null): string {
  if (logo === null || !isWebUrl(logo.url)) return ''
  const style = `display:block;border:0;width:${LOGO_WIDTH}px;max-width:100%;height:auto;${FONT};font-size:18px;font-weight:600;color:${tone ?? LIGHT.text}`
  const image = `<img class="tone" src="${escapeHtml(logo.url)}" alt="${escapeHtml(logo.alt ?? '')}" width="${LOGO_WIDTH}" style="${style}">`
  const linked = logo.href != null && isWebUrl(logo.href) ? `<a href="${escapeHtml(logo.href)}">${image}</a>` : image
  return `<div style="margin:0 0 16px">${linked}</div>`
}

function softly(text: string, align = 'left'): string {
  if (text === '') return ''
  return `<div class="soft" style="font-size:14px;color:${LIGHT.soft};text-align:${align}">${textHtml(text, '0 0 12px')}</div>`
}

function linkLine(urls: Urls): string {
  const links = linksOf(urls).map(
    ({ label, url }) => `<a href="${escapeHtml(url)}" style="color:${LIGHT.soft};text-decoration:underline">${label}</a>`,
  )
  if (links.length === 0) return ''
  return `<p class="soft" style="margin:0 0 12px;font-size:13px;color:${LIGHT.soft};text-align:center">${links.join(' &middot; ')}</p>`
}

function linksOf({ unsubscribe, preferences }: Urls): readonly { label: string; url: string }[] {
  if (unsubscribe === null) return []
  const links = [{ label: 'Unsubscribe', url: unsubscribe }]
  return preferences === null ? links : [...links, { label: 'Manage preferences', url: preferences }]
}

function textHtml(text: string, margin: string): string {
  return text
    .split(/\n{2,}/)
    .filter((part) => part.trim().length > 0)
    .map((part) => `<p style="margin:${margin}">${escapeHtml(part.trim()).replaceAll('\n', '<br>')}</p>`)
    .join('')
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** For text between tags and between double or single quotes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (mark) => ENTITIES[mark]!)
}
