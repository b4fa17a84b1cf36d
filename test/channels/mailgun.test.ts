import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { mailgun } from '../../src/channels/mailgun.ts'
import {
  CALLED_AT,
  type Documented,
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  type Request,
  readsCallbacks,
  readsReplies,
  startHost,
} from './conformance.ts'
import { FULL } from './full-mail.ts'

const settings = mailgun.settings.parse({
  apiKey: 'mg-secret',
  domain: 'mg.example.com',
  from: 'The Shop <shop@example.com>',
  webhookSigningKey: 'signing-secret',
})

/** As Mailgun's page "Status codes and errors" shows them. */
const failing = (status: number, message: string) => ({ status, body: { message } })

const PART = /name="([^"]+)"(?:; filename="([^"]*)")?\r\n(?:content-type: ([^\r]+)\r\n)?\r\n([\s\S]*?)\r\n--/gi

/** The parts of multipart/form-data (RFC 7578), files as name, type and content. */
function formOf({ body }: Request): [string, string | [string, string, string]][] {
  return [...body.toString().matchAll(PART)].map(([, name, file, type, content]) => [
    name!,
    file === undefined ? content! : [file, type!, content!],
  ])
}

const documented: Documented = {
  provider: mailgun,
  settings,
  address: { id: 'ada@example.com', name: 'Ada' },
  badAddress: { id: 'ada@localhost' },
  hosts: ['api.mailgun.net'],
  well: { status: 200, body: { id: '<key_1-a@example.com>', message: 'Queued. Thank you.' } },
  refusing: failing(400, "'to' parameter is not a valid address. please check documentation"),
  throttling: failing(429, 'Too many requests'),
  identity: (request) => {
    const fields = new Map(formOf(request))
    return `${fields.get('v:carillon_key')} ${fields.get('h:Message-Id')}`
  },
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', code: '200', reference: '<key_1-a@example.com>' }],
  ['a bad recipient', documented.refusing!, { kind: 'rejected', what: 'address', code: '400' }],
  [
    'a bad sender',
    failing(400, "'from' parameter is not a valid address. please check documentation"),
    { kind: 'rejected', what: 'request' },
  ],
  [
    'no content',
    failing(400, "Need at least one of 'text', 'html', 'amp-html' or 'template' parameters specified"),
    { kind: 'rejected', what: 'content' },
  ],
  ['a bad key', { status: 401, body: 'Forbidden' }, { kind: 'misconfigured', code: '401', error: 'Mailgun answered 401.' }],
  [
    'a sandbox',
    failing(403, 'Domain sandbox.mailgun.org is not allowed to send: Sandbox subdomains are for test purposes only.'),
    { kind: 'misconfigured', code: '403' },
  ],
  ['an unknown domain', failing(404, 'Domain not found: mg.example.com'), { kind: 'misconfigured', code: '404' }],
  ['too much', failing(413, 'Request entity too large'), { kind: 'rejected', what: 'content', code: '413' }],
  [
    'too often',
    { ...failing(429, 'Too many requests'), headers: { 'retry-after': '9' } },
    { kind: 'retry', code: '429', afterMs: 9_000 },
  ],
  ['its own trouble', failing(500, 'Internal Server Error'), { kind: 'retry', code: '500' }],
])

describe('a mail by Mailgun', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost({ ...documented, hosts: ['api.mailgun.net', 'api.eu.mailgun.net'] })
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}, account: object = settings) => {
    const outcome = await deliver(mailgun, account, outgoing({ id: 'ada@example.com' }, changes), { http: host.http })
    return { outcome, request: host.messages.at(-1)!, form: formOf(host.messages.at(-1)!) }
  }

  test('says all that the send says, to each recipient once', async () => {
    const { request, form } = await send(FULL)
    expect(`${request.method} ${request.path}`).toBe('POST /v3/mg.example.com/messages')
    expect(request.headers.authorization).toBe(`Basic ${Buffer.from('api:mg-secret').toString('base64')}`)
    expect(form).toEqual([
      ['from', '"Orders" <orders@shop.example>'],
      ['subject', 'Grüße Bcc: evil@e.test'],
      ['text', 'It is here.'],
      ['html', '<p>It is here.</p><img src="cid:logo">'],
      ['to', `"Ada, the 'first'" <ada@example.com>`],
      ['cc', '"Bob" <bob@example.com>'],
      ['bcc', 'eve@example.com'],
      ['v:carillon_to', expect.stringMatching(/^[\w-]{22}$/)],
      ['v:carillon_key', 'key_1-a'],
      ['h:X-Campaign', 'spring'],
      ['h:List-Unsubscribe', '<https://bells.example.com/unsubscribe/1>'],
      ['h:List-Unsubscribe-Post', 'List-Unsubscribe=One-Click'],
      ['h:Reply-To', 'help@shop.example'],
      ['h:Message-Id', '<key_1-a@shop.example>'],
      ['attachment', ['invoice.pdf', 'application/pdf', '%PDF-1.7']],
      ['inline', ['logo', 'image/png', 'PNG']],
    ])
  })

  test('takes an override, but not over whom it is for, its key or its headers', async () => {
    const override = {
      'o:tag': ['spring', 'sale'],
      'o:tracking': false,
      't:variables': { order: 7 },
      to: 'evil@e.test',
      bcc: 'evil@e.test',
      'h:Bcc': 'evil@e.test',
      'H:To': 'evil@e.test',
      'v:carillon_key': 'other',
      attachment: 'evil',
    }
    const { form } = await send({ override })
    expect(form.filter(([name]) => name === 'o:tag')).toEqual([
      ['o:tag', 'spring'],
      ['o:tag', 'sale'],
    ])
    const fields = [
      ['o:tracking', 'false'],
      ['t:variables', '{"order":7}'],
      ['to', 'ada@example.com'],
    ]
    expect(form).toEqual(expect.arrayContaining(fields))
    expect(form).toContainEqual(['v:carillon_key', 'key_1-a'])
    expect(JSON.stringify(form)).not.toContain('evil')
  })

  test('of a domain in Europe goes there', async () => {
    const { request } = await send({}, { ...settings, region: 'eu' })
    expect(request.host).toBe('api.eu.mailgun.net')
  })

  test.each(['x/../../v3/other', 'a b', 'localhost', ''])('goes by no domain that is none: %j', (domain) => {
    expect(mailgun.settings.safeParse({ ...settings, domain })).toMatchObject({ success: false })
  })
})

// As Mailgun's page "Webhooks" shows them.
const event = (fields: object) =>
  JSON.stringify({
    event: 'delivered',
    id: 'e1',
    timestamp: CALLED_AT.getTime() / 1_000 + 0.5,
    recipient: 'ada@example.com',
    'user-variables': { carillon_key: 'key_1-a' },
    'delivery-status': { code: 250, message: 'OK' },
    ...fields,
  })
const failed = {
  event: 'failed',
  severity: 'permanent',
  'delivery-status': { code: 550, message: '', description: 'No such user' },
}

function signed(body: string, at: Date, key = 'signing-secret') {
  const timestamp = String(Math.floor(at.getTime() / 1_000))
  const token = 'a'.repeat(50)
  const signature = createHmac('sha256', key)
    .update(timestamp + token)
    .digest('hex')
  const whole = `{"signature":${JSON.stringify({ timestamp, token, signature })},"event-data":${body}}`
  return { method: 'POST', url: 'https://bells.example.com/callbacks/1', headers: {}, body: Buffer.from(whole) }
}

readsCallbacks({
  provider: mailgun,
  settings,
  sign: signed,
  delivered: event({}),
  bounced: event(failed),
  noNews: [
    event({ event: 'opened' }),
    event({ event: 'new' }),
    event({ ...failed, severity: 'temporary' }),
    event({ 'user-variables': {} }),
    event({ 'user-variables': { carillon_key: 'key_1-a', carillon_to: 'markOfSomebodyElse' } }),
  ],
  nonsense: ['{}', '[]', 'null'],
  lacks: ['signed body'],
})

describe('the events of Mailgun', () => {
  const read = (callback: ReturnType<typeof signed>, account: object = settings) =>
    mailgun.readCallback!(callback, { settings: account as typeof settings, http: null!, now: CALLED_AT })

  test('count for nothing when they are signed with another key, or the account has none', async () => {
    expect(await read(signed(event({}), CALLED_AT, 'other'))).toMatchObject({ kind: 'forged' })
    const { webhookSigningKey: _key, ...account } = settings
    expect(await read(signed(event({}), CALLED_AT), account)).toMatchObject({ kind: 'forged' })
  })

  test('say what was rejected before it was sent', async () => {
    const rejected = event({ event: 'rejected', reject: { reason: 'Sandbox' }, 'delivery-status': undefined })
    expect(await read(signed(rejected, CALLED_AT))).toMatchObject({ reports: [{ what: 'bounced', error: 'Sandbox' }] })
  })
})
