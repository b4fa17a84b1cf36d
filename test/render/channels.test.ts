import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Content } from '../../src/render/element.ts'
import { cutText } from '../../src/render/line.ts'
import { smsSize } from '../../src/render/sms.ts'
import { type Given, renderContent } from './job.ts'

const push = (content: Content, given: Given = {}) => renderContent(content, { ...given, channel: 'PUSH' })
const inbox = (content: Content, given: Given = {}) => renderContent(content, { ...given, channel: 'INBOX' })

describe('A text message', () => {
  // The limits are those of 3GPP TS 23.038 and 23.040.
  test.each([
    ['nothing', '', 'GSM_7', 0, 0],
    ['160 plain characters', 'a'.repeat(160), 'GSM_7', 160, 1],
    ['one more', 'a'.repeat(161), 'GSM_7', 161, 2],
    ['two full parts', 'a'.repeat(306), 'GSM_7', 306, 2],
    ['one more', 'a'.repeat(307), 'GSM_7', 307, 3],
    ['letters of the alphabet that look foreign', '@£$¥èéùìòÇØøÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ¤ÄÖÑÜ§¿äöñüà', 'GSM_7', 41, 1],
    ['signs that take two places', '€'.repeat(80), 'GSM_7', 160, 1],
    ['one more of them', '€'.repeat(81), 'GSM_7', 162, 2],
    ['one that would be parted', `${'a'.repeat(152)}€${'a'.repeat(152)}`, 'GSM_7', 306, 3],
    ['70 characters of Unicode', 'я'.repeat(70), 'UCS_2', 70, 1],
    ['one more', 'я'.repeat(71), 'UCS_2', 71, 2],
    ['two full parts', 'я'.repeat(134), 'UCS_2', 134, 2],
    ['one more', 'я'.repeat(135), 'UCS_2', 135, 3],
    ['one that is in no alphabet', `ç${'a'.repeat(69)}`, 'UCS_2', 70, 1],
    ['an emoji', '😀', 'UCS_2', 2, 1],
    ['an emoji that would be parted', `${'я'.repeat(66)}😀${'я'.repeat(66)}`, 'UCS_2', 134, 3],
    ['a sign of typographers', 'It’s', 'UCS_2', 4, 1],
  ])('of %s is counted', (_what, text, encoding, characters, segments) => {
    expect(smsSize(text)).toEqual({ encoding, characters, segments })
  })

  test('has line breaks, and no other control character', async () => {
    const data = { v: 'a\u0000b\u001b[31mc\td\r\ne\rf\u0085g\u009bh' }
    const elements: Content['elements'] = [{ type: 'text', format: 'plain', content: '{{v}}' }]
    const { text, payload } = await renderContent({ elements }, { channel: 'SMS', data })
    expect(text).toBe('ab[31mc d\ne\nf\ngh')
    expect(payload).toEqual(smsSize(text!))
  })

  test('has its title above its body, and brings no sign of its own that would make its parts shorter', async () => {
    const content: Content = {
      title: 'Order',
      elements: [
        { type: 'list', elements: [{ type: 'list-item', content: 'Tea' }] },
        {
          type: 'columns',
          elements: ['a', 'b', 'c'].map((content) => ({ type: 'column', elements: [{ type: 'text', content }] })),
        },
        { type: 'divider' },
        { type: 'action', content: 'Pay', href: 'https://x.example/7' },
      ],
    }
    const { text, payload } = await renderContent(content, { channel: 'SMS' })
    expect(text).toBe('Order\n\n- Tea\n\na - b - c\n\nPay: https://x.example/7')
    expect(payload).toMatchObject({ encoding: 'GSM_7' })
  })
})

describe('A push message', () => {
  test('has the first line as its title where it has none, and tells no addresses', async () => {
    const said = await push({ body: 'Hello [you](https://x.example)\nMore' })
    expect(said).toEqual({ title: 'Hello you', text: 'More', payload: {} })
  })

  test('brings where to tell what became of it, where that is asked for', async () => {
    const said = await push({ title: 'T', body: 'B' }, { data: { a: 1 }, tracking: { pushUrl: 'https://c.example/t' } })
    expect(said.payload).toEqual({ a: 1, trackingUrl: 'https://c.example/t' })
  })

  test('C2, C4: of any title, text and data fits into what services take, and is cut between graphemes', async () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 20 }),
      fc.constantFrom('👩‍👩‍👧‍👦', 'é', '\u202eabc', '"\\\u0001', 'عربي', '한국어', '𝒳'),
    )
    const long = fc.tuple(piece, fc.integer({ min: 1, max: 2_000 })).map(([text, times]) => text.repeat(times).slice(0, 40_000))
    const data = fc.dictionary(fc.string({ maxLength: 10 }), fc.oneof(fc.string({ maxLength: 200 }), fc.array(fc.integer())), {
      maxKeys: 5,
    })
    await fc.assert(
      fc.asyncProperty(long, long, data, async (t, b, more) => {
        const values = { ...more, t: '', b: '' }
        const said = await push(
          {
            title: t.replaceAll('{', '(') || 'x',
            elements: [{ type: 'text', format: 'plain', content: b.replaceAll('{', '(') }],
          },
          { data: values },
        )
        const { title, text, payload } = said
        const body = JSON.stringify({ title, body: text, data: payload, messageId: 'msg_01890a5d-ac96-774b-bcce-b302099a8057' })
        expect(Buffer.byteLength(body)).toBeLessThan(3_993)
        expect(said.title!.isWellFormed() && said.text!.isWellFormed()).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  test('C4: is cut in front of a family, a flag or an accent, never within', async () => {
    for (const grapheme of ['👩‍👩‍👧‍👦', '🇩🇪', 'e\u0301\u0323', '한', '👍🏽']) {
      const { text } = await push({ title: 'T', elements: [{ type: 'text', format: 'plain', content: grapheme.repeat(2_000) }] })
      expect(text).toMatch(/…$/)
      expect(text!.slice(0, -1).replaceAll(grapheme, '')).toBe('')
      expect(cutText(grapheme.repeat(9), grapheme.length * 4 - 1)).toBe(grapheme.repeat(3))
    }
  })

  test('is refused whose data leave no room', async () => {
    const data = { big: 'x'.repeat(4_000) }
    await expect(push({ title: 'T' }, { data })).rejects.toThrow('The data of a push message takes at most 3,400 bytes')
  })
})

describe('An inbox message', () => {
  test('has its first line as preview, what can be pressed beside its text, and what leads to no page in it', async () => {
    const content: Content = {
      title: 'T',
      elements: [
        { type: 'text', content: '# First line\n\nsecond' },
        { type: 'action', content: 'Open\n it', href: 'https://x.example', action_id: 'open', style: 'link' },
        { type: 'action', content: 'Write', href: 'mailto:a@x.example' },
      ],
    }
    expect(await inbox(content, { data: { a: 1 } })).toEqual({
      title: 'T',
      text: 'First line\n\nsecond\n\nWrite: mailto:a@x.example',
      preview: 'First line',
      actions: [{ label: 'Open it', href: 'https://x.example', style: 'link', id: 'open' }],
      payload: { a: 1 },
    })
  })

  test('shows two lines of a list as preview, where a subject is one', async () => {
    const body = 'many words '.repeat(30)
    const { preview } = await inbox({ body })
    expect([preview!.length, preview!.at(-1), body.startsWith(preview!.slice(0, -1))]).toEqual([200, '…', true])
    expect((await inbox({ body: 'x'.repeat(200) })).preview).toBe('x'.repeat(200))
    expect((await renderContent({ body })).subject).toHaveLength(78)
  })
})

describe('Titles on every channel', () => {
  test('C1, C3: are one line, without controls, bidirectional overrides and what has no width', async () => {
    const v = 'a\r\nb\tc\u2028d\u001b[31me\u202ef\u200bg\ufeffh\u2066i\u200ej\u200fk\u061cl\u00adm 👩\u200d🔧'
    const expected = 'a b c d [31mefghijklm 👩\u200d🔧'
    for (const channel of ['PUSH', 'INBOX', 'WEBHOOK'] as const) {
      expect((await renderContent({ title: '{{v}}', body: 'x' }, { channel, data: { v } })).title).toBe(expected)
    }
    const { subject } = await renderContent({ title: '{{v}}', body: 'x' }, { channel: 'EMAIL', data: { v } })
    expect(subject).toBe(expected)
    const { text, blocks } = await renderContent({ title: '{{v}}', body: 'x' }, { channel: 'DIRECT_MESSAGE', data: { v } })
    expect([text, blocks![0]]).toEqual([`${expected}\n\nx`, { kind: 'heading', level: 1, spans: [{ text: expected }] }])
  })
})

describe('What is not there', () => {
  test('is no line of a text message, a push or an inbox: a divider', async () => {
    const content: Content = { elements: [{ type: 'text', content: 'a' }, { type: 'divider' }, { type: 'text', content: 'b' }] }
    for (const channel of ['SMS', 'INBOX'] as const) expect((await renderContent(content, { channel })).text).toBe('a\n\nb')
    expect(await push(content)).toMatchObject({ title: 'a', text: 'b' })
  })

  test('fails under FAIL by its name: a snippet; a list that is looped over is empty, as in each', async () => {
    const loop: Content = {
      elements: [
        { type: 'text', loop: 'data.nope', content: 'x' },
        { type: 'text', content: 'ok' },
      ],
    }
    expect((await push(loop, { onMissing: 'FAIL' })).title).toBe('ok')
    await expect(push({ body: 'x\n{{> nope}}' }, { onMissing: 'FAIL' })).rejects.toThrow(
      "body: line 2: there is no snippet 'nope'.",
    )
  })

  test('is not said twice: a push without a title has its first line as one', async () => {
    expect(await push({ body: 'Only a line' })).toMatchObject({ title: 'Only a line', text: '' })
    expect(await push({ body: 'First\n\nthen\nmore' })).toMatchObject({ title: 'First', text: 'then\nmore' })
    const long = 'word '.repeat(40).trim()
    expect((await push({ body: long })).text).toBe(long)
  })
})

describe('A raw channel', () => {
  const raw = (channel: string, content: object): Content => ({
    title: 'T',
    elements: [{ type: 'channel', channel, raw: content }],
  })

  test("says a service's own blocks, in which values stay texts", async () => {
    const blocks = [{ type: 'section', text: { type: 'mrkdwn', text: 'Hi *{{name}}*' }, count: 3, on: true, none: null }]
    const data = { name: '"}, {"x": 1' }
    for (const field of ['blocks', 'slackBlocks']) {
      const said = await renderContent(raw('direct_message', { text: 'Hi {{name}}', [field]: blocks }), {
        channel: 'DIRECT_MESSAGE',
        data,
      })
      expect(said).toEqual({
        text: `T\n\nHi ${data.name}`,
        payload: [{ ...blocks[0], text: { type: 'mrkdwn', text: `Hi *${data.name}*`, verbatim: true } }],
      })
    }
  })

  test('says a webhook’s own body, and names the place of what is wrong in it', async () => {
    const content = raw('webhook', { payload: { order: ['{{id}}', 7] } })
    const said = await renderContent(content, { channel: 'WEBHOOK', data: { id: 'a' } })
    expect(said.payload).toEqual({ order: ['a', 7] })
    await expect(renderContent(content, { channel: 'WEBHOOK', onMissing: 'FAIL' })).rejects.toThrow(
      /^elements\.0\.raw\.payload\.order\.0: line 1: /,
    )
  })

  test('is for its channel alone', async () => {
    await expect(renderContent({ elements: raw('sms', { text: 'x' }).elements! }, { channel: 'PUSH' })).rejects.toThrow(
      'The content says nothing on PUSH',
    )
    expect((await renderContent(raw('push', { title: '{{a}}!', text: 'x' }), { channel: 'PUSH', data: { a: 'A' } })).title).toBe(
      'A!',
    )
  })
})
