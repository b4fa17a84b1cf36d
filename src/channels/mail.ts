import { createHash } from 'node:crypto'
import { z } from 'zod'
import { checkAttachmentName, checkMailHeader, type Mailbox, parseEmailAddress, parseMailbox } from './address.ts'
import type { Meaning } from './answer.ts'
import { oneLine } from './one-line.ts'
import { type Attachment, type Header, type Outcome, type Outgoing, secret } from './provider.ts'

/** What the providers of email have in common: who a mail is from and for, what it says, and whose news a callback is. */

/** RFC 5322, 2.1.1: so many characters, without the line break. */
const LONGEST_LINE = 998
const MEDIA_TYPE = /^[a-z0-9!#$&^_.+-]{1,100}\/[a-z0-9!#$&^_.+-]{1,100}$/i
const CONTENT_ID = /^[A-Za-z0-9._@+-]{1,128}$/

/** A mail as every provider of email takes it: each address one, each text one line where it has to be. */
export interface Mail {
  readonly from: Mailbox
  readonly to: Mailbox
  readonly replyTo?: Mailbox
  /** None of them is named twice, or is `to`. */
  readonly cc: readonly Mailbox[]
  readonly bcc: readonly Mailbox[]
  readonly subject: string
  readonly text?: string
  readonly html?: string
  /** Those of the send, and List-Unsubscribe with its post. */
  readonly headers: readonly Header[]
  readonly attachments: readonly Attachment[]
}

type Refused = Extract<Outcome, { kind: 'rejected' }>

/** A setting: whom mail comes from. */
export function senderSetting() {
  return z
    .string()
    .refine((text) => parseMailbox(text) !== null, 'must be one address, or Name <address>')
    .describe('Sender: an address, or Name <address>')
}

/** A secret setting that goes into a header as it is. `description`: what it is. */
export function keySetting(description: string) {
  return secret(
    z
      .string()
      .regex(/^[\x21-\x7e]{1,512}$/, 'must be printable ASCII without spaces')
      .describe(description),
  )
}

/**
 * Reads what is to be sent. `sender` is the account's, for sends that name none. Extras were checked when they were given; what
 * cannot stand in a mail all the same is refused here, so that it never gets to a provider.
 */
export function readMail({ address, content, extras, unsubscribeUrl }: Outgoing, sender: string): Mail | Refused {
  const to = parseEmailAddress(address.id)
  if (to === null) return refuse('address', 'The recipient is not an email address.')
  const unsubscribe = unsubscribeUrl === undefined ? [] : unsubscribeHeaders(unsubscribeUrl)
  const mail = {
    from: readMailbox(sender)!,
    to: { name: plainName(address.name ?? ''), address: to },
    cc: [],
    bcc: [],
    subject: oneLine(content.subject ?? content.title ?? ''),
    ...(content.text !== undefined && { text: content.text }),
    ...(content.html !== undefined && { html: content.html }),
    headers: unsubscribe,
    attachments: [],
  }
  return extras ? withExtras(mail, extras) : mail
}

function withExtras(mail: Mail, extras: NonNullable<Outgoing['extras']>): Mail | Refused {
  const from = extras.from === undefined ? mail.from : readMailbox(extras.from)
  if (from === null) return refuse('request', 'The sender must be one address, or Name <address>.')
  const replyTo = extras.replyTo === undefined ? undefined : readMailbox(extras.replyTo)
  if (replyTo === null) return refuse('request', 'The address to reply to must be one address, or Name <address>.')
  const cc = (extras.cc ?? []).map(readMailbox)
  const bcc = (extras.bcc ?? []).map(readMailbox)
  if (cc.includes(null) || bcc.includes(null)) {
    return refuse('request', 'Each further recipient must be one address, or Name <address>.')
  }
  const headers = extras.headers ?? []
  const attachments = extras.attachments ?? []
  const wrong = headers.map(checkMailHeader).find((each) => each !== null) ?? null
  if (wrong !== null) return refuse('request', wrong)
  const unfit = attachments.map(checkAttachment).find((each) => each !== null) ?? null
  if (unfit !== null) return refuse('content', unfit)

  const named = new Set([mail.to.address.toLowerCase()])
  const once = (mailboxes: readonly (Mailbox | null)[]) =>
    mailboxes.filter((each): each is Mailbox => {
      const address = each!.address.toLowerCase()
      return !named.has(address) && named.add(address) !== undefined
    })
  const rest = { cc: once(cc), bcc: once(bcc), headers: [...headers, ...mail.headers], attachments }
  return { ...mail, from, ...(replyTo && { replyTo }), ...rest }
}

function refuse(what: Refused['what'], error: string): Refused {
  return { kind: 'rejected', what, error }
}

function readMailbox(text: string): Mailbox | null {
  const mailbox = parseMailbox(text)
  return mailbox && { name: plainName(mailbox.name), address: mailbox.address }
}

function checkAttachment({ filename, contentType, contentId }: Attachment): string | null {
  if (!MEDIA_TYPE.test(contentType)) return `'${oneLine(contentType)}' is not a media type.`
  if (contentId !== undefined && !CONTENT_ID.test(contentId)) return 'A content id has letters, digits, and . _ @ + - only.'
  return checkAttachmentName(filename)
}

/**
 * Where to get out, for the reader's mail program (RFC 2369), and that one POST is enough (RFC 8058; programs do so over https
 * alone). A URL stands on one line, whole: there is no place in it to fold at. One that no line can hold is left out.
 */
function unsubscribeHeaders(url: string): Header[] {
  const ascii = URL.parse(url)?.href
  if (ascii === undefined || `List-Unsubscribe: <${ascii}>`.length > LONGEST_LINE) return []
  return [
    { name: 'List-Unsubscribe', value: `<${ascii}>` },
    { name: 'List-Unsubscribe-Post', value: 'List-Unsubscribe=One-Click' },
  ]
}

/** Many readers decode an encoded word (RFC 2047) within quotes too, where it may hide what oneLine takes away. */
function plainName(text: string): string {
  return oneLine(text).replaceAll('=?', '= ?')
}

/** `"Ada" <ada@example.com>`, for providers that read an address with its name from one text (RFC 5322, 3.4). */
export function writeMailbox({ name, address }: Mailbox): string {
  // Not every provider reads escapes within the quotes.
  const quotable = name.replaceAll('"', "'").replace(/[\\<>]/g, '')
  return quotable === '' ? address : `"${quotable}" <${address}>`
}

export function base64({ content }: Attachment): string {
  return Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('base64')
}

/** Left of the @ what is equal on every try, right of it the sender's domain. */
export function messageIdOf({ from }: Mail, idempotencyKey: string): string {
  return `<${idempotencyKey}@${from.address.slice(from.address.indexOf('@') + 1)}>`
}

/** The account's own sender that is refused stops the account; one that the send named concerns that send alone. */
export function senderMeaning({ extras, override }: Outgoing): Meaning {
  return extras?.from === undefined && override === undefined ? 'misconfigured' : 'request'
}

/** The override without the fields in which the provider takes headers: those of a mail are checked, one by one. */
export function withoutHeaders(override: Outgoing['override'], isHeaders: (field: string) => boolean): Outgoing['override'] {
  return override && Object.fromEntries(Object.entries(override).filter(([field]) => !isHeaders(field)))
}

/** Our tag first, then those of the override that do not claim to be ours. Tags are objects with a name, as `name` spells it. */
export function tagsWith(ours: readonly object[], theirs: unknown, name: string): readonly unknown[] {
  const isTheirs = (tag: unknown) => !String((tag as Record<string, unknown> | null)?.[name]).startsWith('carillon')
  return [...ours, ...(Array.isArray(theirs) ? theirs.filter(isTheirs) : [])]
}

// ── Whose news a callback is ─────────────────────────────────────────────────

const identity = z.object({ carillon_key: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/), carillon_to: z.string().optional() })

export type MailIdentity = Readonly<Record<string, string>>

/**
 * What a provider is told to give back in its callbacks. Where a mail has further recipients, whose news come with the same
 * key, a mark of the first says which of them the message stands for.
 */
export function identityOf({ to, cc, bcc }: Mail, idempotencyKey: string): MailIdentity {
  const isAlone = cc.length === 0 && bcc.length === 0
  return { carillon_key: idempotencyKey, ...(!isAlone && { carillon_to: markOf(to.address) }) }
}

/**
 * The idempotencyKey that a callback gave back; null when it holds none, or tells of a further recipient only. `recipients`: whom
 * it tells of; null where it is about the whole mail.
 */
export function keyOf(fields: unknown, recipients: readonly string[] | null): string | null {
  const { data } = identity.safeParse(fields)
  if (!data) return null
  if (recipients === null) return data.carillon_key
  const marks = recipients.map((recipient) => markOf(parseMailbox(recipient)?.address ?? ''))
  return data.carillon_to === undefined || marks.includes(data.carillon_to) ? data.carillon_key : null
}

function markOf(address: string): string {
  return createHash('sha256').update(address.toLowerCase()).digest('base64url').slice(0, 22)
}
