import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  InboxDocument,
  LogCursorDocument,
  MergeProfileDocument,
  MessageDocument,
  MessageEventsDocument,
  SendDocument,
  UserDocument,
} from '../generated/graphql.ts'
import { collect, dataOf, document, type House, house, MODES, standsStill } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

const ALL_STEPS = ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT']

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const content = { title: 'Doors open at 8', body: 'Come in.\n\nBring <friends> & tea.' }

    async function mailFor(address: string) {
      const mails = home.smtp.mails.filter(({ recipients }) => recipients.includes(address))
      expect(mails).toHaveLength(1)
      expect(mails[0]!.recipients).toEqual([address])
      return { ...(await readMail(mails[0]!.source)), from: mails[0]!.from }
    }

    test('A send to an email address answers with a message, which a subscriber sees go all its way', async () => {
      const { logCursor } = dataOf(await home.client.send(LogCursorDocument, {}))
      const events = collect(
        home.client.subscribe(MessageEventsDocument, { filter: { all: true }, after: logCursor }),
        ({ messageEvents }) => messageEvents,
        (seen) => standsStill(seen.at(-1)!),
      )
      const input = { to: [{ email: 'ada@example.com' }], content }
      const { send } = dataOf(await home.client.send(SendDocument, { input }))
      expect(send).toMatchObject({ replayed: false, request: { id: send.requestId, expanded: true } })
      expect(send.message?.id).toBe(send.requestId)
      const seen = await events
      expect(seen.map(({ type }) => type)).toEqual(ALL_STEPS)
      expect(seen.map(({ status }) => status)).toEqual(['ENQUEUED', 'ROUTED', 'ROUTED', 'ROUTED', 'SENT'])
      expect(new Set(seen.map(({ messageId }) => messageId))).toEqual(new Set([send.requestId]))
    })

    test('The mail has one recipient, the subject, the text, the HTML, and a Message-ID that the message shows', async () => {
      const id = await home.send({ to: [{ email: 'grace@example.com' }], content })
      await home.journey(id)
      const mail = await mailFor('grace@example.com')
      const { message } = dataOf(await home.client.send(MessageDocument, { id }))
      expect(mail.from).toBe('bells@example.com')
      expect(mail.subject).toBe(content.title)
      expect(mail.text.trim()).toBe(`${content.title}\n\n${content.body}`)
      expect(mail.html).toContain('Bring &lt;friends&gt; &amp; tea.')
      expect(mail.messageId).toMatch(new RegExp(`^<${id}_[\\w-]+@example\\.com>$`))
      expect(message).toMatchObject({ status: 'SENT', recipient: 'grace@example.com', reason: null, error: null })
      expect(message?.output).toMatchObject([{ channel: 'EMAIL', subject: content.title }])
      expect(message?.deliveries).toMatchObject([{ channel: 'EMAIL', providerId: 'smtp', status: 'SENT' }])
      expect(message?.deliveries[0]?.attempts).toMatchObject([{ number: 1, outcome: 'ACCEPTED', code: '250' }])
    })

    test('A send to a new userId with a profile stores the profile and uses its address', async () => {
      const profile = { email: 'lin@example.com', name: 'Lin' }
      const id = await home.send({ to: [{ userId: 'lin', profile }], content })
      expect((await home.journey(id)).map(({ type }) => type)).toEqual(ALL_STEPS)
      await mailFor('lin@example.com')
      const { user } = dataOf(await home.client.send(UserDocument, { id: 'lin' }))
      expect(user).toMatchObject({ id: 'lin', profile })
      expect(user?.messages.nodes).toMatchObject([{ id, userId: 'lin', recipient: 'lin' }])
    })

    test('A send to a stored user uses the stored address; an address beside the userId goes over it, for that send only', async () => {
      await home.client.send(MergeProfileDocument, { userId: 'mary', profile: { email: 'mary@example.com' } })
      await home.journey(await home.send({ to: [{ userId: 'mary' }], content }))
      await mailFor('mary@example.com')
      await home.journey(await home.send({ to: [{ userId: 'mary', email: 'other@example.com' }], content }))
      await mailFor('other@example.com')
      const { user } = dataOf(await home.client.send(UserDocument, { id: 'mary' }))
      expect(user?.profile).toEqual({ email: 'mary@example.com' })
    })

    test('A send to an unknown userId makes the user and goes to the inbox', async () => {
      const id = await home.send({ to: [{ userId: 'nobody-yet' }], content, data: { door: 8 } })
      const journey = await home.journey(id)
      expect(journey.map(({ type }) => type)).toEqual(ALL_STEPS)
      expect(journey.at(-1)).toMatchObject({ channel: 'INBOX', providerId: 'inbox' })
      const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'nobody-yet' }))
      expect(inbox.edges).toMatchObject([{ node: { id, title: content.title, body: content.body, data: { door: 8 } } }])
    })

    test("A recipient's own data goes over the request's", async () => {
      const to = { userId: 'own-data', data: { seat: { row: 2 }, guest: true } }
      const id = await home.send({ to: [to], content, data: { seat: { row: 1, hall: 'A' }, door: 8 } })
      await home.journey(id)
      const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'own-data' }))
      expect(inbox.edges[0]?.node.data).toEqual({ seat: { row: 2, hall: 'A' }, guest: true, door: 8 })
    })

    test('One request to several people has an id of its own, no single message, and counts that add up', async () => {
      const to = [{ email: 'one@example.com' }, { userId: 'two' }, { webhook: { url: 'http://127.0.0.1:9/closed' } }]
      const { send } = dataOf(await home.client.send(SendDocument, { input: { to, content } }))
      expect(send.message).toBeNull()
      const counted = document<{ request: { counts: Record<string, number>; messages: { nodes: { id: string }[] } } }>(
        `query ($id: ID!) { request(id: $id) { counts { total pending sent failed skipped canceled } messages { nodes { id } } } }`,
      )
      const before = dataOf(await home.client.send(counted, { id: send.requestId })).request
      const ids = before.messages.nodes.map(({ id }) => id)
      expect(ids).toHaveLength(3)
      expect(ids).not.toContain(send.requestId)
      await home.settled(ids.slice(1))
      const { total, ...parts } = dataOf(await home.client.send(counted, { id: send.requestId })).request.counts
      expect(total).toBe(3)
      expect(Object.values(parts).reduce((sum, part) => sum + part, 0)).toBe(3)
    })
  })
}
