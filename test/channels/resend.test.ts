import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { resend } from '../../src/channels/resend.ts'
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

const webhookSecret = `whsec_${Buffer.alloc(24, 'bell').toString('base64')}`
const settings = resend.settings.parse({ apiKey: 're_secret', from: 'The Shop <shop@example.com>', webhookSecret })

/** As Resend's page "Errors" shows them. */
const failing = (statusCode: number, name: string, message: string) => ({
  status: statusCode,
  body: { statusCode, name, message },
})

const documented: Documented = {
  provider: resend,
  settings,
  address: { id: 'ada@example.com', name: 'Ada' },
  badAddress: { id: 'ada@example.com\r\nBcc: eve@example.com' },
  hosts: ['api.resend.com'],
  well: { status: 200, body: { id: 'rs-1' } },
  refusing: failing(
    422,
    'validation_error',
    'Invalid `to` field. The email address needs to follow the `email@example.com` format.',
  ),
  throttling: failing(429, 'rate_limit_exceeded', 'Too many requests. Please limit the number of requests per second.'),
  identity: ({ headers }) => String(headers['idempotency-key']),
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', code: '200', reference: 'rs-1' }],
  ['a bad recipient', documented.refusing!, { kind: 'rejected', what: 'address', code: '422' }],
  [
    'a bad key',
    failing(403, 'invalid_api_key', 'API key is invalid'),
    { kind: 'misconfigured', code: '403', error: 'Resend answered 403.' },
  ],
  ['no key', failing(401, 'missing_api_key', 'Missing API Key'), { kind: 'misconfigured', code: '401' }],
  [
    'a restricted key',
    failing(401, 'restricted_api_key', 'This API key is restricted to only send emails'),
    { kind: 'misconfigured' },
  ],
  [
    'an unverified domain',
    failing(
      403,
      'validation_error',
      'The example.com domain is not verified. Please, add and verify your domain on https://resend.com/domains',
    ),
    { kind: 'misconfigured', code: '403' },
  ],
  [
    'that it only tests',
    failing(403, 'validation_error', 'You can only send testing emails to your own email address.'),
    { kind: 'misconfigured', code: '403' },
  ],
  [
    'a bad idempotency key',
    failing(400, 'invalid_idempotency_key', 'The key must be between 1-256 chars.'),
    { kind: 'rejected', what: 'request' },
  ],
  [
    'another body',
    failing(409, 'invalid_idempotent_request', 'Same idempotency key used with a different request payload.'),
    { kind: 'accepted', code: '409' },
  ],
  [
    'that another try is under way',
    failing(409, 'concurrent_idempotent_requests', 'Same idempotency key used while original request is still in progress.'),
    { kind: 'retry', code: '409' },
  ],
  ['no content', failing(422, 'validation_error', 'Missing `html` or `text` field.'), { kind: 'rejected', what: 'content' }],
  [
    'a bad attachment',
    failing(422, 'invalid_attachment', 'Attachment must have either a `content` or `path`.'),
    { kind: 'rejected', what: 'content' },
  ],
  ['a bad sender', failing(422, 'invalid_from_address', 'Invalid `from` field.'), { kind: 'misconfigured', code: '422' }],
  [
    'a field that is missing',
    failing(422, 'missing_required_field', 'The request body is missing one or more required fields.'),
    { kind: 'rejected', what: 'request' },
  ],
  ['a name of no error', failing(422, 'constructor', 'x'), { kind: 'rejected', what: 'request' }],
  [
    'no quota',
    failing(429, 'daily_quota_exceeded', 'You have reached your daily email sending quota.'),
    { kind: 'retry', code: '429' },
  ],
  [
    'too often',
    { ...failing(429, 'rate_limit_exceeded', 'Too many requests'), headers: { 'retry-after': '2' } },
    { kind: 'retry', afterMs: 2_000 },
  ],
  [
    'doubts',
    failing(451, 'security_error', 'We may have found a security issue with the request.'),
    { kind: 'rejected', what: 'request' },
  ],
  ['its own trouble', failing(500, 'application_error', 'An unexpected error occurred.'), { kind: 'retry', code: '500' }],
])

describe('a mail by Resend', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}) => {
    const outcome = await deliver(resend, settings, outgoing({ id: 'ada@example.com' }, changes), { http: host.http })
    const { body, headers, ...rest } = host.messages.at(-1)!
    return { outcome, headers, ...rest, json: JSON.parse(body.toString()) }
  }

  test('says all that the send says, to each recipient once, and the same on every try', async () => {
    const { json, headers, method, path } = await send(FULL)
    expect(`${method} ${path}`).toBe('POST /emails')
    expect(headers).toMatchObject({ authorization: 'Bearer re_secret', 'idempotency-key': 'key_1-a' })
    expect(json).toEqual({
      from: '"Orders" <orders@shop.example>',
      to: [`"Ada, the 'first'" <ada@example.com>`],
      cc: ['"Bob" <bob@example.com>'],
      bcc: ['eve@example.com'],
      reply_to: 'help@shop.example',
      subject: 'Grüße Bcc: evil@e.test',
      text: 'It is here.',
      html: '<p>It is here.</p><img src="cid:logo">',
      headers: {
        'X-Campaign': 'spring',
        'List-Unsubscribe': '<https://bells.example.com/unsubscribe/1>',
        'List-Unsubscribe-Post': 'List-Unsubscribe=One-Click',
      },
      attachments: [
        { filename: 'invoice.pdf', content: 'JVBERi0xLjc=', content_type: 'application/pdf' },
        { filename: 'logo.png', content: 'UE5H', content_type: 'image/png', content_id: 'logo' },
      ],
      tags: [
        { name: 'carillon_key', value: 'key_1-a' },
        { name: 'carillon_to', value: expect.stringMatching(/^[\w-]{22}$/) },
      ],
    })
    // Resend refuses a key that comes back with another body.
    expect((await send(FULL)).json).toEqual(json)
  })

  test('takes an override, but not over whom it is for, its key or its headers', async () => {
    const override = {
      scheduled_at: 'in 1 min',
      to: ['evil@e.test'],
      bcc: ['evil@e.test'],
      headers: { Bcc: 'evil@e.test' },
      tags: [
        { name: 'campaign', value: 'spring' },
        { name: 'carillon_key', value: 'other' },
      ],
    }
    const { json } = await send({ override })
    expect(json).toMatchObject({ scheduled_at: 'in 1 min', to: ['ada@example.com'] })
    expect(json.tags).toEqual([
      { name: 'carillon_key', value: 'key_1-a' },
      { name: 'campaign', value: 'spring' },
    ])
    expect(json).not.toHaveProperty('bcc')
    expect(json).not.toHaveProperty('headers')
  })

  test('whose own sender is not verified does not stop the account', async () => {
    host.reply = failing(403, 'validation_error', 'The other.example domain is not verified.')
    const { outcome } = await send({ extras: { from: 'ceo@other.example' } })
    host.reply = documented.well
    expect(outcome).toMatchObject({ kind: 'rejected', what: 'request', code: '403' })
  })
})

// As Resend's page "Event Types" shows them.
const event = (type: string, data: object = {}) =>
  JSON.stringify({
    type,
    created_at: CALLED_AT.toISOString(),
    data: { email_id: 'rs-1', from: 'x', to: ['ada@example.com'], subject: 's', tags: { carillon_key: 'key_1-a' }, ...data },
  })
const bounce = { message: 'The recipient does not exist', subType: 'General', type: 'Permanent' }

function signed(body: string, at: Date) {
  return {
    method: 'POST',
    url: 'https://bells.example.com/callbacks/1',
    headers: {
      'svix-id': 'evt_1',
      'svix-timestamp': String(Math.floor(at.getTime() / 1_000)),
      'svix-signature': `v1,AAAA v1a,x ${new Webhook(webhookSecret).sign('evt_1', at, body)}`,
    },
    body: Buffer.from(body),
  }
}

readsCallbacks({
  provider: resend,
  settings,
  sign: signed,
  delivered: event('email.delivered'),
  bounced: event('email.bounced', { bounce }),
  noNews: [
    event('email.opened'),
    event('email.delivery_delayed'),
    event('email.new'),
    event('email.bounced', { bounce: { ...bounce, type: 'Transient' } }),
    event('email.delivered', { tags: {} }),
    event('email.delivered', { tags: { carillon_key: 'key_1-a', carillon_to: 'marked' } }),
  ],
  nonsense: ['{}', '[]', 'nonsense'],
})

describe('the events of Resend', () => {
  const read = (body: string, account: object = settings) =>
    resend.readCallback!(signed(body, CALLED_AT), { settings: account as typeof settings, http: null!, now: CALLED_AT })

  test.each([
    ['email.failed', { failed: { reason: 'reached_daily_quota' } }, 'reached_daily_quota'],
    ['email.suppressed', { suppressed: { message: 'On the suppression list' } }, 'On the suppression list'],
  ])('say that nothing will come: %s', async (type, data, error) => {
    expect(await read(event(type, data))).toMatchObject({ reports: [{ key: 'key_1-a', what: 'bounced', error }] })
  })

  test('give tags back as an object, or as they were given', async () => {
    const tags = [{ name: 'carillon_key', value: 'key_1-a' }, null]
    expect(await read(event('email.delivered', { tags }))).toMatchObject({ reports: [{ key: 'key_1-a' }] })
  })

  test('count for nothing where the account has no signing secret', async () => {
    const { webhookSecret: _secret, ...account } = settings
    expect(await read(event('email.delivered'), account)).toMatchObject({ kind: 'forged' })
  })

  test.each(['', 'whsec_', 'whsec_AAAA', 'whsec_***', `whsec_${'A'.repeat(33)}`])(
    'take no signing secret that is none: %j',
    (bad) => {
      expect(resend.settings.safeParse({ ...settings, webhookSecret: bad })).toMatchObject({ success: false })
    },
  )
})
