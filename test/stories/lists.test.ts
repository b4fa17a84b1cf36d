import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, IssueTokenDocument, PutEnvironmentDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface List {
  readonly id: string
  readonly name: string
  readonly preferences: readonly { topic: { id: string }; status: string; channels: readonly string[] | null }[]
  readonly subscriberCount: number
  readonly subscribers: {
    readonly edges: readonly { cursor: string; node: { id: string }; subscribedAt: string }[]
    readonly nodes: readonly { id: string }[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
  }
}

const LIST = `id name subscriberCount preferences { topic { id } status channels }
  subscribers(first: $first, after: $after) { edges { cursor subscribedAt node { id } } nodes { id } pageInfo { hasNextPage endCursor } }`
const ReadList = document<{ list: List | null }>(
  `query ($id: ID!, $first: Int = 50, $after: String) { list(id: $id) { ${LIST} } }`,
)
const PutList = document<{ putList: List }>(
  `mutation ($id: ID!, $input: ListInput!, $first: Int = 50, $after: String) { putList(id: $id, input: $input) { ${LIST} } }`,
)
const DeleteList = document<{ deleteList: boolean }>('mutation ($id: ID!) { deleteList(id: $id) }')
const Subscribe = document<{ subscribeToList: { id: string; name: string; subscriberCount: number } }>(
  'mutation ($listId: ID!, $userIds: [ID!]!) { subscribeToList(listId: $listId, userIds: $userIds) { id name subscriberCount } }',
)
const Unsubscribe = document<{ unsubscribeFromList: { id: string; subscriberCount: number } }>(
  'mutation ($listId: ID!, $userIds: [ID!]!) { unsubscribeFromList(listId: $listId, userIds: $userIds) { id subscriberCount } }',
)
const Lists = document<{ lists: { nodes: readonly { id: string }[]; pageInfo: { endCursor: string | null } } }>(
  `query ($pattern: String, $first: Int, $after: String) {
    lists(pattern: $pattern, first: $first, after: $after) { nodes { id } pageInfo { endCursor } }
  }`,
)
const ListsOf = document<{
  user: { lists: { nodes: readonly { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } } | null
}>(`query ($id: ID!, $first: Int, $after: String) {
    user(id: $id) { lists(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }
  }`)
const PutTopic = document('mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }')

const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id)

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const list = async (id: string) => dataOf(await home.client.send(ReadList, { id })).list
    const subscribersOf = async (id: string) => idsOf((await list(id))!.subscribers.nodes)
    const subscribe = async (listId: string, userIds: readonly string[], client: Client = home.client) =>
      dataOf(await client.send(Subscribe, { listId, userIds })).subscribeToList
    const listsOf = async (id: string) => idsOf(dataOf(await home.client.send(ListsOf, { id })).user!.lists.nodes)

    test('Putting a list makes it, or replaces it whole; who is on it stays', async () => {
      dataOf(await home.client.send(PutTopic, { id: 'offers', input: { name: 'Offers', defaultStatus: 'OPTED_IN' } }))
      const preferences = [{ topicId: 'offers', status: 'OPTED_OUT', channels: ['EMAIL'] }]
      const put = await home.client.send(PutList, { id: 'put.whole', input: { name: 'Weekly', preferences } })
      expect(dataOf(put).putList).toMatchObject({
        id: 'put.whole',
        name: 'Weekly',
        preferences: [{ topic: { id: 'offers' }, status: 'OPTED_OUT', channels: ['EMAIL'] }],
        subscriberCount: 0,
      })
      await subscribe('put.whole', ['putter'])
      const again = dataOf(await home.client.send(PutList, { id: 'put.whole', input: { name: 'Daily' } })).putList
      expect(again).toMatchObject({ name: 'Daily', preferences: [], subscriberCount: 1 })
    })

    test('What a list says of a topic is about one that exists, once, and about some channel', async () => {
      const refused = async (preferences: readonly object[]) =>
        refusalOf(await home.client.send(PutList, { id: 'refused', input: { name: 'Refused', preferences } }))
      const out = (topicId: string, channels?: readonly string[]) => ({ topicId, status: 'OPTED_OUT', channels })
      expect(await refused([out('no-such-topic')])).toEqual({ code: 'NOT_FOUND', path: undefined })
      expect(await refused([out('offers'), out('offers')])).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.preferences.1.topicId',
      })
      expect(await refused([out('offers', [])])).toEqual({ code: 'BAD_USER_INPUT', path: 'input.preferences.0.channels' })
      expect(await list('refused')).toBeNull()
    })

    test('Subscribing makes the list, under its id as name, and the users when they are missing', async () => {
      expect(await subscribe('made.by.subscribing', ['new-2', 'new-1', 'new-2'])).toEqual({
        id: 'made.by.subscribing',
        name: 'made.by.subscribing',
        subscriberCount: 2,
      })
      expect(await subscribersOf('made.by.subscribing')).toEqual(['new-1', 'new-2'])
      expect(await listsOf('new-1')).toEqual(['made.by.subscribing'])
      expect(await subscribe('made.empty', [])).toMatchObject({ subscriberCount: 0 })
    })

    test('Subscribing adds: who is on the list stays so, since the day they were', async () => {
      await subscribe('adding', ['first'])
      const before = (await list('adding'))!.subscribers.edges
      expect(Date.parse(before[0]!.subscribedAt)).toBeLessThanOrEqual(Date.now())
      await subscribe('adding', ['second', 'first'])
      const after = (await list('adding'))!.subscribers.edges
      expect(after.map(({ node }) => node.id)).toEqual(['first', 'second'])
      expect(after[0]!.subscribedAt).toBe(before[0]!.subscribedAt)
      dataOf(await home.client.send(PutList, { id: 'adding', input: { name: 'Named' } }))
      expect(await subscribe('adding', ['third'])).toMatchObject({ name: 'Named', subscriberCount: 3 })
    })

    test('Every id is a list of its own: who is on a.b is not on a', async () => {
      await subscribe('own', ['of-own'])
      await subscribe('own.part', ['of-part'])
      await subscribe('own.part.part', ['of-part-of-part'])
      expect(await subscribersOf('own')).toEqual(['of-own'])
      expect(await subscribersOf('own.part')).toEqual(['of-part'])
      expect(await listsOf('of-part')).toEqual(['own.part'])
    })

    test('Unsubscribing takes users off and leaves the list and the users; who is not on it changes nothing', async () => {
      await subscribe('leaving', ['leaver', 'stayer'])
      const variables = { listId: 'leaving', userIds: ['leaver', 'stranger'] }
      const { unsubscribeFromList } = dataOf(await home.client.send(Unsubscribe, variables))
      expect(unsubscribeFromList).toEqual({ id: 'leaving', subscriberCount: 1 })
      expect(await subscribersOf('leaving')).toEqual(['stayer'])
      expect(await listsOf('leaver')).toEqual([])
      const nowhere = await home.client.send(Unsubscribe, { listId: 'no.such.list', userIds: ['leaver'] })
      expect(refusalOf(nowhere).code).toBe('NOT_FOUND')
      expect(await list('no.such.list')).toBeNull()
    })

    test('A deleted list is gone with its subscriptions; one made anew under its id is empty, and the users are still there', async () => {
      await subscribe('deleted', ['survivor'])
      expect(dataOf(await home.client.send(DeleteList, { id: 'deleted' })).deleteList).toBe(true)
      expect(await list('deleted')).toBeNull()
      expect(await listsOf('survivor')).toEqual([])
      expect(dataOf(await home.client.send(DeleteList, { id: 'deleted' })).deleteList).toBe(false)
      dataOf(await home.client.send(PutList, { id: 'deleted', input: { name: 'Anew' } }))
      expect(await subscribersOf('deleted')).toEqual([])
    })

    test('A list’s id is one to four parts with dots between them', async () => {
      for (const id of ['', 'a.b.c.d.e', 'a..b', '.a', 'a.', 'a b', 'a.*', 'a#']) {
        const put = await home.client.send(PutList, { id, input: { name: 'Odd' } })
        expect(refusalOf(put)).toEqual({ code: 'BAD_USER_INPUT', path: 'id' })
        const subscribed = await home.client.send(Subscribe, { listId: id, userIds: ['u'] })
        expect(refusalOf(subscribed)).toEqual({ code: 'BAD_USER_INPUT', path: 'listId' })
      }
      const user = await home.client.send(Subscribe, { listId: 'fine', userIds: ['fine', 'not\nfine'] })
      expect(refusalOf(user)).toEqual({ code: 'BAD_USER_INPUT', path: 'userIds.1' })
      expect(await list('fine')).toBeNull()
      const nameless = await home.client.send(PutList, { id: 'fine', input: { name: ' ' } })
      expect(refusalOf(nameless)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.name' })
    })

    test('Lists are found by an id or a pattern, where * is one whole part and ** one or more', async () => {
      for (const id of ['find', 'find.a', 'find.b', 'find.a.x', 'find.a.x.y', 'findings.a']) await subscribe(id, [])
      const found = async (pattern: string) => idsOf(dataOf(await home.client.send(Lists, { pattern })).lists.nodes)
      expect(await found('find')).toEqual(['find'])
      expect(await found('find.*')).toEqual(['find.a', 'find.b'])
      expect(await found('find.**')).toEqual(['find.a', 'find.a.x', 'find.a.x.y', 'find.b'])
      expect(await found('find.*.x')).toEqual(['find.a.x'])
      expect(await found('*.a')).toEqual(['find.a', 'findings.a'])
      expect(await found('nowhere.*')).toEqual([])
      for (const pattern of ['**', '*.**', 'find.**.x', 'fi*', 'poke**', '***', '*.*.*.*', 'a b', '.a', 'a.', 'a..b', '']) {
        const refused = await home.client.send(Lists, { pattern })
        expect(refusalOf(refused), pattern).toEqual({ code: 'BAD_USER_INPUT', path: 'pattern' })
      }
    })

    test('Lists, subscribers and the lists of a user come in pages by id', async () => {
      for (const id of ['paged.c', 'paged.a', 'paged.b']) await subscribe(id, ['p3', 'p1', 'p2'])
      const first = dataOf(await home.client.send(Lists, { pattern: 'paged.*', first: 2 })).lists
      expect(idsOf(first.nodes)).toEqual(['paged.a', 'paged.b'])
      const after = first.pageInfo.endCursor
      const rest = dataOf(await home.client.send(Lists, { pattern: 'paged.*', first: 2, after })).lists
      expect(idsOf(rest.nodes)).toEqual(['paged.c'])
      expect(refusalOf(await home.client.send(Lists, { after })).code).toBe('BAD_CURSOR')

      const some = dataOf(await home.client.send(ReadList, { id: 'paged.a', first: 2 })).list!.subscribers
      expect(idsOf(some.nodes)).toEqual(['p1', 'p2'])
      expect(some.pageInfo.hasNextPage).toBe(true)
      const others = await home.client.send(ReadList, { id: 'paged.a', first: 2, after: some.edges[1]!.cursor })
      expect(dataOf(others).list!.subscribers).toMatchObject({ nodes: [{ id: 'p3' }], pageInfo: { hasNextPage: false } })
      const foreign = await home.client.send(ReadList, { id: 'paged.b', first: 2, after: some.edges[1]!.cursor })
      expect(refusalOf(foreign).code).toBe('BAD_CURSOR')

      const mine = dataOf(await home.client.send(ListsOf, { id: 'p1', first: 2 })).user!.lists
      expect(idsOf(mine.nodes)).toEqual(['paged.a', 'paged.b'])
      const next = await home.client.send(ListsOf, { id: 'p1', first: 2, after: mine.pageInfo.endCursor })
      expect(dataOf(next).user!.lists).toMatchObject({ nodes: [{ id: 'paged.c' }], pageInfo: { hasNextPage: false } })
    })

    test('10,000 users are subscribed in one call, and calls at the same time do not stand in each other’s way', async () => {
      const users = Array.from({ length: 10_000 }, (_, n) => `many-${n}`)
      const calls = ['many.a', 'many.b', 'many.a', 'many.b'].map((listId, index) =>
        subscribe(listId, index < 2 ? users : users.toReversed(), home.clients[index % home.clients.length]),
      )
      expect((await Promise.all(calls)).map(({ subscriberCount }) => subscriberCount)).toEqual([10_000, 10_000, 10_000, 10_000])
      const gone = await home.client.send(Unsubscribe, { listId: 'many.a', userIds: users.slice(1) })
      expect(dataOf(gone).unsubscribeFromList.subscriberCount).toBe(1)
      const tooMany = await home.client.send(Subscribe, { listId: 'many.a', userIds: [...users, 'one-more'] })
      expect(refusalOf(tooMany).code).toBe('BAD_USER_INPUT')
    })

    test('Subscribing while the list is deleted leaves it either there with the user, or not there', async () => {
      for (let round = 0; round < 10; round++) {
        await subscribe('contested', ['before'])
        const [deleted] = await Promise.all([
          home.client.send(DeleteList, { id: 'contested' }),
          home.clients
            .at(-1)!
            .send(Subscribe, { listId: 'contested', userIds: ['during'] })
            .then(({ errors }) => {
              // The answer is the list as it is now: it may have been deleted since.
              expect(errors.map(({ extensions }) => extensions.code).filter((code) => code !== 'NOT_FOUND')).toEqual([])
            }),
        ])
        expect(dataOf(deleted).deleteList).toBe(true)
        const after = await list('contested')
        if (after !== null) expect(idsOf(after.subscribers.nodes)).toEqual(['during'])
      }
    })

    test('A call repeated with its idempotency key is answered as the first time', async () => {
      const options = { idempotencyKey: 'subscribe-once' }
      const variables = { listId: 'once', userIds: ['once'] }
      const first = dataOf(await home.client.send(Subscribe, variables, options))
      dataOf(await home.client.send(Unsubscribe, variables))
      expect(dataOf(await home.client.send(Subscribe, variables, options)).subscribeToList.id).toBe(first.subscribeToList.id)
      expect(await subscribersOf('once')).toEqual([])
    })

    test('Lists are read with USERS_READ and changed with USERS_WRITE; a user’s own token sees none', async () => {
      const enter = async (scopes: readonly ('USERS_READ' | 'SEND')[]) => {
        const input = { name: scopes.join(), scopes: [...scopes] }
        return home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
      }
      await subscribe('guarded', ['guarded-user'])
      const reader = await enter(['USERS_READ'])
      expect(dataOf(await reader.send(ReadList, { id: 'guarded' })).list!.subscriberCount).toBe(1)
      const changes = [
        [PutList, { id: 'guarded', input: { name: 'Mine' } }],
        [DeleteList, { id: 'guarded' }],
        [Subscribe, { listId: 'guarded', userIds: ['x'] }],
        [Unsubscribe, { listId: 'guarded', userIds: ['guarded-user'] }],
      ] as const
      for (const [change, variables] of changes) {
        expect(refusalOf(await reader.send<unknown, Record<string, unknown>>(change, variables)).code).toBe('FORBIDDEN')
      }
      const sender = await enter(['SEND'])
      expect(refusalOf(await sender.send(ReadList, { id: 'guarded' })).code).toBe('FORBIDDEN')
      const input = { userId: 'guarded-user', scopes: ['PREFERENCES_READ' as const], expiresIn: 'PT1H' }
      const token = home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
      const viewer = await token.send(document('{ viewer { id lists { nodes { id } } } }'), {})
      expect(refusalOf(viewer).code).toBe('FORBIDDEN')
      expect(await subscribersOf('guarded')).toEqual(['guarded-user'])
    })

    test('A list of another environment is one that does not exist', async () => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'elsewhere', input: { name: 'Elsewhere' } }))
      const input = { name: 'elsewhere', scopes: ['ADMIN' as const], environmentId: 'elsewhere' }
      const other = home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
      await subscribe('theirs', ['their-user'], other)
      expect(await list('theirs')).toBeNull()
      expect(idsOf(dataOf(await home.client.send(Lists, { pattern: 'theirs' })).lists.nodes)).toEqual([])
      expect(dataOf(await home.client.send(DeleteList, { id: 'theirs' })).deleteList).toBe(false)
      const unsubscribed = await home.client.send(Unsubscribe, { listId: 'theirs', userIds: ['their-user'] })
      expect(refusalOf(unsubscribed).code).toBe('NOT_FOUND')
      await subscribe('theirs', ['our-user'])
      expect(await subscribersOf('theirs')).toEqual(['our-user'])
      expect(idsOf(dataOf(await other.send(ReadList, { id: 'theirs' })).list!.subscribers.nodes)).toEqual(['their-user'])
    })
  })
}
