import { z } from 'zod'
import { checkWebhookHeader } from './address.ts'
import { classifyHttp } from './answer.ts'
import { applyOverride } from './override.ts'
import {
  type AddressGuard,
  type DeliverContext,
  type Header,
  type Outcome,
  type Outgoing,
  type Provider,
  secret,
} from './provider.ts'

/** Of one Authorization header: no control characters, and nothing that would end it (RFC 9110, 5.5). */
const VISIBLE = /^[\x20-\x7e]{1,2000}$/

const settings = z
  .object({
    url: z.string().max(2_048).describe('Where every message of this account goes'),
    method: z.enum(['POST', 'PUT', 'PATCH']).optional().describe('POST when left out'),
    headers: secret(
      z.record(z.string(), z.string()).optional().describe('Further headers of each request, by name; they are not shown again'),
    ),
    username: z
      .string()
      .regex(/^[\x20-\x39\x3b-\x7e]{1,256}$/, 'must be printable ASCII without a colon')
      .optional()
      .describe('Authorises with a user name and password (Basic)'),
    password: secret(z.string().regex(VISIBLE, 'must be printable ASCII').optional().describe('Password of the user name')),
    token: secret(z.string().regex(VISIBLE, 'must be printable ASCII').optional().describe('Authorises with a token (Bearer)')),
    body: z.record(z.string(), z.unknown()).optional().describe("JSON that goes over the message's, key by key; it is shown"),
  })
  .superRefine(({ headers = {}, username, password, token }, context) => {
    const refuse = (path: string, message: string) => context.addIssue({ code: 'custom', path: [path], message })
    for (const [name, value] of Object.entries(headers)) {
      const wrong = checkWebhookHeader({ name, value })
      if (wrong !== null) refuse('headers', wrong)
    }
    if ((username === undefined) !== (password === undefined)) refuse('password', 'goes with username: both or neither')
    if (username !== undefined && token !== undefined) refuse('token', 'is one way to authorise, a user name another: give one')
  })

type HttpSettings = z.infer<typeof settings>

/**
 * Any service that takes JSON by HTTP, with the words of its own in `body` and in a send's override. The account names the
 * URL, and that is the address of whoever it carries a message to: every person of whom the channel WEBHOOK is asked. A
 * recipient that is a webhook has a URL of its own, and goes by the kind `webhook`.
 */
export const request: Provider<HttpSettings> = {
  kind: 'http',
  channel: 'WEBHOOK',
  name: 'HTTP',
  settings,
  check,
  deliver,
}

function check({ url }: HttpSettings, guard: AddressGuard) {
  const refused = guard.refuseUrl(url)
  return refused === null ? [] : [{ path: ['url'], message: refused }]
}

async function deliver(outgoing: Outgoing, context: DeliverContext<HttpSettings>): Promise<Outcome> {
  const { settings, http, guarded, signal, now } = context
  const reply = await http.request({
    method: settings.method ?? 'POST',
    url: settings.url,
    headers: writeHeaders(outgoing, settings),
    body: JSON.stringify(writeBody(outgoing, settings, now)),
    signal,
    trusted: !guarded,
  })
  const outcome = classifyHttp(reply, now)
  // What a send added may be what was not allowed: the account's next message may do well.
  const isOfSend = outgoing.override !== undefined || askedHeaders(outgoing).length > 0
  if (outcome.kind === 'misconfigured' && isOfSend) return { ...outcome, kind: 'rejected', what: 'request' }
  // The URL is the account's: another recipient would not be better off.
  return outcome.kind === 'rejected' && outcome.what === 'address' ? { ...outcome, kind: 'misconfigured' } : outcome
}

/** Who we are is the account's to say: a webhook's caller may send such headers, to a URL that it named itself. */
const AUTHORISES = /^(?:authorization|cookie)$/i

function askedHeaders({ extras }: Outgoing): readonly Header[] {
  return (extras?.headers ?? []).filter((header) => !AUTHORISES.test(header.name) && checkWebhookHeader(header) === null)
}

/** Of three who may name a header, the later goes over the earlier: the send, the account, we. */
function writeHeaders(outgoing: Outgoing, settings: HttpSettings): Record<string, string> {
  const headers = [
    ...askedHeaders(outgoing).map(({ name, value }) => [name, value] as const),
    ...Object.entries(settings.headers ?? {}),
  ]
  return {
    ...Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    ...authorization(settings),
    'content-type': 'application/json',
    'idempotency-key': outgoing.idempotencyKey,
  }
}

function authorization({ username, password, token }: HttpSettings): Record<string, string> {
  if (token !== undefined) return { authorization: `Bearer ${token}` }
  if (username === undefined) return {}
  return { authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}` }
}

function writeBody({ address, content, idempotencyKey, override }: Outgoing, { body }: HttpSettings, now: Date) {
  const message = {
    type: 'message',
    timestamp: now.toISOString(),
    recipient: address.name,
    data: content.payload ?? { title: content.title ?? content.subject, body: content.text },
  }
  return applyOverride(applyOverride(message, body, {}), override, { id: idempotencyKey })
}
