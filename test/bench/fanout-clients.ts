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

/** Reads no more of a message than it must: this process shares the machine with what it measures. */
function onMessage(socket: WebSocket, text: string, open: PromiseWithResolvers<void>): void {
  if (text.startsWith('{"type":"connection_ack"')) {
    socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: { query } }))
    open.resolve()
    return
  }
  const at = text.indexOf('"at":"')
  if (at < 0) throw new Error(text)
  if (began === 0) began = performance.now()
  delivered += 1
  if (latencies.length < 200_000) latencies.push(Date.now() - Date.parse(text.slice(at + 6, at + 30)))
  if (delivered === expected) answer()
}

function answer(): void {
  process.send?.({ seconds: (performance.now() - began) / 1000, latencies: latencies.toSorted((a, b) => a - b) })
}

function subscribe(): Promise<void> {
  const open = Promise.withResolvers<void>()
  const socket = new WebSocket(url!, 'graphql-transport-ws', { perMessageDeflate: false })
  socket.on('open', () => socket.send(JSON.stringify({ type: 'connection_init', payload: { authorization: `Bearer ${key}` } })))
  socket.on('message', (data) => {
    const text = (data as Buffer).toString('latin1')
    if (text === '{"type":"ping"}') socket.send('{"type":"pong"}')
    else onMessage(socket, text, open)
  })
  socket.on('error', open.reject)
  return open.promise
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
