import { createPrivateKey, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { v5 as uuidv5 } from 'uuid'
import { z } from 'zod'
import { classifyHttp, classifySaid, lookUp, readJson, type Said } from './answer.ts'
import { applyOverride } from './override.ts'
import { type DeliverContext, type HttpReply, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'
import { createProviderTokens, type ProviderToken, type ProviderTokens } from './provider-token.ts'
import { alertOf, dataOf, MAX_PAYLOAD_BYTES, refusePush, TIME_TO_LIVE_SECONDS, tooBig } from './push.ts'

/**
 * The Apple Push Notification service, by provider token. Sources: Apple's pages "Sending notification requests to APNs",
 * "Establishing a token-based connection to APNs", "Generating a remote notification" and "Handling notification responses
 * from APNs".
 */

const HOSTS = { production: 'api.push.apple.com', sandbox: 'api.sandbox.push.apple.com' } as const
/** Apple takes a provider token for an hour, and wants no new one within 20 minutes. */
const TOKEN_MS = 40 * 60_000
/** The length is Apple's to change; it has been 64 digits so far. */
const DEVICE_TOKEN = /^[0-9a-fA-F]{64,200}$/
/** Of our own: the namespace of the ids that are made of idempotency keys (RFC 9562, 5.5). */
const NAMESPACE = '2f1d8c2e-6c0b-4a55-9d0e-6f3c1b7a94d8'

const settings = z.object({
  teamId: z
    .string()
    .regex(/^[A-Z0-9]{10}$/, 'must be 10 letters and digits')
    .describe('Team ID of the developer account'),
  keyId: z
    .string()
    .regex(/^[A-Z0-9]{10}$/, 'must be 10 letters and digits')
    .describe('Key ID of the signing key'),
  privateKey: secret(
    z
      .string()
      .refine((pem) => readKey(pem) !== null, 'must be a private key on P-256 as PEM')
      .describe('Signing key: the .p8 file as Apple gives it'),
  ),
  topic: z
    .string()
    .regex(/^[A-Za-z0-9.-]{1,255}$/, 'must be a bundle ID')
    .describe('Topic: the bundle ID of the app'),
  environment: z
    .enum(['production', 'sandbox'])
    .optional()
    .describe('Which of the two the device tokens are of; production when absent'),
})

type ApnsSettings = z.infer<typeof settings>

function readKey(pem: string): KeyObject | null {
  try {
    const key = createPrivateKey(pem)
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? key : null
  } catch {
    return null
  }
}

/** Push to Apple's devices. A second try has the same `apns-id`, and takes the place of the first where a device shows it. */
export function createApns(): Provider<ApnsSettings> {
  const tokens = createProviderTokens()
  return {
    kind: 'apns',
    channel: 'PUSH',
    name: 'Apple Push Notification service',
    settings,
    deliver: (outgoing, context) => deliver(outgoing, context, tokens),
  }
}

async function deliver(outgoing: Outgoing, context: DeliverContext<ApnsSettings>, tokens: ProviderTokens): Promise<Outcome> {
  const refused = refusePush(outgoing, DEVICE_TOKEN)
  if (refused) return refused
  const body = writePayload(outgoing)
  if (Buffer.byteLength(body) > MAX_PAYLOAD_BYTES) return tooBig

  const { http, now, signal, settings } = context
  const credentials = JSON.stringify([settings.teamId, settings.keyId, settings.privateKey])
  const token = await tokens.get({ credentials, now, signal, renew: () => signToken(settings, now) })
  if ('refused' in token) return token.refused

  const reply = await http.request({
    method: 'POST',
    url: `https://${HOSTS[settings.environment ?? 'production']}/3/device/${outgoing.address.id}`,
    headers: { ...headersOf(outgoing, settings, now), authorization: `bearer ${token.value}` },
    body,
    signal,
    trusted: true,
    http2: true,
  })
  const said = readError(reply)
  if (said?.code === 'ExpiredProviderToken' && !token.isNew) {
    tokens.forget(credentials, token.value)
    return { kind: 'retry', error: 'Apple takes the provider token no more; the next try gets a new one.', code: said.code }
  }
  return classifyApns(reply, said, now)
}

/** What is for the device stands in `aps`, and beside it what is for the app. */
function writePayload(outgoing: Outgoing): string {
  const alert = alertOf(outgoing)
  const icon = outgoing.extras?.icon
  const aps = alert ? { alert, ...(icon !== undefined && { 'mutable-content': 1 }) } : { 'content-available': 1 }
  const payload = { ...dataOf(outgoing), ...(icon !== undefined && { icon }), aps }
  return JSON.stringify(applyOverride(payload, outgoing.override, {}))
}

function headersOf(outgoing: Outgoing, { topic }: ApnsSettings, now: Date): Record<string, string> {
  const isShown = alertOf(outgoing) !== null
  return {
    'content-type': 'application/json',
    'apns-id': uuidv5(outgoing.idempotencyKey, NAMESPACE),
    'apns-collapse-id': outgoing.idempotencyKey,
    'apns-topic': topic,
    'apns-push-type': isShown ? 'alert' : 'background',
    'apns-priority': isShown ? '10' : '5',
    'apns-expiration': String(Math.floor(now.getTime() / 1_000) + TIME_TO_LIVE_SECONDS),
  }
}

async function signToken({ teamId, keyId, privateKey }: ApnsSettings, now: Date): Promise<ProviderToken> {
  const value = await new SignJWT()
    .setProtectedHeader({ alg: 'ES256', kid: keyId })
    .setIssuer(teamId)
    .setIssuedAt(Math.floor(now.getTime() / 1_000))
    .sign(readKey(privateKey)!)
  return { value, until: new Date(now.getTime() + TOKEN_MS) }
}

// ── Answers ──────────────────────────────────────────────────────────────────

/** What a reason means; one that is not here means what its HTTP status says. */
const MEANINGS: Readonly<Record<string, Said['meaning']>> = {
  BadDeviceToken: 'address',
  DeviceTokenNotForTopic: 'address',
  MissingDeviceToken: 'address',
  ExpiredToken: 'address',
  Unregistered: 'address',
  PayloadEmpty: 'content',
  PayloadTooLarge: 'content',
  InvalidProviderToken: 'login',
  ExpiredProviderToken: 'login',
  MissingProviderToken: 'login',
  BadTopic: 'misconfigured',
  MissingTopic: 'misconfigured',
  TopicDisallowed: 'misconfigured',
  IdleTimeout: 'retry',
  TooManyProviderTokenUpdates: 'retry',
  TooManyRequests: 'retry',
  InternalServerError: 'retry',
  ServiceUnavailable: 'retry',
  Shutdown: 'retry',
}

function readError(reply: HttpReply): Said | null {
  if (reply.kind !== 'answered' || reply.status < 300) return null
  const { data } = z.object({ reason: z.string().regex(/^\w{1,64}$/) }).safeParse(readJson(reply.body))
  if (!data) return null
  const meaning = lookUp(MEANINGS, data.reason)
  return { code: data.reason, words: '', ...(meaning && { meaning }) }
}

function classifyApns(reply: HttpReply, said: Said | null, now: Date): Outcome {
  if (said) return classifySaid('APNs', reply, said, now)
  const outcome = classifyHttp(reply, now)
  if (reply.kind !== 'answered') return outcome
  if (reply.status === 410)
    return { kind: 'rejected', what: 'address', error: 'The device token is no longer valid.', code: '410' }
  const id = reply.headers['apns-id']
  return outcome.kind === 'accepted' && id !== undefined ? { ...outcome, reference: id } : outcome
}
