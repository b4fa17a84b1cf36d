import { createHash } from 'node:crypto'
import { jwtVerify } from 'jose'
import { z } from 'zod'
import { lookUp, quote, readJson } from './answer.ts'
import { forged, isFresh, malformed } from './callback.ts'
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
import { classifySms, digitsOf, refuseSms, type SmsSaid, sender, textOf } from './sms.ts'

/**
 * Vonage's Messages API, version 1, rather than its older SMS API, because its callbacks are signed with a JWT over the hash
 * of their body. Sources: Vonage's pages "Messages API reference", "Messages API errors", "API errors" and "Signed webhooks".
 */

const settings = z.object({
  apiKey: z.string().min(1).describe('API key of the account'),
  apiSecret: secret(z.string().min(1).describe('API secret of the account')),
  from: sender().describe('Sender: a phone number, a short code, or a name'),
  signatureSecret: secret(
    z.string().min(1).optional().describe('Signature secret of the account; without it no callbacks are asked for'),
  ),
})

type VonageSettings = z.infer<typeof settings>

/** What the last part of an error's type means, or its title; one that is not here means what its HTTP status says. */
const MEANINGS: Readonly<Record<string, SmsSaid['meaning']>> = {
  throttled: 'retry',
  'low-balance': 'misconfigured',
  unauthorized: 'login',
  forbidden: 'misconfigured',
  unprovisioned: 'misconfigured',
  'account-suspended': 'misconfigured',
  'invalid-api-key': 'login',
  1000: 'retry', // Throttled
  1030: 'retry', // Internal error
  1040: 'address', // Invalid message: an unrecognised prefix, for example
  1050: 'address', // Number barred
  1060: 'misconfigured', // Partner account barred
  1070: 'misconfigured', // Partner quota exceeded
  1080: 'misconfigured', // Account not enabled for REST
  1090: 'content', // Message too long
  1100: 'retry', // Communication failed: it was not submitted
  1110: 'login', // Invalid signature
  1120: 'request', // Illegal sender address: in the recipient's country, often
  1140: 'misconfigured', // Facility not allowed
  1160: 'request', // Non white-listed destination
  1170: 'address', // Invalid or missing number
  1180: 'retry', // Absent subscriber, temporary
  1190: 'address', // Absent subscriber, permanent
  1200: 'address', // Portability error
  1210: 'content', // Anti-spam rejection
  1220: 'retry', // Handset busy
  1230: 'retry', // Network error
  1240: 'address', // Illegal number: the recipient has opted out
  1241: 'retry', // Too many send requests
  1250: 'request', // Unroutable
  1260: 'request', // Destination unreachable
  1270: 'content', // Subscriber age restriction
  1280: 'address', // Number blocked by the carrier
  1290: 'address', // Prepaid, insufficient funds
}

/** SMS by Vonage. `client_ref` names the message; Vonage gives it back, and tells no repetition by it. */
export const vonage: Provider<VonageSettings> = {
  kind: 'vonage',
  channel: 'SMS',
  name: 'Vonage',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<VonageSettings>): Promise<Outcome> {
  const refused = refuseSms(outgoing)
  if (refused) return refused
  const { apiKey, apiSecret } = context.settings
  const reply = await context.http.request({
    method: 'POST',
    url: 'https://api.nexmo.com/v1/messages',
    headers: {
      authorization: `Basic ${Buffer.from(`${apiKey}:${apiSecret}`).toString('base64')}`,
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: writeMessage(outgoing, context.settings),
    signal: context.signal,
    trusted: true,
  })
  return classifyVonage(reply, outgoing, context.now)
}

function writeMessage({ address, content, extras, idempotencyKey, callbackUrl, override }: Outgoing, account: VonageSettings) {
  const body = { message_type: 'text', text: textOf(content), from: digitsOf(extras?.from ?? account.from) }
  const isVerifiable = callbackUrl !== undefined && account.signatureSecret !== undefined
  const own = {
    channel: 'sms',
    to: digitsOf(address.id),
    client_ref: idempotencyKey,
    webhook_url: isVerifiable ? callbackUrl : undefined,
    webhook_version: isVerifiable ? 'v1' : undefined,
    // Whole messages, each with a recipient of its own.
    failover: undefined,
  }
  return JSON.stringify(applyOverride(body, override, own))
}

const taken = z.object({ message_uuid: z.string() })
const failed = z.object({
  type: z.string().catch(''),
  title: z.union([z.string(), z.number()]).transform(String),
  detail: z.string().catch(''),
  invalid_parameters: z.array(z.object({ name: z.string() })).catch([]),
})

function classifyVonage(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifySms('Vonage', reply, null, outgoing, now)
  const json = readJson(reply.body)
  if (reply.status >= 200 && reply.status < 300) {
    const { data } = taken.safeParse(json)
    return { kind: 'accepted', code: String(reply.status), ...(data && { reference: data.message_uuid }) }
  }
  const { data } = failed.safeParse(json)
  return classifySms('Vonage', reply, data ? readError(data, reply.status) : null, outgoing, now)
}

function readError({ type, title, detail, invalid_parameters }: z.infer<typeof failed>, status: number): SmsSaid {
  const name = /[#/]([\w-]+)$/.exec(type)?.[1] ?? ''
  const code = [name, title].find((each) => Object.hasOwn(MEANINGS, each)) ?? String(status)
  const words = detail === '' ? title : detail
  const invalid = invalid_parameters.map((parameter) => parameter.name)
  const meaning = invalid.includes('to') ? 'address' : invalid.includes('from') ? 'sender' : undefined
  const unpaid = status === 402 ? 'misconfigured' : undefined
  return { code, words, meaning: lookUp(MEANINGS, code) ?? meaning ?? unpaid }
}

// ── Callbacks ────────────────────────────────────────────────────────────────

const messageStatus = z.object({
  status: z.string(),
  client_ref: z.string().optional(),
  timestamp: z.string().optional(),
  error: z.object({ title: z.union([z.string(), z.number()]).optional(), detail: z.string().optional() }).optional(),
})

async function readCallback(callback: Callback, context: CallbackContext<VonageSettings>): Promise<CallbackReading> {
  if (!(await isGenuine(callback, context))) return forged('The signature is not one of this account.')
  const { data } = messageStatus.safeParse(readJson(Buffer.from(callback.body).toString('utf8')))
  if (!data) return malformed('It is not a message status.')
  const report = readReport(data, context.now)
  return { kind: 'reports', reports: report ? [report] : [] }
}

/** A JWT (HS256) in the Authorization header, of this account, at most 5 minutes old, over the SHA-256 of the body. */
async function isGenuine({ headers, body }: Callback, { settings, now }: CallbackContext<VonageSettings>): Promise<boolean> {
  const token = /^Bearer (\S+)$/i.exec(headers.authorization ?? '')?.[1]
  if (token === undefined || settings.signatureSecret === undefined) return false
  try {
    const { payload } = await jwtVerify(token, Buffer.from(settings.signatureSecret), {
      algorithms: ['HS256'],
      requiredClaims: ['iat', 'api_key', 'payload_hash'],
      currentDate: now,
      clockTolerance: 300,
    })
    const hash = createHash('sha256').update(body).digest('hex')
    const isOfAccount = payload.api_key === settings.apiKey && isFresh(payload.iat! * 1_000, now)
    return isOfAccount && String(payload.payload_hash).toLowerCase() === hash
  } catch {
    return false
  }
}

function readReport({ status, client_ref: key, timestamp, error }: z.infer<typeof messageStatus>, now: Date): Report | null {
  if (key === undefined) return null
  const told = Date.parse(timestamp ?? '')
  const at = Number.isNaN(told) ? now : new Date(told)
  if (status === 'delivered') return { key, what: 'delivered', at }
  if (status !== 'rejected' && status !== 'undeliverable') return null
  const words = [status, error?.title, error?.detail].filter((part) => part !== undefined).join(' ')
  return { key, what: 'bounced', at, error: quote(words) }
}
