import { checkAttachmentName, checkMailHeader, checkWebhookHeader, parseMailbox } from '../channels/address.ts'
import type { AddressGuard, Channel, Header } from '../channels/provider.ts'
import { badInput } from '../errors.ts'
import { checkCondition } from '../render/condition.ts'
import { durationMs, durationText } from './duration.ts'
import { checkId, checkSlug } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'
import type { RoutingMethod } from './routing.ts'

/** What a send or a template says about a channel. What is absent was not said. Times in milliseconds. */
export interface ChannelSettings {
  /** A condition (condition.ts): false, and the channel is not tried. */
  readonly if?: string
  /** Its accounts in the order in which they are tried; others are not. */
  readonly providerIds?: readonly string[]
  /** SINGLE when absent. */
  readonly method?: RoutingMethod
  /** How long the channel may take, over the send's. */
  readonly timeoutMs?: number
  readonly utm?: Utm
  /** Email: the brand of this channel alone. */
  readonly brandId?: string
  readonly override?: ChannelOverride
}

export type ChannelsSettings = { readonly [K in Channel]?: ChannelSettings }

/** What goes over what was rendered; each channel has a use for some of it (the inputs of the contract say which). */
export interface ChannelOverride {
  /** Email. */
  readonly subject?: string
  readonly from?: string
  readonly replyTo?: string
  readonly cc?: readonly string[]
  readonly bcc?: readonly string[]
  readonly html?: string
  readonly attachments?: readonly AttachmentSetting[]
  readonly trackOpens?: boolean
  readonly trackClicks?: boolean
  /** Email and webhook. */
  readonly headers?: readonly Header[]
  /** Email and direct message. */
  readonly text?: string
  /** SMS, push, inbox: text; webhook: any JSON. */
  readonly body?: unknown
  /** Push and inbox. */
  readonly title?: string
  readonly data?: JsonObject
  /** Inbox. */
  readonly preview?: string
  /** Push. */
  readonly icon?: string
  readonly clickAction?: string
  /** Direct message: the service's own. */
  readonly blocks?: unknown
}

/** Exactly one of content (base64) and url. */
export interface AttachmentSetting {
  readonly filename: string
  readonly contentType?: string
  readonly content?: string
  readonly url?: string
  readonly contentId?: string
}

/** What a send or a template says about one account. override: over its request, in the provider's own words. */
export interface ProviderSettings {
  readonly providerId: string
  readonly if?: string
  readonly timeoutMs?: number
  readonly utm?: Utm
  readonly override?: JsonObject
}

export interface Utm {
  readonly source?: string
  readonly medium?: string
  readonly campaign?: string
  readonly term?: string
  readonly content?: string
}

/** How long a message, each of its channels and each of its accounts may take, in milliseconds; what is absent has its default. */
export interface Timeouts {
  readonly messageMs?: number
  readonly channelMs?: number
  readonly providerMs?: number
}

// ── What a caller gives, and its checks ──────────────────────────────────────

/** As a caller says it: null says as little as what is absent, and durations are ISO 8601. */
type Said<T> = { readonly [K in keyof T]?: T[K] | null | undefined }

export interface ChannelInput extends Said<Omit<ChannelSettings, 'timeoutMs' | 'utm' | 'override'>> {
  readonly timeout?: string | null
  readonly utm?: Said<Utm> | null
  readonly override?: OverrideInput | null
}

export interface OverrideInput extends Said<Omit<ChannelOverride, 'attachments'>> {
  readonly attachments?: readonly AttachmentInput[] | null
}

export type AttachmentInput = Said<AttachmentSetting> & Pick<AttachmentSetting, 'filename'>

export interface ChannelsInput {
  readonly email?: ChannelInput | null
  readonly sms?: ChannelInput | null
  readonly push?: ChannelInput | null
  readonly inbox?: ChannelInput | null
  readonly directMessage?: ChannelInput | null
  readonly webhook?: ChannelInput | null
}

export interface ProviderSettingsInput extends Said<Omit<ProviderSettings, 'providerId' | 'timeoutMs' | 'utm'>> {
  readonly providerId: string
  readonly timeout?: string | null
  readonly utm?: Said<Utm> | null
}

export interface TimeoutInput {
  readonly message?: string | null
  readonly channel?: string | null
  readonly provider?: string | null
}

type Path = readonly (string | number)[]

const CHANNEL_OF = {
  email: 'EMAIL',
  sms: 'SMS',
  push: 'PUSH',
  inbox: 'INBOX',
  directMessage: 'DIRECT_MESSAGE',
  webhook: 'WEBHOOK',
} as const satisfies { [K in keyof Required<ChannelsInput>]: Channel }

/** @throws Refusal BAD_USER_INPUT with the path of the fault */
export function checkChannels(input: ChannelsInput, path: Path, guard: AddressGuard): ChannelsSettings {
  const names = Object.keys(CHANNEL_OF) as (keyof ChannelsInput)[]
  return Object.fromEntries(
    names.flatMap((name) => {
      const given = input[name]
      if (given == null) return []
      const channel = CHANNEL_OF[name]
      return [[channel, checkChannel(given, [...path, name], channel, guard)]]
    }),
  )
}

function checkChannel(input: ChannelInput, path: Path, channel: Channel, guard: AddressGuard): ChannelSettings {
  const { timeout, utm, override, ...rest } = input
  const { if: condition, providerIds, brandId } = rest
  if (condition != null) refuseCondition(condition, [...path, 'if'])
  if (brandId != null) checkId(brandId, [...path, 'brandId'])
  return said<ChannelSettings>({
    ...rest,
    providerIds: providerIds && checkAccountIds(providerIds, [...path, 'providerIds']),
    timeoutMs: checkTimeout(timeout, [...path, 'timeout']),
    utm: utm && checkUtm(utm, [...path, 'utm']),
    override: override && checkOverride(override, [...path, 'override'], channel, guard),
  })
}

function refuseCondition(text: string, path: Path): void {
  const wrong = checkCondition(text)
  if (wrong !== null) throw badInput(path, `'if': ${wrong}`)
}

const MOST_ACCOUNTS = 50

function checkAccountIds(ids: readonly string[], path: Path): readonly string[] {
  if (ids.length === 0 || ids.length > MOST_ACCOUNTS) {
    throw badInput(path, `'providerIds' must name 1 to ${MOST_ACCOUNTS} provider accounts.`)
  }
  return [...new Set(ids.map((id, index) => checkSlug(id, [...path, index])))]
}

/** @throws Refusal BAD_USER_INPUT with the path of the fault */
export function checkProviderSettings(inputs: readonly ProviderSettingsInput[], path: Path): readonly ProviderSettings[] {
  if (inputs.length > MOST_ACCOUNTS) throw badInput(path, `'providers' may name at most ${MOST_ACCOUNTS} provider accounts.`)
  const seen = new Set<string>()
  return inputs.map(({ providerId, timeout, utm, ...rest }, index) => {
    const at = [...path, index]
    checkSlug(providerId, [...at, 'providerId'])
    if (seen.has(providerId)) throw badInput([...at, 'providerId'], `'${providerId}' may be named only once.`)
    seen.add(providerId)
    if (rest.if != null) refuseCondition(rest.if, [...at, 'if'])
    checkSize(rest.override, [...at, 'override'])
    return said<ProviderSettings>({
      providerId,
      ...rest,
      timeoutMs: checkTimeout(timeout, [...at, 'timeout']),
      utm: utm && checkUtm(utm, [...at, 'utm']),
    })
  })
}

const LONGEST_CHANNEL_MS = 72 * 60 * 60 * 1000
const LONGEST_MESSAGE_MS = 7 * 24 * 60 * 60 * 1000

function checkTimeout(text: string | null | undefined, path: Path, mostMs = LONGEST_CHANNEL_MS): number | undefined {
  if (text == null) return undefined
  const ms = durationMs(text, path)
  if (ms > 0 && ms <= mostMs) return ms
  throw badInput(path, `'${path.slice(-2).join('.')}' must be more than nothing and at most ${mostMs / 3_600_000} hours.`)
}

/**
 * How long a send may take. What is said of one channel or account goes over what is said here of all of them.
 *
 * @throws Refusal BAD_USER_INPUT for what is not positive, a message of over 7 days, or a part that outlasts its message
 */
export function checkTimeouts({ message, channel, provider }: TimeoutInput, path: Path): Timeouts {
  const messageMs = checkTimeout(message, [...path, 'message'], LONGEST_MESSAGE_MS)
  const channelMs = checkTimeout(channel, [...path, 'channel'], messageMs)
  const providerMs = checkTimeout(provider, [...path, 'provider'], messageMs)
  return said<Timeouts>({ messageMs, channelMs, providerMs })
}

const MOST_UTM = 256

/** @throws Refusal BAD_USER_INPUT for a value of over 256 characters */
export function checkUtm(utm: Said<Utm>, path: Path): Utm {
  for (const [name, text] of Object.entries(utm)) checkText(text, [...path, name], MOST_UTM)
  return said<Utm>(utm)
}

/** As a caller says it: what checkChannels makes this of. */
export function channelsInputOf(settings: ChannelsSettings): ChannelsInput {
  const names = Object.keys(CHANNEL_OF) as (keyof ChannelsInput)[]
  const given = names.flatMap((name) => {
    const one = settings[CHANNEL_OF[name]]
    return one === undefined ? [] : [[name, withTimeout(one)]]
  })
  return Object.fromEntries(given)
}

/** As a caller says it: what checkProviderSettings makes this of. */
export function providersInputOf(settings: readonly ProviderSettings[]): readonly ProviderSettingsInput[] {
  return settings.map(withTimeout)
}

function withTimeout<T extends { readonly timeoutMs?: number }>({ timeoutMs, ...rest }: T) {
  return timeoutMs === undefined ? rest : { ...rest, timeout: durationText(timeoutMs) }
}

// ── Overrides ────────────────────────────────────────────────────────────────

const SHORT = 2_000
const LONG = 256 * 1024
/** How long each text of an override may be, in characters. Email addresses are at most 254 of them (RFC 5321). */
const LONGEST = {
  subject: SHORT,
  title: SHORT,
  preview: SHORT,
  icon: SHORT,
  clickAction: SHORT,
  html: LONG,
  text: LONG,
} as const

const MOST_COPIES = 50
const MOST_HEADERS = 50

function checkOverride(input: OverrideInput, path: Path, channel: Channel, guard: AddressGuard): ChannelOverride {
  const { attachments, ...rest } = input
  for (const name of Object.keys(LONGEST) as (keyof typeof LONGEST)[]) checkText(rest[name], [...path, name], LONGEST[name])
  if (typeof rest.body === 'string' && channel !== 'WEBHOOK') checkText(rest.body, [...path, 'body'], LONG)
  else checkSize(rest.body, [...path, 'body'])
  checkSize(rest.data, [...path, 'data'])
  checkSize(rest.blocks, [...path, 'blocks'])
  if (rest.clickAction != null) checkLink(rest.clickAction, [...path, 'clickAction'])
  checkHeaders(rest.headers ?? [], [...path, 'headers'], channel)
  return said<ChannelOverride>({
    ...rest,
    ...checkSenders(rest, path, channel),
    attachments: attachments && checkAttachments(attachments, [...path, 'attachments'], guard),
  })
}

function checkText(text: string | null | undefined, path: Path, most: number): void {
  if (text != null && text.length > most) {
    throw badInput(path, `'${path.at(-1)}' must be at most ${most.toLocaleString('en')} characters.`)
  }
}

/** An app's own address is as good as the web's; a script is none. Browsers pass over white space within a scheme. */
function checkLink(text: string, path: Path): void {
  const scheme = text.slice(0, text.indexOf(':')).replaceAll(/[\s\p{Cc}]/gu, '')
  if (/^(?:javascript|vbscript|data)$/i.test(scheme)) throw badInput(path, "'clickAction' must not be a script.")
}

type Senders = Pick<OverrideInput, 'from' | 'replyTo' | 'cc' | 'bcc'>

function checkSenders({ from, replyTo, cc, bcc }: Senders, path: Path, channel: Channel): Senders {
  if (channel !== 'EMAIL') {
    if (from == null || /^[\x20-\x7e]{1,64}$/.test(from)) return { from }
    throw badInput([...path, 'from'], "'from' must be a number or a sender's name of 1 to 64 printable ASCII characters.")
  }
  if ((cc?.length ?? 0) + (bcc?.length ?? 0) > MOST_COPIES) {
    throw badInput([...path, cc?.length ? 'cc' : 'bcc'], `'cc' and 'bcc' may name at most ${MOST_COPIES} addresses together.`)
  }
  return {
    from: from == null ? null : checkMailbox(from, [...path, 'from']),
    replyTo: replyTo == null ? null : checkMailbox(replyTo, [...path, 'replyTo']),
    cc: cc?.map((copy, index) => checkMailbox(copy, [...path, 'cc', index])),
    bcc: bcc?.map((copy, index) => checkMailbox(copy, [...path, 'bcc', index])),
  }
}

/** A name and an address. */
const LONGEST_MAILBOX = 512

function checkMailbox(text: string, path: Path): string {
  // What is read from here on is read without the white space around it, of which a pattern tries every part.
  const mailbox = text.trim()
  if (mailbox.length <= LONGEST_MAILBOX && parseMailbox(mailbox) !== null) return mailbox
  throw badInput(path, 'This must be one plain email address, like ada@example.com or Ada <ada@example.com>.')
}

function checkHeaders(headers: readonly Header[], path: Path, channel: Channel): void {
  if (headers.length > MOST_HEADERS) throw badInput(path, `'headers' may hold at most ${MOST_HEADERS} headers.`)
  for (const [index, header] of headers.entries()) {
    const wrong = channel === 'EMAIL' ? checkMailHeader(header) : checkWebhookHeader(header)
    if (wrong !== null) throw badInput([...path, index], wrong)
  }
}

const MOST_ATTACHMENTS = 10
const MOST_ATTACHED_BYTES = 4 * 1024 * 1024
/** RFC 6838, section 4.2. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/i
const CONTENT_ID = /^[\w.@+-]{1,128}$/

function checkAttachments(inputs: readonly AttachmentInput[], path: Path, guard: AddressGuard): readonly AttachmentSetting[] {
  if (inputs.length > MOST_ATTACHMENTS) throw badInput(path, `'attachments' may hold at most ${MOST_ATTACHMENTS} files.`)
  const attachments = inputs.map((input, index) => checkAttachment(input, [...path, index], guard))
  const bytes = attachments.reduce((sum, { content = '' }) => sum + Buffer.byteLength(content, 'base64'), 0)
  if (bytes <= MOST_ATTACHED_BYTES) return attachments
  throw badInput(path, "'attachments' may hold at most 4 MiB together.")
}

function checkAttachment(input: AttachmentInput, path: Path, guard: AddressGuard): AttachmentSetting {
  const { filename, contentType, content, url, contentId } = input
  const misnamed = checkAttachmentName(filename)
  if (misnamed !== null) throw badInput([...path, 'filename'], misnamed)
  if ((content == null) === (url == null)) throw badInput(path, "An attachment needs exactly one of 'content' and 'url'.")
  if (content != null && !isBase64(content))
    throw badInput([...path, 'content'], "'content' must be base64 (RFC 4648, section 4).")
  const refused = url == null ? null : guard.refuseUrl(url)
  if (refused !== null) throw badInput([...path, 'url'], refused)
  if (contentType != null && !MEDIA_TYPE.test(contentType)) {
    throw badInput([...path, 'contentType'], "'contentType' must be a media type without parameters, like application/pdf.")
  }
  if (contentId != null && !CONTENT_ID.test(contentId)) {
    throw badInput([...path, 'contentId'], "'contentId' must be 1 to 128 letters, digits, dots, dashes, underscores, + or @.")
  }
  return { filename, ...said<Omit<AttachmentSetting, 'filename'>>({ contentType, content, url, contentId }) }
}

const isBase64 = (text: string) => text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)

/** What was said: without what is null or absent. */
export function said<T extends object>(fields: Said<T>): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null)) as T
}
