import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/channels/provider.ts'
import type { Account } from '../../src/domain/account.ts'
import { type PlannedToken, plan, type Snapshot } from '../../src/domain/plan.ts'

const NOW = new Date('2026-06-01T12:00:00Z')

function account(id: string, channel: Channel, more: Partial<Account> = {}): Account {
  return {
    id,
    kind: id,
    channel,
    name: null,
    settings: {},
    priority: 0,
    enabled: true,
    onUnknown: 'RESEND',
    health: 'OK',
    lastError: null,
    createdAt: NOW,
    updatedAt: NOW,
    row: null,
    ...more,
  }
}

const ACCOUNTS = [account('smtp', 'EMAIL'), account('webpush', 'PUSH'), account('inbox', 'INBOX'), account('webhook', 'WEBHOOK')]
const token = (id: string, more: Partial<PlannedToken> = {}): PlannedToken => ({
  id,
  kind: 'webpush',
  token: `t-${id}`,
  providerId: null,
  keys: null,
  expiresAt: null,
  ...more,
})

const snapshot = (more: Partial<Snapshot>): Snapshot => ({
  to: {},
  userId: null,
  profile: {},
  deviceTokens: [],
  accounts: ACCOUNTS,
  preferences: null,
  gone: null,
  now: NOW,
  ...more,
})

function stepsOf(more: Partial<Snapshot>): string[] {
  const planned = plan(snapshot(more))
  return planned.kind === 'route'
    ? planned.steps.map(({ providerId, address }) => `${providerId} ${address.id}`)
    : [planned.reason]
}

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
        else expect(planned.steps.length).toBeGreaterThan(0)
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
