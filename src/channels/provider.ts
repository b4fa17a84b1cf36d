import { z } from 'zod'

/**
 * The contract of a provider: one door to the outside for one channel. Drivers are this file's siblings, one file each,
 * listed in index.ts. A provider states only what is special about it; sockets, limits and forbidden addresses are the
 * business of the door (http.ts, address.ts) that its context hands it.
 */

export const CHANNELS = ['EMAIL', 'SMS', 'PUSH', 'INBOX', 'DIRECT_MESSAGE', 'WEBHOOK'] as const
export type Channel = (typeof CHANNELS)[number]

/** What a channel rendered, before it is addressed. Fields that a channel has no use for are absent. */
export interface Rendered {
  readonly subject?: string
  readonly title?: string
  readonly text?: string
  readonly html?: string
  /** Email: HTML of the send's or the template's own that is sent instead, its links led as those of `html` are. */
  readonly overridingHtml?: string
  /** Inbox: what stands in the list, one line. */
  readonly preview?: string
  /** Inbox and webhook: what the reader may press. An inbox's lead to http(s) alone, a webhook's to mailto and tel too. */
  readonly actions?: readonly Action[]
  /** Direct message: the same as the text, in blocks that each service's file writes in the service's own. */
  readonly blocks?: readonly Block[]
  /** JSON of the channel's own: a push payload, a webhook body, an inbox message's data, a chat service's own blocks. */
  readonly payload?: unknown
}

/** id: the template's own name for it. */
export interface Action {
  readonly label: string
  readonly href: string
  readonly style: 'button' | 'link'
  readonly id?: string
}

/** A run of text in one style; plain characters, nothing in it is markup. A line break is `\n`. href: http(s), mailto or tel. */
export interface Span {
  readonly text: string
  readonly bold?: true
  readonly italic?: true
  readonly strikethrough?: true
  readonly underline?: true
  readonly code?: true
  readonly href?: string
}

export interface ListItem {
  readonly spans: readonly Span[]
  readonly children?: List
}

export interface List {
  readonly kind: 'list'
  readonly ordered: boolean
  readonly items: readonly ListItem[]
}

/** What a message says, block by block, whatever shows it. */
export type Block =
  | { readonly kind: 'heading'; readonly level: 1 | 2 | 3; readonly spans: readonly Span[] }
  | { readonly kind: 'text'; readonly spans: readonly Span[]; readonly subtle?: true }
  | { readonly kind: 'quote'; readonly spans: readonly Span[] }
  | { readonly kind: 'code'; readonly text: string }
  | List
  | { readonly kind: 'image'; readonly src: string; readonly alt: string; readonly href?: string }
  | { readonly kind: 'divider' }
  | { readonly kind: 'action'; readonly action: Action }

export interface Header {
  readonly name: string
  readonly value: string
}

/** A file that goes with an email. contentId: the HTML shows it by `cid:`. */
export interface Attachment {
  /** One name, no path, no control characters. */
  readonly filename: string
  /** A media type, without parameters. */
  readonly contentType: string
  readonly content: Uint8Array
  readonly contentId?: string
}

/**
 * What the send says beside what was rendered, checked; only what the channel has a use for is there. The overrides of a
 * channel that replace rendered text are in the content already.
 */
export interface Extras {
  /** Instead of the account's own sender. Email: an address, or `Name <address>`; SMS: a number or a sender's name. */
  readonly from?: string
  /** Email: an address, or `Name <address>`. */
  readonly replyTo?: string
  /** Email: further recipients; they stand in no log. */
  readonly cc?: readonly string[]
  readonly bcc?: readonly string[]
  /** Email and webhook: from the channel's allow-list, one line each. */
  readonly headers?: readonly Header[]
  readonly attachments?: readonly Attachment[]
  /** Push: an image's URL, and where a tap leads. */
  readonly icon?: string
  readonly clickAction?: string
  /** Direct message: the service's own blocks (Slack blocks, an adaptive card, embeds). */
  readonly blocks?: unknown
}

/** Where a message goes within a channel. `id` is what a person may see of it and tells two addresses apart. */
export interface Address {
  /** An email address, phone number, user id, URL or device token. */
  readonly id: string
  readonly name?: string
  /** The stored device token it stands for, so that a dead one can be retired. */
  readonly deviceTokenId?: string
  /** Web push: the subscription's keys. */
  readonly keys?: { readonly p256dh: string; readonly auth: string }
  /** Webhook: extra request headers, validated. */
  readonly headers?: readonly Header[]
  /** Direct message: which place of which service. */
  readonly chat?: ChatTarget
}

/** A place in a chat service, as a send or a profile names it. accessToken: instead of the account's. */
export type ChatTarget =
  | {
      readonly service: 'slack'
      readonly to: 'channel' | 'userId' | 'email' | 'webhookUrl'
      readonly value: string
      readonly accessToken?: string
    }
  | { readonly service: 'msteams'; readonly to: 'webhookUrl'; readonly value: string }
  | {
      readonly service: 'msteams'
      readonly to: 'userId' | 'email' | 'channelId' | 'conversationId'
      readonly value: string
      readonly tenantId: string
      readonly serviceUrl: string
    }
  | { readonly service: 'discord'; readonly to: 'channelId' | 'userId' | 'webhookUrl'; readonly value: string }
  | { readonly service: 'telegram'; readonly to: 'chatId'; readonly value: string }

export interface Outgoing {
  readonly environmentId: string
  readonly messageId: string
  readonly address: Address
  readonly content: Rendered
  /**
   * Equal on every try of this message with this account and address: the provider's idempotency key, the
   * webhook-id, and the left side of an email's Message-ID. `[A-Za-z0-9_-]{1,64}`, no dot.
   */
  readonly idempotencyKey: string
  /** Where the recipient gets out of the message's topic by one POST; an email carries it in its headers (RFC 8058). */
  readonly unsubscribeUrl?: string
  readonly extras?: Extras
  /**
   * Goes over the request that the provider is sent, key by key, in its own words. What addresses the message, names it for
   * us (idempotency key) or authorises us stays the provider file's business, whatever stands here.
   */
  readonly override?: { readonly [key: string]: unknown }
  /** Where the provider is to report what becomes of it, for kinds that are told with each message. */
  readonly callbackUrl?: string
}

export interface DeliverContext<S> {
  readonly settings: S
  readonly http: HttpDoor
  /** Whether the host and port may be reached with the settings of an account: false for those the configuration itself names. */
  readonly guarded: boolean
  /** Aborted when the call's time (30 s) is up, or when the process must stop calling. */
  readonly signal: AbortSignal
  readonly now: Date
}

/** What was rejected decides where to go on: address and content → the next channel; request → the next provider. */
export type Rejected = 'address' | 'content' | 'request'

/**
 * The closed list of what a call to a provider can come to (reference: reliability G6).
 * accepted: it took the message. rejected: it never will. retry: later, at the earliest `afterMs` from now.
 * `about: 'address'`: it is this one recipient's mailbox or device that does not take it now, the provider itself works.
 * misconfigured: its credentials or settings were refused; `isLogin`: the credentials, whatever the message was. unknown: the
 * request was written, no answer came.
 * `error` is a sentence for the person who sent the message; `code` the SMTP or HTTP status answered.
 */
export type Outcome =
  | { readonly kind: 'accepted'; readonly reference?: string; readonly code?: string }
  | { readonly kind: 'rejected'; readonly what: Rejected; readonly error: string; readonly code?: string }
  | {
      readonly kind: 'retry'
      readonly error: string
      readonly code?: string
      readonly afterMs?: number
      readonly about?: 'address'
    }
  | { readonly kind: 'misconfigured'; readonly error: string; readonly code?: string; readonly isLogin?: true }
  | { readonly kind: 'unknown'; readonly error: string }

// biome-ignore lint/suspicious/noExplicitAny: a list of providers holds settings of every shape.
export interface Provider<S = any> {
  /** Lower case, the provider's own name: `smtp`, `webpush`, `twilio`. */
  readonly kind: string
  readonly channel: Channel
  /** As a person reads it: "SMTP". */
  readonly name: string
  /** What an account is configured with. Mark a secret field with `secret()`. */
  readonly settings: z.ZodType<S>
  /** Refuses settings that name what may not be reached. Sentences with the field's path; empty when all is well. */
  readonly check?: (settings: S, guard: AddressGuard) => readonly { path: readonly string[]; message: string }[]
  /** Never throws for what the outside did: that is an Outcome. */
  deliver(outgoing: Outgoing, context: DeliverContext<S>): Promise<Outcome>
  /**
   * Reads what the provider reports of messages that it took. It verifies the signature over the raw body first, and never
   * calls an address found in the body unless its host is one of the provider's own. Absent where the kind reports nothing.
   */
  readCallback?(callback: Callback, context: CallbackContext<S>): Promise<CallbackReading>
  /** Lets go of pooled connections of every account. */
  close?(): Promise<void>
}

/** A request of a provider to its account's callback URL, as it came. */
export interface Callback {
  readonly method: string
  /** As the provider was told it, with the query it came with: some sign it. */
  readonly url: string
  /** Names in lower case; one that came twice is not there. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface CallbackContext<S> {
  readonly settings: S
  readonly http: HttpDoor
  readonly now: Date
}

/**
 * reports: verified. What is no news of a message of ours is left out. forged: unsigned, wrongly signed or stale (over 5
 * minutes); nothing in it counts. malformed: signed, but not what the provider documents.
 */
export type CallbackReading =
  | { readonly kind: 'reports'; readonly reports: readonly Report[] }
  | { readonly kind: 'forged'; readonly error: string }
  | { readonly kind: 'malformed'; readonly error: string }

/** delivered: it is with its recipient. bounced: it never will be. */
export interface Report {
  /** The idempotencyKey of the Outgoing, which the provider gave back. */
  readonly key: string
  readonly what: 'delivered' | 'bounced'
  readonly at: Date
  /** The provider's own words, for a bounce. */
  readonly error?: string
}

/** The one door out for HTTP (http.ts). Never throws for what the outside did. */
export interface HttpDoor {
  request(call: HttpCall): Promise<HttpReply>
  readonly guard: AddressGuard
}

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal
  /** The host is a fixed one of the provider's own, or named by the configuration: no address check. */
  readonly trusted?: boolean
  /** How many bytes of the answer are read; 16 KiB when absent. */
  readonly maxBytes?: number
  /** The body is wanted as it is: as bytes instead of as text, and one that broke off is unknown, not cut. */
  readonly whole?: boolean
  /** Over HTTP/2, which some push services speak alone. */
  readonly http2?: boolean
}

/** answered: with at most 16 KiB (or `maxBytes`) of the body. refused: not an address we may call. failed: nothing was sent. unknown: it was. */
export type HttpReply =
  | {
      readonly kind: 'answered'
      readonly status: number
      readonly headers: Readonly<Record<string, string>>
      /** Empty where the call asked for bytes. */
      readonly body: string
      readonly bytes?: Uint8Array
    }
  | { readonly kind: 'refused'; readonly error: string }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'unknown'; readonly error: string }

/** Which addresses may be reached (address.ts, pure): the operator's CARILLON_ALLOWED_NETWORKS go first. */
export interface AddressGuard {
  /** Null when the URL may be called; otherwise why not, without revealing what lies behind it. */
  refuseUrl(url: string): string | null
  /** Null when a host (a name or an IP literal, no port) may be looked up and called on some port. */
  refuseHost(host: string): string | null
  /**
   * Null when a resolved IP address may be connected to. `plain`: by a scheme or port that only the operator's own
   * networks may be called on (http, https on another port than 443).
   */
  refuseAddress(ip: string, plain?: boolean): string | null
}

/** Marks a zod field as a secret: encrypted at rest, never returned, `writeOnly` in its JSON Schema. */
export function secret<T extends z.ZodType>(field: T): T {
  return field.meta({ ...field.meta(), writeOnly: true }) as T
}

/** A provider's settings as JSON Schema (draft 2020-12), its secrets marked `writeOnly`. */
export function settingsSchema(provider: Provider): Record<string, unknown> {
  const { $schema: _dialect, '~standard': _standard, ...schema } = z.toJSONSchema(provider.settings, { io: 'input' })
  return schema
}

/** The names of the settings that are secrets: encrypted at rest, never returned. */
export function secretFields(provider: Provider): readonly string[] {
  const { properties = {} } = z.toJSONSchema(provider.settings, { io: 'input' })
  return Object.entries(properties)
    .filter(([, property]) => typeof property === 'object' && property.writeOnly === true)
    .map(([name]) => name)
}
