import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { MessageDocument, PutEnvironmentDocument, PutProviderDocument, type SendInput } from '../generated/graphql.ts'
import { hireCarriers } from '../support/carriers.ts'
import { ask, planOf } from '../support/graph.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'

const NO_MAILBOX = { kind: 'rejected', what: 'address', error: 'No such mailbox.', code: '550' } as const
const BAD_REQUEST = { kind: 'rejected', what: 'request', error: 'This service knows no such request.', code: '400' } as const
const BUSY = { kind: 'retry', error: 'Busy.', code: '503' } as const

const ADA = { userId: 'ada', email: 'ada@example.com', phoneNumber: '+4915112345678' }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const outside = hireCarriers({ post: 'EMAIL', courier: 'EMAIL', text: 'SMS', desk: 'INBOX' })

    beforeAll(async () => {
      home = await house({ mode, world: { providers: outside.providers, random: () => 0 } })
    })
    afterAll(() => home.stop())
    beforeEach(() => outside.open(home.client))

    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const putRouting = async (routing: SendInput['routing'] | null) =>
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'production', input: { name: 'Production', routing } }))

    /** Sends to Ada, and waits until the message stands still, and so many of its deliveries: one may take it before others. */
    async function send(more: Partial<SendInput>, deliveries = 0) {
      const input = { to: [ADA], content: { title: 'Doors open at 8' }, ...more }
      const planned = await planOf(home.client, input)
      const id = await home.send(input)
      await home.journey(id)
      const ended = async () => (await messageOf(id)).deliveries.filter(({ status }) => status !== 'ATTEMPTING').length
      await expect.poll(ended, { timeout: 10_000 }).toBeGreaterThanOrEqual(deliveries)
      const message = await messageOf(id)
      const decisions = message.decisions.map(({ rule, subject, passed, because }) => ({ rule, subject, passed, because }))
      expect(decisions.filter(({ rule }) => rule !== 'health')).toEqual(planned.decisions)
      return {
        message,
        /** Whose turn it would be, one after the other. */
        planned: planned.steps.map(({ providerId }) => providerId),
        plannedAs: [planned.outcome, planned.reason],
        calls: outside.callsFor(id),
        deliveries: message.deliveries.map(({ channel, providerId, status }) => [channel, providerId, status]),
        events: message.history.nodes.map(({ type, providerId }) => (providerId === null ? type : `${type} ${providerId}`)),
        refusals: decisions.filter(({ passed }) => !passed),
      }
    }

    describe('A routing', () => {
      test('that says SINGLE goes to the first channel that takes the message, and to no other', async () => {
        const routing = { method: 'SINGLE' as const, channels: [{ channel: 'SMS' as const }, { channel: 'EMAIL' as const }] }
        const { message, planned, calls, deliveries } = await send({ routing })
        expect(message).toMatchObject({ status: 'SENT', reason: null, error: null })
        expect(planned).toEqual(['text', 'post', 'courier'])
        expect(calls).toEqual(['text'])
        expect(deliveries).toEqual([['SMS', 'text', 'SENT']])
      })

      test('that says ALL goes to every channel, and each of them is a delivery', async () => {
        const routing = { method: 'ALL' as const, channels: [{ channel: 'SMS' as const }, { channel: 'EMAIL' as const }] }
        const { message, planned, calls, deliveries } = await send({ routing }, 2)
        expect(message.status).toBe('SENT')
        expect(planned).toEqual(['text', 'post', 'courier'])
        expect(calls.toSorted()).toEqual(['post', 'text'])
        expect(deliveries.toSorted()).toEqual([
          ['EMAIL', 'post', 'SENT'],
          ['SMS', 'text', 'SENT'],
        ])
      })

      test('that says ALL leaves the message SENT where one channel took it and the other refused: both are told', async () => {
        outside.answer('text', NO_MAILBOX)
        const routing = { method: 'ALL' as const, channels: [{ channel: 'SMS' as const }, { channel: 'INBOX' as const }] }
        const { message, calls, deliveries } = await send({ routing }, 2)
        expect(calls.toSorted()).toEqual(['desk', 'text'])
        expect(deliveries.toSorted()).toEqual([
          ['INBOX', 'desk', 'SENT'],
          ['SMS', 'text', 'UNDELIVERABLE'],
        ])
        expect(message).toMatchObject({ status: 'SENT', reason: null })
        const refused = message.deliveries.find(({ providerId }) => providerId === 'text')
        expect(refused).toMatchObject({
          error: 'No such mailbox.',
          attempts: [{ number: 1, outcome: 'REJECTED', code: '550', error: 'No such mailbox.' }],
        })
      })

      test('that says ALL ends UNDELIVERABLE where every channel refused', async () => {
        outside.answer('text', NO_MAILBOX)
        outside.answer('desk', BAD_REQUEST)
        const routing = { method: 'ALL' as const, channels: [{ channel: 'SMS' as const }, { channel: 'INBOX' as const }] }
        const { message, deliveries } = await send({ routing }, 2)
        expect(message.status).toBe('UNDELIVERABLE')
        expect(deliveries.map(([, , status]) => status)).toEqual(['UNDELIVERABLE', 'UNDELIVERABLE'])
      })

      test('within another has its own method: one of the mail accounts, and a text message', async () => {
        outside.answer('post', BAD_REQUEST)
        const mail = { method: 'SINGLE' as const, channels: [{ providerId: 'post' }, { providerId: 'courier' }] }
        const routing = { method: 'ALL' as const, channels: [{ routing: mail }, { channel: 'SMS' as const }] }
        const { message, calls, deliveries } = await send({ routing }, 3)
        expect(message.status).toBe('SENT')
        expect(calls.toSorted()).toEqual(['courier', 'post', 'text'])
        expect(deliveries.toSorted()).toEqual([
          ['EMAIL', 'courier', 'SENT'],
          ['EMAIL', 'post', 'UNDELIVERABLE'],
          ['SMS', 'text', 'SENT'],
        ])
      })

      test('whose first branch is ALL goes on to the next only where nothing of that branch took the message', async () => {
        const both = { method: 'ALL' as const, channels: [{ channel: 'EMAIL' as const }, { channel: 'INBOX' as const }] }
        const routing = { method: 'SINGLE' as const, channels: [{ routing: both }, { channel: 'SMS' as const }] }
        outside.answer('desk', BAD_REQUEST)
        expect((await send({ routing }, 2)).calls.toSorted()).toEqual(['desk', 'post'])
        outside.answer('post', NO_MAILBOX)
        const { message, calls } = await send({ routing }, 3)
        expect(calls.toSorted()).toEqual(['desk', 'post', 'text'])
        expect(calls.at(-1)).toBe('text')
        expect(message.status).toBe('SENT')
      })

      test('may name an account, which alone is tried then', async () => {
        outside.answer('courier', NO_MAILBOX)
        const routing = { method: 'SINGLE' as const, channels: [{ providerId: 'courier' }] }
        const { message, planned, calls } = await send({ routing })
        expect(planned).toEqual(['courier'])
        expect(calls).toEqual(['courier'])
        expect(message).toMatchObject({ status: 'UNDELIVERABLE', reason: 'BOUNCED', error: 'No such mailbox.' })
      })

      test('that names an account which is not there passes it over, and ends the message where nothing else is named', async () => {
        const named = [{ providerId: 'nowhere' }, { channel: 'SMS' as const }]
        const other = await send({ routing: { method: 'SINGLE', channels: named } })
        expect(other.calls).toEqual(['text'])
        const unknown = { rule: 'provider', subject: 'nowhere', passed: false, because: 'there is no such account' }
        expect(other.refusals).toEqual([unknown])
        const alone = await send({ routing: { method: 'SINGLE', channels: [{ providerId: 'nowhere' }] } })
        expect(alone.plannedAs).toEqual(['UNROUTABLE', 'PROVIDER_ERROR'])
        expect(alone.message).toMatchObject({ status: 'UNROUTABLE', reason: 'PROVIDER_ERROR', deliveries: [] })
        expect(alone.message.error).toContain("'nowhere'")
        expect(alone.refusals).toContainEqual(unknown)
      })

      test('on whose channels the recipient has no address ends the message UNROUTABLE, NO_CHANNELS', async () => {
        const routing = { method: 'SINGLE' as const, channels: [{ channel: 'SMS' as const }, { channel: 'PUSH' as const }] }
        const { message, plannedAs } = await send({ to: [{ email: 'only@example.com' }], routing })
        expect(plannedAs).toEqual(['UNROUTABLE', 'NO_CHANNELS'])
        expect(message).toMatchObject({ status: 'UNROUTABLE', reason: 'NO_CHANNELS' })
      })

      test('of the environment holds where the message has none', async () => {
        await putRouting({ method: 'SINGLE', channels: [{ channel: 'SMS' }] })
        try {
          const { calls, message } = await send({})
          expect(calls).toEqual(['text'])
          expect(message.decisions.at(-1)).toMatchObject({ rule: 'route', passed: true, detail: { routing: 'environment' } })
          const own = await send({ routing: { method: 'SINGLE', channels: [{ channel: 'INBOX' }] } })
          expect(own.calls).toEqual(['desk'])
          expect(own.message.decisions.at(-1)).toMatchObject({ rule: 'route', detail: { routing: 'message' } })
        } finally {
          await putRouting(null)
        }
        const { planned, message } = await send({})
        expect(planned).toEqual(['post', 'courier', 'text', 'desk'])
        expect(message.decisions.at(-1)).toMatchObject({ rule: 'route', detail: { routing: 'default' } })
      })
    })

    describe('A failover', () => {
      test('goes to the next account of the channel and then to the next channel, and the history tells from where', async () => {
        outside.answer('post', BAD_REQUEST)
        outside.answer('courier', { kind: 'misconfigured', error: 'Wrong password.', code: '401' })
        const { message, planned, calls, deliveries, events } = await send({})
        expect(planned).toEqual(['post', 'courier', 'text', 'desk'])
        expect(calls).toEqual(['post', 'courier', 'text'])
        expect(deliveries).toEqual([
          ['EMAIL', 'post', 'UNDELIVERABLE'],
          ['EMAIL', 'courier', 'UNDELIVERABLE'],
          ['SMS', 'text', 'SENT'],
        ])
        expect(events).toEqual([
          'ENQUEUED',
          'ROUTED',
          'RENDERED post',
          'DELIVERING post',
          'FAILED_OVER courier',
          'RENDERED courier',
          'DELIVERING courier',
          'FAILED_OVER text',
          'RENDERED text',
          'DELIVERING text',
          'SENT text',
        ])
        const over = message.history.nodes.filter(({ type }) => type === 'FAILED_OVER')
        expect(over.map(({ channel, detail }) => [channel, detail])).toEqual([
          ['EMAIL', { from: { channel: 'EMAIL', providerId: 'post' } }],
          ['SMS', { from: { channel: 'EMAIL', providerId: 'courier' } }],
        ])
        const attempts = message.deliveries.map((delivery) => delivery.attempts.map(({ outcome, code }) => [outcome, code]))
        expect(attempts).toEqual([[['REJECTED', '400']], [['MISCONFIGURED', '401']], [['ACCEPTED', null]]])
      })

      test('comes after one quick second try where the account is only busy', async () => {
        outside.answer('post', BUSY)
        const { message, calls, deliveries } = await send({})
        expect(calls).toEqual(['post', 'post', 'courier'])
        expect(deliveries).toEqual([
          ['EMAIL', 'post', 'UNDELIVERABLE'],
          ['EMAIL', 'courier', 'SENT'],
        ])
        expect(message.deliveries[0]!.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([
          [1, 'RETRY'],
          [2, 'RETRY'],
        ])
        expect(message.history.nodes.filter(({ type }) => type === 'RETRYING').length).toBeGreaterThan(0)
      })

      test('passes over an account that failed again and again, and the message says until when and why', async () => {
        outside.answer('post', BUSY)
        const isFailing = async () => {
          const { provider } = await ask<{ provider: { health: string } }>(home.client, '{ provider(id: "post") { health } }')
          return provider.health === 'FAILING'
        }
        // Each process counts for itself, until one of them has told the others.
        for (let sent = 0; sent < 12 && !(await isFailing()); sent += 1) await send({})
        const { message, calls, refusals } = await send({})
        expect(calls).toEqual(['courier'])
        expect(refusals.filter(({ rule }) => rule === 'health')).toEqual([
          {
            rule: 'health',
            subject: 'post',
            passed: false,
            because: expect.stringMatching(/^it is passed over until 20\d\d-[-:.0-9TZ]+: it fails/),
          },
        ])
        expect(message.deliveries.map(({ providerId }) => providerId)).toEqual(['courier'])
      })

      test('leaves out the other accounts of a channel whose address was refused', async () => {
        outside.answer('post', NO_MAILBOX)
        expect((await send({})).calls).toEqual(['post', 'text'])
      })
    })

    describe('The accounts of a channel', () => {
      const put = async (id: string, more: { priority?: number; enabled?: boolean }) =>
        dataOf(await home.client.send(PutProviderDocument, { id, input: { kind: id, settings: {}, ...more } }))

      test('are tried in the order of their priority, and one that is disabled is not', async () => {
        await put('post', { priority: 9 })
        expect((await send({})).planned).toEqual(['courier', 'post', 'text', 'desk'])
        await put('courier', { priority: 0, enabled: false })
        const { planned, calls, refusals } = await send({})
        expect(planned).toEqual(['post', 'text', 'desk'])
        expect(calls).toEqual(['post'])
        expect(refusals).toContainEqual({ rule: 'provider', subject: 'courier', passed: false, because: 'is disabled' })
      })

      test('are those that the send names, in its order, and no others', async () => {
        outside.answer('courier', BAD_REQUEST)
        const { planned, calls } = await send({ channels: { email: { providerIds: ['courier', 'post'] } } })
        expect(planned).toEqual(['courier', 'post', 'text', 'desk'])
        expect(calls).toEqual(['courier', 'post'])
        expect((await send({ channels: { email: { providerIds: ['courier'] } } })).calls).toEqual(['courier', 'text'])
      })

      test('all get the message where the channel says ALL', async () => {
        const { calls, deliveries } = await send({ channels: { email: { method: 'ALL' } } }, 2)
        expect(calls.toSorted()).toEqual(['courier', 'post'])
        expect(deliveries.toSorted()).toEqual([
          ['EMAIL', 'courier', 'SENT'],
          ['EMAIL', 'post', 'SENT'],
        ])
      })
    })

    describe('A condition', () => {
      const channels = { email: { if: 'data.amount > 100 && profile.plan == "gold"' } }
      const to = (plan: string) => [{ ...ADA, profile: { plan } }]

      test('lets its channel be tried where it holds', async () => {
        const { calls, message } = await send({ channels, to: to('gold'), data: { amount: 101 } })
        expect(calls).toEqual(['post'])
        const asked = message.decisions.filter(({ rule }) => rule === 'condition')
        expect(asked).toMatchObject([{ subject: 'EMAIL', passed: true }])
      })

      test('that does not hold leaves its channel out: the next has its turn, and the decisions say why', async () => {
        const { planned, calls, refusals } = await send({ channels, to: to('gold'), data: { amount: 100 } })
        expect(planned).toEqual(['text', 'desk'])
        expect(calls).toEqual(['text'])
        expect(refusals[0]).toMatchObject({ rule: 'condition', subject: 'EMAIL' })
        expect(refusals[0]!.because).toContain('data.amount > 100')
      })

      test('that asks about what is not there does not hold, and says what is missing', async () => {
        const { calls, refusals } = await send({ channels, to: to('gold') })
        expect(calls).toEqual(['text'])
        expect(refusals[0]).toMatchObject({ rule: 'condition', subject: 'EMAIL' })
        expect(refusals[0]!.because).toBe('data.amount is missing: has(data.amount) asks whether it is there.')
      })

      test('of an account leaves out that account alone', async () => {
        const { planned, calls } = await send({ providers: [{ providerId: 'post', if: 'false' }] })
        expect(planned).toEqual(['courier', 'text', 'desk'])
        expect(calls).toEqual(['courier'])
      })

      test('that leaves nothing to try ends the message FILTERED', async () => {
        const routing = { method: 'SINGLE' as const, channels: [{ channel: 'EMAIL' as const }] }
        const { message, plannedAs, calls } = await send({ routing, channels, to: to('silver'), data: { amount: 500 } })
        expect(plannedAs).toEqual(['FILTERED', 'FILTERED'])
        expect(message).toMatchObject({ status: 'FILTERED', reason: 'FILTERED', deliveries: [] })
        expect(message.history.nodes.map(({ type }) => type)).toEqual(['ENQUEUED', 'FILTERED'])
        expect(calls).toEqual([])
      })

      test('is not asked where the user chose the channel', async () => {
        await ask(home.client, 'mutation { putTopic(id: "doors", input: { name: "Doors", defaultStatus: OPTED_IN }) { id } }')
        const choice =
          'setPreference(userId: "chooser", input: { topicId: "doors", status: OPTED_IN, channels: [EMAIL] }) { status }'
        await ask(home.client, `mutation { ${choice} }`)
        const chosen = await send({
          to: [{ ...ADA, userId: 'chooser' }],
          topicId: 'doors',
          channels: { email: { if: 'false' } },
        })
        expect(chosen.planned).toEqual(['post', 'courier'])
        expect(chosen.calls).toEqual(['post'])
      })
    })
  })
}
