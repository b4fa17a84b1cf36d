import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, PutEnvironmentDocument, type SendLimitInput, type SendLimitScope } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { ask, planOf, type Reached, sendToAll } from '../support/graph.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'

const MESSAGE = `query ($id: ID!) {
  message(id: $id) { status reason decisions { rule subject passed because detail } history { nodes { type status reason error } } }
}`

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    /** In the middle of every period. Each test has an environment of its own. */
    const noon = new Date('2026-03-11T12:30:00Z')
    let time = noon
    let environments = 0

    beforeAll(async () => {
      home = await house({ mode, world: { now: () => time } })
    })
    afterAll(() => home.stop())
    beforeEach(() => {
      time = noon
    })

    const content = { title: 'Doors open at 8' }

    interface Limited {
      readonly environmentId: string
      readonly client: Client
      /** With the same key, one for each process that answers. */
      readonly clients: readonly Client[]
    }

    async function limitedBy(...sendLimits: SendLimitInput[]): Promise<Limited> {
      environments += 1
      const environmentId = `limited-${environments}`
      await limit(environmentId, sendLimits)
      const key = { name: 'Limited', scopes: ['ADMIN' as const], environmentId }
      const { secret } = dataOf(await home.client.send(CreateApiKeyDocument, { input: key })).createApiKey
      const clients = home.urls.map((_, at) => home.enter(secret, at))
      await ask(
        clients[0]!,
        `mutation {
        putTopic(id: "doors", input: { name: "Doors", defaultStatus: OPTED_IN }) { id }
        news: putTopic(id: "news", input: { name: "News", defaultStatus: OPTED_IN }) { id }
        alarm: putTopic(id: "alarm", input: { name: "Alarm", defaultStatus: OPTED_IN, exemptFromSendLimits: true }) { id }
        putTenant(id: "acme", input: { name: "Acme" }) { id }
        other: putTenant(id: "other", input: { name: "Other" }) { id }
      }`,
      )
      return { environmentId, client: clients[0]!, clients }
    }

    const limit = async (id: string, sendLimits: SendLimitInput[]) =>
      dataOf(await home.client.send(PutEnvironmentDocument, { id, input: { name: 'Limited', sendLimits } }))

    /** Sends to somebody's inbox, and waits for what becomes of it. */
    async function send(client: Client, userId: string, more: Record<string, unknown> = {}): Promise<Reached> {
      const [message] = await sendToAll(client, { to: [{ userId }], content, ...more })
      return message!
    }

    const statusesOf = (messages: readonly Reached[]) => messages.map(({ status }) => status)
    const among = (messages: readonly Reached[], status: string) => statusesOf(messages).filter((one) => one === status).length

    test('What is over a limit ends THROTTLED, is skipped, and the decision says by which limit', async () => {
      const { client } = await limitedBy({ scope: 'USER', max: 2, period: 'DAY' })
      expect((await send(client, 'ada')).status).toBe('SENT')
      expect((await send(client, 'ada')).status).toBe('SENT')
      const { id } = await send(client, 'ada')
      const { message } = await ask(client, MESSAGE, { id })
      const error = 'The send limit for its user is 2 per day.'
      expect(message).toMatchObject({
        status: 'THROTTLED',
        reason: null,
        history: {
          nodes: [
            { type: 'ENQUEUED', status: 'ENQUEUED' },
            { type: 'THROTTLED', status: 'THROTTLED', reason: null, error },
          ],
        },
      })
      expect((message as { decisions: unknown[] }).decisions.at(-1)).toEqual({
        rule: 'send limit',
        subject: 'USER',
        passed: false,
        because: 'the send limit for its user is 2 per day',
        detail: { scope: 'USER', max: 2, period: 'DAY' },
      })
      const { request } = await ask(client, 'query ($id: ID!) { request(id: $id) { counts { total sent skipped } } }', { id })
      expect(request).toEqual({ counts: { total: 1, sent: 0, skipped: 1 } })
      expect((await send(client, 'grace')).status).toBe('SENT')
    })

    interface Sending {
      readonly of?: string
      readonly tenantId?: string
      readonly topicId?: string
    }
    const scopes: readonly [SendLimitScope, string, readonly Sending[], readonly Sending[]][] = [
      ['ALL', 'everything that is sent', [{}, { tenantId: 'acme' }, { topicId: 'doors' }], []],
      ['TENANT', 'each tenant', [{ tenantId: 'acme' }], [{ tenantId: 'other' }, {}]],
      ['USER', 'each user', [{}, { topicId: 'doors' }], [{ of: 'grace' }]],
      ['USER_TOPIC', 'each user and topic', [{ topicId: 'doors' }], [{ topicId: 'news' }, { of: 'grace', topicId: 'doors' }, {}]],
    ]

    test.each(scopes)('A limit of scope %s counts %s', async (scope, _what, counted, others) => {
      const { client } = await limitedBy({ scope, max: 1, period: 'MONTH' })
      const sendAs = async ({ of = 'ada', ...more }: Sending = {}) => (await send(client, of, more)).status
      expect(await sendAs(counted[0])).toBe('SENT')
      for (const one of counted) expect(await sendAs(one)).toBe('THROTTLED')
      for (const one of others) expect(await sendAs(one)).toBe('SENT')
    })

    test.each([
      ['HOUR', '2026-03-11T12:59:59.999Z', '2026-03-11T13:00:00Z'],
      ['DAY', '2026-03-11T23:59:59.999Z', '2026-03-12T00:00:00Z'],
      ['WEEK', '2026-03-15T23:59:59.999Z', '2026-03-16T00:00:00Z'],
      ['MONTH', '2026-03-31T23:59:59.999Z', '2026-04-01T00:00:00Z'],
    ] as const)('A limit for a %s is over with the calendar’s, in UTC', async (period, last, next) => {
      const { client } = await limitedBy({ scope: 'USER', max: 1, period })
      expect((await send(client, 'ada')).status).toBe('SENT')
      time = new Date(last)
      expect((await send(client, 'ada')).status).toBe('THROTTLED')
      time = new Date(next)
      expect((await send(client, 'ada')).status).toBe('SENT')
    })

    test('Where several limits hold, the one that is used up stops the message, and the others do not count it', async () => {
      const { client } = await limitedBy({ scope: 'ALL', max: 3, period: 'DAY' }, { scope: 'USER', max: 1, period: 'HOUR' })
      expect((await send(client, 'ada')).status).toBe('SENT')
      const stopped = await send(client, 'ada')
      expect(stopped.decisions.at(-1)).toMatchObject({ rule: 'send limit', subject: 'USER', passed: false })
      expect((await send(client, 'bob')).status).toBe('SENT')
      expect((await send(client, 'cid')).status).toBe('SENT')
      expect((await send(client, 'dot')).decisions.at(-1)).toMatchObject({ subject: 'ALL', passed: false })
    })

    test('A topic that is exempt is counted, and never stopped', async () => {
      const { client } = await limitedBy({ scope: 'USER', max: 2, period: 'DAY' })
      for (const _ of [1, 2, 3]) expect((await send(client, 'ada', { topicId: 'alarm' })).status).toBe('SENT')
      expect((await send(client, 'ada', { topicId: 'doors' })).status).toBe('THROTTLED')
    })

    test('What is filtered is not counted', async () => {
      const { client } = await limitedBy({ scope: 'ALL', max: 1, period: 'DAY' })
      await ask(client, 'mutation { setPreference(userId: "out", input: { topicId: "doors", status: OPTED_OUT }) { status } }')
      expect((await send(client, 'out', { topicId: 'doors' })).status).toBe('FILTERED')
      expect((await send(client, 'ada')).status).toBe('SENT')
      expect((await send(client, 'ada')).status).toBe('THROTTLED')
    })

    test('Exactly as many pass as a limit says, however many are sent at once through however many processes', async () => {
      const { client, clients } = await limitedBy({ scope: 'ALL', max: 10, period: 'DAY' })
      const messages = await Promise.all(Array.from({ length: 50 }, (_, n) => send(clients[n % clients.length]!, `one-${n}`)))
      expect(among(messages, 'SENT')).toBe(10)
      expect(among(messages, 'THROTTLED')).toBe(40)
      expect((await send(client, 'late')).status).toBe('THROTTLED')
    })

    test('The members of a list are counted one by one', async () => {
      const { client } = await limitedBy({ scope: 'ALL', max: 10, period: 'DAY' })
      const ids = Array.from({ length: 50 }, (_, n) => `member-${n}`)
      await ask(client, 'mutation ($ids: [ID!]!) { subscribeToList(listId: "all", userIds: $ids) { id } }', { ids })
      const messages = await sendToAll(client, { to: [{ listId: 'all' }], content })
      expect(messages).toHaveLength(50)
      expect(among(messages, 'SENT')).toBe(10)
      expect(among(messages, 'THROTTLED')).toBe(40)
    })

    test('A limit that is raised or lowered holds at once, with what was sent before; what was stopped does not count', async () => {
      const { environmentId, client } = await limitedBy({ scope: 'USER', max: 1, period: 'DAY' })
      expect((await send(client, 'ada')).status).toBe('SENT')
      expect((await send(client, 'ada')).status).toBe('THROTTLED')
      await limit(environmentId, [{ scope: 'USER', max: 2, period: 'DAY' }])
      expect((await send(client, 'ada')).status).toBe('SENT')
      expect((await send(client, 'ada')).status).toBe('THROTTLED')
      await limit(environmentId, [])
      expect((await send(client, 'ada')).status).toBe('SENT')
    })

    test('A plan says THROTTLED where the send would be, and counts nothing', async () => {
      const { client } = await limitedBy({ scope: 'USER', max: 1, period: 'DAY' })
      const input = { to: [{ userId: 'ada' }], content }
      for (const _ of [1, 2, 3]) expect((await planOf(client, input)).outcome).toBe('ROUTED')
      expect((await send(client, 'ada')).status).toBe('SENT')
      const planned = await planOf(client, input)
      expect(planned).toMatchObject({ outcome: 'THROTTLED', reason: null, steps: [] })
      expect((await send(client, 'ada')).decisions).toEqual(planned.decisions)
    })

    test('What a key for simulation sends is not counted', async () => {
      const { environmentId, client } = await limitedBy({ scope: 'ALL', max: 1, period: 'DAY' })
      const key = { name: 'Sim', scopes: ['ADMIN' as const], mode: 'SIMULATE' as const, environmentId }
      const { secret } = dataOf(await home.client.send(CreateApiKeyDocument, { input: key })).createApiKey
      const simulating = home.enter(secret)
      for (const _ of [1, 2]) expect((await send(simulating, 'ada')).status).toBe('SIMULATED')
      expect((await send(client, 'ada')).status).toBe('SENT')
      expect((await send(client, 'ada')).status).toBe('THROTTLED')
    })
  })
}
