import { describe, expect, test } from 'vitest'
import type { Channel, Rendered } from '../../src/channels/provider.ts'
import { attachmentsOf, handedOver } from '../../src/delivery/outgoing.ts'
import { contentToKeep, contentToSend } from '../../src/domain/channel-override.ts'
import type { ChannelOverride } from '../../src/domain/channel-settings.ts'

const content: Rendered = {
  title: 'Title',
  subject: 'Subject',
  text: 'Text',
  html: '<p>Text</p>',
  payload: { a: { b: 1 }, c: 2 },
  blocks: [{ kind: 'divider' }],
}

const on = (channel: Channel) => ({ channel, providerId: 'account' })
const saying = (channel: Channel, override: ChannelOverride) => ({ channels: { [channel]: { override } } })
const sent = (channel: Channel, override: ChannelOverride) =>
  contentToSend(saying(channel, override), on(channel), { ...content, ...led(override) }) as Record<string, unknown>
/** As it was rendered under an override. */
const led = ({ html }: ChannelOverride) => html !== undefined && { overridingHtml: `${html}, led` }

describe('The content that is sent', () => {
  test('is the very one that was rendered where the send says nothing of its channel', () => {
    expect(contentToSend({}, on('EMAIL'), content)).toBe(content)
    expect(contentToSend({ channels: { EMAIL: { timeoutMs: 1 } } }, on('EMAIL'), content)).toBe(content)
    expect(contentToSend(saying('SMS', { body: 'Other' }), on('EMAIL'), content)).toBe(content)
    expect(handedOver({}, on('EMAIL'), content, [])).toEqual({ content })
    expect(handedOver({}, on('EMAIL'), content, []).content).toBe(content)
  })

  test.each<[Channel, ChannelOverride, Record<string, unknown>]>([
    ['EMAIL', { subject: 'S', text: 'T', html: 'H' }, { subject: 'S', text: 'T', html: 'H, led' }],
    ['EMAIL', { html: 'H' }, { html: 'H, led' }],
    ['EMAIL', { subject: 'S' }, { subject: 'S' }],
    ['SMS', { body: 'B' }, { text: 'B', payload: { encoding: 'GSM_7', characters: 1, segments: 1 } }],
    [
      'PUSH',
      { title: 'T', body: 'B', data: { a: { d: 3 }, c: null } },
      { title: 'T', text: 'B', payload: { a: { b: 1, d: 3 }, c: null } },
    ],
    [
      'INBOX',
      { title: 'T', body: 'B', preview: 'P', data: { e: 1 } },
      { title: 'T', text: 'B', preview: 'P', payload: { a: { b: 1 }, c: 2, e: 1 } },
    ],
    ['DIRECT_MESSAGE', { text: 'T' }, { text: 'T', blocks: undefined, payload: undefined }],
    ['WEBHOOK', { body: { whole: true } }, { payload: { whole: true } }],
    ['WEBHOOK', { body: 'text' }, { payload: 'text' }],
    ['WEBHOOK', { body: false }, { payload: false }],
  ])('on %s is what was rendered under %j', (channel, override, changed) => {
    const before = structuredClone(content)
    expect(sent(channel, override)).toEqual({ ...content, ...changed })
    expect(content).toEqual(before)
  })

  test('has one line in its subject and titles, whatever the send says', () => {
    expect(sent('EMAIL', { subject: ' Hi\r\nBcc: eve@e.test\u202e ' }).subject).toBe('Hi Bcc: eve@e.test')
    expect(sent('PUSH', { title: 'a\nb' }).title).toBe('a b')
    expect(sent('INBOX', { title: 'a\u0007b' }).title).toBe('a b')
    expect(sent('EMAIL', { subject: '' }).subject).toBe('')
  })

  test('has no control characters but line breaks in a text message', () => {
    const { text, payload } = sent('SMS', { body: 'a\u0000\u001b[1mb\r\nc' })
    expect([text, payload]).toEqual(['a[1mb\nc', { encoding: 'GSM_7', characters: 8, segments: 1 }])
  })
})

describe('A provider is handed', () => {
  test('one HTML, and of two what is kept is the one that was rendered', () => {
    const both = { ...content, overridingHtml: 'H' }
    expect(handedOver(saying('EMAIL', { html: 'h' }), on('EMAIL'), both, [])).toEqual({ content: { ...content, html: 'H' } })
    expect(contentToKeep(both)).toEqual(content)
  })

  test("what the send says beside its channel's content, and nothing it did not say", () => {
    const headers = [{ name: 'X-Campaign', value: 'spring' }]
    const email = { from: 'a@example.com', replyTo: 'b@example.com', cc: ['c@example.com'], bcc: ['d@example.com'], headers }
    expect(handedOver(saying('EMAIL', email), on('EMAIL'), content, [])).toEqual({ content, extras: email })
    const push = { icon: 'https://example.com/i.png', clickAction: 'app://x' }
    expect(handedOver(saying('PUSH', push), on('PUSH'), content, [])).toEqual({ content, extras: push })
    const chat = { blocks: [{ type: 'section' }] }
    expect(handedOver(saying('DIRECT_MESSAGE', chat), on('DIRECT_MESSAGE'), content, [])).toEqual({ content, extras: chat })
    expect(handedOver(saying('EMAIL', { subject: 'S' }), on('EMAIL'), content, [])).toEqual({
      content: { ...content, subject: 'S' },
    })
    expect(handedOver(saying('EMAIL', email), on('SMS'), content, [])).toEqual({ content })
  })

  test("the override of its own account, and no other account's", () => {
    const providers = [
      { providerId: 'other', override: { o: 1 } },
      { providerId: 'account', override: { tag: 'x' } },
    ]
    expect(handedOver({ providers }, on('EMAIL'), content, [])).toEqual({ content, override: { tag: 'x' } })
    expect(handedOver({ providers: providers.slice(0, 1) }, on('EMAIL'), content, [])).toEqual({ content })
  })

  test("the files that go with its channel's messages", () => {
    const attachments = [{ filename: 'a.txt', content: 'aGk=' }]
    const definition = saying('EMAIL', { attachments })
    expect(attachmentsOf(definition, on('EMAIL'))).toEqual(attachments)
    expect(attachmentsOf(definition, on('PUSH'))).toEqual([])
    const loaded = [{ filename: 'a.txt', contentType: 'text/plain', content: Buffer.from('hi') }]
    expect(handedOver(definition, on('EMAIL'), content, loaded)).toEqual({ content, extras: { attachments: loaded } })
  })
})
