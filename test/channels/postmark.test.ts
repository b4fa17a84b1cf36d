import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postmark } from '../../src/channels/postmark.ts'
import {
  CALLED_AT,
  type Documented,
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  readsCallbacks,
  readsReplies,
  startHost,
} from './conformance.ts'
import { FULL } from './full-mail.ts'

const settings = postmark.settings.parse({ serverToken: 'secret-token', from: 'The Shop <shop@example.com>' })

/** As Postmark's page "API overview" shows them. */
const failing = (ErrorCode: number, Message: string, status = 422) => ({ status, body: { ErrorCode, Message } })
const taken = { To: 'ada@example.com', SubmittedAt: '2026-11-21T08:00:00Z', MessageID: 'pm-1', ErrorCode: 0, Message: 'OK' }

const documented: Documented = {
  provider: postmark,
  settings,
  address: { id: 'ada@example.com', name: 'Ada' },
  badAddress: { id: 'nobody' },
  hosts: ['api.postmarkapp.com'],
  well: { status: 200, body: taken },
  refusing: failing(406, 'You tried to send to recipient(s) that have been marked as inactive.'),
  throttling: { status: 429, body: '' },
  identity: ({ body }) => {
    const { Metadata, Headers } = JSON.parse(body.toString())
    return `${Metadata.carillon_key} ${JSON.stringify(Headers)}`
  },
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', code: '200', reference: 'pm-1' }],
  [
    'a bad token',
    failing(10, 'The Server Token you provided in the X-Postmark-Server-Token request header was invalid.', 401),
    { kind: 'misconfigured', code: '10', error: 'Postmark answered 10.' },
  ],
  ['maintenance', failing(100, 'Maintenance'), { kind: 'retry', code: '100' }],
  [
    'a bad recipient',
    failing(300, "Invalid 'To' address: 'ada@example..com'."),
    { kind: 'rejected', what: 'address', code: '300' },
  ],
  [
    'no body',
    failing(300, 'Provide either email TextBody or HtmlBody or both.'),
    { kind: 'rejected', what: 'content', code: '300' },
  ],
  ['a bad sender', failing(300, "Invalid 'From' address: 'x'."), { kind: 'rejected', what: 'request', code: '300' }],
  [
    'an unknown sender',
    failing(400, "The 'From' address you supplied is not a Sender Signature on your account."),
    { kind: 'misconfigured', code: '400' },
  ],
  ['an unconfirmed sender', failing(401, 'Sender signature not confirmed'), { kind: 'misconfigured', code: '401' }],
  ['broken JSON', failing(402, 'Invalid JSON'), { kind: 'rejected', what: 'request', code: '402' }],
  ['no credits', failing(405, 'Not allowed to send'), { kind: 'misconfigured', code: '405' }],
  ['an inactive recipient', documented.refusing!, { kind: 'rejected', what: 'address', code: '406' }],
  ['a forbidden attachment', failing(411, 'Forbidden attachment type'), { kind: 'rejected', what: 'content', code: '411' }],
  ['a pending account', failing(412, 'Account is Pending'), { kind: 'misconfigured', code: '412' }],
  [
    'an unknown stream',
    failing(1235, "The 'MessageStream' provided does not exist on this server."),
    { kind: 'misconfigured', code: '1235' },
  ],
  [
    'that only others get it',
    { status: 200, body: { ...taken, Message: 'Message OK, but will not deliver to these inactive addresses: ada@example.com' } },
    { kind: 'rejected', what: 'address', code: '406' },
  ],
  [
    'that others do not get it',
    { status: 200, body: { ...taken, Message: 'Message OK, but will not deliver to these inactive addresses: bob@example.com' } },
    { kind: 'accepted', reference: 'pm-1' },
  ],
  ['too much', { status: 413, body: '' }, { kind: 'rejected', what: 'content', code: '413' }],
  ['too often', { status: 429, headers: { 'retry-after': '7' }, body: '' }, { kind: 'retry', code: '429', afterMs: 7_000 }],
  ['its own trouble', { status: 500, body: '' }, { kind: 'retry', code: '500' }],
])

describe('a mail by Postmark', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}) => {
    const outcome = await deliver(postmark, settings, outgoing({ id: 'ada@example.com' }, changes), { http: host.http })
    const { body, headers, ...rest } = host.messages.at(-1)!
    return { outcome, headers, ...rest, json: JSON.parse(body.toString()) }
  }

  test('says all that the send says, to each recipient once', async () => {
    const { json, headers, method, path } = await send(FULL)
    expect(`${method} ${path}`).toBe('POST /email')
    expect(headers).toMatchObject({ 'x-postmark-server-token': 'secret-token', accept: 'application/json' })
    expect(json).toEqual({
      From: '"Orders" <orders@shop.example>',
      To: `"Ada, the 'first'" <ada@example.com>`,
      Cc: '"Bob" <bob@example.com>',
      Bcc: 'eve@example.com',
      ReplyTo: 'help@shop.example',
      Subject: 'Grüße Bcc: evil@e.test',
      TextBody: 'It is here.',
      HtmlBody: '<p>It is here.</p><img src="cid:logo">',
      MessageStream: 'outbound',
      Headers: [
        { Name: 'X-Campaign', Value: 'spring' },
        { Name: 'List-Unsubscribe', Value: '<https://bells.example.com/unsubscribe/1>' },
        { Name: 'List-Unsubscribe-Post', Value: 'List-Unsubscribe=One-Click' },
        { Name: 'Message-ID', Value: '<key_1-a@shop.example>' },
        { Name: 'X-PM-KeepID', Value: 'true' },
      ],
      Metadata: { carillon_key: 'key_1-a', carillon_to: expect.stringMatching(/^[\w-]{22}$/) },
      Attachments: [
        { Name: 'invoice.pdf', Content: 'JVBERi0xLjc=', ContentType: 'application/pdf' },
        { Name: 'logo.png', Content: 'UE5H', ContentType: 'image/png', ContentID: 'cid:logo' },
      ],
    })
  })

  test('takes an override, but not over whom it is for, its key or its headers', async () => {
    const override = {
      Tag: 'spring',
      MessageStream: 'broadcast',
      To: 'evil@e.test',
      Bcc: 'evil@e.test',
      bcc: 'evil@e.test',
      CC: 'evil@e.test',
      to: 'evil@e.test',
      Headers: [{ Name: 'X-Evil', Value: '1' }],
      headers: [{ Name: 'Bcc', Value: 'evil@e.test' }],
      Metadata: { order: '7', carillon_key: 'other', carillon_to: 'other' },
    }
    const { json } = await send({ override })
    expect(json).toMatchObject({ Tag: 'spring', MessageStream: 'broadcast', To: 'ada@example.com' })
    expect(json.Metadata).toEqual({ order: '7', carillon_key: 'key_1-a' })
    expect(JSON.stringify(json)).not.toMatch(/evil/i)
  })

  test.each([{ extras: { from: 'ceo@other.example' } }, { override: { From: 'ceo@other.example' } }])(
    'whose own sender is not known does not stop the account: %j',
    async (changes) => {
      host.reply = failing(400, "The 'From' address you supplied is not a Sender Signature on your account.")
      const { outcome } = await send(changes)
      host.reply = documented.well
      expect(outcome).toMatchObject({ kind: 'rejected', what: 'request', code: '400' })
    },
  )
})

// As Postmark's pages "Delivery webhook" and "Bounce webhook" show them.
const delivery = {
  RecordType: 'Delivery',
  ServerID: 23,
  MessageStream: 'outbound',
  MessageID: 'pm-1',
  Recipient: 'ada@example.com',
  DeliveredAt: CALLED_AT.toISOString(),
  Details: '250 OK',
  Metadata: { carillon_key: 'key_1-a' },
}
const { Recipient: _recipient, DeliveredAt: _deliveredAt, ...common } = delivery
const bounce = (Type: string) => ({
  ...common,
  RecordType: 'Bounce',
  Type,
  TypeCode: 1,
  Email: 'ada@example.com',
  BouncedAt: CALLED_AT.toISOString(),
  Description: 'The server was unable to deliver your message.',
  Details: 'smtp;550 5.1.1 No such user',
})

readsCallbacks({
  provider: postmark,
  settings,
  sign: (body) => ({ method: 'POST', url: 'https://bells.example.com/callbacks/1', headers: {}, body: Buffer.from(body) }),
  delivered: JSON.stringify(delivery),
  bounced: JSON.stringify(bounce('HardBounce')),
  noNews: [
    JSON.stringify(bounce('SoftBounce')),
    JSON.stringify(bounce('AutoResponder')),
    JSON.stringify({ ...delivery, RecordType: 'Open' }),
    JSON.stringify({ ...delivery, RecordType: 'SomethingNew' }),
    JSON.stringify({ ...delivery, Metadata: {} }),
    JSON.stringify({ ...delivery, Metadata: { carillon_key: 'key_1-a', carillon_to: 'markOfSomebodyElse' } }),
  ],
  nonsense: ['{}', '[]', 'nonsense'],
  lacks: ['signature', 'signed body', 'time'],
})
