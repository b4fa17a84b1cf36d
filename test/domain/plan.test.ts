import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/channels/provider.ts'
import type { Account } from '../../src/domain/account.ts'
import { type Plan, plan, type Snapshot, type Timing } from '../../src/domain/plan.ts'
import { account, chose, fromNow, layers, NOW, snapshot, stepsOf, token } from './snapshot.ts'

const HTTP_ACCOUNT = account('gateway', 'WEBHOOK', { kind: 'http', settings: { url: 'https://gateway.test/in?key=x' } })
describe('A plan', () => {
  test.each<[string, Partial<Snapshot>, string[]]>([
    [
      'an address given goes over the one stored',
      { to: { email: 'a@x.test' }, profile: { email: 'b@x.test' } },
      ['smtp a@x.test'],
    ],
    [
      'a phone number is called as E.164 writes it',
      { to: { phoneNumber: '+32 470 12 34 56' }, accounts: [account('sms', 'SMS')] },
      ['sms +32470123456'],
    ],
    [
      'a chat is reached by accounts of its service',
      {
        directMessages: [{ kind: 'slack', address: { id: 'slack:C1' } }],
        accounts: [account('team', 'DIRECT_MESSAGE', { kind: 'slack' }), account('telegram', 'DIRECT_MESSAGE')],
      },
      ['team slack:C1'],
    ],
    [
      'an account with a place of its own carries what is for a person',
      { userId: 'u', accounts: [account('webhook', 'WEBHOOK'), HTTP_ACCOUNT] },
      ['gateway https://gateway.test/in'],
    ],
    [
      'but nothing that is for a webhook',
      { to: { webhook: { url: 'https://x.test/' } }, accounts: [account('webhook', 'WEBHOOK'), HTTP_ACCOUNT] },
      ['webhook https://x.test/'],
    ],
    [
      'nor for a chat',
      {
        to: { telegram: { chatId: '1' } },
        directMessages: [{ kind: 'telegram', address: { id: 'telegram:1' } }],
        accounts: [HTTP_ACCOUNT],
      },
      ['NO_PROVIDERS'],
    ],
    ['a user has an inbox', { userId: 'u', profile: { email: 'b@x.test' } }, ['smtp b@x.test', 'inbox u']],
    [
      'every device is an address',
      { userId: 'u', deviceTokens: [token('1'), token('2')] },
      ['webpush t-1', 'webpush t-2', 'inbox u'],
    ],
    ['an expired token is none', { userId: 'u', deviceTokens: [token('1', { expiresAt: NOW })] }, ['inbox u']],
    ['a token of another kind is not carried', { userId: 'u', deviceTokens: [token('1', { kind: 'fcm' })] }, ['inbox u']],
    ['a token of another account is not carried', { userId: 'u', deviceTokens: [token('1', { providerId: 'x' })] }, ['inbox u']],
    ['a place is its own address', { to: { webhook: { url: 'https://x.test/' } } }, ['webhook https://x.test/']],
    ['an email that is no text is none', { userId: 'u', profile: { email: 7 } }, ['inbox u']],
    ['nobody to reach', {}, ['NO_CHANNELS']],
    ['nobody to carry it', { to: { email: 'a@x.test' }, accounts: [] }, ['NO_PROVIDERS']],
    [
      'a disabled account is passed over',
      { userId: 'u', accounts: [account('a', 'INBOX', { enabled: false }), account('b', 'INBOX')] },
      ['b u'],
    ],
    [
      'so is one whose settings were refused',
      { userId: 'u', accounts: [account('a', 'INBOX', { health: 'MISCONFIGURED' })] },
      ['NO_PROVIDERS'],
    ],
  ])('%s', (_name, more, expected) => {
    expect(stepsOf(more)).toEqual(expected)
  })

  const accounts = fc.array(
    fc.record({
      id: fc.constantFrom('a', 'b', 'c', 'd'),
      channel: fc.constantFrom<Channel>('EMAIL', 'PUSH', 'INBOX', 'WEBHOOK', 'SMS'),
      enabled: fc.boolean(),
      health: fc.constantFrom<Account['health']>('OK', 'FAILING', 'MISCONFIGURED'),
    }),
    { maxLength: 6 },
  )
  const anything = fc.record({
    userId: fc.option(fc.constant('u')),
    email: fc.option(fc.constant('a@x.test')),
    given: accounts,
    tokens: fc.array(fc.constantFrom('1', '2', '3'), { maxLength: 3 }),
  })

  test('is the same for the same snapshot, has every step of an enabled account, and always says why', () => {
    fc.assert(
      fc.property(anything, ({ userId, email, given, tokens }) => {
        const own = given.map(({ id, channel, ...more }) => account(id, channel, more))
        const one = snapshot({ userId, to: { email }, accounts: own, deviceTokens: tokens.map((id) => token(id)) })
        const planned = plan(one)
        expect(plan(one)).toEqual(planned)
        expect(planned.decisions.at(-1)).toMatchObject({ rule: 'route', passed: planned.kind === 'route' })
        if (planned.kind === 'stop') expect(planned.status).toBe('UNROUTABLE')
        else expect(planned.kind === 'route' && planned.steps.length).toBeGreaterThan(0)
        for (const step of planned.kind === 'route' ? planned.steps : []) {
          const usable = own.filter(
            ({ id, channel, enabled, health }) =>
              id === step.providerId && channel === step.channel && enabled && health !== 'MISCONFIGURED',
          )
          expect(usable).not.toEqual([])
        }
      }),
    )
  })
})

const timing = (more: Partial<Timing>): Timing => ({ delay: null, enqueuedAt: NOW, scheduledFor: null, expiresAt: null, ...more })
const byEmail = { to: { email: 'ada@x.test' } }
const HOUR_MS = 3_600_000

/** What decided: the last that said no. */
const decidedBy = ({ decisions }: Plan) => decisions.findLast(({ passed }) => !passed)?.rule ?? null

describe('What stops a message is asked in its order:', () => {
  const used = [{ limit: { scope: 'ALL', max: 5, period: 'DAY' }, count: 5 }] as const
  const delay = { kind: 'duration', ms: HOUR_MS } as const
  const obstacles: readonly [string, Partial<Snapshot>][] = [
    ['send limit', { ...byEmail, limits: { used, isExempt: false, isCounted: false } }],
    ['route', { to: {} }],
    ['choice', { preferences: layers({ everywhere: chose('OPTED_OUT') }) }],
    ['delay', { timing: timing({ delay }) }],
    ['expiry', { timing: timing({ delay, expiresAt: NOW }) }],
    ['topic', { gone: { noun: 'topic', id: 'news' } }],
  ]

  test.each(obstacles.map(([rule], index) => [rule, index] as const))(
    '%s decides where all after it would stop it, too',
    (rule, index) => {
      const stopped = plan(snapshot(Object.assign({}, ...obstacles.slice(0, index + 1).map(([, more]) => more))))
      expect(stopped.kind).toBe(rule === 'delay' ? 'delay' : 'stop')
      expect(decidedBy(stopped)).toBe(rule)
    },
  )

  test('where none does, it goes, and nobody said no', () => {
    const planned = plan(
      snapshot({ ...byEmail, routing: { from: 'message', tree: { method: 'SINGLE', channels: [{ channel: 'EMAIL' }] } } }),
    )
    expect([planned.kind, decidedBy(planned)]).toEqual(['route', null])
  })
})

describe('What was deleted since', () => {
  test.each(['topic', 'tenant'] as const)('ends a message that stands under it (a %s) FILTERED', (noun) => {
    expect(plan(snapshot({ ...byEmail, gone: { noun, id: 'x' } }))).toMatchObject({
      kind: 'stop',
      status: 'FILTERED',
      reason: 'FILTERED',
      error: `The ${noun} 'x' was deleted.`,
    })
  })
})

describe('A message that expires', () => {
  test('goes until just before that moment, and ends EXPIRED from then on', () => {
    expect(plan(snapshot({ ...byEmail, timing: timing({ expiresAt: fromNow(1) }) })).kind).toBe('route')
    expect(plan(snapshot({ ...byEmail, timing: timing({ expiresAt: NOW }) }))).toMatchObject({
      status: 'UNDELIVERABLE',
      reason: 'EXPIRED',
      error: 'It expired at 2026-06-01T12:00:00.000Z.',
    })
  })

  test('ends at once where it may not be sent before that', () => {
    const delay = { kind: 'duration', ms: HOUR_MS } as const
    const expiringIn = (ms: number) => plan(snapshot({ ...byEmail, timing: timing({ delay, expiresAt: fromNow(ms) }) }))
    expect(expiringIn(HOUR_MS)).toMatchObject({ kind: 'stop', status: 'UNDELIVERABLE', reason: 'EXPIRED' })
    expect(decidedBy(expiringIn(HOUR_MS))).toBe('delay')
    expect(expiringIn(HOUR_MS + 1)).toMatchObject({ kind: 'delay', until: fromNow(HOUR_MS) })
  })

  test('and was put off until then ends EXPIRED when it is woken', () => {
    const delay = { kind: 'duration', ms: HOUR_MS } as const
    const woken = timing({ delay, enqueuedAt: fromNow(-HOUR_MS), scheduledFor: NOW, expiresAt: NOW })
    expect(plan(snapshot({ ...byEmail, timing: woken }))).toMatchObject({ kind: 'stop', reason: 'EXPIRED' })
  })
})

describe('A message with a delay', () => {
  const planned = (more: Partial<Timing>, of: Partial<Snapshot> = {}) =>
    plan(snapshot({ ...byEmail, timing: timing(more), ...of }))
  const untilOf = (one: Plan) => (one.kind === 'delay' ? one.until.toISOString() : one.kind)

  test.each<[string, Timing['delay'], string]>([
    ['by duration', { kind: 'duration', ms: HOUR_MS }, '2026-06-01T13:00:00.000Z'],
    ['until an instant', { kind: 'until', at: '2026-06-02T08:00:00.000Z' }, '2026-06-02T08:00:00.000Z'],
    ['by a window', { kind: 'window', hours: 'Mo-Fr 14:00-15:00' }, '2026-06-01T14:00:00.000Z'],
  ])('%s waits until then, and says so', (_name, delay, until) => {
    const waits = planned({ delay })
    expect(untilOf(waits)).toBe(until)
    expect(waits.decisions).toEqual([
      { rule: 'delay', subject: delay!.kind, passed: false, because: expect.any(String), detail: { until } },
    ])
  })

  test.each<[string, Timing['delay'], number]>([
    ['by a duration that is over', { kind: 'duration', ms: HOUR_MS }, -HOUR_MS],
    ['until an instant that has passed', { kind: 'until', at: '2026-06-01T11:00:00.000Z' }, 0],
    ['by a window that is open', { kind: 'window', hours: 'Mo-Fr 09:00-17:00' }, 0],
  ])('%s goes at once, and says so first', (_name, delay, enqueuedMs) => {
    const goes = planned({ delay, enqueuedAt: fromNow(enqueuedMs) })
    expect(goes.kind).toBe('route')
    expect(goes.decisions[0]).toMatchObject({ rule: 'delay', passed: true })
  })

  test('goes once the time has come that it was put off until, though the window has closed since', () => {
    const delay = { kind: 'window', hours: 'Mo-Fr 11:00-11:30' } as const
    expect(planned({ delay, scheduledFor: fromNow(-HOUR_MS) }).kind).toBe('route')
    expect(planned({ delay, scheduledFor: NOW }).kind).toBe('route')
    expect(untilOf(planned({ delay }))).toBe('2026-06-02T11:00:00.000Z')
  })

  test('that is looked at too early waits on, until the same time', () => {
    const delay = { kind: 'duration', ms: 1 } as const
    expect(untilOf(planned({ delay, scheduledFor: fromNow(1) }))).toBe(fromNow(1).toISOString())
  })

  test('by a window that never opens ends FAILED', () => {
    const never = planned({ delay: { kind: 'window', hours: 'off' } })
    expect(never).toMatchObject({ status: 'UNDELIVERABLE', reason: 'FAILED' })
    expect(decidedBy(never)).toBe('delay')
  })

  test.each<[string, Partial<Snapshot>, string | undefined, string]>([
    ["the delay's own", { to: { timezone: 'Asia/Tokyo' } }, 'America/New_York', '2026-06-01T13:00:00.000Z'],
    [
      "the recipient's",
      { to: { timezone: 'Asia/Tokyo' }, profile: { zoneinfo: 'Europe/Brussels' } },
      undefined,
      '2026-06-02T00:00:00.000Z',
    ],
    [
      "the profile's zoneinfo",
      { profile: { zoneinfo: 'Europe/Brussels', timezone: 'Asia/Tokyo' } },
      undefined,
      '2026-06-02T07:00:00.000Z',
    ],
    ["the profile's timezone", { profile: { timezone: 'Asia/Tokyo' } }, undefined, '2026-06-02T00:00:00.000Z'],
    ['UTC', {}, undefined, '2026-06-02T09:00:00.000Z'],
  ])('by a window goes by the time zone that is nearest: %s', (_name, of, timezone, until) => {
    const delay = { kind: 'window', hours: 'Mo-Fr 09:00-10:00', ...(timezone && { timezone }) } as const
    expect(untilOf(planned({ delay }, of))).toBe(until)
  })
})

describe('Send limits', () => {
  const of = (scope: 'ALL' | 'TENANT' | 'USER' | 'USER_TOPIC', count: number) =>
    ({ limit: { scope, max: 5, period: 'DAY' }, count }) as const
  const limited = (limits: Partial<Snapshot['limits']>) =>
    plan(snapshot({ ...byEmail, limits: { used: [], isExempt: false, isCounted: false, ...limits } }))

  test('let go what is the last of them, and stop what comes after it: THROTTLED, without a reason', () => {
    expect(limited({ used: [of('ALL', 4)] }).kind).toBe('route')
    expect(limited({ used: [of('ALL', 5)] })).toMatchObject({ kind: 'stop', status: 'THROTTLED', reason: null })
  })

  test('name the first that is used up, after the route that would have been tried', () => {
    const { decisions } = limited({ used: [of('ALL', 4), of('USER', 9), of('USER_TOPIC', 5)] })
    expect(decisions.slice(-2)).toMatchObject([
      { rule: 'route', passed: true },
      { rule: 'send limit', subject: 'USER', passed: false, detail: { scope: 'USER', max: 5, period: 'DAY' } },
    ])
  })

  test('stop neither what is about an exempt topic nor what they have counted already', () => {
    expect(limited({ used: [of('ALL', 5)], isExempt: true }).kind).toBe('route')
    expect(limited({ used: [of('ALL', 5)], isCounted: true }).kind).toBe('route')
  })
})
