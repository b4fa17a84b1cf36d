import type { Channel } from '../channels/provider.ts'
import type { Urls } from './urls.ts'

/**
 * One rendering, as it goes to a thread: JSON and nothing else. `document` and `brand` are the same text for every message of
 * a version and a brand, so that a thread knows by them what it has compiled already.
 */
export interface RenderJob {
  /** A Content (element.ts) as JSON. */
  readonly document: string
  /** A RenderedBrand (brand.ts) as JSON, its snippets as an object; null for none. */
  readonly brand: string | null
  readonly channel: Channel
  /** The account it is for; elements may be for one alone. */
  readonly provider: { readonly id: string; readonly kind: string } | null
  /** The reader's, as it was given; null for none. */
  readonly locale: string | null
  /** EMPTY: a variable that leads nowhere prints nothing. FAIL: it fails the message, by its name. */
  readonly onMissing: MissingVariable
  readonly values: RenderValues
  readonly tracking: Tracking
  /** The send brings words of its own for the channel or the account, so that the content need have none there. */
  readonly mayBeSilent?: true
  /** Email: HTML that is sent instead of what is rendered, as it stands but for its links and the pixel; null for none. */
  readonly overridingHtml: string | null
}

export type MissingVariable = 'EMPTY' | 'FAIL'

/** What a template may say: {{name}} reads data, {{profile.name}} and so on the others. */
export interface RenderValues {
  readonly data: Json
  readonly profile: Json | null
  readonly tenant: Json | null
  readonly urls: Urls
  readonly carillon: Circumstances
}

/** {{carillon.messageId}} and so on: of the message itself. */
export interface Circumstances {
  readonly messageId: string
  /** The send's metadata. */
  readonly event: string | null
  readonly environment: string
  /** As the log names it. */
  readonly recipient: string | null
  readonly template: string | null
  /** Of the day it was accepted, UTC: 2026. */
  readonly year: number
}

/** What is done to links, and what tells that a message was opened. */
export interface Tracking {
  /** Added to links of emails, as utm_source and so on, where a link has none of its own. */
  readonly utm: Readonly<Record<string, string>> | null
  /** Email: the pixel's address; null: opens are not tracked. */
  readonly openUrl: string | null
  /** Email: a link leads to `${base}/${signature}?u=${link}`, the signature by `key` (link.ts). Null: clicks are not tracked. */
  readonly clicks: { readonly base: string; readonly key: string } | null
  /** Push: where the app tells what became of it; null: nowhere. */
  readonly pushUrl: string | null
}

export const NO_TRACKING: Tracking = { utm: null, openUrl: null, clicks: null, pushUrl: null }

export type Json = Readonly<Record<string, unknown>>

/** What came of it. refused: a sentence for whoever wrote the document: it fails the message alone. */
export type Rendering =
  | { readonly kind: 'rendered'; readonly content: import('../channels/provider.ts').Rendered }
  | { readonly kind: 'refused'; readonly error: string; readonly isSilence: boolean }
