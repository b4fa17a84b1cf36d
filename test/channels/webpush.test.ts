import { createECDH, randomBytes } from 'node:crypto'
import { createRequire } from 'node:module'
import { importJWK, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { newVapidKeys, webpush } from '../../src/channels/webpush.ts'
import { answering, type Received, type Receiver, startReceiver } from '../support/http.ts'
import { deliver, keepsTheContract, outgoing, testDoor } from './conformance.ts'

/** RFC 8188, as a browser would read it; the package has no types. */
const ece = createRequire(import.meta.url)('http_ece') as {
  decrypt(body: Buffer, options: { version: string; privateKey: unknown; authSecret: string }): Buffer
}

const vapid = newVapidKeys()
const settings = { subject: 'mailto:ops@example.com', ...vapid }

function subscribe() {
  const browser = createECDH('prime256v1')
  const p256dh = browser.generateKeys().toString('base64url')
  const auth = randomBytes(16).toString('base64url')
  const read = (received: Received) =>
    JSON.parse(ece.decrypt(received.body, { version: 'aes128gcm', privateKey: browser, authSecret: auth }).toString())
  return { keys: { p256dh, auth }, read }
}

keepsTheContract('webpush', async () => {
  const service = await startReceiver()
  const { keys } = subscribe()
  return {
    provider: webpush,
    settings,
    address: { id: `${service.url}/push/1`, keys },
    badAddress: { id: `${service.url}/push/1`, keys: { ...keys, p256dh: 'AAAA' } },
    behave(how) {
      if (how === 'well') service.answer = answering(201, { location: '/m/1' })
      if (how === 'refusing the address') service.answer = answering(410)
      if (how === 'throttling') service.answer = answering(429)
      if (how === 'broken') service.answer = (response) => void response.socket?.destroy()
      if (how === 'silent') service.answer = () => {}
    },
    identities: () => service.received.map(({ headers }) => String(headers.topic)),
    close: () => service.close(),
  }
})

describe('a web push', () => {
  const http = testDoor()
  const browser = subscribe()
  let service: Receiver
  beforeAll(async () => {
    service = await startReceiver()
  })
  beforeEach(() => {
    service.answer = answering(201)
    service.received.length = 0
  })
  afterAll(async () => {
    await http.close()
    await service.close()
  })

  const send = (changes: Parameters<typeof outgoing>[1] = {}) =>
    deliver(webpush, settings, outgoing({ id: `${service.url}/p`, keys: browser.keys }, changes), { http })

  test('can be read by the browser it was encrypted for, and by nobody else', async () => {
    expect(await send({ content: { title: 'Ding', text: 'Dong', payload: { url: '/x' } } })).toMatchObject({ kind: 'accepted' })
    const [received] = service.received as [Received]
    expect(browser.read(received)).toEqual({ title: 'Ding', body: 'Dong', data: { url: '/x' }, messageId: 'msg-1' })
    expect(() => subscribe().read(received)).toThrow()
    expect(received.headers).toMatchObject({ 'content-encoding': 'aes128gcm', ttl: '259200', urgency: 'normal' })
    expect(received.headers['content-length']).toBe(String(received.body.length))
  })

  test('brings what the send says about it, and the id of its message whatever is said', async () => {
    const extras = { icon: 'https://example.com/i.png', clickAction: 'https://example.com/o/7' }
    await send({ content: { title: 'Ding', payload: { a: 1 } }, extras, override: { data: { b: 2 }, messageId: 'other' } })
    const [received] = service.received as [Received]
    expect(browser.read(received)).toEqual({ title: 'Ding', ...extras, data: { a: 1, b: 2 }, messageId: 'msg-1' })
  })

  test('is signed for the push service with the VAPID key', async () => {
    await send()
    const [, token, key] = /^vapid t=(.+), k=(.+)$/.exec(service.received[0]!.headers.authorization!)!
    expect(key).toBe(vapid.publicKey)
    const point = Buffer.from(vapid.publicKey, 'base64url')
    const x = point.subarray(1, 33).toString('base64url')
    const y = point.subarray(33).toString('base64url')
    const publicKey = await importJWK({ kty: 'EC', crv: 'P-256', x, y }, 'ES256')
    const { payload } = await jwtVerify(token!, publicKey, { audience: service.url })
    expect(payload).toMatchObject({ sub: 'mailto:ops@example.com' })
  })

  test.each([
    [202, { kind: 'accepted' }],
    [400, { kind: 'rejected', what: 'request' }],
    [401, { kind: 'misconfigured' }],
    [403, { kind: 'misconfigured' }],
    [404, { kind: 'rejected', what: 'address' }],
    [406, { kind: 'rejected', what: 'request' }],
    [410, { kind: 'rejected', what: 'address' }],
    [413, { kind: 'rejected', what: 'content' }],
    [500, { kind: 'retry' }],
  ])('answered with %i is %j', async (status, outcome) => {
    service.answer = answering(status)
    expect(await send()).toMatchObject({ ...outcome, code: String(status) })
  })

  test('throttled by Microsoft, who says 406, is tried again', async () => {
    const answered = { kind: 'answered', status: 406, headers: {}, body: '' } as const
    const windows = { guard: http.guard, request: () => Promise.resolve(answered) }
    const message = outgoing({ id: 'https://db5.notify.windows.com/w/?token=x', keys: browser.keys })
    expect(await deliver(webpush, settings, message, { http: windows })).toMatchObject({ kind: 'retry' })
  })

  test('holds 3,993 bytes and no more', async () => {
    const frame = JSON.stringify({ title: '', body: '', messageId: 'msg-1' }).length
    expect(await send({ content: { title: '', text: 'x'.repeat(3_993 - frame) } })).toMatchObject({ kind: 'accepted' })
    expect(service.received[0]!.body.length).toBe(4_096)
    expect(await send({ content: { title: '', text: 'x'.repeat(3_994 - frame) } })).toMatchObject({
      kind: 'rejected',
      what: 'content',
    })
  })

  test.each(['https://evil.internal.localhost/x', 'http://10.0.0.1/x', 'javascript:1', 'https://example.com:8443/x'])(
    'goes to no push service that may not be reached: %s',
    async (id) => {
      const strict = testDoor([])
      const outcome = await deliver(webpush, settings, outgoing({ id, keys: browser.keys }), { http: strict })
      await strict.close()
      expect(outcome).toMatchObject({ kind: 'rejected', what: 'address' })
    },
  )

  test('takes no settings that are not VAPID keys', () => {
    expect(webpush.settings.safeParse({ ...settings, publicKey: 'AAAA' })).toMatchObject({ success: false })
    expect(webpush.settings.safeParse({ ...settings, privateKey: vapid.publicKey })).toMatchObject({ success: false })
    expect(webpush.settings.safeParse({ ...settings, subject: 'ops' })).toMatchObject({ success: false })
  })
})
