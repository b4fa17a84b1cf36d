import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface Received {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type Answer = (response: ServerResponse, received: Received) => void

export interface Receiver {
  readonly url: string
  readonly port: number
  /** Everything that arrived whole. */
  readonly received: Received[]
  /** How many connections were ever opened. */
  readonly connections: number
  answer: Answer
  close(): Promise<void>
}

/** Answers with a status, and headers where given. */
export function answering(status: number, headers: Record<string, string> = {}, body = ''): Answer {
  return (response) => {
    response.writeHead(status, headers).end(body)
  }
}

/** Somebody else's web server on a free port of the loopback interface. Answers 200 unless told otherwise. */
export async function startReceiver(options: { tls?: boolean; host?: string; answer?: Answer } = {}): Promise<Receiver> {
  const { tls = false, host = '127.0.0.1' } = options
  const received: Received[] = []
  let connections = 0
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const { method = '', url = '', headers } = request
    const whole = { method, path: url, headers, body: await buffer(request) }
    received.push(whole)
    receiver.answer(response, whole)
  }
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    take(request, response).catch(() => response.destroy())
  }
  const server = tls ? createTlsServer(SELF_SIGNED, listener) : createServer(listener)
  server.on('connection', () => {
    connections += 1
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  const { port } = server.address() as AddressInfo
  const receiver: Receiver = {
    url: `${tls ? 'https' : 'http'}://${host}:${port}`,
    port,
    received,
    get connections() {
      return connections
    },
    answer: options.answer ?? answering(200),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return receiver
}

/** For localhost and 127.0.0.1, signed by nobody; of no use but to be refused. */
export const SELF_SIGNED = {
  key: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg2EiJabcHQbNzbcgM
H/PoYsdyT10fZQL45BUhDqNNW9ihRANCAAR3xmLGIroXOq3AoIJubVdDHsdbFq9n
dk02/wXBJt7KrFIF3ucIbAYLy8UwE5CjwDuI/0gcTp66yKcX0PlLH6RH
-----END PRIVATE KEY-----`,
  cert: `-----BEGIN CERTIFICATE-----
MIIBmjCCAUGgAwIBAgIUR0wCd5rSFc1q2svmEGcmNA47/0AwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTAwMjM1OVoYDzIxMjYxMDI4
MDAyMzU5WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAR3xmLGIroXOq3AoIJubVdDHsdbFq9ndk02/wXBJt7KrFIF3ucIbAYL
y8UwE5CjwDuI/0gcTp66yKcX0PlLH6RHo28wbTAdBgNVHQ4EFgQUBoNOU+HFGo5o
iI5ZGMvBIE0pujkwHwYDVR0jBBgwFoAUBoNOU+HFGo5oiI5ZGMvBIE0pujkwDwYD
VR0TAQH/BAUwAwEB/zAaBgNVHREEEzARgglsb2NhbGhvc3SHBH8AAAEwCgYIKoZI
zj0EAwIDRwAwRAIgWds/cW+KYYjDT9wq9ptXQJarfUQsYVcccsFXRlbA2NsCIEQ3
OfpRmizxqoJtQ/qWGpl6ocETUUJhRpM5m/fS19fk
-----END CERTIFICATE-----`,
}
