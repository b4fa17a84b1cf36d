import { generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sendgrid } from '../../src/channels/sendgrid.ts'
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

const events = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const settings = sendgrid.settings.parse({
  apiKey: 'SG.secret',
  from: 'The Shop <shop@example.com>',
  webhookPublicKey: events.publicKey.export({ format: 'der', type: 'spki' }).toString('base64'),
})

/** As SendGrid's page "Errors" of the v3 Mail Send API shows them. */
const failing = (status: number, message: string, field: string | null = null) => ({
  status,
  body: { errors: [{ message, field, help: null }] },
})

const documented: Documented = {
  provider: sendgrid,
  settings,
  address: { id: 'ada@example.com', name: 'Ada' },
  badAddress: { id: 'ada@example.com, eve@example.com' },
  hosts: ['api.sendgrid.com'],
  well: { status: 202, headers: { 'x-message-id': 'sg-1' } },
  refusing: failing(400, 'Does not contain a valid address.', 'personalizations.0.to.0.email'),
  throttling: failing(429, 'too many requests'),
  identity: ({ body }) => JSON.parse(body.toString()).personalizations[0].custom_args.carillon_key,
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', code: '202', reference: 'sg-1' }],
  ['no address', documented.refusing!, { kind: 'rejected', what: 'address', code: '400' }],
  [
    'no sender',
    failing(400, 'The from email does not contain a valid address.', 'from.email'),
    { kind: 'rejected', what: 'request' },
  ],
  [
    'an empty part',
    failing(400, 'The content value must be a string at least one character in length.', 'content.0.value'),
    { kind: 'rejected', what: 'content' },
  ],
  [
    'a bad key',
    failing(401, 'The provided authorization grant is invalid, expired, or revoked'),
    { kind: 'misconfigured', code: '401', error: 'SendGrid answered 401.' },
  ],
  ['no credits', failing(401, 'Maximum credits exceeded'), { kind: 'retry', code: '401' }],
  [
    'an unverified sender',
    failing(
      403,
      'The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved.',
      'from',
    ),
    { kind: 'misconfigured', code: '403' },
  ],
  ['no access', failing(403, 'access forbidden'), { kind: 'misconfigured', code: '403' }],
  ['too much', { status: 413, body: '' }, { kind: 'rejected', what: 'content', code: '413' }],
  ['another media type', failing(415, 'unsupported media type'), { kind: 'rejected', what: 'request' }],
  ['too often', { status: 429, headers: { 'retry-after': '7' }, body: '' }, { kind: 'retry', code: '429', afterMs: 7_000 }],
  ['its own trouble', { status: 500, body: 'oops' }, { kind: 'retry', code: '500' }],
  ['that it is away', { status: 503, body: '' }, { kind: 'retry', code: '503' }],
])

describe('a mail by SendGrid', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({ ...documented, hosts: ['api.sendgrid.com', 'api.eu.sendgrid.com'] })
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}, account: object = settings, now = new Date()) => {
    const outcome = await deliver(sendgrid, account, outgoing({ id: 'ada@example.com' }, changes), { http: host.http, now })
    const { body, headers, ...rest } = host.messages.at(-1)!
    return { outcome, headers, ...rest, json: JSON.parse(body.toString()) }
  }

  test('says all that the send says, to each recipient once', async () => {
    const { json, headers, method, path, host: to } = await send(FULL)
    expect(`${method} https://${to}${path}`).toBe('POST https://api.sendgrid.com/v3/mail/send')
    expect(headers).toMatchObject({ authorization: 'Bearer SG.secret', 'content-type': 'application/json' })
    expect(json).toEqual({
      personalizations: [
        {
          to: [{ email: 'ada@example.com', name: 'Ada, the "first"' }],
          cc: [{ email: 'bob@example.com', name: 'Bob' }],
          bcc: [{ email: 'eve@example.com' }],
          custom_args: { carillon_key: 'key_1-a', carillon_to: expect.stringMatching(/^[\w-]{22}$/) },
        },
      ],
      from: { email: 'orders@shop.example', name: 'Orders' },
      reply_to: { email: 'help@shop.example' },
      subject: 'Grüße Bcc: evil@e.test',
      content: [
        { type: 'text/plain', value: 'It is here.' },
        { type: 'text/html', value: '<p>It is here.</p><img src="cid:logo">' },
      ],
      headers: {
        'X-Campaign': 'spring',
        'List-Unsubscribe': '<https://bells.example.com/unsubscribe/1>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      },
      attachments: [
        { content: 'JVBERi0xLjc=', filename: 'invoice.pdf', type: 'application/pdf', disposition: 'attachment' },
        { content: 'UE5H', filename: 'logo.png', type: 'image/png', disposition: 'inline', content_id: 'logo' },
      ],
    })
  })

  test('takes an override, but not over whom it is for, its key or its headers', async () => {
    const override = {
      categories: ['spring'],
      mail_settings: {
        footer: { enable: true },
        sandbox_mode: { enable: true },
        bcc: { enable: true, email: 'evil@e.test' },
        spam_check: { enable: true, threshold: 1, post_to_url: 'https://evil.example/' },
      },
      Mail_Settings: { bcc: { enable: true, email: 'evil@e.test' } },
      Personalizations: [{ to: [{ email: 'evil@e.test' }] }],
      personalizations: [{ to: [{ email: 'evil@e.test' }] }],
      headers: { Bcc: 'evil@e.test' },
    }
    const { json } = await send({ override })
    expect(json).toMatchObject({ categories: ['spring'], mail_settings: { footer: { enable: true } } })
    expect(JSON.stringify(json)).not.toMatch(/evil|sandbox/)
    expect(json.personalizations).toEqual([{ to: [{ email: 'ada@example.com' }], custom_args: { carillon_key: 'key_1-a' } }])
    expect(json).not.toHaveProperty('headers')
  })

  test('of an account in Europe goes there', async () => {
    expect(await send({}, { ...settings, region: 'eu' })).toMatchObject({
      host: 'api.eu.sendgrid.com',
      outcome: { kind: 'accepted' },
    })
  })

  test('whose own sender is not verified does not stop the account', async () => {
    host.reply = failing(403, 'The from address does not match a verified Sender Identity.', 'from')
    const { outcome } = await send({ extras: { from: 'ceo@other.example' } })
    host.reply = documented.well
    expect(outcome).toMatchObject({ kind: 'rejected', what: 'request', code: '403' })
  })

  test('that was too much waits until its rate is measured anew', async () => {
    host.reply = { status: 429, headers: { 'x-ratelimit-reset': String(CALLED_AT.getTime() / 1_000 + 30) } }
    const { outcome } = await send({}, settings, CALLED_AT)
    host.reply = documented.well
    expect(outcome).toMatchObject({ kind: 'retry', afterMs: 30_000 })
  })
})

const seconds = CALLED_AT.getTime() / 1_000
const event = (fields: object) => ({
  email: 'ada@example.com',
  timestamp: seconds,
  'smtp-id': '<a@b>',
  sg_event_id: 'e1',
  sg_message_id: 'm1',
  carillon_key: 'key_1-a',
  ...fields,
})
const delivered = event({ event: 'delivered', response: '250 OK' })

function signed(body: string, at: Date) {
  const timestamp = String(Math.floor(at.getTime() / 1_000))
  const signature = sign('sha256', Buffer.from(timestamp + body), events.privateKey).toString('base64')
  return {
    method: 'POST',
    url: 'https://bells.example.com/callbacks/1',
    headers: {
      'x-twilio-email-event-webhook-signature': signature,
      'x-twilio-email-event-webhook-timestamp': timestamp,
    },
    body: Buffer.from(body),
  }
}

// As SendGrid's page "Event Webhook reference" shows them.
readsCallbacks({
  provider: sendgrid,
  settings,
  sign: signed,
  delivered: JSON.stringify([delivered]),
  bounced: JSON.stringify([event({ event: 'bounce', type: 'bounce', status: '5.1.1', reason: '550 5.1.1 No such user' })]),
  noNews: [
    '[]',
    JSON.stringify([
      event({ event: 'open' }),
      event({ event: 'deferred', response: '400 try again later' }),
      event({ event: 'new' }),
    ]),
    JSON.stringify([{ ...delivered, carillon_key: undefined }, null, 7]),
    JSON.stringify([{ ...delivered, carillon_to: 'markOfSomebodyElse' }]),
  ],
  nonsense: ['{}', 'nonsense', `[${'1,'.repeat(10_000)}1]`],
})

describe('the events of SendGrid', () => {
  const read = (body: string, account: object = settings) =>
    sendgrid.readCallback!(signed(body, CALLED_AT), { settings: account as typeof settings, http: null!, now: CALLED_AT })

  test('are all read, and one that comes twice counts once', async () => {
    const other = event({ event: 'dropped', sg_event_id: 'e2', carillon_key: 'key_2', reason: 'Bounced Address' })
    expect(await read(JSON.stringify([delivered, other, delivered]))).toEqual({
      kind: 'reports',
      reports: [
        { key: 'key_1-a', what: 'delivered', at: CALLED_AT },
        { key: 'key_2', what: 'bounced', at: CALLED_AT, error: 'Bounced Address' },
      ],
    })
  })

  test('count for nothing where the account has no verification key', async () => {
    const { webhookPublicKey: _key, ...account } = settings
    expect(await read(JSON.stringify([delivered]), account)).toMatchObject({ kind: 'forged' })
  })

  test('of a mail with further recipients count where they are about the first', async () => {
    const host = await startHost(documented)
    await deliver(sendgrid, settings, outgoing({ id: 'ada@example.com' }, FULL), { http: host.http })
    const { custom_args } = JSON.parse(host.messages[0]!.body.toString()).personalizations[0]
    await host.close()
    const of = (email: string) => JSON.stringify([event({ event: 'bounce', email, ...custom_args })])
    expect(await read(of('Ada@Example.com'))).toMatchObject({ reports: [{ key: 'key_1-a' }] })
    expect(await read(of('bob@example.com'))).toEqual({ kind: 'reports', reports: [] })
  })

  test.each(['', 'AAAA', 'not base64'])('take no verification key that is none: %j', (webhookPublicKey) => {
    expect(sendgrid.settings.safeParse({ ...settings, webhookPublicKey })).toMatchObject({ success: false })
  })
})
