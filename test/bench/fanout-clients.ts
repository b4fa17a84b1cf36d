import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

/**
 * Many sockets in a process of their own, each with one subscription to the same topic. Told `{ expect: n }` it says that it
 * counts, and `{ seconds, latencies }` once every socket has had n events; latencies are milliseconds from the event's `at`.
 */
const { URL: url, KEY: key, SOCKETS, QUERY: query } = process.env as Record<string, string>
const sockets = Number(SOCKETS)

let expected = Number.POSITIVE_INFINITY
let delivered = 0
let latencies: number[] = []
let began = 0

interface Delivered {
  readonly event: { readonly at: string }
}

function onEvent({ event }: Delivered): void {
  if (began === 0) began = performance.now()
  delivered += 1
  if (latencies.length < 200_000) latencies.push(Date.now() - Date.parse(event.at))
  if (delivered === expected) answer()
}

function answer(): void {
  process.send?.({ seconds: (performance.now() - began) / 1000, latencies: latencies.toSorted((a, b) => a - b) })
}

async function subscribe(): Promise<void> {
  const open = Promise.withResolvers<void>()
  const client = createClient({
    url: url!,
    webSocketImpl: WebSocket,
    lazy: false,
    retryAttempts: 0,
    connectionParams: { authorization: `Bearer ${key}` },
    onNonLazyError: open.reject,
  })
  client.on('connected', () => open.resolve())
  await open.promise
  client.subscribe<Delivered>(
    { query: query! },
    {
      next: ({ data, errors }) => {
        if (errors || !data) throw new Error(JSON.stringify(errors))
        onEvent(data)
      },
      error: (error) => {
        throw error
      },
      complete: () => {},
    },
  )
}

for (let made = 0; made < sockets; made += 50) {
  await Promise.all(Array.from({ length: Math.min(50, sockets - made) }, subscribe))
}
process.on('message', ({ expect }: { expect?: number }) => {
  if (expect === undefined) return
  expected = expect * sockets
  delivered = 0
  began = 0
  latencies = []
  process.send?.({ ready: true })
})
process.on('SIGTERM', () => process.exit(0))
process.stdout.write(`${JSON.stringify({ url: 'ready' })}\n`)
