import { isUtf8 } from 'node:buffer'
import type { IncomingMessage } from 'node:http'
import { Refusal } from '../errors.ts'

/** What a GraphQL request says (GraphQL over HTTP, "Request Parameters"). */
export interface Parameters {
  readonly query: string
  readonly operationName: string | null
  readonly variables: Readonly<Record<string, unknown>>
}

/** The caller went away before the request was complete; there is nobody to answer. */
export class CallerGone extends Error {}

const PARAMETERS: readonly string[] = ['query', 'operationName', 'variables', 'extensions']
const QUOTE = 0x22
const BACKSLASH = 0x5c
const BRACKETS: Readonly<Record<number, 1 | -1>> = { 91: 1, 123: 1, 93: -1, 125: -1 }

/** Reads a body into memory; refuses PAYLOAD_TOO_LARGE as soon as it is longer than `limit` bytes, and reads no further. */
export function readBody(request: IncomingMessage, limit: number): Promise<Buffer> {
  const announced = Number(request.headers['content-length'] ?? 0)
  if (announced > limit) return Promise.reject(tooLarge(limit))
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let length = 0
    request.on('data', (chunk: Buffer) => {
      length += chunk.length
      chunks.push(chunk)
      if (length <= limit) return
      request.pause()
      request.removeAllListeners('data')
      reject(tooLarge(limit))
    })
    request.once('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    request.once('error', () => reject(new CallerGone()))
    request.once('close', () => {
      if (!request.complete) reject(new CallerGone())
    })
  })
}

/** JSON in UTF-8 (RFC 8259), no deeper than `nesting`: what we accept we must be able to store, compare and log. */
export function parseJson(body: Buffer, nesting: number): unknown {
  if (!isUtf8(body)) throw new Refusal('BAD_USER_INPUT', 'The body must be UTF-8.')
  if (nestsDeeper(body, nesting)) throw new Refusal('BAD_USER_INPUT', `JSON must not nest deeper than ${nesting} levels.`)
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (cause) {
    throw new Refusal('BAD_USER_INPUT', 'The body must be JSON.', { cause })
  }
}

/** Whether JSON text opens more than `limit` brackets within each other, strings left out. */
export function nestsDeeper(json: Uint8Array, limit: number): boolean {
  let depth = 0
  let quoted = false
  for (let index = 0; index < json.length; index += 1) {
    const byte = json[index] as number
    if (quoted) {
      if (byte === BACKSLASH) index += 1
      else if (byte === QUOTE) quoted = false
    } else if (byte === QUOTE) quoted = true
    else if (byte >= 0x5b) {
      depth += BRACKETS[byte] ?? 0
      if (depth > limit) return true
    }
  }
  return false
}

/** Checks the members of a request's JSON. One request a body: a list of them (batching) is refused. */
export function parametersOf(body: unknown): Parameters {
  if (Array.isArray(body)) throw refused('Batching is not supported: send one operation in a request.')
  if (!isRecord(body)) throw refused('The body must be a JSON object.')
  for (const name in body) if (!PARAMETERS.includes(name)) throw refused(`Unknown request parameter "${name}".`)
  const { query, operationName, variables, extensions } = body
  if (typeof query !== 'string') throw refused('"query" must be a string.')
  if (operationName != null && typeof operationName !== 'string') throw refused('"operationName" must be a string.')
  if (variables != null && !isRecord(variables)) throw refused('"variables" must be an object.')
  if (extensions != null && !isRecord(extensions)) throw refused('"extensions" must be an object.')
  return { query, operationName: operationName ?? null, variables: variables ?? {} }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refused(message: string): Refusal {
  return new Refusal('BAD_USER_INPUT', message)
}

function tooLarge(limit: number): Refusal {
  return new Refusal('PAYLOAD_TOO_LARGE', `The body must not be longer than ${limit} bytes.`)
}
