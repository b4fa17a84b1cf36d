import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor, type HttpDoorOptions } from '../../src/channels/http.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'

const closing: (() => Promise<void>)[] = []

function door(options: Partial<HttpDoorOptions> & { allow?: readonly string[] } = {}) {
  const made = createHttpDoor({ guard: createAddressGuard({ allowedNetworks: options.allow ?? ['127.0.0.0/8'] }), ...options })
  closing.push(() => made.close())
  return made
}

let receiver: Receiver
beforeAll(async () => {
  receiver = await startReceiver()
})
beforeEach(() => {
  receiver.answer = answering(200)
  receiver.received.length = 0
})
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})
afterAll(() => receiver.close())

describe('a call', () => {
  test('brings back the status, the headers in lower case and the body', async () => {
    receiver.answer = answering(201, { 'X-Answer': 'yes' }, 'made')
    const reply = await door().request({ method: 'POST', url: `${receiver.url}/a?b=c`, headers: { 'x-a': 'b' }, body: 'hello' })
    expect(reply).toMatchObject({ kind: 'answered', status: 201, headers: { 'x-answer': 'yes' }, body: 'made' })
    expect(receiver.received).toMatchObject([{ method: 'POST', path: '/a?b=c', headers: { 'x-a': 'b' } }])
    expect(receiver.received[0]!.body.toString()).toBe('hello')
  })

  test('follows no redirect', async () => {
    receiver.answer = answering(302, { location: `${receiver.url}/inside` })
    expect(await door().request({ method: 'GET', url: receiver.url })).toMatchObject({ kind: 'answered', status: 302 })
    expect(receiver.received).toHaveLength(1)
  })

  test('reads 16 KiB of an endless answer and keeps its status', async () => {
    receiver.answer = (response) => {
      response.writeHead(200)
      const pour = () => {
        while (!response.destroyed && response.write('x'.repeat(4_096))) {}
      }
      response.on('drain', pour)
      pour()
    }
    const reply = await door().request({ method: 'GET', url: receiver.url })
    expect(reply).toMatchObject({ kind: 'answered', status: 200, body: 'x'.repeat(16_384) })
  })

  test('ends a slow answer when its time is up and keeps its status', async () => {
    receiver.answer = (response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write('x'), 20)
      response.on('close', () => clearInterval(drip))
    }
    const reply = await door({ timeouts: { total: 300 } }).request({ method: 'GET', url: receiver.url })
    expect(reply).toMatchObject({ kind: 'answered', status: 200 })
  })

  test('refuses 100 KB of headers', async () => {
    receiver.answer = answering(200, { 'x-large': 'y'.repeat(100_000) })
    expect(await door().request({ method: 'GET', url: receiver.url })).toMatchObject({ kind: 'unknown' })
  })

  test('is unknown when the request was written and no answer came in time', async () => {
    receiver.answer = () => {}
    const reply = await door({ timeouts: { total: 200 } }).request({ method: 'POST', url: receiver.url, body: 'x' })
    expect(reply).toMatchObject({ kind: 'unknown' })
    expect(receiver.received).toHaveLength(1)
  })

  test('is unknown when the connection breaks after the request', async () => {
    receiver.answer = (response) => {
      response.socket?.destroy()
    }
    expect(await door().request({ method: 'POST', url: receiver.url, body: 'x' })).toMatchObject({ kind: 'unknown' })
  })

  test('is unknown when it is aborted while it waits for the answer', async () => {
    const controller = new AbortController()
    receiver.answer = () => controller.abort()
    const reply = await door().request({ method: 'POST', url: receiver.url, body: 'x', signal: controller.signal })
    expect(reply).toMatchObject({ kind: 'unknown' })
  })

  test('has failed, and sent nothing, when it was aborted before', async () => {
    const reply = await door().request({ method: 'POST', url: receiver.url, body: 'x', signal: AbortSignal.abort() })
    expect(reply).toMatchObject({ kind: 'failed' })
    await door().request({ method: 'GET', url: `${receiver.url}/later` })
    expect(receiver.received.map(({ path }) => path)).toEqual(['/later'])
  })

  test('has failed when nobody listens, and when the name has no address', async () => {
    const gone = await startReceiver()
    await gone.close()
    expect(await door().request({ method: 'GET', url: gone.url })).toMatchObject({ kind: 'failed' })
    const nameless = door({ resolve: () => Promise.reject(new Error('ENOTFOUND')) })
    expect(await nameless.request({ method: 'GET', url: 'https://nowhere.example/' })).toMatchObject({ kind: 'failed' })
  })

  test('has failed when the certificate is signed by nobody', async () => {
    const secure = await startReceiver({ tls: true })
    closing.push(() => secure.close())
    const reply = await door().request({ method: 'GET', url: secure.url })
    expect(reply).toEqual({ kind: 'failed', error: 'The TLS certificate of the server was not accepted.' })
    expect(secure.received).toHaveLength(0)
  })
})

describe('an address that may not be reached is never connected to', () => {
  let canary: Receiver
  beforeAll(async () => {
    canary = await startReceiver()
  })
  afterEach(() => {
    expect(canary.connections).toBe(0)
  })
  afterAll(() => canary.close())

  const resolvesTo = (...answers: readonly (readonly string[])[]) => {
    let call = 0
    return () => {
      const answer = answers[Math.min(call++, answers.length - 1)]!
      return Promise.resolve(answer.map((address) => ({ address, family: 4 as const })))
    }
  }

  test('when it stands in the URL', async () => {
    expect(await door({ allow: [] }).request({ method: 'GET', url: canary.url })).toMatchObject({ kind: 'refused' })
    const elsewhere = door({ allow: ['10.0.0.0/8'] })
    expect(await elsewhere.request({ method: 'GET', url: canary.url })).toMatchObject({ kind: 'refused' })
  })

  test('when a name resolves to it', async () => {
    const strict = door({ allow: ['10.0.0.0/8'], resolve: resolvesTo(['127.0.0.1']) })
    const url = `http://inside.example:${canary.port}/`
    expect(await strict.request({ method: 'GET', url })).toEqual({ kind: 'refused', error: 'This address may not be reached.' })
  })

  test('when a name resolves to it beside one that may be', async () => {
    const half = door({ allow: ['127.0.0.9/32'], resolve: resolvesTo(['127.0.0.9', '127.0.0.1']) })
    const url = `http://both.example:${canary.port}/`
    expect(await half.request({ method: 'GET', url })).toMatchObject({ kind: 'refused' })
  })

  test('when a name resolves to it the second time only', async () => {
    const first = await startReceiver({ host: '127.0.0.2', answer: answering(200, { connection: 'close' }) })
    closing.push(() => first.close())
    const rebound = door({ allow: ['127.0.0.2/32'], resolve: resolvesTo(['127.0.0.2'], ['127.0.0.1']) })
    const url = `http://rebind.example:${first.port}/`
    expect(await rebound.request({ method: 'GET', url })).toMatchObject({ kind: 'answered', status: 200 })
    expect(await rebound.request({ method: 'GET', url })).toMatchObject({ kind: 'refused' })
    expect(first.received).toHaveLength(1)
  })

  test('when a name is public but the call is not https on port 443', async () => {
    const lenient = door({ allow: ['10.0.0.0/8'], resolve: resolvesTo(['8.8.8.8']) })
    expect(await lenient.request({ method: 'GET', url: 'http://public.example/' })).toMatchObject({ kind: 'refused' })
    expect(await lenient.request({ method: 'GET', url: 'https://public.example:8443/' })).toMatchObject({ kind: 'refused' })
  })
})

test('a call that is trusted goes wherever it is told, and opens no way for others', async () => {
  const strict = door({ allow: [] })
  expect(await strict.request({ method: 'GET', url: receiver.url, trusted: true })).toMatchObject({ kind: 'answered' })
  expect(await strict.request({ method: 'GET', url: receiver.url })).toMatchObject({ kind: 'refused' })
})

test('a call given up while it waits for a connection has failed, and is not sent later', async () => {
  const held: (() => void)[] = []
  const full = new Promise<void>((resolve) => {
    receiver.answer = (response) => {
      if (held.push(() => response.end()) === 64) resolve()
    }
  })
  const busy = door()
  const running = Array.from({ length: 64 }, () => busy.request({ method: 'POST', url: receiver.url, body: 'x' }))
  await full
  const controller = new AbortController()
  const waiting = busy.request({ method: 'POST', url: `${receiver.url}/waiting`, body: 'x', signal: controller.signal })
  controller.abort()
  expect(await waiting).toMatchObject({ kind: 'failed' })
  receiver.answer = answering(200)
  for (const release of held) release()
  for (const reply of await Promise.all(running)) expect(reply).toMatchObject({ kind: 'answered' })
  await busy.request({ method: 'POST', url: `${receiver.url}/next`, body: 'x' })
  expect(receiver.received.map(({ path }) => path)).not.toContain('/waiting')
})
