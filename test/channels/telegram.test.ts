import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Address } from '../../src/channels/provider.ts'
import { telegram } from '../../src/channels/telegram.ts'
import {
  type Documented,
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  type Reply,
  readsReplies,
  startHost,
} from './conformance.ts'

// Replies: Telegram's page "Telegram Bot API" ("Making requests", "ResponseParameters", "Message"). It lists no errors; their
// descriptions are those that the public list TelegramBotAPI/errors collects.

const token = '110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw_'

function at(value: string): Address {
  return { id: `telegram:${value}`, chat: { service: 'telegram', to: 'chatId', value } }
}

const failed = (error_code: number, description: string, parameters?: object): Reply => ({
  status: error_code,
  body: { ok: false, error_code, description, ...(parameters && { parameters }) },
})
const posted: Reply = { status: 200, body: { ok: true, result: { message_id: 365, date: 1795248000, chat: { id: 42 } } } }

const documented: Documented = {
  provider: telegram,
  settings: { token },
  address: at('42'),
  badAddress: at('nobody in particular'),
  hosts: ['api.telegram.org'],
  well: posted,
  refusing: failed(403, 'Forbidden: bot was blocked by the user'),
  throttling: failed(429, 'Too Many Requests: retry after 14', { retry_after: 14 }),
  identity: ({ headers }) => String(headers['idempotency-key']),
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['a message that is there', posted, { kind: 'accepted', reference: '365' }],
  ['a chat that is unknown', failed(400, 'Bad Request: chat not found'), { kind: 'rejected', what: 'address', code: '400' }],
  ['a user who is gone', failed(403, 'Forbidden: user is deactivated'), { kind: 'rejected', what: 'address', code: '403' }],
  [
    'a group that is another now',
    failed(400, 'Bad Request: group chat was upgraded to a supergroup chat', { migrate_to_chat_id: -1001234567890 }),
    { kind: 'rejected', what: 'address', error: expect.stringContaining('-1001234567890') },
  ],
  ['no right to write', failed(400, 'Bad Request: not enough rights to send text messages to the chat'), { what: 'address' }],
  ['a text that is too long', failed(400, 'Bad Request: message is too long'), { kind: 'rejected', what: 'content' }],
  ['what nobody knows yet', failed(400, 'Bad Request: wrong parameter'), { kind: 'rejected', what: 'request' }],
  ['a token that was revoked', failed(401, 'Unauthorized'), { kind: 'misconfigured', code: '401' }],
  ['a token of no bot', failed(404, 'Not Found'), { kind: 'misconfigured', code: '404' }],
  ['too many', documented.throttling, { kind: 'retry', code: '429', afterMs: 14_000 }],
  ['a gateway', { status: 502, body: '<html>' }, { kind: 'retry', code: '502' }],
  ['success that is no answer of its own', { status: 200, body: '' }, { kind: 'unknown' }],
])

describe('A message to Telegram', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  afterAll(() => host.close())

  test('says what was written, and is what an override makes of it, but goes where it goes', async () => {
    const override = { disable_notification: true, chat_id: '43' }
    const message = outgoing(at('@carillon'), { content: { text: '*Tea* <b>now</b>' }, override })
    await deliver(telegram, { token }, message, { http: host.http })
    const [{ path, body }] = host.messages as [(typeof host.messages)[0]]
    expect(path).toBe(`/bot${token}/sendMessage`)
    expect(JSON.parse(body.toString())).toEqual({
      chat_id: '@carillon',
      text: '*Tea* <b>now</b>',
      disable_notification: true,
    })
  })

  test('says its blocks in HTML, with its buttons under it', async () => {
    const blocks = [
      { kind: 'text', spans: [{ text: '<Tea>', bold: true }] },
      { kind: 'action', action: { label: 'Drink', href: 'https://tea.example', style: 'button' } },
    ] as const
    const before = host.messages.length
    await deliver(telegram, { token }, outgoing(at('42'), { content: { text: 'x'.repeat(5_000), blocks } }), { http: host.http })
    expect(JSON.parse(host.messages[before]!.body.toString())).toEqual({
      chat_id: '42',
      text: '<b>&lt;Tea&gt;</b>',
      parse_mode: 'HTML',
      reply_markup: { inline_keyboard: [[{ text: 'Drink', url: 'https://tea.example' }]] },
    })
  })

  test('that is repeated in a long answer is accepted', async () => {
    host.reply = { status: 200, body: { ok: true, result: { text: 'x'.repeat(60_000), message_id: 1 } } }
    expect(await deliver(telegram, { token }, outgoing(at('42')), { http: host.http })).toMatchObject({ kind: 'accepted' })
  })

  test('is rejected without a call when it is too long for Telegram', async () => {
    const before = host.calls.length
    const message = outgoing(at('42'), { content: { text: 'x'.repeat(4_097) } })
    expect(await deliver(telegram, { token }, message, { http: host.http })).toMatchObject({ kind: 'rejected', what: 'content' })
    expect(host.calls).toHaveLength(before)
  })
})
