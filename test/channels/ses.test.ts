import { AwsV4Signer } from 'aws4fetch'
import PostalMime from 'postal-mime'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createSes } from '../../src/channels/ses.ts'
import { SNS_CERTIFICATE, SNS_HOST, type SnsFields, signSns, snsNotification, TOPIC } from '../support/sns.ts'
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

const ses = createSes()
const settings = ses.settings.parse({
  accessKeyId: 'AKIDEXAMPLE12345',
  secretAccessKey: 'secret/key+1',
  region: 'eu-west-1',
  from: 'The Shop <shop@example.com>',
  configurationSetName: 'events',
  topicArn: TOPIC,
})

/** As the SES API v2 reference shows them: the exception in a header, and its message. */
const failing = (exception: string, message: string, status = 400) => ({
  status,
  headers: { 'x-amzn-errortype': `${exception}:http://internal.amazon.com/coral/com.amazonaws.services/` },
  body: { message },
})
const notVerified =
  'Email address is not verified. The following identities failed the check in region EU-WEST-1: shop@example.com'

const documented: Documented = {
  provider: ses,
  settings,
  address: { id: 'ada@example.com', name: 'Ada' },
  badAddress: { id: '"evil@e.test x"@internal.test' },
  hosts: ['email.eu-west-1.amazonaws.com'],
  well: { status: 200, body: { MessageId: 'ses-1' } },
  // It refuses no address that is one: what was suppressed is taken, and bounces.
  throttling: failing('TooManyRequestsException', 'Maximum sending rate exceeded.', 429),
  identity: ({ body }) => JSON.stringify(JSON.parse(body.toString()).EmailTags),
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', code: '200', reference: 'ses-1' }],
  [
    'bad content',
    failing('MessageRejected', 'Email content contains a virus.'),
    { kind: 'rejected', what: 'content', code: 'MessageRejected' },
  ],
  ['an unverified sender', failing('MessageRejected', notVerified), { kind: 'misconfigured', code: 'MessageRejected' }],
  [
    'an unverified domain',
    failing('MailFromDomainNotVerifiedException', 'Could not read the MX record.'),
    { kind: 'misconfigured' },
  ],
  ['a suspended account', failing('AccountSuspendedException', 'suspended'), { kind: 'misconfigured' }],
  ['a pause', failing('SendingPausedException', 'paused'), { kind: 'misconfigured' }],
  ['an unknown set', failing('NotFoundException', 'Configuration set <events> does not exist.', 404), { kind: 'misconfigured' }],
  [
    'a bad request',
    failing('BadRequestException', 'Missing final @domain'),
    { kind: 'rejected', what: 'request', code: 'BadRequestException' },
  ],
  [
    'too much',
    failing('BadRequestException', 'Message length is more than 41943040 bytes long'),
    { kind: 'rejected', what: 'content' },
  ],
  [
    'no quota',
    failing('LimitExceededException', 'Daily message quota exceeded.'),
    { kind: 'retry', code: 'LimitExceededException' },
  ],
  ['too often', documented.throttling, { kind: 'retry', code: 'TooManyRequestsException' }],
  [
    'a bad signature',
    failing('SignatureDoesNotMatch', 'The request signature we calculated does not match', 403),
    { kind: 'misconfigured', error: 'Amazon SES answered SignatureDoesNotMatch.' },
  ],
  [
    'a bad key',
    failing('UnrecognizedClientException', 'The security token included in the request is invalid.', 403),
    { kind: 'misconfigured' },
  ],
  [
    'no right',
    { status: 403, body: { __type: 'com.amazonaws#AccessDeniedException', Message: 'not authorized' } },
    { kind: 'misconfigured', code: 'AccessDeniedException' },
  ],
  ['its own trouble', failing('InternalFailure', '', 500), { kind: 'retry', code: 'InternalFailure' }],
  ['that it is away', { status: 503, body: '' }, { kind: 'retry', code: '503' }],
])

describe('a mail by Amazon SES', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}) => {
    const message = outgoing({ id: 'ada@example.com' }, changes)
    const outcome = await deliver(ses, settings, message, { http: host.http, now: CALLED_AT })
    const request = host.messages.at(-1)!
    const json = JSON.parse(request.body.toString())
    return { outcome, request, json, source: Buffer.from(json.Content.Raw.Data, 'base64') }
  }

  /** Signs the request again, from what arrived of it (Signature Version 4). */
  const signatureOf = async ({ path, body, headers }: Request) => {
    const { accessKeyId, secretAccessKey, region } = settings
    const signed = await new AwsV4Signer({
      method: 'POST',
      url: `https://email.eu-west-1.amazonaws.com${path}`,
      body: body.toString(),
      headers: {},
      datetime: String(headers['x-amz-date']),
      service: 'ses',
      accessKeyId,
      secretAccessKey,
      region,
    }).sign()
    return signed.headers.get('authorization')
  }

  test('says all that the send says, to each recipient once', async () => {
    const { json, request, source } = await send(FULL)
    expect(`${request.method} ${request.path}`).toBe('POST /v2/email/outbound-emails')
    expect(json).toEqual({
      ConfigurationSetName: 'events',
      Destination: {
        ToAddresses: ['ada@example.com'],
        CcAddresses: ['bob@example.com'],
        BccAddresses: ['eve@example.com'],
      },
      Content: { Raw: { Data: expect.any(String) } },
      EmailTags: [
        { Name: 'carillon_key', Value: 'key_1-a' },
        { Name: 'carillon_to', Value: expect.stringMatching(/^[\w-]{22}$/) },
      ],
    })
    const mail = await PostalMime.parse(source)
    expect(mail).toMatchObject({
      from: { name: 'Orders', address: 'orders@shop.example' },
      to: [{ name: 'Ada, the "first"', address: 'ada@example.com' }],
      cc: [{ name: 'Bob', address: 'bob@example.com' }],
      replyTo: [{ address: 'help@shop.example' }],
      subject: 'Grüße Bcc: evil@e.test',
      messageId: '<key_1-a@shop.example>',
      date: CALLED_AT.toISOString(),
    })
    expect(source.toString()).not.toMatch(/^bcc:|eve@example.com/im)
    expect(source.toString()).toMatch(/^List-Unsubscribe: <https:\/\/bells.example.com\/unsubscribe\/1>\r$/m)
  })

  test('is signed by Signature Version 4 for its region', async () => {
    const { request } = await send()
    expect(request.headers.authorization).toContain(
      'AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE12345/20261121/eu-west-1/ses/aws4_request',
    )
    expect(request.headers.authorization).toBe(await signatureOf(request))
  })

  test('takes an override, but not over whom it is for, what it is or its key', async () => {
    const override = {
      ConfigurationSetName: 'other',
      Destination: { BccAddresses: ['evil@e.test'] },
      Content: { Simple: { Subject: { Data: 'evil' } } },
      EmailTags: [
        { Name: 'campaign', Value: 'spring' },
        { Name: 'carillon_key', Value: 'other' },
      ],
    }
    const { json } = await send({ override })
    expect(json).toMatchObject({
      ConfigurationSetName: 'other',
      Destination: { ToAddresses: ['ada@example.com'], BccAddresses: [] },
    })
    expect(Object.keys(json.Content)).toEqual(['Raw'])
    expect(json.EmailTags).toEqual([
      { Name: 'carillon_key', Value: 'key_1-a' },
      { Name: 'campaign', Value: 'spring' },
    ])
  })

  test('whose own sender is not verified does not stop the account', async () => {
    host.reply = failing('MessageRejected', notVerified)
    const { outcome } = await send({ extras: { from: 'ceo@other.example' } })
    host.reply = documented.well
    expect(outcome).toMatchObject({ kind: 'rejected', what: 'request' })
  })

  test.each(['eu-west-1.evil.example/', 'x', ''])('goes to no region that is none: %j', (region) => {
    expect(ses.settings.safeParse({ ...settings, region })).toMatchObject({ success: false })
  })
})

// ── Callbacks ────────────────────────────────────────────────────────────────

const callback = (fields: SnsFields | string) => ({
  method: 'POST',
  url: 'https://bells.example.com/callbacks/1',
  headers: { 'content-type': 'text/plain; charset=UTF-8' },
  body: Buffer.from(typeof fields === 'string' ? fields : JSON.stringify(fields)),
})

// As AWS's page "Examples of event data that Amazon SES publishes to Amazon SNS" shows them.
const event = (eventType: string, fields: object, tags: object = { carillon_key: ['key_1-a'] }) =>
  JSON.stringify({
    eventType,
    mail: { timestamp: CALLED_AT.toISOString(), messageId: 'ses-1', destination: ['ada@example.com'], tags },
    ...fields,
  })
const delivery = { timestamp: CALLED_AT.toISOString(), recipients: ['ada@example.com'], smtpResponse: '250 2.6.0 OK' }
const bounce = {
  bounceType: 'Permanent',
  bounceSubType: 'General',
  timestamp: CALLED_AT.toISOString(),
  bouncedRecipients: [{ emailAddress: 'ada@example.com', action: 'failed', status: '5.1.1', diagnosticCode: 'smtp; 550 5.1.1' }],
}
const delivered = event('Delivery', { delivery })

const http = {
  guard: null!,
  request: async () => ({ kind: 'answered', status: 200, headers: {}, body: SNS_CERTIFICATE }) as const,
}

readsCallbacks({
  provider: ses,
  settings,
  http,
  sign: (body, at) => callback(snsNotification(body, at)),
  delivered,
  bounced: event('Bounce', { bounce }),
  noNews: [
    'Successfully validated SNS topic for Amazon SES event publishing.',
    '{}',
    event('Open', { open: {} }),
    event('New', {}),
    event('Bounce', { bounce: { ...bounce, bounceType: 'Transient' } }),
    event('Delivery', { delivery }, {}),
    event('Delivery', { delivery }, { carillon_key: ['key_1-a'], carillon_to: ['markOfSomebodyElse'] }),
  ],
  lacks: ['signed body'],
})

describe('a notification of Amazon SNS', () => {
  let host: Host
  let reader = createSes()
  beforeEach(async () => {
    reader = createSes()
    host = await startHost({ hosts: [SNS_HOST], well: { status: 200, body: SNS_CERTIFICATE } })
    return () => host.close()
  })

  const read = (fields: SnsFields | string, account: object = settings) =>
    reader.readCallback!(callback(fields), { settings: account as typeof settings, http: host.http, now: CALLED_AT })

  test.each(['1', '2'])('counts when it is signed by version %s', async (SignatureVersion) => {
    expect(await read(snsNotification(delivered, CALLED_AT, { SignatureVersion, Subject: 'SES' }))).toMatchObject({
      reports: [{ key: 'key_1-a', what: 'delivered' }],
    })
  })

  test('is verified with a certificate that is fetched once', async () => {
    for (let i = 0; i < 3; i += 1) await read(snsNotification(delivered, CALLED_AT))
    expect(host.calls.map(({ url }) => url)).toEqual([`https://${SNS_HOST}/SimpleNotificationService-0123456789abcdef.pem`])
  })

  test.each(['Message', 'Timestamp', 'MessageId', 'Subject'])('counts for nothing when its %s was changed', async (name) => {
    const genuine = snsNotification(delivered, CALLED_AT)
    const changed = name === 'Timestamp' ? new Date(CALLED_AT.getTime() + 1).toISOString() : 'other'
    expect(await read({ ...genuine, [name]: changed })).toMatchObject({ kind: 'forged' })
  })

  test.each([
    'https://evil.example/SimpleNotificationService-1.pem',
    `https://${SNS_HOST}.evil.example/SimpleNotificationService-1.pem`,
    `https://evil.example/${SNS_HOST}/SimpleNotificationService-1.pem`,
    `https://${SNS_HOST}@evil.example/SimpleNotificationService-1.pem`,
    `https://evil@${SNS_HOST}/SimpleNotificationService-1.pem`,
    `https://${SNS_HOST}:8443/SimpleNotificationService-1.pem`,
    `http://${SNS_HOST}/SimpleNotificationService-1.pem`,
    `https://${SNS_HOST}/other.pem`,
    `https://${SNS_HOST}/SimpleNotificationService-1.pem/../other`,
    'https://sns.us-east-1.amazonaws.com/SimpleNotificationService-1.pem',
    'https://bucket.s3.amazonaws.com/SimpleNotificationService-1.pem',
    'http://169.254.169.254/SimpleNotificationService-1.pem',
    'file:///etc/passwd',
  ])('whose certificate is said to be at %s makes no call', async (SigningCertURL) => {
    expect(await read(snsNotification(delivered, CALLED_AT, { SigningCertURL }))).toMatchObject({ kind: 'forged' })
    expect(host.calls).toEqual([])
  })

  test.each([
    { status: 404, body: '' },
    { status: 200, body: 'no certificate' },
  ])('whose certificate cannot be had counts for nothing, until it can: %j', async (reply) => {
    host.reply = reply
    expect(await read(snsNotification(delivered, CALLED_AT))).toMatchObject({ kind: 'forged' })
    host.reply = { status: 200, body: SNS_CERTIFICATE }
    expect(await read(snsNotification(delivered, CALLED_AT))).toMatchObject({ kind: 'reports' })
  })

  test('of another topic, or for an account that has none, counts for nothing', async () => {
    const TopicArn = TOPIC.replace('123456789012', '999999999999')
    expect(await read(snsNotification(delivered, CALLED_AT, { TopicArn }))).toMatchObject({ kind: 'forged' })
    const { topicArn: _topic, ...account } = settings
    expect(await read(snsNotification(delivered, CALLED_AT), account)).toMatchObject({ kind: 'forged' })
    expect(host.calls).toEqual([])
  })

  test.each(['{}', 'nonsense', '[]', '{"Type":"Notification"}'])('that is none counts for nothing: %s', async (body) => {
    expect(await read(body)).toMatchObject({ kind: 'forged' })
  })

  test('about several recipients counts where it is about the first', async () => {
    const outside = await startHost(documented)
    await deliver(ses, settings, outgoing({ id: 'ada@example.com' }, FULL), { http: outside.http })
    const { EmailTags } = JSON.parse(outside.messages[0]!.body.toString()) as { EmailTags: { Name: string; Value: string }[] }
    await outside.close()
    const tags = Object.fromEntries(EmailTags.map(({ Name, Value }) => [Name, [Value]]))
    const to = (address: string) => event('Delivery', { delivery: { ...delivery, recipients: [address] } }, tags)
    expect(await read(snsNotification(to('ada@example.com'), CALLED_AT))).toMatchObject({ reports: [{ key: 'key_1-a' }] })
    expect(await read(snsNotification(to('bob@example.com'), CALLED_AT))).toMatchObject({ reports: [] })
    const rejected = event('Reject', { reject: { reason: 'Bad content' } }, tags)
    expect(await read(snsNotification(rejected, CALLED_AT))).toMatchObject({
      reports: [{ what: 'bounced', error: 'Bad content' }],
    })
  })

  const SubscribeURL = `https://${SNS_HOST}/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=t`
  const subscription = (changes: SnsFields = {}) => {
    const Message = 'You have chosen to subscribe.'
    return signSns({
      ...snsNotification(Message, CALLED_AT),
      Type: 'SubscriptionConfirmation',
      Token: 't',
      SubscribeURL,
      ...changes,
    })
  }

  test('that asks for a confirmation gets one', async () => {
    expect(await read(subscription())).toEqual({ kind: 'reports', reports: [] })
    expect(host.calls.map(({ url }) => url)).toContain(SubscribeURL)
  })

  test('that asks for a confirmation unsigned gets none', async () => {
    expect(await read({ ...subscription(), Signature: 'AAAA' })).toMatchObject({ kind: 'forged' })
    expect(host.calls.map(({ url }) => url)).not.toContain(SubscribeURL)
  })

  test.each([
    'http://169.254.169.254/?Action=ConfirmSubscription',
    `https://evil.example/?Action=ConfirmSubscription&TopicArn=${TOPIC}&Token=t`,
    `https://${SNS_HOST}/?Action=DeleteTopic&TopicArn=${TOPIC}`,
    undefined,
  ])('that asks to be confirmed elsewhere is malformed, and nothing is called: %s', async (url) => {
    expect(await read(subscription({ SubscribeURL: url }))).toMatchObject({ kind: 'malformed' })
    expect(host.calls).toHaveLength(1)
  })

  test('that says the subscription has ended is no news', async () => {
    expect(await read(subscription({ Type: 'UnsubscribeConfirmation' }))).toEqual({ kind: 'reports', reports: [] })
    expect(host.calls).toHaveLength(1)
  })
})
