import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { decodeJwt, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createFcm } from '../../src/channels/fcm.ts'
import type { Provider } from '../../src/channels/provider.ts'
import {
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  type Reply,
  type Request,
  readsReplies,
  startHost,
} from './conformance.ts'

const newKey = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2_048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  })
const { privateKey, publicKey } = newKey()
/** As Firebase gives it; of no use but here. */
const accountOf = (key: string) => ({
  type: 'service_account',
  project_id: 'shop-1234',
  private_key_id: 'key-1',
  private_key: key,
  client_email: 'push@shop-1234.iam.gserviceaccount.com',
  // Where a file says to get tokens is no matter: Google's own place is.
  token_uri: 'https://evil.example/token',
})
const settings = { serviceAccount: JSON.stringify(accountOf(privateKey)) }

const GRANTED: Reply = { status: 200, body: { access_token: 'ya29.token-1', expires_in: 3_599, token_type: 'Bearer' } }
const aside = ({ host }: Request): Reply | undefined => (host === 'oauth2.googleapis.com' ? GRANTED : undefined)

/** As "FCM error codes" shows them: Google's own status, and FCM's code among the details. */
const failure = (status: number, name: string, code: string | null, message = 'It failed.', fields: string[] = []): Reply => ({
  status,
  body: {
    error: {
      code: status,
      message,
      status: name,
      details: [
        ...(code === null ? [] : [{ '@type': 'type.googleapis.com/google.firebase.fcm.v1.FcmError', errorCode: code }]),
        ...(fields.length === 0
          ? []
          : [
              {
                '@type': 'type.googleapis.com/google.rpc.BadRequest',
                fieldViolations: fields.map((field) => ({ field, description: 'x' })),
              },
            ]),
      ],
    },
  },
})

const documented = {
  provider: createFcm(),
  settings,
  address: { id: 'fcm-token_1:APA91b' },
  badAddress: { id: 'two words' },
  hosts: ['fcm.googleapis.com', 'oauth2.googleapis.com'],
  well: { status: 200, body: { name: 'projects/shop-1234/messages/0:1500415314455276%31bd1c9631bd1c96' } },
  refusing: failure(404, 'NOT_FOUND', 'UNREGISTERED', 'Requested entity was not found.'),
  throttling: failure(429, 'RESOURCE_EXHAUSTED', 'QUOTA_EXCEEDED'),
  identity: ({ body }: Request) => String(JSON.parse(body.toString()).message.android.notification.tag),
  aside,
}

keepsTheContractOverHttp(documented)

const invalid = (message: string, fields: string[] = []) => failure(400, 'INVALID_ARGUMENT', 'INVALID_ARGUMENT', message, fields)

/** The codes and their meaning: Google's "FCM error codes". */
readsReplies({ ...documented, provider: createFcm() }, [
  ['taken', documented.well, { kind: 'accepted', reference: 'projects/shop-1234/messages/0:1500415314455276%31bd1c9631bd1c96' }],
  ['an app that is gone', documented.refusing, { kind: 'rejected', what: 'address', code: 'UNREGISTERED' }],
  [
    'no token of FCM',
    invalid('The registration token is not a valid FCM registration token'),
    { kind: 'rejected', what: 'address' },
  ],
  [
    'an invalid token, by its field',
    invalid('Request contains an invalid argument.', ['message.token']),
    { kind: 'rejected', what: 'address' },
  ],
  [
    'a message that is too big',
    invalid('Android message is too big'),
    { kind: 'rejected', what: 'content', code: 'INVALID_ARGUMENT' },
  ],
  [
    'data that cannot be',
    invalid("Invalid value at 'message.data[0].value'", ['message.data[0].value']),
    { kind: 'rejected', what: 'content' },
  ],
  ['a lifetime that cannot be', invalid('Invalid TTL', ['message.android.ttl']), { kind: 'rejected', what: 'request' }],
  ['a token of another sender', failure(403, 'PERMISSION_DENIED', 'SENDER_ID_MISMATCH'), { kind: 'rejected', what: 'address' }],
  [
    'no permission',
    failure(403, 'PERMISSION_DENIED', null, 'secret words'),
    { kind: 'misconfigured', error: 'FCM answered PERMISSION_DENIED.' },
  ],
  [
    'certificates that are wrong',
    failure(401, 'UNAUTHENTICATED', 'THIRD_PARTY_AUTH_ERROR'),
    { kind: 'rejected', what: 'request' },
  ],
  ['a quota', documented.throttling, { kind: 'retry', afterMs: 60_000 }],
  ['a quota with a time', { ...documented.throttling, headers: { 'retry-after': '90' } }, { kind: 'retry', afterMs: 90_000 }],
  ['too busy', failure(503, 'UNAVAILABLE', 'UNAVAILABLE'), { kind: 'retry', code: 'UNAVAILABLE' }],
  ['their own error', failure(500, 'INTERNAL', 'INTERNAL'), { kind: 'retry', code: 'INTERNAL' }],
  ['a gateway without an answer', { status: 502, body: '<!DOCTYPE html>' }, { kind: 'retry', code: '502' }],
])

describe('A push by FCM', () => {
  let host: Host
  let fcm: Provider
  let granted: Reply
  beforeEach(async () => {
    granted = GRANTED
    fcm = createFcm()
    host = await startHost({ ...documented, aside: (request) => aside(request) && granted })
  })
  afterEach(() => host.close())

  const now = new Date('2026-11-21T08:00:00Z')
  const send = (changes: Parameters<typeof outgoing>[1] = {}, options: object = {}) =>
    deliver(fcm, settings, outgoing(documented.address, changes), { http: host.http, now, ...options })
  const sent = () => JSON.parse(host.messages.at(-1)!.body.toString())
  const tokensAsked = () => host.requests.filter(({ path }) => path === '/token')

  test('shows its title and text, and takes the place of its first try', async () => {
    await send({
      extras: { icon: 'https://shop.example/i.png', clickAction: 'https://shop.example/7' },
      content: { title: 'T', text: 'B', payload: { order: 7, note: 'n', none: null } },
    })
    expect(host.messages[0]).toMatchObject({
      path: '/v1/projects/shop-1234/messages:send',
      headers: { authorization: 'Bearer ya29.token-1' },
    })
    expect(sent()).toEqual({
      message: {
        token: 'fcm-token_1:APA91b',
        notification: { title: 'T', body: 'B', image: 'https://shop.example/i.png' },
        data: { order: '7', note: 'n', clickAction: 'https://shop.example/7', messageId: 'msg-1' },
        android: { ttl: '259200s', notification: { tag: 'key_1-a' } },
        apns: { headers: { 'apns-collapse-id': 'key_1-a' } },
        webpush: {
          headers: { TTL: '259200' },
          notification: { tag: 'key_1-a' },
          fcm_options: { link: 'https://shop.example/7' },
        },
      },
    })
  })

  test('opens what an app calls an action, or brings data alone', async () => {
    await send({ extras: { clickAction: 'OPEN_ORDER' } })
    expect(sent().message).toMatchObject({ android: { notification: { click_action: 'OPEN_ORDER' } } })
    await send({ content: { payload: [1, 2] } })
    expect(sent().message).toMatchObject({ data: { data: '[1,2]', messageId: 'msg-1' } })
    expect(sent().message).not.toHaveProperty('notification')
    expect(await send({ content: {} })).toMatchObject({ kind: 'rejected', what: 'content' })
  })

  test('takes what the send overrides, but not whom it is for', async () => {
    const override = { message: { android: { priority: 'HIGH' }, token: 'x', topic: 'all', condition: "'all' in topics" } }
    await send({ override })
    expect(sent().message).toMatchObject({ token: 'fcm-token_1:APA91b', android: { priority: 'HIGH', ttl: '259200s' } })
    expect(sent().message).not.toHaveProperty('topic')
    expect(sent().message).not.toHaveProperty('condition')
  })

  test('holds 4,096 bytes and no more', async () => {
    const frame = 'messageIdmsg-1'.length
    expect(await send({ content: { title: '', text: 'ü'.repeat((4_096 - frame) / 2) } })).toMatchObject({ kind: 'accepted' })
    expect(await send({ content: { title: '', text: 'x'.repeat(4_097 - frame) } })).toMatchObject({
      kind: 'rejected',
      what: 'content',
    })
  })

  test('is authorised by a token that the service account signs for, kept until a minute before its end', async () => {
    await send()
    const form = new URLSearchParams(tokensAsked()[0]!.body.toString())
    expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer')
    const { payload, protectedHeader } = await jwtVerify(form.get('assertion')!, createPublicKey(publicKey), { currentDate: now })
    expect(protectedHeader).toMatchObject({ alg: 'RS256', kid: 'key-1' })
    expect(payload).toEqual({
      iss: 'push@shop-1234.iam.gserviceaccount.com',
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      aud: 'https://oauth2.googleapis.com/token',
      iat: now.getTime() / 1_000,
      exp: now.getTime() / 1_000 + 3_600,
    })
    const later = (seconds: number) => ({ now: new Date(now.getTime() + seconds * 1_000) })
    await send({}, later(3_538))
    expect(tokensAsked()).toHaveLength(1)
    await send({}, later(3_539))
    expect(tokensAsked()).toHaveLength(2)
  })

  test('waits with others for one token', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => send()))
    expect(outcomes.map(({ kind }) => kind)).toEqual(Array(20).fill('accepted'))
    expect(tokensAsked()).toHaveLength(1)
  })

  test('of another account gets another token', async () => {
    await send()
    const other = { serviceAccount: JSON.stringify({ ...accountOf(newKey().privateKey), client_email: 'other@example.com' }) }
    await deliver(fcm, other, outgoing(documented.address), { http: host.http, now })
    const issuers = tokensAsked().map(({ body }) => decodeJwt(new URLSearchParams(body.toString()).get('assertion')!).iss)
    expect(issuers).toEqual(['push@shop-1234.iam.gserviceaccount.com', 'other@example.com'])
  })

  test('whose token ended early is tried again with a new one; where a new one is not taken, the account is wrong', async () => {
    await send()
    host.reply = failure(401, 'UNAUTHENTICATED', null)
    expect(await send()).toMatchObject({ kind: 'retry', code: 'UNAUTHENTICATED' })
    expect(await send()).toMatchObject({ kind: 'misconfigured', code: 'UNAUTHENTICATED' })
    expect(tokensAsked()).toHaveLength(2)
  })

  test.each([
    [{ status: 400, body: { error: 'invalid_grant', error_description: 'Invalid JWT Signature.' } }, 'misconfigured'],
    [{ status: 401, body: { error: 'invalid_client' } }, 'misconfigured'],
    [{ status: 503 }, 'retry'],
    [{ status: 200, body: 'not json' }, 'retry'],
  ])('is not sent where Google answers %j to the service account: %s', async (reply, kind) => {
    granted = reply
    expect(await send()).toMatchObject({ kind, code: String(reply.status) })
    expect(host.messages).toHaveLength(0)
    granted = GRANTED
    expect(await send()).toMatchObject({ kind: 'accepted' })
  })

  test('that is given up while it waits for a token was not sent, and leaves the others theirs', async () => {
    const controller = new AbortController()
    const [first, second] = [send({}, { signal: controller.signal }), send()]
    controller.abort()
    expect(await first).toMatchObject({ kind: 'retry' })
    expect(await second).toMatchObject({ kind: 'accepted' })
    expect(host.messages).toHaveLength(1)
  })

  test('wants the JSON of a service account, with its key', () => {
    const { private_key: _key, ...keyless } = accountOf('')
    for (const wrong of [
      '',
      '{}',
      JSON.stringify(keyless),
      JSON.stringify(accountOf('no key')),
      JSON.stringify({ ...accountOf(privateKey), project_id: '../x' }),
    ]) {
      expect(fcm.settings.safeParse({ serviceAccount: wrong })).toMatchObject({ success: false })
    }
  })
})
