import { EventEmitter, on } from 'node:events'
import net from 'node:net'
import { buildSchema, type GraphQLObjectType, type GraphQLSchema } from 'graphql'
import pino from 'pino'
import { WebSocket } from 'ws'
import type { Actor, TokenActor } from '../../src/domain/actor.ts'
import { Refusal } from '../../src/errors.ts'
import { createServer, type Server, type ServerOptions } from '../../src/server/server.ts'

/** A schema shaped like ours, its events, and counters of what was executed. */
export interface World {
  readonly schema: GraphQLSchema
  readonly bell: EventEmitter
  readonly sent: string[]
  readonly calls: { title: number; open: number; slow: number }
  readonly logged: string[]
}

export interface Context {
  readonly actor: Actor
  readonly idempotencyKey: string | null
  readonly signal: AbortSignal
}

export interface TestEvent {
  readonly cursor: string
  readonly title: string
}

const SDL = `
  type Query { messages(first: Int, after: String): Messages! message(id: ID!): Message fault: String slow: String whoami: String! }
  type Messages { nodes: [Message!]! }
  type Message { id: ID! status: String! recipient: Recipient }
  type Recipient { id: ID! messages(first: Int): Messages! }
  input SendInput { to: [RecipientInput!]! title: String first: Int }
  input RecipientInput { email: String! }
  type Mutation { send(input: SendInput!): SendPayload! cancel(id: ID!): Message }
  type SendPayload { id: ID! idempotencyKey: String }
  type Event { cursor: String! title: String! echo(text: String): String who: String! messages(first: Int): Messages! }
  type Subscription { messageEvents(after: String, all: Boolean): Event! failing: Event! }
`

export function createWorld(): World {
  const schema = buildSchema(SDL)
  const bell = new EventEmitter().setMaxListeners(0)
  const world: World = { schema, bell, sent: [], calls: { title: 0, open: 0, slow: 0 }, logged: [] }
  const fields = (name: string) => (schema.getType(name) as GraphQLObjectType).getFields()
  const message = (id: string) => ({ id, status: 'SENT' })

  Object.assign(fields('Query').messages!, {
    resolve: (_: unknown, { first = 10 }: { first?: number }) => {
      if (first < 0 || first > 100)
        throw new Refusal('BAD_USER_INPUT', 'first must be 0 to 100.', {
          issues: [{ path: ['first'], message: 'must be 0 to 100' }],
        })
      return { nodes: [message('m1')] }
    },
  })
  fields('Query').message!.resolve = (_, { id }) => {
    if (id !== 'm1') throw new Refusal('NOT_FOUND', `The message '${id}' was not found.`)
    return message(id)
  }
  fields('Query').fault!.resolve = () => {
    throw new Error('secret-database-host is down')
  }
  fields('Query').slow!.resolve = () => {
    world.calls.slow += 1
    return new Promise((resolve) => setTimeout(resolve, 300, 'done'))
  }
  fields('Query').whoami!.resolve = (_, __, { actor }: Context) => JSON.stringify(actor)
  fields('Mutation').send!.resolve = (_, { input }, { idempotencyKey }: Context) => {
    world.sent.push(input.title ?? 'untitled')
    return { id: `r${world.sent.length}`, idempotencyKey }
  }
  fields('Mutation').cancel!.resolve = (_, { id }) => {
    world.sent.push(`cancel ${id}`)
    return message(id)
  }
  fields('Event').title!.resolve = async (event: TestEvent) => {
    world.calls.title += 1
    return event.title
  }
  fields('Event').echo!.resolve = (_, { text }) => text
  fields('Event').who!.resolve = (_, __, { actor }: Context) =>
    actor.kind === 'key' ? actor.environmentId : String(actor.userId)
  fields('Subscription').failing!.subscribe = async function* () {
    yield { cursor: '1', title: 'one' }
    throw new Refusal('CURSOR_EXPIRED', 'The cursor is older than the log.')
  }
  for (const name of ['messageEvents', 'failing']) fields('Subscription')[name]!.resolve = (event: unknown) => event
  fields('Subscription').messageEvents!.subscribe = (_, { after }: { after?: string }, { signal }: Context) => {
    if (after === 'AAAA') throw new Refusal('BAD_CURSOR', 'This is not a cursor of this stream.')
    return eventsOf(world, signal)
  }
  return world
}

async function* eventsOf(world: World, signal: AbortSignal): AsyncGenerator<TestEvent> {
  world.calls.open += 1
  try {
    for await (const [event] of on(world.bell, 'event', { signal })) yield event as TestEvent
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    world.calls.open -= 1
  }
}

const KEYS: Record<string, string> = { 'Bearer ck_a': 'a', 'Bearer ck_a2': 'a', 'Bearer ck_b': 'b' }

/** Knows ck_a and ck_a2 (environment a), ck_b (environment b) and user tokens `ut_<user>`; `ut_<user>_<ms>` expires so soon. */
export function authenticateWith(revoked: ReadonlySet<string>) {
  return async (authorization: string | null): Promise<Actor> => {
    const environmentId = KEYS[authorization ?? '']
    if (revoked.has(authorization ?? '')) throw new Refusal('UNAUTHENTICATED', 'The key was revoked.')
    if (environmentId) return { kind: 'key', environmentId, keyId: authorization!, scopes: ['ADMIN'], mode: 'LIVE' }
    const [, user, ms = '60000'] = /^Bearer ut_([a-z0-9]+)(?:_(\d+))?$/.exec(authorization ?? '') ?? []
    if (!user) throw new Refusal('UNAUTHENTICATED', 'Give a valid API key or token.')
    const token: TokenActor = {
      kind: 'token',
      environmentId: 'a',
      userId: user,
      tenantId: null,
      requestIds: [],
      jobIds: [],
      scopes: ['INBOX_READ'],
      expiresAt: new Date(Date.now() + Number(ms)),
    }
    return token
  }
}

export interface Running extends AsyncDisposable {
  readonly server: Server
  readonly world: World
  readonly url: string
  readonly port: number
  readonly revoked: Set<string>
}

export async function start(options: Partial<ServerOptions> = {}): Promise<Running> {
  const world = createWorld()
  const revoked = new Set<string>()
  const log = pino({ level: 'info' }, { write: (line: string) => void world.logged.push(line) })
  const server = createServer({
    api: true,
    schema: world.schema,
    host: '127.0.0.1',
    port: 0,
    production: false,
    allowedOrigins: ['https://app.customer.com', 'https://second.customer.com'],
    authenticate: authenticateWith(revoked),
    contextFor: (input) => input,
    routes: [],
    ready: async () => true,
    metricsText: async () => 'carillon_up 1\n',
    log,
    ...options,
  })
  const { url, port } = await server.listen()
  let stopped = false
  const stop = server.stop
  server.stop = (how) => {
    stopped = true
    return stop(how)
  }
  return {
    server,
    world,
    url,
    port,
    revoked,
    [Symbol.asyncDispose]: async () => (stopped ? undefined : server.stop({ deadlineMs: 200 })),
  }
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: {
    data?: Record<string, unknown> | null
    errors?: { message: string; path?: unknown; extensions: Record<string, unknown> }[]
  }
}

/** POSTs to /graphql with a valid key; `body` is sent as it is when it is no object. */
export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/graphql-response+json',
      authorization: 'Bearer ck_a',
      ...headers,
    },
    body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  })
  const text = await response.text()
  return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} }
}

/** Writes bytes to the port and gives back all that comes until the other side closes. */
export function raw(port: number, bytes: string | Buffer, quietMs = 3_000): Promise<string> {
  return new Promise((resolve) => {
    let received = ''
    const socket = net.connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.setTimeout(quietMs, () => socket.destroy())
    socket.on('data', (data) => {
      received += data
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(received))
  })
}

export interface Message {
  readonly type: string
  readonly id?: string
  readonly payload?: { data?: Record<string, unknown> | null; errors?: Reply['body']['errors'] } & Reply['body']['errors']
}

/** A WebSocket client that speaks the protocol by hand, so that tests can say what no library would. */
export class Client {
  readonly socket: WebSocket
  readonly messages: Message[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  readonly #bell = new EventEmitter()

  constructor(
    port: number,
    options: { headers?: Record<string, string>; protocol?: string | null; path?: string; autoPong?: boolean } = {},
  ) {
    const { headers, protocol = 'graphql-transport-ws', path = '/graphql', autoPong = true } = options
    this.socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocol ?? [], { headers, autoPong })
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
    this.socket.on('error', () => {})
    this.socket.on('message', (data) => {
      this.messages.push(JSON.parse(String(data)))
      this.#bell.emit('message')
    })
  }

  async open(): Promise<this> {
    if (this.socket.readyState !== WebSocket.OPEN) await new Promise((resolve) => this.socket.once('open', resolve))
    return this
  }

  /** Opens, says hello with a key or token, and waits for the answer. */
  async init(authorization: unknown = 'Bearer ck_a'): Promise<this> {
    await this.open()
    this.say({ type: 'connection_init', payload: { authorization } })
    await this.until((message) => message.type === 'connection_ack')
    return this
  }

  say(message: unknown): void {
    this.socket.send(typeof message === 'string' || message instanceof Buffer ? message : JSON.stringify(message))
  }

  subscribe(id: string, query: string, variables?: unknown): void {
    this.say({ id, type: 'subscribe', payload: { query, variables } })
  }

  async until(matches: (message: Message) => boolean): Promise<Message> {
    for (;;) {
      const found = this.messages.find(matches)
      if (found) return found
      await Promise.race([
        new Promise((resolve) => this.#bell.once('message', resolve)),
        this.closed.then(({ code }) => {
          if (!this.messages.some(matches)) throw new Error(`closed with ${code}`)
        }),
      ])
    }
  }

  of(id: string): Message[] {
    return this.messages.filter((message) => message.id === id)
  }
}

/** Waits until something is so, looking again each few milliseconds. */
export async function eventually(holds: () => boolean, withinMs = 5_000): Promise<void> {
  const until = Date.now() + withinMs
  while (!holds()) {
    if (Date.now() > until) throw new Error('it never came to be')
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
