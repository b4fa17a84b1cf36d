import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { GraphQLSchema } from 'graphql'
import type { Logger } from 'pino'
import type { Authenticate } from '../domain/access.ts'
import { documentReader } from './document.ts'
import { type ContextFor, createExecution } from './execution.ts'
import { createHttpHandler } from './http.ts'
import { DEFAULT_LIMITS, type Limits } from './limits.ts'
import { type OriginCheck, originCheck } from './origin.ts'
import { healthRoutes, pageHandler } from './page.ts'
import { createCallCount, type RateLimiter } from './rate-limit.ts'
import type { Route } from './route.ts'
import { createSeats } from './seats.ts'
import { createSessions } from './session.ts'
import { createSockets, refuseUpgrade } from './sockets.ts'

export interface ServerOptions {
  readonly schema: GraphQLSchema
  /** False: only the pages are served, as by a process that is a worker alone. */
  readonly api: boolean
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  /** As callers see us; its origin is our own. Absent: http://host:port. */
  readonly publicUrl?: string
  /** No GraphiQL. */
  readonly production: boolean
  /** Exact origins of web pages that may call, beside our own. */
  readonly allowedOrigins: readonly string[]
  /** What is left out takes its default. */
  readonly limits?: Partial<Limits>
  /** Of mutations, by caller. Absent: they are not limited. */
  readonly rateLimiter?: RateLimiter
  readonly authenticate: Authenticate
  /** Makes the GraphQL context of one execution. */
  readonly contextFor: ContextFor
  readonly routes: readonly Route[]
  readonly ready: () => Promise<boolean>
  readonly metricsText: () => Promise<string>
  readonly log: Logger
}

export interface Server {
  listen(): Promise<{ url: string; port: number }>
  /**
   * Takes no new work, lets running requests finish, ends streams, closes sockets with 1001. Resolves when all is done, at
   * the latest after `deadlineMs`, when what still runs is cut off.
   */
  stop(options: { deadlineMs: number }): Promise<void>
  /** How many WebSockets are open. */
  sockets(): number
}

const GRAPHQL_PATH = '/graphql'
const MAX_HEADER_BYTES = 16 * 1024
const REVIEW_MS = 1_000

/** The front of the API: GraphQL over HTTP, WebSocket and SSE on one path, and the pages beside it, on one port. */
export function createServer(options: ServerOptions): Server {
  const { schema, host, log, authenticate, contextFor } = options
  const limits: Limits = { ...DEFAULT_LIMITS, ...options.limits }
  const read = documentReader(schema, limits)
  const execution = createExecution({ schema, contextFor, limits, log })
  const sessions = createSessions(authenticate, limits.reauthenticateMs, log)
  const draining = new AbortController()
  const countCalls = createCallCount(schema, options.rateLimiter)
  const shared = { execution, read, countCalls, authenticate, sessions, seats: createSeats(limits), limits, log }
  const graphql = createHttpHandler({ ...shared, graphiql: !options.production, draining: draining.signal })
  const pages = pageHandler([...options.routes, ...healthRoutes(options.ready, options.metricsText)], log)
  const sockets = createSockets(shared)
  let isAllowed: OriginCheck = () => false
  let review: NodeJS.Timeout | undefined

  const isGraphQL = ({ url }: IncomingMessage) => options.api && namesGraphQL(url)
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    if (draining.signal.aborted) response.setHeader('connection', 'close')
    const handled = isGraphQL(request) ? graphql(request, response, isAllowed) : pages(request, response)
    handled.catch((error: unknown) => {
      log.error({ err: error }, 'a request failed on our side')
      response.destroy()
    })
  }

  const http = createHttpServer(
    {
      headersTimeout: limits.headersMs,
      requestTimeout: limits.requestMs,
      maxHeaderSize: MAX_HEADER_BYTES,
      connectionsCheckingInterval: REVIEW_MS,
    },
    answer,
  )
  http.on('upgrade', (request, socket, head) => {
    if (draining.signal.aborted) refuseUpgrade(socket, 503)
    else if (!isGraphQL(request)) refuseUpgrade(socket, 404)
    else sockets.upgrade(request, socket, head, isAllowed)
  })

  const listen = async () => {
    await new Promise<void>((resolve, reject) => {
      http.once('error', reject)
      http.listen(options.port, host, () => resolve())
    })
    const { port } = http.address() as AddressInfo
    isAllowed = originCheck({ publicUrl: options.publicUrl, host, port }, options.allowedOrigins)
    review = setInterval(() => {
      const now = Date.now()
      sockets.review(now)
      sessions.review(now)
    }, REVIEW_MS).unref()
    return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, port }
  }

  const stop = async ({ deadlineMs }: { deadlineMs: number }) => {
    const closed = new Promise<void>((resolve) => http.close(() => resolve()))
    draining.abort()
    const late = setTimeout(() => {
      sockets.terminate()
      http.closeAllConnections()
    }, deadlineMs)
    await Promise.all([sockets.drain(), closed])
    clearTimeout(late)
    clearInterval(review)
  }

  return { listen, stop, sockets: sockets.count }
}

function namesGraphQL(url: string | undefined): boolean {
  return url === GRAPHQL_PATH || (url?.startsWith(`${GRAPHQL_PATH}?`) ?? false)
}
