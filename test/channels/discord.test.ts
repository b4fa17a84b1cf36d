import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { discord } from '../../src/channels/discord.ts'
import type { Address, ChatTarget, Outgoing } from '../../src/channels/provider.ts'
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

// Replies: the Discord Developer Documentation, "Messages Resource", "Users Resource" (Create DM), "Webhook Resource", "Rate
// Limits" (the body of 429) and "Opcodes and Status Codes" (JSON error codes).

const token = 'made.up.token-of-a-bot-with-some-length'
const CHANNEL = '290926798626357999'
const WEBHOOK = 'https://discord.com/api/webhooks/223704706495545344/made-up_Secret'

function at(to: 'channelId' | 'userId' | 'webhookUrl', value: string): Address {
  const chat: ChatTarget = { service: 'discord', to, value }
  return { id: `discord:${value}`, chat }
}

const posted: Reply = { status: 200, body: { id: '334385199974967042', channel_id: CHANNEL, content: 'It is here.' } }
const failed = (status: number, code: number, message: string): Reply => ({ status, body: { code, message } })
const throttled: Reply = {
  status: 429,
  headers: { 'retry-after': '65' },
  body: { message: 'You are being rate limited.', retry_after: 64.57, global: false },
}

const documented: Documented = {
  provider: discord,
  settings: { token },
  address: at('channelId', CHANNEL),
  badAddress: at('userId', '../../users/@me'),
  hosts: ['discord.com'],
  well: posted,
  refusing: failed(404, 10003, 'Unknown Channel'),
  throttling: throttled,
  needsNoSetting: true,
  identity: ({ body }) => JSON.parse(body.toString()).nonce,
  aside: ({ path }) =>
    path === '/api/v10/users/@me/channels' ? { status: 200, body: { id: '319674150115610528', type: 1 } } : undefined,
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['a message that is there', posted, { kind: 'accepted', reference: '334385199974967042' }],
  [
    'a user who takes none',
    failed(403, 50007, 'Cannot send messages to this user'),
    { kind: 'rejected', what: 'address', code: '50007' },
  ],
  ['a channel without access', failed(403, 50001, 'Missing Access'), { kind: 'rejected', what: 'address', code: '50001' }],
  ['a field that is wrong', failed(400, 50035, 'Invalid Form Body'), { kind: 'rejected', what: 'content', code: '50035' }],
  ['an empty message', failed(400, 50006, 'Cannot send an empty message'), { kind: 'rejected', what: 'content' }],
  [
    'slow mode',
    failed(400, 20016, 'This action cannot be performed due to slowmode rate limit'),
    { kind: 'retry', code: '20016' },
  ],
  ['a bot that nobody knows', failed(401, 0, '401: Unauthorized'), { kind: 'misconfigured', code: '401' }],
  [
    'what is forbidden and has no code of its own',
    { status: 403, body: 'error code: 1015' },
    { kind: 'rejected', what: 'request' },
  ],
  ['too many', throttled, { kind: 'retry', code: '429', afterMs: 65_000 }],
  ['a wait that is finer than its header', { ...throttled, headers: {} }, { kind: 'retry', afterMs: 64_570 }],
  ['a gateway', { status: 502, body: '<html>' }, { kind: 'retry', code: '502' }],
  ['success that is no answer of its own', { status: 200, body: {} }, { kind: 'unknown' }],
])

readsReplies({ ...documented, settings: {}, address: at('webhookUrl', WEBHOOK) }, [
  ['a message that is there', posted, { kind: 'accepted', reference: '334385199974967042' }],
  ['a webhook that is gone', failed(404, 10015, 'Unknown Webhook'), { kind: 'rejected', what: 'address', code: '10015' }],
  ['a token that is none', failed(401, 50027, 'Invalid Webhook Token'), { kind: 'rejected', what: 'address', code: '50027' }],
  ['no right to it', failed(401, 0, '401: Unauthorized'), { kind: 'rejected', what: 'address' }],
])

describe('A message to Discord', () => {
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

  const send = (address: Address, changes: Partial<Outgoing> = {}) =>
    deliver(discord, { token }, outgoing(address, changes), { http: host.http })
  const sent = () => JSON.parse(host.messages[0]!.body.toString())

  test('in a channel notifies nobody by what stands in it, and is told from its repetition by a nonce', async () => {
    await send(at('channelId', CHANNEL), { content: { text: '@everyone, tea' } })
    const [{ path, headers }] = host.messages as [(typeof host.messages)[0]]
    expect([path, headers.authorization]).toEqual([`/api/v10/channels/${CHANNEL}/messages`, `Bot ${token}`])
    expect(headers['user-agent']).toMatch(/^DiscordBot \(.+, .+\)$/)
    expect(sent()).toEqual({
      content: '\\@everyone, tea',
      allowed_mentions: { parse: [] },
      nonce: expect.stringMatching(/^[\w-]{25}$/),
      enforce_nonce: true,
    })
  })

  test('to a user goes to the channel of direct messages with the bot', async () => {
    await send(at('userId', '80351110224678912'))
    expect(host.requests.map(({ path, body }) => [path, body.toString()])).toEqual([
      ['/api/v10/users/@me/channels', '{"recipient_id":"80351110224678912"}'],
      ['/api/v10/channels/319674150115610528/messages', expect.stringContaining('It is here.')],
    ])
  })

  test('by a webhook waits until it is there, and carries no token', async () => {
    await send(at('webhookUrl', `${WEBHOOK}?thread_id=123`))
    const [{ path, headers }] = host.messages as [(typeof host.messages)[0]]
    expect(path).toBe('/api/webhooks/223704706495545344/made-up_Secret?thread_id=123&wait=true')
    expect(headers.authorization).toBeUndefined()
    expect(host.calls[0]).not.toHaveProperty('trusted', true)
  })

  test('carries embeds, but no blocks of another service, and is what an override makes of it', async () => {
    const embeds = [{ title: 'Tea' }]
    await send(at('channelId', CHANNEL), { extras: { blocks: embeds }, override: { tts: true, nonce: 'mine' } })
    await send(at('channelId', CHANNEL), { extras: { blocks: [{ type: 'divider' }] } })
    const [first, second] = host.messages.map(({ body }) => JSON.parse(body.toString()))
    expect(first).toMatchObject({ content: 'It is here.', embeds, tts: true, nonce: second.nonce })
    expect(second).not.toHaveProperty('embeds')
  })

  test("says its blocks in Markdown, a template's own embeds instead, and a send's before those", async () => {
    const blocks = [
      { kind: 'text', spans: [{ text: 'Tea', bold: true }] },
      { kind: 'action', action: { label: 'Drink', href: 'https://tea.example', style: 'button' } },
    ] as const
    await send(at('channelId', CHANNEL), { content: { text: 'x'.repeat(2_001), blocks } })
    await send(at('webhookUrl', WEBHOOK), { content: { text: 'Tea', blocks } })
    await send(at('channelId', CHANNEL), { content: { text: 'Tea', blocks, payload: [{ title: 'Mine' }] } })
    const extras = { blocks: [{ title: "The send's" }] }
    await send(at('channelId', CHANNEL), { content: { text: 'Tea', blocks, payload: [{ title: 'Mine' }] }, extras })
    const said = host.messages.map(({ body }) => JSON.parse(body.toString()))
    expect(said).toMatchObject([
      { content: '**Tea**', components: [{ components: [{ label: 'Drink', url: 'https://tea.example' }] }] },
      { content: '**Tea**\n\n[Drink](<https://tea.example>)' },
      { content: 'Tea', embeds: [{ title: 'Mine' }] },
      { content: 'Tea', embeds: [{ title: "The send's" }] },
    ])
    expect(said.every((one) => one.allowed_mentions.parse.length === 0)).toBe(true)
  })

  test.each([at('channelId', CHANNEL), at('webhookUrl', WEBHOOK)])(
    'that is repeated in a long answer is accepted: $id',
    async (address) => {
      host.reply = { status: 200, body: { content: 'x'.repeat(60_000), id: '1' } }
      expect(await send(address)).toMatchObject({ kind: 'accepted', reference: '1' })
    },
  )

  test('is rejected without a call when it is too long for Discord', async () => {
    expect(await send(at('channelId', CHANNEL), { content: { text: '🔔'.repeat(2_000) } })).toMatchObject({ kind: 'accepted' })
    expect(await send(at('channelId', CHANNEL), { content: { text: 'x'.repeat(2_001) } })).toMatchObject({ what: 'content' })
    expect(host.calls).toHaveLength(1)
  })
})
