import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, PutEnvironmentDocument, PutWebhookEndpointDocument, SendDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'
import { scaled } from '../support/scale.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let place: Receiver

    beforeAll(async () => {
      place = await startReceiver()
      home = await house({ mode })
    })
    afterAll(async () => {
      await home.stop()
      await place.close()
    })
    beforeEach(() => {
      place.received.length = 0
      place.answer = answering(200)
    })

    const put = async (id: string, { client = home.client, url = place.url } = {}) =>
      dataOf(await client.send(PutWebhookEndpointDocument, { id, input: { url: `${url}/${id}` } })).putWebhookEndpoint
    const sendMail = async (client: Client = home.client) => {
      const input = { to: [{ email: 'ada@example.com' }], content: { title: 'Ding', body: 'Dong' } }
      dataOf(await client.send(SendDocument, { input }))
    }
    const at = (path: string) => place.received.filter((one) => one.path === `/${path}`)
    const enterAnother = async (id: string) => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id, input: { name: id } }))
      const input = { name: id, scopes: ['ADMIN' as const], environmentId: id }
      return home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
    }

    test('Very many endpoints that never answer, of two environments, keep no other waiting', async () => {
      const places = await Promise.all([startReceiver(), startReceiver()])
      try {
        for (const one of places) one.answer = () => {}
        const other = await enterAnother('other')
        for (let index = 0; index < 49; index += 1) await put(`hanging-${index}`, { url: places[0].url })
        for (let index = 0; index < 21; index += 1) await put(`hanging-${index}`, { client: other, url: places[1].url })
        await put('quick')
        for (let count = 0; count < 8; count += 1) {
          await sendMail()
          await sendMail(other)
        }
        await expect.poll(() => at('quick').length, { timeout: 10_000, interval: 50 }).toBe(24)
        // Later, too, when the first calls have timed out and others are made.
        for (let round = 1; round <= scaled(1, 20); round += 1) {
          await sendMail()
          await expect.poll(() => at('quick').length, { timeout: 5_000, interval: 20 }).toBe(24 + 3 * round)
          await new Promise((resolve) => setTimeout(resolve, scaled(0, 2_000)))
        }
      } finally {
        await Promise.all(places.map((one) => one.close()))
      }
    }, 180_000)
  })
}
