import type { IncomingHttpHeaders } from 'node:http'
import { Agent, buildConnector, type Dispatcher } from 'undici'
import { isPlain } from './address.ts'
import { AddressRefused, createCheckedLookup, type Resolve, resolveBySystem } from './lookup.ts'
import type { AddressGuard, HttpCall, HttpDoor, HttpReply } from './provider.ts'

const MAX_BODY_BYTES = 16 * 1024
const MAX_HEADER_BYTES = 16 * 1024
/** A server that hangs must not take every socket there is; what waits for one has not been sent. */
const CONNECTIONS_PER_ORIGIN = 64
/** One connection carries many calls at once; undici opens up to 100 streams on each, or as many as the server allows. */
const HTTP2_CONNECTIONS_PER_ORIGIN = 4

export interface HttpDoorOptions {
  readonly guard: AddressGuard
  /** In milliseconds. connect: 5,000, TLS included. total: 15,000, from the call to the last byte that is read. */
  readonly timeouts?: { readonly connect?: number; readonly total?: number }
  /** Default: the system's resolver. */
  readonly resolve?: Resolve
}

/**
 * The one door out for HTTP. It follows no redirect (a 3xx is an answer), checks every address a name resolves to and
 * the one connected to, verifies TLS always, and reads at most 16 KiB of an answer, or the call's own `maxBytes`: the rest
 * is cut, the status counts. A call that asks for HTTP/2 gets it where the server offers it (ALPN), otherwise HTTP/1.1.
 */
export function createHttpDoor(options: HttpDoorOptions): HttpDoor & { close(): Promise<void> } {
  const { guard, timeouts = {}, resolve = resolveBySystem } = options
  const connectMs = timeouts.connect ?? 5_000
  const totalMs = timeouts.total ?? 15_000
  // Apart, so that no connection opened to a trusted address is used for a call that has to be checked.
  const [guarded, trusted] = [guard, null].map((each) => ({
    http1: createAgent(createConnector({ guard: each, resolve, timeout: connectMs, http2: false }), false),
    http2: createAgent(createConnector({ guard: each, resolve, timeout: connectMs, http2: true }), true),
  })) as [Agents, Agents]

  async function request(call: HttpCall): Promise<HttpReply> {
    const refused = call.trusted ? null : guard.refuseUrl(call.url)
    if (refused !== null) return { kind: 'refused', error: refused }
    const agents = call.trusted ? trusted : guarded
    return exchange(call.http2 ? agents.http2 : agents.http1, call, totalMs)
  }

  async function close(): Promise<void> {
    await Promise.all([guarded, trusted].flatMap(({ http1, http2 }) => [http1.destroy(), http2.destroy()]))
  }

  return { request, guard, close }
}

interface Agents {
  readonly http1: Agent
  readonly http2: Agent
}

function createAgent(connect: buildConnector.connector, http2: boolean): Agent {
  const limits = http2 ? { connections: HTTP2_CONNECTIONS_PER_ORIGIN } : { connections: CONNECTIONS_PER_ORIGIN, pipelining: 1 }
  return new Agent({ connect, maxHeaderSize: MAX_HEADER_BYTES, ...limits })
}

interface ConnectorOptions {
  /** Null: every address may be reached. */
  readonly guard: AddressGuard | null
  readonly resolve: Resolve
  /** In milliseconds, TLS included. */
  readonly timeout: number
  readonly http2: boolean
}

function createConnector({ guard, resolve, timeout, http2 }: ConnectorOptions): buildConnector.connector {
  const build = (refuse: (ip: string) => string | null) =>
    buildConnector({ timeout, allowH2: http2, preferH2: http2, lookup: createCheckedLookup(resolve, refuse) })
  return guard ? guardConnector(guard, build) : build(() => null)
}

/** Names are checked when they are resolved, and whatever was connected to once more: a lookup is not called for literals. */
function guardConnector(
  guard: AddressGuard,
  build: (refuse: (ip: string) => string | null) => buildConnector.connector,
): buildConnector.connector {
  const connectors = [false, true].map((plain) => build((ip) => guard.refuseAddress(ip, plain)))
  return (target, callback) => {
    const plain = isPlain(new URL(`${target.protocol}//${target.host ?? target.hostname}`))
    connectors[plain ? 1 : 0]!(target, (...result) => {
      const [error, socket] = result
      if (error !== null) return callback(error, null)
      if (guard.refuseAddress(socket.remoteAddress ?? '', plain) === null) return callback(null, socket)
      socket.destroy()
      callback(new AddressRefused(), null)
    })
  }
}

/** One request and what came of it, by all means within the time. */
function exchange(agent: Agent, call: HttpCall, totalMs: number): Promise<HttpReply> {
  const url = new URL(call.url)
  return new Promise((settle) => {
    const exchanged = new Exchange(settle, totalMs, call)
    agent.dispatch(
      {
        origin: url.origin,
        path: url.pathname + url.search,
        method: call.method,
        headers: { 'user-agent': 'Carillon', ...call.headers },
        body: call.body ?? null,
        // The total time is the only clock: undici's own would end a slow answer that is still within it.
        headersTimeout: 0,
        bodyTimeout: 0,
      },
      exchanged,
    )
  })
}

/** Undici calls onRequestStart right before it writes the first byte: until then nothing was sent. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #settle: (reply: HttpReply) => void
  readonly #signal: AbortSignal | undefined
  readonly #maxBytes: number
  readonly #whole: boolean
  readonly #timer: NodeJS.Timeout
  readonly #chunks: Buffer[] = []
  #size = 0
  #controller: Dispatcher.DispatchController | undefined
  #head: { status: number; headers: Record<string, string> } | undefined
  /** All of the answer that is to be read has been read. */
  #isRead = false
  #done = false

  constructor(settle: (reply: HttpReply) => void, totalMs: number, call: HttpCall) {
    const { signal, maxBytes = MAX_BODY_BYTES, whole = false } = call
    this.#settle = settle
    this.#signal = signal
    this.#maxBytes = maxBytes
    this.#whole = whole
    // Not AbortSignal.timeout: one that has served its call would still fire, with an exception and its stack.
    this.#timer = setTimeout(this.#stop, totalMs)
    signal?.addEventListener('abort', this.#stop, { once: true })
    if (signal?.aborted) this.#stop()
  }

  readonly #stop = (): void => {
    this.#finish()
    this.#controller?.abort(new Error('The call took too long.'))
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#done) controller.abort(new Error('The call was given up before it was written.'))
    else this.#controller = controller
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Informational answers (1xx) come before the one that counts.
    if (status >= 200) this.#head = { status, headers: flatten(headers) }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.#maxBytes - this.#size
    this.#chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk)
    this.#size += chunk.length
    if (this.#size < this.#maxBytes) return
    this.#isRead = true
    this.#finish()
    controller.abort(new Error('The answer was longer than is read.'))
  }

  onResponseEnd(): void {
    this.#isRead = true
    this.#finish()
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#finish(error)
  }

  /** A status that came counts, whatever became of the body after it, unless the body is what was asked for. */
  #finish(error?: Error): void {
    if (this.#done) return
    this.#done = true
    clearTimeout(this.#timer)
    this.#signal?.removeEventListener('abort', this.#stop)
    if (this.#head && (this.#isRead || !this.#whole)) {
      const bytes = Buffer.concat(this.#chunks)
      const body = this.#whole ? { body: '', bytes } : { body: bytes.toString('utf8') }
      this.#settle({ kind: 'answered', ...this.#head, ...body })
    } else if (error instanceof AddressRefused) {
      this.#settle({ kind: 'refused', error: error.message })
    } else if (this.#controller) {
      this.#settle({ kind: 'unknown', error: 'The request was sent, but no answer came.' })
    } else {
      this.#settle({ kind: 'failed', error: sentenceForFailure(error) })
    }
  }
}

function flatten(headers: IncomingHttpHeaders): Record<string, string> {
  const flat: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) flat[name.toLowerCase()] = Array.isArray(value) ? value.join(', ') : String(value)
  }
  return flat
}

/** Says that TLS failed, which its operator can mend, and nothing else about what was met. */
function sentenceForFailure(error: (Error & { code?: string }) | undefined): string {
  const isTls = /^(?:ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|HOSTNAME_MISMATCH)/.test(error?.code ?? '')
  return isTls ? 'The TLS certificate of the server was not accepted.' : 'The server could not be reached.'
}
