import { z } from 'zod'
import { readJson, readRetryAfter } from './answer.ts'
import type { HttpDoor, HttpReply, Outcome } from './provider.ts'
import type { Renewal } from './provider-token.ts'

/** A token is given back so long before it runs out, in seconds. */
const MARGIN_SECONDS = 300

/** Who signs in with Microsoft Entra, where, and for what. */
export interface Login {
  readonly appId: string
  readonly appPassword: string
  /** A tenant's id, or `botframework.com` for the bots of many tenants. */
  readonly tenant: string
  readonly scope: 'https://api.botframework.com/.default' | 'https://graph.microsoft.com/.default'
}

/** What a token of this login is kept under. */
export function credentialsOf({ appId, appPassword, tenant, scope }: Login): string {
  return JSON.stringify(['msteams', appId, appPassword, tenant, scope])
}

/**
 * Signs in with the app's password (RFC 6749, section 4.4; Microsoft's page "Authenticate requests with the Bot Connector
 * API"). Whatever goes wrong here, the message was not sent.
 */
export async function signIn({ appId, appPassword, tenant, scope }: Login, http: HttpDoor, now: Date): Promise<Renewal> {
  const form = { grant_type: 'client_credentials', client_id: appId, client_secret: appPassword, scope }
  const reply = await http.request({
    method: 'POST',
    url: `https://login.microsoftonline.com/${tenant}/oauth2/v2.0/token`,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
    trusted: true,
  })
  return readToken(reply, now)
}

const granted = z.object({ access_token: z.string().min(1), expires_in: z.coerce.number().positive() })

function readToken(reply: HttpReply, now: Date): Renewal {
  if (reply.kind !== 'answered') return { refused: { kind: 'retry', error: 'Microsoft could not be asked for an access token.' } }
  const { data } = reply.status === 200 ? granted.safeParse(readJson(reply.body)) : {}
  if (data) return { value: data.access_token, until: new Date(now.getTime() + (data.expires_in - MARGIN_SECONDS) * 1_000) }
  return { refused: refusedLogin(reply, now) }
}

/** Microsoft says more in its answer; what is said about a login is for nobody. */
function refusedLogin(reply: Extract<HttpReply, { kind: 'answered' }>, now: Date): Outcome {
  const code = String(reply.status)
  const error = `Microsoft answered ${code} when the bot signed in.`
  if ([400, 401, 403].includes(reply.status)) return { kind: 'misconfigured', error, code, isLogin: true }
  const afterMs = readRetryAfter(reply.headers['retry-after'], now)
  return { kind: 'retry', error, code, ...(afterMs !== undefined && { afterMs }) }
}
