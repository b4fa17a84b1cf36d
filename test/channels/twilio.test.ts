import { createHmac } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { twilio } from '../../src/channels/twilio.ts'
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

const accountSid = `AC${'0a'.repeat(16)}`
const settings = {
  accountSid,
  authToken: 'auth-token-5f1d',
  apiKeySid: `SK${'1b'.repeat(16)}`,
  apiKeySecret: 'key-secret-77aa',
  from: '+15005550006',
}
const callbackUrl = 'https://notify.example.com/callbacks/acc_1?t=abc'

/** As Twilio's "Message resource" and "Twilio API: error response format" show them. */
const failure = (status: number, code: number, message: string): Reply => ({
  status,
  body: { code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status },
})

const documented = {
  provider: twilio,
  settings,
  address: { id: '+15558675310' },
  badAddress: { id: '555 86 75' },
  message: { callbackUrl },
  hosts: ['api.twilio.com'],
  well: { status: 201, body: { sid: 'SM0123', status: 'queued', error_code: null } },
  refusing: failure(400, 21211, "Invalid 'To' Phone Number: +1555867531XX"),
  throttling: failure(429, 20429, 'Too Many Requests'),
  identity: ({ body }: { body: Buffer }) => String(new URLSearchParams(body.toString()).get('StatusCallback')),
}

keepsTheContractOverHttp(documented)

/** The codes and their meaning: Twilio's "Error and warning dictionary". */
readsReplies(documented, [
  ['taken', { status: 201, body: { sid: 'SM0123' } }, { kind: 'accepted', reference: 'SM0123', code: '201' }],
  ['not a mobile number', failure(400, 21614, 'not a mobile number'), { kind: 'rejected', what: 'address', code: '21614' }],
  ['unsubscribed', failure(400, 21610, 'unsubscribed'), { kind: 'rejected', what: 'address', code: '21610' }],
  ['too long', failure(400, 21617, 'exceeds the 1600 character limit'), { kind: 'rejected', what: 'content', code: '21617' }],
  ['no permission for the region', failure(400, 21408, 'Permission'), { kind: 'rejected', what: 'request', code: '21408' }],
  ['a sender that is not theirs', failure(400, 21212, 'From'), { kind: 'misconfigured', error: 'Twilio answered 21212.' }],
  [
    'a sender that cannot send to this country',
    failure(400, 21606, 'From'),
    { kind: 'rejected', what: 'request', code: '21606' },
  ],
  ['a short code of another country', failure(400, 21659, 'From'), { kind: 'rejected', what: 'request', code: '21659' }],
  ['a wrong login', failure(401, 20003, 'Authenticate'), { kind: 'misconfigured', code: '20003' }],
  ['a full queue', failure(400, 21611, 'queue full'), { kind: 'retry', code: '21611' }],
  [
    'a code of tomorrow',
    failure(400, 29999, 'New.'),
    { kind: 'rejected', what: 'request', error: 'Twilio answered 29999: New.' },
  ],
  ['a code like a method', { status: 400, body: { code: 1, message: 'toString' } }, { kind: 'rejected', what: 'request' }],
  ['their own error', failure(500, 20500, 'Internal Server Error'), { kind: 'retry', code: '20500' }],
  ['too busy', { status: 503, headers: { 'retry-after': '7' } }, { kind: 'retry', afterMs: 7_000 }],
  // Nobody knows whether Twilio took it, and a second SMS costs money.
  ['a gateway without an answer', { status: 504, body: '<html>' }, { kind: 'unknown' }],
  ['a gateway with a bad one', { status: 502, body: '<html>' }, { kind: 'unknown' }],
  ['no error of theirs', { status: 500, body: '<html>' }, { kind: 'unknown' }],
])

describe('An SMS by Twilio', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}, account: object = settings) => {
    const outcome = await deliver(twilio, account, outgoing({ id: '+15558675310' }, changes), { http: host.http })
    const request = host.messages.at(-1)!
    return { outcome, request, form: Object.fromEntries(new URLSearchParams(request?.body.toString())) }
  }

  test('says whom it is for, what it says, and where its fate is told', async () => {
    const { request, form } = await send({ callbackUrl })
    expect(request).toMatchObject({ method: 'POST', path: `/2010-04-01/Accounts/${accountSid}/Messages.json` })
    const login = Buffer.from(`${settings.apiKeySid}:${settings.apiKeySecret}`).toString('base64')
    expect(request.headers).toMatchObject({
      authorization: `Basic ${login}`,
      'content-type': 'application/x-www-form-urlencoded',
    })
    expect(form).toEqual({
      To: '+15558675310',
      From: '+15005550006',
      Body: 'It is here.',
      StatusCallback: 'https://notify.example.com/callbacks/acc_1?t=abc&key=key_1-a',
    })
  })

  test('comes from whom the send says, or from the messaging service', async () => {
    const messagingServiceSid = `MG${'2c'.repeat(16)}`
    const service = { accountSid, authToken: 'auth-token-5f1d', messagingServiceSid }
    const { form, request } = await send({}, service)
    expect(form).toEqual({ To: '+15558675310', MessagingServiceSid: messagingServiceSid, Body: 'It is here.' })
    expect(request.headers.authorization).toBe(`Basic ${Buffer.from(`${accountSid}:auth-token-5f1d`).toString('base64')}`)
    expect((await send({ extras: { from: 'Shop' } }, service)).form).toMatchObject({ From: 'Shop' })
  })

  test('that comes from nobody the account may name is the fault of whoever named them', async () => {
    host.reply = failure(400, 21606, 'From')
    expect((await send({ extras: { from: 'Shop' } })).outcome).toMatchObject({ kind: 'rejected', what: 'request' })
    host.reply = documented.well
  })

  test('takes what the send overrides, but not whom it is for and where its fate is told', async () => {
    const override = {
      ValidityPeriod: 60,
      MediaUrl: ['https://a.example/1', 'https://a.example/2'],
      To: '+1900',
      StatusCallback: 'x',
    }
    const { form, request } = await send({ override })
    expect(form).toMatchObject({ To: '+15558675310', ValidityPeriod: '60' })
    expect(form).not.toHaveProperty('StatusCallback')
    expect(new URLSearchParams(request.body.toString()).getAll('MediaUrl')).toHaveLength(2)
  })

  test.each([
    [{ content: { text: '  ' } }, 'content'],
    [{ extras: { from: 'A name that is too long' } }, 'request'],
    [{ address: { id: '15558675310' } }, 'address'],
  ])('is not sent as %j', async (changes, what) => {
    const before = host.requests.length
    expect((await send(changes)).outcome).toMatchObject({ kind: 'rejected', what })
    expect(host.requests).toHaveLength(before)
  })

  test('wants settings that go together', () => {
    const { from: _from, ...nobody } = settings
    const { apiKeySecret: _secret, ...half } = settings
    for (const wrong of [nobody, half, { ...settings, accountSid: 'AC1' }, { ...settings, from: '' }]) {
      expect(twilio.settings.safeParse(wrong)).toMatchObject({ success: false })
    }
  })
})

// ── Callbacks, as "Track the message status of outbound messages" and "Webhooks security" show them ──────────

const sign = (body: string, url = `${callbackUrl}&key=key_1-a`, signedUrl = url) => {
  const params = [...new URLSearchParams(body)].sort(([a], [b]) => (a < b ? -1 : 1))
  const signed = signedUrl + params.map(([name, value]) => name + value).join('')
  const signature = createHmac('sha1', settings.authToken).update(signed).digest('base64')
  return {
    method: 'POST',
    url,
    headers: { 'content-type': 'application/x-www-form-urlencoded', 'x-twilio-signature': signature },
    body: Buffer.from(body),
  }
}

const delivered =
  'SmsSid=SM0123&SmsStatus=delivered&MessageStatus=delivered&To=%2B15558675310&AccountSid=AC1&ApiVersion=2010-04-01'

readsCallbacks({
  provider: twilio,
  settings,
  sign: (body) => sign(body),
  delivered,
  bounced: 'MessageSid=SM0123&MessageStatus=undelivered&ErrorCode=30005&To=%2B15558675310',
  noNews: ['MessageStatus=queued', 'MessageStatus=sent', 'MessageStatus=read', 'MessageStatus=something_new'],
  nonsense: ['MessageSid=SM0123'],
  lacks: ['time'],
})

describe('A callback of Twilio', () => {
  const http = testDoor()
  afterAll(() => http.close())
  const read = (callback: ReturnType<typeof sign>) =>
    twilio.readCallback!(callback, { settings: settings as never, http, now: CALLED_AT })

  test('is Twilio’s in the example that it gives itself', async () => {
    // "Webhooks security", Twilio: the URL, the parameters, the token and the signature that they make.
    const example = {
      method: 'POST',
      url: 'https://example.com/myapp.php?foo=1&bar=2',
      headers: { 'x-twilio-signature': 'L/OH5YylLD5NRKLltdqwSvS0BnU=' },
      body: Buffer.from('CallSid=CA1234567890ABCDE&Caller=%2B14158675310&Digits=1234&From=%2B14158675310&To=%2B18005551212'),
    }
    const account = { ...settings, authToken: '12345' } as never
    const reading = await twilio.readCallback!(example, { settings: account, http, now: CALLED_AT })
    expect(reading).toMatchObject({ kind: 'malformed' })
  })

  test('says why a message bounced', async () => {
    const reading = await read(sign('MessageStatus=failed&ErrorCode=30007'))
    expect(reading).toMatchObject({ reports: [{ what: 'bounced', error: 'failed 30007 message filtered' }] })
  })

  test('counts for nothing under another URL, and is no news without a key', async () => {
    const { url, ...rest } = sign(delivered)
    expect(await read({ ...rest, url: url.replace('key_1-a', 'key_2-b') })).toMatchObject({ kind: 'forged' })
    expect(await read(sign(delivered, callbackUrl))).toEqual({ kind: 'reports', reports: [] })
  })

  test('is genuine whether or not the port of https was signed', async () => {
    const url = 'https://notify.example.com/c?key=k'
    expect(await read(sign(delivered, url, url.replace('.com/', '.com:443/')))).toMatchObject({ reports: [{ key: 'k' }] })
  })
})
