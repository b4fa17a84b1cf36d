import { describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import {
  type AttachmentInput,
  type ChannelsInput,
  checkChannels,
  checkProviderSettings,
  checkTimeouts,
  checkUtm,
  type OverrideInput,
  type ProviderSettingsInput,
  type TimeoutInput,
} from '../../src/domain/channel-settings.ts'
import { Refusal } from '../../src/errors.ts'

const guard = createAddressGuard({ allowedNetworks: [], own: [] })
const channels = (input: ChannelsInput) => checkChannels(input, ['channels'], guard)
const override = (input: OverrideInput) => channels({ email: { override: input } })
const attached = (...attachments: AttachmentInput[]) => override({ attachments })
const base64 = (bytes: number) => Buffer.alloc(bytes).toString('base64')

function refusal(check: () => unknown): { path: string; message: string } | null {
  try {
    check()
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal)
    const { code, issues } = error as Refusal
    expect([code, issues.length]).toEqual(['BAD_USER_INPUT', 1])
    return { path: issues[0]!.path.join('.'), message: issues[0]!.message }
  }
}
const refusedAt = (check: () => unknown) => refusal(check)?.path ?? null

describe('What a send says about its channels', () => {
  test('is kept by channel, in milliseconds, and nothing is kept of what was not said', () => {
    const said: ChannelsInput = {
      email: {
        if: 'data.plan == "pro"',
        providerIds: ['ses', 'smtp', 'ses'],
        method: 'ALL',
        timeout: 'PT1H30M',
        utm: { source: 'mail', medium: null },
        brandId: 'winter',
        override: { subject: 'Hi', cc: [' Ada <ada@example.com> '], replyTo: null, trackOpens: false },
      },
      sms: null,
      push: { if: null, override: { clickAction: 'myapp://orders/1', data: { nothing: null } } },
      inbox: {},
      directMessage: { override: { text: 'Hi', blocks: [{ type: 'section' }] } },
      webhook: { override: { body: 'any JSON', headers: [{ name: 'X-Order', value: '1' }] } },
    }
    expect(channels(said)).toEqual({
      EMAIL: {
        if: 'data.plan == "pro"',
        providerIds: ['ses', 'smtp'],
        method: 'ALL',
        timeoutMs: 5_400_000,
        utm: { source: 'mail' },
        brandId: 'winter',
        override: { subject: 'Hi', cc: ['Ada <ada@example.com>'], trackOpens: false },
      },
      PUSH: { override: { clickAction: 'myapp://orders/1', data: { nothing: null } } },
      INBOX: {},
      DIRECT_MESSAGE: { override: { text: 'Hi', blocks: [{ type: 'section' }] } },
      WEBHOOK: { override: { body: 'any JSON', headers: [{ name: 'X-Order', value: '1' }] } },
    })
  })

  test.each<[string, ChannelsInput, string]>([
    ['a condition that is none', { sms: { if: 'data.plan ==' } }, 'channels.sms.if'],
    ['an empty condition', { sms: { if: '' } }, 'channels.sms.if'],
    ['a regular expression', { push: { if: 'data.x.matches("a")' } }, 'channels.push.if'],
    ['accounts of which there are none', { inbox: { providerIds: [] } }, 'channels.inbox.providerIds'],
    ['51 accounts', { email: { providerIds: Array(51).fill('a') } }, 'channels.email.providerIds'],
    ['an id that no account can have', { email: { providerIds: ['ses', 'a b'] } }, 'channels.email.providerIds.1'],
    ['a brand with a space at its end', { email: { brandId: 'winter ' } }, 'channels.email.brandId'],
    ['no time at all', { email: { timeout: 'PT0S' } }, 'channels.email.timeout'],
    ['less than no time', { email: { timeout: '-PT1M' } }, 'channels.email.timeout'],
    ['73 hours', { email: { timeout: 'PT73H' } }, 'channels.email.timeout'],
    ['a month', { email: { timeout: 'P1M' } }, 'channels.email.timeout'],
    ['a long utm', { email: { utm: { term: 'x'.repeat(257) } } }, 'channels.email.utm.term'],
    ['a sender of SMS with a line break', { sms: { override: { from: 'Bells\n' } } }, 'channels.sms.override.from'],
    ['an empty sender of SMS', { sms: { override: { from: '' } } }, 'channels.sms.override.from'],
    ['a body of 300 KB', { sms: { override: { body: 'x'.repeat(300_000) } } }, 'channels.sms.override.body'],
    ['JSON of 300 KB', { webhook: { override: { body: ['x'.repeat(300_000)] } } }, 'channels.webhook.override.body'],
    ['data of 300 KB', { push: { override: { data: { x: 'x'.repeat(300_000) } } } }, 'channels.push.override.data'],
    [
      'blocks of 300 KB',
      { directMessage: { override: { blocks: 'x'.repeat(300_000) } } },
      'channels.directMessage.override.blocks',
    ],
    [
      'a script for a tap',
      { push: { override: { clickAction: ' Java\tscript:alert(1)' } } },
      'channels.push.override.clickAction',
    ],
    [
      'a header that is ours',
      { webhook: { override: { headers: [{ name: 'webhook-id', value: 'x' }] } } },
      'channels.webhook.override.headers.0',
    ],
  ])('is refused with its place: %s', (_name, input, path) => {
    expect(refusedAt(() => channels(input))).toBe(path)
  })

  test('says what is wrong with a condition, and where', () => {
    expect(refusal(() => channels({ sms: { if: 'user.plan == "pro"' } }))?.message).toBe(
      "'if': Unknown variable: user; there are data, profile and tenant (at character 1).",
    )
  })
})

describe('What goes over an email', () => {
  test.each<[string, OverrideInput, string]>([
    ['a subject of 3,000 characters', { subject: 'x'.repeat(3_000) }, 'subject'],
    ['HTML of 300 KB', { html: 'x'.repeat(300_000) }, 'html'],
    ['two senders', { from: 'a@example.com, b@example.com' }, 'from'],
    ['an empty sender', { from: '' }, 'from'],
    ['a sender that poses as headers', { from: 'a@example.com\r\nBcc: e@example.com' }, 'from'],
    ['a reply to nobody', { replyTo: 'nobody' }, 'replyTo'],
    ['a name of 600 characters', { replyTo: `${'x'.repeat(600)} <a@example.com>` }, 'replyTo'],
    ['a copy to a group', { cc: ['a@example.com', 'G: b@example.com;'] }, 'cc.1'],
    ['a blind copy to two', { bcc: ['a@example.com b@example.com'] }, 'bcc.0'],
    ['51 copies', { cc: Array(26).fill('a@example.com'), bcc: Array(25).fill('a@example.com') }, 'cc'],
    ['51 blind copies', { bcc: Array(51).fill('a@example.com') }, 'bcc'],
    ['a header that addresses', { headers: [{ name: 'Bcc', value: 'e@example.com' }] }, 'headers.0'],
    ['a header of two lines', { headers: [{ name: 'X-A', value: 'v\r\nBcc: e@example.com' }] }, 'headers.0'],
    ['51 headers', { headers: Array(51).fill({ name: 'X-A', value: 'v' }) }, 'headers'],
  ])('is refused with its place: %s', (_name, input, path) => {
    expect(refusedAt(() => override(input))).toBe(`channels.email.override.${path}`)
  })

  test('is read in no time, however it is written', () => {
    const before = performance.now()
    for (const text of [
      ' '.repeat(512),
      `${' '.repeat(600)}a`,
      `a${' '.repeat(500)}a`,
      '"'.repeat(512),
      `${'<'.repeat(256)}${'>'.repeat(256)}`,
    ]) {
      expect(refusedAt(() => override({ cc: Array(25).fill(text), bcc: Array(25).fill(text) }))).toBe(
        'channels.email.override.cc.0',
      )
    }
    expect(performance.now() - before).toBeLessThan(500)
  })
})

describe('An attachment', () => {
  const file = { filename: 'a.pdf', content: base64(10) }

  test('is kept as it was given', () => {
    const logo = { filename: 'logo.png', contentType: 'image/png', url: 'https://example.com/logo.png', contentId: 'logo@mail' }
    expect(attached(file, { ...logo, content: null })).toEqual({ EMAIL: { override: { attachments: [file, logo] } } })
  })

  test.each<[string, AttachmentInput, string]>([
    ['with neither content nor url', { filename: 'a.pdf' }, ''],
    ['with both', { ...file, url: 'https://example.com/a.pdf' }, ''],
    ['of what is no base64', { ...file, content: 'not base64!' }, '.content'],
    ['of base64 that was cut', { ...file, content: 'QUJDR' }, '.content'],
    ['of a data URL', { filename: 'a.txt', content: 'data:text/plain;base64,QQ==' }, '.content'],
    ['with a path as its name', { ...file, filename: '../../x' }, '.filename'],
    ['with a name that poses as headers', { ...file, filename: 'a\r\nContent-Type: text/html' }, '.filename'],
    ['that would be run', { ...file, filename: 'x.exe' }, '.filename'],
    ['from inside', { filename: 'a.txt', url: 'http://169.254.169.254/' }, '.url'],
    ['from this machine', { filename: 'a.txt', url: 'file:///etc/passwd' }, '.url'],
    ['of a media type with parameters', { ...file, contentType: 'text/html; charset=utf-8' }, '.contentType'],
    ['of a media type of two lines', { ...file, contentType: 'text/html\r\nX: y' }, '.contentType'],
    ['with brackets in its content id', { ...file, contentId: '<logo>' }, '.contentId'],
  ])('is refused: %s', (_name, attachment, path) => {
    expect(refusedAt(() => attached(file, attachment))).toBe(`channels.email.override.attachments.1${path}`)
  })

  test('goes with others up to ten files and 4 MiB', () => {
    const half = { filename: 'half', content: base64(2 * 1024 * 1024) }
    expect(refusedAt(() => attached(half, half))).toBeNull()
    expect(refusedAt(() => attached(half, half, { filename: 'one more byte', content: base64(1) }))).toBe(
      'channels.email.override.attachments',
    )
    expect(refusedAt(() => attached(...Array<AttachmentInput>(10).fill(file)))).toBeNull()
    expect(refusedAt(() => attached(...Array<AttachmentInput>(11).fill(file)))).toBe('channels.email.override.attachments')
  })
})

describe('What a send says about accounts', () => {
  const check = (...inputs: ProviderSettingsInput[]) => checkProviderSettings(inputs, ['providers'])

  test('is kept in milliseconds, and nothing is kept of what was not said', () => {
    const said = { providerId: 'ses', if: 'data.n > 1', timeout: 'PT2M', utm: null, override: { Content: { Simple: null } } }
    expect(check(said, { providerId: 'smtp', if: null })).toEqual([
      { providerId: 'ses', if: 'data.n > 1', timeoutMs: 120_000, override: { Content: { Simple: null } } },
      { providerId: 'smtp' },
    ])
  })

  test.each<[string, ProviderSettingsInput[], string]>([
    ['an account twice', [{ providerId: 'a' }, { providerId: 'b' }, { providerId: 'a' }], 'providers.2.providerId'],
    ['an id that no account can have', [{ providerId: '' }], 'providers.0.providerId'],
    ['a condition that is none', [{ providerId: 'a', if: '1 +' }], 'providers.0.if'],
    ['no time at all', [{ providerId: 'a', timeout: 'PT0S' }], 'providers.0.timeout'],
    ['an override of 300 KB', [{ providerId: 'a', override: { x: 'x'.repeat(300_000) } }], 'providers.0.override'],
    ['51 accounts', Array.from({ length: 51 }, (_, index) => ({ providerId: `a${index}` })), 'providers'],
  ])('is refused with its place: %s', (_name, inputs, path) => {
    expect(refusedAt(() => check(...inputs))).toBe(path)
  })
})

describe('How long a send may take', () => {
  const check = (input: TimeoutInput) => checkTimeouts(input, ['timeout'])

  test('is kept in milliseconds', () => {
    expect(check({ message: 'P7D', channel: 'P5D', provider: null })).toEqual({ messageMs: 604_800_000, channelMs: 432_000_000 })
    expect(check({ provider: 'PT0.0001S' })).toEqual({ providerMs: 1 })
    expect(check({ message: 'P1W' })).toEqual({ messageMs: 604_800_000 })
  })

  test.each<[string, TimeoutInput, string]>([
    ['over a week', { message: 'P7DT1S' }, 'timeout.message'],
    ['not at all', { message: 'PT0S' }, 'timeout.message'],
    ['a channel longer than its message', { message: 'PT1H', channel: 'PT61M' }, 'timeout.channel'],
    ['a provider longer than its message', { message: 'PT1H', provider: 'PT61M' }, 'timeout.provider'],
    ['a channel longer than a message takes by default', { channel: 'PT73H' }, 'timeout.channel'],
  ])('is refused with its place: %s', (_name, input, path) => {
    expect(refusedAt(() => check(input))).toBe(path)
  })
})

test('Where a click came from is kept as far as it was said', () => {
  expect(checkUtm({ source: 'news', medium: '', campaign: null }, ['utm'])).toEqual({ source: 'news', medium: '' })
  expect(refusedAt(() => checkUtm({ campaign: 'x'.repeat(257) }, ['utm']))).toBe('utm.campaign')
})
