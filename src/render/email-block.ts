import type { Block, List, Span } from '../channels/provider.ts'
import { groundClass, inkClass, LIGHT, lineClass, MONO, SIZES, type TextSize, type Tones } from './email-style.ts'
import type { EmailItem, EmailSpan } from './email-text.ts'
import { escapeHtml, escapeText, type Relink } from './html.ts'

/** Blocks as HTML that any mail program shows: styles in the tags, classes for the sheet to go over them. */

export interface Look {
  readonly tones: Tones
  readonly relink: Relink
  /** Of texts that say nothing else. */
  readonly size: TextSize
  /** Around a message: what stands there is smaller and quieter. */
  readonly isSoft: boolean
  /** Lists and quotes begin at the right. */
  readonly isRightToLeft: boolean
  /** They have a colour of their own, which is set around them. */
  readonly isColored: boolean
  /** Of a quote's own line; null for ours. */
  readonly line: string | null
}

export function blocksHtml(blocks: readonly Block[], look: Look): string {
  return blocks.map((block) => blockHtml(block, look)).join('')
}

function blockHtml(block: Block, look: Look): string {
  switch (block.kind) {
    case 'heading': {
      const tag = `h${block.level}` as const
      return `<${tag} style="${typeOf(SIZES[tag])}">${spansHtml(block.spans, look)}</${tag}>`
    }
    case 'text': {
      const isQuiet = block.subtle && !look.isColored
      if (isQuiet)
        return `<p class="soft" style="${typeOf(SIZES.subtext)};color:${LIGHT.soft}">${spansHtml(block.spans, look)}</p>`
      if (block.subtle) return `<p style="${typeOf(SIZES.subtext)}">${spansHtml(block.spans, look)}</p>`
      return `<p style="${typeOf(look.size)}">${spansHtml(block.spans, look)}</p>`
    }
    case 'quote':
      return quoteHtml(block.spans, look)
    case 'code':
      return (
        `<pre class="shade" style="margin:0 0 ${look.size.space}px;padding:12px 14px;background:${LIGHT.shade};border-radius:6px;` +
        `font-family:${MONO};font-size:14px;line-height:21px;white-space:pre-wrap;word-break:break-word">${escapeHtml(block.text)}</pre>`
      )
    case 'list':
      return listHtml(block, look, true)
    case 'image':
      return `<p style="margin:0 0 ${look.size.space}px">${imageHtml({ text: block.alt, image: { src: block.src, width: null }, ...(block.href !== undefined && { href: block.href }) }, look)}</p>`
    case 'divider':
      return `<p class="edge" style="margin:8px 0 24px;border-top:1px solid ${LIGHT.line};font-size:1px;line-height:1px">&nbsp;</p>`
    case 'action':
      return `<p style="${typeOf(look.size)}">${spansHtml([{ text: block.action.label, href: block.action.href }], look)}</p>`
  }
}

/** Set in each tag: some programs give paragraphs and headings sizes of their own. */
export const typeOf = ({ size, line, weight, above = 0, space }: TextSize) =>
  `margin:${above > 0 ? `${above}px` : 0} 0 ${space}px;font-size:${size}px;line-height:${line}px;font-weight:${weight}${size > 20 ? ';letter-spacing:-0.01em' : ''}`

/** A table, since Outlook on Windows knows no line beside anything else. */
function quoteHtml(spans: readonly Span[], look: Look): string {
  const { line, size, isRightToLeft } = look
  const [start, padding] = isRightToLeft ? ['right', '2px 16px 2px 0'] : ['left', '2px 0 2px 16px']
  const edge = line ? `class="${lineClass(line)}"` : 'class="edge"'
  return (
    `<table role="presentation" cellpadding="0" cellspacing="0" border="0" width="100%" style="margin:0 0 ${size.space + 4}px"><tr>` +
    `<td ${edge} style="border-${start}:3px solid ${line ?? LIGHT.line};padding:${padding}">` +
    `<p class="soft" style="${typeOf({ ...size, space: 0 })};color:${LIGHT.soft}">${spansHtml(spans, look)}</p></td></tr></table>`
  )
}

function listHtml({ ordered, items }: List, look: Look, isOuter: boolean): string {
  const tag = ordered ? 'ol' : 'ul'
  const { size, line, space } = look.size
  const inner = (items as readonly EmailItem[]).map((item) => {
    const ground = item.background
    const colored = ground ? ` class="${groundClass(ground)}"` : ''
    const background = ground ? `;background:${ground};padding:4px 8px;border-radius:4px` : ''
    const children = item.children ? listHtml(item.children, look, false) : ''
    return `<li${colored} style="margin:0 0 6px;font-size:${size}px;line-height:${line}px${background}">${spansHtml(item.spans, look)}${children}</li>`
  })
  return `<${tag} style="margin:${isOuter ? '0' : '6px'} 0 ${isOuter ? space : 0}px;padding:${look.isRightToLeft ? '0 24px 0 0' : '0 0 0 24px'}">${inner.join('')}</${tag}>`
}

export function spansHtml(spans: readonly EmailSpan[], look: Look): string {
  return spans.map((span) => spanHtml(span, look)).join('')
}

function spanHtml(span: EmailSpan, look: Look): string {
  if (span.image !== undefined) return imageHtml(span, look)
  const { text, bold, italic, strikethrough, underline, code, href, color } = span
  let html = escapeText(text)
  if (code)
    html = `<code class="shade" style="padding:1px 5px;background:${LIGHT.shade};border-radius:4px;font-family:${MONO};font-size:0.9em">${html}</code>`
  if (bold) html = `<strong style="font-weight:700">${html}</strong>`
  if (italic) html = `<em>${html}</em>`
  if (strikethrough) html = `<s>${html}</s>`
  if (underline) html = `<u>${html}</u>`
  if (href === undefined) return color ? `<span class="${inkClass(color)}" style="color:${color}">${html}</span>` : html
  const [classes, ink] = color ? [inkClass(color), color] : look.isSoft ? ['soft', LIGHT.soft] : ['tone', look.tones.light]
  return `<a class="${classes}" href="${linked(span, look)}" style="color:${ink};text-decoration:underline">${html}</a>`
}

const linked = ({ href, untracked }: EmailSpan, { relink }: Look) => escapeHtml(relink(href!, untracked === true))

function imageHtml(span: EmailSpan, look: Look): string {
  const { src, width } = span.image!
  const sized = width === null ? '' : ` width="${width}"`
  const image = `<img src="${escapeHtml(src)}" alt="${escapeHtml(span.text)}"${sized} style="max-width:100%;height:auto;border:0;vertical-align:middle">`
  return span.href === undefined ? image : `<a href="${linked(span, look)}">${image}</a>`
}
