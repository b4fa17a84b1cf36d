import { z } from 'zod'
import { checkWebhookHeader } from './address.ts'
import { classifyHttp } from './answer.ts'
import { applyOverride } from './override.ts'
import { type DeliverContext, type HttpReply, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'
import { signWebhook } from './webhook-signature.ts'

const SECRET = /^whsec_((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/

function isWebhookSecret(text: string): boolean {
  const bytes = Buffer.from(SECRET.exec(text)?.[1] ?? '', 'base64').length
  return bytes >= 24 && bytes <= 64
}

const settings = z.object({
  secret: secret(
    z
      .string()
      .refine(isWebhookSecret, 'must be whsec_ and 24 to 64 bytes as base64')
      .describe('Signs each request (Standard Webhooks): whsec_ and 24 to 64 bytes as base64'),
  ),
})

type WebhookSettings = z.infer<typeof settings>

/** A webhook as recipient: its URL is the address of the message, its secret that of the account. */
export const webhook: Provider<WebhookSettings> = {
  kind: 'webhook',
  channel: 'WEBHOOK',
  name: 'Webhook',
  settings,
  deliver,
}

async function deliver(outgoing: Outgoing, context: DeliverContext<WebhookSettings>): Promise<Outcome> {
  const body = writeBody(outgoing, context.now)
  const signature = signWebhook({
    secrets: [context.settings.secret],
    id: outgoing.idempotencyKey,
    at: context.now,
    body,
  })
  const reply = await context.http.request({
    method: 'POST',
    url: outgoing.address.id,
    headers: { ...extraHeaders(outgoing), 'content-type': 'application/json', ...signature },
    body,
    signal: context.signal,
  })
  return classifyAnswer(reply, context.now)
}

function classifyAnswer(reply: HttpReply, now: Date): Outcome {
  const outcome = classifyHttp(reply, now)
  if (outcome.kind === 'misconfigured') {
    // The receiver refused this one request; whoever names a URL must not be able to stop the account for everybody.
    return { ...outcome, kind: 'rejected', what: 'request' }
  }
  if (outcome.kind === 'rejected' && outcome.code === '410') {
    return { ...outcome, what: 'address', error: 'The webhook answered that it is gone.' }
  }
  return outcome
}

function writeBody({ content, override }: Outgoing, now: Date): string {
  const data = content.payload ?? { title: content.title ?? content.subject, body: content.text }
  return JSON.stringify(applyOverride({ type: 'message', timestamp: now.toISOString(), data }, override, {}))
}

/**
 * Those of the address, under those of the send. What may not be set was refused when it was given; should it come from
 * elsewhere, it is left out.
 */
function extraHeaders({ address, extras }: Outgoing): Record<string, string> {
  const headers = [...(address.headers ?? []), ...(extras?.headers ?? [])]
  const allowed = headers.filter((header) => checkWebhookHeader(header) === null)
  return Object.fromEntries(allowed.map(({ name, value }) => [name.toLowerCase(), value]))
}
