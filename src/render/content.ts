import type { Channel, Rendered } from '../channels/provider.ts'

/** What a message says, before any channel has shaped it. body is plain text. */
export interface Content {
  readonly title?: string | null
  readonly body?: string | null
}

export interface RenderInput {
  readonly content: Content
  readonly data: Readonly<Record<string, unknown>>
  readonly messageId: string
}

/** Content as one channel carries it. Pure; what a channel has no use for is left out. */
export function render(channel: Channel, { content, data, messageId }: RenderInput): Rendered {
  const title = oneLine(content.title ?? '')
  const body = content.body ?? ''
  switch (channel) {
    case 'EMAIL':
      return { subject: title || firstLine(body), text: plainText(title, body), html: html(title, body) }
    case 'SMS':
      return { text: plainText(title, body) }
    case 'PUSH':
      return { title: title || firstLine(body), text: body, payload: data }
    case 'INBOX':
      return { title, text: body, payload: data }
    case 'DIRECT_MESSAGE':
      return { text: plainText(title, body) }
    case 'WEBHOOK':
      return { title, text: body, payload: { messageId, title: content.title ?? null, body: content.body ?? null, data } }
  }
}

/** A title is one line on every channel: control characters and bidirectional overrides would let it pose as something else. */
function oneLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/[\u200b\u202a-\u202e\u2066-\u2069\ufeff]/g, '')
    .trim()
}

function firstLine(body: string): string {
  const line = oneLine(body.trimStart().split('\n', 1)[0] ?? '')
  return line.length <= 78 ? line : `${cutText(line, 77)}…`
}

/** The beginning of a text, at most so many UTF-16 units long: cut between graphemes, never inside one. */
export function cutText(text: string, length: number): string {
  if (text.length <= length) return text
  let end = 0
  for (const { segment } of new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)) {
    if (end + segment.length > length) break
    end += segment.length
  }
  return text.slice(0, end)
}

function plainText(title: string, body: string): string {
  return [title, body].filter((part) => part.length > 0).join('\n\n')
}

const FRAME = `font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;font-size:16px;line-height:1.5;color:#1f2933`

/** One column that any mail client lays out: a table, styles in the tags, no assets. */
function html(title: string, body: string): string {
  const heading = title ? `<h1 style="margin:0 0 16px;font-size:22px;line-height:1.3">${escapeHtml(title)}</h1>` : ''
  const paragraphs = body
    .split(/\n{2,}/)
    .filter((part) => part.trim().length > 0)
    .map((part) => `<p style="margin:0 0 16px">${escapeHtml(part.trim()).replaceAll('\n', '<br>')}</p>`)
    .join('')
  return (
    `<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escapeHtml(title)}</title></head>` +
    `<body style="margin:0;padding:0;background:#f4f5f7"><table role="presentation" width="100%" cellpadding="0" cellspacing="0"><tr><td align="center" style="padding:24px 12px">` +
    `<table role="presentation" width="100%" cellpadding="0" cellspacing="0" style="max-width:600px;background:#ffffff;border-radius:8px"><tr><td style="padding:32px;${FRAME}">` +
    `${heading}${paragraphs}</td></tr></table></td></tr></table></body></html>`
  )
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
