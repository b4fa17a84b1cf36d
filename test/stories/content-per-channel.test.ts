import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outgoing, Provider } from '../../src/channels/provider.ts'
import { type ContentInput, InboxMessageDocument, MessageDocument, PutProviderDocument } from '../generated/graphql.ts'
import { ask } from '../support/graph.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'
import { isFull } from '../support/scale.ts'

const TENANT = 'mutation ($id: ID!) { putTenant(id: $id, input: { name: "A tenant" }) { id } }'

/** As much of everything as a document may have: more than a thread does in a second. */
function heavy(n: number): ContentInput {
  const many = (count: number, element: (index: number) => object) => Array.from({ length: count }, (_, index) => element(index))
  return {
    title: `Heavy ${n}`,
    elements: [
      ...many(1_900 - n, (index) => ({ type: 'action', content: `Press ${index}`, href: 'https://shop.test' })),
      ...many(10, () => ({ type: 'html', content: '<p>a</p>'.repeat(7_000) })),
      ...many(5, (index) => ({ type: 'text', content: `${index} ${n}\n\n${'- a\n'.repeat(4_500)}` })),
    ],
  }
}

/** How often the time that work takes goes by until it is done: once, on a machine that does nothing else. */
function lateness(): number {
  const began = performance.now()
  const { user } = process.cpuUsage()
  let workedMs = 0
  while (workedMs < 200) workedMs = (process.cpuUsage().user - user) / 1_000
  return Math.max(1, (performance.now() - began) / workedMs)
}

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
      home = await house({ mode, world: { providers: [phones('near'), phones('far')] }, ownThreads: true })
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

    test('Templates that never end fail their own messages', async () => {
      const body = `${'{{#each data.all}}'.repeat(6)}x${'{{/each}}'.repeat(6)}`
      const data = { all: Array.from({ length: 100 }, (_, index) => index) }
      const id = await home.send({ to: [{ email: 'ada@example.com' }], content: { title: 'x', body }, data })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason: 'RENDER_ERROR' })
    })

    // Which threads end, and who waits for them, is counted where it is decided, too (pool.test.ts). The two modes share how
    // they render, so that the short form has what is harder: one process for all.
    test.runIf(isFull || mode === 'embedded and in process').each(isFull ? [2, 3] : [2])(
      "While %i tenants have documents that end threads, another's messages leave within 2 seconds each (G18)",
      { retry: 2, timeout: 180_000 },
      async (count) => {
        const to = [{ email: 'ada@example.com' }]
        const bombers = Array.from({ length: count }, (_, index) => `bomber-${index}`)
        for (const id of [...bombers, 'others']) await ask(home.client, TENANT, { id })
        // Every worker's threads have begun.
        const warm = [...bombers, 'others'].flatMap((tenantId) => Array.from({ length: 10 }, () => tenantId))
        const sent = await Promise.all(warm.map((tenantId) => home.send({ to, content: { title: 'Warm' }, tenantId })))
        await home.settled(sent)
        const before = lateness()
        const bombs = await Promise.all(
          (isFull ? [...bombers, ...bombers] : bombers).map((tenantId, n) => home.send({ to, content: heavy(n), tenantId })),
        )
        const isOver = { yet: false }
        const over = home.settled(bombs).finally(() => {
          isOver.yet = true
        })
        const took: number[] = []
        while (!isOver.yet) {
          const started = performance.now()
          const journey = await home.journey(await home.send({ to, content: { title: 'On time' }, tenantId: 'others' }))
          took.push(performance.now() - started)
          expect(journey.at(-1)).toMatchObject({ type: 'SENT' })
        }
        // A machine that is twice as fast may just do it.
        for (const events of (await over).values()) expect(['UNDELIVERABLE', 'SENT']).toContain(events.at(-1)!.type)
        expect(Math.max(...took)).toBeLessThan(2_000 * Math.max(before, lateness()))
      },
    )
  })
}
