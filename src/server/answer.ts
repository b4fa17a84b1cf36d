import type { IncomingMessage, ServerResponse } from 'node:http'
import type { GraphQLFormattedError } from 'graphql'
import type { Page } from './route.ts'

export const JSON_TYPE = 'application/json'
const GRAPHQL_TYPE = 'application/graphql-response+json'
export const STREAM_TYPE = 'text/event-stream'

/** Which of our media types a caller takes. */
export interface Accepted {
  /** Of a finished result; null when the caller takes neither. */
  readonly json: typeof JSON_TYPE | typeof GRAPHQL_TYPE | null
  readonly stream: boolean
  /**
   * Whether application/json was asked for by name. Such a caller knows only the old rule that a well-formed request is
   * answered with 200, even when its document is refused (GraphQL over HTTP, "application/json").
   */
  readonly legacy: boolean
}

const ANYTHING: Accepted = { json: JSON_TYPE, stream: true, legacy: false }
/** What is this small a client has sent before it could see our answer; more of it is not read. */
const UNREAD_BYTES = 64 * 1024
/** How long a client that is still sending may take to see that it was refused. */
const LINGER_MS = 500

/** Reads an Accept header; quality values are ignored, the first type we have wins. Only UTF-8 is spoken. */
export function acceptedTypes(accept: string | undefined): Accepted {
  if (accept === undefined || accept === '*/*') return ANYTHING
  let json: Accepted['json'] = null
  let stream = false
  let legacy = false
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim())
    if (parameters.some((parameter) => parameter.startsWith('charset=') && !/^charset="?utf-8"?$/.test(parameter))) continue
    if (type === '*/*' || type === 'text/*' || type === STREAM_TYPE) stream = true
    if (type === GRAPHQL_TYPE) json ??= GRAPHQL_TYPE
    if (type === JSON_TYPE || type === '*/*' || type === 'application/*') json ??= JSON_TYPE
    if (type === JSON_TYPE) legacy = json === JSON_TYPE
  }
  return { json, stream, legacy }
}

/** Answers errors without data. */
export function sendErrors(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  errors: readonly GraphQLFormattedError[],
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.headersSent || response.destroyed) return
  const type = acceptedTypes(request.headers.accept).json ?? JSON_TYPE
  const body = Buffer.from(JSON.stringify({ errors }))
  const head = { 'content-type': `${type}; charset=utf-8`, 'content-length': `${body.length}`, ...headers }
  sendWhole(request, response, { status, headers: head, body })
}

/**
 * Sends a whole answer. When the request's body was not read, what is left of a small one is thrown away; a large one is
 * left unread and the connection closed, once the client had a moment to see why.
 */
export function sendWhole(request: IncomingMessage, response: ServerResponse, { status, headers, body }: Page): void {
  const shown = request.method === 'HEAD' ? '' : body
  if (request.complete || bytesLeft(request) <= UNREAD_BYTES) {
    response.writeHead(status, headers)
    response.end(shown)
    request.resume()
    return
  }
  response.writeHead(status, { ...headers, connection: 'close' })
  response.write(shown)
  const leave = setTimeout(() => request.socket.destroy(), LINGER_MS)
  request.socket.once('close', () => clearTimeout(leave))
}

function bytesLeft({ headers }: IncomingMessage): number {
  return headers['transfer-encoding'] === undefined ? Number(headers['content-length'] ?? 0) : Number.POSITIVE_INFINITY
}
