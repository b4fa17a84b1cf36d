import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Callback } from '../../src/channels/provider.ts'
import { vonage } from '../../src/channels/vonage.ts'
import { signJwt } from '../support/jwt.ts'
import {
  CALLED_AT,
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  type Reply,
  readsCallbacks,
  readsReplies,
  startHost,
  testDoor,
} from './conformance.ts'

const settings = {
  apiKey: 'aaa012',
  apiSecret: 'api-secret-5f1d',
  from: 'Shop',
  signatureSecret: 'signature-secret-0123456789abcdef',
}
const callbackUrl = 'https://notify.example.com/callbacks/acc_1'

/** As Vonage's "Messages API reference" and "API errors" show them. */
const failure = (status: number, type: string, title: string, more: object = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/problem+json' },
  body: { type, title, detail: `Detail of ${title}`, instance: 'bf0ca0bf927b3b52e3cb03217e1a1ddf', ...more },
})
const errors = 'https://developer.vonage.com/api-errors'

const documented = {
  provider: vonage,
  settings,
  address: { id: '+447700900000' },
  badAddress: { id: '447700900000x' },
  hosts: ['api.nexmo.com'],
  well: { status: 202, body: { message_uuid: 'aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab' } },
  refusing: failure(422, `${errors}/messages#1170`, '1170'),
  throttling: failure(429, `${errors}/messages#1000`, 'Throttled'),
  identity: ({ body }: { body: Buffer }) => String(JSON.parse(body.toString()).client_ref),
}

keepsTheContractOverHttp(documented)

/** The codes and their meaning: Vonage's "Messages API errors" and "API errors". */
readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', reference: 'aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab', code: '202' }],
  ['an illegal number', failure(422, `${errors}/messages#1240`, '1240'), { kind: 'rejected', what: 'address', code: '1240' }],
  [
    'a title that is a number',
    failure(400, 'about:blank', '', { title: 1190 }),
    { kind: 'rejected', what: 'address', code: '1190' },
  ],
  [
    'an invalid recipient',
    failure(422, `${errors}#invalid-params`, 'Invalid params', { invalid_parameters: [{ name: 'to', reason: 'Invalid' }] }),
    { kind: 'rejected', what: 'address', code: '422' },
  ],
  [
    'an invalid sender',
    failure(422, `${errors}#invalid-params`, 'Invalid params', { invalid_parameters: [{ name: 'from', reason: 'Invalid' }] }),
    { kind: 'misconfigured', code: '422' },
  ],
  [
    'another invalid field',
    failure(422, `${errors}#invalid-params`, 'Invalid params', { invalid_parameters: [{ name: 'ttl', reason: 'Invalid' }] }),
    { kind: 'rejected', what: 'request', error: 'Vonage answered 422: Detail of Invalid params' },
  ],
  ['an illegal sender', failure(403, `${errors}/messages#1120`, '1120'), { kind: 'rejected', what: 'request', code: '1120' }],
  ['spam', failure(422, `${errors}/messages#1210`, '1210'), { kind: 'rejected', what: 'content', code: '1210' }],
  ['no credit', failure(402, `${errors}#low-balance`, 'Low balance'), { kind: 'misconfigured', code: 'low-balance' }],
  ['no credit, in other words', failure(402, 'about:blank', 'Payment Required'), { kind: 'misconfigured', code: '402' }],
  [
    'a wrong login',
    failure(401, `${errors}#unauthorized`, 'Unauthorized'),
    { kind: 'misconfigured', error: 'Vonage answered unauthorized.' },
  ],
  ['a type like a method', failure(400, `${errors}#constructor`, 'toString'), { kind: 'rejected', what: 'request', code: '400' }],
  ['their own error', failure(500, `${errors}/messages#1030`, '1030'), { kind: 'retry', code: '1030' }],
  ['too busy', { status: 503 }, { kind: 'retry', code: '503' }],
  ['a gateway without an answer', { status: 504, body: '<html>' }, { kind: 'unknown' }],
])

describe('An SMS by Vonage', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}, account: object = settings) => {
    await deliver(vonage, account, outgoing({ id: '+447700900000' }, changes), { http: host.http })
    const request = host.messages.at(-1)!
    return { request, body: JSON.parse(request.body.toString()) }
  }

  test('says whom it is for, what it says, and where its fate is told', async () => {
    const { request, body } = await send({ callbackUrl })
    expect(request).toMatchObject({ method: 'POST', path: '/v1/messages', host: 'api.nexmo.com' })
    expect(request.headers.authorization).toBe(`Basic ${Buffer.from('aaa012:api-secret-5f1d').toString('base64')}`)
    expect(body).toEqual({
      message_type: 'text',
      channel: 'sms',
      to: '447700900000',
      from: 'Shop',
      text: 'It is here.',
      client_ref: 'key_1-a',
      webhook_url: callbackUrl,
      webhook_version: 'v1',
    })
  })

  test('asks for no callback that could not be verified', async () => {
    const { signatureSecret: _secret, ...account } = settings
    expect((await send({ callbackUrl }, account)).body).not.toHaveProperty('webhook_url')
  })

  test('takes what the send overrides, but not whom it is for and what names it', async () => {
    const override = {
      ttl: 600,
      sms: { encoding_type: 'unicode' },
      to: '1900',
      client_ref: 'x',
      webhook_url: 'https://evil.example',
      channel: 'mms',
      failover: [{ message_type: 'text', channel: 'sms', to: '1900', from: '1', text: 'x' }],
    }
    const { body } = await send({ override, extras: { from: '+447700900001' } })
    expect(body).toMatchObject({ ttl: 600, sms: { encoding_type: 'unicode' }, to: '447700900000', from: '447700900001' })
    expect(body).toMatchObject({ client_ref: 'key_1-a', channel: 'sms' })
    expect(body).not.toHaveProperty('webhook_url')
    expect(body).not.toHaveProperty('failover')
  })
})

// ── Callbacks, as "Messages API reference" (message status) and "Signed webhooks" show them ──────────────────

const sign = (body: string, at: Date, changes: object = {}, key = settings.signatureSecret): Callback => {
  const claims = {
    iat: Math.floor(at.getTime() / 1_000),
    jti: 'c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5',
    iss: 'Vonage',
    payload_hash: createHash('sha256').update(body).digest('hex'),
    api_key: settings.apiKey,
    ...changes,
  }
  const headers = { authorization: `Bearer ${signJwt(claims, key)}`, 'content-type': 'application/json' }
  return { method: 'POST', url: callbackUrl, headers, body: Buffer.from(body) }
}

const status = (changes: object) =>
  JSON.stringify({
    message_uuid: 'aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab',
    to: '447700900000',
    from: 'Shop',
    timestamp: '2026-11-21T07:59:58Z',
    channel: 'sms',
    client_ref: 'key_1-a',
    ...changes,
  })
const delivered = status({ status: 'delivered' })

readsCallbacks({
  provider: vonage,
  settings,
  sign,
  delivered,
  bounced: status({ status: 'rejected', error: { type: `${errors}/messages#1190`, title: 1190, detail: 'Absent Subscriber' } }),
  noNews: ['submitted', 'read', 'something_new']
    .map((each) => status({ status: each }))
    .concat(status({ status: 'delivered', client_ref: undefined })),
  nonsense: ['[]', 'not json', '{"client_ref":"key_1-a"}'],
})

describe('A callback of Vonage', () => {
  const http = testDoor()
  afterAll(() => http.close())
  const read = (callback: Callback, account: object = settings) =>
    vonage.readCallback!(callback, { settings: account as never, http, now: CALLED_AT })

  test('says when and why', async () => {
    const bounced = status({ status: 'undeliverable', error: { title: '1260', detail: 'Destination unreachable' } })
    const at = new Date('2026-11-21T07:59:58Z')
    expect(await read(sign(bounced, CALLED_AT))).toEqual({
      kind: 'reports',
      reports: [{ key: 'key_1-a', what: 'bounced', at, error: 'undeliverable 1260 Destination unreachable' }],
    })
  })

  test('counts for nothing from another account, with another key or no algorithm, or where none is known', async () => {
    const { signatureSecret: _secret, ...unsigned } = settings
    const none = sign(delivered, CALLED_AT)
    const [, claims] = none.headers.authorization!.split('.')
    const header = Buffer.from('{"alg":"none"}').toString('base64url')
    for (const reading of [
      await read(sign(delivered, CALLED_AT, { api_key: 'bbb012' })),
      await read(sign(delivered, CALLED_AT, { payload_hash: undefined })),
      await read(sign(delivered, CALLED_AT, {}, 'another-secret-0123456789abcdef')),
      await read(sign(delivered, CALLED_AT), unsigned),
      await read({ ...none, headers: { authorization: `Bearer ${header}.${claims}.` } }),
    ]) {
      expect(reading).toMatchObject({ kind: 'forged' })
    }
  })
})
