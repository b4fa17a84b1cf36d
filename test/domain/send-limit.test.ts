import { describe, expect, test } from 'vitest'
import { countersOf, isOver, SEND_LIMIT_SCOPES, type SendLimit, type SendLimitPeriod } from '../../src/domain/send-limit.ts'

const everything = { environmentId: 'production', tenantId: 'acme', userId: 'ada', topicId: 'news' }
const NOW = new Date('2026-06-03T18:30:12.345Z') // a Wednesday
const limits = SEND_LIMIT_SCOPES.map((scope): SendLimit => ({ scope, max: 5, period: 'DAY' }))
const scopesOf = (message: Partial<typeof everything> | Record<string, null>) =>
  countersOf(limits, { ...everything, ...message }, NOW).map(({ limit }) => limit.scope)
const startOf = (period: SendLimitPeriod, now: string) =>
  countersOf([{ scope: 'ALL', max: 1, period }], everything, new Date(now))[0]!.periodStart.toISOString()

describe('Send limits', () => {
  test('count a message for all, and for the tenant, user and topic that it has', () => {
    expect(scopesOf({})).toEqual(['ALL', 'TENANT', 'USER', 'USER_TOPIC'])
    expect(scopesOf({ tenantId: null })).toEqual(['ALL', 'USER', 'USER_TOPIC'])
    expect(scopesOf({ topicId: null })).toEqual(['ALL', 'TENANT', 'USER'])
    expect(scopesOf({ userId: null })).toEqual(['ALL', 'TENANT'])
    expect(scopesOf({ userId: null, tenantId: null, topicId: null })).toEqual(['ALL'])
  })

  test('count each user, tenant, topic and period apart, and go on counting where max is changed', () => {
    const keysOf = (message: Partial<typeof everything>, more: Partial<SendLimit> = {}) =>
      countersOf(
        limits.map((limit) => ({ ...limit, ...more })),
        { ...everything, ...message },
        NOW,
      ).map(({ key }) => key)
    const keys = keysOf({})
    expect(new Set([...keys, ...keysOf({ userId: 'ben' }), ...keysOf({ tenantId: 'b' }), ...keysOf({ topicId: 'b' })]).size).toBe(
      8,
    )
    expect(new Set([...keys, ...keysOf({}, { period: 'HOUR' })]).size).toBe(8)
    expect(keysOf({}, { max: 7 })).toEqual(keys)
    expect(keysOf({ userId: 'a b', topicId: 'c' })).not.toEqual(keysOf({ userId: 'a', topicId: 'b c' }))
  })

  test.each<[SendLimitPeriod, string, string]>([
    ['HOUR', '2026-06-03T18:00:00.000Z', '2026-06-03T18:00:00.000Z'],
    ['HOUR', '2026-06-03T18:59:59.999Z', '2026-06-03T18:00:00.000Z'],
    ['DAY', '2026-06-03T23:59:59.999Z', '2026-06-03T00:00:00.000Z'],
    ['WEEK', '2026-06-01T00:00:00.000Z', '2026-06-01T00:00:00.000Z'],
    ['WEEK', '2026-05-31T23:59:59.999Z', '2026-05-25T00:00:00.000Z'],
    ['WEEK', '2027-01-02T12:00:00.000Z', '2026-12-28T00:00:00.000Z'],
    ['MONTH', '2026-02-28T23:59:59.999Z', '2026-02-01T00:00:00.000Z'],
  ])('count by the %s: of %s in the one that began at %s', (period, now, start) => {
    expect(startOf(period, now)).toBe(start)
  })

  test('stop what comes after the last that they allow', () => {
    const limit: SendLimit = { scope: 'ALL', max: 2, period: 'DAY' }
    expect([0, 1, 2, 3].map((used) => isOver({ limit }, used))).toEqual([false, false, true, true])
  })
})
