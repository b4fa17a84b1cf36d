import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outgoing, Provider } from '../../src/channels/provider.ts'
import {
  InboxEventsDocument,
  LogCursorDocument,
  MessageDocument,
  MessageEventsDocument,
  PutEnvironmentDocument,
  type SendInput,
} from '../generated/graphql.ts'
import { ask } from '../support/graph.ts'
import { collect, dataOf, type House, house, MODES } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

const LINK = 'https://shop.example/order?id=7&ref=mail'
const content = { title: 'Your order', body: `It is on its way: [follow it](${LINK}).` }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const pushed: Outgoing[] = []

    beforeAll(async () => {
      const provider: Provider = {
        kind: 'pigeon',
        channel: 'PUSH',
        name: 'Pigeon',
        settings: z.object({}),
        async deliver(outgoing) {
          pushed.push(outgoing)
          return { kind: 'accepted' }
        },
      }
      home = await house({ mode, world: { providers: [provider] } })
      await ask(home.client, 'mutation { putProvider(id: "pigeon", input: { kind: "pigeon", settings: {} }) { id } }')
      await track(true, true)
    })
    afterAll(() => home.stop())

    async function track(trackOpens: boolean, trackClicks: boolean) {
      const input = { name: 'Production', trackOpens, trackClicks }
      const { putEnvironment } = dataOf(await home.client.send(PutEnvironmentDocument, { id: 'production', input }))
      expect(putEnvironment).toMatchObject({ trackOpens, trackClicks })
    }

    /** A mail as it arrived: what of it is tracked. */
    async function mailTo(email: string, more: Partial<SendInput> = {}) {
      const id = await home.send({ to: [{ email }], content, ...more })
      await home.journey(id)
      const taken = () => home.smtp.mails.findLast(({ recipients }) => recipients.includes(email))
      await expect.poll(taken).toBeDefined()
      const { html, text } = await readMail(taken()!.source)
      const addresses = [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, address]) => address!.replaceAll('&amp;', '&'))
      return {
        id,
        text,
        addresses,
        pixel: addresses.find((address) => address.includes('/t/o/')),
        link: addresses.find((address) => address.includes('/t/c/')),
      }
    }

    const follow = (url: string) => fetch(url, { redirect: 'manual' })
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const typesOf = async (id: string) => (await messageOf(id)).history.nodes.map(({ type }) => type)

    test('Who opens a mail and follows its link moves the message to OPENED and CLICKED, live, once', async () => {
      const { id, pixel, link, text } = await mailTo('ada@example.com')
      const events = collect(
        home.clients.at(-1)!.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } }),
        ({ messageEvents }) => messageEvents,
        (seen) => seen.at(-1)?.type === 'CLICKED',
      )
      for (let time = 0; time < 3; time += 1) expect((await follow(pixel!)).headers.get('content-type')).toBe('image/gif')
      expect((await messageOf(id)).status).toBe('OPENED')
      for (let time = 0; time < 3; time += 1) {
        const answer = await follow(link!)
        expect([answer.status, answer.headers.get('location')]).toEqual([302, LINK])
      }
      await follow(pixel!)
      const seen = (await events).slice(-2).map(({ type, status, channel, providerId }) => [type, status, channel, providerId])
      expect(seen).toEqual([
        ['OPENED', 'OPENED', 'EMAIL', 'smtp'],
        ['CLICKED', 'CLICKED', 'EMAIL', 'smtp'],
      ])
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'CLICKED', deliveries: [{ status: 'CLICKED' }] })
      const { sentAt, openedAt, clickedAt } = message
      expect([sentAt, openedAt, clickedAt].map(String).toSorted()).toEqual([sentAt, openedAt, clickedAt])
      expect(await typesOf(id)).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT', 'OPENED', 'CLICKED'])
      expect(JSON.stringify(message.history)).not.toContain('shop.example')
      expect(text).toContain(LINK)
      expect(text).not.toContain('/t/')
    })

    test('A mail that is opened is opened and read in the inbox too, with counts that are true', async () => {
      const { logCursor } = dataOf(await home.client.send(LogCursorDocument, {}))
      const inbox = collect(
        home.clients.at(-1)!.subscribe(InboxEventsDocument, { userId: 'grace', after: logCursor }),
        ({ inboxEvents }) => inboxEvents,
        (seen) => seen.at(-1)?.type === 'CLICKED',
      )
      const both = {
        to: [{ userId: 'grace', email: 'grace@example.com' }],
        routing: { method: 'ALL' as const, channels: [{ channel: 'EMAIL' as const }, { channel: 'INBOX' as const }] },
      }
      const { id, pixel, link } = await mailTo('grace@example.com', both)
      await follow(pixel!)
      await follow(link!)
      const events = await inbox
      expect(events.map(({ type, counts: { total, unread, unopened } }) => [type, total, unread, unopened])).toEqual([
        ['MESSAGE', 1, 1, 1],
        ['OPENED', 1, 1, 0],
        ['READ', 1, 0, 0],
        ['CLICKED', 1, 0, 0],
      ])
      expect(new Set(events.map(({ messageId }) => messageId))).toEqual(new Set([id]))
      expect(events.at(-1)!.message).toMatchObject({ openedAt: expect.any(String), readAt: expect.any(String) })
      const { deliveries } = await messageOf(id)
      expect(new Map(deliveries.map(({ channel, status }) => [channel, status]))).toEqual(
        new Map([
          ['EMAIL', 'CLICKED'],
          ['INBOX', 'SENT'],
        ]),
      )
    })

    test('A link or a token that was changed leads nowhere and says nothing', async () => {
      const { id, pixel, link } = await mailTo('eve@example.com')
      const other = await mailTo('mallory@example.com')
      const elsewhere = `${link!.split('?')[0]}?u=${encodeURIComponent('https://evil.example/')}`
      const swapped = link!.replace(/\/t\/c\/[^/]+/, /\/t\/c\/[^/]+/.exec(other.link!)![0])
      for (const forged of [elsewhere, swapped, `${link}x`, link!.replace(/\/([\w-]{22})\?/, '/AAAAAAAAAAAAAAAAAAAAAA?')]) {
        const answer = await follow(forged)
        expect([answer.status, answer.headers.get('location')]).toEqual([404, null])
      }
      const picture = await (await follow(pixel!)).bytes()
      expect(await (await follow(pixel!.replace('/t/o/', '/t/o/x'))).bytes()).toEqual(picture)
      expect((await messageOf(id)).status).toBe('OPENED')
      expect((await messageOf(other.id)).status).toBe('SENT')
    })

    test('A link that says so is not tracked, nor is one to a page of ours', async () => {
      const elements = [
        { type: 'text', content: `[one](https://a.example/1)` },
        { type: 'action', content: 'Two', href: 'https://a.example/2', disable_tracking: true },
      ]
      const { addresses } = await mailTo('opt-out@example.com', { content: { title: 'Links', elements } })
      expect(addresses.filter((address) => address.includes('/t/c/'))).toHaveLength(1)
      expect(addresses).toContain('https://a.example/2')
      expect(addresses.some((address) => address === 'https://a.example/1')).toBe(false)
    })

    test('What a send says of tracking goes before what its environment says', async () => {
      const off = { channels: { email: { override: { trackOpens: false, trackClicks: false } } } }
      const untracked = await mailTo('off@example.com', off)
      expect([untracked.pixel, untracked.link]).toEqual([undefined, undefined])
      expect(untracked.addresses).toContain(LINK)
      await track(false, false)
      const plain = await mailTo('plain@example.com')
      expect([plain.pixel, plain.link]).toEqual([undefined, undefined])
      expect(plain.addresses).toContain(LINK)
      const clicksOnly = await mailTo('clicks@example.com', { channels: { email: { override: { trackClicks: true } } } })
      expect([clicksOnly.pixel, clicksOnly.link !== undefined]).toEqual([undefined, true])
      await track(true, true)
    })

    test("An HTML that a send or a template puts over the mail's own is tracked like any other, and the log keeps what was rendered", async () => {
      const html = '<p onclick="go()">Over: <a href="https://a.example/over?a=1">it</a></p>'
      const email = { utm: { source: 'mail' }, override: { html } }
      const { id, pixel, link } = await mailTo('over@example.com', { channels: { email } })
      expect((await follow(link!)).headers.get('location')).toBe('https://a.example/over?a=1&utm_source=mail')
      await follow(pixel!)
      expect((await messageOf(id)).status).toBe('CLICKED')
      const kept = await ask(home.client, 'query ($id: ID!) { message(id: $id) { output { html } } }', { id })
      expect(JSON.stringify(kept)).not.toContain('Over')
    })

    test('A push message brings an address at which its app tells what became of it', async () => {
      const to = [{ userId: 'pushed', deviceTokens: [{ kind: 'pigeon', token: 'phone' }] }]
      const routing = { method: 'SINGLE' as const, channels: [{ channel: 'PUSH' as const }] }
      const id = await home.send({ to, routing, content })
      await home.journey(id)
      const { trackingUrl } = pushed.findLast(({ messageId }) => messageId === id)!.content.payload as { trackingUrl: string }
      const tell = async (event: string) => (await fetch(trackingUrl, { method: 'POST', body: JSON.stringify({ event }) })).status
      for (const event of ['CLICKED', 'DELIVERED', 'CLICKED', 'OPENED']) expect(await tell(event)).toBe(204)
      expect(await tell('BOUNCED')).toBe(400)
      expect(await messageOf(id)).toMatchObject({ status: 'CLICKED', deliveries: [{ channel: 'PUSH', status: 'CLICKED' }] })
      expect((await typesOf(id)).slice(-4)).toEqual(['SENT', 'OPENED', 'CLICKED', 'DELIVERED'])
      await track(false, false)
      await home.journey(await home.send({ to, routing, content }))
      expect(JSON.stringify(pushed.at(-1))).not.toContain('/t/p/')
      await track(true, true)
    })

    test('Once the person is erased, an opening is answered as ever and told to nobody', async () => {
      const to = [{ userId: 'erased', email: 'erased@example.com' }]
      const { id, pixel, link } = await mailTo('erased@example.com', {
        to,
        routing: { method: 'SINGLE' as const, channels: [{ channel: 'EMAIL' as const }] },
      })
      await ask(home.client, 'mutation { deleteUser(userId: "erased") }')
      expect((await follow(pixel!)).status).toBe(200)
      expect((await follow(link!)).headers.get('location')).toBe(LINK)
      expect(await messageOf(id)).toMatchObject({ status: 'SENT', openedAt: null })
    })

    test('What is only simulated or shown is not tracked', async () => {
      const input = { name: 'rehearsal', scopes: ['ADMIN'], mode: 'SIMULATE' }
      const created = await ask<{ createApiKey: { secret: string } }>(
        home.client,
        'mutation ($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }',
        { input },
      )
      const simulated = home.enter(created.createApiKey.secret)
      const to = [{ email: 'nobody@example.com' }]
      const { send } = await ask<{ send: { requestId: string } }>(
        simulated,
        'mutation ($input: SendInput!) { send(input: $input) { requestId } }',
        { input: { to, content } },
      )
      await home.journey(send.requestId)
      const shown = await ask(
        home.client,
        `query ($id: ID!, $content: ContentInput!) {
          message(id: $id) { output { html } }
          past: preview(input: { messageId: $id, channels: [EMAIL] }) { html }
          given: preview(input: { content: $content, channels: [EMAIL] }) { html }
        }`,
        { id: send.requestId, content },
      )
      expect(JSON.stringify(shown)).toContain(LINK.replaceAll('&', '&amp;'))
      expect(JSON.stringify(shown)).not.toContain('/t/')
    })
  })
}
