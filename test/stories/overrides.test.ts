import PostalMime from 'postal-mime'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outgoing, Provider } from '../../src/channels/provider.ts'
import { InboxMessageDocument, MessageDocument, PutProviderDocument, type SendInput } from '../generated/graphql.ts'
import { ask } from '../support/graph.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'

const SECRET = `whsec_${Buffer.from('a secret of thirty-two bytes !!!').toString('base64')}`
const PDF = Buffer.from([0x25, 0x50, 0x44, 0x46, 0xff, 0x00, 0xfe])

const LOG = 'query ($id: ID!) { message(id: $id) { output { channel subject title text html payload } } }'
interface Log {
  readonly message: { readonly output: readonly Record<string, unknown>[] }
}

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let place: Receiver
    const taken: Outgoing[] = []
    const phones: Provider = {
      kind: 'phones',
      channel: 'SMS',
      name: 'Phones',
      settings: z.object({}),
      deliver: (outgoing) => {
        taken.push(outgoing)
        return Promise.resolve({ kind: 'accepted' })
      },
    }

    beforeAll(async () => {
      place = await startReceiver()
      home = await house({ mode, world: { providers: [phones] } })
      await put('webhook', 'webhook', { secret: SECRET })
      await put('phones', 'phones', {})
      await put('msteams', 'msteams', {})
    })
    afterAll(async () => {
      await home.stop()
      await place.close()
    })
    beforeEach(() => {
      taken.length = 0
      place.received.length = 0
      place.answer = answering(200)
      home.smtp.mails.length = 0
    })

    const content = { title: 'Rendered', body: 'Rendered for {{name}}.' }
    const put = async (id: string, kind: string, settings: Record<string, unknown>) =>
      dataOf(await home.client.send(PutProviderDocument, { id, input: { kind, settings } }))
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const outputOf = async (id: string) => (await ask<Log>(home.client, LOG, { id })).message.output[0]!
    async function sent(input: Omit<SendInput, 'content'>): Promise<string> {
      const id = await home.send({ content, data: { name: 'Ada' }, ...input })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'SENT' })
      return id
    }
    const emailWith = (
      override: NonNullable<NonNullable<SendInput['channels']>['email']>['override'],
    ): Omit<SendInput, 'content'> => ({
      to: [{ email: 'ada@example.com' }],
      channels: { email: { override } },
    })

    test('An email carries what the send puts over it, and the log shows what was rendered', async () => {
      const headers = [{ name: 'X-Campaign', value: 'spring' }]
      const from = 'Orders <orders@shop.example>'
      const texts = { subject: 'Over\r\nit {{name}}', text: 'Over {{name}}', html: '<p>Over</p>' }
      const id = await sent(emailWith({ ...texts, from, replyTo: 'help@shop.example', headers }))
      const mail = await PostalMime.parse(home.smtp.mails[0]!.source)
      expect(home.smtp.mails[0]).toMatchObject({ from: 'orders@shop.example', recipients: ['ada@example.com'] })
      expect([mail.subject, mail.text?.trim(), mail.html?.trim()]).toEqual(['Over it {{name}}', 'Over {{name}}', '<p>Over</p>'])
      expect(mail.from).toMatchObject({ name: 'Orders', address: 'orders@shop.example' })
      expect(mail.replyTo).toMatchObject([{ address: 'help@shop.example' }])
      expect(mail.headers).toContainEqual(expect.objectContaining({ key: 'x-campaign', value: 'spring' }))
      const output = await outputOf(id)
      expect(output).toMatchObject({ channel: 'EMAIL', subject: 'Rendered', text: expect.stringContaining('Rendered for Ada.') })
      expect(JSON.stringify(output)).not.toContain('Over')
    })

    test('Further recipients get a copy of the mail, and those of bcc stand nowhere in it', async () => {
      await sent(emailWith({ cc: ['Bob <bob@example.com>'], bcc: ['eve@example.com'] }))
      await expect
        .poll(() => home.smtp.mails.map(({ recipients }) => recipients))
        .toEqual([['ada@example.com'], ['bob@example.com', 'eve@example.com']])
      for (const { source } of home.smtp.mails) {
        expect((await PostalMime.parse(source)).cc).toMatchObject([{ name: 'Bob', address: 'bob@example.com' }])
        expect(source).not.toContain('eve@example.com')
      }
    })

    test('A webhook carries the body and headers that the send puts over it', async () => {
      const override = { body: { over: [1, 2] }, headers: [{ name: 'X-Room', value: '8' }] }
      const id = await sent({ to: [{ webhook: { url: place.url } }], channels: { webhook: { override } } })
      const { body, headers } = place.received[0]!
      expect([JSON.parse(String(body)).data, headers['x-room']]).toEqual([{ over: [1, 2] }, '8'])
      expect(await outputOf(id)).toMatchObject({ channel: 'WEBHOOK', payload: { body: 'Rendered for Ada.' } })
    })

    test("What a send says in a provider's own words goes over that account's request alone", async () => {
      const to = [{ webhook: { url: place.url } }]
      await sent({ to, providers: [{ providerId: 'webhook', override: { type: 'order.paid' } }] })
      await sent({ to, providers: [{ providerId: 'smtp', override: { type: 'order.paid' } }] })
      expect(place.received.map(({ body }) => JSON.parse(String(body)).type)).toEqual(['order.paid', 'message'])
    })

    test('An SMS carries the text and the sender that the send puts over it', async () => {
      const override = { body: 'Over', from: 'Shop' }
      const id = await sent({ to: [{ phoneNumber: '+32470123456' }], channels: { sms: { override } } })
      expect(taken).toMatchObject([{ content: { text: 'Over' }, extras: { from: 'Shop' } }])
      expect(await outputOf(id)).toMatchObject({ channel: 'SMS', text: 'Rendered\n\nRendered for Ada.' })
    })

    test("A direct message carries the text that the send puts over it, or the service's own blocks", async () => {
      place.answer = answering(202)
      const to = [{ msTeams: { webhookUrl: `${place.url}/workflows/over` } }]
      const id = await sent({ to, channels: { directMessage: { override: { text: 'Over' } } } })
      const blocks = { type: 'AdaptiveCard', version: '1.4', body: [{ type: 'TextBlock', text: 'Block' }] }
      await sent({ to, channels: { directMessage: { override: { blocks } } } })
      const cards = place.received.map(({ body }) => String(body))
      expect(cards[0]).toContain('Over')
      expect(cards[0]).not.toContain('Rendered')
      expect(JSON.parse(cards[1]!).attachments[0].content).toEqual(blocks)
      expect(await outputOf(id)).toMatchObject({ channel: 'DIRECT_MESSAGE', text: 'Rendered\n\nRendered for Ada.' })
    })

    test('An inbox message shows what the send puts over it, its preview too', async () => {
      const override = { title: 'Over', body: 'Over it.', preview: 'Peek', data: { b: 2 } }
      const inInbox = async (input: Omit<SendInput, 'content'>) => {
        const id = await sent(input)
        const { inboxMessage } = dataOf(await home.client.send(InboxMessageDocument, { id, userId: 'ada' }))
        return { id, shown: inboxMessage }
      }
      const to = [{ userId: 'ada' }]
      const over = await inInbox({ to, channels: { inbox: { override } } })
      expect(over.shown).toMatchObject({ title: 'Over', body: 'Over it.', preview: 'Peek', data: { name: 'Ada', b: 2 } })
      expect(await outputOf(over.id)).toMatchObject({ title: 'Rendered', text: 'Rendered for Ada.', payload: { name: 'Ada' } })
      const part = await inInbox({ to, channels: { inbox: { override: { body: 'Over it.' } } } })
      expect(part.shown).toMatchObject({ title: 'Rendered', body: 'Over it.', preview: 'Over it.' })
    })

    test('Files go with an email by their content and by their URL', async () => {
      place.answer = (response) => response.writeHead(200, { 'content-type': 'application/pdf' }).end(PDF)
      const attachments = [
        { filename: 'notes.txt', content: Buffer.from('Notes').toString('base64') },
        { filename: 'bill.pdf', url: `${place.url}/bill` },
      ]
      await sent(emailWith({ attachments }))
      const mail = await PostalMime.parse(home.smtp.mails[0]!.source)
      const files = mail.attachments.map((file) => [file.filename, file.mimeType, Buffer.from(file.content as ArrayBuffer)])
      expect(files).toEqual([
        ['notes.txt', 'text/plain', Buffer.from('Notes')],
        ['bill.pdf', 'application/pdf', PDF],
      ])
      expect(place.received.map(({ method, path }) => [method, path])).toEqual([['GET', '/bill']])
    })

    test('A file that is not there ends the message with a sentence that names it, and no mail is sent', async () => {
      place.answer = answering(404)
      const attachments = [{ filename: 'bill.pdf', url: `${place.url}/gone` }]
      const id = await home.send({ ...emailWith({ attachments }), content })
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason: 'FAILED' })
      const error = "The attachment 'bill.pdf' could not be fetched. Its server answered 404."
      expect(await messageOf(id)).toMatchObject({ error, deliveries: [{ attempts: [{ outcome: 'REJECTED', error }] }] })
      expect(home.smtp.mails).toEqual([])
    })
  })

  test(`${mode} A file at a forbidden address ends the message, and nothing is connected to`, async () => {
    const place = await startReceiver()
    // The name is allowed for the sake of ::1, and leads to 127.0.0.1 as well, which is not.
    const home = await house({ mode, env: { CARILLON_ALLOWED_NETWORKS: '::1/128' } })
    try {
      const attachments = [{ filename: 'bill.pdf', url: `http://localhost:${place.port}/` }]
      const to = [{ email: 'ada@example.com' }]
      const id = await home.send({ to, content: { title: 'Bill' }, channels: { email: { override: { attachments } } } })
      const error = "The attachment 'bill.pdf' could not be fetched. This address may not be reached."
      expect((await home.journey(id)).at(-1)).toMatchObject({ type: 'UNDELIVERABLE', reason: 'FAILED', error })
      expect([place.connections, home.smtp.mails]).toEqual([0, []])
    } finally {
      await home.stop()
      await place.close()
    }
  })
}
