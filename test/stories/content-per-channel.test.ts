import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outgoing, Provider } from '../../src/channels/provider.ts'
import { type ContentInput, InboxMessageDocument, MessageDocument, PutProviderDocument } from '../generated/graphql.ts'
import { ask } from '../support/graph.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'

const TENANT = 'mutation ($id: ID!) { putTenant(id: $id, input: { name: "A tenant" }) { id } }'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const taken: Outgoing[] = []
    const phones = (kind: string): Provider => ({
      kind,
      channel: 'SMS',
      name: kind,
      settings: z.object({}),
      deliver: (outgoing) => {
        taken.push(outgoing)
        return Promise.resolve({ kind: 'accepted' })
      },
    })

    beforeAll(async () => {
      home = await house({ mode, world: { providers: [phones('near'), phones('far')] } })
      for (const kind of ['near', 'far']) {
        dataOf(await home.client.send(PutProviderDocument, { id: kind, input: { kind, settings: {} } }))
      }
    })
    afterAll(() => home.stop())
    beforeEach(() => {
      taken.length = 0
      home.smtp.mails.length = 0
    })

    const text = (content: string, more: object = {}) => ({ type: 'text', content, ...more })

    test('A message goes by the next channel where its content says nothing on one', async () => {
      const elements = [{ type: 'channel', channel: 'inbox', elements: [text('In the inbox alone.')] }]
      const id = await home.send({ to: [{ userId: 'ada', email: 'ada@example.com' }], content: { elements } })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'SENT', channel: 'INBOX' })
      expect(home.smtp.mails).toEqual([])
      const { message } = dataOf(await home.client.send(MessageDocument, { id }))
      expect(message!.deliveries.map(({ channel }) => channel)).toEqual(['INBOX'])
    })

    test('An inbox message brings what may be pressed, and what would lead nowhere safe is text', async () => {
      const elements = [
        text('Your order is **ready**.'),
        { type: 'action', content: 'Collect {{what}}', href: 'https://shop.test/{{what}}', action_id: 'collect' },
        { type: 'action', content: 'Unsafe', href: '{{where}}', style: 'link' },
      ]
      const data = { what: 'it', where: 'javascript:alert(1)' }
      const id = await home.send({ to: [{ userId: 'bo' }], content: { title: 'Ready', elements }, data })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'SENT', channel: 'INBOX' })
      const { inboxMessage } = dataOf(await home.client.send(InboxMessageDocument, { id, userId: 'bo' }))
      expect(inboxMessage).toMatchObject({
        title: 'Ready',
        preview: 'Your order is ready.',
        body: 'Your order is ready.\n\nUnsafe',
        actions: [{ label: 'Collect it', href: 'https://shop.test/it', data: { id: 'collect', style: 'button' } }],
      })
    })

    test('Each account says what the content has for it alone', async () => {
      const elements = [
        text('To all. '),
        text('To the near.', { channels: ['near'] }),
        text('To the far.', { channels: ['far'] }),
      ]
      const routing = { method: 'ALL' as const, channels: [{ providerId: 'near' }, { providerId: 'far' }] }
      const id = await home.send({ to: [{ phoneNumber: '+32470123456' }], content: { elements }, routing })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'SENT' })
      await expect.poll(() => taken.length).toBe(2)
      const said = taken.map(({ content }) => content.text)
      expect(said.filter((one) => one?.includes('To the near.') && !one.includes('far'))).toHaveLength(1)
      expect(said.filter((one) => one?.includes('To the far.') && !one.includes('near'))).toHaveLength(1)
    })

    test("Templates that never end fail their own messages, and another tenant's leaves within 2 seconds (G18)", async () => {
      for (const id of ['bombers', 'others']) await ask(home.client, TENANT, { id })
      const to = [{ email: 'ada@example.com' }]
      const several = (tenantId: string, content: ContentInput, data: Record<string, unknown> = {}) =>
        Promise.all(Array.from({ length: 20 }, () => home.send({ to, content, data, tenantId })))
      // Every worker's threads have begun.
      await home.settled([...(await several('others', { title: 'Warm' })), ...(await several('bombers', { title: 'Warm' }))])
      const body = `${'{{#each data.all}}'.repeat(6)}x${'{{/each}}'.repeat(6)}`
      const data = { all: Array.from({ length: 100 }, (_, index) => index) }
      const took: number[] = []
      // A machine that does something else as well may be late by itself; not each time.
      for (let round = 0; round < 3; round += 1) {
        const bombs = await several('bombers', { title: 'x', body }, data)
        const started = performance.now()
        const journey = await home.journey(await home.send({ to, content: { title: 'On time' }, tenantId: 'others' }))
        took.push(performance.now() - started)
        expect(journey.at(-1)).toMatchObject({ type: 'SENT' })
        for (const events of (await home.settled(bombs)).values()) {
          expect(events.at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason: 'RENDER_ERROR' })
        }
      }
      expect(Math.min(...took)).toBeLessThan(2_000)
    })
  })
}
