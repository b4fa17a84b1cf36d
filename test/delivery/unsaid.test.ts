import { afterEach, describe, expect, test } from 'vitest'
import { type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

const KINDS = [
  { kind: 'near', channel: 'SMS' },
  { kind: 'post', channel: 'EMAIL' },
  { kind: 'device', channel: 'PUSH' },
] as const
const TO = { userId: 'ada', email: 'ada@example.com', phoneNumber: '+32470123456' }
const DIVIDED = "'divide' was given 0 to divide by."

/** Its text message divides by zero. */
const CONTENT = {
  title: 'Total',
  elements: [
    { type: 'text', content: '{{divide 1 n}}', channels: ['sms'] },
    { type: 'text', content: 'Your total is ready.', channels: ['email'] },
  ],
}

const routed = (method: 'SINGLE' | 'ALL', ...channels: ('SMS' | 'EMAIL')[]) => ({
  content: CONTENT,
  data: { n: 0 },
  routing: { method, channels: channels.map((channel) => ({ channel })) },
})

async function sendOne(more: Parameters<Office['send']>[1], to: Parameters<Office['send']>[0] = TO) {
  office = await openOffice({ kinds: KINDS })
  const id = await office.send(to, more)
  await office.perform((await office.takeOver())!)
  return { id, ...(await office.read(id)), ...(await office.journal(id)) }
}

describe('A channel whose text cannot be rendered fails alone', () => {
  for (const method of ['SINGLE', 'ALL'] as const) {
    test(`in ${method} the other channel takes the message, and the decisions say why the first did not`, async () => {
      const { status, deliveries, decisions } = await sendOne(routed(method, 'SMS', 'EMAIL'))
      expect(status).toBe('SENT')
      expect(deliveries.map(({ providerId }) => providerId)).toEqual(['post'])
      expect(office.post.calls).toHaveLength(1)
      expect(decisions).toContainEqual({
        rule: 'render',
        subject: 'near',
        passed: false,
        because: expect.stringContaining(DIVIDED),
        detail: { channel: 'SMS' },
      })
      expect(await office.takeOver()).toBeNull()
    })
  }

  test('and ends the message RENDER_ERROR where it is the only one', async () => {
    const { status, last, decisions } = await sendOne(routed('SINGLE', 'SMS'))
    expect({ status, reason: last!.reason }).toEqual({ status: 'UNDELIVERABLE', reason: 'RENDER_ERROR' })
    expect(last!.error).toContain(DIVIDED)
    expect(decisions.at(-1)).toMatchObject({ rule: 'render', subject: 'near', because: last!.error })
    expect(office.post.calls).toEqual([])
    expect(await office.takeOver()).toBeNull()
  })

  test('where another channel was called and refused the message, that refusal is what it is told', async () => {
    office = await openOffice({ kinds: KINDS })
    office.post.answer = () => Promise.resolve({ kind: 'rejected', what: 'address', error: 'No such mailbox.' })
    const id = await office.send(TO, routed('SINGLE', 'EMAIL', 'SMS'))
    await office.perform((await office.takeOver())!)
    const { status, last } = await office.read(id)
    expect(status).toBe('UNDELIVERABLE')
    expect(last).toMatchObject({ reason: 'BOUNCED', error: 'No such mailbox.' })
    const { decisions } = await office.journal(id)
    expect(decisions).toContainEqual(expect.objectContaining({ rule: 'render', subject: 'near', passed: false }))
    expect(await office.takeOver()).toBeNull()
  })

  test('and so does one whose data are too large for a push', async () => {
    const { status, deliveries } = await sendOne(
      {
        content: { title: 'Order' },
        data: { order: 'x'.repeat(3_500) },
        routing: { method: 'ALL', channels: [{ channel: 'EMAIL' }, { channel: 'PUSH' }] },
      },
      { ...TO, deviceTokens: [{ kind: 'device', token: 'phone' }] },
    )
    expect(status).toBe('SENT')
    expect(deliveries.map(({ providerId }) => providerId)).toEqual(['post'])
  })
})

describe('A channel on which a message came to nothing', () => {
  const EMPTY = { content: { elements: [{ type: 'text', content: 'Hi', if: 'data.there' }] }, data: { there: false } }
  const byEmail = { routing: { method: 'SINGLE' as const, channels: [{ channel: 'EMAIL' as const }] } }

  test('is not called: the message ends RENDER_ERROR', async () => {
    const { status, last } = await sendOne({ ...EMPTY, ...byEmail })
    expect({ status, reason: last!.reason }).toEqual({ status: 'UNDELIVERABLE', reason: 'RENDER_ERROR' })
    expect(last!.error).toContain('The content says nothing on EMAIL')
    expect(office.post.calls).toEqual([])
  })

  test('is called where the send brings words of its own for it', async () => {
    const { status } = await sendOne({ ...EMPTY, ...byEmail, channels: { email: { override: { text: 'Hi.' } } } })
    expect(status).toBe('SENT')
    expect(office.post.calls.map(({ content }) => content.text)).toEqual(['Hi.'])
  })

  test('is called where the send brings a request of its own for the account', async () => {
    const providers = [{ providerId: 'post', override: { template_id: 'd-1' } }]
    expect(await sendOne({ ...EMPTY, ...byEmail, providers })).toMatchObject({ status: 'SENT' })
  })
})
