import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** The way between a command and a server, on which things happen. */
export interface Way {
  readonly url: string
  /** How many calls for this were answered by the server. */
  count(operation: string): number
  /** Called once the server has answered, and before the command hears of it. */
  onAnswer: (operation: string, count: number) => Promise<void> | void
  /** Called when a socket is opened. */
  onSocket: () => void
  /** What the way itself answers instead of the server: a status. `bytes` is how long the call is. */
  refuse: (operation: string, bytes: number) => number | null
  /** Ends every socket. */
  cut(): void
  close(): Promise<void>
}

/** Opens one to a server on loopback. */
export async function openWay(serverUrl: string): Promise<Way> {
  const counts = new Map<string, number>()
  const sockets = new Set<Socket>()
  const server = createServer(async (request, response) => {
    const body = await buffer(request)
    const operation = /\b(createBulkJob|addBulkUsers|runBulkJob|bulkJob)\b/.exec(body.toString())?.[1] ?? 'other'
    const refused = way.refuse(operation, body.length)
    if (refused !== null) {
      response.writeHead(refused).end('not now')
      return
    }
    const { authorization = '' } = request.headers
    const answer = await fetch(`${serverUrl}${request.url}`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body,
    })
    const text = await answer.text()
    const count = (counts.get(operation) ?? 0) + 1
    counts.set(operation, count)
    await way.onAnswer(operation, count)
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text)
  })
  server.on('upgrade', (request, socket: Socket, head) => {
    way.onSocket()
    const { hostname, port } = new URL(serverUrl)
    const there = connect(Number(port), hostname, () => {
      there.write(`${headOf(request)}\r\n\r\n`)
      there.write(head)
      socket.pipe(there).pipe(socket)
    })
    for (const one of [socket, there]) {
      sockets.add(one)
      one.on('error', () => {}).on('close', () => [socket, there].map((each) => each.destroy()))
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const way: Way = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    count: (operation) => counts.get(operation) ?? 0,
    onAnswer: () => {},
    onSocket: () => {},
    refuse: () => null,
    cut() {
      for (const socket of sockets) socket.destroy()
    },
    async close() {
      way.cut()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return way
}

function headOf({ method, url, rawHeaders }: IncomingMessage): string {
  const headers = Array.from(
    { length: rawHeaders.length / 2 },
    (_, index) => `${rawHeaders[2 * index]}: ${rawHeaders[2 * index + 1]}`,
  )
  return [`${method} ${url} HTTP/1.1`, ...headers].join('\r\n')
}
