import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type GraphQLError, type GraphQLFormattedError, parse } from 'graphql'
import { type Context, handleProtocols, makeServer } from 'graphql-ws'
import type { Logger } from 'pino'
import { WebSocketServer } from 'ws'
import type { Authenticate } from '../domain/access.ts'
import type { Actor } from '../domain/actor.ts'
import { Refusal } from '../errors.ts'
import { nestsDeeper } from './body.ts'
import { CLOSE, type Connection, connectionOf } from './connection.ts'
import { authorizationOf, authorizationOfSocket, refuseTokenInUrl } from './credential.ts'
import type { Deliveries } from './deliveries.ts'
import { DocumentRefusal, operationOf, type ReadDocument } from './document.ts'
import { type Execution, type Operation, SubscriptionRefused } from './execution.ts'
import type { Limits } from './limits.ts'
import type { OriginCheck } from './origin.ts'
import { type CountCalls, refuseBeyondLimit } from './rate-limit.ts'
import type { Seats } from './seats.ts'
import type { Sessions } from './session.ts'

/** GraphQL over WebSocket: graphql-transport-ws, spoken by graphql-ws, on sockets of ours. */
export interface Sockets {
  /** Answers an upgrade request for /graphql. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, isAllowed: OriginCheck): void
  count(): number
  review(now: number): void
  /** Lets running queries and mutations finish, then closes every socket with 1001. */
  drain(): Promise<void>
  terminate(): void
}

export interface SocketOptions {
  readonly execution: Execution
  readonly read: ReadDocument
  readonly countCalls: CountCalls
  readonly authenticate: Authenticate
  readonly sessions: Sessions
  readonly seats: Seats
  readonly limits: Limits
  readonly log: Logger
}

/** What is known of one socket beside the protocol's own state. */
interface Client {
  readonly connection: Connection
  /** From the upgrade request. */
  readonly header: string | null
  readonly operations: Set<AbortController>
  /** Queries and mutations under way. */
  running: number
  draining: boolean
  actor: Actor | null
  release: () => void
}

type SocketContext = Context<Record<string, unknown> | undefined, Client>

/** graphql-ws gives its hooks the arguments of GraphQL.js's execute; ours travel in the context value. */
interface Asked {
  readonly id: string
  readonly client: Client
  readonly operation: Operation
  readonly controller: AbortController
}

/** A message that was refused. Errors returned from onSubscribe would have to be of graphql-ws's own copy of GraphQL.js. */
interface Refused {
  readonly errors: readonly GraphQLFormattedError[]
}

const REFUSED_DOCUMENT = parse('{ __typename }')

export function createSockets(options: SocketOptions): Sockets {
  const { limits, seats, log } = options
  const clients = new Set<Client>()
  const webSockets = new WebSocketServer({
    noServer: true,
    maxPayload: limits.frameBytes,
    perMessageDeflate: false,
    clientTracking: false,
    handleProtocols,
  })
  const server = makeServer<Record<string, unknown> | undefined, Client>({
    connectionInitWaitTimeout: limits.initMs,
    onConnect: (context) => admit(context, options),
    onSubscribe: (context, id, payload) => askedOf(context, id, payload, options),
    execute: async (args) => (await answered(args.contextValue as Asked | Refused, options)) as never,
    subscribe: async (args) => (await delivering(args.contextValue as Asked, options)) as never,
    onNext: (_context, _id, _payload, _args, result) => result as never,
    onError: (_context, _id, _payload, errors) => errors.flatMap((error) => presented(error, options.execution)),
  })

  const accept = (connection: Connection, header: string | null) => {
    const client: Client = {
      connection,
      header,
      operations: new Set(),
      running: 0,
      draining: false,
      actor: null,
      release: () => {},
    }
    clients.add(client)
    const leave = seats.take()
    const closed = server.opened(
      {
        protocol: connection.protocol,
        send: (message) => connection.send(message) ?? undefined,
        close: (code = 1000, reason = '') => connection.close([code, reason] as never),
        onMessage: (receive) => connection.onMessage(async (message) => receiveWithin(message, receive, client, limits)),
      },
      client,
    )
    const endOperations = () => {
      for (const controller of client.operations) controller.abort()
    }
    connection.onLeaving(endOperations)
    connection.onClose((code, reason) => {
      clients.delete(client)
      leave()
      client.release()
      endOperations()
      closed(code, reason).catch((error: unknown) => log.error({ err: error }, 'a socket could not be closed in order'))
    })
  }

  return {
    upgrade(request, socket, head, isAllowed) {
      const refused = upgradeRefusal(request, isAllowed, seats.full)
      if (typeof refused === 'number') return refuseUpgrade(socket, refused)
      webSockets.handleUpgrade(request, socket, head, (webSocket) => {
        const onFault = (error: unknown) => log.error({ err: error }, 'a message failed on our side')
        accept(connectionOf(webSocket, { wire: socket, limits, onFault }), refused.header)
      })
    },
    count: () => clients.size,
    review: (now) => {
      for (const { connection } of clients) connection.review(now)
    },
    async drain() {
      await Promise.all([...clients].map(drainClient))
      webSockets.close()
    },
    terminate: () => {
      for (const { connection } of clients) connection.terminate()
    },
  }
}

/** The credential of the upgrade request, or the HTTP status it is refused with. */
function upgradeRefusal(request: IncomingMessage, isAllowed: OriginCheck, full: boolean): number | { header: string | null } {
  if (!isAllowed(request.headers.origin)) return 403
  if (full) return 503
  try {
    refuseTokenInUrl(request.url ?? '')
    return { header: authorizationOf(request) }
  } catch {
    return 401
  }
}

/** Ends an upgrade request with a status and no body. */
export function refuseUpgrade(socket: Duplex, status: number): void {
  socket.on('error', () => {})
  const retry = status === 503 ? 'retry-after: 1\r\n' : ''
  socket.end(`HTTP/1.1 ${status} Refused\r\n${retry}connection: close\r\ncontent-length: 0\r\n\r\n`)
}

/** Answers connection_init: false closes with 4403. */
async function admit(context: SocketContext, options: SocketOptions): Promise<boolean> {
  const client = context.extra
  try {
    const authorization = authorizationOfSocket(context.connectionParams, client.header)
    const actor = await options.authenticate(authorization)
    if (!client.connection.isOpen) return false
    const leave = options.seats.takeAs(actor)
    if (leave === null) {
      client.connection.close(CLOSE.tooManySockets)
      return false
    }
    client.actor = actor
    const letGo = options.sessions.hold({ authorization, actor, end: () => client.connection.close(CLOSE.forbidden) })
    client.release = () => {
      letGo()
      leave()
    }
    return true
  } catch (error) {
    if (error instanceof Refusal) return false
    throw error
  }
}

/** The nesting of a message is checked on its text: what is too deep never becomes a value. */
async function receiveWithin(
  message: string,
  receive: (message: string) => Promise<void>,
  client: Client,
  limits: Limits,
): Promise<void> {
  if (nestsDeeper(Buffer.from(message), limits.nesting)) return client.connection.close(CLOSE.badRequest)
  await receive(message)
}

type SubscribePayload = {
  readonly query: string
  readonly operationName?: string | null
  readonly variables?: Record<string, unknown> | null
}

/** Reads what a subscribe message asks for. Every refusal is an answer to its id: the other operations live on. */
function askedOf(context: SocketContext, id: string, payload: SubscribePayload, options: SocketOptions) {
  try {
    const operation = operationOfMessage(context, payload, options)
    const controller = new AbortController()
    context.extra.operations.add(controller)
    const asked: Asked = { id, client: context.extra, operation: { ...operation, signal: controller.signal }, controller }
    return {
      schema: undefined as never,
      document: operation.document,
      operationName: operation.operationName,
      contextValue: asked,
    }
  } catch (error) {
    const refused: Refused = { errors: options.execution.present(error instanceof DocumentRefusal ? error.errors : [error]) }
    return { schema: undefined as never, document: REFUSED_DOCUMENT, contextValue: refused }
  }
}

function operationOfMessage(
  context: SocketContext,
  payload: SubscribePayload,
  options: SocketOptions,
): Omit<Operation, 'signal'> {
  const { subscriptionsPerSocket } = options.limits
  const { actor } = context.extra
  if (actor === null) throw new Refusal('UNAUTHENTICATED', 'The socket is not authenticated.')
  if (Object.keys(context.subscriptions).length > subscriptionsPerSocket) {
    throw new Refusal('RATE_LIMITED', `A socket has at most ${subscriptionsPerSocket} operations at once.`)
  }
  const { query: source, operationName = null, variables } = payload
  const { document, errors } = options.read(source)
  if (document === null || errors.length > 0) throw new DocumentRefusal(errors)
  const node = operationOf(document, operationName)
  return { source, document, node, operationName, variables: variables ?? {}, actor, idempotencyKey: null }
}

async function answered(asked: Asked | Refused, { execution, countCalls }: SocketOptions) {
  if ('errors' in asked) return refusing(asked.errors)
  const { client, operation, controller } = asked
  client.running += 1
  try {
    refuseBeyondLimit(await countCalls(operation))
    const answer = await execution.answer(operation)
    return 'data' in answer ? answer : refusing(answer.errors ?? [])
  } catch (error) {
    return refusing(execution.present([error]))
  } finally {
    client.running -= 1
    client.operations.delete(controller)
    if (client.draining && client.running === 0) setImmediate(() => client.connection.close(CLOSE.goingAway))
  }
}

/**
 * Sends the answers of a subscription. They are JSON already, shared with others, so they go past graphql-ws: what it is
 * given yields nothing, and ends when the subscription does. The next event is pulled when the socket takes more.
 */
async function delivering({ id, client, operation, controller }: Asked, { execution }: SocketOptions) {
  let deliveries: Deliveries
  try {
    deliveries = await execution.subscribe(operation)
  } catch (error) {
    client.operations.delete(controller)
    if (error instanceof SubscriptionRefused) return refusing(error.errors)
    throw error
  }
  const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`
  const deliver = async () => {
    try {
      await deliveries.run((json) => client.connection.send(`${head}${json}}`))
    } finally {
      controller.abort()
      client.operations.delete(controller)
    }
  }
  return yieldingNothing(deliver, async () => deliveries.end())
}

/** What graphql-ws answers with an `error` message for the operation's id. */
function refusing(errors: readonly GraphQLFormattedError[]) {
  return yieldingNothing(
    () => Promise.reject(new SubscriptionRefused(errors)),
    () => Promise.resolve(),
  )
}

function yieldingNothing(run: () => Promise<void>, stop: () => Promise<unknown>): AsyncGenerator<never, void> {
  const over = { done: true as const, value: undefined }
  return {
    next: () => run().then(() => over),
    return: () => stop().then(() => over),
    throw: () => stop().then(() => over),
    [Symbol.asyncIterator]() {
      return this
    },
    [Symbol.asyncDispose]: () => stop().then(() => {}),
  }
}

function presented(error: GraphQLError, execution: Execution): readonly GraphQLFormattedError[] {
  const { originalError } = error
  return originalError instanceof SubscriptionRefused ? originalError.errors : execution.present([originalError ?? error])
}

function drainClient(client: Client): Promise<void> {
  const gone = new Promise<void>((resolve) => client.connection.onClose(() => resolve()))
  client.draining = true
  if (client.running === 0) client.connection.close(CLOSE.goingAway)
  return gone
}
