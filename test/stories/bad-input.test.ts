import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { type JWTPayload, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createSecrets } from '../../src/secrets.ts'
import {
  CreateApiKeyDocument,
  type EnvironmentInput,
  InboxDocument,
  IssueTokenDocument,
  LogCursorDocument,
  MergeProfileDocument,
  MessageDocument,
  MessageEventsDocument,
  MessagesDocument,
  PutEnvironmentDocument,
  type RoutingInput,
  type RoutingStepInput,
  SendDocument,
  type SendInput,
  type SendLimitInput,
  UserDocument,
} from '../generated/graphql.ts'
import { dataOf, document, type House, house, refusalOf } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

let home: House

beforeAll(async () => {
  home = await house({ mode: 'PostgreSQL and Redis' })
})
afterAll(() => home.stop())

const content = { title: 'Hi' }
const nested = (levels: number): RoutingInput => ({
  channels: [levels === 1 ? { channel: 'EMAIL' } : { routing: nested(levels - 1) }],
})
const bad = (path: string) => ({ code: 'BAD_USER_INPUT', path })

describe('A send', () => {
  const send = (input: SendInput) => home.client.send(SendDocument, { input })
  const list = (size: number) => Array.from({ length: size }, (_, index) => ({ userId: `u${index}` }))

  test.each<[string, SendInput, string]>([
    ['with neither content nor template', { to: [{ userId: 'a' }] }, 'input'],
    ['with both', { to: [{ userId: 'a' }], content, template: 't' }, 'input'],
    ['to nobody', { to: [], content }, 'input.to'],
    ['to 10,001 recipients', { to: list(10_001), content }, 'input.to'],
    ['to a recipient of no kind', { to: [{ userId: 'a' }, {}], content }, 'input.to.1'],
    ['to a person who is a place', { to: [{ userId: 'a', webhook: { url: 'http://127.0.0.1/' } }], content }, 'input.to.0'],
    ['with empty content', { to: [{ userId: 'a' }], content: {} }, 'input.content'],
    [
      'C2 with a title of a megabyte',
      { to: [{ userId: 'a' }], content: { title: 'x'.repeat(1_000_000) } },
      'input.content.title',
    ],
    ['with a body of 300 KB', { to: [{ userId: 'a' }], content: { body: 'x'.repeat(300_000) } }, 'input.content.body'],
    ['with ten tags', { to: [{ userId: 'a' }], content, metadata: { tags: Array(10).fill('t') } }, 'input.metadata.tags'],
    [
      'with a tag that is too long',
      { to: [{ userId: 'a' }], content, metadata: { tags: ['t'.repeat(31)] } },
      'input.metadata.tags.0',
    ],
    [
      'with a trace id that is too long',
      { to: [{ userId: 'a' }], content, metadata: { traceId: 't'.repeat(257) } },
      'input.metadata.traceId',
    ],
    ['with NUL in the title', { to: [{ userId: 'a' }], content: { title: 'a\0b' } }, 'input.content.title'],
    ['with NUL deep in data', { to: [{ userId: 'a' }], content, data: { a: [{ b: '\0' }] } }, 'input.data.a.0.b'],
    ['with NUL in a key of data', { to: [{ userId: 'a' }], content, data: { a: { 'b\0': 1 } } }, 'input.data.a'],
    ['to a userId of 10 KB', { to: [{ userId: 'x'.repeat(10_000) }], content }, 'input.to.0.userId'],
    ['to a userId with NUL', { to: [{ userId: 'a\0' }], content }, 'input.to.0.userId'],
    ['to a userId with a space at its end', { to: [{ userId: 'a ' }], content }, 'input.to.0.userId'],
    ['to an empty userId', { to: [{ userId: '' }], content }, 'input.to.0.userId'],
    [
      'with an email in the profile that is none',
      { to: [{ userId: 'a', profile: { email: 7 } }], content },
      'input.to.0.profile.email',
    ],
    [
      'by a routing of six levels',
      { to: [{ userId: 'a' }], content, routing: nested(6) },
      `input.routing${'.channels.0.routing'.repeat(5)}`,
    ],
    ['by a routing of no steps', { to: [{ userId: 'a' }], content, routing: { channels: [] } }, 'input.routing.channels'],
    [
      'on a condition of a regular expression',
      { to: [{ userId: 'a' }], content, channels: { sms: { if: 'data.x.matches("(a+)+$")' } } },
      'input.channels.sms.if',
    ],
    [
      'with copies to a group',
      { to: [{ userId: 'a' }], content, channels: { email: { override: { cc: ['G: b@y.test;'] } } } },
      'input.channels.email.override.cc.0',
    ],
    [
      'with a header that addresses',
      { to: [{ userId: 'a' }], content, channels: { email: { override: { headers: [{ name: 'Bcc', value: 'e@e.test' }] } } } },
      'input.channels.email.override.headers.0',
    ],
    [
      'with an attachment from inside',
      {
        to: [{ userId: 'a' }],
        content,
        channels: { email: { override: { attachments: [{ filename: 'a.txt', url: 'http://169.254.169.254/' }] } } },
      },
      'input.channels.email.override.attachments.0.url',
    ],
    [
      'about an account twice',
      { to: [{ userId: 'a' }], content, providers: [{ providerId: 'smtp' }, { providerId: 'smtp' }] },
      'input.providers.1.providerId',
    ],
    ['in no time at all', { to: [{ userId: 'a' }], content, timeout: { channel: 'PT0S' } }, 'input.timeout.channel'],
    ['in a month', { to: [{ userId: 'a' }], content, timeout: { message: 'P1M' } }, 'input.timeout.message'],
    [
      'both later and at an instant',
      { to: [{ userId: 'a' }], content, delay: { duration: 'PT1M', until: '2030-01-01T00:00:00Z' } },
      'input.delay',
    ],
    ['to somebody in a time zone that is none', { to: [{ userId: 'a', timezone: 'Mars/Base' }], content }, 'input.to.0.timezone'],
    [
      'in a window of a time zone that is none',
      { to: [{ userId: 'a' }], content, delay: { window: '09:00-17:00', timezone: 'Mars/Base' } },
      'input.delay.timezone',
    ],
    ['that has expired', { to: [{ userId: 'a' }], content, expiresAt: '2020-01-01T00:00:00Z' }, 'input.expiresAt'],
  ])('%s is refused with the place of the fault', async (_name, input, path) => {
    expect(refusalOf(await send(input))).toEqual(bad(path))
  })

  test.each<[string, object, string]>([
    ['of two kinds', { channel: 'EMAIL', providerId: 'smtp' }, 'input.routing.channels.0'],
    ['of none', {}, 'input.routing.channels.0'],
    ['of null', { channel: null }, 'input.routing.channels.0'],
    ['of a channel that is none', { channel: 'PIGEON' }, 'input.routing.channels.0.channel'],
  ])('by a routing step %s is refused with the place of the fault', async (_name, step, path) => {
    const refused = await send({ to: [{ userId: 'a' }], content, routing: { channels: [step as RoutingStepInput] } })
    expect(refusalOf(refused)).toMatchObject({ code: 'BAD_USER_INPUT', path: expect.stringMatching(`^${path}`) })
    const written = document(
      `mutation { send(input: { to: { userId: "a" }, content: { title: "Hi" }, routing: { channels: ${JSON.stringify(step)
        .replaceAll('"EMAIL"', 'EMAIL')
        .replaceAll('"PIGEON"', 'PIGEON')
        .replaceAll(/"(\w+)":/g, '$1: ')} } }) { requestId } }`,
    )
    expect(refusalOf(await home.client.send(written, {})).code).toBe('BAD_USER_INPUT')
  })

  test('with a brand for its emails that is not there is NOT_FOUND', async () => {
    const input = { to: [{ userId: 'a' }], content, channels: { email: { brandId: 'nobody' } } }
    expect(refusalOf(await send(input)).code).toBe('NOT_FOUND')
  })

  test('that names accounts nobody made is taken: they are passed over', async () => {
    const routing = { channels: [{ providerId: 'nobody' }, { channel: 'INBOX' as const }] }
    dataOf(
      await send({
        to: [{ userId: 'passed-over' }],
        content,
        routing,
        channels: { inbox: { providerIds: ['nobody', 'inbox'] } },
      }),
    )
  })

  test('that has expired since is answered again by its key, while a new one is refused and leaves its key unused', async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString()
    const input = { to: [{ userId: 'late' }], content, expiresAt, idempotencyKey: 'in-time' }
    const first = dataOf(await send(input)).send
    await expect.poll(() => Date.now(), { timeout: 5_000 }).toBeGreaterThan(Date.parse(expiresAt))
    expect(dataOf(await send(input)).send).toMatchObject({ requestId: first.requestId, replayed: true })
    expect(refusalOf(await send({ ...input, idempotencyKey: 'too-late' }))).toEqual(bad('input.expiresAt'))
    const { expiresAt: _expired, ...timeless } = { ...input, idempotencyKey: 'too-late' }
    expect(dataOf(await send(timeless)).send.replayed).toBe(false)
  })

  test('to a string instead of a recipient is refused with the place of the fault', async () => {
    const refused = await send({ to: 'ada@example.com' as never, content })
    expect(refused.data).toBeUndefined()
    expect(refusalOf(refused)).toEqual(bad('input.to'))
  })

  test('with an unknown template is NOT_FOUND and makes nothing', async () => {
    const { code } = refusalOf(await send({ to: [{ userId: 'templated' }], template: 'nope' }))
    expect(code).toBe('NOT_FOUND')
    expect(dataOf(await home.client.send(UserDocument, { id: 'templated' })).user).toBeNull()
  })

  test.each([
    ['E1', 'b@y.test, evil@e.test'],
    ['E1', 'G: b@y.test, evil@e.test;'],
    ['E2', 'b@y.test\r\nBcc: evil@e.test'],
    ['E2', 'b@y.test%0d%0aBcc:evil@e.test'],
    ['E3', '"evil@e.test x"@internal.test'],
    ['E4', 'user@good.test(x)evil.test'],
    ['E4', 'user@good.test;evil@e.test'],
    ['E6', 'nobody'],
    ['E6', ''],
    ['E6', '@'],
    ['E6', 'a@b'],
    ['E6', `${'x'.repeat(64)}@${'y'.repeat(190)}.test`],
    ['E6', 'b\0@y.test'],
    ['E14', `${'('.repeat(1_000)}a@b.test`],
  ])('%s to %j as an email address is refused', async (_row, email) => {
    expect(refusalOf(await send({ to: [{ email }], content }))).toEqual(bad('input.to.0.email'))
  })

  test.each(['+19005551234', '112', 'tel:+32470123456', '+3247012ABCD', '0470123456', ''])(
    'to %j as a phone number is refused',
    async (phoneNumber) => {
      expect(refusalOf(await send({ to: [{ phoneNumber }], content }))).toEqual(bad('input.to.0.phoneNumber'))
    },
  )

  test('E7, C1, C3 of a title that poses as headers is one Subject line to one recipient', async () => {
    const title = 'Hi\r\nBcc: evil@e.test\t\u2028X\u001b[31m \u202Eevil\u200b'
    await home.journey(await home.send({ to: [{ email: 'subject@example.com' }], content: { title, body: 'b' } }))
    const [mail, ...more] = home.smtp.mails.filter(({ recipients }) => recipients.includes('subject@example.com'))
    expect([mail?.recipients, more]).toEqual([['subject@example.com'], []])
    const { headers, subject } = await readMail(mail!.source)
    expect(
      headers
        .filter(({ key }) => ['subject', 'bcc', 'cc', 'to'].includes(key))
        .map(({ key }) => key)
        .sort(),
    ).toEqual(['subject', 'to'])
    expect(subject).toBe('Hi Bcc: evil@e.test X [31m evil')
    expect(home.smtp.mails.flatMap(({ recipients }) => recipients)).not.toContain('evil@e.test')
  })

  test('of a lone surrogate is accepted with the replacement character', async () => {
    const id = await home.send({ to: [{ userId: 'surrogate' }], content: { title: 'a\ud800b' }, data: { '\udfff': '\ud800' } })
    await home.journey(id)
    const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'surrogate' }))
    expect(inbox.edges[0]?.node).toMatchObject({ title: 'a\ufffdb', data: { '\ufffd': '\ufffd' } })
  })

  test('C4 of emoji and combining marks at the limit of a preview cuts no character in two', async () => {
    const id = await home.send({ to: [{ userId: 'grapheme' }], content: { body: `${'x'.repeat(195)}👩‍👩‍👧‍👦e\u0301` } })
    await home.journey(id)
    const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'grapheme' }))
    expect(inbox.edges[0]?.node.preview).toBe(`${'x'.repeat(195)}…`)
  })

  test('keeps case, dots and the word null in a userId as they are', async () => {
    for (const userId of ['Case', 'case', '../x', 'null', '💥']) {
      const id = await home.send({ to: [{ userId }], content })
      expect(dataOf(await home.client.send(MessageDocument, { id })).message?.userId).toBe(userId)
    }
  })

  test.each(['9007199254740993', '1e400', '-1e999', '123456789012345678901234567890'])(
    'with the number %s in data, which JSON would change, is refused',
    async (number) => {
      const inVariables = await fetch(`${home.urls[0]}/graphql`, {
        method: 'POST',
        headers: { authorization: `Bearer ${home.adminKey}`, 'content-type': 'application/json' },
        body: `{"query":"mutation ($d: JSONObject) { send(input: { to: { userId: \\"n\\" }, content: { title: \\"n\\" }, data: $d }) { requestId } }","variables":{"d":{"n":${number}}}}`,
      })
      const answer = (await inVariables.json()) as { errors?: { extensions: { code: string } }[] }
      expect(answer.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
      const literal = document(
        `mutation { send(input: { to: { userId: "n" }, content: { title: "n" }, data: { n: ${number} } }) { requestId } }`,
      )
      expect(refusalOf(await home.client.send(literal, {})).code).toBe('BAD_USER_INPUT')
    },
  )
})

describe('A profile', () => {
  test('never reaches a prototype, however often it is merged', async () => {
    const profile = JSON.parse('{"a":{"__proto__":{"polluted":1}},"__proto__":{"polluted":1}}') as Record<string, unknown>
    for (const _ of [1, 2]) dataOf(await home.client.send(MergeProfileDocument, { userId: 'proto', profile }))
    expect(({} as { polluted?: number }).polluted).toBeUndefined()
    expect(dataOf(await home.client.send(UserDocument, { id: 'proto' })).user?.profile).toEqual({ a: {} })
  })

  test('holds the names of methods as plain data', async () => {
    const profile = { constructor: { x: 1 }, prototype: 'p', hasOwnProperty: 1, toString: 'ts', length: 2 }
    dataOf(await home.client.send(MergeProfileDocument, { userId: 'names', profile }))
    const merged = dataOf(await home.client.send(MergeProfileDocument, { userId: 'names', profile: { constructor: { y: 2 } } }))
    expect(merged.mergeProfile.profile).toEqual({ ...profile, constructor: { x: 1, y: 2 } })
    await home.journey(await home.send({ to: [{ userId: 'names' }], content }))
  })
})

describe('An environment', () => {
  const put = (input: Partial<EnvironmentInput>) =>
    home.client.send(PutEnvironmentDocument, { id: 'manners', input: { name: 'Manners', ...input } })

  test('shows its routing and send limits as they were put, and what is left out is taken away', async () => {
    const routing: RoutingInput = {
      method: 'ALL',
      channels: [{ channel: 'INBOX' }, { routing: nested(1) }, { providerId: 'ses' }],
    }
    const sendLimits: SendLimitInput[] = [
      { scope: 'ALL', max: 1_000, period: 'DAY' },
      { scope: 'USER', max: 5, period: 'HOUR' },
      { scope: 'USER', max: 20, period: 'DAY' },
    ]
    const { putEnvironment } = dataOf(await put({ routing, sendLimits }))
    const within = { method: 'SINGLE', channels: [{ channel: 'EMAIL' }] }
    expect(putEnvironment).toMatchObject({
      routing: { method: 'ALL', channels: [{ channel: 'INBOX' }, { routing: within }, { providerId: 'ses' }] },
      sendLimits,
    })
    expect(dataOf(await put({})).putEnvironment).toMatchObject({ routing: null, sendLimits: [] })
  })

  test.each<[string, Partial<EnvironmentInput>, string]>([
    ['a routing of no steps', { routing: { channels: [] } }, 'input.routing.channels'],
    ['a limit of nothing', { sendLimits: [{ scope: 'ALL', max: 0, period: 'DAY' }] }, 'input.sendLimits.0.max'],
    [
      'two limits that say two things',
      { sendLimits: [1, 2].map((max) => ({ scope: 'USER' as const, max, period: 'WEEK' as const })) },
      'input.sendLimits.1',
    ],
    [
      '21 limits',
      { sendLimits: Array.from({ length: 21 }, () => ({ scope: 'ALL' as const, max: 1, period: 'DAY' as const })) },
      'input.sendLimits',
    ],
  ])('of %s is refused with the place of the fault', async (_name, input, path) => {
    expect(refusalOf(await put(input))).toEqual(bad(path))
  })
})

describe('A page', () => {
  test.each([100_000_000, 101, -1])('of %i is refused, written in the document or in a variable', async (first) => {
    expect(refusalOf(await home.client.send(MessagesDocument, { first }))).toEqual(bad('first'))
    const written = await home.client.send(document(`{ messages(first: ${first}) { nodes { id } } }`), {})
    expect(['BAD_USER_INPUT', 'TOO_COMPLEX']).toContain(refusalOf(written).code)
  })

  test.each(['1.5', '"10"', '2147483648', 'true'])('of %s is refused before anything is executed', async (first) => {
    const refused = await home.client.send(document(`{ messages(first: ${first}) { nodes { id } } }`), {})
    expect(refused.data).toBeUndefined()
    expect(['BAD_USER_INPUT', 'TOO_COMPLEX']).toContain(refusalOf(refused).code)
  })

  test.each(['AAAA', '', '\0', 'x'.repeat(10_000)])('after what is no cursor (%j) is BAD_CURSOR', async (after) => {
    const { code } = refusalOf(await home.client.send(MessagesDocument, { after }))
    expect(['BAD_CURSOR', ...(after === '\0' ? ['BAD_USER_INPUT'] : [])]).toContain(code)
  })

  test("after a cursor of another list or another environment is BAD_CURSOR, never that list's rows", async () => {
    await home.settled([
      await home.send({ to: [{ userId: 'cursors' }], content }),
      await home.send({ to: [{ userId: 'cursors' }], content }),
    ])
    const { messages } = dataOf(await home.client.send(MessagesDocument, { first: 1 }))
    const { logCursor } = dataOf(await home.client.send(LogCursorDocument, {}))
    const after = messages.pageInfo.endCursor!
    expect(refusalOf(await home.client.send(InboxDocument, { userId: 'cursors', after })).code).toBe('BAD_CURSOR')
    expect(refusalOf(await home.client.send(MessagesDocument, { after: logCursor })).code).toBe('BAD_CURSOR')
    dataOf(await home.client.send(PutEnvironmentDocument, { id: 'other', input: { name: 'Other' } }))
    const created = await home.client.send(CreateApiKeyDocument, {
      input: { name: 'o', scopes: ['ADMIN'], environmentId: 'other' },
    })
    const other = home.enter(dataOf(created).createApiKey.secret)
    expect(refusalOf(await other.send(MessagesDocument, { after })).code).toBe('BAD_CURSOR')
    const { value } = await other.sse(MessageEventsDocument, { filter: { all: true }, after: logCursor }).next()
    expect(refusalOf(value!).code).toBe('BAD_CURSOR')
  })
})

test('A filter that looks like SQL asks for messages of that name, of which there are none', async () => {
  dataOf(await home.client.send(SendDocument, { input: { to: [{ userId: 'somebody' }], content } }))
  for (const text of ["' OR '1'='1", '" or 1=1 --', "'; drop table message; --", '%', '\\']) {
    for (const filter of [{ userId: text }, { recipient: text }, { tags: [text] }, { traceId: text }, { event: text }]) {
      expect(dataOf(await home.client.send(MessagesDocument, { filter })).messages.edges).toEqual([])
    }
  }
})

describe('NUL', () => {
  test.each([
    '{ message(id: "\\u0000") { id } }',
    '{ request(id: "\\u0000") { id } }',
    '{ user(id: "a\\u0000") { id } }',
    '{ messages(filter: { recipient: "\\u0000", tags: ["\\u0000"] }) { nodes { id } } }',
    '{ inbox(userId: "\\u0000") { nodes { id } } }',
    '{ inboxCounts(userId: "u", tenantId: "\\u0000") { total } }',
    '{ inboxMessage(userId: "u", id: "\\u0000") { id } }',
    '{ provider(id: "\\u0000") { id } }',
    'mutation { deleteProvider(id: "\\u0000") }',
    'mutation { putEnvironment(id: "\\u0000", input: { name: "x" }) { id } }',
    'mutation { putDeviceToken(userId: "\\u0000", input: { token: "t", kind: "webpush" }) { id } }',
    'mutation { putDeviceToken(userId: "u", input: { token: "t\\u0000", kind: "webpush" }) { id } }',
    'mutation { createApiKey(input: { name: "x", scopes: [SEND], environmentId: "\\u0000" }) { secret } }',
    'mutation { issueToken(input: { userId: "\\u0000", scopes: [INBOX_READ], expiresIn: "PT1M" }) { token } }',
  ])('in %s is refused and is no fault of ours', async (source) => {
    expect(refusalOf(await home.client.send(document(source), {})).code).toBe('BAD_USER_INPUT')
  })

  test('in the filter of a subscription is refused', async () => {
    const { value } = await home.client.sse(MessageEventsDocument, { filter: { messageIds: ['\0'] } }).next()
    expect(refusalOf(value!)).toEqual(bad('filter.messageIds.0'))
  })
})

describe('A user token', () => {
  const now = () => Math.floor(Date.now() / 1_000)
  const claims = (more: object = {}): JWTPayload => ({
    iss: 'carillon',
    aud: 'carillon',
    sub: 'u',
    env: 'production',
    scopes: ['INBOX_READ'],
    iat: now(),
    exp: now() + 600,
    ...more,
  })
  const keys = () => createSecrets([home.secret!]).tokenKeys
  const current = () => keys().current
  const sign = (payload: JWTPayload, header: object = {}, key: KeyObject = current().privateKey) =>
    new SignJWT(payload).setProtectedHeader({ alg: 'EdDSA', kid: current().kid, typ: 'JWT', ...header }).sign(key)
  const ask = async (token: string) => home.enter(token).send(InboxDocument, {})

  test('that is ours is let in', async () => {
    dataOf(await ask(await sign(claims())))
  })

  test.each(['none', 'NONE', 'nOnE'])('of the algorithm %s is refused', async (alg) => {
    const [, payload] = new UnsecuredJWT(claims()).encode().split('.')
    const header = Buffer.from(JSON.stringify({ alg, kid: current().kid, typ: 'JWT' })).toString('base64url')
    for (const signature of ['', 'AAAA']) expect((await ask(`${header}.${payload}.${signature}`)).status).toBe(401)
  })

  test('that is signed with our public key as a shared secret is refused', async () => {
    const pem = [...keys().byKid.values()][0]!.export({ type: 'spki', format: 'pem' })
    const token = await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', kid: current().kid }).sign(Buffer.from(pem))
    expect((await ask(token)).status).toBe(401)
  })

  test('that brings its own key is refused', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519')
    const jwk = publicKey.export({ format: 'jwk' })
    const headers = [{ jwk }, { jku: 'https://evil.example/jwks' }, { kid: '../../../../dev/null' }, { kid: "x' UNION SELECT '" }]
    for (const header of [...headers, {}]) expect((await ask(await sign(claims(), header, privateKey))).status).toBe(401)
    expect((await ask(await sign(claims(), { kid: 'k'.repeat(10_000) }))).status).toBeOneOf([401, 431])
  })

  test.each([
    ['no expiry', { exp: undefined }],
    ['an expiry of ten years', { exp: Math.floor(Date.now() / 1_000) + 315_360_000 }],
    ['an expiry beyond numbers', { exp: 1e300 }],
    ['a text as expiry', { exp: '9999999999' }],
    ['no issue time', { iat: undefined }],
    ['an issue time an hour ahead', { iat: Math.floor(Date.now() / 1_000) + 3_600, exp: Math.floor(Date.now() / 1_000) + 7_200 }],
    ['a not-before an hour ahead', { nbf: Math.floor(Date.now() / 1_000) + 3_600 }],
    ['another audience', { aud: ['other'] }],
    ['no audience', { aud: undefined }],
    ['another issuer', { iss: 'other' }],
    ['an expiry 120 seconds ago', { iat: Math.floor(Date.now() / 1_000) - 600, exp: Math.floor(Date.now() / 1_000) - 120 }],
    ['a scope of keys', { scopes: ['ADMIN'] }],
  ])('with %s is refused', async (_name, more) => {
    expect((await ask(await sign(claims(more)))).status).toBe(401)
  })

  test('that expired 30 seconds ago is let in, as clocks differ', async () => {
    dataOf(await ask(await sign(claims({ iat: now() - 600, exp: now() - 30 }))))
  })

  test('for an environment that does not exist sees nothing', async () => {
    const answer = await ask(await sign(claims({ env: 'nowhere' })))
    expect(answer.status === 401 || answer.data?.inbox.edges.length === 0).toBe(true)
  })

  test('in the URL is refused, and so is one that differs from the header’s', async () => {
    const token = await sign(claims())
    const headers = { 'content-type': 'application/json' }
    const body = JSON.stringify({ query: '{ inbox { nodes { id } } }' })
    const inUrl = await fetch(`${home.urls[0]}/graphql?token=${token}`, { method: 'POST', headers, body })
    expect(inUrl.status).toBe(401)
  })

  test.each(['PT0S', 'PT25H', '-PT1H', 'P1M'])('of the duration %s is not issued', async (expiresIn) => {
    const refused = await home.client.send(IssueTokenDocument, { input: { userId: 'u', scopes: ['INBOX_READ'], expiresIn } })
    expect(refusalOf(refused).code).toBe('BAD_USER_INPUT')
  })

  test.each([
    ['input', { scopes: ['INBOX_READ'] }],
    ['input.scopes', { userId: 'u', scopes: [] }],
    ['input.userId', { userId: ' u', scopes: ['INBOX_READ'] }],
  ])('with a wrong %s is not issued', async (path, input) => {
    const refused = await home.client.send(IssueTokenDocument, { input: { ...(input as { scopes: [] }), expiresIn: 'PT1H' } })
    expect(refusalOf(refused)).toEqual(bad(path))
  })
})
