import type { Channel, Rendered } from '../channels/provider.ts'
import type { RenderedBrand } from './brand.ts'
import { type EmailTexts, emailHtml, emailText, paragraphs } from './email.ts'
import { createPrinter } from './printer.ts'
import type { Urls } from './urls.ts'

/** What a message says, before any channel has shaped it. Both are templates (template.ts) of plain text. */
export interface Content {
  readonly title?: string | null
  readonly body?: string | null
}

type Json = Readonly<Record<string, unknown>>

/** What a message says and in which context: variables read the data, or profile, tenant, brand and urls by their names. */
export interface RenderInput {
  readonly content: Content
  readonly data: Json
  readonly messageId: string
  /** The recipient's. */
  readonly profile?: Json | null
  /** {{tenant.plan}} is one of its properties; its id and name go before properties of that name. */
  readonly tenant?: { readonly id: string; readonly name: string; readonly properties: Json } | null
  readonly brand?: RenderedBrand | null
  readonly urls?: Urls | null
}

const NO_URLS: Urls = { unsubscribe: null, preferences: null }

/**
 * Content as one channel carries it. Pure; what a channel has no use for is left out.
 *
 * @throws RenderRefusal for what is no template or breaks its limits: it fails the message
 */
export function render(channel: Channel, input: RenderInput): Rendered {
  const { content, data, messageId } = input
  const { print } = createPrinter(contextOf(input))
  const said = {
    title: content.title == null ? null : print(content.title),
    body: content.body == null ? null : print(content.body),
  }
  const title = oneLine(said.title ?? '')
  const body = said.body ?? ''
  switch (channel) {
    case 'EMAIL': {
      const texts = emailTexts(title, body, input, print)
      return { subject: title || firstLine(body), text: emailText(texts), html: emailHtml(texts) }
    }
    case 'SMS':
      return { text: paragraphs([title, body]) }
    case 'PUSH':
      return { title: title || firstLine(body), text: body, payload: data }
    case 'INBOX':
      return { title, text: body, payload: data }
    case 'DIRECT_MESSAGE':
      return { text: paragraphs([title, body]) }
    case 'WEBHOOK':
      return { title, text: body, payload: { messageId, ...said, data } }
  }
}

function contextOf({ data, profile, tenant, brand, urls }: RenderInput) {
  return {
    data,
    profile: profile ?? null,
    tenant: tenant ? { ...tenant.properties, id: tenant.id, name: tenant.name } : null,
    brand: brand ? { id: brand.id, name: brand.name, colors: brand.colors, logo: brand.logo, theme: brand.theme } : null,
    urls: urls ?? null,
    snippets: brand?.snippets ?? new Map<string, string>(),
  }
}

function emailTexts(title: string, body: string, { brand, urls }: RenderInput, print: (source: string) => string): EmailTexts {
  return {
    title,
    body,
    header: print(brand?.email?.header ?? '').trim(),
    footer: print(brand?.email?.footer ?? '').trim(),
    logo: brand?.logo ? { ...brand.logo, alt: brand.logo.alt ?? brand.name } : null,
    color: brand?.colors?.primary ?? null,
    urls: urls ?? NO_URLS,
  }
}

/** A title is one line on every channel: control characters and bidirectional overrides would let it pose as something else. */
export function oneLine(text: string): string {
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
