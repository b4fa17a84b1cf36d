import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  IssueTokenDocument,
  MessageDocument,
  PutDeviceTokenDocument,
  UserDocument,
  WebPushPublicKeyDocument,
} from '../generated/graphql.ts'
import { dataOf, type House, house, MODES, refusalOf } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'
import { newBrowser } from '../support/push.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let service: Receiver

    beforeAll(async () => {
      service = await startReceiver({ answer: answering(201) })
      home = await house({ mode })
    })
    afterAll(async () => {
      await home.stop()
      await service.close()
    })

    async function subscribe(userId: string, device: string) {
      const browser = newBrowser()
      const path = `/${userId}/${device}`
      const input = { token: `${service.url}${path}`, keys: browser.keys, kind: 'webpush' }
      const { putDeviceToken } = dataOf(await home.client.send(PutDeviceTokenDocument, { userId, input }))
      expect(putDeviceToken).toMatchObject({ status: 'ACTIVE', token: input.token })
      return { ...browser, input, arrived: () => service.received.filter((received) => received.path === path) }
    }
    const sendTo = (userId: string) =>
      home.send({ to: [{ userId }], content: { title: 'Ring', body: 'Ring ring' }, data: { n: 1 } })
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!

    /** Until every device has its answer: the message stands still with the first. */
    async function answered(id: string, devices: number) {
      for (;;) {
        const { deliveries } = await messageOf(id)
        if (deliveries.length === devices && deliveries.every(({ status }) => status !== 'ATTEMPTING' && status !== 'RETRYING')) {
          return deliveries
        }
      }
    }

    test("A push reaches each of a user's devices, readable there alone", async () => {
      const [phone, laptop] = [await subscribe('two-devices', 'phone'), await subscribe('two-devices', 'laptop')]
      const id = await sendTo('two-devices')
      const deliveries = await answered(id, 2)
      expect(deliveries.map(({ status }) => status)).toEqual(['SENT', 'SENT'])
      for (const device of [phone, laptop]) {
        expect(device.arrived()).toHaveLength(1)
        const { body, headers } = device.arrived()[0]!
        expect(device.read(body)).toMatchObject({ title: 'Ring', body: 'Ring ring', messageId: id })
        expect(headers.authorization).toContain('vapid t=')
        expect(body.toString('latin1')).not.toContain('Ring')
      }
      const types = (await messageOf(id)).history.nodes.map(({ type }) => type)
      // Both are called at once.
      expect(types).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'RENDERED', 'DELIVERING', 'SENT', 'SENT'])
      expect((await messageOf(id)).history.nodes.at(-1)).toMatchObject({ status: 'SENT' })
    })

    test('A device that is busy for a moment is tried again, although another took the message', async () => {
      const [first, busy] = [await subscribe('busy-device', 'first'), await subscribe('busy-device', 'second')]
      let refusals = 0
      service.answer = (response, { path }) => {
        const refuse = path.endsWith('second') && refusals === 0
        refusals += refuse ? 1 : 0
        response.writeHead(refuse ? 503 : 201).end()
      }
      const id = await sendTo('busy-device')
      const deliveries = await answered(id, 2)
      expect(deliveries.map(({ status }) => status)).toEqual(['SENT', 'SENT'])
      expect(first.arrived()).toHaveLength(1)
      expect(busy.arrived()).toHaveLength(2)
      service.answer = answering(201)
    })

    test('A device that is gone is retired with the reason, and not tried again', async () => {
      const [dead, alive] = [await subscribe('one-dead', 'dead'), await subscribe('one-dead', 'alive')]
      service.answer = (response, { path }) => void response.writeHead(path.endsWith('dead') ? 410 : 201).end()
      const first = await sendTo('one-dead')
      expect((await answered(first, 2)).map(({ status }) => status).sort()).toEqual(['SENT', 'UNDELIVERABLE'])
      expect((await messageOf(first)).status).toBe('SENT')
      const { user } = dataOf(await home.client.send(UserDocument, { id: 'one-dead' }))
      const statuses = Object.fromEntries(user!.deviceTokens.map(({ token, status }) => [token.split('/').at(-1), status]))
      expect(statuses).toEqual({ dead: 'FAILED', alive: 'ACTIVE' })
      expect(user!.deviceTokens.find(({ status }) => status === 'FAILED')?.statusReason).toBe('The push subscription has ended.')
      const second = await sendTo('one-dead')
      expect(await answered(second, 1)).toMatchObject([{ status: 'SENT' }])
      expect(dead.arrived()).toHaveLength(1)
      expect(alive.arrived()).toHaveLength(2)
      service.answer = answering(201)
      dataOf(await home.client.send(PutDeviceTokenDocument, { userId: 'one-dead', input: dead.input }))
      await answered(await sendTo('one-dead'), 2)
      expect(dead.arrived()).toHaveLength(2)
    })

    test('When every device is gone, the message goes to the inbox', async () => {
      await subscribe('all-dead', 'a')
      service.answer = answering(410)
      const id = await sendTo('all-dead')
      const events = await home.journey(id)
      expect(events.map(({ type }) => type)).toContain('FAILED_OVER')
      expect(events.at(-1)).toMatchObject({ type: 'SENT', channel: 'INBOX' })
      service.answer = answering(201)
    })

    test('A user puts a device with a token of its own, and only for itself; the keys are never shown', async () => {
      const issued = await home.client.send(IssueTokenDocument, {
        input: { userId: 'own-device', scopes: ['DEVICE_TOKENS_WRITE'], expiresIn: 'PT1H' },
      })
      const own = home.enter(dataOf(issued).issueToken.token)
      const { webPushPublicKey } = dataOf(await own.send(WebPushPublicKeyDocument, {}))
      expect(Buffer.from(webPushPublicKey!, 'base64url')).toHaveLength(65)
      const { keys } = newBrowser()
      const input = { token: `${service.url}/own`, keys, kind: 'webpush' }
      const put = await own.send(PutDeviceTokenDocument, { input })
      expect(JSON.stringify(dataOf(put))).not.toContain(keys.auth)
      expect(refusalOf(await own.send(PutDeviceTokenDocument, { userId: 'two-devices', input })).code).toBe('NOT_FOUND')
      await home.journey(await sendTo('own-device'))
      expect(service.received.filter(({ path }) => path === '/own')).toHaveLength(1)
    })

    test.each([
      ['keys', { keys: { p256dh: 'AAAA', auth: 'AAAA' } }],
      ['keys', { keys: null }],
      ['token', { token: 'http://169.254.169.254/' }],
      ['kind', { kind: 'smtp' }],
    ])('A subscription with wrong %s is refused (%j)', async (field, wrong) => {
      const input = { token: `${service.url}/x`, keys: newBrowser().keys, kind: 'webpush', ...wrong }
      const refused = await home.client.send(PutDeviceTokenDocument, { userId: 'wrong', input })
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path: `input.${field}` })
    })
  })
}
