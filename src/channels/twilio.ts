import { createHmac } from 'node:crypto'
import { z } from 'zod'
import { lookUp, quote, readJson } from './answer.ts'
import { forged, isSignature, malformed } from './callback.ts'
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
import { classifySms, refuseSms, type SmsSaid, sender, textOf } from './sms.ts'

/**
 * Twilio Programmable Messaging. Sources: Twilio's pages "Message resource", "Track the message status of outbound messages",
 * "Error and warning dictionary" and "Webhooks security".
 */

const settings = z
  .object({
    accountSid: z
      .string()
      .regex(/^AC[0-9a-fA-F]{32}$/, 'must be AC and 32 hexadecimal digits')
      .describe('Account SID: AC and 32 hexadecimal digits'),
    authToken: secret(
      z.string().min(1).describe('Auth token of the account: verifies callbacks, and authorises where there is no API key'),
    ),
    apiKeySid: z
      .string()
      .regex(/^SK[0-9a-fA-F]{32}$/, 'must be SK and 32 hexadecimal digits')
      .optional()
      .describe('API key SID, to authorise with instead of the auth token'),
    apiKeySecret: secret(z.string().min(1).optional().describe('Secret of the API key')),
    from: sender().optional().describe('Sender: a phone number with +, a short code, or a name'),
    messagingServiceSid: z
      .string()
      .regex(/^MG[0-9a-fA-F]{32}$/, 'must be MG and 32 hexadecimal digits')
      .optional()
      .describe('Messaging service SID, which picks the sender where there is no from'),
  })
  .refine(({ from, messagingServiceSid }) => (from ?? messagingServiceSid) !== undefined, {
    path: ['from'],
    message: 'is needed, or a messagingServiceSid',
  })
  .refine(({ apiKeySid, apiKeySecret }) => (apiKeySid === undefined) === (apiKeySecret === undefined), {
    path: ['apiKeySecret'],
    message: 'goes with apiKeySid: both or neither',
  })

type TwilioSettings = z.infer<typeof settings>

/** What a code means; one that is not here means what its HTTP status says. */
const MEANINGS: Readonly<Record<string, SmsSaid['meaning']>> = {
  20003: 'login', // Authenticate
  20005: 'misconfigured', // Account is not active
  20008: 'misconfigured', // Test credentials
  20404: 'misconfigured', // The account is not found
  20429: 'retry', // Too many requests
  20500: 'retry', // Internal server error
  20503: 'retry', // Service unavailable
  21211: 'address', // Invalid 'To' number
  21212: 'sender', // Invalid 'From' number
  21214: 'address', // 'To' cannot be reached
  21217: 'address', // Does not represent a valid number
  21408: 'request', // Permission for this region is not enabled
  21602: 'content', // Message body is required
  21603: 'sender', // 'From' is required
  21604: 'address', // 'To' is required
  21606: 'request', // 'From' cannot send messages from this account to this country
  21608: 'request', // A trial account sends to verified numbers only
  21610: 'address', // The recipient has unsubscribed
  21611: 'retry', // The queue of this 'From' is full
  21612: 'request', // No route between these 'From' and 'To'
  21614: 'address', // 'To' is not a mobile number
  21617: 'content', // The body exceeds 1,600 characters
  21619: 'content', // A text or media is required
  21659: 'request', // 'From' is not a number of Twilio's, or a short code of another country
  21660: 'sender', // 'From' belongs to another account
  21701: 'misconfigured', // The messaging service does not exist
  21703: 'misconfigured', // The messaging service has no sender
  21705: 'misconfigured', // The messaging service SID is invalid
  30001: 'retry', // Queue overflow
  30002: 'misconfigured', // Account suspended
  30003: 'address', // Unreachable handset
  30004: 'address', // The recipient blocks messages
  30005: 'address', // Unknown or inactive number
  30006: 'address', // Landline, or a carrier that cannot be reached
  30007: 'content', // Filtered by the carrier
  30008: 'request', // Unknown error
}

/** What Twilio writes about the codes that a status callback brings without a word. */
const REASONS: Readonly<Record<string, string>> = {
  30003: 'unreachable destination handset',
  30004: 'message blocked',
  30005: 'unknown destination handset',
  30006: 'landline or unreachable carrier',
  30007: 'message filtered',
  30008: 'unknown error',
}

/** SMS by Twilio. It tells no repetition; its callbacks name the message by the `key` in their URL. */
export const twilio: Provider<TwilioSettings> = {
  kind: 'twilio',
  channel: 'SMS',
  name: 'Twilio',
  settings,
  deliver,
  readCallback,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<TwilioSettings>): Promise<Outcome> {
  const refused = refuseSms(outgoing)
  if (refused) return refused
  const { accountSid, authToken, apiKeySid, apiKeySecret } = context.settings
  const login = apiKeySid === undefined ? `${accountSid}:${authToken}` : `${apiKeySid}:${apiKeySecret}`
  const reply = await context.http.request({
    method: 'POST',
    url: `https://api.twilio.com/2010-04-01/Accounts/${accountSid}/Messages.json`,
    headers: {
      authorization: `Basic ${Buffer.from(login).toString('base64')}`,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: writeForm(outgoing, context.settings),
    signal: context.signal,
    trusted: true,
  })
  return classifyTwilio(reply, outgoing, context.now)
}

function writeForm(
  { address, content, extras, idempotencyKey, callbackUrl, override }: Outgoing,
  account: TwilioSettings,
): string {
  const from = extras?.from ?? account.from
  const body = {
    Body: textOf(content),
    From: from,
    MessagingServiceSid: from === undefined ? account.messagingServiceSid : undefined,
  }
  const own = { To: address.id, StatusCallback: callbackUrl && withKey(callbackUrl, idempotencyKey) }
  const form = new URLSearchParams()
  for (const [name, value] of Object.entries(applyOverride(body, override, own))) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null) form.append(name, typeof each === 'object' ? JSON.stringify(each) : String(each))
    }
  }
  return form.toString()
}

function withKey(callbackUrl: string, key: string): string {
  const url = new URL(callbackUrl)
  url.searchParams.set('key', key)
  return url.href
}

const taken = z.object({ sid: z.string() })
const failed = z.object({ code: z.number(), message: z.string().catch('') })

function classifyTwilio(reply: HttpReply, outgoing: Outgoing, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifySms('Twilio', reply, null, outgoing, now)
  const json = readJson(reply.body)
  if (reply.status >= 200 && reply.status < 300) {
    const { data } = taken.safeParse(json)
    return { kind: 'accepted', code: String(reply.status), ...(data && { reference: data.sid }) }
  }
  const { data } = failed.safeParse(json)
  const said = data ? { code: String(data.code), words: data.message, meaning: lookUp(MEANINGS, String(data.code)) } : null
  return classifySms('Twilio', reply, said, outgoing, now)
}

// ── Callbacks ────────────────────────────────────────────────────────────────

/** Twilio's signature holds no time: an old callback cannot be told from a new one, and says the same again. */
async function readCallback(callback: Callback, context: CallbackContext<TwilioSettings>): Promise<CallbackReading> {
  const params = new URLSearchParams(Buffer.from(callback.body).toString('utf8'))
  if (!isGenuine(callback, params, context.settings.authToken)) {
    return forged('The signature is not one of this account.')
  }
  const status = params.get('MessageStatus') ?? params.get('SmsStatus')
  if (status === null) return malformed("There is no 'MessageStatus'.")
  const key = new URL(callback.url).searchParams.get('key')
  if (key === null) return { kind: 'reports', reports: [] }
  if (status === 'delivered') return { kind: 'reports', reports: [{ key, what: 'delivered', at: context.now }] }
  if (status !== 'failed' && status !== 'undelivered') return { kind: 'reports', reports: [] }
  const code = params.get('ErrorCode') ?? ''
  const words = params.get('ErrorMessage') ?? lookUp(REASONS, code) ?? ''
  const error = quote([status, code, words].filter((part) => part !== '').join(' '))
  return { kind: 'reports', reports: [{ key, what: 'bounced', at: context.now, error }] }
}

/** HMAC-SHA1 with the auth token over the URL and the parameters, sorted by name, each value behind its name. */
function isGenuine({ headers, url }: Callback, params: URLSearchParams, authToken: string): boolean {
  const names = [...new Set(params.keys())].sort()
  const signed = names.flatMap((name) => [...new Set(params.getAll(name))].sort().map((value) => name + value)).join('')
  // Whether the port of https stands in the URL that was signed is not the same at all times.
  return [url, withPort(url)].some((each) =>
    isSignature(
      headers['x-twilio-signature'],
      createHmac('sha1', authToken)
        .update(each + signed)
        .digest('base64'),
    ),
  )
}

function withPort(url: string): string {
  return url.replace(/^(https:\/\/[^/:?#]+)(?=[/?#]|$)/, '$1:443')
}
