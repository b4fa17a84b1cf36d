import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Address, ChatTarget, Outgoing } from '../../src/channels/provider.ts'
import { slack } from '../../src/channels/slack.ts'
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

// Replies: Slack's pages "chat.postMessage", "conversations.open" and "users.lookupByEmail" (examples and errors), "Rate
// limits", and "Sending messages using incoming webhooks" with its "Handling errors".

const token = 'xoxb-000000000000-made-up'
const WEBHOOK = 'https://hooks.slack.com/services/T0000/B0000/madeUpSecretWXYZ'

function at(to: 'channel' | 'userId' | 'email' | 'webhookUrl', value: string, accessToken?: string): Address {
  const chat: ChatTarget = { service: 'slack', to, value, ...(accessToken && { accessToken }) }
  return { id: `slack:${value}`, chat }
}

const posted: Reply = { status: 200, body: { ok: true, channel: 'C123ABC456', ts: '1503435956.000247', message: {} } }
const failed = (error: string): Reply => ({ status: 200, body: { ok: false, error } })

const documented: Documented = {
  provider: slack,
  settings: { token },
  address: at('channel', 'C123ABC456'),
  badAddress: at('userId', 'ada@example.com'),
  hosts: ['slack.com', 'hooks.slack.com'],
  well: posted,
  refusing: failed('channel_not_found'),
  throttling: { status: 429, headers: { 'retry-after': '30' }, body: { ok: false, error: 'ratelimited' } },
  needsNoSetting: true,
  identity: ({ body }) => JSON.parse(body.toString()).client_msg_id,
  aside({ path }) {
    if (path === '/api/users.lookupByEmail') return { status: 200, body: { ok: true, user: { id: 'W012A3CDE' } } }
    if (path === '/api/conversations.open') return { status: 200, body: { ok: true, channel: { id: 'D069C7QFK' } } }
    return undefined
  },
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['a message that is there', posted, { kind: 'accepted', reference: 'C123ABC456/1503435956.000247' }],
  ['a channel the bot is not in', failed('not_in_channel'), { kind: 'rejected', what: 'address', code: 'not_in_channel' }],
  ['an archived channel', failed('is_archived'), { kind: 'rejected', what: 'address', code: 'is_archived' }],
  ['a text that is too long', failed('msg_too_long'), { kind: 'rejected', what: 'content' }],
  ['blocks that are none', failed('invalid_blocks'), { kind: 'rejected', what: 'content' }],
  ['a token that is none', failed('invalid_auth'), { kind: 'misconfigured', code: 'invalid_auth' }],
  ['a token that was revoked', failed('token_revoked'), { kind: 'misconfigured' }],
  ['a workspace that is gone', failed('account_inactive'), { kind: 'misconfigured' }],
  ['a scope that is missing for this', failed('missing_scope'), { kind: 'rejected', what: 'request' }],
  ['a failure of its own', failed('internal_error'), { kind: 'retry' }],
  ['an error that nobody knows yet', failed('constructor'), { kind: 'rejected', what: 'request', code: 'constructor' }],
  ['too many', documented.throttling, { kind: 'retry', code: 'ratelimited', afterMs: 30_000 }],
  ['a gateway', { status: 503, body: 'upstream' }, { kind: 'retry', code: '503' }],
  ['success that is no answer of its own', { status: 200, body: '<html>' }, { kind: 'unknown' }],
])

readsReplies({ ...documented, settings: {}, address: at('webhookUrl', WEBHOOK) }, [
  ['ok', { status: 200, body: 'ok' }, { kind: 'accepted', code: '200' }],
  ['a payload that is none', { status: 400, body: 'invalid_payload' }, { kind: 'rejected', what: 'content' }],
  ['a member who is gone', { status: 400, body: 'user_not_found' }, { kind: 'rejected', what: 'address' }],
  ['no permission', { status: 403, body: 'action_prohibited' }, { kind: 'rejected', what: 'address', code: 'action_prohibited' }],
  ['a webhook that is gone', { status: 404, body: 'no_service' }, { kind: 'rejected', what: 'address' }],
  ['an archived channel', { status: 410, body: 'channel_is_archived' }, { kind: 'rejected', what: 'address' }],
  ['too many', { status: 429, headers: { 'retry-after': '1' } }, { kind: 'retry', afterMs: 1_000 }],
  ['a failure of its own', { status: 500, body: 'rollup_error' }, { kind: 'retry', code: 'rollup_error' }],
])

readsReplies({ ...documented, settings: {}, address: at('channel', 'C123ABC456', 'xoxb-of-the-place') }, [
  ["the place's own token, refused", failed('token_revoked'), { kind: 'rejected', what: 'address' }],
])

describe('A message to Slack', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  beforeEach(() => {
    host.reply = posted
    host.requests.length = 0
    host.messages.length = 0
    host.calls.length = 0
  })
  afterAll(() => host.close())

  const send = (address: Address, changes: Partial<Outgoing> = {}, settings: object = { token }) =>
    deliver(slack, settings, outgoing(address, changes), { http: host.http })
  const sent = () => JSON.parse(host.messages[0]!.body.toString())

  test('in a channel says what was written, and nothing in it is markup', async () => {
    await send(at('channel', 'C123ABC456'), { content: { text: 'Tea & <!channel> *now*' } })
    const [{ path, headers }] = host.messages as [(typeof host.messages)[0]]
    expect([path, headers.authorization]).toEqual(['/api/chat.postMessage', `Bearer ${token}`])
    expect(sent()).toEqual({
      channel: 'C123ABC456',
      text: 'Tea &amp; &lt;!channel&gt; *now*',
      mrkdwn: false,
      client_msg_id: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/),
      metadata: { event_type: 'carillon_message', event_payload: { key: 'key_1-a' } },
    })
  })

  test('by an email address goes to the direct messages of whoever has it', async () => {
    await send(at('email', 'ada+1@example.com'))
    expect(host.requests.map(({ path, body }) => [path, body.toString()])).toEqual([
      ['/api/users.lookupByEmail', 'email=ada%2B1%40example.com'],
      ['/api/conversations.open', '{"users":"W012A3CDE"}'],
      ['/api/chat.postMessage', expect.stringContaining('"channel":"D069C7QFK"')],
    ])
  })

  test('carries blocks with the text under them, but none of another service', async () => {
    const blocks = [{ type: 'divider' }]
    await send(at('channel', 'C123ABC456'), { extras: { blocks } })
    await send(at('channel', 'C123ABC456'), { extras: { blocks: { type: 'AdaptiveCard' } } })
    const [first, second] = host.messages.map(({ body }) => JSON.parse(body.toString()))
    expect(first).toMatchObject({ text: 'It is here.', blocks })
    expect(second).not.toHaveProperty('blocks')
  })

  test("says its blocks in Slack's, a template's own instead, and a send's before those, with a text or without", async () => {
    const blocks = [{ kind: 'text', spans: [{ text: '<!here>' }] }] as const
    const payload = [{ type: 'divider' }]
    await send(at('channel', 'C123ABC456'), { content: { text: '<!here>', blocks } })
    await send(at('channel', 'C123ABC456'), { content: { blocks, payload } })
    await send(at('channel', 'C123ABC456'), {
      content: { text: 'Tea', blocks, payload },
      extras: { blocks: [{ type: 'image' }] },
    })
    const [first, second, third] = host.messages.map(({ body }) => JSON.parse(body.toString()))
    expect(first).toMatchObject({
      text: '&lt;!here&gt;',
      blocks: [{ type: 'rich_text', elements: [{ elements: [{ type: 'text', text: '<!here>' }] }] }],
    })
    expect(second).toMatchObject({ blocks: payload })
    expect(second).not.toHaveProperty('text')
    expect(third).toMatchObject({ text: 'Tea', blocks: [{ type: 'image' }] })
  })

  test('is what an override makes of it, but goes where it goes and is named as it is', async () => {
    const override = { mrkdwn: true, unfurl_links: false, channel: 'C-other', token: 'xoxb-other', client_msg_id: 'mine' }
    await send(at('channel', 'C123ABC456'), { override })
    expect(sent()).toMatchObject({ mrkdwn: true, unfurl_links: false, channel: 'C123ABC456' })
    expect(sent()).not.toHaveProperty('token')
    expect(sent().client_msg_id).not.toBe('mine')
  })

  test('goes by an incoming webhook through the door that checks addresses, with no token', async () => {
    await send(at('webhookUrl', WEBHOOK))
    expect(host.calls[0]).not.toHaveProperty('trusted', true)
    const [{ path, headers }] = host.messages as [(typeof host.messages)[0]]
    expect([path, headers.authorization, headers['idempotency-key']]).toEqual([
      '/services/T0000/B0000/madeUpSecretWXYZ',
      undefined,
      'key_1-a',
    ])
    expect(sent()).toEqual({ text: 'It is here.', mrkdwn: false })
  })

  test('that is repeated in a long answer is accepted', async () => {
    host.reply = { status: 200, body: { ok: true, message: { text: 'x'.repeat(60_000) }, channel: 'C123ABC456', ts: '1.2' } }
    expect(await send(at('channel', 'C123ABC456'))).toMatchObject({ kind: 'accepted', reference: 'C123ABC456/1.2' })
  })

  test("goes with the place's own token instead of the account's", async () => {
    await send(at('channel', 'C123ABC456', 'xoxb-of-the-place'))
    expect(host.messages[0]!.headers.authorization).toBe('Bearer xoxb-of-the-place')
  })

  test('was not sent, and may be tried again, where what leads up to it has no answer', async () => {
    const silent = await startHost({ hosts: ['slack.com'], well: posted })
    silent.reply = 'broken'
    const outcome = await deliver(slack, { token }, outgoing(at('userId', 'U024BE7LH')), { http: silent.http })
    expect([outcome.kind, silent.messages[0]!.path]).toEqual(['retry', '/api/conversations.open'])
    await silent.close()
  })

  test.each([
    ['no token at all', at('channel', 'C123ABC456'), {}, {}, 'request'],
    ['a text that Slack would cut', at('channel', 'C123ABC456'), { token }, { text: 'x'.repeat(40_001) }, 'content'],
    ['no text', at('channel', 'C123ABC456'), { token }, { text: ' ' }, 'content'],
    ['a webhook of somebody else', at('webhookUrl', 'https://hooks.slack.com.evil.test/services'), {}, {}, 'address'],
  ] as const)('with %s is rejected without a call', async (_name, address, settings, content, what) => {
    const changes = 'text' in content ? { content } : {}
    expect(await send(address, changes, settings)).toMatchObject({ kind: 'rejected', what })
    expect(host.calls).toEqual([])
  })
})
