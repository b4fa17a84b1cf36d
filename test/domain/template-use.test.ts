import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChannelSettings, ChannelsSettings, ProviderSettings } from '../../src/domain/channel-settings.ts'
import type { Definition } from '../../src/domain/send.ts'
import type { TemplateDraft } from '../../src/domain/template.ts'
import { withTemplate } from '../../src/domain/template-use.ts'

const SENT: Definition = {
  content: {},
  template: { id: 'welcome', version: 1 },
  data: {},
  brandId: null,
  tenantId: null,
  locale: null,
  topicId: null,
  groups: [],
  metadata: { event: null, tags: [], traceId: null },
}
const BODY: TemplateDraft = { content: { title: 'Hello' }, onMissing: 'FAIL' }

const some = <T>(of: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(of, { requiredKeys: [] })
const word = fc.constantFrom('a', 'b', 'c')
const utm = some({ source: word, medium: word, campaign: word })
const channel = some({
  if: word,
  providerIds: fc.array(word, { minLength: 1 }),
  method: fc.constantFrom('SINGLE', 'ALL'),
  timeoutMs: fc.integer({ min: 1, max: 9 }),
  utm,
  override: some({ subject: word, title: word, body: word, cc: fc.array(word) }),
}) as fc.Arbitrary<ChannelSettings>
const channels = some({ EMAIL: channel, SMS: channel, INBOX: channel }) as fc.Arbitrary<ChannelsSettings>
const account = (providerId: string) =>
  some({
    if: word,
    timeoutMs: fc.integer({ min: 1, max: 9 }),
    utm,
    override: fc.dictionary(word, fc.dictionary(word, word)),
  }).map((said) => ({ providerId, ...said }) as ProviderSettings)
const accounts = fc
  .subarray(['smtp', 'twilio', 'inbox'])
  .chain((ids) => fc.tuple(...ids.map(account)))
  .map((list) => list as readonly ProviderSettings[])

type Said = { readonly [key: string]: unknown } | undefined

/** Every setting is the message's where it says it, and otherwise the template's. */
function expectLayered(merged: Said, under: Said, over: Said, nested: readonly string[] = []): void {
  const keys = new Set([...Object.keys(under ?? {}), ...Object.keys(over ?? {})])
  expect(new Set(Object.keys(merged ?? {}))).toEqual(keys)
  for (const key of keys) {
    if (nested.includes(key)) expectLayered(merged![key] as Said, under?.[key] as Said, over?.[key] as Said)
    else expect(merged![key]).toEqual(over && Object.hasOwn(over, key) ? over[key] : under![key])
  }
}

describe('A definition with its template under it', () => {
  test('says what the template says, and keeps what the send alone says', () => {
    expect(withTemplate({ ...SENT, locale: 'fr' }, BODY)).toEqual({
      ...SENT,
      locale: 'fr',
      content: { title: 'Hello' },
      onMissing: 'FAIL',
      under: {},
    })
  })

  test('hands on the very content of the version, so that it is known again', () => {
    expect(withTemplate(SENT, BODY).content).toBe(BODY.content)
  })

  test('has every setting of a channel from the send where it says it, and otherwise from the template', () => {
    fc.assert(
      fc.property(fc.option(channels, { nil: undefined }), fc.option(channels, { nil: undefined }), (under, over) => {
        const { channels: merged } = withTemplate(
          { ...SENT, ...(over && { channels: over }) },
          { ...BODY, ...(under && { channels: under }) },
        )
        const names = new Set([...Object.keys(under ?? {}), ...Object.keys(over ?? {})]) as Set<keyof ChannelsSettings>
        expect(new Set(Object.keys(merged ?? {}))).toEqual(names)
        for (const name of names) {
          expectLayered(merged?.[name] as Said, under?.[name] as Said, over?.[name] as Said, ['utm', 'override'])
        }
      }),
    )
  })

  test('has every setting of an account from the send where it says it, and names each account once', () => {
    fc.assert(
      fc.property(accounts, accounts, (under, over) => {
        const merged = withTemplate({ ...SENT, providers: over }, { ...BODY, providers: under }).providers ?? []
        const ids = merged.map(({ providerId }) => providerId)
        expect(ids).toEqual([...new Set([...under, ...over].map(({ providerId }) => providerId))])
        const of = (list: readonly ProviderSettings[], id: string) => list.find(({ providerId }) => providerId === id)
        for (const one of merged) {
          const [below, above] = [of(under, one.providerId), of(over, one.providerId)]
          const { override, ...rest } = one
          expectLayered(rest, without(below), without(above), ['utm'])
          for (const key of Object.keys(override ?? {})) {
            expectLayered(override![key] as Said, below?.override?.[key] as Said, above?.override?.[key] as Said)
          }
        }
      }),
    )
  })

  test('keeps what the template says of routing and brands apart, under what tenants and environments say', () => {
    const routing = { method: 'ALL', channels: [{ channel: 'SMS' }] } as const
    const body: TemplateDraft = { ...BODY, routing, brandId: 'acme', channels: { EMAIL: { brandId: 'umbrella', if: 'true' } } }
    const own = { method: 'SINGLE', channels: [{ channel: 'EMAIL' }] } as const
    const { under, ...definition } = withTemplate({ ...SENT, routing: own, brandId: 'initech' }, body)
    expect(under).toEqual({ routing, brandId: 'acme', emailBrandId: 'umbrella' })
    expect(definition).toMatchObject({ routing: own, brandId: 'initech', channels: { EMAIL: { if: 'true' } } })
    expect(definition.channels?.EMAIL).not.toHaveProperty('brandId')
  })

  test('is what it was: neither the definition nor the version changes', () => {
    fc.assert(
      fc.property(channels, channels, accounts, accounts, (under, over, below, above) => {
        const definition = { ...SENT, channels: over, providers: above }
        const body = { ...BODY, channels: under, providers: below }
        const before = structuredClone({ definition, body })
        withTemplate(definition, body)
        expect({ definition, body }).toEqual(before)
      }),
    )
  })
})

function without(one: ProviderSettings | undefined): Said {
  if (one === undefined) return undefined
  const { override: _override, ...rest } = one
  return rest
}
