import { describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { checkSend, type Definition, referencesOf, refuseLate, type SendInput } from '../../src/domain/send.ts'
import { Refusal } from '../../src/errors.ts'

const now = new Date('2026-03-01T12:00:00Z')
const rules = { guard: createAddressGuard({ allowedNetworks: [], own: [] }), providers: [], now: () => now }
const check = (more: Partial<SendInput> = {}) => checkSend({ to: [{ userId: 'ada' }], content: { title: 'Hi' }, ...more }, rules)

function refusedAt(more: Partial<SendInput>): string | null {
  try {
    check(more)
    return null
  } catch (error) {
    return (error as Refusal).issues[0]!.path.join('.')
  }
}

describe('A send', () => {
  test('that says nothing of how and when it goes keeps nothing about it', () => {
    const plain: Definition = {
      content: { title: 'Hi' },
      data: {},
      brandId: null,
      tenantId: null,
      locale: null,
      topicId: null,
      groups: [],
      metadata: { event: null, tags: [], traceId: null },
    }
    expect(check().definition).toEqual(plain)
    const nothing = { routing: null, channels: null, providers: null, timeout: null, delay: null, expiresAt: null }
    const said = check({ ...nothing, metadata: { utm: null } }).definition
    expect(Object.keys(said).sort()).toEqual(Object.keys(plain).sort())
    expect(Object.keys(said.metadata)).toEqual(['event', 'tags', 'traceId'])
  })

  test('keeps how and when it goes as its messages need it', () => {
    const { definition } = check({
      routing: { method: 'SINGLE', channels: [{ channel: 'EMAIL' }, { providerId: 'twilio' }] },
      channels: { email: { timeout: 'PT1M' } },
      providers: [{ providerId: 'twilio', timeout: 'PT2M' }],
      timeout: { message: 'PT1H', channel: 'PT30M', provider: 'PT5M' },
      delay: { duration: 'PT10M' },
      expiresAt: new Date('2026-03-01T13:00:00.000+01:00'),
      metadata: { utm: { source: 'news' } },
    })
    expect(JSON.parse(JSON.stringify(definition))).toMatchObject({
      routing: { method: 'SINGLE', channels: [{ channel: 'EMAIL' }, { providerId: 'twilio' }] },
      channels: { EMAIL: { timeoutMs: 60_000 } },
      providers: [{ providerId: 'twilio', timeoutMs: 120_000 }],
      timeouts: { messageMs: 3_600_000, channelMs: 1_800_000, providerMs: 300_000 },
      delay: { kind: 'duration', ms: 600_000 },
      expiresAt: '2026-03-01T12:00:00.000Z',
      metadata: { utm: { source: 'news' } },
    })
  })

  test.each<[Partial<SendInput>, string]>([
    [{ routing: { method: 'ALL', channels: [] } }, 'input.routing.channels'],
    [{ channels: { email: { if: '1 +' } } }, 'input.channels.email.if'],
    [{ providers: [{ providerId: 'a' }, { providerId: 'a' }] }, 'input.providers.1.providerId'],
    [{ timeout: { provider: 'PT0S' } }, 'input.timeout.provider'],
    [{ delay: {} }, 'input.delay'],
    [{ metadata: { utm: { source: 'x'.repeat(257) } } }, 'input.metadata.utm.source'],
  ])('that says it wrongly is refused with the place: %j', (more, path) => {
    expect(refusedAt(more)).toBe(path)
  })

  test('is late from the very moment at which it expires', () => {
    const late = (expiresAt: string) => refuseLate(check({ expiresAt }), now)
    expect(late('2026-03-01T12:00:00.001Z')).toBeNull()
    for (const past of ['2026-03-01T12:00:00Z', '2026-03-01T12:59:59+01:00']) {
      expect(late(past)).toBeInstanceOf(Refusal)
      expect(late(past)!.issues).toEqual([{ path: ['input', 'expiresAt'], message: "'expiresAt' must be in the future." }])
    }
    expect(refuseLate(check(), now)).toBeNull()
  })

  test('names the brand of its email channel as it names its own', () => {
    const named = referencesOf('production', check({ brandId: 'spring', channels: { email: { brandId: 'winter' } } }))
    expect(named).toEqual(['spring', 'winter'].map((id) => ({ environmentId: 'production', kind: 'brand', id })))
  })
})
