import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, Provider } from '../../src/channels/provider.ts'
import {
  CreateApiKeyDocument,
  DeleteProviderDocument,
  MessageDocument,
  MessageEventsDocument,
  ProviderDocument,
  PutProviderDocument,
  SendDocument,
} from '../generated/graphql.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'
import { startSmtp } from '../support/smtp.ts'

/** A provider of somebody else’s whose answers wait for the test. */
const POST = { kind: 'post', channel: 'EMAIL', name: 'Post', settings: z.object({}) } as const

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const post: Pick<Provider, 'deliver'> = { deliver: () => Promise.resolve({ kind: 'accepted' }) }

    beforeAll(async () => {
      home = await house({ mode, world: { providers: [{ ...POST, deliver: (...call) => post.deliver(...call) }] } })
    })
    afterAll(() => home.stop())
    afterEach(async () => {
      home.smtp.script = {}
      for (const id of ['smtp', 'inbox', 'first', 'second']) await home.client.send(DeleteProviderDocument, { id })
    })

    const content = { title: 'Hello' }
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const typesOf = async (id: string) => (await home.journey(id)).map(({ type }) => type)

    test('A mailbox that does not exist ends the message BOUNCED, in the words of its mail server', async () => {
      home.smtp.script = { rcpt: '550 5.1.1 No such mailbox here' }
      const id = await home.send({ to: [{ email: 'gone@example.com' }], content })
      expect(await typesOf(id)).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'UNDELIVERABLE'])
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'BOUNCED', sentAt: null })
      expect(message.error).toContain('No such mailbox here')
      expect(message.deliveries).toMatchObject([{ status: 'UNDELIVERABLE', attempts: [{ outcome: 'REJECTED', code: '550' }] }])
    })

    test('A bounce goes on to the next channel, where the recipient has one', async () => {
      home.smtp.script = { rcpt: '550 5.1.1 No such mailbox here' }
      const id = await home.send({ to: [{ userId: 'bouncing', email: 'bouncing@example.com' }], content })
      const steps = ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'FAILED_OVER', 'RENDERED', 'DELIVERING', 'SENT']
      expect(await typesOf(id)).toEqual(steps)
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'SENT', reason: null, error: null })
      expect(message.deliveries.map(({ channel, status }) => [channel, status])).toEqual([
        ['EMAIL', 'UNDELIVERABLE'],
        ['INBOX', 'SENT'],
      ])
    })

    test('A mail server that is busy for a moment gets a quick second try', async () => {
      home.smtp.script = { rcpt: '421 4.3.2 Busy' }
      const id = await home.send({ to: [{ email: 'busy@example.com' }], content })
      const seen: string[] = []
      for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } })) {
        const { type } = dataOf(result).messageEvents
        seen.push(type)
        if (type === 'RETRYING') home.smtp.script = {}
        if (type === 'SENT') break
      }
      expect(seen).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'RETRYING', 'DELIVERING', 'SENT'])
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'SENT', error: null })
      expect(message.deliveries[0]?.attempts.map(({ outcome }) => outcome)).toEqual(['RETRY', 'ACCEPTED'])
      expect(message.deliveries[0]).toMatchObject({ status: 'SENT', error: null, nextAttemptAt: null })
    })

    test('An account whose login is refused is passed over until it is put again, and the message goes through the next', async () => {
      const locked = await startSmtp({ login: true })
      locked.script = { auth: '535 5.7.8 Bad password' }
      try {
        const host = new URL(locked.url).host
        const settings = { url: `smtp://user:word@${host}`, from: 'first@example.com' }
        const first = { kind: 'smtp', settings, priority: -2 }
        dataOf(await home.client.send(PutProviderDocument, { id: 'first', input: first }))
        const other = { kind: 'smtp', settings: { url: home.smtp.url, from: 'second@example.com' }, priority: -1 }
        dataOf(await home.client.send(PutProviderDocument, { id: 'second', input: other }))
        const id = await home.send({ to: [{ email: 'over@example.com' }], content })
        const events = await home.journey(id)
        expect(events.map(({ type, providerId }) => [type, providerId])).toEqual([
          ['ENQUEUED', null],
          ['ROUTED', null],
          ['RENDERED', 'first'],
          ['DELIVERING', 'first'],
          ['FAILED_OVER', 'second'],
          ['RENDERED', 'second'],
          ['DELIVERING', 'second'],
          ['SENT', 'second'],
        ])
        expect(events.find(({ type }) => type === 'FAILED_OVER')?.error).toContain('535')
        const { provider } = dataOf(await home.client.send(ProviderDocument, { id: 'first' }))
        expect(provider?.health).toBe('MISCONFIGURED')
        expect(provider?.lastError).toContain('535')
        expect(provider?.lastError).not.toContain('word')
        const calls = locked.connections
        await home.journey(await home.send({ to: [{ email: 'over2@example.com' }], content }))
        expect(locked.connections).toBe(calls)
        const put = dataOf(await home.client.send(PutProviderDocument, { id: 'first', input: first })).putProvider
        expect(put).toMatchObject({ health: 'OK', lastError: null })
      } finally {
        await locked.close()
      }
    })

    test('An account that was put again stays whole, although a call with its old settings is refused afterwards', async () => {
      dataOf(await home.client.send(PutProviderDocument, { id: 'first', input: { kind: 'post', settings: {}, priority: -9 } }))
      const called = new Promise<(outcome: Outcome) => void>((resolve) => {
        post.deliver = () => new Promise(resolve)
      })
      const id = await home.send({ to: [{ email: 'meanwhile@example.com' }], content })
      const answer = await called
      dataOf(await home.client.send(PutProviderDocument, { id: 'first', input: { kind: 'post', settings: {}, priority: -9 } }))
      answer({ kind: 'misconfigured', error: 'The old password is wrong.' })
      await home.journey(id)
      const { provider } = dataOf(await home.client.send(ProviderDocument, { id: 'first' }))
      expect(provider).toMatchObject({ health: 'OK', lastError: null })
    })

    test('A recipient whose only channel has no provider enabled ends the message UNROUTABLE, and the decisions say why', async () => {
      await home.client.send(PutProviderDocument, { id: 'inbox', input: { kind: 'inbox', settings: {}, enabled: false } })
      const id = await home.send({ to: [{ userId: 'no-address' }], content })
      const events = await home.journey(id)
      expect(events.map(({ type, reason }) => [type, reason])).toEqual([
        ['ENQUEUED', null],
        ['UNROUTABLE', 'NO_PROVIDERS'],
      ])
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'UNROUTABLE', reason: 'NO_PROVIDERS', deliveries: [] })
      const refused = message.decisions.filter(({ rule, passed }) => rule === 'provider' && !passed)
      expect(refused).toMatchObject([{ subject: 'inbox', because: 'is disabled' }])
    })

    test('A key for simulation goes the whole way but calls no provider', async () => {
      const { createApiKey } = dataOf(
        await home.client.send(CreateApiKeyDocument, { input: { name: 'Sim', scopes: ['SEND'], mode: 'SIMULATE' } }),
      )
      expect(createApiKey.secret).toMatch(/^ck_sim_/)
      const before = home.smtp.connections
      const simulating = home.enter(createApiKey.secret)
      const { send } = dataOf(await simulating.send(SendDocument, { input: { to: [{ email: 'sim@example.com' }], content } }))
      expect(await typesOf(send.requestId)).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'SIMULATED'])
      const message = await messageOf(send.requestId)
      expect(message).toMatchObject({ status: 'SIMULATED', deliveries: [{ status: 'SIMULATED', attempts: [] }] })
      expect(message.output).toMatchObject([{ channel: 'EMAIL', subject: 'Hello' }])
      expect(home.smtp.connections).toBe(before)
    })
  })
}
