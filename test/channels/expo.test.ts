import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { expo } from '../../src/channels/expo.ts'
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

const settings = { accessToken: 'access-token-5f1d' }

/** As Expo's "Send notifications with the Expo Push Service" shows them: a ticket, or errors of the whole request. */
const ticket = (error: string | undefined, message = 'It failed.'): Reply => ({
  status: 200,
  body: { data: { status: 'error', message, ...(error && { details: { error } }) } },
})
const failure = (status: number, code: string, message = 'It failed.'): Reply => ({
  status,
  body: { errors: [{ code, message }] },
})

const documented = {
  provider: expo,
  settings,
  address: { id: 'ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]' },
  badAddress: { id: 'ExponentPushToken[]' },
  hosts: ['exp.host'],
  well: { status: 200, body: { data: { status: 'ok', id: 'XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX' } } },
  refusing: ticket(
    'DeviceNotRegistered',
    '"ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]" is not a registered push notification recipient',
  ),
  throttling: failure(429, 'TOO_MANY_REQUESTS'),
  identity: ({ body }: Request) => String(JSON.parse(body.toString()).data.messageId),
  needsNoSetting: true,
} as const

keepsTheContractOverHttp(documented)

/** The codes and their meaning: the same page, "Errors". */
readsReplies(documented, [
  ['taken', documented.well, { kind: 'accepted', reference: 'XXXXXXXX-XXXX-XXXX-XXXX-XXXXXXXXXXXX', code: '200' }],
  ['taken, in a list', { status: 200, body: { data: [{ status: 'ok', id: 'X' }] } }, { kind: 'accepted', reference: 'X' }],
  ['an app that is gone', documented.refusing, { kind: 'rejected', what: 'address', code: 'DeviceNotRegistered' }],
  ['a message that is too big', ticket('MessageTooBig'), { kind: 'rejected', what: 'content', code: 'MessageTooBig' }],
  ['too many for this device', ticket('MessageRateExceeded'), { kind: 'retry', code: 'MessageRateExceeded' }],
  [
    'credentials of the app that are wrong',
    ticket('InvalidCredentials'),
    { kind: 'rejected', what: 'request', code: 'InvalidCredentials' },
  ],
  ['a sender of another app', ticket('MismatchSenderId'), { kind: 'rejected', what: 'request', code: 'MismatchSenderId' }],
  [
    'an error of tomorrow',
    ticket('New', 'New words.'),
    { kind: 'rejected', what: 'request', error: 'Expo answered New: New words.' },
  ],
  ['an error without a name', ticket(undefined), { kind: 'rejected', what: 'request', code: 'error' }],
  ['an error like a method', ticket('constructor'), { kind: 'rejected', what: 'request', code: 'constructor' }],
  ['no access token', failure(403, 'UNAUTHORIZED'), { kind: 'misconfigured', code: 'UNAUTHORIZED' }],
  ['a request that is wrong', failure(400, 'VALIDATION_ERROR'), { kind: 'rejected', what: 'request', code: 'VALIDATION_ERROR' }],
  ['their own error', failure(500, 'INTERNAL_SERVER_ERROR'), { kind: 'retry', code: 'INTERNAL_SERVER_ERROR' }],
  ['a gateway without an answer', { status: 504, body: '<html>' }, { kind: 'retry', code: '504' }],
])

describe('A push by Expo', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  const send = async (changes: Parameters<typeof outgoing>[1] = {}, account: object = settings) => {
    const outcome = await deliver(expo, account, outgoing(documented.address, changes), { http: host.http })
    const request = host.messages.at(-1)!
    return { outcome, request, body: JSON.parse(request.body.toString()) }
  }

  test('shows its title and text, and names the message', async () => {
    const content = { title: 'T', text: 'B', payload: { order: 7 } }
    const { request, body } = await send({ content, extras: { icon: 'https://shop.example/i.png', clickAction: 'shop://7' } })
    expect(request).toMatchObject({
      method: 'POST',
      path: '/--/api/v2/push/send',
      headers: { authorization: 'Bearer access-token-5f1d' },
    })
    expect(body).toEqual({
      to: 'ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]',
      title: 'T',
      body: 'B',
      data: { order: 7, clickAction: 'shop://7', messageId: 'msg-1' },
      ttl: 259_200,
      richContent: { image: 'https://shop.example/i.png' },
      mutableContent: true,
    })
  })

  test('goes without an access token where the project wants none', async () => {
    expect((await send({}, {})).request.headers).not.toHaveProperty('authorization')
  })

  test('takes what the send overrides, but not whom it is for and what names it', async () => {
    const override = { sound: 'default', channelId: 'orders', to: ['ExponentPushToken[y]'], data: { messageId: 'x', more: true } }
    const { body } = await send({ override })
    expect(body).toMatchObject({
      sound: 'default',
      channelId: 'orders',
      to: documented.address.id,
      data: { messageId: 'msg-1', more: true },
    })
  })

  test('holds 4,096 bytes and no more', async () => {
    const frame = JSON.stringify({ title: '', body: '', data: { messageId: 'msg-1' } }).length
    const content = (length: number) => ({ content: { title: '', text: 'x'.repeat(length) } })
    expect((await send(content(4_096 - frame))).outcome).toMatchObject({ kind: 'accepted' })
    expect((await send(content(4_097 - frame))).outcome).toMatchObject({ kind: 'rejected', what: 'content' })
  })
})
