import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { jwtVerify } from 'jose'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createApns } from '../../src/channels/apns.ts'
import type { Provider } from '../../src/channels/provider.ts'
import { startHttp2, trustOurCertificate } from '../support/http2.ts'
import {
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  type Reply,
  type Request,
  readsReplies,
  startHost,
  testDoor,
} from './conformance.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
})
const settings = { teamId: 'DEF123GHIJ', keyId: 'ABC123DEFG', privateKey, topic: 'com.example.shop' }
const deviceToken = '00fc13adff785122b4ad28809a3420982341241421348097878e577c991de8f0'

/** As Apple's "Handling notification responses from APNs" shows them. */
const failure = (status: number, reason: string): Reply => ({ status, body: { reason } })

const documented = {
  provider: createApns(),
  settings,
  address: { id: deviceToken },
  badAddress: { id: '../../evil' },
  hosts: ['api.push.apple.com', 'api.sandbox.push.apple.com'],
  well: { status: 200, headers: { 'apns-id': 'eabeae54-14a8-11e5-b60b-1697f925ec7b' } },
  refusing: { status: 410, body: { reason: 'Unregistered', timestamp: 1629000000000 } },
  throttling: failure(429, 'TooManyRequests'),
  identity: ({ headers }: Request) => String(headers['apns-id']),
}

keepsTheContractOverHttp(documented)

/** The reasons: Apple's "Handling notification responses from APNs". */
readsReplies({ ...documented, provider: createApns() }, [
  ['taken', documented.well, { kind: 'accepted', reference: 'eabeae54-14a8-11e5-b60b-1697f925ec7b' }],
  ['an app that is gone', documented.refusing, { kind: 'rejected', what: 'address', code: 'Unregistered' }],
  ['gone without a word', { status: 410 }, { kind: 'rejected', what: 'address', code: '410' }],
  ['no device token', failure(400, 'BadDeviceToken'), { kind: 'rejected', what: 'address', code: 'BadDeviceToken' }],
  ['a token of another app', failure(400, 'DeviceTokenNotForTopic'), { kind: 'rejected', what: 'address' }],
  ['a token that expired', failure(410, 'ExpiredToken'), { kind: 'rejected', what: 'address', code: 'ExpiredToken' }],
  ['a payload that is too large', failure(413, 'PayloadTooLarge'), { kind: 'rejected', what: 'content' }],
  [
    'a request that is wrong',
    failure(400, 'BadPriority'),
    { kind: 'rejected', what: 'request', error: 'APNs answered BadPriority.' },
  ],
  ['a topic that is not theirs', failure(400, 'TopicDisallowed'), { kind: 'misconfigured', code: 'TopicDisallowed' }],
  ['a key that is not theirs', failure(403, 'InvalidProviderToken'), { kind: 'misconfigured', code: 'InvalidProviderToken' }],
  ['a reason like a method', failure(400, 'constructor'), { kind: 'rejected', what: 'request', code: 'constructor' }],
  ['too many tokens', failure(429, 'TooManyProviderTokenUpdates'), { kind: 'retry' }],
  [
    'too many messages',
    { ...failure(429, 'TooManyRequests'), headers: { 'retry-after': '7' } },
    { kind: 'retry', afterMs: 7_000 },
  ],
  ['their own error', failure(500, 'InternalServerError'), { kind: 'retry' }],
  ['a server that closes', failure(503, 'Shutdown'), { kind: 'retry', code: 'Shutdown' }],
  ['no reason', { status: 503 }, { kind: 'retry', code: '503' }],
])

describe('A push by APNs', () => {
  let host: Host
  let apns: Provider
  beforeEach(async () => {
    apns = createApns()
    host = await startHost(documented)
  })
  afterEach(() => host.close())

  const now = new Date('2026-11-21T08:00:00Z')
  const send = (changes: Parameters<typeof outgoing>[1] = {}, options: object = {}, account: object = settings) =>
    deliver(apns, account, outgoing(documented.address, changes), { http: host.http, now, ...options })
  const sent = () => ({ request: host.messages.at(-1)!, payload: JSON.parse(host.messages.at(-1)!.body.toString()) })
  const minutes = (count: number) => ({ now: new Date(now.getTime() + count * 60_000) })

  test('shows its title and text over HTTP/2, and takes the place of its first try', async () => {
    await send({
      extras: { icon: 'https://shop.example/i.png', clickAction: 'shop://7' },
      content: { title: 'T', text: 'B', payload: { order: 7, aps: 'x' } },
    })
    const { request, payload } = sent()
    expect(host.calls[0]).toMatchObject({ http2: true, trusted: true, url: `https://api.push.apple.com/3/device/${deviceToken}` })
    expect(request.headers).toMatchObject({
      'apns-id': expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/),
      'apns-collapse-id': 'key_1-a',
      'apns-topic': 'com.example.shop',
      'apns-push-type': 'alert',
      'apns-priority': '10',
      'apns-expiration': String(now.getTime() / 1_000 + 259_200),
    })
    expect(payload).toEqual({
      aps: { alert: { title: 'T', body: 'B' }, 'mutable-content': 1 },
      order: 7,
      icon: 'https://shop.example/i.png',
      clickAction: 'shop://7',
      messageId: 'msg-1',
    })
  })

  test('that only brings data wakes the app and shows nothing', async () => {
    await send({ content: { payload: { order: 7 } } }, {}, { ...settings, environment: 'sandbox' })
    const { request, payload } = sent()
    expect(request).toMatchObject({
      host: 'api.sandbox.push.apple.com',
      headers: { 'apns-push-type': 'background', 'apns-priority': '5' },
    })
    expect(payload).toEqual({ aps: { 'content-available': 1 }, order: 7, messageId: 'msg-1' })
  })

  test('takes what the send overrides', async () => {
    await send({ override: { aps: { sound: 'default', badge: 3 } } })
    expect(sent().payload.aps).toEqual({ alert: { title: 'Your order', body: 'It is here.' }, sound: 'default', badge: 3 })
  })

  test('holds 4,096 bytes and no more', async () => {
    const frame = JSON.stringify({ messageId: 'msg-1', aps: { alert: { title: '', body: '' } } }).length
    expect(await send({ content: { title: '', text: 'x'.repeat(4_096 - frame) } })).toMatchObject({ kind: 'accepted' })
    expect(await send({ content: { title: '', text: 'x'.repeat(4_097 - frame) } })).toMatchObject({
      kind: 'rejected',
      what: 'content',
    })
    expect(await send({ override: { aps: { more: 'x'.repeat(4_096) } } })).toMatchObject({ kind: 'rejected', what: 'content' })
  })

  test('is authorised by a token that the key signs, the same for forty minutes', async () => {
    await send()
    await send({}, minutes(39))
    await send({}, minutes(40))
    const [first, second, third] = host.messages.map(({ headers }) => headers.authorization!.replace(/^bearer /, ''))
    expect(second).toBe(first)
    expect(third).not.toBe(first)
    const { payload, protectedHeader } = await jwtVerify(first!, createPublicKey(publicKey), { currentDate: now })
    expect(protectedHeader).toEqual({ alg: 'ES256', kid: 'ABC123DEFG' })
    expect(payload).toEqual({ iss: 'DEF123GHIJ', iat: now.getTime() / 1_000 })
  })

  test('whose token is too old is tried again with a new one; where a new one is too old, the account is wrong', async () => {
    await send()
    host.reply = failure(403, 'ExpiredProviderToken')
    expect(await send({}, minutes(30))).toMatchObject({ kind: 'retry', code: 'ExpiredProviderToken' })
    expect(await send({}, minutes(30))).toMatchObject({ kind: 'misconfigured', code: 'ExpiredProviderToken' })
    expect(host.messages[1]!.headers.authorization).toBe(host.messages[0]!.headers.authorization)
    expect(host.messages[2]!.headers.authorization).not.toBe(host.messages[0]!.headers.authorization)
  })

  test('wants a key on P-256, and ids of Apple’s', () => {
    const { privateKey: other } = generateKeyPairSync('ec', {
      namedCurve: 'P-384',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    })
    for (const wrong of [
      { privateKey: other },
      { privateKey: 'x' },
      { teamId: 'x' },
      { keyId: '' },
      { topic: 'a b' },
      { environment: 'x' },
    ]) {
      expect(apns.settings.safeParse({ ...settings, ...wrong })).toMatchObject({ success: false })
    }
  })
})

describe('Over a real HTTP/2 connection', () => {
  beforeAll(trustOurCertificate)

  test('a push is taken, and a dead token is known for what it is', async () => {
    const apple = await startHttp2()
    const door = testDoor()
    const http = {
      guard: door.guard,
      request: (call: Parameters<typeof door.request>[0]) =>
        door.request({ ...call, url: call.url.replace('https://api.push.apple.com', apple.url) }),
    }
    const apns = createApns()
    const send = () => deliver(apns, settings, outgoing(documented.address), { http })
    apple.answer = (response, { headers }) => {
      response.writeHead(200, { 'apns-id': String(headers['apns-id']) }).end()
    }
    const taken = await send()
    apple.answer = (response) => {
      response.writeHead(410).end('{"reason":"Unregistered","timestamp":1629000000000}')
    }
    const dead = await send()
    await door.close()
    await apple.close()
    const { httpVersion, path, headers } = apple.received[0]!
    expect({ httpVersion, path }).toEqual({ httpVersion: '2.0', path: `/3/device/${deviceToken}` })
    expect(taken).toEqual({ kind: 'accepted', code: '200', reference: headers['apns-id'] })
    expect(dead).toMatchObject({ kind: 'rejected', what: 'address', code: 'Unregistered' })
  })
})
