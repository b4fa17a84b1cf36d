import { z } from 'zod'
import { classifyHttp, classifySaid, type Meaning, quote, readJson } from './answer.ts'
import { malformed, readEvents } from './callback.ts'
import {
  base64,
  identityOf,
  keyOf,
  keySetting,
  type Mail,
  messageIdOf,
  readMail,
  senderMeaning,
  senderSetting,
  writeMailbox,
} from './mail.ts'
import { applyOverride, withoutLookalikes } from './override.ts'
import type { Callback, CallbackReading, DeliverContext, HttpReply, Outcome, Outgoing, Provider, Report } from './provider.ts'

/**
 * Postmark, Email API. Sources: Postmark's pages "Email API", "API overview" (HTTP response codes, API error codes), "Custom
 * metadata FAQ", "Bounce API" (bounce types), "Delivery webhook" and "Bounce webhook".
 */

const settings = z.object({
  serverToken: keySetting('API token of the Postmark server'),
  from: senderSetting(),
  messageStream: z
    .string()
    .regex(/^[a-z0-9_-]{1,60}$/, 'must be the id of a message stream')
    .default('outbound')
    .describe('Message stream to send by'),
})

type PostmarkSettings = z.infer<typeof settings>

/** What an error code means; one that is not here means what its HTTP status says. */
const MEANINGS: Readonly<Record<number, Meaning | 'sender'>> = {
  10: 'login', // Bad or missing API token
  100: 'retry', // Maintenance
  400: 'sender', // Sender signature not found
  401: 'sender', // Sender signature not confirmed
  405: 'misconfigured', // Not allowed to send: no credits left
  406: 'address', // Inactive recipient: it bounced, complained or unsubscribed before
  411: 'content', // Forbidden attachment type
  412: 'misconfigured', // The account is pending approval
  413: 'misconfigured', // The account may not send
  1235: 'misconfigured', // The message stream does not exist
}

/** Those after which Postmark tries no more, and for which there is nothing that the recipient got all the same. */
const PERMANENT =
  /^(?:HardBounce|BadEmailAddress|ManuallyDeactivated|Blocked|DMARCPolicy|SMTPApiError|SpamNotification|VirusNotification|TemplateRenderingFailed)$/

/** Email by Postmark. It tells no repetition, but keeps our Message-ID; metadata carries the key, which its callbacks give back. */
export const postmark: Provider<PostmarkSettings> = {
  kind: 'postmark',
  channel: 'EMAIL',
  name: 'Postmark',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<PostmarkSettings>): Promise<Outcome> {
  const mail = readMail(outgoing, context.settings.from)
  if ('kind' in mail) return mail
  const reply = await context.http.request({
    method: 'POST',
    url: 'https://api.postmarkapp.com/email',
    headers: {
      'x-postmark-server-token': context.settings.serverToken,
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: JSON.stringify(writeRequest(mail, outgoing, context.settings.messageStream)),
    signal: context.signal,
    trusted: true,
  })
  return classify(reply, mail, outgoing, context.now)
}

function writeRequest(mail: Mail, { idempotencyKey, override }: Outgoing, messageStream: string) {
  const body = {
    From: writeMailbox(mail.from),
    ...(mail.replyTo && { ReplyTo: writeMailbox(mail.replyTo) }),
    Subject: mail.subject,
    TextBody: mail.text,
    HtmlBody: mail.html,
    MessageStream: messageStream,
    ...(mail.attachments.length > 0 && { Attachments: mail.attachments.map(attachment) }),
  }
  const list = (mailboxes: Mail['cc']) => (mailboxes.length > 0 ? mailboxes.map(writeMailbox).join(', ') : undefined)
  const keptId = [
    { Name: 'Message-ID', Value: messageIdOf(mail, idempotencyKey) },
    { Name: 'X-PM-KeepID', Value: 'true' },
  ]
  const own = {
    To: writeMailbox(mail.to),
    Cc: list(mail.cc),
    Bcc: list(mail.bcc),
    Headers: [...mail.headers.map(({ name, value }) => ({ Name: name, Value: value })), ...keptId],
    Metadata: { carillon_to: undefined, ...identityOf(mail, idempotencyKey) },
  }
  return applyOverride(body, withoutLookalikes(override, own), own)
}

function attachment(file: Mail['attachments'][0]) {
  const { filename, contentType, contentId } = file
  const content = { Name: filename, Content: base64(file), ContentType: contentType }
  return contentId === undefined ? content : { ...content, ContentID: `cid:${contentId}` }
}

const answered = z.object({
  ErrorCode: z.number(),
  Message: z.string().catch(''),
  MessageID: z.string().optional().catch(undefined),
})

function classify(reply: HttpReply, mail: Mail, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const { data } = answered.safeParse(readJson(reply.body))
  if (!data) return classifyHttp(reply, now)
  const { ErrorCode: number, Message: words, MessageID: reference } = data
  if (number === 0) {
    const isInactive = /inactive addresses/i.test(words) && words.toLowerCase().includes(mail.to.address.toLowerCase())
    // It went to further recipients alone.
    if (isInactive) return { kind: 'rejected', what: 'address', error: `Postmark answered: ${quote(words)}`, code: '406' }
    return { ...classifyHttp(reply, now), ...(reference && { reference }) } as Outcome
  }
  const meaning = meaningOf(number, words, outgoing)
  return classifySaid('Postmark', reply, { code: String(number), words, ...(meaning && { meaning }) }, now)
}

function meaningOf(number: number, words: string, outgoing: Outgoing): Meaning | undefined {
  // One code for whatever is wrong with a mail; the message says what.
  if (number === 300 && /\b'?To'? address|recipient/i.test(words)) return 'address'
  if (number === 300 && /TextBody|HtmlBody|body|attachment/i.test(words)) return 'content'
  const meaning = MEANINGS[number]
  return meaning === 'sender' ? senderMeaning(outgoing) : meaning
}

// ── Callbacks ────────────────────────────────────────────────────────────────

const event = z.object({
  RecordType: z.string(),
  Metadata: z.unknown(),
  Recipient: z.string().optional(),
  Email: z.string().optional(),
  DeliveredAt: z.string().optional(),
  BouncedAt: z.string().optional(),
  Type: z.string().optional(),
  Description: z.string().optional(),
  Details: z.string().optional(),
})

/**
 * Postmark signs nothing and gives no time: a callback counts because it came to the account's own URL, whose token nobody else
 * knows. The server has verified that token before this is called.
 */
async function readCallback({ body }: Callback): Promise<CallbackReading> {
  const json = readJson(Buffer.from(body).toString('utf8'))
  const { data } = event.safeParse(json)
  return data ? readEvents([data], () => readEvent(data)) : malformed('The body is no event of Postmark.')
}

function readEvent(data: z.infer<typeof event>): Report | null {
  const key = keyOf(data.Metadata, [data.Recipient ?? data.Email ?? ''])
  const at = new Date(data.DeliveredAt ?? data.BouncedAt ?? '')
  if (key === null || Number.isNaN(at.getTime())) return null
  if (data.RecordType === 'Delivery') return { key, what: 'delivered', at }
  if (data.RecordType !== 'Bounce' || !PERMANENT.test(data.Type ?? '')) return null
  return { key, what: 'bounced', at, error: quote(data.Details || data.Description || data.Type!) }
}
