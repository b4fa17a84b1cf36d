import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, IssueTokenDocument } from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Topic {
  readonly id: string
  readonly name: string
}
interface Told {
  readonly topic: Topic
  readonly status: string
}

const EVERYTHING = '{ id name description section defaultStatus channels includeUnsubscribeHeader exemptFromSendLimits }' as const
const PutTopic = document<{ putTopic: Topic }>(
  `mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) ${EVERYTHING} }`,
)
const ReadTopic = document<{ topic: Topic | null }>(`query ($id: ID!) { topic(id: $id) ${EVERYTHING} }`)
const DeleteTopic = document<{ deleteTopic: boolean }>('mutation ($id: ID!) { deleteTopic(id: $id) }')
const Topics = document<{
  topics: { nodes: readonly Topic[]; pageInfo: { endCursor: string; hasNextPage: boolean; hasPreviousPage: boolean } }
}>(`query ($first: Int, $after: String) {
  topics(first: $first, after: $after) { nodes { id } pageInfo { endCursor hasNextPage hasPreviousPage } }
}`)
const PutList = document(`mutation ($topicId: ID!) {
  putList(id: "eng", input: { name: "Engineering", preferences: { topicId: $topicId, status: OPTED_OUT } }) { id }
}`)
const PutTenant = document(`mutation ($topicId: ID!) {
  putTenant(id: "acme", input: { name: "Acme", defaultPreferences: { topicId: $topicId, status: REQUIRED } }) { id }
}`)
const SetPreference = document(`mutation ($topicId: ID!) {
  setPreference(userId: "ada", input: { topicId: $topicId, status: OPTED_OUT }) { id }
}`)
const WhatIsSaid = document<{
  list: { preferences: readonly Told[] } | null
  tenant: { defaultPreferences: readonly Told[] }
  user: { preferences: readonly (Told & { source: string })[] }
}>(`{
  list(id: "eng") { preferences { topic { id } status } }
  tenant(id: "acme") { defaultPreferences { topic { id } status } }
  user(id: "ada") { preferences { topic { id } status source } }
}`)

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const input = { name: 'Digest', defaultStatus: 'OPTED_IN' }
    const put = (id: string, more: Record<string, unknown> = {}) =>
      home.client.send(PutTopic, { id, input: { ...input, ...more } })

    test('A topic is put with a name and a default, and what is left out of a later put takes its default', async () => {
      const bare = {
        ...input,
        id: 'digest',
        description: null,
        section: null,
        channels: null,
        includeUnsubscribeHeader: false,
        exemptFromSendLimits: false,
      }
      expect(dataOf(await put('digest')).putTopic).toEqual(bare)
      const whole = {
        name: 'Weekly digest',
        description: 'What happened.',
        section: 'News',
        defaultStatus: 'OPTED_OUT',
        channels: ['EMAIL', 'INBOX'],
        includeUnsubscribeHeader: true,
        exemptFromSendLimits: true,
      }
      expect(dataOf(await put('digest', whole)).putTopic).toEqual({ id: 'digest', ...whole })
      expect(dataOf(await home.client.send(ReadTopic, { id: 'digest' })).topic).toEqual({ id: 'digest', ...whole })
      expect(dataOf(await put('digest')).putTopic).toEqual(bare)
      expect(dataOf(await home.client.send(DeleteTopic, { id: 'digest' })).deleteTopic).toBe(true)
    })

    test('A topic that is not there reads as null, and deleting it answers false', async () => {
      expect(dataOf(await home.client.send(ReadTopic, { id: 'gone' })).topic).toBeNull()
      expect(dataOf(await home.client.send(DeleteTopic, { id: 'gone' })).deleteTopic).toBe(false)
    })

    test('Topics are listed by id, in pages whose cursors hold in their own list only', async () => {
      for (const id of ['t3', 't1', 't2']) dataOf(await put(id))
      const page = async (after?: string) => dataOf(await home.client.send(Topics, { first: 2, after })).topics
      const first = await page()
      const second = await page(first.pageInfo.endCursor)
      expect([first, second].map(({ nodes }) => nodes.map(({ id }) => id))).toEqual([['t1', 't2'], ['t3']])
      expect([first, second].map(({ pageInfo }) => pageInfo.hasNextPage)).toEqual([true, false])
      const foreign = await home.client.send(document('query ($after: String) { tenants(after: $after) { nodes { id } } }'), {
        after: first.pageInfo.endCursor,
      })
      expect(refusalOf(foreign).code).toBe('BAD_CURSOR')
      for (const id of ['t1', 't2', 't3']) dataOf(await home.client.send(DeleteTopic, { id }))
    })

    test('A deleted topic takes along what users, lists and tenants said, so that a new one of its id begins clean', async () => {
      for (const topicId of ['digest', 'other']) dataOf(await put(topicId))
      for (const said of [PutList, PutTenant, SetPreference]) dataOf(await home.client.send(said, { topicId: 'digest' }))
      const before = dataOf(await home.client.send(WhatIsSaid, {}))
      expect(before.list!.preferences).toEqual([{ topic: { id: 'digest' }, status: 'OPTED_OUT' }])
      expect(before.tenant.defaultPreferences).toEqual([{ topic: { id: 'digest' }, status: 'REQUIRED' }])
      expect(before.user.preferences).toMatchObject([
        { topic: { id: 'digest' }, status: 'OPTED_OUT', source: 'USER' },
        { topic: { id: 'other' }, source: 'TOPIC' },
      ])
      expect(dataOf(await home.client.send(DeleteTopic, { id: 'digest' })).deleteTopic).toBe(true)
      dataOf(await put('digest'))
      expect(dataOf(await home.client.send(WhatIsSaid, {}))).toMatchObject({
        list: { preferences: [] },
        tenant: { defaultPreferences: [] },
        user: {
          preferences: [
            { topic: { id: 'digest' }, status: 'OPTED_IN', source: 'TOPIC' },
            { topic: { id: 'other' }, source: 'TOPIC' },
          ],
        },
      })
    })

    test('So it is when the list is put while the topic is being deleted', async () => {
      for (let round = 0; round < 10; round += 1) {
        dataOf(await put('fleeting'))
        const [listed, deleted] = await Promise.all([
          home.client.send(PutList, { topicId: 'fleeting' }),
          home.clients.at(-1)!.send(DeleteTopic, { id: 'fleeting' }),
        ])
        expect(dataOf(deleted).deleteTopic).toBe(true)
        expect([undefined, 'NOT_FOUND']).toContain(refusalOf(listed).code)
        dataOf(await put('fleeting'))
        expect(dataOf(await home.client.send(WhatIsSaid, {})).list!.preferences).toEqual([])
      }
      dataOf(await home.client.send(DeleteTopic, { id: 'fleeting' }))
    })

    test.each<[string, Record<string, unknown>]>([
      ['input.name', { name: ' ' }],
      ['input.name', { name: 'x'.repeat(257) }],
      ['input.section', { section: '' }],
      ['input.description', { description: 'x'.repeat(2001) }],
      ['input.channels', { channels: [] }],
    ])('A topic with a wrong %s is refused and not kept', async (path, more) => {
      expect(refusalOf(await put('wrong', more))).toEqual({ code: 'BAD_USER_INPUT', path })
      expect(dataOf(await home.client.send(ReadTopic, { id: 'wrong' })).topic).toBeNull()
    })

    test.each(['', ' a', 'a\n', 'x'.repeat(257)])('%j is no id of a topic', async (id) => {
      expect(refusalOf(await put(id))).toEqual({ code: 'BAD_USER_INPUT', path: 'id' })
    })

    test('Topics are for keys: users reach them by their preferences, and a key that may only read puts none', async () => {
      const issued = await home.client.send(IssueTokenDocument, {
        input: { userId: 'ada', scopes: ['PREFERENCES_READ', 'PREFERENCES_WRITE'], expiresIn: 'PT1H' },
      })
      const token = home.enter(dataOf(issued).issueToken.token)
      expect(refusalOf(await token.send(ReadTopic, { id: 'digest' })).code).toBe('FORBIDDEN')
      expect(refusalOf(await token.send(Topics, {})).code).toBe('FORBIDDEN')
      const created = await home.client.send(CreateApiKeyDocument, { input: { name: 'reader', scopes: ['CONTENT_READ'] } })
      const reader = home.enter(dataOf(created).createApiKey.secret)
      expect(refusalOf(await reader.send(ReadTopic, { id: 'digest' })).code).toBeUndefined()
      expect(refusalOf(await reader.send(PutTopic, { id: 'digest', input })).code).toBe('FORBIDDEN')
      expect(refusalOf(await reader.send(DeleteTopic, { id: 'digest' })).code).toBe('FORBIDDEN')
    })
  })
}
