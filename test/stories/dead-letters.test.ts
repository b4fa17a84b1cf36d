import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, Provider } from '../../src/channels/provider.ts'
import { MessageDocument, MessageEventsDocument, PutProviderDocument } from '../generated/graphql.ts'
import { ask, settledRequest } from '../support/graph.ts'
import { dataOf, type House, house } from '../support/house.ts'
import { createJob } from './bulk-story.ts'

/** A mail carrier of somebody else's whose answers are the test's. */
const POST = { kind: 'post', channel: 'EMAIL', name: 'Post', settings: z.object({}) } as const

interface Letter {
  readonly id: string
  readonly kind: string
  readonly crashes: number
  readonly error: string
  readonly message: { readonly id: string; readonly status: string } | null
}

let home: House
let database: pg.Client
let outcome: Outcome
/** Of those who are not to have `outcome`. */
const answers = new Map<string, Promise<Outcome>>()
let made = 0

beforeAll(async () => {
  const post: Provider = { ...POST, deliver: async ({ address }) => (await answers.get(address.id)) ?? outcome }
  home = await house({ mode: 'PostgreSQL and Redis', world: { providers: [post] } })
  const settings = { url: home.smtp.url, from: 'off@example.com' }
  dataOf(await home.client.send(PutProviderDocument, { id: 'smtp', input: { kind: 'smtp', settings, enabled: false } }))
  dataOf(await home.client.send(PutProviderDocument, { id: 'post', input: { kind: 'post', settings: {} } }))
  database = new pg.Client({ connectionString: home.databaseUrl! })
  await database.connect()
})
afterAll(async () => {
  await database.end()
  await home.stop()
})
beforeEach(async () => {
  await database.query('delete from dead_letter')
})

const content = { title: 'Doors open at 8' }
const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
const lettersOf = async (args = '') =>
  (
    await ask<{ deadLetters: { nodes: readonly Letter[]; pageInfo: { hasNextPage: boolean; endCursor: string } } }>(
      home.client,
      `{ deadLetters${args} { nodes { id kind crashes error message { id status } } pageInfo { hasNextPage endCursor } } }`,
    )
  ).deadLetters
const redrive = async (...ids: string[]) =>
  (await ask<{ redriveDeadLetters: number }>(home.client, 'mutation ($ids: [ID!]!) { redriveDeadLetters(ids: $ids) }', { ids }))
    .redriveDeadLetters
const discard = async (...ids: string[]) =>
  (await ask<{ discardDeadLetters: number }>(home.client, 'mutation ($ids: [ID!]!) { discardDeadLetters(ids: $ids) }', { ids }))
    .discardDeadLetters

async function insertLetter(kind: string, messageId: string | null, payload: object): Promise<string> {
  made += 1
  const id = `dlt_${String(made).padStart(32, '0')}`
  await database.query(
    `insert into dead_letter (environment_id, id, kind, message_id, payload, error, crashes)
     values ('production', $1, $2, $3, $4, 'It was given up after 3 attempts.', 3)`,
    [id, kind, messageId, { environmentId: 'production', ...payload }],
  )
  return id
}

/** A message whose provider was busy, and which was then given up, as crashes would leave it. */
async function giveUp(to: { userId?: string; email?: string }): Promise<{ readonly id: string; readonly letter: string }> {
  outcome = { kind: 'retry', afterMs: 60_000, error: 'Busy.' }
  const id = await home.send({ to: [to], content })
  for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } })) {
    if (dataOf(result).messageEvents.type === 'RETRYING') break
  }
  await database.query("delete from job where payload ->> 'messageId' = $1", [id])
  await database.query(`update delivery set status = 'UNDELIVERABLE', next_attempt_at = null where message_id = $1`, [id])
  await database.query(`update message set status = 'UNDELIVERABLE', reason = 'FAILED', error = 'Given up.' where id = $1`, [id])
  return { id, letter: await insertLetter('deliver', id, { messageId: id }) }
}

test('Dead letters are listed from the oldest, with their messages, in pages', async () => {
  const { id, letter } = await giveUp({ email: 'ada@example.com' })
  const second = await insertLetter('expand', null, { requestId: 'req_gone' })
  const third = await insertLetter('expand', null, { requestId: 'req_gone' })
  const first = await lettersOf('(first: 2)')
  expect(first.nodes).toEqual([
    { id: letter, kind: 'deliver', crashes: 3, error: expect.any(String), message: { id, status: 'UNDELIVERABLE' } },
    { id: second, kind: 'expand', crashes: 3, error: expect.any(String), message: null },
  ])
  const rest = await lettersOf(`(first: 2, after: "${first.pageInfo.endCursor}")`)
  expect(rest.nodes.map((node) => node.id)).toEqual([third])
})

test('A message that is redriven is ENQUEUED again under its id and sent, and what is unknown is passed over', async () => {
  const { id, letter } = await giveUp({ email: 'grace@example.com' })
  const other = await giveUp({ email: 'edsger@example.com' })
  outcome = { kind: 'accepted' }
  expect(await redrive(letter, 'dlt_unknown', letter)).toBe(1)
  await expect.poll(async () => (await messageOf(id)).status, { timeout: 10_000 }).toBe('SENT')
  expect(await messageOf(id)).toMatchObject({ reason: null, error: null, deliveries: [{ status: 'SENT' }] })
  const events: unknown[] = []
  for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } })) {
    const { type, status, detail } = dataOf(result).messageEvents
    events.push([type, status, detail])
    if (type === 'SENT') break
  }
  expect(events.slice(5)).toEqual([
    ['ENQUEUED', 'ENQUEUED', { redriven: true }],
    ['DELIVERING', 'ROUTED', { attempt: 2 }],
    ['SENT', 'SENT', null],
  ])
  expect((await lettersOf()).nodes.map((node) => node.id)).toEqual([other.letter])
  expect(await redrive(letter)).toBe(0)
})

test('Of those who redrive a dead letter at the same time, one does', async () => {
  const { id, letter } = await giveUp({ email: 'barbara@example.com' })
  outcome = { kind: 'accepted' }
  const counts = await Promise.all([redrive(letter), redrive(letter), redrive(letter), discard(letter)])
  expect(counts.reduce((sum, count) => sum + count)).toBe(1)
  const isRedriven = counts[3] === 0
  await expect.poll(async () => (await messageOf(id)).status, { timeout: 10_000 }).toBe(isRedriven ? 'SENT' : 'UNDELIVERABLE')
})

test('An expansion that is redriven goes on where it stood', async () => {
  outcome = { kind: 'accepted' }
  await ask(home.client, 'mutation { subscribeToList(listId: "readers", userIds: ["ann", "bob"]) { id } }')
  const id = await home.send({ to: [{ listId: 'readers' }], content })
  await settledRequest(home.client, id)
  await ask(home.client, 'mutation { subscribeToList(listId: "readers", userIds: ["cid"]) { id } }')
  await database.query(`update request set expanded = false, expansion = '{"group": 0, "after": "bob"}' where id = $1`, [id])
  const letter = await insertLetter('expand', null, { requestId: id })
  expect(await redrive(letter)).toBe(1)
  expect((await settledRequest(home.client, id)).map(({ userId }) => userId)).toEqual(['ann', 'bob', 'cid'])
})

test('A message whose dead letter is discarded stays UNDELIVERABLE', async () => {
  const { id, letter } = await giveUp({ email: 'jim@example.com' })
  expect(await discard(letter, 'dlt_unknown')).toBe(1)
  expect(await discard(letter)).toBe(0)
  expect((await lettersOf()).nodes).toEqual([])
  expect(await redrive(letter)).toBe(0)
  expect(await messageOf(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'FAILED' })
})

test('A dead letter of an erased user is not redriven', async () => {
  const { id, letter } = await giveUp({ userId: 'dot', email: 'dot@example.com' })
  await ask(home.client, 'mutation { deleteUser(userId: "dot") }')
  expect(await redrive(letter)).toBe(0)
  expect((await lettersOf()).nodes).toMatchObject([{ id: letter, error: 'Its user was erased.' }])
  expect(await messageOf(id)).toMatchObject({ status: 'UNDELIVERABLE' })
  expect(await discard(letter)).toBe(1)
})

/** A bulk job for one person, to whom nothing could be delivered. */
async function failJob(email: string) {
  outcome = { kind: 'rejected', what: 'address', error: 'No mailbox.' }
  const job = await createJob(home, { content, routing: { channels: [{ channel: 'EMAIL' }] } })
  await job.add([{ to: { email } }])
  await job.run()
  await job.completed()
  const [user] = await job.users()
  return { ...job, messageId: user!.messageId! }
}

test('A message of a bulk job is redriven in the line of its job, and the job counts it', async () => {
  const { id, messageId, completed } = await failJob('radia@example.com')
  outcome = { kind: 'retry', afterMs: 60_000, error: 'Busy.' }
  expect(await redrive(await insertLetter('deliver', messageId, { messageId }))).toBe(1)
  for await (const result of home.client.subscribe(MessageEventsDocument, { filter: { messageIds: [messageId] } })) {
    if (dataOf(result).messageEvents.type === 'RETRYING') break
  }
  const { rows } = await database.query(`select lane, fairness_key from job where payload ->> 'messageId' = $1`, [messageId])
  expect(rows).toEqual([{ lane: 'bulk', fairness_key: `production\nbulk\n${id}` }])
  await ask(home.client, 'mutation ($id: ID!) { cancelBulkJob(id: $id) { id } }', { id })
  expect((await completed('CANCELED')).counts).toMatchObject({ total: 1, failed: 0, canceled: 1 })
})

test('A retry of a bulk job takes the dead letters of what it sends again, and none of them sends the first a second time', async () => {
  const { id, messageId, completed, users } = await failJob('vint@example.com')
  const letter = await insertLetter('deliver', messageId, { messageId })
  const other = await insertLetter('deliver', null, { messageId: 'msg_other' })
  outcome = { kind: 'accepted' }
  await ask(home.client, 'mutation ($id: ID!) { retryBulkJob(id: $id) { id } }', { id })
  expect((await completed()).counts).toMatchObject({ total: 1, sent: 1, failed: 0 })
  expect((await lettersOf()).nodes.map((node) => node.id)).toEqual([other])
  expect(await redrive(letter)).toBe(0)
  const late = await insertLetter('deliver', messageId, { messageId })
  expect(await redrive(late)).toBe(0)
  expect(await messageOf(messageId)).toMatchObject({ status: 'UNDELIVERABLE' })
  expect((await users())[0]!.message).toMatchObject({ status: 'SENT', resendOf: messageId })
})

test('While a bulk job is paused, neither is what a worker had in hand tried again nor what is redriven sent', async () => {
  const { id, add, run, completed, users } = await createJob(home, { content, routing: { channels: [{ channel: 'EMAIL' }] } })
  const inHand = Promise.withResolvers<Outcome>()
  outcome = { kind: 'rejected', what: 'address', error: 'No mailbox.' }
  answers.set('frances@example.com', inHand.promise)
  await add([{ to: { email: 'barbara@example.com' } }, { to: { email: 'frances@example.com' } }])
  await run()
  await expect.poll(async () => (await users()).map(({ message }) => message?.status)).toEqual(['UNDELIVERABLE', 'ROUTED'])
  const [failed, trying] = (await users()).map(({ messageId }) => messageId!)
  await ask(home.client, 'mutation ($id: ID!) { pauseBulkJob(id: $id) { id } }', { id })
  const holderOf = async (messageId: string | undefined) =>
    (await database.query("select holder from job where payload ->> 'messageId' = $1", [messageId])).rows
  answers.clear()
  inHand.resolve({ kind: 'retry', afterMs: 60_000, error: 'Busy.' })
  await expect.poll(() => holderOf(trying)).toEqual([{ holder: null }])
  await database.query('update delivery set next_attempt_at = now() where message_id = $1', [trying])
  expect(await redrive(await insertLetter('deliver', failed!, { messageId: failed }))).toBe(1)
  // Both are due. Another job that begins after that has its turn.
  outcome = { kind: 'accepted' }
  await database.query(`update job set run_at = now() where payload ->> 'messageId' = $1`, [trying])
  const later = await createJob(home, { content })
  await later.add([{ to: { email: 'later@example.com' } }])
  await later.run()
  await later.completed()
  expect((await users()).map(({ message }) => message?.status)).toEqual(['ENQUEUED', 'ROUTED'])
  await ask(home.client, 'mutation ($id: ID!) { resumeBulkJob(id: $id) { id } }', { id })
  expect((await completed()).counts).toMatchObject({ total: 2, sent: 2 })
})
