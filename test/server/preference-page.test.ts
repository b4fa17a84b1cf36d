import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { CHANNELS } from '../../src/channels/provider.ts'
import type { PageBrand } from '../../src/domain/page-brand.ts'
import type { EffectivePreference } from '../../src/domain/preference.ts'
import { offeredChannels } from '../../src/domain/preference-link.ts'
import { changesOf, fieldsOf, PAUSES, shownChannels, shownState } from '../../src/server/preference-form.ts'
import { preferencePage } from '../../src/server/preference-page.ts'

const now = new Date('2026-11-21T08:00:00Z')

function preference(
  topic: Partial<EffectivePreference['topic']>,
  changes: Partial<EffectivePreference> = {},
): EffectivePreference {
  const whole = { id: 'offers', name: 'Offers', description: null, section: null, channels: [], ...topic }
  return {
    id: `prf_${whole.id}`,
    topic: whole as unknown as EffectivePreference['topic'],
    status: 'OPTED_IN',
    defaultStatus: 'OPTED_IN',
    source: 'TOPIC',
    channels: null,
    snoozedUntil: null,
    stops: null,
    decisions: [],
    ...changes,
  }
}

/** What a browser posts when nothing is touched. */
function untouched(preferences: readonly EffectivePreference[]): URLSearchParams {
  const form = new URLSearchParams()
  for (const [index, each] of preferences.entries()) {
    const fields = fieldsOf(index)
    form.append(fields.topic, each.topic.id)
    form.append(fields.was, shownState(each))
    if (each.status === 'OPTED_IN') form.append(fields.on, 'on')
    for (const channel of shownChannels(each) ?? []) form.append(fields.channel, channel)
    form.append(fields.pause, '')
  }
  return form
}

const changes = (form: URLSearchParams, preferences: readonly EffectivePreference[]) =>
  changesOf(form, new Map(preferences.map(({ topic }) => [topic.id, offeredChannels(topic)])), now)

describe('The form of the preference page', () => {
  const channels = fc.subarray([...CHANNELS])
  const any = fc
    .record({
      offered: channels,
      chosen: fc.option(channels),
      status: fc.constantFrom('OPTED_IN', 'OPTED_OUT'),
      paused: fc.boolean(),
    })
    .map(({ offered, chosen, status, paused }) => (id: number) => {
      const snoozedUntil = paused ? now : null
      return preference({ id: `topic-${id}`, channels: offered }, { channels: chosen, status, snoozedUntil })
    })
  const several = fc.array(any).map((all) => all.map((make, index) => make(index)))

  test('changes nothing when nothing in it was touched', () => {
    fc.assert(
      fc.property(several, (preferences) => {
        expect(changes(untouched(preferences), preferences)).toEqual([])
      }),
    )
  })

  test('changes the one topic whose switch was turned', () => {
    fc.assert(
      fc.property(several, fc.nat(), (preferences, pick) => {
        fc.pre(preferences.length > 0)
        const index = pick % preferences.length
        const form = untouched(preferences)
        const on = preferences[index]!.status === 'OPTED_OUT'
        if (on) form.set(fieldsOf(index).on, 'on')
        else form.delete(fieldsOf(index).on)
        expect(changes(form, preferences)).toEqual([{ topicId: `topic-${index}`, on }])
      }),
    )
  })

  test.each(Object.entries(PAUSES))('pauses for a %s from now: %i days', (span, days) => {
    const form = untouched([preference({})])
    form.set('pause.0', span)
    const snoozedUntil = new Date(now.getTime() + days * 86_400_000)
    expect(changes(form, [preference({})])).toEqual([{ topicId: 'offers', snoozedUntil }])
  })

  test('has no say about topics and channels that are not offered, or what a prototype holds', () => {
    const offered = preference({ channels: ['EMAIL', 'SMS'] })
    const form = untouched([preference({ id: 'gone' }), offered])
    form.delete('on.0')
    form.append('channel.1', 'PUSH')
    form.set('pause.1', 'toString')
    expect(changes(form, [offered])).toEqual([])
  })

  test('counts a topic that it names twice once', () => {
    const form = untouched([preference({}), preference({})])
    form.delete('on.0')
    form.delete('on.1')
    expect(changes(form, [preference({})])).toEqual([{ topicId: 'offers', on: false }])
  })
})

describe('The preference page', () => {
  const brand: PageBrand = { name: 'Acme', logo: { url: 'https://cdn.acme.example/l.png', alt: 'Acme' }, primary: null }
  const page = (brand: PageBrand | null, preferences = [preference({})]) => {
    const { headers, body } = preferencePage({ preferences, brand, saved: false })
    const images = /img-src ([^;]*)/.exec(headers['content-security-policy']!)![1]
    return { images, body: String(body), policy: headers['content-security-policy']! }
  }

  test('loads no picture but the logo, from nowhere but its own place', () => {
    expect(page(null).images).toBe('data:')
    expect(page(brand).images).toBe('data: https://cdn.acme.example')
    expect(page(brand).body).toContain('<img src="https://cdn.acme.example/l.png" alt="Acme">')
  })

  test('shows the brand’s name where its logo could not be said in a policy', () => {
    for (const url of ["https://a;script-src'self'/l.png", 'javascript:alert(1)', 'data:text/html,x', 'nonsense']) {
      const { images, body, policy } = page({ ...brand, logo: { url, alt: 'x' } })
      expect([images, policy.includes('script-src'), body.includes('<img')]).toEqual(['data:', false, false])
      expect(body).toContain('<p class="brand">Acme</p>')
    }
  })

  test('takes a colour for a colour alone', () => {
    expect(page({ ...brand, primary: { fill: '#0b6e4f', ink: '#ffffff' } }).body).toContain('--fill: #0b6e4f; --on-fill: #ffffff')
    expect(page({ ...brand, primary: { fill: 'red}</style>', ink: '#ffffff' } }).body).not.toContain('red}')
  })

  test('shows what a topic says as it was written, and runs none of it', () => {
    const evil = `"><script>alert(1)</script>'&`
    const { body } = page({ ...brand, name: evil }, [preference({ id: evil, name: evil, description: evil, section: evil })])
    expect(body).not.toContain('<script')
    expect(body.split('&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;').length).toBeGreaterThan(5)
  })
})
