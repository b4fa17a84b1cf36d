import { getNamedType, isObjectType } from 'graphql'
import pg from 'pg'
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
import { ask } from '../support/graph.ts'
import { collect, dataOf, document, type House, house, standsStill } from '../support/house.ts'
import { idPlaces, operationOf, type RootField, rootFields, selectionOf } from './operations.ts'

const CANARY = 'canary-of-the-other-environment'

let home: House
let other: Client

const NOUNS = [
  'user',
  'message',
  'topic',
  'list',
  'audience',
  'tenant',
  'brand',
  'provider',
  'template',
  'job',
  'deadLetter',
  'webhookEndpoint',
  'webhookDelivery',
] as const
type Noun = (typeof NOUNS)[number]
/** For each noun an id of something that exists: in the other environment, and in one's own. */
let theirs: Readonly<Record<Noun, string>>
let own: Readonly<Record<Noun, string>>

beforeAll(async () => {
  home = await house({ mode: 'PostgreSQL and Redis' })
  dataOf(await home.client.send(PutEnvironmentDocument, { id: 'other', input: { name: CANARY } }))
  const created = await home.client.send(CreateApiKeyDocument, {
    input: { name: CANARY, scopes: ['ADMIN'], environmentId: 'other' },
  })
  other = home.enter(dataOf(created).createApiKey.secret)
  theirs = { ...(await furnish(other, CANARY)), ...(await leaveBehind('other', CANARY)) }
  own = { ...(await furnish(home.client, 'own')), ...(await leaveBehind('production', 'own')) }
})
afterAll(() => home.stop())

/** Makes one of everything, called after `name`. */
async function furnish(client: Client, name: string): Promise<Readonly<Record<Noun, string>>> {
  const user = `${name}-user`
  const put = (noun: string, input: string) =>
    ask(client, `mutation { put${noun}(id: "${name}-${noun}", input: ${input}) { id } }`)
  dataOf(await client.send(MergeProfileDocument, { userId: user, profile: { name } }))
  await put('Topic', `{ name: "${name}", defaultStatus: OPTED_IN }`)
  await put('List', `{ name: "${name}" }`)
  await put('Audience', `{ name: "${name}", filter: { operator: EXISTS, path: "name" } }`)
  await put('Brand', `{ name: "${name}" }`)
  await put('Tenant', `{ name: "${name}" }`)
  await put('Template', `{ name: "${name}", content: { title: "${name}" } }`)
  await ask(client, `mutation { publishTemplate(id: "${name}-Template") { id } }`)
  await put('Provider', `{ kind: "inbox", settings: {}, name: "${name}" }`)
  const endpoint = `{ url: "https://example.com/${name}", enabled: false, description: "${name}" }`
  await ask(client, `mutation { putWebhookEndpoint(id: "${name}-WebhookEndpoint", input: ${endpoint}) { secret } }`)
  await ask(client, `mutation { addTenantMember(tenantId: "${name}-Tenant", userId: "${user}") { id } }`)
  await ask(client, `mutation { subscribeToList(listId: "${name}-List", userIds: "${user}") { id } }`)
  const input = { to: [{ userId: user }], content: { title: name, body: name }, metadata: { tags: ['x'], traceId: name } }
  const { requestId } = dataOf(await client.send(SendDocument, { input })).send
  const { createBulkJob } = await ask<{ createBulkJob: { id: string } }>(
    client,
    `mutation { createBulkJob(input: { message: { content: { title: "${name}" } } }) { id } }`,
  )
  const puts = Object.fromEntries(NOUNS.map((noun) => [noun, `${name}-${noun[0]!.toUpperCase()}${noun.slice(1)}`]))
  return { ...puts, user, message: requestId, job: createBulkJob.id } as Record<Noun, string>
}

/** A dead letter, as crashes would leave it, and an event that an endpoint did not take. */
async function leaveBehind(environmentId: string, name: string) {
  const database = new pg.Client({ connectionString: home.databaseUrl! })
  await database.connect()
  await database.query(
    "insert into dead_letter (environment_id, id, kind, payload, error, crashes) values ($1, $2, 'expand', $3, $2, 3)",
    [environmentId, `${name}-letter`, { environmentId, requestId: `${name}-request` }],
  )
  await database.query(
    `insert into webhook_delivery (environment_id, id, endpoint_id, event, message_id, payload, status)
     values ($1, $2, $3, 'message:updated', $2, $4, 'FAILED')`,
    [environmentId, `${name}-event`, `${name}-WebhookEndpoint`, { data: { recipient: name } }],
  )
  await database.end()
  return { deadLetter: `${name}-letter`, webhookDelivery: `${name}-event` }
}

const reads = rootFields().filter(({ operation }) => operation === 'query')

/** What kind of id a place takes, by the name of the argument; `id` alone by the field that takes it. */
const NOUN_OF: { readonly [name: string]: Noun } = {
  userId: 'user',
  userIds: 'user',
  tenantId: 'tenant',
  parentId: 'tenant',
  tenant: 'tenant',
  topicId: 'topic',
  listId: 'list',
  audienceId: 'audience',
  brandId: 'brand',
  providerId: 'provider',
  providerIds: 'provider',
  request: 'message',
  requestId: 'message',
  requestIds: 'message',
  inboxMessage: 'message',
  message: 'message',
  messageId: 'message',
  messageIds: 'message',
  ids: 'message',
  template: 'template',
  templateId: 'template',
  jobId: 'job',
  jobIds: 'job',
  rotateWebhookSecret: 'webhookEndpoint',
  bulkJob: 'job',
  bulkJobProgress: 'job',
}

/** The name that tells the noun: of `id`, the field or the input that holds it. */
function nounAt(root: string, path: string): Noun {
  if (root.endsWith('DeadLetters')) return 'deadLetter'
  const parts = path.split('.')
  const name =
    parts.at(-1) !== 'id'
      ? parts.at(-1)!
      : (parts.at(-2) ?? root.replace(/^(put|publish|delete|cancel|resend|archive|run|pause|resume|retry)/, ''))
  const lower = `${name[0]!.toLowerCase()}${name.slice(1)}`
  const noun = NOUN_OF[lower] ?? NOUNS.find((one) => one === lower)
  if (noun === undefined) throw new Error(`What id of the other environment does ${root} take at ${path}?`)
  return noun
}

/** An environment is what a key of all of them names: nothing of it is hidden from whoever may make keys for it. */
const places = rootFields()
  .filter(({ name }) => name !== 'putEnvironment')
  .flatMap((root) => idPlaces(root.field.args).map(({ path }) => ({ root, path })))
  .filter(({ path }) => !path.endsWith('environmentId'))

/** What is new in each answer, or says when it was made. */
function withoutNews(answer: unknown, id: string): string {
  return JSON.stringify(answer)
    .replaceAll(id, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<at>')
    .replaceAll(/[\w-]{20,}(\.[\w-]{20,})*/g, '<opaque>')
}

async function answerOf(client: Client, root: RootField, path: string, id: string): Promise<unknown> {
  const plausible = (at: string) => (at === path ? id : isId(root, at) ? own[nounAt(root.name, at)] : undefined)
  const { source, variables } = operationOf(root, plausible, ['userId', path])
  if (root.operation !== 'subscription') return client.send(document(source), variables)
  const ended = new AbortController()
  const events = client.sse(document(source), variables, { signal: ended.signal })
  const answer = await Promise.race([events.next(), new Promise<null>((resolve) => setTimeout(resolve, 300, null))])
  ended.abort()
  return answer?.value ?? null
}

const isId = (root: RootField, path: string) => idPlaces(root.field.args).some((place) => place.path === path)

/** Whether it was done, and otherwise every word of the refusal. */
function outcomeOf(answer: unknown): unknown {
  const { data, errors } = answer as { data: Record<string, unknown> | null; errors: unknown }
  const done = Object.entries(data ?? {}).map(([name, value]) => [
    name,
    typeof value === 'object' && value !== null ? 'done' : value,
  ])
  return { done: Object.fromEntries(done), errors }
}

/** Says the same about both, and nothing of what is there. */
async function expectAlike(root: RootField, path: string): Promise<void> {
  const foreign = theirs[nounAt(root.name, path)]
  const unknown = 'x'.repeat(foreign.length)
  const answers = [await answerOf(home.client, root, path, foreign), await answerOf(home.client, root, path, unknown)] as const
  // What the first change did is there for the second to see.
  const seen = root.operation === 'mutation' ? answers.map(outcomeOf) : answers
  const first = withoutNews(seen[0], foreign)
  expect(first).toBe(withoutNews(seen[1], unknown))
  expect(first).not.toContain(CANARY)
}

const AS_UNKNOWN = '%s answers for an id of another environment at %s as for one that does not exist'
const isChange = ({ root }: { root: RootField }) => root.operation === 'mutation'

test.each(places.filter((place) => !isChange(place)).map(({ root, path }) => [root.name, path, root] as const))(
  AS_UNKNOWN,
  (_name, path, root) => expectAlike(root, path),
)

test.each(
  places.filter(({ root, path }) => root.operation === 'query' && path === 'id').map(({ root }) => [root.name, root] as const),
)('%s shows its own environment what is there', async (_name, root) => {
  const { source, variables } = operationOf(root, (path) => theirs[nounAt(root.name, path)], ['userId'])
  expect(Object.values(dataOf(await other.send(document<Record<string, unknown>>(source), variables)))[0]).not.toBeNull()
})

/** Fields with an id of their own below what is found by id: `user(id) { preferences(tenantId) }`. */
const nested = reads.flatMap((root) => {
  const type = getNamedType(root.field.type)
  if (!root.field.args.some(({ name }) => name === 'id') || !isObjectType(type)) return []
  return Object.values(type.getFields()).flatMap((field) => idPlaces(field.args).map(({ path }) => ({ root, field, path })))
})

test.each(nested.map(({ root, field, path }) => [`${root.name}.${field.name}`, path, root, field] as const))(
  AS_UNKNOWN,
  async (_name, path, root, field) => {
    const ask = (id: string) =>
      home.client.send(
        document(
          `{ ${root.name}(id: "${own[nounAt(root.name, 'id')]}") { ${field.name}(${path}: "${id}")${selectionOf(field.type, 2)} } }`,
        ),
        {},
      )
    const foreign = theirs[nounAt(field.name, path)]
    const unknown = 'x'.repeat(foreign.length)
    const answer = await ask(foreign)
    expect(withoutNews(answer, foreign)).toBe(withoutNews(await ask(unknown), unknown))
    expect(answer.errors.map(({ extensions }) => extensions.code)).toEqual(['NOT_FOUND'])
    expect(
      dataOf(
        await home.client.send(
          document(
            `{ ${root.name}(id: "${own[nounAt(root.name, 'id')]}") { ${field.name}(${path}: "${own[nounAt(field.name, path)]}")${selectionOf(field.type, 2)} } }`,
          ),
          {},
        ),
      ),
    ).not.toBeNull()
  },
)

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

test.each(places.filter(isChange).map(({ root, path }) => [root.name, path, root] as const))(AS_UNKNOWN, (_name, path, root) =>
  expectAlike(root, path),
)

test('What is done with ids of the other environment changes nothing there', async () => {
  const all = document(
    `{ user(id: "${theirs.user}") { profile lists { nodes { id } } tenants { nodes { id } } } topic(id: "${theirs.topic}") { name }
       list(id: "${theirs.list}") { name subscriberCount } audience(id: "${theirs.audience}") { name memberCount }
       tenant(id: "${theirs.tenant}") { name members { nodes { id } } } brand(id: "${theirs.brand}") { name }
       template(id: "${theirs.template}") { name draft { content { title } } published { number } }
       provider(id: "${theirs.provider}") { name } message(id: "${theirs.message}") { traceId status request { archivedAt } }
       messages(filter: { archived: null }) { nodes { id } } deadLetters { nodes { id } }
       webhookEndpoint(id: "${theirs.webhookEndpoint}") { description deliveries { nodes { id status payload } } } }`,
  )
  const before = dataOf(await other.send(all, {}))
  for (const { root, path } of places.filter(isChange)) {
    await answerOf(home.client, root, path, theirs[nounAt(root.name, path)])
  }
  expect(dataOf(await other.send(all, {}))).toEqual(before)
  expect(before).toMatchObject({
    list: { subscriberCount: 1 },
    audience: { memberCount: 1 },
    topic: { name: CANARY },
    template: { name: CANARY, published: { number: 1 } },
    deadLetters: { nodes: [{ id: theirs.deadLetter }] },
    webhookEndpoint: { description: CANARY, deliveries: { nodes: [{ id: theirs.webhookDelivery, status: 'FAILED' }] } },
  })
})

test('What a put makes under an id of another environment is one’s own, and the other stays as it was', async () => {
  const id = theirs.provider
  dataOf(
    await home.client.send(PutProviderDocument, { id, input: { kind: 'inbox', settings: {}, name: 'ours', enabled: false } }),
  )
  dataOf(await home.client.send(MergeProfileDocument, { userId: theirs.user, profile: { name: 'ours' } }))
  const others = document(`{ provider(id: "${id}") { name enabled } user(id: "${theirs.user}") { profile } }`)
  expect(dataOf(await other.send(others, {}))).toEqual({
    provider: { name: CANARY, enabled: true },
    user: { profile: { name: CANARY } },
  })
  dataOf(await home.client.send(document(`mutation { deleteProvider(id: "${id}") }`), {}))
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
