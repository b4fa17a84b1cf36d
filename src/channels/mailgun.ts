import { z } from 'zod'
import { classifyHttp, classifySaid, type Meaning, quote, readJson } from './answer.ts'
import { forged, hmacHex, isFresh, isSignature, malformed, readEvents } from './callback.ts'
import {
  identityOf,
  keyOf,
  keySetting,
  type Mail,
  messageIdOf,
  readMail,
  senderMeaning,
  senderSetting,
  withoutHeaders,
  writeMailbox,
} from './mail.ts'
import { applyOverride } from './override.ts'
import {
  type Callback,
  type CallbackContext,
  type CallbackReading,
  type DeliverContext,
  type HttpReply,
  type Outcome,
  type Outgoing,
  type Provider,
  type Report,
  secret,
} from './provider.ts'

/**
 * Mailgun, Messages API v3. Sources: Mailgun's pages "Send an email" (POST /v3/{domain_name}/messages), "Sending messages" (send
 * attachments, attaching metadata), "Status codes and errors", "Webhooks" and "Securing webhooks".
 */

const settings = z.object({
  apiKey: keySetting('API key, or a sending key of the domain'),
  domain: z
    .string()
    .regex(/^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}$/i, 'must be a domain')
    .describe('Domain to send by, as Mailgun knows it'),
  from: senderSetting(),
  region: z.enum(['us', 'eu']).default('us').describe('Where the domain is held: us, or eu'),
  webhookSigningKey: secret(
    z.string().min(1).max(512).optional().describe('HTTP webhook signing key; without it no callback counts'),
  ),
})

type MailgunSettings = z.infer<typeof settings>

const HOSTS = { us: 'https://api.mailgun.net', eu: 'https://api.eu.mailgun.net' }

/** Email by Mailgun. It tells no repetition, but keeps our Message-ID; variables carry the key, which its events give back. */
export const mailgun: Provider<MailgunSettings> = {
  kind: 'mailgun',
  channel: 'EMAIL',
  name: 'Mailgun',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<MailgunSettings>): Promise<Outcome> {
  const mail = readMail(outgoing, context.settings.from)
  if ('kind' in mail) return mail
  const { apiKey, domain, region } = context.settings
  // It writes the form with its boundary, and calls nobody.
  const form = new Response(writeForm(mail, outgoing))
  const reply = await context.http.request({
    method: 'POST',
    url: `${HOSTS[region]}/v3/${domain}/messages`,
    headers: {
      authorization: `Basic ${Buffer.from(`api:${apiKey}`).toString('base64')}`,
      'content-type': form.headers.get('content-type')!,
    },
    body: new Uint8Array(await form.arrayBuffer()),
    signal: context.signal,
    trusted: true,
  })
  return classify(reply, outgoing, context.now)
}

function writeForm(mail: Mail, { idempotencyKey, override }: Outgoing): FormData {
  const body = { from: writeMailbox(mail.from), subject: mail.subject, text: mail.text, html: mail.html }
  const own = {
    to: writeMailbox(mail.to),
    cc: mail.cc.map(writeMailbox),
    bcc: mail.bcc.map(writeMailbox),
    'v:carillon_to': undefined,
    ...prefixed('v:', identityOf(mail, idempotencyKey)),
    ...prefixed('h:', Object.fromEntries(mail.headers.map(({ name, value }) => [name, value]))),
    ...(mail.replyTo && { 'h:Reply-To': writeMailbox(mail.replyTo) }),
    'h:Message-Id': messageIdOf(mail, idempotencyKey),
  }
  const theirs = withoutHeaders(override, (field) => /^(?:h:|attachment$|inline$)/i.test(field))
  const form = new FormData()
  for (const [name, value] of Object.entries(applyOverride(body, theirs, own))) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null) form.append(name, typeof each === 'object' ? JSON.stringify(each) : String(each))
    }
  }
  for (const file of mail.attachments) {
    // The name of an inline file is what the HTML knows it by.
    const field = file.contentId === undefined ? 'attachment' : 'inline'
    form.append(field, new Blob([Buffer.from(file.content)], { type: file.contentType }), file.contentId ?? file.filename)
  }
  return form
}

function prefixed(prefix: string, fields: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [`${prefix}${name}`, value]))
}

const answered = z.object({ message: z.string().catch(''), id: z.string().optional().catch(undefined) })

function classify(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const code = String(reply.status)
  const { message = '', id } = answered.safeParse(readJson(reply.body)).data ?? {}
  if (reply.status >= 200 && reply.status < 300) return { kind: 'accepted', code, ...(id && { reference: id }) }
  const meaning = meaningOf(reply.status, message, outgoing)
  return classifySaid('Mailgun', reply, { code, words: message, ...(meaning && { meaning }) }, now)
}

/** Mailgun has no codes of its own; the message names the parameter. */
function meaningOf(status: number, message: string, outgoing: Outgoing): Meaning | undefined {
  // The domain is not one of the account's.
  if (status === 404) return 'misconfigured'
  if (status === 403 && /\bfrom\b|sender/i.test(message)) return senderMeaning(outgoing)
  if (status !== 400) return undefined
  if (/^'?to'? parameter|'to'/i.test(message)) return 'address'
  return /text|html|template|attachment|message size/i.test(message) ? 'content' : undefined
}

// ── Callbacks ────────────────────────────────────────────────────────────────

const callbackBody = z.object({
  signature: z.object({ timestamp: z.string(), token: z.string(), signature: z.string() }),
  'event-data': z.object({
    event: z.string(),
    timestamp: z.number(),
    recipient: z.string().optional(),
    severity: z.string().optional(),
    'user-variables': z.unknown(),
    'delivery-status': z.object({ message: z.string().optional(), description: z.string().optional() }).optional(),
    reason: z.string().optional(),
    reject: z.object({ reason: z.string().optional() }).optional(),
  }),
})

type Event = z.infer<typeof callbackBody>['event-data']

/**
 * Mailgun signs a timestamp and a token, not what it says beside them: that whoever says it knows the signing key is all there
 * is to verify.
 */
async function readCallback(callback: Callback, context: CallbackContext<MailgunSettings>): Promise<CallbackReading> {
  const { webhookSigningKey } = context.settings
  if (webhookSigningKey === undefined) return forged('The account has no webhook signing key.')
  const json = readJson(Buffer.from(callback.body).toString('utf8'))
  const { data: signed } = callbackBody.pick({ signature: true }).safeParse(json)
  if (!signed) return forged('The callback is not signed.')
  const { timestamp, token, signature } = signed.signature
  if (!isSignature(signature, hmacHex(webhookSigningKey, timestamp + token))) {
    return forged('The signature is not one of this account.')
  }
  if (!isFresh(Number(timestamp) * 1_000, context.now)) return forged('The callback is older than five minutes.')

  const { data } = callbackBody.safeParse(json)
  return data
    ? readEvents([data['event-data']], () => readEvent(data['event-data']))
    : malformed('The body is no event of Mailgun.')
}

function readEvent(event: Event): Report | null {
  const key = keyOf(event['user-variables'], [event.recipient ?? ''])
  const at = new Date(event.timestamp * 1_000)
  if (key === null || Number.isNaN(at.getTime())) return null
  if (event.event === 'delivered') return { key, what: 'delivered', at }
  const isFinal = event.event === 'rejected' || (event.event === 'failed' && event.severity === 'permanent')
  if (!isFinal) return null
  const { message, description } = event['delivery-status'] ?? {}
  return { key, what: 'bounced', at, error: quote(message || description || event.reject?.reason || event.reason || event.event) }
}
