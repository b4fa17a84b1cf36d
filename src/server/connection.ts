import type { Duplex } from 'node:stream'
import type { RawData, WebSocket } from 'ws'
import type { Limits } from './limits.ts'

/** The close codes we use; graphql-ws's clients come back after these, and give up after most others. */
export const CLOSE = {
  goingAway: [1001, 'Going away'],
  tryAgainLater: [1013, 'Too slow'],
  tooManyMessages: [1013, 'Too many messages'],
  badRequest: [4400, 'Invalid message received'],
  forbidden: [4403, 'Forbidden'],
  tooManySockets: [4403, 'Too many sockets'],
  fault: [4500, 'Internal server error'],
} as const satisfies Record<string, readonly [number, string]>

export type CloseReason = (typeof CLOSE)[keyof typeof CLOSE]

/**
 * One WebSocket, with what keeps its client from harming others: how fast it may talk, how much may wait for it, and
 * whether it is still there.
 */
export interface Connection {
  readonly protocol: string
  readonly isOpen: boolean
  /** Writes a text message. Null: more may follow at once; otherwise what to wait for, until the client has read. */
  send(message: string): Promise<void> | null
  close(reason: CloseReason): void
  onMessage(receive: (message: string) => Promise<void>): void
  /** Once, as soon as we close it: a client that does not read may take long to be gone. */
  onLeaving(leaving: () => void): void
  onClose(closed: (code: number, reason: string) => void): void
  /** Pings it, or ends it when it is gone or has not read for too long; to be called each second or so. */
  review(now: number): void
  terminate(): void
}

type ConnectionLimits = Pick<Limits, 'bufferedBytes' | 'stalledMs' | 'pingMs' | 'pongMs' | 'messagesPerSecond'>

export interface ConnectionOptions {
  /** What the WebSocket writes to. */
  readonly wire: Duplex
  readonly limits: ConnectionLimits
  onFault(error: unknown): void
}

/** Wraps a socket that was just opened. */
export function connectionOf(socket: WebSocket, { wire, limits, onFault }: ConnectionOptions): Connection {
  const gather = gathering(wire)
  const spend = tokenBucket(limits.messagesPerSecond)
  let stalledSince: number | null = null
  let pingedAt = Date.now()
  let awaitsPong = false

  let leave: () => void = () => {}
  const close = ([code, reason]: CloseReason) => {
    socket.close(code, reason)
    leave()
  }
  const mayTalk = (): boolean => {
    if (socket.readyState !== socket.OPEN) return false
    if (spend(Date.now())) return true
    close(CLOSE.tooManyMessages)
    return false
  }

  socket.on('ping', mayTalk)
  socket.on('pong', () => {
    awaitsPong = false
    mayTalk()
  })
  // ws reports here what a client did wrong (a message too long: 1009) and closes by itself.
  socket.on('error', () => {})

  const send = (message: string): Promise<void> | null => {
    if (socket.readyState !== socket.OPEN) return null
    gather()
    if (socket.bufferedAmount + message.length <= limits.bufferedBytes) {
      socket.send(message)
      return null
    }
    stalledSince ??= Date.now()
    return new Promise((resolve) => {
      socket.send(message, () => {
        if (socket.bufferedAmount <= limits.bufferedBytes) stalledSince = null
        resolve()
      })
    })
  }

  return {
    get protocol() {
      return socket.protocol
    },
    get isOpen() {
      return socket.readyState === socket.OPEN
    },
    send,
    close,
    onMessage(receive) {
      socket.on('message', (data: RawData, isBinary: boolean) => {
        if (!mayTalk()) return
        if (isBinary) return close(CLOSE.badRequest)
        receive(String(data)).catch((error: unknown) => {
          onFault(error)
          close(CLOSE.fault)
        })
      })
    },
    onLeaving(leaving) {
      leave = leaving
    },
    onClose: (closed) => socket.once('close', (code, reason) => closed(code, String(reason))),
    review(now) {
      if (socket.readyState !== socket.OPEN) return
      if (stalledSince !== null && now - stalledSince >= limits.stalledMs) return close(CLOSE.tryAgainLater)
      if (awaitsPong && now - pingedAt >= limits.pongMs) return socket.terminate()
      if (awaitsPong || now - pingedAt < limits.pingMs) return
      pingedAt = now
      awaitsPong = true
      socket.ping()
    },
    terminate: () => socket.terminate(),
  }
}

/** Has what is written until the end of this tick leave in one system call: a burst is many small messages. */
function gathering(wire: Duplex): () => void {
  let gathers = false
  const release = () => {
    gathers = false
    wire.uncork()
  }
  return () => {
    if (gathers) return
    gathers = true
    wire.cork()
    process.nextTick(release)
  }
}

/** Allows `perSecond` things a second, and twice as many at once. */
function tokenBucket(perSecond: number): (now: number) => boolean {
  const capacity = 2 * perSecond
  let tokens = capacity
  let filledAt = Date.now()
  return (now) => {
    tokens = Math.min(capacity, tokens + ((now - filledAt) / 1_000) * perSecond)
    filledAt = now
    if (tokens < 1) return false
    tokens -= 1
    return true
  }
}
