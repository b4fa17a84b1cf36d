import { connect, type Socket } from 'node:net'
import { AddressRefused, createCheckedLookup, resolveBySystem } from './lookup.ts'
import type { AddressGuard } from './provider.ts'

const CONNECT_MS = 10_000
/** Of relaying and submission (RFC 5321, RFC 6409, RFC 8314), and the one that gets past networks which block the first. */
const MAIL_PORTS = new Set([25, 465, 587, 2525])

export interface Connected {
  readonly connection: Socket
  /** Credentials go in the clear to the operator's own networks only. */
  readonly requireTLS: boolean
}

/** Nothing was connected, so nothing was sent. */
export class NotConnected extends Error {
  constructor(cause: unknown) {
    super('The mail server could not be reached.', { cause })
    this.name = 'NotConnected'
  }
}

/**
 * Connects to a mail server. With a guard, the host, every address it resolves to and the one connected to are checked.
 * Rejects with AddressRefused or NotConnected.
 */
export function connectTo(host: string, port: number, guard: AddressGuard | null): Promise<Connected> {
  const refuse = (ip: string) => guard?.refuseAddress(ip, !MAIL_PORTS.has(port)) ?? null
  return new Promise((resolve, reject) => {
    if (guard?.refuseHost(host)) return reject(new AddressRefused())
    const socket = connect({ host, port, lookup: createCheckedLookup(resolveBySystem, refuse) })
    const timer = setTimeout(() => socket.destroy(new Error('Connecting took too long.')), CONNECT_MS)
    const fail = (error: Error) => {
      clearTimeout(timer)
      reject(error instanceof AddressRefused ? error : new NotConnected(error))
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail)
      const remote = socket.remoteAddress ?? ''
      if (refuse(remote) !== null) {
        socket.destroy()
        return reject(new AddressRefused())
      }
      resolve({ connection: socket, requireTLS: guard !== null && guard.refuseAddress(remote, true) !== null })
    })
  })
}
