/** What one caller may ask of the process. Bytes, milliseconds and counts; app.ts sets them from the configuration. */
export interface Limits {
  /** Of one HTTP body. */
  readonly bodyBytes: number
  /** Of one WebSocket message. */
  readonly frameBytes: number
  /** How deep JSON may nest, in a body and in a message. */
  readonly nesting: number
  /** Lexical tokens of a document. */
  readonly tokens: number
  /** Levels of fields; introspection has a rule of its own in GraphQL.js. */
  readonly depth: number
  readonly aliases: number
  /** Aliases of a document that changes something. */
  readonly mutationAliases: number
  readonly directives: number
  /** By the weights of GraphQL Armor: 2 an object, 1 a scalar, times 1.5 a level, times a literal page size. */
  readonly cost: number
  /** Of one page of a list, as the graph holds it. */
  readonly pageSize: number
  /** The rows an operation may bring, the pages within its pages multiplied, variables included. */
  readonly rows: number
  /** How long a query may take. What changes something is never given up: it would be reported failed and yet be done. */
  readonly queryMs: number
  /** How many errors an answer lists. */
  readonly errors: number
  readonly subscriptionsPerSocket: number
  /** Sockets and streams. Counted for user tokens, not for API keys. */
  readonly socketsPerUser: number
  /** Sockets and streams. */
  readonly socketsPerProcess: number
  /** Messages and control frames a socket may send each second, and twice as many at once. */
  readonly messagesPerSecond: number
  /** What may wait for a client that reads slowly before its events are no longer pulled. */
  readonly bufferedBytes: number
  /** How long a client may leave that unread. */
  readonly stalledMs: number
  /** Until connection_init. */
  readonly initMs: number
  readonly pingMs: number
  /** Until the answer to a ping. */
  readonly pongMs: number
  /** Until a request's headers are there, and until its body is. */
  readonly headersMs: number
  readonly requestMs: number
  /** How often the credential of what stays open (sockets, streams) is looked at again. */
  readonly reauthenticateMs: number
}

/** Sized after OWASP's cheat sheets for WebSocket and GraphQL. */
export const DEFAULT_LIMITS: Limits = {
  bodyBytes: 6 * 1024 * 1024,
  frameBytes: 64 * 1024,
  nesting: 64,
  tokens: 1_000,
  depth: 10,
  aliases: 15,
  mutationAliases: 5,
  directives: 20,
  cost: 20_000,
  pageSize: 100,
  rows: 10_000,
  queryMs: 10_000,
  errors: 5,
  subscriptionsPerSocket: 50,
  socketsPerUser: 20,
  socketsPerProcess: 5_000,
  messagesPerSecond: 100,
  bufferedBytes: 1024 * 1024,
  stalledMs: 30_000,
  initMs: 3_000,
  pingMs: 12_000,
  pongMs: 15_000,
  headersMs: 10_000,
  requestMs: 30_000,
  reauthenticateMs: 30_000,
}
