import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

/** One event as its subscriber got it. */
export interface SeenEvent {
  readonly id: string
  readonly cursor: string
  readonly type: string
  readonly status: string
  readonly messageId: string
  readonly at: string
}

export interface Subscriber {
  /** Everything received, over however many sockets. */
  readonly seen: readonly SeenEvent[]
  /** How often it had to connect again. */
  readonly reconnects: number
  close(): Promise<void>
}

const EVENTS = `subscription ($after: String) {
  messageEvents(filter: { all: true }, after: $after) { id cursor type status messageId at }
}`
/** A socket that answers no ping within this time is given up. */
const SILENCE_MS = 1_000
const AGAIN_MS = 50

/**
 * Follows the whole log as a client would that must miss nothing: whatever happens to its socket, it connects again and
 * goes on after the last cursor it has.
 *
 * @param after where to begin; a logCursor
 */
export function subscribe(options: {
  readonly port: number
  readonly key: string
  readonly after: string
  readonly on?: (event: SeenEvent) => void
}): Subscriber {
  const seen: SeenEvent[] = []
  const stop = new AbortController()
  let reconnects = 0

  async function follow(): Promise<void> {
    while (!stop.signal.aborted) {
      await once(seen.at(-1)?.cursor ?? options.after).catch(() => {})
      if (stop.signal.aborted) return
      reconnects += 1
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
    }
  }

  /** One socket's life. Ends or rejects with it. */
  async function once(after: string): Promise<void> {
    const client = connect(options.port, options.key)
    const end = () => void client.dispose()
    stop.signal.addEventListener('abort', end)
    try {
      for await (const { data, errors } of client.iterate<{ messageEvents: SeenEvent }>({
        query: EVENTS,
        variables: { after },
      })) {
        if (errors || !data) throw new Error(JSON.stringify(errors))
        seen.push(data.messageEvents)
        options.on?.(data.messageEvents)
      }
    } finally {
      stop.signal.removeEventListener('abort', end)
      client.terminate()
    }
  }

  const following = follow()
  return {
    seen,
    get reconnects() {
      return reconnects
    },
    async close() {
      stop.abort()
      await following
    },
  }
}

function connect(port: number, key: string) {
  let silence: NodeJS.Timeout | undefined
  const client = createClient({
    url: `ws://127.0.0.1:${port}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    lazy: true,
    retryAttempts: 0,
    keepAlive: 300,
    // A reply that never comes must not hold up the first ping.
    connectionAckWaitTimeout: SILENCE_MS * 3,
    on: {
      ping: (received) => {
        if (!received) silence = setTimeout(() => client.terminate(), SILENCE_MS)
      },
      pong: (received) => {
        if (received) clearTimeout(silence)
      },
      closed: () => clearTimeout(silence),
    },
  })
  return client
}
