import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MessageDocument, PutProviderDocument, SendDocument } from '../generated/graphql.ts'
import { dataOf, type House, house, MODES, refusalOf } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes !!!').toString('base64')}`

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let place: Receiver

    beforeAll(async () => {
      place = await startReceiver()
      home = await house({ mode })
      const input = { kind: 'webhook', settings: { secret: SECRET } }
      dataOf(await home.client.send(PutProviderDocument, { id: 'webhook', input }))
    })
    afterAll(async () => {
      await home.stop()
      await place.close()
    })
    beforeEach(() => {
      place.received.length = 0
      place.answer = answering(200)
    })

    const sendTo = (path: string) =>
      home.send({
        to: [{ webhook: { url: `${place.url}${path}`, headers: [{ name: 'X-Room', value: '8' }] } }],
        content: { title: 'Ding' },
        data: { a: 'é' },
      })
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!

    test('A webhook is signed over its very bytes, with the headers that were asked for', async () => {
      const id = await sendTo('/signed')
      await home.journey(id)
      expect(place.received).toHaveLength(1)
      const { body, headers, method } = place.received[0]!
      expect([method, headers['x-room'], headers['content-type']]).toEqual(['POST', '8', 'application/json'])
      const verified = new Webhook(SECRET).verify(body, headers as Record<string, string>)
      expect(verified).toMatchObject({ type: 'message', data: { messageId: id, title: 'Ding', data: { a: 'é' } } })
      expect(() => new Webhook(SECRET).verify(`${body} `, headers as Record<string, string>)).toThrow()
    })

    test('A place that is busy is tried again with the same webhook-id, and the message is SENT', async () => {
      place.answer = (response) => void response.writeHead(place.received.length === 1 ? 503 : 200).end()
      const id = await sendTo('/busy')
      const types = (await home.journey(id)).map(({ type }) => type)
      expect(types).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'RETRYING', 'DELIVERING', 'SENT'])
      expect(new Set(place.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1)
      const [delivery] = (await messageOf(id)).deliveries
      expect(delivery?.attempts.map(({ outcome, code }) => [outcome, code])).toEqual([
        ['RETRY', '503'],
        ['ACCEPTED', '200'],
      ])
    })

    test('Retry-After is a lower bound for the next try', async () => {
      place.answer = (response) => void response.writeHead(place.received.length === 1 ? 429 : 200, { 'retry-after': '2' }).end()
      const id = await sendTo('/later')
      await home.journey(id)
      const [first, second] = (await messageOf(id)).deliveries[0]!.attempts
      expect(Date.parse(second!.startedAt) - Date.parse(first!.endedAt!)).toBeGreaterThanOrEqual(2_000)
    })

    test.each([
      [400, 'PROVIDER_ERROR'],
      [401, 'PROVIDER_ERROR'],
      [410, 'BOUNCED'],
      [413, 'FAILED'],
      [302, 'PROVIDER_ERROR'],
    ])('A place that answers %i ends the message for good', async (status, reason) => {
      place.answer = answering(status, { location: 'http://169.254.169.254/' })
      const id = await sendTo(`/${status}`)
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason })
      expect(place.received).toHaveLength(1)
      place.answer = answering(200)
      expect((await home.journey(await sendTo('/next'))).at(-1)?.status).toBe('SENT')
    })

    test.each([
      'http://10.0.0.1/',
      'http://169.254.169.254/latest/meta-data/',
      'https://[::1]/',
      'file:///etc/passwd',
      'https://user:pass@example.com/',
      'not a url',
      `https://example.com/${'x'.repeat(3_000)}`,
    ])('A webhook to %s is refused when it is sent', async (url) => {
      const refused = await home.client.send(SendDocument, { input: { to: [{ webhook: { url } }], content: { title: 'x' } } })
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.to.0.webhook.url' })
    })

    test.each([
      { name: 'Host', value: 'evil.test' },
      { name: 'X-A\r\nHost', value: 'x' },
      { name: 'X-A', value: 'v\r\nHost: evil.test' },
      { name: 'webhook-id', value: 'mine' },
      { name: 'Content-Length', value: '0' },
    ])('The header %j is refused', async (header) => {
      const webhook = { url: `${place.url}/`, headers: [header] }
      const refused = await home.client.send(SendDocument, { input: { to: [{ webhook }], content: { title: 'x' } } })
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.to.0.webhook.headers.0' })
    })
  })
}
