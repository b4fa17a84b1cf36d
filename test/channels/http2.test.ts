import { constants } from 'node:http2'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor } from '../../src/channels/http.ts'
import { startHttp2, trustOurCertificate } from '../support/http2.ts'

type Server = Awaited<ReturnType<typeof startHttp2>>

let server: Server
const closing: (() => Promise<void>)[] = []

function door(allowedNetworks = ['127.0.0.0/8'], total = 5_000) {
  const made = createHttpDoor({ guard: createAddressGuard({ allowedNetworks }), timeouts: { total } })
  closing.push(() => made.close())
  return made
}

beforeAll(trustOurCertificate)
beforeEach(async () => {
  server = await startHttp2()
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await server.close()
})

describe('A call over HTTP/2', () => {
  const post = (http: ReturnType<typeof door>, path = '/', changes = {}) =>
    http.request({ method: 'POST', url: `${server.url}${path}`, http2: true, body: 'hello', ...changes })

  test('brings back status, headers and body, and is spoken only when it is asked for', async () => {
    server.answer = (response) => {
      response.writeHead(410, { 'X-Answer': 'yes' }).end('gone')
    }
    const http = door()
    const reply = await post(http, '/3/device/a?b=c', { headers: { 'apns-topic': 'x' } })
    expect(reply).toMatchObject({ kind: 'answered', status: 410, headers: { 'x-answer': 'yes' }, body: 'gone' })
    await http.request({ method: 'PATCH', url: server.url })
    expect(server.received).toMatchObject([
      { httpVersion: '2.0', path: '/3/device/a?b=c', headers: { 'apns-topic': 'x', ':method': 'POST' } },
      { httpVersion: '1.1' },
    ])
    expect(server.received[0]!.body.toString()).toBe('hello')
  })

  test('shares its connection with a hundred others', async () => {
    const http = door()
    await post(http)
    const held: (() => void)[] = []
    server.answer = (response) => {
      if (held.push(() => response.writeHead(200).end()) === 100) for (const release of held) release()
    }
    const replies = await Promise.all(Array.from({ length: 100 }, () => post(http)))
    expect(replies.filter(({ kind }) => kind === 'answered')).toHaveLength(100)
    expect(server.connections).toBeLessThanOrEqual(4)
  })

  test('is unknown when its stream is broken or nothing answers, and others on the connection go on', async () => {
    const http = door(undefined, 500)
    server.answer = (response, { path }) => {
      if (path === '/broken') response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
      else if (path !== '/silent') response.writeHead(200).end()
    }
    const replies = await Promise.all(['/broken', '/silent', '/well'].map((path) => post(http, path)))
    expect(replies.map(({ kind }) => kind)).toEqual(['unknown', 'unknown', 'answered'])
    expect(await post(http, '/later')).toMatchObject({ kind: 'answered' })
  })

  test('is unknown when the connection breaks, and the next opens a new one', async () => {
    const http = door()
    server.answer = () => {
      for (const session of server.sessions) session.destroy()
    }
    expect(await post(http)).toMatchObject({ kind: 'unknown' })
    expect(server.received).toHaveLength(1)
    server.answer = (response) => {
      response.writeHead(200).end()
    }
    expect(await post(http)).toMatchObject({ kind: 'answered' })
    expect(server.connections).toBe(2)
  })

  test('is answered by a new connection when the server says that it closes this one', async () => {
    const http = door()
    await post(http)
    for (const session of server.sessions) session.goaway(constants.NGHTTP2_NO_ERROR)
    await expect.poll(() => post(http).then(({ kind }) => kind)).toBe('answered')
    expect(server.connections).toBe(2)
  })

  test('has failed, and sent nothing, when it was aborted before', async () => {
    const http = door()
    expect(await post(http, '/', { signal: AbortSignal.abort() })).toMatchObject({ kind: 'failed' })
    await post(http, '/later')
    expect(server.received.map(({ path }) => path)).toEqual(['/later'])
  })

  test('is unknown when it is aborted while it waits', async () => {
    const controller = new AbortController()
    server.answer = () => controller.abort()
    expect(await post(door(), '/', { signal: controller.signal })).toMatchObject({ kind: 'unknown' })
  })

  test('goes to no address that may not be reached, whoever opened a way there', async () => {
    const strict = door([])
    expect(await post(strict, '/', { trusted: true })).toMatchObject({ kind: 'answered' })
    expect(await post(strict)).toMatchObject({ kind: 'refused' })
    const named = createHttpDoor({
      guard: createAddressGuard({ allowedNetworks: ['10.0.0.0/8'] }),
      resolve: () => Promise.resolve([{ address: '127.0.0.1', family: 4 }]),
    })
    closing.push(() => named.close())
    const url = server.url.replace('127.0.0.1', 'inside.example')
    expect(await post(named, '/', { url })).toMatchObject({ kind: 'refused' })
    expect(server.connections).toBe(1)
  })

  test('reads as much of an answer as it was asked to', async () => {
    server.answer = (response) => {
      response.writeHead(200).end('x'.repeat(100_000))
    }
    for (const http2 of [false, true]) {
      expect(await post(door(), '/', { http2 })).toMatchObject({ kind: 'answered', body: 'x'.repeat(16_384) })
      const large = await post(door(), '/', { http2, maxBytes: 80_000 })
      expect(large).toMatchObject({ kind: 'answered', body: 'x'.repeat(80_000) })
    }
  })
})
