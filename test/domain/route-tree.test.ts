import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHANNELS, type Channel } from '../../src/channels/provider.ts'
import { plan, type Snapshot } from '../../src/domain/plan.ts'
import { type RouteNode, stepsOf } from '../../src/domain/route-tree.ts'
import { ROUTING_METHODS, type Routing } from '../../src/domain/routing.ts'
import { account, all, chose, layers, NOW, single, snapshot, token } from './snapshot.ts'

/** Ada has an address on every channel but DIRECT_MESSAGE. */
const ADA: Partial<Snapshot> = {
  userId: 'ada',
  to: { email: 'ada@x.test', phoneNumber: '+32470123456' },
  deviceTokens: [token('1', { kind: 'fcm' })],
  accounts: [
    account('smtp', 'EMAIL'),
    account('ses', 'EMAIL'),
    account('twilio', 'SMS'),
    account('vonage', 'SMS'),
    account('fcm', 'PUSH'),
    account('expo', 'PUSH', { kind: 'fcm' }),
    account('inbox', 'INBOX'),
    account('team', 'DIRECT_MESSAGE', { kind: 'slack' }),
  ],
}

type Shape = string | readonly Shape[]

const shapeOf = (node: RouteNode): Shape =>
  node.kind === 'step' ? node.step.providerId : [node.method, ...node.nodes.map(shapeOf)]

const planOf = (routing: Routing | null, more: Partial<Snapshot> = {}) =>
  plan(snapshot({ ...ADA, routing: { from: routing === null ? 'default' : 'message', tree: routing }, ...more }))

/** The tree of accounts, or why there is none. */
function treeOf(routing: Routing | null, more: Partial<Snapshot> = {}): Shape {
  const planned = planOf(routing, more)
  if (planned.kind === 'route') return shapeOf(planned.tree)
  return planned.kind === 'stop' ? `${planned.status} ${planned.reason}` : planned.kind
}

const saidNo = (routing: Routing | null, more: Partial<Snapshot> = {}) =>
  planOf(routing, more).decisions.flatMap(({ rule, subject, passed }) => (passed ? [] : [`${rule} ${subject}`]))

const withAccounts = (...changed: NonNullable<Snapshot['accounts']>): Partial<Snapshot> => ({
  accounts: ADA.accounts!.map((one) => changed.find(({ id }) => id === one.id) ?? one),
})
const [no, yes] = ['data.vip == true', '!has(data.vip)']

describe('A routing becomes a tree of steps', () => {
  test.each<[string, Routing, Shape]>([
    ['a channel is its accounts in their order', single('EMAIL'), ['SINGLE', 'smtp', 'ses']],
    ['a channel of one account is that account', single('INBOX'), 'inbox'],
    ['an account stands alone, beside others of its channel', single('ses'), 'ses'],
    [
      'channels and accounts stand in the order of the routing',
      single('ses', 'SMS', 'smtp'),
      ['SINGLE', 'ses', ['SINGLE', 'twilio', 'vonage'], 'smtp'],
    ],
    [
      'ALL is every branch, each channel of it by its first account that takes it',
      all('EMAIL', 'PUSH'),
      ['ALL', ['SINGLE', 'smtp', 'ses'], ['SINGLE', 'fcm', 'expo']],
    ],
    ['ALL within SINGLE', single(all('fcm', 'expo'), 'SMS'), ['SINGLE', ['ALL', 'fcm', 'expo'], ['SINGLE', 'twilio', 'vonage']]],
    ['SINGLE within ALL', all('INBOX', single('fcm', 'twilio')), ['ALL', 'inbox', ['SINGLE', 'fcm', 'twilio']]],
    ['branches without an address are left out', all('DIRECT_MESSAGE', 'WEBHOOK', 'INBOX'), 'inbox'],
    ['a branch of which nothing is left is left out', single(all('DIRECT_MESSAGE', 'team'), 'ses'), 'ses'],
  ])('%s', (_name, routing, tree) => {
    expect(treeOf(routing)).toEqual(tree)
  })

  test('every device of a user is ALL, however their channel and its routing go', () => {
    const deviceTokens = [token('1', { kind: 'fcm' }), token('2', { kind: 'fcm' })]
    expect(treeOf(single('fcm', 'EMAIL'), { deviceTokens })).toEqual(['SINGLE', ['ALL', 'fcm', 'fcm'], ['SINGLE', 'smtp', 'ses']])
  })

  test('where there is none, every channel is tried in its order, until one takes it', () => {
    expect(treeOf(null)).toEqual([
      'SINGLE',
      ['SINGLE', 'smtp', 'ses'],
      ['SINGLE', 'twilio', 'vonage'],
      ['SINGLE', 'fcm', 'expo'],
      'inbox',
    ])
  })

  test('an account that is named twice is asked about once, and planned once', () => {
    const planned = planOf(single('ses', 'EMAIL', all('ses', 'SMS'), 'EMAIL'))
    expect(planned.kind === 'route' && planned.steps.map(({ providerId }) => providerId)).toEqual([
      'ses',
      'smtp',
      'twilio',
      'vonage',
    ])
    const asked = planned.decisions.map(({ rule, subject }) => `${rule} ${subject}`)
    expect(asked).toEqual([...new Set(asked)])
  })

  test.each(['message', 'environment', 'default'] as const)('says whose routing it is: %s', (from) => {
    const tree = from === 'default' ? null : single('SMS')
    expect(plan(snapshot({ ...ADA, routing: { from, tree } })).decisions.at(-1)).toMatchObject({
      rule: 'route',
      subject: 'SINGLE',
      passed: true,
      detail: { routing: from },
    })
  })
})

describe('What is said about a channel', () => {
  test('names its accounts in the order in which they are tried; others are not', () => {
    expect(
      treeOf(single('EMAIL', 'SMS'), { channels: { EMAIL: { providerIds: ['ses', 'smtp'] }, SMS: { providerIds: ['vonage'] } } }),
    ).toEqual(['SINGLE', ['SINGLE', 'ses', 'smtp'], 'vonage'])
  })

  test('may have it go by all of its accounts', () => {
    const channels = { EMAIL: { method: 'ALL' } } as const
    expect(treeOf(single('EMAIL', 'INBOX'), { channels })).toEqual(['SINGLE', ['ALL', 'smtp', 'ses'], 'inbox'])
  })

  test('does not hold for an account that the routing itself names, but for its condition', () => {
    expect(treeOf(single('smtp'), { channels: { EMAIL: { providerIds: ['ses'] } } })).toBe('smtp')
    expect(treeOf(single('smtp', 'INBOX'), { channels: { EMAIL: { if: no } } })).toBe('inbox')
  })

  test('passes over an account of another channel, or of which nobody knows', () => {
    const channels = { EMAIL: { providerIds: ['twilio', 'nope', 'ses'] } }
    expect(treeOf(single('EMAIL'), { channels })).toBe('ses')
    expect(saidNo(single('EMAIL'), { channels })).toEqual(['provider twilio', 'provider nope'])
  })
})

describe('Conditions', () => {
  test('take a channel away, or an account of it', () => {
    expect(treeOf(single('EMAIL', 'SMS'), { channels: { EMAIL: { if: no }, SMS: { if: yes } } })).toEqual([
      'SINGLE',
      'twilio',
      'vonage',
    ])
    expect(
      treeOf(single('EMAIL'), {
        providers: [
          { providerId: 'smtp', if: no },
          { providerId: 'ses', if: yes },
        ],
      }),
    ).toBe('ses')
    expect(saidNo(single('EMAIL'), { providers: [{ providerId: 'smtp', if: no }] })).toEqual(['condition smtp'])
  })

  test('are asked about data, profile and tenant', () => {
    const channels = { SMS: { if: "data.urgent && profile.plan == 'pro' && tenant.id == 'acme'" } }
    const facts = { data: { urgent: true }, tenant: { id: 'acme' } }
    expect(treeOf(all('SMS', 'INBOX'), { channels, facts, profile: { plan: 'pro' } })).toEqual([
      'ALL',
      ['SINGLE', 'twilio', 'vonage'],
      'inbox',
    ])
    expect(treeOf(all('SMS', 'INBOX'), { channels, facts, profile: { plan: 'free' } })).toBe('inbox')
  })

  test('that leave nothing end a message FILTERED, and the decisions say which they were', () => {
    const channels = { EMAIL: { if: no } }
    const providers = [{ providerId: 'inbox', if: no }]
    expect(treeOf(single('EMAIL', 'INBOX'), { channels, providers })).toBe('FILTERED FILTERED')
    expect(saidNo(single('EMAIL', 'INBOX'), { channels, providers })).toEqual([
      'condition EMAIL',
      'condition inbox',
      'route SINGLE',
    ])
  })

  test('are not blamed for what would not have been tried without them', () => {
    expect(treeOf(single('DIRECT_MESSAGE'), { channels: { DIRECT_MESSAGE: { if: no } } })).toBe('UNROUTABLE NO_CHANNELS')
    const providers = [{ providerId: 'inbox', if: no }]
    const disabled = withAccounts(account('inbox', 'INBOX', { enabled: false }))
    expect(treeOf(single('INBOX'), { ...disabled, providers })).toBe('UNROUTABLE NO_PROVIDERS')
  })
})

describe('A content that has something for some channels alone', () => {
  const elements = [
    { type: 'channel', channel: 'inbox', elements: [{ type: 'text', content: 'x' }] },
    { type: 'channel', channel: 'ses', elements: [{ type: 'text', content: 'x' }] },
  ] as const

  test('is tried on those, by those accounts', () => {
    const content = { elements }
    expect(treeOf(single('EMAIL', 'SMS', 'INBOX'), { content })).toEqual(['SINGLE', 'ses', 'inbox'])
    expect(saidNo(single('EMAIL', 'SMS', 'INBOX'), { content })).toEqual(['render smtp', 'render twilio', 'render vonage'])
    expect(treeOf(single('EMAIL', 'SMS'), { content: { ...content, title: 'x' } })).toEqual([
      'SINGLE',
      ['SINGLE', 'smtp', 'ses'],
      ['SINGLE', 'twilio', 'vonage'],
    ])
  })

  test('ends a message that could go by others alone', () => {
    expect(treeOf(single('SMS', 'PUSH'), { content: { elements } })).toBe('UNDELIVERABLE RENDER_ERROR')
  })

  test('is looked through once for an account, however many messages say it', () => {
    let looks = 0
    const content = {
      get elements() {
        looks += 1
        return elements
      },
    }
    const routing = single('EMAIL', 'INBOX')
    expect(treeOf(routing, { content })).toEqual(['SINGLE', 'ses', 'inbox'])
    const before = looks
    for (let message = 0; message < 10; message++) expect(treeOf(routing, { content })).toEqual(['SINGLE', 'ses', 'inbox'])
    expect(looks).toBe(before)
  })
})

describe("A user's choice of channels", () => {
  const opted = (...channels: Channel[]) => chose('OPTED_IN', { channels })

  test('cuts the routing, accounts that it names as well', () => {
    const preferences = layers({ everywhere: opted('SMS', 'INBOX') })
    expect(treeOf(single('smtp', 'EMAIL', all('SMS', 'INBOX')), { preferences })).toEqual([
      'ALL',
      ['SINGLE', 'twilio', 'vonage'],
      'inbox',
    ])
    expect(saidNo(single('smtp', 'EMAIL', 'INBOX'), { preferences })).toEqual(['channels EMAIL'])
  })

  test('goes before the conditions of the channels, but not before those of an account', () => {
    const channels = { SMS: { if: no } }
    const chosen = { preferences: layers({ everywhere: opted('SMS') }), channels }
    expect(treeOf(single('SMS'), chosen)).toEqual(['SINGLE', 'twilio', 'vonage'])
    expect(treeOf(single('SMS'), { ...chosen, providers: [{ providerId: 'twilio', if: no }] })).toBe('vonage')
  })

  test.each([
    ['a user who chose no channels', { everywhere: chose('OPTED_IN') }],
    ['a tenant that did', { tenants: [{ tenantId: 'acme', preference: { status: 'OPTED_IN', channels: ['SMS'] } }] }],
    ['a topic that is required, whatever the user chose', { topic: 'REQUIRED', everywhere: opted('SMS') }],
    ['a send that requires it on those', { send: { status: 'REQUIRED', channels: ['SMS'] } }],
  ] as const)('is no choice of: %s', (_name, said) => {
    const preferences = layers(said as Parameters<typeof layers>[0])
    expect(treeOf(single('SMS'), { preferences, channels: { SMS: { if: no } } })).toBe('FILTERED FILTERED')
  })

  test('says nothing about a topic that is REQUIRED: it goes by the routing, or by the channels of whoever requires it', () => {
    const out = { everywhere: chose('OPTED_OUT', { channels: ['INBOX'], snoozedUntil: new Date(NOW.getTime() + 1) }) }
    expect(treeOf(single('EMAIL'), { preferences: layers({ ...out, topic: 'REQUIRED' }) })).toEqual(['SINGLE', 'smtp', 'ses'])
    const tenants = [{ tenantId: 'acme', preference: { status: 'REQUIRED' as const, channels: ['SMS' as const] } }]
    expect(treeOf(single('EMAIL', 'SMS'), { preferences: layers({ ...out, tenants }) })).toEqual(['SINGLE', 'twilio', 'vonage'])
  })
})

describe('Where nothing is left to try, the message ends', () => {
  const chosen = (...channels: Channel[]) => ({ preferences: layers({ everywhere: chose('OPTED_IN', { channels }) }) })
  const disabled = withAccounts(account('inbox', 'INBOX', { enabled: false }))
  const refused = withAccounts(account('inbox', 'INBOX', { health: 'MISCONFIGURED', lastError: '535' }))

  test.each<[string, Routing | null, Partial<Snapshot>, string, string]>([
    [
      'NO_CHANNELS: no address on any channel',
      null,
      { userId: null, to: {}, deviceTokens: [] },
      'NO_CHANNELS',
      'The recipient has no address on any channel.',
    ],
    [
      'NO_CHANNELS: none on those of the routing',
      single('DIRECT_MESSAGE', 'team'),
      {},
      'NO_CHANNELS',
      'The recipient has no address on any channel of the routing.',
    ],
    [
      'NO_CHANNELS: none on those that were chosen',
      null,
      chosen('DIRECT_MESSAGE'),
      'NO_CHANNELS',
      'The recipient has no address on DIRECT_MESSAGE, which alone may carry the topic.',
    ],
    [
      'NO_CHANNELS: none of those that were chosen is tried',
      single('EMAIL'),
      chosen('SMS', 'INBOX'),
      'NO_CHANNELS',
      'The routing does not try SMS or INBOX, which alone may carry the topic.',
    ],
    [
      'NO_PROVIDERS: no account carries the channel',
      single('EMAIL'),
      { accounts: [] },
      'NO_PROVIDERS',
      'No enabled provider carries a channel on which the recipient has an address.',
    ],
    [
      'NO_PROVIDERS: the account is disabled',
      single('inbox'),
      disabled,
      'NO_PROVIDERS',
      'No enabled provider carries a channel on which the recipient has an address.',
    ],
    [
      'NO_PROVIDERS: its settings were refused',
      single('INBOX'),
      refused,
      'NO_PROVIDERS',
      'No enabled provider carries a channel on which the recipient has an address.',
    ],
    [
      'NO_PROVIDERS: the account carries none of the addresses',
      single('PUSH'),
      { deviceTokens: [token('1', { kind: 'apns' })] },
      'NO_PROVIDERS',
      'No enabled provider carries a channel on which the recipient has an address.',
    ],
    [
      'PROVIDER_ERROR: the routing names an account that is not there',
      single('nope', 'DIRECT_MESSAGE'),
      {},
      'PROVIDER_ERROR',
      "The routing names 'nope', which cannot be tried.",
    ],
    [
      'PROVIDER_ERROR: so does the channel',
      single('EMAIL'),
      { channels: { EMAIL: { providerIds: ['nope'] } } },
      'PROVIDER_ERROR',
      "The routing names 'nope', which cannot be tried.",
    ],
  ])('%s', (_name, routing, more, reason, error) => {
    const planned = planOf(routing, more)
    expect(planned).toMatchObject({ kind: 'stop', status: 'UNROUTABLE', reason, error })
    expect(planned.decisions.at(-1)).toMatchObject({ rule: 'route', passed: false, because: error })
  })

  test('but an account that is not there is passed over where something else is', () => {
    expect(treeOf(single('nope', 'EMAIL'))).toEqual(['SINGLE', 'smtp', 'ses'])
    expect(saidNo(single('nope', 'EMAIL', 'nope'))).toEqual(['provider nope'])
  })

  test('and each account that is left out is named before, with what is wrong with it', () => {
    expect(saidNo(single('PUSH', 'team'), { deviceTokens: [token('1', { kind: 'apns' })] })).toEqual([
      'provider fcm',
      'provider expo',
      'address DIRECT_MESSAGE',
      'route SINGLE',
    ])
  })
})

const leaf = fc.oneof(
  fc.constantFrom(...CHANNELS).map((channel) => ({ channel })),
  fc.constantFrom('smtp', 'ses', 'twilio', 'fcm', 'inbox', 'nope').map((providerId) => ({ providerId })),
)
const routings: fc.Arbitrary<Routing> = fc.letrec<{ routing: Routing }>((tie) => ({
  routing: fc.record({
    method: fc.constantFrom(...ROUTING_METHODS),
    channels: fc.array(
      fc.oneof(
        { maxDepth: 3 },
        leaf,
        tie('routing').map((routing) => ({ routing })),
      ),
      { minLength: 1, maxLength: 4 },
    ),
  }),
})).routing

describe('Whatever the routing,', () => {
  test('a tree has no empty or lone branches, no step twice among its steps, and none that the routing does not name', () => {
    fc.assert(
      fc.property(routings, fc.subarray([...CHANNELS], { minLength: 1 }), (routing, chosen) => {
        const preferences = layers({ everywhere: chose('OPTED_IN', { channels: chosen }) })
        const planned = planOf(routing, { preferences })
        if (planned.kind !== 'route') return
        const check = (node: RouteNode): void => {
          if (node.kind === 'step') return
          expect(node.nodes.length).toBeGreaterThan(1)
          node.nodes.forEach(check)
        }
        check(planned.tree)
        const named = namesIn(routing)
        expect(new Set(planned.steps).size).toBe(planned.steps.length)
        expect(new Set(stepsOf(planned.tree))).toEqual(new Set(planned.steps))
        for (const { channel, providerId } of planned.steps) {
          expect(chosen).toContain(channel)
          expect(named.includes(channel) || named.includes(providerId)).toBe(true)
        }
      }),
    )
  })
})

const namesIn = ({ channels }: Routing): readonly string[] =>
  channels.flatMap((step) => ('routing' in step ? namesIn(step.routing) : 'channel' in step ? [step.channel] : [step.providerId]))
