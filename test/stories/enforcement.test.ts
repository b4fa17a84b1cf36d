import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, sendToAll } from '../support/graph.ts'
import { type House, house, MODES } from '../support/house.ts'

const content = { title: 'Doors open at 8' }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let names = 0

    beforeAll(async () => {
      home = await house({ mode })
      for (const [id, status] of [
        ['news', 'OPTED_IN'],
        ['tips', 'OPTED_OUT'],
        ['security', 'REQUIRED'],
      ]) {
        await ask(home.client, `mutation { putTopic(id: "${id}", input: { name: "${id}", defaultStatus: ${status} }) { id } }`)
      }
      await tenant('acme', '[{ topicId: "news", status: OPTED_OUT }, { topicId: "tips", status: OPTED_IN, channels: [INBOX] }]')
      await tenant('acme-labs', '[{ topicId: "news", status: OPTED_IN }]', 'acme')
      await tenant('strict', '[{ topicId: "news", status: REQUIRED }]')
    })
    afterAll(() => home.stop())

    const tenant = (id: string, preferences: string, parentId?: string) =>
      ask(
        home.client,
        `mutation { putTenant(id: "${id}", input: { name: "${id}", defaultPreferences: ${preferences}${parentId ? `, parentId: "${parentId}"` : ''} }) { id } }`,
      )

    /** A user of the test's own, with an email address and these choices. */
    async function someone(...choices: Record<string, unknown>[]): Promise<string> {
      names += 1
      const userId = `user-${names}`
      const profile = { email: `${userId}@example.com` }
      await ask(home.client, 'mutation ($id: ID!, $p: JSONObject!) { mergeProfile(userId: $id, profile: $p) { id } }', {
        id: userId,
        p: profile,
      })
      for (const input of choices) {
        await ask(home.client, 'mutation ($id: ID!, $i: PreferenceInput!) { setPreference(userId: $id, input: $i) { id } }', {
          id: userId,
          i: input,
        })
      }
      return userId
    }

    async function sendTo(
      userId: string,
      topicId: string,
      more: Record<string, unknown> = {},
      recipient: Record<string, unknown> = {},
    ) {
      const [message] = await sendToAll(home.client, { to: [{ userId, ...recipient }], content, topicId, ...more })
      const { status, reason, deliveries, decisions } = message!
      return {
        outcome: reason ?? status,
        channels: deliveries.map(({ channel }) => channel),
        last: decisions.at(-1),
        decisions,
        message: message!,
      }
    }

    test('A user who chose nothing gets what is about a topic that is opted in by default', async () => {
      expect(await sendTo(await someone(), 'news')).toMatchObject({ outcome: 'SENT', channels: ['EMAIL'] })
    })

    test('A user who opted out does not get it: FILTERED, UNSUBSCRIBED, with the reason in words, and no provider is called', async () => {
      const userId = await someone({ topicId: 'news', status: 'OPTED_OUT' })
      const sent = await sendTo(userId, 'news')
      expect(sent.message).toMatchObject({
        status: 'FILTERED',
        reason: 'UNSUBSCRIBED',
        error: 'The user opted out.',
        topicId: 'news',
      })
      expect(sent.channels).toEqual([])
      expect(sent.last).toMatchObject({ rule: 'choice', passed: false, because: 'the user opted out' })
      expect(home.smtp.mails.flatMap(({ recipients }) => recipients)).not.toContain(`${userId}@example.com`)
    })

    test('Nobody gets what is about a topic that is opted out by default until they opt in', async () => {
      expect(await sendTo(await someone(), 'tips')).toMatchObject({
        outcome: 'OPT_IN_REQUIRED',
        last: { rule: 'topic', passed: false },
      })
      expect(await sendTo(await someone({ topicId: 'tips', status: 'OPTED_IN' }), 'tips')).toMatchObject({ outcome: 'SENT' })
    })

    test('The channels that a user chose cut the routing', async () => {
      const userId = await someone({ topicId: 'news', status: 'OPTED_IN', channels: ['INBOX'] })
      const sent = await sendTo(userId, 'news')
      expect(sent).toMatchObject({ outcome: 'SENT', channels: ['INBOX'] })
      expect(sent.decisions).toContainEqual({
        rule: 'channels',
        subject: 'EMAIL',
        passed: false,
        because: 'only INBOX may carry the topic',
      })
      const nowhere = await someone({ topicId: 'news', status: 'OPTED_IN', channels: ['SMS'] })
      expect((await sendTo(nowhere, 'news')).message).toMatchObject({ status: 'UNROUTABLE', reason: 'NO_CHANNELS' })
    })

    test('What is about a topic that a user snoozed is FILTERED, SNOOZED', async () => {
      const snoozedUntil = new Date(Date.now() + 3_600_000).toISOString()
      const userId = await someone({ topicId: 'news', status: 'OPTED_IN', snoozedUntil })
      expect(await sendTo(userId, 'news')).toMatchObject({ outcome: 'SNOOZED', last: { rule: 'snooze', passed: false } })
    })

    test('REQUIRED passes whatever was chosen before the topic, or a tenant, required it', async () => {
      const opted = await someone({ topicId: 'news', status: 'OPTED_OUT' })
      expect(await sendTo(opted, 'news', { tenantId: 'strict' })).toMatchObject({ outcome: 'SENT' })
      expect(await sendTo(await someone(), 'security')).toMatchObject({ outcome: 'SENT' })
    })

    test('A choice in a tenant goes before one made everywhere, and that before what the tenants say, from leaf to root', async () => {
      expect(await sendTo(await someone(), 'news', { tenantId: 'acme' })).toMatchObject({
        outcome: 'OPT_IN_REQUIRED',
        last: { rule: 'tenant', subject: 'acme' },
      })
      expect(await sendTo(await someone(), 'news', { tenantId: 'acme-labs' })).toMatchObject({ outcome: 'SENT' })
      const everywhere = { topicId: 'news', status: 'OPTED_IN' }
      expect(await sendTo(await someone(everywhere), 'news', { tenantId: 'acme' })).toMatchObject({ outcome: 'SENT' })
      const inTenant = { topicId: 'news', status: 'OPTED_OUT', tenantId: 'acme' }
      const both = await someone(everywhere, inTenant)
      expect(await sendTo(both, 'news', { tenantId: 'acme' })).toMatchObject({
        outcome: 'UNSUBSCRIBED',
        last: { rule: 'choice in the tenant', subject: 'acme' },
      })
      expect(await sendTo(both, 'news')).toMatchObject({ outcome: 'SENT' })
    })

    test('What a tenant says about channels holds in its context', async () => {
      expect(await sendTo(await someone(), 'tips', { tenantId: 'acme' })).toMatchObject({ outcome: 'SENT', channels: ['INBOX'] })
    })

    test('One send may say otherwise for its recipient', async () => {
      const userId = await someone({ topicId: 'news', status: 'OPTED_OUT' })
      const preferences = [{ topicId: 'news', status: 'OPTED_IN', channels: ['INBOX'] }]
      expect(await sendTo(userId, 'news', {}, { preferences })).toMatchObject({ outcome: 'SENT', channels: ['INBOX'] })
      const out = [{ topicId: 'news', status: 'OPTED_OUT' }]
      expect(await sendTo(await someone(), 'news', {}, { preferences: out })).toMatchObject({ outcome: 'UNSUBSCRIBED' })
    })

    test('A list says what holds for its subscribers who chose nothing', async () => {
      const [reader, chooser] = [await someone(), await someone({ topicId: 'tips', status: 'OPTED_OUT' })]
      const preferences = '[{ topicId: "tips", status: OPTED_IN, channels: [INBOX] }]'
      await ask(
        home.client,
        `mutation { putList(id: "readers", input: { name: "Readers", preferences: ${preferences} }) { id } }`,
      )
      await ask(home.client, 'mutation ($u: [ID!]!) { subscribeToList(listId: "readers", userIds: $u) { id } }', {
        u: [reader, chooser],
      })
      const messages = await sendToAll(home.client, { to: [{ listId: 'readers' }], content, topicId: 'tips' })
      expect(messages.find(({ userId }) => userId === reader)).toMatchObject({
        status: 'SENT',
        deliveries: [{ channel: 'INBOX' }],
      })
      expect(messages.find(({ userId }) => userId === chooser)).toMatchObject({ reason: 'UNSUBSCRIBED' })
    })

    test('Of a group, those who opted out have a message that says so, and the others get theirs', async () => {
      const [out, inside] = [await someone({ topicId: 'news', status: 'OPTED_OUT' }), await someone()]
      await ask(home.client, 'mutation ($u: [ID!]!) { subscribeToList(listId: "both", userIds: $u) { id } }', {
        u: [out, inside],
      })
      const messages = await sendToAll(home.client, { to: [{ listId: 'both' }], content, topicId: 'news' })
      expect(messages.map(({ userId, status, reason }) => [userId, status, reason])).toEqual([
        [out, 'FILTERED', 'UNSUBSCRIBED'],
        [inside, 'SENT', null],
      ])
      const { message } = await ask<{ message: { history: { nodes: { type: string; reason: string | null }[] } } }>(
        home.client,
        'query ($id: ID!) { message(id: $id) { history { nodes { type reason } } } }',
        { id: messages[0]!.id },
      )
      expect(message.history.nodes).toEqual([
        { type: 'ENQUEUED', reason: null },
        { type: 'FILTERED', reason: 'UNSUBSCRIBED' },
      ])
    })

    test('A place has no preferences, and an address that nobody chose for goes by the defaults', async () => {
      const [ad] = await sendToAll(home.client, { to: [{ email: 'nobody@example.com' }], content, topicId: 'tips' })
      expect(ad).toMatchObject({ status: 'FILTERED', reason: 'OPT_IN_REQUIRED' })
      const [news] = await sendToAll(home.client, { to: [{ email: 'nobody@example.com' }], content, topicId: 'news' })
      expect(news).toMatchObject({ status: 'SENT' })
      const { planSend } = await ask<{ planSend: { messages: { outcome: string }[] } }>(
        home.client,
        `{ planSend(input: { to: { webhook: { url: "https://example.com/" } }, content: { title: "x" }, topicId: "tips" }) { messages { outcome } } }`,
      )
      expect(planSend.messages).toEqual([{ outcome: 'ROUTED' }])
    })

    test('What has no topic is nobody’s to opt out of', async () => {
      const userId = await someone({ topicId: 'news', status: 'OPTED_OUT' })
      const [message] = await sendToAll(home.client, { to: [{ userId }], content })
      expect(message).toMatchObject({ status: 'SENT', topicId: null })
    })
  })
}
