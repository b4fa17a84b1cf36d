import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { webhook } from '../../src/channels/webhook.ts'
import { signWebhook } from '../../src/channels/webhook-signature.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'
import { deliver, keepsTheContract, outgoing, testDoor } from './conformance.ts'

const secret = `whsec_${Buffer.alloc(32, 'bell').toString('base64')}`
const settings = { secret }

keepsTheContract('webhook', async () => {
  const receiver = await startReceiver()
  return {
    provider: webhook,
    settings,
    address: { id: `${receiver.url}/hook` },
    badAddress: { id: 'http://10.0.0.1/hook' },
    behave(how) {
      if (how === 'well') receiver.answer = answering(200)
      if (how === 'refusing the address') receiver.answer = answering(410)
      if (how === 'throttling') receiver.answer = answering(429, { 'retry-after': '3' })
      if (how === 'broken') receiver.answer = (response) => void response.socket?.destroy()
      if (how === 'silent') receiver.answer = () => {}
    },
    identities: () => receiver.received.map(({ headers }) => String(headers['webhook-id'])),
    close: () => receiver.close(),
  }
})

describe('a webhook', () => {
  const http = testDoor()
  let receiver: Receiver
  beforeAll(async () => {
    receiver = await startReceiver()
  })
  beforeEach(() => {
    receiver.answer = answering(200)
    receiver.received.length = 0
  })
  afterAll(async () => {
    await http.close()
    await receiver.close()
  })

  const send = (changes: Parameters<typeof outgoing>[1] = {}) =>
    deliver(webhook, settings, outgoing({ id: receiver.url }, changes), { http })

  test('is signed over the very bytes that arrive, by Standard Webhooks', async () => {
    await send({ content: { payload: { order: 7, note: 'grüß dich 👋' } } })
    const [{ body, headers }] = receiver.received as [(typeof receiver.received)[0]]
    const verified = new Webhook(secret).verify(body, headers as Record<string, string>)
    expect(verified).toMatchObject({ type: 'message', data: { order: 7, note: 'grüß dich 👋' } })
    expect(headers).toMatchObject({ 'webhook-id': 'key_1-a', 'content-type': 'application/json' })
  })

  test('carries title and body where the content has no payload of its own', async () => {
    await send({ content: { title: 'T', text: 'B' } })
    expect(JSON.parse(receiver.received[0]!.body.toString())).toMatchObject({ data: { title: 'T', body: 'B' } })
  })

  test('carries the headers of its address, but none in the place of ours', async () => {
    const headers = [
      { name: 'Authorization', value: 'Bearer t' },
      { name: 'Webhook-Id', value: 'forged' },
      { name: 'Content-Type', value: 'text/plain' },
      { name: 'Host', value: 'inside' },
      { name: 'X-A', value: 'v\r\nX-B: w' },
    ]
    await send({ address: { id: receiver.url, headers } })
    const got = receiver.received[0]!.headers
    expect(got).toMatchObject({ authorization: 'Bearer t', 'webhook-id': 'key_1-a', 'content-type': 'application/json' })
    expect(got.host).toBe(new URL(receiver.url).host)
    expect(got).not.toHaveProperty('x-a')
    expect(got).not.toHaveProperty('x-b')
  })

  test('carries what the send says about its headers and its body', async () => {
    const address = {
      id: receiver.url,
      headers: [
        { name: 'X-A', value: 'address' },
        { name: 'X-B', value: 'address' },
      ],
    }
    const headers = [
      { name: 'x-a', value: 'send' },
      { name: 'Webhook-Signature', value: 'v1,forged' },
    ]
    const override = { data: { note: 'theirs' }, version: 2 }
    await send({ address, extras: { headers }, override, content: { payload: { order: 7, note: 'ours' } } })
    const [{ body, headers: got }] = receiver.received as [(typeof receiver.received)[0]]
    expect(got).toMatchObject({ 'x-a': 'send', 'x-b': 'address' })
    const verified = new Webhook(secret).verify(body, got as Record<string, string>)
    expect(verified).toEqual({ type: 'message', timestamp: expect.any(String), version: 2, data: { order: 7, note: 'theirs' } })
  })

  test.each([
    [301, { kind: 'rejected', what: 'request' }],
    // The receiver must not be able to stop the account for everybody.
    [401, { kind: 'rejected', what: 'request' }],
    [403, { kind: 'rejected', what: 'request' }],
    [404, { kind: 'rejected', what: 'request' }],
    [410, { kind: 'rejected', what: 'address' }],
    [413, { kind: 'rejected', what: 'content' }],
    [503, { kind: 'retry' }],
  ])('answered with %i is %j', async (status, outcome) => {
    receiver.answer = answering(status)
    expect(await send()).toMatchObject({ ...outcome, code: String(status) })
  })

  test('is signed with each secret while one is replaced', () => {
    const other = `whsec_${Buffer.alloc(24, 'x').toString('base64')}`
    const headers = signWebhook({ secrets: [secret, other], id: 'msg_1', at: new Date(), body: '{}' })
    for (const each of [secret, other]) expect(new Webhook(each).verify('{}', headers)).toEqual({})
  })

  test.each([
    'whsec_',
    'whsec_AAAA',
    `whsec_${Buffer.alloc(65).toString('base64')}`,
    Buffer.alloc(32).toString('base64'),
    'whsec_***',
  ])('takes no secret outside of 24 to 64 bytes: %s', (bad) => {
    expect(webhook.settings.safeParse({ secret: bad })).toMatchObject({ success: false })
  })
})
