import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  InboxEventsDocument,
  LogCursorDocument,
  MergeProfileDocument,
  MessageEventsDocument,
  MessagesDocument,
  PutEnvironmentDocument,
  PutProviderDocument,
  SendDocument,
} from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { collect, dataOf, document, type House, house, standsStill } from '../support/house.ts'
import { operationOf, rootFields } from './operations.ts'

const CANARY = 'canary-of-the-other-environment'

let home: House
let other: Client
/** Ids of the other environment, each of something that exists there. */
let ids: { readonly [noun: string]: string }

beforeAll(async () => {
  home = await house({ mode: 'PostgreSQL and Redis' })
  dataOf(await home.client.send(PutEnvironmentDocument, { id: 'other', input: { name: CANARY } }))
  const created = await home.client.send(CreateApiKeyDocument, {
    input: { name: CANARY, scopes: ['ADMIN'], environmentId: 'other' },
  })
  other = home.enter(dataOf(created).createApiKey.secret)
  const user = `${CANARY}-user`
  const input = { to: [{ userId: user }], content: { title: CANARY, body: CANARY }, metadata: { tags: ['x'], traceId: CANARY } }
  const { requestId } = dataOf(await other.send(SendDocument, { input })).send
  dataOf(await other.send(MergeProfileDocument, { userId: user, profile: { name: CANARY } }))
  dataOf(await other.send(PutProviderDocument, { id: `${CANARY}-account`, input: { kind: 'inbox', settings: {}, name: CANARY } }))
  ids = {
    message: requestId,
    request: requestId,
    inboxMessage: requestId,
    user,
    provider: `${CANARY}-account`,
    deleteProvider: `${CANARY}-account`,
  }
})
afterAll(() => home.stop())

const reads = rootFields().filter(({ operation }) => operation === 'query')
const withId = rootFields().filter(
  ({ operation, field }) => operation !== 'subscription' && field.args.some(({ name }) => name === 'id'),
)

/** What is about to be created or replaced is one's own, whatever it is called elsewhere. */
const PUTS = /^put/

test.each(withId.filter(({ name }) => !PUTS.test(name)).map((root) => [root.name, root] as const))(
  '%s answers for an id of another environment as for one that does not exist',
  async (name, root) => {
    const foreign = ids[name]
    expect(foreign, `what id of the other environment does ${name} take?`).toBeDefined()
    const answers = await Promise.all(
      [foreign!, 'x'.repeat(foreign!.length)].map(async (id) => {
        const { source, variables } = operationOf(root, (path) => (path === 'id' ? id : undefined), ['userId'])
        const { data, errors, status } = await home.client.send(document(source), {
          ...variables,
          ...('userId' in variables && { userId: ids.user }),
        })
        return JSON.stringify({ data, errors, status }).replaceAll(id, '<id>')
      }),
    )
    expect(answers[0]).toBe(answers[1])
    const { source, variables } = operationOf(root, (path) => (path === 'id' ? foreign : undefined), ['userId'])
    if (root.operation === 'query') {
      const own = await other.send(document(source), { ...variables, ...('userId' in variables && { userId: ids.user }) })
      expect(Object.values(dataOf(own))[0]).not.toBeNull()
    }
  },
)

test('What a put makes under an id of another environment is one’s own, and the other stays as it was', async () => {
  const id = `${CANARY}-account`
  dataOf(
    await home.client.send(PutProviderDocument, { id, input: { kind: 'inbox', settings: {}, name: 'ours', enabled: false } }),
  )
  dataOf(await home.client.send(MergeProfileDocument, { userId: ids.user!, profile: { name: 'ours' } }))
  const theirs = document(`{ provider(id: "${id}") { name enabled } user(id: "${ids.user}") { profile } }`)
  expect(dataOf(await other.send(theirs, {}))).toEqual({
    provider: { name: CANARY, enabled: true },
    user: { profile: { name: CANARY } },
  })
  dataOf(await home.client.send(document(`mutation { deleteProvider(id: "${id}") }`), {}))
})

test('Nothing of another environment is in any byte of any answer', async () => {
  const outsider = dataOf(
    await home.client.send(CreateApiKeyDocument, {
      input: {
        name: 'all but admin',
        scopes: ['MESSAGES_READ', 'USERS_READ', 'INBOX_READ', 'CONTENT_READ', 'CONFIG_READ', 'SEND', 'TOKENS_ISSUE'],
      },
    }),
  ).createApiKey.secret
  const client = home.enter(outsider)
  for (const root of reads) {
    const { source, variables } = operationOf(root, () => undefined, ['userId'])
    const answer = await client.send(document(source), { ...variables, ...('userId' in variables && { userId: 'someone' }) })
    expect(JSON.stringify(answer)).not.toContain(CANARY)
  }
  const { messages } = dataOf(await client.send(MessagesDocument, { filter: { traceId: CANARY, archived: null } }))
  expect(messages.edges).toEqual([])
})

test('Subscriptions to everything, word for word the same, see their own environment each', async () => {
  const [ours, theirs] = await Promise.all(
    [home.client, other].map(async (client) => dataOf(await client.send(LogCursorDocument, {})).logCursor),
  )
  const watch = (client: Client, after: string) =>
    collect(
      client.subscribe(MessageEventsDocument, { filter: { all: true }, after }),
      ({ messageEvents }) => messageEvents,
      (seen) => seen.filter(standsStill).length === 5,
    )
  const inbox = (client: Client, after: string) =>
    collect(
      client.subscribe(InboxEventsDocument, { userId: 'both', after }),
      ({ inboxEvents }) => inboxEvents,
      (seen) => seen.length === 5,
    )
  const watching = Promise.all([
    watch(home.client, ours!),
    watch(other, theirs!),
    inbox(home.client, ours!),
    inbox(other, theirs!),
  ])
  const send = async (client: Client, title: string) =>
    dataOf(await client.send(SendDocument, { input: { to: [{ userId: 'both' }], content: { title } } })).send.requestId
  const sent = await Promise.all(Array.from({ length: 5 }, () => Promise.all([send(home.client, 'ours'), send(other, 'theirs')])))
  const [here, there, hereInbox, thereInbox] = await watching
  const expected = [0, 1].map((side) => new Set(sent.map((pair) => pair[side])))
  expect(new Set(here.map(({ messageId }) => messageId))).toEqual(expected[0])
  expect(new Set(there.map(({ messageId }) => messageId))).toEqual(expected[1])
  expect(hereInbox.map(({ message }) => message?.title)).toEqual(Array(5).fill('ours'))
  expect(thereInbox.map(({ message }) => message?.title)).toEqual(Array(5).fill('theirs'))
  expect(hereInbox.map(({ counts }) => counts.total)).toEqual([1, 2, 3, 4, 5])
})
