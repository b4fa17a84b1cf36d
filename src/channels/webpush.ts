import { createHash } from 'node:crypto'
import webPush from 'web-push'
import { z } from 'zod'
import { checkPushKeys } from './address.ts'
import { classifyHttp } from './answer.ts'
import { applyOverride } from './override.ts'
import { type DeliverContext, type HttpReply, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'

/** One record of 4,096 bytes less its header, padding delimiter and authentication tag (RFC 8291, section 4). */
const MAX_PAYLOAD_BYTES = 3_993
/** How long a push service keeps a message for a device that is away, in seconds: as long as a message lives. */
const TIME_TO_LIVE_SECONDS = 72 * 3_600

const settings = z.object({
  subject: z
    .string()
    .regex(/^(?:mailto:[^\s@]+@[^\s@]+|https:\/\/\S+)$/, 'must be a mailto: or https: URL')
    .describe('Whom a push service may write to when something is wrong: a mailto: or https: URL'),
  publicKey: z
    .string()
    .refine(isBase64Url(65), 'must be 65 bytes as base64url')
    .describe('VAPID public key (RFC 8292), which browsers subscribe with'),
  privateKey: secret(
    z.string().refine(isBase64Url(32), 'must be 32 bytes as base64url').describe('VAPID private key, 32 bytes as base64url'),
  ),
})

type WebPushSettings = z.infer<typeof settings>

function isBase64Url(length: number): (text: string) => boolean {
  return (text) => /^[A-Za-z0-9_-]+$/.test(text) && Buffer.from(text, 'base64url').length === length
}

/** A new pair of VAPID keys (RFC 8292), base64url. Whoever loses them loses every subscription made with them. */
export function newVapidKeys(): { publicKey: string; privateKey: string } {
  return webPush.generateVAPIDKeys()
}

/** Web push (RFC 8030) to the service that the browser's subscription names, encrypted for that browser alone. */
export const webpush: Provider<WebPushSettings> = {
  kind: 'webpush',
  channel: 'PUSH',
  name: 'Web push',
  settings,
  deliver,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<WebPushSettings>): Promise<Outcome> {
  const { address } = outgoing
  const wrong = address.keys ? checkPushKeys(address.keys) : 'The subscription has no keys.'
  if (wrong !== null) return { kind: 'rejected', what: 'address', error: wrong }
  // Before the keys of the account are used for it: a URL that may not be called is not signed either.
  const refused = context.http.guard.refuseUrl(address.id)
  if (refused !== null) return { kind: 'rejected', what: 'address', error: refused }

  const payload = writePayload(outgoing)
  if (Buffer.byteLength(payload) > MAX_PAYLOAD_BYTES) {
    return { kind: 'rejected', what: 'content', error: `A push message holds at most ${MAX_PAYLOAD_BYTES} bytes.` }
  }
  const request = encryptAndSign(outgoing, payload, context.settings)
  const reply = await context.http.request({ method: 'POST', url: address.id, signal: context.signal, ...request })
  return classifyPush(reply, address.id, context.now)
}

/** What the page's service worker is given; messageId is by what it knows one that came twice. */
function writePayload({ content, extras, messageId, override }: Outgoing): string {
  const { title, subject, text, payload } = content
  const { icon, clickAction } = extras ?? {}
  const shown = { title: title ?? subject, body: text, icon, clickAction, data: payload }
  return JSON.stringify(applyOverride(shown, override, { messageId }))
}

function encryptAndSign({ address, idempotencyKey }: Outgoing, payload: string, vapidDetails: WebPushSettings) {
  const { p256dh, auth } = address.keys!
  const { headers, body } = webPush.generateRequestDetails({ endpoint: address.id, keys: { p256dh, auth } }, payload, {
    vapidDetails,
    contentEncoding: 'aes128gcm',
    TTL: TIME_TO_LIVE_SECONDS,
    urgency: 'normal',
    // A second try replaces the first where the device has not fetched it yet. At most 32 characters.
    topic: createHash('sha256').update(idempotencyKey).digest('base64url').slice(0, 32),
  })
  const { 'Content-Length': _length, ...rest } = headers
  return { headers: Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)])), body }
}

function classifyPush(reply: HttpReply, endpoint: string, now: Date): Outcome {
  if (reply.kind !== 'answered') return classifyHttp(reply, now)
  const code = String(reply.status)
  if (reply.status === 404 || reply.status === 410) {
    return { kind: 'rejected', what: 'address', error: 'The push subscription has ended.', code }
  }
  // Microsoft's service says 406 where others say 429.
  const isThrottled = reply.status === 406 && new URL(endpoint).hostname.endsWith('.notify.windows.com')
  return classifyHttp(isThrottled ? { ...reply, status: 429 } : reply, now)
}
