import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { messagebird } from '../../src/channels/messagebird.ts'
import type { Callback } from '../../src/channels/provider.ts'
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

const settings = { accessKey: 'access-key-5f1d', from: '+31612345678', signingKey: 'signing-key-0123456789abcdef' }
const callbackUrl = 'https://notify.example.com/callbacks/acc_1'

/** As MessageBird's "API errors" shows them. */
const failure = (status: number, code: number, description: string, parameter: string | null = null): Reply => ({
  status,
  body: { errors: [{ code, description, parameter }] },
})

const documented = {
  provider: messagebird,
  settings,
  address: { id: '+31687654321' },
  badAddress: { id: '+0' },
  hosts: ['rest.messagebird.com'],
  well: {
    status: 201,
    body: {
      id: 'e8077d803532c0b5937c639b60216938',
      reference: 'key_1-a',
      recipients: { totalCount: 1, totalSentCount: 1, items: [{ recipient: 31687654321, status: 'sent' }] },
    },
  },
  refusing: failure(422, 9, 'no (correct) recipients found', 'recipients'),
  throttling: { status: 429, headers: { 'retry-after': '1' } },
  identity: ({ body }: { body: Buffer }) => String(JSON.parse(body.toString()).reference),
}

keepsTheContractOverHttp(documented)

/** The codes and their meaning: MessageBird's "API errors". */
readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', reference: 'e8077d803532c0b5937c639b60216938', code: '201' }],
  ['an invalid recipient', failure(422, 10, 'invalid', 'recipient'), { kind: 'rejected', what: 'address', code: '10' }],
  ['an invalid sender', failure(422, 10, 'invalid', 'originator'), { kind: 'misconfigured', error: 'MessageBird answered 10.' }],
  ['no text', failure(422, 9, 'body is required', 'body'), { kind: 'rejected', what: 'content', code: '9' }],
  [
    'another field',
    failure(422, 10, 'too low', 'validity'),
    { kind: 'rejected', what: 'request', error: 'MessageBird answered 10: too low' },
  ],
  ['no balance', failure(402, 25, 'Not enough balance'), { kind: 'misconfigured', code: '25' }],
  [
    'a wrong key',
    failure(401, 2, 'Request not allowed (incorrect access_key)', 'access_key'),
    { kind: 'misconfigured', code: '2' },
  ],
  ['nothing there', failure(404, 20, 'message not found'), { kind: 'rejected', what: 'request', code: '20' }],
  ['their own error', failure(500, 99, 'Internal error'), { kind: 'retry', code: '99' }],
  ['too busy', { status: 503 }, { kind: 'retry', code: '503' }],
  ['no error of theirs', { status: 500, body: '{}' }, { kind: 'unknown' }],
])

describe('An SMS by MessageBird', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}, account: object = settings) => {
    await deliver(messagebird, account, outgoing({ id: '+31687654321' }, changes), { http: host.http })
    const request = host.messages.at(-1)!
    return { request, body: JSON.parse(request.body.toString()) }
  }

  test('says whom it is for, what it says, and where its fate is told', async () => {
    const { request, body } = await send({ callbackUrl })
    expect(request).toMatchObject({ method: 'POST', path: '/messages', headers: { authorization: 'AccessKey access-key-5f1d' } })
    expect(body).toEqual({
      originator: '31612345678',
      body: 'It is here.',
      datacoding: 'auto',
      recipients: ['31687654321'],
      reference: 'key_1-a',
      reportUrl: callbackUrl,
    })
  })

  test('asks for no report that could not be verified', async () => {
    const { signingKey: _key, ...account } = settings
    expect((await send({ callbackUrl }, account)).body).not.toHaveProperty('reportUrl')
  })

  test('takes what the send overrides, but not whom it is for and what names it', async () => {
    const override = { validity: 600, recipients: ['1900'], groupIds: ['all'], reference: 'x', reportUrl: 'https://evil.example' }
    const { body } = await send({ override, extras: { from: 'Shop' } })
    expect(body).toMatchObject({ validity: 600, recipients: ['31687654321'], reference: 'key_1-a', originator: 'Shop' })
    expect(body).not.toHaveProperty('groupIds')
    expect(body).not.toHaveProperty('reportUrl')
  })
})

// ── Status reports, as "SMS messaging API: handle status reports" and "Verify HTTP requests" show them ───────

const sha256 = (what: string | Uint8Array) => createHash('sha256').update(what).digest('hex')

/** A report is a GET: what it says is its query. */
const sign = (query: string, at: Date, changes: object = {}, key = settings.signingKey): Callback => {
  const url = `${callbackUrl}?${query}`
  const nbf = Math.floor(at.getTime() / 1_000)
  const claims = {
    iss: 'MessageBird',
    nbf,
    exp: nbf + 60,
    jti: '59a244dc-e9ad-4e23-9778-371faa238f72',
    url_hash: sha256(url),
    ...changes,
  }
  return { method: 'GET', url, headers: { 'messagebird-signature-jwt': signJwt(claims, key) }, body: Buffer.alloc(0) }
}

const report = (changes: Record<string, string>) =>
  new URLSearchParams({
    id: 'e8077d803532c0b5937c639b60216938',
    reference: 'key_1-a',
    recipient: '31687654321',
    statusDatetime: '2026-11-21T08:59:58+01:00',
    ...changes,
  }).toString()
const delivered = report({ status: 'delivered', statusReason: 'successfully delivered' })

readsCallbacks({
  provider: messagebird,
  settings,
  sign,
  delivered,
  bounced: report({ status: 'delivery_failed', statusReason: 'unknown subscriber', statusErrorCode: '1' }),
  noNews: ['sent', 'buffered', 'something_new'].map((status) => report({ status })).concat('status=delivered'),
  nonsense: ['id=e8077d803532c0b5937c639b60216938&reference=key_1-a'],
  // There is no body: see below for the URL, which is signed instead.
  lacks: ['signed body'],
})

describe('A status report of MessageBird', () => {
  const http = testDoor()
  afterAll(() => http.close())
  const read = (callback: Callback, account: object = settings) =>
    messagebird.readCallback!(callback, { settings: account as never, http, now: CALLED_AT })

  test('says when and why, however its + was written', async () => {
    const at = new Date('2026-11-21T07:59:58Z')
    const expired = report({ status: 'expired', statusReason: 'absent subscriber', statusErrorCode: '27' })
    for (const query of [expired, expired.replace('%2B', '+')]) {
      expect(await read(sign(query, CALLED_AT))).toEqual({
        kind: 'reports',
        reports: [{ key: 'key_1-a', what: 'bounced', at, error: 'expired 27 absent subscriber' }],
      })
    }
  })

  test('counts for nothing under another URL, with a body that was not signed, with another key, or where none is known', async () => {
    const { signingKey: _key, ...unsigned } = settings
    const genuine = sign(delivered, CALLED_AT)
    for (const reading of [
      await read({ ...genuine, url: genuine.url.replace('key_1-a', 'key_2-b') }),
      await read({ ...genuine, body: Buffer.from('x') }),
      await read(sign(delivered, CALLED_AT, { iss: 'Somebody' })),
      await read(sign(delivered, CALLED_AT, { exp: undefined })),
      await read(sign(delivered, CALLED_AT, {}, 'another-key-0123456789abcdef')),
      await read(genuine, unsigned),
    ]) {
      expect(reading).toMatchObject({ kind: 'forged' })
    }
  })

  test('may have a body, which is signed then', async () => {
    const body = Buffer.from('Hello, World!')
    const signed = sign(delivered, CALLED_AT, { payload_hash: sha256(body) })
    expect(await read({ ...signed, body })).toMatchObject({ kind: 'reports' })
    expect(await read({ ...signed, body: Buffer.from('Hello, world!') })).toMatchObject({ kind: 'forged' })
  })
})
