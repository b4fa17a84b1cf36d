/**
 * What a message says, as its author writes it: title and body, or a document of elements (reference: courier 1.5). Every
 * text is a template (template.ts); body and texts are markdown. Types alone; content.ts checks what a caller gives.
 */

export interface Content {
  readonly title?: string | null
  /** Markdown. */
  readonly body?: string | null
  /** '2022-01-01' or '2020-01-01'; says nothing yet. */
  readonly version?: string | null
  /** May be combined with title and body, which then come first. */
  readonly elements?: readonly Element[] | null
}

/** What every element may say. */
interface Common {
  /** Shown on these alone: channels by name in lower case (`email`, `direct_message`), kinds of providers, ids of accounts. */
  readonly channels?: readonly string[]
  /** A condition (condition.ts) on data, profile, tenant, refs and, in a loop, item and index. Not held, and it is left out. */
  readonly if?: string
  /** A path to a list: shown once for each entry, which texts see as `$.item` and `$.index` (from 0). */
  readonly loop?: string
  /** A name by which later conditions know it: `refs.name.visible`. */
  readonly ref?: string
}

/** By locale (`fr`, `fr-CA`): what is said instead. */
export type Locales<T> = Readonly<Record<string, T>>

export type Align = 'left' | 'center' | 'right'
export type TextStyle = 'text' | 'h1' | 'h2' | 'h3' | 'subtext'

interface Styling {
  /** As `hexOf` knows it, or `{{brand.colors.primary}}`, secondary, tertiary. */
  readonly color?: string
  readonly bold?: boolean
  readonly italic?: boolean
  readonly strikethrough?: boolean
  readonly underline?: boolean
}

export interface MetaElement extends Common {
  readonly type: 'meta'
  readonly title?: string
  readonly locales?: Locales<{ readonly title: string }>
}

/** Exactly one of content and elements. */
export interface TextElement extends Common, Styling {
  readonly type: 'text'
  /** Markdown, unless format says plain. */
  readonly content?: string
  readonly elements?: readonly TextPart[]
  readonly align?: Align
  readonly text_style?: TextStyle
  readonly format?: 'markdown' | 'plain'
  readonly locales?: Locales<{ readonly content: string }>
}

/** A part of a text, in line with the others. Its content is plain text. */
export type TextPart =
  | (Common & Styling & { readonly type: 'string'; readonly content: string })
  | (Common &
      Styling & { readonly type: 'link'; readonly content: string; readonly href: string; readonly disable_tracking?: boolean })
  | (Common & {
      readonly type: 'img'
      readonly src: string
      readonly alt_text?: string
      readonly width?: string | number
      readonly href?: string
      readonly disable_tracking?: boolean
    })

export interface ActionElement extends Common {
  readonly type: 'action'
  readonly content: string
  readonly href: string
  readonly action_id?: string
  readonly align?: Align | 'full'
  readonly background_color?: string
  readonly color?: string
  readonly style?: 'button' | 'link'
  readonly disable_tracking?: boolean
  readonly locales?: Locales<{ readonly content?: string; readonly href?: string }>
}

export interface ImageElement extends Common {
  readonly type: 'image'
  readonly src: string
  readonly href?: string
  readonly align?: Align | 'full'
  readonly alt_text?: string
  /** Pixels (`140`, `140px`) or a share of the column (`50%`). */
  readonly width?: string | number
  readonly disable_tracking?: boolean
  readonly locales?: Locales<{ readonly src?: string; readonly href?: string; readonly alt_text?: string }>
}

export interface DividerElement extends Common {
  readonly type: 'divider'
  readonly color?: string
}

export interface QuoteElement extends Common {
  readonly type: 'quote'
  readonly content: string
  readonly align?: Align
  readonly border_color?: string
  readonly text_style?: TextStyle
  readonly locales?: Locales<{ readonly content: string }>
}

/** Says nothing itself: it carries `if`, `loop` and `channels` for all it holds. */
export interface GroupElement extends Common {
  readonly type: 'group'
  readonly elements: readonly Element[]
}

/** Lists lie at most 5 deep in each other. */
export interface ListElement extends Common {
  readonly type: 'list'
  readonly list_type?: 'ordered' | 'unordered'
  readonly elements: readonly ListItemElement[]
}

/** Exactly one of content (markdown of one line) and elements. */
export interface ListItemElement extends Common {
  readonly type: 'list-item'
  readonly content?: string
  readonly elements?: readonly (TextPart | ListElement)[]
  readonly background_color?: string
  readonly locales?: Locales<{ readonly content: string }>
}

/** Beside each other where there is room, under each other on a phone. */
export interface ColumnsElement extends Common {
  readonly type: 'columns'
  readonly elements: readonly ColumnElement[]
}

export interface ColumnElement extends Common {
  readonly type: 'column'
  /** Percent or pixels. */
  readonly width?: string
  /** No columns, and no channel. */
  readonly elements: readonly Element[]
}

/** Cleaned of what runs or reaches out; shown in emails alone. */
export interface HtmlElement extends Common {
  readonly type: 'html'
  readonly content: string
  readonly locales?: Locales<{ readonly content: string }>
}

/** Shown nowhere. */
export interface CommentElement extends Common {
  readonly type: 'comment'
  readonly comment?: string
}

/**
 * All that one channel shows. At the top of a document alone, and then every element there is one. The first that names the
 * account, then its kind, then the channel, then `default` holds. Exactly one of elements and raw.
 */
export interface ChannelElement extends Common {
  readonly type: 'channel'
  readonly channel: string
  readonly elements?: readonly Element[]
  readonly raw?: RawContent
}

/**
 * The channel's own words instead of elements; texts in it are templates. email: subject, html (MJML where transformers name
 * it) and text; chat: blocks (or slackBlocks), the service's own; webhook: payload; sms and push: text, title.
 */
export interface RawContent {
  readonly subject?: string
  readonly title?: string
  readonly html?: string
  readonly text?: string
  readonly transformers?: readonly ('handlebars' | 'mjml')[]
  readonly blocks?: unknown
  readonly slackBlocks?: unknown
  readonly payload?: unknown
}

export type Element =
  | MetaElement
  | TextElement
  | ActionElement
  | ImageElement
  | DividerElement
  | QuoteElement
  | GroupElement
  | ListElement
  | ColumnsElement
  | HtmlElement
  | CommentElement
  | ChannelElement
