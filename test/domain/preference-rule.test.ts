import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Channel } from '../../src/channels/provider.ts'
import { type Choice, type PreferenceLayers, type Resolution, resolvePreference } from '../../src/domain/preference-rule.ts'

const NOW = new Date('2026-06-01T12:00:00Z')
const LATER = new Date('2026-06-02T12:00:00Z')
const EARLIER = new Date('2026-05-31T12:00:00Z')

type Status = Resolution['status']
const said = (status: Status, channels: Channel[] | null = null) => ({ status, channels })
const chose = (status: Choice['status'], more: Partial<Choice> = {}): Choice => ({
  status,
  channels: null,
  snoozedUntil: null,
  ...more,
})
const inAcme = (choice: Choice) => ({ tenantId: 'acme', choice })
const tenant = (tenantId: string, preference: ReturnType<typeof said> | null = null) => ({ tenantId, preference })

function layers({ topic = 'OPTED_IN', ...more }: Partial<Omit<PreferenceLayers, 'topic'>> & { topic?: Status } = {}) {
  const silent = { send: null, inTenant: null, everywhere: null, list: null, tenants: [] }
  return { ...silent, ...more, topic: { id: 'digest', defaultStatus: topic } } satisfies PreferenceLayers
}

const resolve = (more: Parameters<typeof layers>[0]) => resolvePreference(layers(more), NOW)

describe('Where nobody chose', () => {
  test.each<[Status, Resolution['stops']]>([
    ['OPTED_IN', null],
    ['OPTED_OUT', 'OPT_IN_REQUIRED'],
    ['REQUIRED', null],
  ])('a topic that is %s by default stops with %s', (topic, stops) => {
    expect(resolve({ topic })).toMatchObject({ status: topic, defaultStatus: topic, source: 'TOPIC', channels: null, stops })
  })

  test('the nearest tenant that says something decides, not those above it', () => {
    const tenants = [tenant('team'), tenant('acme', said('OPTED_OUT')), tenant('group', said('OPTED_IN'))]
    expect(resolve({ tenants })).toMatchObject({ status: 'OPTED_OUT', source: 'TENANT', stops: 'OPT_IN_REQUIRED' })
  })

  test('what the list says goes before what its tenant says', () => {
    const list = { listId: 'eng', preference: said('OPTED_IN', ['EMAIL']) }
    expect(resolve({ list, tenants: [tenant('acme', said('OPTED_OUT'))] })).toMatchObject({
      status: 'OPTED_IN',
      source: 'TENANT',
      channels: ['EMAIL'],
      stops: null,
    })
  })
})

describe("A user's own choice", () => {
  test('goes before every default', () => {
    const list = { listId: 'eng', preference: said('OPTED_OUT') }
    const opted = resolve({
      topic: 'OPTED_OUT',
      everywhere: chose('OPTED_IN'),
      list,
      tenants: [tenant('acme', said('OPTED_OUT'))],
    })
    expect(opted).toMatchObject({ status: 'OPTED_IN', defaultStatus: 'OPTED_OUT', source: 'USER', stops: null })
  })

  test('to opt out stops with UNSUBSCRIBED, in the tenant and everywhere alike', () => {
    expect(resolve({ everywhere: chose('OPTED_OUT') }).stops).toBe('UNSUBSCRIBED')
    expect(resolve({ inTenant: inAcme(chose('OPTED_OUT')), tenants: [tenant('acme')] }).stops).toBe('UNSUBSCRIBED')
  })

  test('in the tenant goes before the one everywhere', () => {
    const both = { inTenant: inAcme(chose('OPTED_IN')), everywhere: chose('OPTED_OUT'), tenants: [tenant('acme')] }
    expect(resolve(both)).toMatchObject({ status: 'OPTED_IN', source: 'USER', stops: null })
  })

  test('names the only channels that may carry it', () => {
    const everywhere = chose('OPTED_IN', { channels: ['INBOX'] })
    expect(resolve({ everywhere, tenants: [tenant('acme', said('OPTED_IN', ['EMAIL']))] }).channels).toEqual(['INBOX'])
  })

  test('that is snoozed stops with SNOOZED until then, and no longer', () => {
    const until = (snoozedUntil: Date) => resolve({ everywhere: chose('OPTED_IN', { snoozedUntil }) })
    expect(until(LATER)).toMatchObject({ status: 'OPTED_IN', snoozedUntil: LATER, stops: 'SNOOZED' })
    expect(until(NOW)).toMatchObject({ snoozedUntil: null, stops: null })
    expect(until(EARLIER)).toMatchObject({ snoozedUntil: null, stops: null })
  })

  test('gives way to what the send says, snoozed or not', () => {
    const everywhere = chose('OPTED_OUT', { snoozedUntil: LATER })
    expect(resolve({ send: said('OPTED_IN', ['PUSH']), everywhere })).toMatchObject({
      source: 'USER',
      channels: ['PUSH'],
      snoozedUntil: null,
      stops: null,
    })
    expect(resolve({ send: said('OPTED_OUT'), everywhere: chose('OPTED_IN') }).stops).toBe('UNSUBSCRIBED')
  })
})

describe('REQUIRED', () => {
  const out = { inTenant: inAcme(chose('OPTED_OUT')), everywhere: chose('OPTED_OUT', { snoozedUntil: LATER }) }

  test.each<[string, Parameters<typeof layers>[0], Resolution['source']]>([
    ['the topic', { topic: 'REQUIRED', tenants: [tenant('acme')] }, 'TOPIC'],
    ['the tenant', { tenants: [tenant('acme', said('REQUIRED'))] }, 'TENANT'],
    ['a tenant above', { tenants: [tenant('acme', said('OPTED_OUT')), tenant('group', said('REQUIRED'))] }, 'TENANT'],
    ['the list', { list: { listId: 'eng', preference: said('REQUIRED') } }, 'TENANT'],
    ['the send', { send: said('REQUIRED') }, 'USER'],
  ])('said by %s passes whatever the user chose or snoozed', (_who, more, source) => {
    const resolution = resolve({ ...out, ...more })
    expect(resolution).toMatchObject({ status: 'REQUIRED', source, snoozedUntil: null, stops: null })
    expect(resolution.decisions).toMatchObject([{ rule: 'required', subject: 'digest', passed: true }])
  })

  test('goes out on the channels of whoever said it', () => {
    const everywhere = chose('OPTED_IN', { channels: ['SMS'] })
    expect(resolve({ everywhere, tenants: [tenant('acme', said('REQUIRED', ['EMAIL']))] }).channels).toEqual(['EMAIL'])
    expect(resolve({ everywhere, topic: 'REQUIRED' }).channels).toBeNull()
  })
})

test('The decisions name everyone who was asked, and end with the one who decided', () => {
  const tenants = [tenant('team'), tenant('acme', said('OPTED_OUT')), tenant('group', said('OPTED_IN'))]
  expect(resolve({ tenants }).decisions.map(({ rule, passed, because }) => [rule, passed, because])).toEqual([
    ['choice in the tenant', true, "the user chose nothing in the tenant 'team'"],
    ['choice', true, 'the user chose nothing'],
    ['tenant', true, "the tenant 'team' says nothing"],
    ['tenant', false, "the tenant 'acme' opts out until the user opts in"],
  ])
  const snoozed = resolve({ everywhere: chose('OPTED_IN', { snoozedUntil: LATER, channels: ['EMAIL'] }) })
  expect(snoozed.decisions).toEqual([
    { rule: 'choice', subject: 'digest', passed: true, because: 'the user opted in', detail: { channels: ['EMAIL'] } },
    {
      rule: 'snooze',
      subject: 'digest',
      passed: false,
      because: 'the user snoozed the topic until 2026-06-02T12:00:00.000Z',
      detail: { until: '2026-06-02T12:00:00.000Z' },
    },
  ])
})

const channels = fc.option(fc.subarray<Channel>(['EMAIL', 'SMS', 'INBOX'], { minLength: 1 }))
const saids = fc.record({ status: fc.constantFrom<Status>('OPTED_IN', 'OPTED_OUT', 'REQUIRED'), channels })
const choices = fc.record({
  status: fc.constantFrom<Choice['status']>('OPTED_IN', 'OPTED_OUT'),
  channels,
  snoozedUntil: fc.constantFrom(null, EARLIER, NOW, LATER),
})
const anything: fc.Arbitrary<PreferenceLayers> = fc
  .record({
    topic: fc.constantFrom<Status>('OPTED_IN', 'OPTED_OUT', 'REQUIRED'),
    send: fc.option(saids),
    choice: fc.option(choices),
    everywhere: fc.option(choices),
    list: fc.option(saids),
    tenants: fc.array(fc.option(saids), { maxLength: 4 }),
  })
  .map(({ topic, choice, list, tenants, ...rest }) => ({
    ...rest,
    topic: { id: 'digest', defaultStatus: topic },
    inTenant: choice && tenants.length > 0 ? { tenantId: 't0', choice } : null,
    list: list && { listId: 'eng', preference: list },
    tenants: tenants.map((preference, index) => tenant(`t${index}`, preference)),
  }))

/** The same rule as a table: a row for each who speaks, with its rank; the lowest wins, and what is REQUIRED ranks before all. */
function byTable({ topic, send, inTenant, everywhere, list, tenants }: PreferenceLayers) {
  type Row = [number, string, string, { status: Status; channels: readonly Channel[] | null; snoozedUntil?: Date | null } | null]
  const rows: Row[] = [
    [0, 'preference of the send', 'USER', send],
    [1, 'choice in the tenant', 'USER', inTenant?.choice ?? null],
    [2, 'choice', 'USER', everywhere],
    [3, 'list', 'TENANT', list?.preference ?? null],
    ...tenants.map(({ preference }, index): Row => [4 + index, 'tenant', 'TENANT', preference]),
    [99, 'topic', 'TOPIC', { status: topic.defaultStatus, channels: null }],
  ]
  const speaking = rows.filter(([, , , row]) => row !== null)
  const ranked = speaking.map(([rank, ...row]): Row => [row[2]!.status === 'REQUIRED' ? rank - 1000 : rank, ...row])
  const [rank, rule, source, row] = ranked.sort((one, other) => one[0] - other[0])[0]!
  const snoozed = row!.snoozedUntil != null && row!.snoozedUntil.getTime() > NOW.getTime()
  const out = row!.status === 'OPTED_OUT' && (source === 'USER' ? 'UNSUBSCRIBED' : 'OPT_IN_REQUIRED')
  return {
    status: row!.status,
    source,
    channels: row!.channels,
    stops: out || (snoozed ? 'SNOOZED' : null),
    decider: rank < 0 ? 'required' : snoozed && !out ? 'snooze' : rule,
  }
}

describe('Whatever is said', () => {
  const holds = (check: (given: PreferenceLayers) => void) => fc.assert(fc.property(anything, check), { numRuns: 2000 })

  test('it answers as the table of ranks does, and the last decision names who decided', () => {
    holds((given) => {
      const { decisions, ...resolution } = resolvePreference(given, NOW)
      const { decider, ...expected } = byTable(given)
      expect(resolution).toMatchObject(expected)
      expect(decisions.at(-1)).toMatchObject({ rule: decider, passed: expected.stops === null })
      expect(decisions.slice(0, -1).every(({ passed }) => passed)).toBe(true)
      expect(decisions.every(({ subject, because }) => subject.length > 0 && because.length > 0)).toBe(true)
    })
  })

  test('the default is what would hold had neither the send nor the user said anything', () => {
    holds((given) => {
      const silent = { ...given, send: null, inTenant: null, everywhere: null }
      expect(resolvePreference(given, NOW).defaultStatus).toBe(resolvePreference(silent, NOW).status)
    })
  })

  test('what is required never stops, and a user who opts out of anything else gets nothing', () => {
    holds((given) => {
      const out = resolvePreference({ ...given, send: null, inTenant: null, everywhere: chose('OPTED_OUT') }, NOW)
      expect(out.stops).toBe(out.status === 'REQUIRED' ? null : 'UNSUBSCRIBED')
      if (resolvePreference(given, NOW).status === 'REQUIRED') expect(resolvePreference(given, NOW).stops).toBeNull()
    })
  })

  test('opting in on every channel lets it pass, unless the send says otherwise', () => {
    holds((given) => {
      const opted = resolvePreference({ ...given, send: null, inTenant: inAcme(chose('OPTED_IN')) }, NOW)
      expect(opted.stops).toBeNull()
    })
  })
})
