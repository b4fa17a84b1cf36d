import type { IncomingMessage, ServerResponse } from 'node:http'
import { renderGraphiQL } from '@graphql-yoga/render-graphiql'
import type { GraphQLFormattedError } from 'graphql'
import type { Logger } from 'pino'
import type { Authenticate } from '../domain/access.ts'
import type { Actor } from '../domain/actor.ts'
import { Refusal } from '../errors.ts'
import { acceptedTypes, sendErrors } from './answer.ts'
import { CallerGone, type Parameters, parametersOf, parseJson, readBody } from './body.ts'
import { authorizationOf, idempotencyKeyOf, refuseTokenInUrl } from './credential.ts'
import { DocumentRefusal, operationOf, type ReadDocument, type ReadResult, rootFieldCount } from './document.ts'
import { presentError, presentTransportError, retryHeaderOf, statusOf } from './errors.ts'
import { type Execution, type Operation, SubscriptionRefused } from './execution.ts'
import type { Limits } from './limits.ts'
import type { OriginCheck } from './origin.ts'
import { PAGE_HEADERS } from './page.ts'
import { type CountCalls, RATE_HEADERS, rateHeaders, refuseBeyondLimit } from './rate-limit.ts'
import type { Seats } from './seats.ts'
import type { Sessions } from './session.ts'
import { writeStream } from './stream.ts'
import { createYogaHandler } from './yoga.ts'

export interface HttpOptions {
  readonly execution: Execution
  readonly read: ReadDocument
  readonly countCalls: CountCalls
  readonly authenticate: Authenticate
  readonly sessions: Sessions
  readonly seats: Seats
  readonly limits: Limits
  readonly graphiql: boolean
  /** Aborted when streams are to be cut because the process stops. */
  readonly draining: AbortSignal
  readonly log: Logger
}

export type HttpHandler = (request: IncomingMessage, response: ServerResponse, isAllowed: OriginCheck) => Promise<void>

interface Refused {
  readonly status: number
  readonly errors: readonly GraphQLFormattedError[]
  readonly headers?: Readonly<Record<string, string>>
}

/** Refused by the transport with a status that belongs to HTTP alone. */
class TransportRefusal extends Error {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message)
    this.status = status
    this.headers = headers
  }
}

const CONTENT_TYPE = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i
const MAX_HEADERS = 100
const PREFLIGHT_SECONDS = '600'

// Everything GraphiQL needs is in the page itself; its editor's workers are blobs.
const GRAPHIQL_HEADERS = {
  ...PAGE_HEADERS,
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy':
    "default-src 'none'; script-src 'unsafe-inline' blob:; worker-src blob:; style-src 'unsafe-inline'; img-src 'self' data:; " +
    "font-src data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}

/** What GraphiQL opens with. */
const FIRST_QUERY =
  '# Put { "authorization": "Bearer <key>" } into the Headers tab, then fetch the schema again.\n\n{\n  messages {\n    nodes {\n      recipient\n      status\n    }\n  }\n}\n'

/** Answers every request for /graphql. What is refused before execution has its HTTP status and no data. */
export function createHttpHandler(options: HttpOptions): HttpHandler {
  const { limits, authenticate, log } = options
  const yoga = createYogaHandler(options.execution)
  const graphiql = options.graphiql
    ? renderGraphiQL({ title: 'Carillon', endpoint: '/graphql', defaultQuery: FIRST_QUERY })
    : null

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    refuseTokenInUrl(request.url ?? '')
    checkForm(request)
    const accepted = acceptedTypes(request.headers.accept)
    if (accepted.json === null && !accepted.stream) throw notAcceptable()
    const authorization = authorizationOf(request)
    const actor = await authenticate(authorization)
    const idempotencyKey = idempotencyKeyOf(request)
    const parameters = parametersOf(parseJson(await readBody(request, limits.bodyBytes), limits.nesting))
    const asked = operationAsked(options.read(parameters.query), parameters, idempotencyKey)
    const subscribes = asked.node.operation === 'subscription'
    if (subscribes ? !accepted.stream : accepted.json === null) throw notAcceptable()
    const operation: Operation = { ...asked, source: parameters.query, actor, idempotencyKey, signal: signalOf(response) }
    if (subscribes) return stream(response, operation, authorization, options)
    await keepWithinLimits(response, operation, options)
    await yoga(request, response, { operation, accepted })
  }

  return async (request, response, isAllowed) => {
    allowOrigin(request, response, isAllowed)
    try {
      if (request.method === 'POST') await serve(request, response)
      else if (request.method === 'OPTIONS') answerPreflight(request, response, isAllowed)
      else if (graphiql !== null && wantsPage(request)) response.writeHead(200, GRAPHIQL_HEADERS).end(graphiql)
      else throw new TransportRefusal(405, 'GraphQL is served on POST.', { allow: 'POST' })
    } catch (error) {
      sendRefused(request, response, error, log)
    }
  }
}

async function stream(
  response: ServerResponse,
  operation: Operation,
  authorization: string | null,
  options: HttpOptions,
): Promise<void> {
  const { execution, limits, draining } = options
  const leave = takeSeat(operation.actor, options)
  // A stream that is cut short, rather than completed, tells its client to come back.
  const cut = () => response.destroy()
  const release = options.sessions.hold({ authorization, actor: operation.actor, end: cut })
  draining.addEventListener('abort', cut)
  try {
    const deliveries = await execution.subscribe(operation)
    await writeStream(response, deliveries, {
      heartbeatMs: limits.pingMs,
      stalledMs: limits.stalledMs,
      present: execution.present,
    })
  } finally {
    leave()
    release()
    draining.removeEventListener('abort', cut)
  }
}

/** The caller hears what it has left whatever its operation comes to. */
async function keepWithinLimits(response: ServerResponse, operation: Operation, { countCalls }: HttpOptions): Promise<void> {
  const verdict = await countCalls(operation)
  if (verdict === null) return
  for (const [name, value] of Object.entries(rateHeaders(verdict))) response.setHeader(name, value)
  refuseBeyondLimit(verdict)
}

/** Streams are counted together with sockets. */
function takeSeat(actor: Actor, { seats, limits }: HttpOptions): () => void {
  if (seats.full) throw new Refusal('UNAVAILABLE', 'This process holds as many connections as it can: try another, or later.')
  const leaveAs = seats.takeAs(actor)
  if (leaveAs === null)
    throw new Refusal('RATE_LIMITED', `A user has at most ${limits.socketsPerUser} sockets and streams at once.`)
  const leave = seats.take()
  return () => {
    leaveAs()
    leave()
  }
}

function checkForm(request: IncomingMessage): void {
  const { headers, rawHeaders } = request
  if (rawHeaders.length > 2 * MAX_HEADERS) throw new TransportRefusal(431, `A request has at most ${MAX_HEADERS} headers.`)
  const type = headers['content-type']
  if (type !== 'application/json' && !(type && CONTENT_TYPE.test(type))) {
    throw new TransportRefusal(415, 'Content-Type must be application/json, in UTF-8.')
  }
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') throw new TransportRefusal(415, 'A compressed body is not accepted.')
}

function operationAsked(
  read: ReadResult,
  parameters: Parameters,
  idempotencyKey: string | null,
): Pick<Operation, 'document' | 'node' | 'operationName' | 'variables'> {
  const { document, errors } = read
  if (document === null) throw new DocumentRefusal(errors)
  const { operationName, variables } = parameters
  if (errors.length > 0 && idempotencyKey === null) throw new DocumentRefusal(errors)
  const node = operationOf(document, operationName)
  // Ambiguity goes before the limits, which a document of many aliased sends exceeds too: it is what the caller must hear.
  if (idempotencyKey !== null && node.operation === 'mutation' && rootFieldCount(document, node) > 1) {
    throw new Refusal('IDEMPOTENCY_AMBIGUOUS', 'An Idempotency-Key needs a document with exactly one mutation.')
  }
  if (errors.length > 0) throw new DocumentRefusal(errors)
  return { document, node, operationName, variables }
}

function notAcceptable(): TransportRefusal {
  return new TransportRefusal(
    406,
    'Accept application/graphql-response+json or application/json; a subscription: text/event-stream.',
  )
}

function signalOf(response: ServerResponse): AbortSignal {
  const controller = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) controller.abort()
  })
  return controller.signal
}

function allowOrigin(request: IncomingMessage, response: ServerResponse, isAllowed: OriginCheck): void {
  const { origin } = request.headers
  if (origin === undefined) return
  response.setHeader('vary', 'Origin')
  if (!isAllowed(origin)) return
  response.setHeader('access-control-allow-origin', origin)
  response.setHeader('access-control-expose-headers', RATE_HEADERS)
}

function answerPreflight(request: IncomingMessage, response: ServerResponse, isAllowed: OriginCheck): void {
  if (isAllowed(request.headers.origin) && request.headers.origin !== undefined) {
    response.setHeader('access-control-allow-methods', 'POST')
    response.setHeader('access-control-allow-headers', 'Authorization, Content-Type, Idempotency-Key')
    response.setHeader('access-control-max-age', PREFLIGHT_SECONDS)
  }
  response.writeHead(204, { allow: 'POST' }).end()
}

function wantsPage(request: IncomingMessage): boolean {
  const get = request.method === 'GET' || request.method === 'HEAD'
  return get && !request.url?.includes('query=') && (request.headers.accept?.includes('text/html') ?? false)
}

function sendRefused(request: IncomingMessage, response: ServerResponse, error: unknown, log: Logger): void {
  if (error instanceof CallerGone) return
  if (!isRefused(error)) log.error({ err: error }, 'a request failed on our side')
  const { status, errors, headers } = answerTo(error, acceptedTypes(request.headers.accept).legacy)
  sendErrors(request, response, status, errors, headers)
}

function isRefused(error: unknown): boolean {
  const kinds = [Refusal, TransportRefusal, DocumentRefusal, SubscriptionRefused]
  return kinds.some((kind) => error instanceof kind)
}

function answerTo(error: unknown, legacy: boolean): Refused {
  if (error instanceof TransportRefusal) {
    const { status, message, headers } = error
    return { status, errors: [presentTransportError(status, message)], headers }
  }
  if (error instanceof DocumentRefusal) {
    const errors = error.errors.map((each) => presentError(each))
    const tooComplex = errors.some(({ extensions }) => extensions?.code === 'TOO_COMPLEX')
    return { status: legacy && !tooComplex ? 200 : statusOf(errors), errors }
  }
  const errors = error instanceof SubscriptionRefused ? error.errors : [presentError(error)]
  const status = statusOf(errors)
  return { status, errors, headers: { ...(status === 401 && { 'www-authenticate': 'Bearer' }), ...retryHeaderOf(errors) } }
}
