import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, sendToAll } from '../support/graph.ts'
import { document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Planned {
  readonly recipients: number
  readonly messages: readonly {
    readonly recipient: string
    readonly userId: string | null
    readonly outcome: string
    readonly reason: string | null
    readonly steps: readonly {
      readonly channel: string
      readonly providerId: string
      readonly address: string
      readonly output: { readonly subject: string | null; readonly title: string | null; readonly text: string | null } | null
    }[]
    readonly decisions: readonly { readonly rule: string; readonly passed: boolean; readonly because: string }[]
  }[]
}

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      await mutate('putTopic(id: "news", input: { name: "News", defaultStatus: OPTED_IN }) { id }')
      await mutate('subscribeToList(listId: "readers", userIds: ["ada", "grace", "out"]) { id }')
      await mutate('mergeProfile(userId: "ada", profile: { email: "ada@example.com", name: "Ada" }) { id }')
      await mutate('setPreference(userId: "out", input: { topicId: "news", status: OPTED_OUT }) { id }')
    })
    afterAll(() => home.stop())

    const mutate = (field: string) => ask(home.client, `mutation { ${field} }`)
    const PLAN = `query ($input: SendInput!, $first: Int) {
      planSend(input: $input, first: $first) {
        recipients
        messages {
          recipient userId outcome reason
          steps { channel providerId address output { subject title text } }
          decisions { rule passed because }
        }
      }
    }`
    const planOf = async (input: Record<string, unknown>, first = 20) =>
      (await ask<{ planSend: Planned }>(home.client, PLAN, { input, first })).planSend
    const input = { to: [{ listId: 'readers' }], content: { title: 'Hi {{profile.name}}' }, topicId: 'news' }

    test('A plan says how many messages a send would make, what becomes of each, by which steps, and what each would be shown', async () => {
      const { recipients, messages } = await planOf(input)
      expect(recipients).toBe(3)
      expect(messages.map(({ userId, outcome, reason }) => [userId, outcome, reason])).toEqual([
        ['ada', 'ROUTED', null],
        ['grace', 'ROUTED', null],
        ['out', 'FILTERED', 'UNSUBSCRIBED'],
      ])
      expect(messages[0]!.steps).toEqual([
        {
          channel: 'EMAIL',
          providerId: 'smtp',
          address: 'ada@example.com',
          output: { subject: 'Hi Ada', title: null, text: expect.stringContaining('Hi Ada') },
        },
        { channel: 'INBOX', providerId: 'inbox', address: 'ada', output: { subject: null, title: 'Hi Ada', text: '' } },
      ])
      expect(messages[2]!.steps).toEqual([])
      expect(messages[2]!.decisions.at(-1)).toEqual({ rule: 'choice', passed: false, because: 'the user opted out' })
    })

    test('A plan and the send that follows it agree', async () => {
      const { messages: planned } = await planOf(input)
      const sent = await sendToAll(home.client, input)
      expect(sent.map(({ userId, reason }) => [userId, reason])).toEqual(planned.map(({ userId, reason }) => [userId, reason]))
      for (const [index, message] of sent.entries()) {
        expect(message.decisions.map(({ rule, passed, because }) => ({ rule, passed, because }))).toEqual(
          planned[index]!.decisions,
        )
        const [first] = planned[index]!.steps
        expect(message.deliveries).toEqual(first ? [{ channel: first.channel, address: first.address }] : [])
      }
    })

    test('It writes nothing: no request, no message, no user', async () => {
      const count = async () =>
        ask(home.client, '{ messages(first: 100) { nodes { id } } users(first: 100) { nodes { id } } logCursor }')
      const before = await count()
      await planOf({ ...input, to: [{ userId: 'somebody-new', email: 'new@example.com' }, { listId: 'readers' }] })
      const after = await count()
      expect({ ...after, logCursor: null }).toEqual({ ...before, logCursor: null })
    })

    test('It plans the first of them and counts all, each user once, however they are named', async () => {
      const to = [{ userId: 'ada' }, { listId: 'readers' }, { listPattern: '*' }, { email: 'x@example.com' }]
      const { recipients, messages } = await planOf({ ...input, to }, 2)
      expect(recipients).toBe(4)
      expect(messages.map(({ recipient }) => recipient)).toEqual(['ada', 'x@example.com'])
    })

    test('A plan names what its text lacks', async () => {
      const content = { elements: [{ type: 'text', content: 'Hi\n{{nobody}}' }] }
      const PUT = 'mutation ($input: TemplateInput!) { putTemplate(id: "lacking", input: $input) { id } }'
      await ask(home.client, PUT, { input: { name: 'Lacking', content, onMissingVariable: 'FAIL' } })
      await mutate('publishTemplate(id: "lacking") { id }')
      const { messages } = await planOf({ to: [{ userId: 'ada' }], template: 'lacking' })
      expect(messages[0]).toMatchObject({ outcome: 'UNDELIVERABLE', reason: 'RENDER_ERROR' })
      expect(messages[0]!.decisions.at(-1)).toMatchObject({
        rule: 'render',
        passed: false,
        because: expect.stringMatching(/^elements\.0\.content: .*nobody/),
      })
    })

    test('The links that it shows act for nobody', async () => {
      await mutate(
        'putTopic(id: "letters", input: { name: "Letters", defaultStatus: OPTED_IN, includeUnsubscribeHeader: true }) { id }',
      )
      const { messages } = await planOf({ to: { userId: 'ada' }, content: { title: 'x' }, topicId: 'letters' })
      const shown = messages[0]!.steps[0]!.output!.text!
      const links = [...shown.matchAll(/https?:\S+/g)].map(([link]) => link)
      expect(links).toHaveLength(2)
      for (const link of links) {
        expect(link).toMatch(/\/(unsubscribe|preferences)\/preview$/)
        expect((await fetch(link)).status).toBe(404)
      }
    })

    test('It refuses what the send would refuse', async () => {
      const refused = await home.client.send(document(PLAN), { input: { ...input, to: [{ listId: 'nowhere' }] }, first: 1 })
      expect(refusalOf(refused).code).toBe('NOT_FOUND')
      const empty = await home.client.send(document(PLAN), { input: { ...input, to: [] }, first: 1 })
      expect(refusalOf(empty)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.to' })
      const many = await home.client.send(document(PLAN), { input, first: 101 })
      expect(refusalOf(many)).toEqual({ code: 'BAD_USER_INPUT', path: 'first' })
    })
  })
}
