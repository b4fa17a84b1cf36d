import { createPublicKey, type KeyObject, verify } from 'node:crypto'
import { z } from 'zod'
import type { Mailbox } from './address.ts'
import { classifyHttp, classifySaid, type Meaning, quote, readJson } from './answer.ts'
import { forged, isFresh, malformed, readEvents } from './callback.ts'
import {
  base64,
  identityOf,
  keyOf,
  keySetting,
  type Mail,
  readMail,
  senderMeaning,
  senderSetting,
  withoutHeaders,
} from './mail.ts'
import { applyOverride, withoutLookalikes } from './override.ts'
import type {
  Callback,
  CallbackContext,
  CallbackReading,
  DeliverContext,
  HttpReply,
  Outcome,
  Outgoing,
  Provider,
  Report,
} from './provider.ts'

/**
 * Twilio SendGrid, Mail Send v3. Sources: SendGrid's pages "Mail Send", "Errors" of the v3 Mail Send API, "Rate limits", "Event
 * Webhook reference" and "Event Webhook security features".
 */

const settings = z.object({
  apiKey: keySetting('API key with access to Mail Send'),
  from: senderSetting(),
  region: z.enum(['global', 'eu']).default('global').describe('Where the account is held: global, or eu'),
  webhookPublicKey: z
    .string()
    .refine((text) => readPublicKey(text) !== null, 'must be the verification key of the Signed Event Webhook, as base64')
    .optional()
    .describe('Verification key of the Signed Event Webhook; without it no callback counts'),
})

type SendGridSettings = z.infer<typeof settings>

const HOSTS = { global: 'https://api.sendgrid.com', eu: 'https://api.eu.sendgrid.com' }

/** Email by SendGrid. It tells no repetition; custom arguments carry the key, which its events give back. */
export const sendgrid: Provider<SendGridSettings> = {
  kind: 'sendgrid',
  channel: 'EMAIL',
  name: 'SendGrid',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<SendGridSettings>): Promise<Outcome> {
  const mail = readMail(outgoing, context.settings.from)
  if ('kind' in mail) return mail
  const { apiKey, region } = context.settings
  const reply = await context.http.request({
    method: 'POST',
    url: `${HOSTS[region]}/v3/mail/send`,
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify(writeRequest(mail, outgoing)),
    signal: context.signal,
    trusted: true,
  })
  return classify(reply, outgoing, context.now)
}

/** Two send copies, to an address and to a URL, and one delivers nothing ("Mail Send": mail_settings). */
const MAIL_SETTINGS = { bcc: undefined, spam_check: undefined, sandbox_mode: undefined }

function writeRequest(mail: Mail, { idempotencyKey, override }: Outgoing) {
  const content = [
    { type: 'text/plain', value: mail.text ?? '' },
    { type: 'text/html', value: mail.html ?? '' },
  ]
  const body = {
    from: person(mail.from),
    ...(mail.replyTo && { reply_to: person(mail.replyTo) }),
    subject: mail.subject,
    // It takes no empty part.
    content: content.filter(({ value }) => value !== ''),
    ...(mail.attachments.length > 0 && { attachments: mail.attachments.map(attachment) }),
  }
  const own = {
    personalizations: [
      {
        to: [person(mail.to)],
        ...(mail.cc.length > 0 && { cc: mail.cc.map(person) }),
        ...(mail.bcc.length > 0 && { bcc: mail.bcc.map(person) }),
        custom_args: identityOf(mail, idempotencyKey),
      },
    ],
    headers: mail.headers.length > 0 ? Object.fromEntries(mail.headers.map(({ name, value }) => [name, value])) : undefined,
    mail_settings: override?.mail_settings === undefined ? undefined : MAIL_SETTINGS,
  }
  const theirs = withoutHeaders(override, (field) => field === 'headers')
  return applyOverride(body, withoutLookalikes(theirs, own), own)
}

function person({ name, address }: Mailbox) {
  return name === '' ? { email: address } : { email: address, name }
}

function attachment(file: Mail['attachments'][0]) {
  const { filename, contentType: type, contentId } = file
  const place = contentId === undefined ? { disposition: 'attachment' } : { disposition: 'inline', content_id: contentId }
  return { content: base64(file), filename, type, ...place }
}

const failed = z.object({
  errors: z.array(z.object({ message: z.string().catch(''), field: z.string().nullish().catch(null) })).min(1),
})

function classify(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  if (reply.status >= 200 && reply.status < 300) {
    const reference = reply.headers['x-message-id']
    return { kind: 'accepted', code: String(reply.status), ...(reference && { reference }) }
  }
  const { data } = failed.safeParse(readJson(reply.body))
  const { message = '', field } = data?.errors[0] ?? {}
  const meaning = meaningOf(reply.status, field ?? '', message, outgoing)
  const code = String(reply.status)
  const outcome = classifySaid('SendGrid', reply, { code, words: message, ...(meaning && { meaning }) }, now)
  return outcome.kind === 'retry' && outcome.afterMs === undefined ? { ...outcome, ...untilReset(reply, now) } : outcome
}

function meaningOf(status: number, field: string, message: string, outgoing: Outgoing): Meaning | undefined {
  // The plan's credits are used up, until they are given anew.
  if (/credits exceeded/i.test(message)) return 'retry'
  if (status === 403 && /verified sender|from address/i.test(message)) return senderMeaning(outgoing)
  if (status !== 400) return undefined
  if (/^personalizations\.0\.to\b/.test(field)) return 'address'
  return /^(?:content|subject|attachments)\b/.test(field) ? 'content' : undefined
}

/** SendGrid says when its rate is measured anew, in Unix seconds, and no Retry-After. */
function untilReset({ headers }: Extract<HttpReply, { kind: 'answered' }>, now: Date): { afterMs?: number } {
  const wait = Number(headers['x-ratelimit-reset'] ?? Number.NaN) * 1_000 - now.getTime()
  return wait > 0 && wait <= 3_600_000 ? { afterMs: wait } : {}
}

// ── Callbacks ────────────────────────────────────────────────────────────────

const event = z.object({
  event: z.string(),
  email: z.string(),
  timestamp: z.number(),
  sg_event_id: z.string().optional(),
  reason: z.string().optional(),
})

/** The Signed Event Webhook: ECDSA over the timestamp header and the raw body. */
async function readCallback(callback: Callback, context: CallbackContext<SendGridSettings>): Promise<CallbackReading> {
  const key = readPublicKey(context.settings.webhookPublicKey ?? '')
  if (key === null) return forged('The account has no verification key.')
  const timestamp = callback.headers['x-twilio-email-event-webhook-timestamp'] ?? ''
  const signature = Buffer.from(callback.headers['x-twilio-email-event-webhook-signature'] ?? '', 'base64')
  const signed = Buffer.concat([Buffer.from(timestamp), callback.body])
  if (!verify('sha256', signed, key, signature)) return forged('The signature is not one of this account.')
  if (!isFresh(Number(timestamp) * 1_000, context.now)) return forged('The callback is older than five minutes.')

  const events = readJson(Buffer.from(callback.body).toString('utf8'))
  if (!Array.isArray(events)) return malformed('The body is no list of events.')
  const seen = new Set<string>()
  return readEvents(events, (each) => readEvent(each, seen))
}

/** An event may come more than once, with the same id. */
function readEvent(each: unknown, seen: Set<string>): Report | null {
  const { data } = event.safeParse(each)
  if (!data) return null
  if (data.sg_event_id !== undefined && seen.has(data.sg_event_id)) return null
  seen.add(data.sg_event_id ?? '')
  // Custom arguments stand beside the event's own fields.
  const key = keyOf(each, [data.email])
  const at = new Date(data.timestamp * 1_000)
  if (key === null || Number.isNaN(at.getTime())) return null
  if (data.event === 'delivered') return { key, what: 'delivered', at }
  // A bounce whose type is 'blocked' is not tried again either; what is dropped was never sent.
  if (data.event !== 'bounce' && data.event !== 'dropped') return null
  return { key, what: 'bounced', at, error: quote(data.reason ?? data.event) }
}

/** A P-256 key as the settings page shows it: DER of SubjectPublicKeyInfo in base64, without armour. */
function readPublicKey(text: string): KeyObject | null {
  try {
    const key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' })
    return key.asymmetricKeyType === 'ec' ? key : null
  } catch {
    return null
  }
}
