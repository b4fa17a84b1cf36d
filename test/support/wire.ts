import { once } from 'node:events'
import { type AddressInfo, createConnection, createServer, type Socket } from 'node:net'

/** A wire that can be cut: everything between its port and another on loopback goes through it. */
export interface Wire {
  readonly port: number
  /** Bytes that came back from the target, delivered or not. */
  readonly repliedBytes: number
  /** Resets every connection there is; new ones pass. */
  cut(): void
  /** Lets nothing more through on the connections there are and tells neither side; new ones pass. */
  blackHole(): void
  /** From now on, or no longer, keeps what the target answers. What is asked passes. */
  holdReplies(hold: boolean): void
  /** Once: passes on the nth thing asked that holds this text, keeps what is answered to it, and resets the connection. */
  loseReplyTo(text: string, nth: number): Promise<void>
  close(): Promise<void>
}

/** @param target the port on 127.0.0.1, or the socket's path, it leads to; asked for each new connection */
export async function startWire(target: () => number | string): Promise<Wire> {
  const pairs = new Set<{ readonly client: Socket; readonly upstream: Socket; dark: boolean }>()
  let holding = false
  let losing: { readonly text: string; left: number; readonly lost: () => void } | null = null
  let repliedBytes = 0
  const server = createServer((client) => {
    const upstream = connectTo(target())
    const pair = { client, upstream, dark: false }
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      client.destroy()
      upstream.destroy()
    }
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      socket.on('close', () => pair.dark || end())
    }
    let onReply: (() => void) | null = null
    client.on('data', (bytes) => {
      if (losing !== null && bytes.includes(losing.text)) losing.left -= 1
      if (losing?.left === 0) {
        onReply = losing.lost
        losing = null
      }
      if (!pair.dark) upstream.write(bytes)
    })
    upstream.on('data', (bytes) => {
      repliedBytes += bytes.length
      if (onReply !== null) {
        client.resetAndDestroy()
        return onReply()
      }
      if (!pair.dark && !holding) client.write(bytes)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  function destroyAll(): void {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy()
      upstream.destroy()
    }
    pairs.clear()
  }

  return {
    port: (server.address() as AddressInfo).port,
    get repliedBytes() {
      return repliedBytes
    },
    cut: destroyAll,
    blackHole() {
      for (const pair of pairs) pair.dark = true
    },
    holdReplies(hold) {
      holding = hold
    },
    loseReplyTo: (text, nth) =>
      new Promise((lost) => {
        losing = { text, left: nth, lost }
      }),
    async close() {
      const closed = once(server, 'close')
      server.close()
      destroyAll()
      await closed
    },
  }
}

function connectTo(target: number | string): Socket {
  return typeof target === 'string' ? createConnection({ path: target }) : createConnection({ port: target, host: '127.0.0.1' })
}
