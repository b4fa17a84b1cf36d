import { createPrivateKey, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, readJson, readRetryAfter, type Said } from './answer.ts'
import { applyOverride } from './override.ts'
import {
  type DeliverContext,
  type HttpDoor,
  type HttpReply,
  type Outcome,
  type Outgoing,
  type Provider,
  secret,
} from './provider.ts'
import { createProviderTokens, type ProviderTokens, type Renewal } from './provider-token.ts'
import { alertOf, dataOf, MAX_PAYLOAD_BYTES, refusePush, TIME_TO_LIVE_SECONDS, tooBig } from './push.ts'

/**
 * Firebase Cloud Messaging by its HTTP v1 API. Sources: Google's pages "Method: projects.messages.send", "FCM error codes",
 * "Scale and manage messages" and "Using OAuth 2.0 for server to server applications".
 */

const TOKEN_URL = 'https://oauth2.googleapis.com/token'
const SCOPE = 'https://www.googleapis.com/auth/firebase.messaging'
/** An access token is given up so long before its end, in seconds. */
const MARGIN_SECONDS = 60
const DEVICE_TOKEN = /^[\x21-\x7e]{1,4096}$/
/** What Google asks for where an answer of 429 does not say how long to wait. */
const QUOTA_MS = 60_000

const account = z.object({
  project_id: z.string().regex(/^[a-z0-9.:-]+$/),
  client_email: z.string().min(1),
  private_key_id: z.string().optional(),
  private_key: z.string().refine((pem) => readKey(pem) !== null),
})

type ServiceAccount = z.infer<typeof account>

const settings = z.object({
  serviceAccount: secret(
    z
      .string()
      .refine((text) => account.safeParse(readJson(text)).success, 'must be the JSON of a service account key')
      .describe('Service account key: the JSON file as Firebase gives it'),
  ),
})

type FcmSettings = z.infer<typeof settings>

function readKey(pem: string): KeyObject | null {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyType === 'rsa' ? key : null
  } catch {
    return null
  }
}

/**
 * Push to Android, iOS and the web by Firebase. It tells no repetition, so a second try takes the place of the first where a
 * device shows it: by `tag` and `apns-collapse-id` (a `collapse_key` would not do: a device has four of them at most).
 */
export function createFcm(): Provider<FcmSettings> {
  const tokens = createProviderTokens()
  return {
    kind: 'fcm',
    channel: 'PUSH',
    name: 'Firebase Cloud Messaging',
    settings,
    deliver: (outgoing, context) => deliver(outgoing, context, tokens),
  }
}

async function deliver(outgoing: Outgoing, context: DeliverContext<FcmSettings>, tokens: ProviderTokens): Promise<Outcome> {
  const refused = refusePush(outgoing, DEVICE_TOKEN)
  if (refused) return refused
  const message = writeMessage(outgoing)
  if (sizeOf(message) > MAX_PAYLOAD_BYTES) return tooBig

  const { http, now, signal, settings } = context
  const { serviceAccount: credentials } = settings
  const google = account.parse(readJson(credentials))
  const token = await tokens.get({ credentials, now, signal, renew: () => fetchToken(google, http, now) })
  if ('refused' in token) return token.refused

  const own = { message: { token: outgoing.address.id, topic: undefined, condition: undefined } }
  const reply = await http.request({
    method: 'POST',
    url: `https://fcm.googleapis.com/v1/projects/${google.project_id}/messages:send`,
    headers: { authorization: `Bearer ${token.value}`, 'content-type': 'application/json' },
    body: JSON.stringify(applyOverride({ message }, outgoing.override, own)),
    signal,
    trusted: true,
  })
  const said = readError(reply)
  if (said?.code === 'UNAUTHENTICATED' && !token.isNew) {
    tokens.forget(credentials, token.value)
    return { kind: 'retry', error: 'Google takes the access token no more; the next try gets a new one.', code: said.code }
  }
  return classifyFcm(reply, said, now)
}

/** The Message of FCM. Values of `data` are strings there, so whatever is none is JSON. */
function writeMessage(outgoing: Outgoing) {
  const { extras = {}, idempotencyKey } = outgoing
  const alert = alertOf(outgoing)
  const notification = alert && { ...alert, ...(extras.icon !== undefined && { image: extras.icon }) }
  const link = extras.clickAction?.startsWith('https://') ? extras.clickAction : undefined
  const action = link === undefined ? extras.clickAction : undefined
  return {
    ...(notification && { notification }),
    data: asStrings(dataOf(outgoing)),
    android: {
      ttl: `${TIME_TO_LIVE_SECONDS}s`,
      ...(notification && { notification: { tag: idempotencyKey, ...(action && { click_action: action }) } }),
    },
    apns: { headers: { 'apns-collapse-id': idempotencyKey } },
    webpush: {
      headers: { TTL: String(TIME_TO_LIVE_SECONDS) },
      ...(notification && { notification: { tag: idempotencyKey } }),
      ...(link && { fcm_options: { link } }),
    },
  }
}

function asStrings(data: Record<string, unknown>): Record<string, string> {
  const entries = Object.entries(data).filter(([, value]) => value !== undefined && value !== null)
  return Object.fromEntries(entries.map(([key, value]) => [key, typeof value === 'string' ? value : JSON.stringify(value)]))
}

/** FCM counts the keys and values of what it hands on. */
function sizeOf({ notification, data }: ReturnType<typeof writeMessage>): number {
  const counted = [...Object.entries(data).flat(), ...Object.values(notification ?? {})]
  return counted.reduce((sum, text) => sum + Buffer.byteLength(text), 0)
}

// ── The access token ─────────────────────────────────────────────────────────

/** Exchanges a signed assertion for an access token (RFC 7523). Whatever goes wrong here, the message was not sent. */
async function fetchToken(google: ServiceAccount, http: HttpDoor, now: Date): Promise<Renewal> {
  const seconds = Math.floor(now.getTime() / 1_000)
  const assertion = await new SignJWT({ scope: SCOPE })
    .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...(google.private_key_id && { kid: google.private_key_id }) })
    .setIssuer(google.client_email)
    .setAudience(TOKEN_URL)
    .setIssuedAt(seconds)
    .setExpirationTime(seconds + 3_600)
    .sign(readKey(google.private_key)!)
  const reply = await http.request({
    method: 'POST',
    url: TOKEN_URL,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion }).toString(),
    trusted: true,
  })
  return readToken(reply, now)
}

const granted = z.object({ access_token: z.string().min(1), expires_in: z.number().positive() })

function readToken(reply: HttpReply, now: Date): Renewal {
  if (reply.kind !== 'answered') return { refused: { kind: 'retry', error: 'Google could not be asked for an access token.' } }
  const { data } = reply.status === 200 ? granted.safeParse(readJson(reply.body)) : {}
  if (data) return { value: data.access_token, until: new Date(now.getTime() + (data.expires_in - MARGIN_SECONDS) * 1_000) }
  const code = String(reply.status)
  const error = `Google answered ${code} to the service account.`
  if ([400, 401, 403].includes(reply.status)) return { refused: { kind: 'misconfigured', error, code, isLogin: true } }
  const afterMs = readRetryAfter(reply.headers['retry-after'], now)
  return { refused: { kind: 'retry', error, code, ...(afterMs !== undefined && { afterMs }) } }
}

// ── Answers ──────────────────────────────────────────────────────────────────

const failed = z.object({
  error: z.object({
    status: z.string(),
    message: z.string().catch(''),
    details: z
      .array(
        z.object({
          '@type': z.string().catch(''),
          errorCode: z.string().optional().catch(undefined),
          fieldViolations: z.array(z.object({ field: z.string().catch('') })).catch([]),
        }),
      )
      .catch([]),
  }),
})

const MEANINGS: Readonly<Record<string, Said['meaning']>> = {
  UNREGISTERED: 'address',
  SENDER_ID_MISMATCH: 'address',
  QUOTA_EXCEEDED: 'retry',
  UNAVAILABLE: 'retry',
  INTERNAL: 'retry',
  // Apple's or the browser's credentials of the token's app, which others do not need. They may be mended: the token stays.
  THIRD_PARTY_AUTH_ERROR: 'request',
}

/** FCM's own error code where there is one, otherwise the status of Google's interfaces. */
function readError(reply: HttpReply): Said | null {
  if (reply.kind !== 'answered' || reply.status < 300) return null
  const { data } = failed.safeParse(readJson(reply.body))
  if (!data) return null
  const { status, message, details } = data.error
  const own = details.find((detail) => detail['@type'].endsWith('.FcmError'))?.errorCode
  const code = own ?? status
  const fields = details.flatMap((detail) => detail.fieldViolations.map(({ field }) => field))
  const meaning = code === 'INVALID_ARGUMENT' ? meaningOfInvalid(fields, message) : lookUp(MEANINGS, code)
  return { code, words: message, ...(meaning && { meaning }) }
}

/** What was invalid stands in the field that was violated, or, for tokens and sizes, in the message alone. */
function meaningOfInvalid(fields: readonly string[], message: string): Said['meaning'] {
  if (fields.includes('message.token') || /registration token/i.test(message)) return 'address'
  return /too (?:big|large)/i.test(message) || fields.some((field) => field.startsWith('message.data')) ? 'content' : 'request'
}

function classifyFcm(reply: HttpReply, said: Said | null, now: Date): Outcome {
  if (said) {
    const outcome = classifySaid('FCM', reply, said, now)
    const isUntimed = outcome.kind === 'retry' && outcome.afterMs === undefined && said.code === 'QUOTA_EXCEEDED'
    return isUntimed ? { ...outcome, afterMs: QUOTA_MS } : outcome
  }
  const outcome = classifyHttp(reply, now)
  if (outcome.kind !== 'accepted' || reply.kind !== 'answered') return outcome
  const { data } = z.object({ name: z.string() }).safeParse(readJson(reply.body))
  return { ...outcome, ...(data && { reference: data.name }) }
}
