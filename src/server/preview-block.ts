import type { Block, List, Span } from '../channels/provider.ts'
import { type Html, html } from './html.ts'

/** Blocks of a direct message as a page shows them: about as a chat service does. */
export function blocksHtml(blocks: readonly Block[]): Html {
  return html`${blocks.map(blockHtml)}`
}

function blockHtml(block: Block): Html {
  switch (block.kind) {
    case 'heading':
      return html`<p class="heading">${block.spans.map(spanHtml)}</p>`
    case 'text':
      return html`<p class="${block.subtle ? 'subtle' : 'said'}">${block.spans.map(spanHtml)}</p>`
    case 'quote':
      return html`<blockquote>${block.spans.map(spanHtml)}</blockquote>`
    case 'code':
      return html`<pre>${block.text}</pre>`
    case 'list':
      return listHtml(block)
    case 'image':
      return html`<img src="${block.src}" alt="${block.alt}">`
    case 'divider':
      return html`<hr>`
    case 'action':
      return html`<p>${actionHtml(block.action)}</p>`
  }
}

/** A button or a link that may be pressed where it leads to a page. */
export function actionHtml({
  label,
  href,
  style,
}: {
  readonly label: string
  readonly href: string
  readonly style: string
}): Html {
  return linked(href, html`${label}`, style === 'button' ? 'button' : 'link')
}

function listHtml({ ordered, items }: List): Html {
  const inner = html`${items.map(({ spans, children }) => html`<li>${spans.map(spanHtml)}${children ? listHtml(children) : null}</li>`)}`
  return ordered ? html`<ol>${inner}</ol>` : html`<ul>${inner}</ul>`
}

function spanHtml({ text, bold, italic, strikethrough, underline, code, href }: Span): Html {
  let written = html`${text}`
  if (code) written = html`<code>${written}</code>`
  if (italic) written = html`<em>${written}</em>`
  if (bold) written = html`<strong>${written}</strong>`
  if (underline) written = html`<u>${written}</u>`
  if (strikethrough) written = html`<s>${written}</s>`
  return href === undefined ? written : linked(href, written, 'link')
}

function linked(href: string, inner: Html, kind: string): Html {
  const isPage = /^https?:\/\//i.test(href)
  return isPage
    ? html`<a class="${kind}" href="${href}" target="_blank" rel="noopener noreferrer">${inner}</a>`
    : html`<span class="${kind}" title="${href}">${inner}</span>`
}
