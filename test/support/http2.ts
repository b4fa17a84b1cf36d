import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import tls from 'node:tls'
import { SELF_SIGNED } from './http.ts'

export interface Http2Received {
  readonly path: string
  readonly httpVersion: string
  readonly headers: Http2ServerRequest['headers']
  readonly body: Buffer
}

export type Http2Answer = (response: Http2ServerResponse, received: Http2Received) => void

/** Lets this process take the certificate of the tests' own servers, for localhost and 127.0.0.1, until the answer is called. */
export function trustOurCertificate(): () => void {
  const before = tls.getCACertificates('default')
  tls.setDefaultCACertificates([...before, SELF_SIGNED.cert])
  return () => tls.setDefaultCACertificates(before)
}

/** A server that speaks HTTP/2 over TLS, on a free port of the loopback interface. */
export async function startHttp2() {
  const received: Http2Received[] = []
  const sessions = new Set<ServerHttp2Session>()
  let connections = 0
  const take = async (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const { url: path, httpVersion, headers } = request
    const whole = { path, httpVersion, headers, body: await buffer(request) }
    received.push(whole)
    server.answer(response, whole)
  }
  const listening = createSecureServer({ ...SELF_SIGNED, allowHTTP1: true }, (request, response) => {
    take(request, response).catch(() => response.stream?.close())
  })
  listening.on('secureConnection', () => {
    connections += 1
  })
  listening.on('session', (session) => {
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
  })
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  const { port } = listening.address() as AddressInfo
  const server = {
    url: `https://127.0.0.1:${port}`,
    received,
    sessions,
    get connections() {
      return connections
    },
    answer: ((response) => {
      response.writeHead(200).end()
    }) as Http2Answer,
    async close() {
      for (const session of sessions) session.destroy()
      await new Promise((resolve) => listening.close(resolve))
    },
  }
  return server
}
