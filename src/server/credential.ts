import type { IncomingMessage } from 'node:http'
import { parseItem } from 'structured-headers'
import { Refusal } from '../errors.ts'

const BEARER = /^Bearer [\x21-\x7e]+$/
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,256}$/
const TOKEN_PARAMETERS: readonly string[] = ['token', 'access_token', 'authorization', 'api_key', 'apikey', 'key', 'jwt']

/** The one Authorization header of a request, or null. Two of them, or another scheme than Bearer, are refused (RFC 6750). */
export function authorizationOf(request: IncomingMessage): string | null {
  const given = request.headers.authorization
  if (given === undefined) return null
  if (headerCount(request.rawHeaders, 'authorization') > 1) throw unauthenticated('Give one Authorization header.')
  return bearer(given)
}

/** The same of a WebSocket's connection parameters, which must not contradict its upgrade request. */
export function authorizationOfSocket(
  parameters: Readonly<Record<string, unknown>> | undefined,
  header: string | null,
): string | null {
  const given = parameters?.authorization ?? parameters?.Authorization
  if (given === undefined || given === null) return header
  if (typeof given !== 'string') throw unauthenticated('connectionParams.authorization must be a string.')
  if (header !== null && header !== given) throw unauthenticated('Two different credentials were given.')
  return bearer(given)
}

/** A credential in a URL ends up in logs and Referer headers, so it is not one. */
export function refuseTokenInUrl(url: string): void {
  const query = url.indexOf('?')
  if (query < 0) return
  for (const name of new URLSearchParams(url.slice(query)).keys()) {
    if (TOKEN_PARAMETERS.includes(name.toLowerCase())) {
      throw unauthenticated('A credential belongs in the Authorization header, never in the URL.')
    }
  }
}

/**
 * The key of an Idempotency-Key header, in its quoted form (a structured-field string, as the IETF draft has it) or bare:
 * 1 to 256 visible ASCII characters.
 */
export function idempotencyKeyOf(request: IncomingMessage): string | null {
  const given = request.headers['idempotency-key']
  if (given === undefined) return null
  const key = typeof given === 'string' ? unquoted(given) : null
  if (key === null || !IDEMPOTENCY_KEY.test(key)) {
    throw new Refusal('BAD_USER_INPUT', 'Idempotency-Key must be 1 to 256 visible ASCII characters without spaces.')
  }
  return key
}

function bearer(authorization: string): string {
  if (!BEARER.test(authorization)) throw unauthenticated('Authorization must be: Bearer, one space, a key or token.')
  return authorization
}

function unquoted(value: string): string | null {
  if (!value.startsWith('"')) return value
  try {
    const [item] = parseItem(value)
    return typeof item === 'string' ? item : null
  } catch {
    return null
  }
}

function headerCount(rawHeaders: readonly string[], name: string): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) if (rawHeaders[index]?.toLowerCase() === name) count += 1
  return count
}

function unauthenticated(message: string): Refusal {
  return new Refusal('UNAUTHENTICATED', message)
}
