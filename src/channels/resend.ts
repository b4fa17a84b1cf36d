import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, type Meaning, quote, readJson } from './answer.ts'
import { forged, isFresh, isSignature, malformed, readEvents } from './callback.ts'
import {
  base64,
  identityOf,
  keyOf,
  keySetting,
  type Mail,
  readMail,
  senderMeaning,
  senderSetting,
  tagsWith,
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
 * Resend, Emails API. Sources: Resend's pages "Send Email", "Idempotency Keys", "Errors", "Rate Limit", "Verify Webhooks Requests"
 * and "Event Types".
 */

const settings = z.object({
  apiKey: keySetting('API key with access to sending'),
  from: senderSetting(),
  webhookSecret: secret(
    z
      .string()
      .regex(/^whsec_(?:[A-Za-z0-9+/]{4}){4,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'must be whsec_ and base64')
      .optional()
      .describe('Signing secret of the webhook (whsec_…); without it no callback counts'),
  ),
})

type ResendSettings = z.infer<typeof settings>

/** What the name of an error means; one that is not here means what its HTTP status says. */
const MEANINGS: Readonly<Record<string, Meaning | 'sender'>> = {
  restricted_api_key: 'misconfigured',
  invalid_from_address: 'sender',
  invalid_attachment: 'content',
  // Another try of ours with this key is under way.
  concurrent_idempotent_requests: 'retry',
  security_error: 'request',
}

/** Email by Resend, which tells a repetition by its idempotency key for 24 hours. Tags carry the key back to us. */
export const resend: Provider<ResendSettings> = {
  kind: 'resend',
  channel: 'EMAIL',
  name: 'Resend',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<ResendSettings>): Promise<Outcome> {
  const mail = readMail(outgoing, context.settings.from)
  if ('kind' in mail) return mail
  const reply = await context.http.request({
    method: 'POST',
    url: 'https://api.resend.com/emails',
    headers: {
      authorization: `Bearer ${context.settings.apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': outgoing.idempotencyKey,
    },
    body: JSON.stringify(writeRequest(mail, outgoing)),
    signal: context.signal,
    trusted: true,
  })
  return classify(reply, outgoing, context.now)
}

function writeRequest(mail: Mail, { idempotencyKey, override }: Outgoing) {
  const body = {
    from: writeMailbox(mail.from),
    ...(mail.replyTo && { reply_to: writeMailbox(mail.replyTo) }),
    subject: mail.subject,
    text: mail.text,
    html: mail.html,
    ...(mail.attachments.length > 0 && { attachments: mail.attachments.map(attachment) }),
  }
  const tags = Object.entries(identityOf(mail, idempotencyKey)).map(([name, value]) => ({ name, value }))
  const own = {
    to: [writeMailbox(mail.to)],
    cc: mail.cc.length > 0 ? mail.cc.map(writeMailbox) : undefined,
    bcc: mail.bcc.length > 0 ? mail.bcc.map(writeMailbox) : undefined,
    headers: mail.headers.length > 0 ? Object.fromEntries(mail.headers.map(({ name, value }) => [name, value])) : undefined,
    tags: tagsWith(tags, override?.tags, 'name'),
  }
  const theirs = withoutHeaders(override, (field) => field === 'headers')
  return applyOverride(body, theirs, own)
}

function attachment(file: Mail['attachments'][0]) {
  const { filename, contentType, contentId } = file
  return { filename, content: base64(file), content_type: contentType, ...(contentId !== undefined && { content_id: contentId }) }
}

const taken = z.object({ id: z.string() })
const failed = z.object({ name: z.string(), message: z.string().catch('') })

function classify(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const json = readJson(reply.body)
  if (reply.status >= 200 && reply.status < 300) {
    const { data } = taken.safeParse(json)
    return { kind: 'accepted', code: String(reply.status), ...(data && { reference: data.id }) }
  }
  const { data } = failed.safeParse(json)
  if (!data) return classifyHttp(reply, now)
  // The key is of this message alone: a request with it was taken before, whatever was rendered differently then.
  if (data.name === 'invalid_idempotent_request') return { kind: 'accepted', code: String(reply.status) }
  const meaning = meaningOf(reply.status, data, outgoing)
  const said = { code: String(reply.status), words: data.message, ...(meaning && { meaning }) }
  return classifySaid('Resend', reply, said, now)
}

/** `validation_error` is the name of most of what is wrong; its message says what. */
function meaningOf(status: number, { name, message }: z.infer<typeof failed>, outgoing: Outgoing): Meaning | undefined {
  if (name === 'validation_error' && status === 403) {
    return /domain is not verified/i.test(message) ? senderMeaning(outgoing) : 'misconfigured'
  }
  if (name === 'validation_error' && /`to`/.test(message)) return 'address'
  if (name === 'validation_error' && /`(?:html|text|subject|attachments)`/.test(message)) return 'content'
  const meaning = lookUp(MEANINGS, name)
  return meaning === 'sender' ? senderMeaning(outgoing) : meaning
}

// ── Callbacks ────────────────────────────────────────────────────────────────

const event = z.object({
  type: z.string(),
  created_at: z.string(),
  data: z.object({
    tags: z.unknown(),
    bounce: z.object({ type: z.string().optional(), message: z.string().optional() }).optional(),
    failed: z.object({ reason: z.string().optional() }).optional(),
    suppressed: z.object({ message: z.string().optional() }).optional(),
  }),
})

/** Signed as by Svix: Standard Webhooks with headers of its own. */
async function readCallback(callback: Callback, context: CallbackContext<ResendSettings>): Promise<CallbackReading> {
  const { webhookSecret } = context.settings
  if (webhookSecret === undefined) return forged('The account has no webhook secret.')
  const { 'svix-id': id = '', 'svix-timestamp': timestamp = '', 'svix-signature': signatures = '' } = callback.headers
  if (!/^\d{1,12}$/.test(timestamp)) return forged('The callback is not signed.')
  const signedAt = new Date(Number(timestamp) * 1_000)
  const body = Buffer.from(callback.body)
  const expected = new Webhook(webhookSecret).sign(id, signedAt, body)
  if (!signatures.split(' ').some((each) => isSignature(each, expected))) {
    return forged('The signature is not one of this account.')
  }
  if (!isFresh(signedAt.getTime(), context.now)) return forged('The callback is older than five minutes.')

  const { data } = event.safeParse(readJson(body.toString('utf8')))
  return data ? readEvents([data], () => readEvent(data)) : malformed('The body is no event of Resend.')
}

function readEvent({ type, created_at, data }: z.infer<typeof event>): Report | null {
  // Resend does not say whom of several recipients an event is about: where there are further ones it is no news.
  const key = keyOf(readTags(data.tags), type === 'email.failed' ? null : [])
  const at = new Date(created_at)
  if (key === null || Number.isNaN(at.getTime())) return null
  const { bounce, failed, suppressed } = data
  if (type === 'email.delivered') return { key, what: 'delivered', at }
  if (type === 'email.bounced' && (bounce?.type ?? 'Permanent') === 'Permanent') {
    return { key, what: 'bounced', at, error: quote(bounce?.message ?? 'bounced') }
  }
  if (type === 'email.failed') return { key, what: 'bounced', at, error: quote(failed?.reason ?? 'failed') }
  if (type === 'email.suppressed') return { key, what: 'bounced', at, error: quote(suppressed?.message ?? 'suppressed') }
  return null
}

/** Sent as a list of names and values, given back as an object; by older webhooks as the list. */
function readTags(tags: unknown): unknown {
  if (!Array.isArray(tags)) return tags
  return Object.fromEntries(tags.map((tag: { name?: unknown; value?: unknown } | null) => [String(tag?.name), tag?.value]))
}
