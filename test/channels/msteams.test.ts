import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createMsTeams } from '../../src/channels/msteams.ts'
import type { Address, ChatTarget, Outgoing, Provider } from '../../src/channels/provider.ts'
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

// Replies: Microsoft's pages "Bot Framework REST API - API reference" (ResourceResponse, ErrorResponse), "Conversation
// messages" (status codes from bot conversational APIs), "Create and send messages" for webhooks (the failures that come with
// 200 stand in issues 7425 and 1810 of MicrosoftDocs/msteams-docs), the identity platform's "client credentials flow" and
// Microsoft Graph's "List users".

const APP = '11111111-2222-4333-8444-555555555555'
const TENANT = '8a3c1f10-0000-4000-8000-000000000001'
const SERVICE = 'https://smba.trafficmanager.net/emea/'
const WEBHOOK = 'https://prod-01.westeurope.logic.azure.com:443/workflows/abc/triggers/manual/paths/invoke?sp=x&sig=madeUpSecret'
const settings = { appId: APP, appPassword: 'made-up-app-password' }

type To = 'userId' | 'email' | 'channelId' | 'conversationId'

function at(to: To, value: string, serviceUrl = SERVICE): Address {
  const chat: ChatTarget = { service: 'msteams', to, value, tenantId: TENANT, serviceUrl }
  return { id: `msteams:${value}`, chat }
}

const webhook: Address = { id: 'https://…cret', chat: { service: 'msteams', to: 'webhookUrl', value: WEBHOOK } }

const posted: Reply = { status: 201, body: { id: '1:1pNjF0a' } }
const failed = (status: number, code: string, message: string): Reply => ({ status, body: { error: { code, message } } })
const granted: Reply = { status: 200, body: { token_type: 'Bearer', expires_in: 3599, access_token: 'eyJ.made.up' } }
const hosts = [
  'smba.trafficmanager.net',
  'login.microsoftonline.com',
  'graph.microsoft.com',
  'prod-01.westeurope.logic.azure.com',
]

const documented: Documented = {
  provider: createMsTeams(),
  settings,
  address: at('conversationId', 'a:1qhNLqpUtmuI6U35gzjsJn7uRnCkW8NiZ'),
  badAddress: at('userId', '29:1abc', 'https://evil.test/'),
  hosts,
  well: posted,
  refusing: failed(403, 'ConversationBlockedByUser', 'User blocked the conversation with the bot.'),
  throttling: {
    status: 429,
    headers: { 'retry-after': '7' },
    body: { error: { code: 'Throttled', message: 'Too many requests' } },
  },
  needsNoSetting: true,
  identity: ({ headers }) => String(headers['idempotency-key']),
  aside({ host, path }) {
    if (host === 'login.microsoftonline.com') return granted
    if (host === 'graph.microsoft.com') return { status: 200, body: { value: [{ id: '87d349ed-44d7-43e1-9a83-5f2406dee5bd' }] } }
    return path.endsWith('/v3/conversations')
      ? { status: 201, body: { id: '19:conversation@thread.v2', activityId: '171' } }
      : undefined
  },
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['a message that is there', posted, { kind: 'accepted', reference: '1:1pNjF0a' }],
  [
    'a bot that is not in it',
    failed(403, 'BotNotInConversationRoster', 'The bot is not part of the conversation roster.'),
    { kind: 'rejected', what: 'address', code: 'BotNotInConversationRoster' },
  ],
  [
    'a conversation that is gone',
    failed(404, 'ConversationNotFound', 'Conversation not found.'),
    { kind: 'rejected', what: 'address' },
  ],
  [
    'a message that is too big',
    failed(413, 'MessageSizeTooBig', 'Message size too large.'),
    { kind: 'rejected', what: 'content' },
  ],
  [
    'a request that is wrong',
    failed(400, 'BadSyntax', 'Incorrect syntax'),
    { kind: 'rejected', what: 'request', code: 'BadSyntax' },
  ],
  ['what passes', failed(412, 'PreconditionFailed', 'Precondition failed, please try again.'), { kind: 'retry' }],
  ['too many', documented.throttling, { kind: 'retry', afterMs: 7_000 }],
  ['a failure of its own', failed(500, 'ServiceError', 'Various'), { kind: 'retry', code: 'ServiceError' }],
  ['success that is no answer of its own', { status: 200, body: '' }, { kind: 'unknown' }],
])

readsReplies({ ...documented, settings: {}, address: webhook }, [
  ['a workflow that took it', { status: 202 }, { kind: 'accepted', code: '202' }],
  ['a channel that took it', { status: 200, body: '1' }, { kind: 'accepted', code: '200' }],
  [
    'success, and that it was throttled',
    {
      status: 200,
      body: 'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x',
    },
    { kind: 'retry', code: '429' },
  ],
  [
    'success, and that it was too big',
    {
      status: 200,
      body: 'Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 413 with ContextId x',
    },
    { kind: 'rejected', what: 'content', code: '413' },
  ],
  [
    'success, and that nobody was reached',
    { status: 200, body: 'System.Net.Http.HttpRequestException: Error while copying content to a stream.' },
    { kind: 'retry' },
  ],
  ['a signature that is none', { status: 401 }, { kind: 'rejected', what: 'address', code: '401' }],
  ['a webhook that is gone', { status: 404 }, { kind: 'rejected', what: 'address', code: '404' }],
  ['a card that is none', { status: 400 }, { kind: 'rejected', what: 'request', code: '400' }],
])

describe('A message to Microsoft Teams', () => {
  let host: Host
  let provider: Provider
  let login: Reply
  let people: object[]
  beforeEach(async () => {
    provider = createMsTeams()
    login = granted
    people = [{ id: '87d349ed-44d7-43e1-9a83-5f2406dee5bd' }]
    const aside: Documented['aside'] = (request) => {
      if (request.host === 'login.microsoftonline.com') return login
      if (request.host === 'graph.microsoft.com') return { status: 200, body: { value: people } }
      return documented.aside!(request)
    }
    host = await startHost({ ...documented, aside })
  })
  afterEach(() => host.close())

  const send = (address: Address, changes: Partial<Outgoing> = {}, now?: Date) =>
    deliver(provider, settings, outgoing(address, changes), { http: host.http, ...(now && { now }) })
  const jsonOf = ({ body }: { body: Buffer }) => JSON.parse(body.toString())
  const wayOf = () => host.requests.map(({ host: where, path }) => `${where}${path.split('?')[0]}`)

  test('to somebody opens the conversation of the bot with them', async () => {
    expect(await send(at('userId', '29:1abc'))).toMatchObject({ kind: 'accepted' })
    expect(wayOf()).toEqual([
      'login.microsoftonline.com/botframework.com/oauth2/v2.0/token',
      'smba.trafficmanager.net/emea/v3/conversations',
      'smba.trafficmanager.net/emea/v3/conversations/19%3Aconversation%40thread.v2/activities',
    ])
    const [signIn, opened, said] = host.requests as [
      (typeof host.requests)[0],
      (typeof host.requests)[0],
      (typeof host.requests)[0],
    ]
    expect(Object.fromEntries(new URLSearchParams(signIn.body.toString()))).toEqual({
      grant_type: 'client_credentials',
      client_id: APP,
      client_secret: 'made-up-app-password',
      scope: 'https://api.botframework.com/.default',
    })
    expect(jsonOf(opened)).toMatchObject({ isGroup: false, bot: { id: APP }, members: [{ id: '29:1abc' }], tenantId: TENANT })
    expect(said.headers.authorization).toBe('Bearer eyJ.made.up')
    expect(jsonOf(said)).toEqual({ type: 'message', text: 'It is here.', textFormat: 'plain' })
  })

  test('by an email address is for whoever has it in the tenant', async () => {
    await send(at('email', "o'hara@example.com"))
    expect(wayOf().slice(0, 4)).toEqual([
      'login.microsoftonline.com/botframework.com/oauth2/v2.0/token',
      `login.microsoftonline.com/${TENANT}/oauth2/v2.0/token`,
      'graph.microsoft.com/v1.0/users',
      'smba.trafficmanager.net/emea/v3/conversations',
    ])
    const query = new URL(`https://x.test${host.requests[2]!.path}`).searchParams
    expect(query.get('$filter')).toBe("mail eq 'o''hara@example.com' or userPrincipalName eq 'o''hara@example.com'")
    expect(jsonOf(host.requests[3]!).members).toEqual([{ id: '87d349ed-44d7-43e1-9a83-5f2406dee5bd' }])
  })

  test('by an email address that nobody has is rejected', async () => {
    people = []
    expect(await send(at('email', 'nobody@example.com'))).toMatchObject({ kind: 'rejected', what: 'address' })
    expect(host.messages).toEqual([])
  })

  test('in a channel begins a conversation there', async () => {
    expect(await send(at('channelId', '19:channel@thread.tacv2'))).toMatchObject({ kind: 'accepted', reference: '171' })
    expect(jsonOf(host.requests[1]!)).toMatchObject({
      isGroup: true,
      channelData: { channel: { id: '19:channel@thread.tacv2' } },
      activity: { type: 'message', text: 'It is here.' },
    })
  })

  test('takes one token for many, until it runs out', async () => {
    const now = new Date('2026-11-21T08:00:00Z')
    for (const seconds of [0, 10, 3_200, 3_400]) await send(documented.address, {}, new Date(now.getTime() + seconds * 1_000))
    expect(wayOf().filter((way) => way.startsWith('login.'))).toHaveLength(2)
  })

  test('is tried again with a new token where the one that was kept is taken no more', async () => {
    await send(documented.address)
    host.reply = failed(401, 'Unauthorized', 'Authorization has been denied for this request.')
    expect(await send(documented.address)).toMatchObject({ kind: 'retry' })
    expect(await send(documented.address)).toMatchObject({ kind: 'misconfigured' })
    host.reply = posted
    expect(await send(documented.address)).toMatchObject({ kind: 'accepted' })
  })

  test('goes nowhere where the bot may not sign in', async () => {
    login = {
      status: 401,
      body: { error: 'invalid_client', error_description: 'AADSTS7000215: Invalid client secret provided.' },
    }
    const outcome = await send(documented.address)
    expect(outcome).toMatchObject({ kind: 'misconfigured', code: '401' })
    expect(JSON.stringify(outcome)).not.toContain('made-up-app-password')
    login = { status: 503 }
    expect(await send(documented.address)).toMatchObject({ kind: 'retry' })
    expect(host.messages).toEqual([])
  })

  test("shows its bot's token to nobody but Microsoft", async () => {
    for (const serviceUrl of [
      'https://smba.trafficmanager.net.evil.test/',
      'http://smba.trafficmanager.net/',
      'https://smba.trafficmanager.net@evil.test/',
    ]) {
      expect(await send(at('userId', '29:1abc', serviceUrl))).toMatchObject({ kind: 'rejected', what: 'address' })
    }
    expect(host.calls).toEqual([])
  })

  test('by a webhook is a card, whose text is no markup, through the door that checks addresses', async () => {
    await send(webhook, { content: { text: '**Tea**\n\nnow' } })
    expect(host.calls[0]).toMatchObject({ url: WEBHOOK })
    expect(host.calls[0]).not.toHaveProperty('trusted', true)
    expect(jsonOf(host.messages[0]!)).toEqual({
      type: 'message',
      attachments: [
        {
          contentType: 'application/vnd.microsoft.card.adaptive',
          content: {
            type: 'AdaptiveCard',
            $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
            version: '1.4',
            body: ['**Tea**', 'now'].map((text) => ({ type: 'RichTextBlock', inlines: [{ type: 'TextRun', text }] })),
          },
        },
      ],
    })
  })

  test('is the card that was given, and what an override makes of it', async () => {
    const card = { type: 'AdaptiveCard', version: '1.5', body: [] }
    await send(webhook, { extras: { blocks: card } })
    await send(documented.address, {
      extras: { blocks: card },
      override: { importance: 'high', type: 'typing', from: { id: 'x' } },
    })
    expect(jsonOf(host.messages[0]!).attachments[0].content).toEqual(card)
    const said = jsonOf(host.messages[1]!)
    expect(said).toMatchObject({ type: 'message', importance: 'high', summary: 'It is here.', attachments: [{ content: card }] })
    expect(said).not.toHaveProperty('from')
  })

  test("says its blocks in a card, a template's own instead, and a send's before those", async () => {
    const blocks = [{ kind: 'text', spans: [{ text: '**Tea**', bold: true }] }] as const
    const card = (body: string) => ({ type: 'AdaptiveCard', version: '1.5', body: [{ type: 'TextBlock', text: body }] })
    await send(webhook, { content: { text: 'Tea', blocks } })
    await send(documented.address, { content: { text: 'Tea', blocks } })
    await send(webhook, { content: { blocks, payload: card('mine') } })
    await send(webhook, { content: { text: 'Tea', payload: card('mine') }, extras: { blocks: card("the send's") } })
    const cards = host.messages.map((message) => jsonOf(message).attachments[0].content)
    const run = { type: 'TextRun', text: '**Tea**', weight: 'Bolder' }
    expect(cards).toMatchObject([
      { version: '1.4', body: [{ type: 'RichTextBlock', inlines: [run] }] },
      { version: '1.4', body: [{ type: 'RichTextBlock', inlines: [run] }] },
      card('mine'),
      card("the send's"),
    ])
    expect(jsonOf(host.messages[1]!)).toMatchObject({ type: 'message', summary: 'Tea' })
  })

  test('is rejected without a call when it is too big for a webhook, or the account has no bot', async () => {
    const big = { type: 'AdaptiveCard', body: [{ type: 'TextBlock', text: 'x'.repeat(28_673) }] }
    expect(await send(webhook, { extras: { blocks: big } })).toMatchObject({ kind: 'rejected', what: 'content' })
    const without = await deliver(provider, {}, outgoing(documented.address), { http: host.http })
    expect(without).toMatchObject({ kind: 'rejected', what: 'request' })
    expect(host.calls).toEqual([])
  })

  test('is of no account with half a bot', () => {
    expect(provider.settings.safeParse({ appId: APP })).toMatchObject({ success: false })
  })
})
