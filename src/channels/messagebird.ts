import { createHash } from 'node:crypto'
import { jwtVerify } from 'jose'
import { z } from 'zod'
import { quote, readJson } from './answer.ts'
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
  secret,
} from './provider.ts'
import { classifySms, digitsOf, refuseSms, type SmsSaid, sender, textOf } from './sms.ts'

/**
 * MessageBird's REST API. Sources: MessageBird's pages "SMS messaging API" (sending, handling status reports), "API errors"
 * and "Verify HTTP requests".
 */

const settings = z.object({
  accessKey: secret(
    z
      .string()
      .regex(/^[\x21-\x7e]{1,512}$/, 'must be printable ASCII without spaces')
      .describe('Access key of the API'),
  ),
  from: sender().describe('Sender (originator): a phone number, a short code, or a name'),
  signingKey: secret(
    z.string().min(1).optional().describe('Signing key of the account; without it no status reports are asked for'),
  ),
})

type MessageBirdSettings = z.infer<typeof settings>

/** SMS by MessageBird. `reference` names the message; MessageBird gives it back, and tells no repetition by it. */
export const messagebird: Provider<MessageBirdSettings> = {
  kind: 'messagebird',
  channel: 'SMS',
  name: 'MessageBird',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<MessageBirdSettings>): Promise<Outcome> {
  const refused = refuseSms(outgoing)
  if (refused) return refused
  const reply = await context.http.request({
    method: 'POST',
    url: 'https://rest.messagebird.com/messages',
    headers: {
      authorization: `AccessKey ${context.settings.accessKey}`,
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: writeMessage(outgoing, context.settings),
    signal: context.signal,
    trusted: true,
  })
  return classifyMessageBird(reply, outgoing, context.now)
}

function writeMessage(
  { address, content, extras, idempotencyKey, callbackUrl, override }: Outgoing,
  account: MessageBirdSettings,
) {
  // As plain text MessageBird would lose what GSM 03.38 cannot write.
  const body = { originator: digitsOf(extras?.from ?? account.from), body: textOf(content), datacoding: 'auto' }
  const own = {
    recipients: [digitsOf(address.id)],
    groupIds: undefined,
    reference: idempotencyKey,
    reportUrl: account.signingKey === undefined ? undefined : callbackUrl,
  }
  return JSON.stringify(applyOverride(body, override, own))
}

const taken = z.object({ id: z.string() })
const failed = z.object({
  errors: z
    .array(z.object({ code: z.number(), description: z.string().catch(''), parameter: z.string().nullish().catch(null) }))
    .min(1),
})

function classifyMessageBird(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifySms('MessageBird', reply, null, outgoing, now)
  const json = readJson(reply.body)
  if (reply.status >= 200 && reply.status < 300) {
    const { data } = taken.safeParse(json)
    return { kind: 'accepted', code: String(reply.status), ...(data && { reference: data.id }) }
  }
  const { data } = failed.safeParse(json)
  return classifySms('MessageBird', reply, data ? readError(data.errors[0]!) : null, outgoing, now)
}

function readError({ code, description, parameter }: z.infer<typeof failed>['errors'][0]): SmsSaid {
  return { code: String(code), words: description, meaning: meaningOf(code, parameter ?? '') }
}

/** 9: missing, 10: invalid parameters, which are named. One that is not here means what its HTTP status says. */
function meaningOf(code: number, parameter: string): SmsSaid['meaning'] {
  switch (code) {
    case 2: // Request not allowed: the access key
      return 'login'
    case 25: // Not enough balance
      return 'misconfigured'
    case 9:
    case 10:
      if (/^recipients?\b/.test(parameter)) return 'address'
      if (parameter === 'originator') return 'sender'
      return parameter === 'body' ? 'content' : 'request'
    case 99: // Internal error
      return 'retry'
    default:
      return undefined
  }
}

// ── Status reports ───────────────────────────────────────────────────────────

const report = z.object({
  reference: z.string().optional(),
  status: z.string(),
  statusReason: z.string().optional(),
  statusErrorCode: z.string().optional(),
  statusDatetime: z.string().optional(),
})

/** A GET whose query says it all. */
async function readCallback(callback: Callback, context: CallbackContext<MessageBirdSettings>): Promise<CallbackReading> {
  if (!(await isGenuine(callback, context))) return forged('The signature is not one of this account.')
  const { data } = report.safeParse(Object.fromEntries(new URL(callback.url).searchParams))
  if (!data) return malformed("There is no 'status'.")
  const { reference: key, status, statusReason, statusErrorCode, statusDatetime } = data
  if (key === undefined) return { kind: 'reports', reports: [] }
  // A + that was not encoded reads as a space.
  const told = Date.parse((statusDatetime ?? '').replace(' ', '+'))
  const at = Number.isNaN(told) ? context.now : new Date(told)
  if (status === 'delivered') return { kind: 'reports', reports: [{ key, what: 'delivered', at }] }
  if (status !== 'delivery_failed' && status !== 'expired') return { kind: 'reports', reports: [] }
  const error = quote([status, statusErrorCode, statusReason].filter((part) => part !== undefined).join(' '))
  return { kind: 'reports', reports: [{ key, what: 'bounced', at, error }] }
}

/** A JWT over the SHA-256 of the URL, and of the body where there is one. Its `nbf` is when it was signed; it lives a minute. */
async function isGenuine({ headers, url, body }: Callback, { settings, now }: CallbackContext<MessageBirdSettings>) {
  const token = headers['messagebird-signature-jwt']
  if (token === undefined || settings.signingKey === undefined) return false
  try {
    const { payload } = await jwtVerify(token, Buffer.from(settings.signingKey), {
      algorithms: ['HS256', 'HS384', 'HS512'],
      issuer: 'MessageBird',
      requiredClaims: ['nbf', 'exp', 'url_hash'],
      currentDate: now,
      clockTolerance: 300,
    })
    const isOfBody = body.length === 0 ? payload.payload_hash === undefined : payload.payload_hash === sha256(body)
    return isFresh(payload.nbf! * 1_000, now) && payload.url_hash === sha256(url) && isOfBody
  } catch {
    return false
  }
}

function sha256(what: string | Uint8Array): string {
  return createHash('sha256').update(what).digest('hex')
}
