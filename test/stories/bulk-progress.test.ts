import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  IssueTokenDocument,
  MessageEventsDocument,
  PutEnvironmentDocument,
  type TokenScope,
} from '../generated/graphql.ts'
import type { Client, Result } from '../support/client.ts'
import { ask } from '../support/graph.ts'
import { collect, dataOf, document, type House, house, MODES, refusalOf, standsStill } from '../support/house.ts'
import { createJob, JOB, type Job } from './bulk-story.ts'

const PROGRESS = document<{ bulkJobProgress: Job }>(`subscription ($id: ID!) { bulkJobProgress(id: $id) ${JOB} }`)
const USERS = 400

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const job = (rest: Record<string, unknown> = {}) =>
      createJob(home, { content: { title: 'Hello' }, routing: { channels: [{ channel: 'INBOX' }] }, ...rest })
    const people = (count: number) =>
      Array.from({ length: count }, (_, n) => ({ to: { email: `p${n}@example.com`, userId: `p${n}` } }))
    const watch = (client: Client, id: string) => client.subscribe(PROGRESS, { id })

    async function tokenFor(jobIds: readonly string[], scopes: readonly TokenScope[] = ['MESSAGES_READ']): Promise<Client> {
      const input = { userId: 'watcher', jobIds: [...jobIds], scopes: [...scopes], expiresIn: 'PT1H' }
      return home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
    }

    test('Whoever watches a job sees it go forward, at most four times a second, to numbers that are those of the database', async () => {
      const { id, add, run } = await job()
      await add(people(USERS))
      const streams = [home.client, home.clients.at(-1)!, await tokenFor([id])].map((client) => follow(watch(client, id)))
      await expect.poll(() => streams.map(({ items }) => items[0]?.status)).toEqual(['CREATED', 'CREATED', 'CREATED'])
      await run()
      await Promise.all(streams.map(({ over }) => over))
      const { bulkJob: kept } = await ask<{ bulkJob: Job }>(home.client, `query ($id: ID!) { bulkJob(id: $id) ${JOB} }`, { id })
      expect(kept).toMatchObject({ status: 'COMPLETED', received: USERS, enqueued: USERS, counts: { total: USERS, sent: USERS } })
      expect(kept.counts).toEqual(await countsOf(kept.request!.id))
      for (const { items, times } of streams) {
        expect(items.at(-1)).toEqual(kept)
        expectForward(items)
        expect(items.length).toBeLessThanOrEqual(2 + ((times.at(-1)! - times[0]!) * 4) / 1_000)
      }
    })

    test('Who comes back in mid-way sees how it stands and goes on from there', async () => {
      const { id, add, run, state } = await job()
      await add(people(USERS))
      const first: Job[] = []
      for await (const result of watch(home.client, id)) {
        first.push(dataOf(result).bulkJobProgress)
        if (first.length === 1) await run()
        else break
      }
      const { items, over } = follow(watch(home.clients.at(-1)!, id))
      await over
      expectForward([...first, ...items])
      expect(items.at(-1)).toEqual(await state())
      expect(items.at(-1)).toMatchObject({ status: 'COMPLETED', enqueued: USERS, counts: { pending: 0 } })
      const later = follow(watch(home.client, id))
      await later.over
      expect(later.items).toEqual(items.slice(-1))
    })

    test('A completed job whose messages are delayed is watched until they are canceled', async () => {
      const { id, add, run, state } = await job({ delay: { duration: 'PT1H' } })
      await add(people(3))
      const { items, over } = follow(watch(home.clients.at(-1)!, id))
      await run()
      const delayed = { status: 'COMPLETED', enqueued: 3, counts: { pending: 3, canceled: 0 } }
      await expect.poll(() => items.at(-1)).toMatchObject(delayed)
      await ask(home.client, 'mutation ($id: ID!) { cancelBulkJob(id: $id) { id } }', { id })
      await over
      expect(items.at(-1)).toEqual(await state())
      expect(items.at(-1)).toMatchObject({ status: 'CANCELED', counts: { pending: 0, canceled: 3 } })
    })

    test('A job that is canceled before it runs ends those who watch it', async () => {
      const { id } = await job()
      const { items, over } = follow(watch(home.clients.at(-1)!, id))
      await expect.poll(() => items).toHaveLength(1)
      await ask(home.client, 'mutation ($id: ID!) { cancelBulkJob(id: $id) { id } }', { id })
      await over
      expect(items.map(({ status }) => status)).toEqual(['CREATED', 'CANCELED'])
    })

    test('Server-sent events carry the same, and leaving ends it', async () => {
      const { id } = await job()
      const stream = home.client.sse(PROGRESS, { id })
      expect(dataOf((await stream.next()).value!).bulkJobProgress).toMatchObject({ id, status: 'CREATED' })
      await stream.return()
    })

    test('A token that names a job watches its numbers, not what it says or to whom', async () => {
      const { id, add, run, completed } = await job()
      await add([{ to: { userId: 'ada@example.com' } }])
      await run()
      await completed()
      const token = await tokenFor([id])
      const seen = dataOf((await watch(token, id).next()).value!)
      expect(seen.bulkJobProgress).toMatchObject({ id, received: 1 })
      const fields = ['definition', 'users { nodes { recipient } }']
      const ofMessages = ['recipient', 'userId', 'output { text }', 'error']
      for (const field of [...fields, ...ofMessages.map((one) => `request { messages { nodes { ${one} } } }`)]) {
        const { value } = await token
          .sse(document(`subscription ($id: ID!) { bulkJobProgress(id: $id) { ${field} } }`), { id })
          .next()
        expect(refusalOf(value!).code).toBe('FORBIDDEN')
        expect(JSON.stringify(value)).not.toContain('ada')
      }
    })

    test('A token that names a job learns from its events not to whom they are, nor by guessing, but for what is for its own user', async () => {
      const { id, add, run, completed } = await job()
      await add([{ to: { userId: 'ada@example.com' } }, { to: { userId: 'watcher' } }])
      await run()
      await completed()
      const token = await tokenFor([id])
      const events = (filter: string) =>
        token.sse(
          document<{ messageEvents: { message: { userId: string } } }>(
            `subscription { messageEvents(filter: { jobId: "${id}", types: [SENT] ${filter} }) { message { userId } } }`,
          ),
          {},
        )
      const all = events('')
      const both = [(await all.next()).value!, (await all.next()).value!]
      expect(both.map((each) => each.data?.messageEvents.message.userId).sort()).toEqual([null, 'watcher'])
      expect(both.flatMap(({ errors }) => errors).map(({ extensions }) => extensions.code)).toEqual(['FORBIDDEN'])
      expect(dataOf((await events('userId: "watcher"').next()).value!).messageEvents.message.userId).toBe('watcher')
      const guessed = events('userId: "ada@example.com"').next()
      for (const by of ['userId', 'recipient']) {
        const found = (name: string) =>
          ask(token, `{ messages(filter: { jobId: "${id}", ${by}: "${name}" }) { nodes { recipient } } }`)
        expect(await found('ada@example.com')).toEqual({ messages: { nodes: [] } })
        expect(await found('watcher')).toEqual({ messages: { nodes: [{ recipient: 'watcher' }] } })
      }
      expect(await Promise.race([guessed, 'nothing'])).toBe('nothing')
    })

    test('A token that names a job sees its request and counts all of its messages, and sees no other request', async () => {
      const { id, add, run, completed } = await job()
      const other = await job()
      for (const each of [{ add, run, completed }, other]) {
        await each.add(people(2))
        await each.run()
      }
      const { request, counts } = await completed()
      const { request: foreign } = await other.completed()
      const token = await tokenFor([id, 'job_unknown'])
      const asked = `query ($id: ID!, $requestId: ID!) {
        bulkJob(id: $id) { request { id counts { total sent } } }
        request(id: $requestId) { id counts { total sent } messages { nodes { jobId request { counts { total sent } } } } }
      }`
      const of = { total: counts.total, sent: counts.sent }
      expect(of).toEqual({ total: 2, sent: 2 })
      expect(await ask(token, asked, { id, requestId: request!.id })).toEqual({
        bulkJob: { request: { id: request!.id, counts: of } },
        request: {
          id: request!.id,
          counts: of,
          messages: { nodes: [1, 2].map(() => ({ jobId: id, request: { counts: of } })) },
        },
      })
      const unseen = { bulkJob: null, request: null }
      expect(await ask(token, asked, { id: other.id, requestId: foreign!.id })).toEqual(unseen)
      expect(await ask(await tokenFor([]), asked, { id, requestId: request!.id })).toEqual(unseen)
    })

    test('A job that is not there, one of another environment and one that a token does not name are not found', async () => {
      const { id } = await job()
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'elsewhere', input: { name: 'Elsewhere' } }))
      const input = { name: 'k', scopes: ['BULK_WRITE' as const], environmentId: 'elsewhere' }
      const foreign = home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
      const unknown = await refusalAt(home.client, 'job_unknown')
      expect(unknown).toEqual({ code: 'NOT_FOUND', message: "The bulk job 'job_unknown' was not found." })
      for (const client of [foreign, await tokenFor([]), await tokenFor(['job_unknown'])]) {
        expect(await refusalAt(client, id)).toEqual({ code: 'NOT_FOUND', message: `The bulk job '${id}' was not found.` })
      }
      expect(await refusalAt(await tokenFor(['job_unknown']), 'job_unknown')).toEqual(unknown)
      expect((await refusalAt(await tokenFor([id], ['INBOX_READ']), id)).code).toBe('FORBIDDEN')
    })

    test("A subscription by job begins with its first event, sees its messages alone, and nothing of a job that is not the caller's", async () => {
      const { id, add, run, state, completed } = await job()
      const other = await job()
      for (const each of [other, { add, run, completed }]) {
        await each.add(people(3))
        await each.run()
        await each.completed()
      }
      const { request } = await state()
      const token = await tokenFor([id])
      for (const filter of [{ jobId: id }, { jobId: id, requestId: request!.id }]) {
        const events = await collect(
          token.subscribe(MessageEventsDocument, { filter }),
          ({ messageEvents }) => messageEvents,
          (seen) => seen.filter(standsStill).length === 3,
        )
        expect(events.map(({ type }) => type).filter((type) => type === 'ENQUEUED' || type === 'SENT')).toHaveLength(6)
        expect(new Set(events.map(({ messageId }) => messageId)).size).toBe(3)
      }
      const foreign = token.subscribe(MessageEventsDocument, { filter: { jobId: other.id } })
      const next = foreign.next()
      await collect(
        token.subscribe(MessageEventsDocument, { filter: { jobId: id, types: ['SENT'] } }),
        ({ messageEvents }) => messageEvents,
        (seen) => seen.length === 3,
      )
      expect(await Promise.race([next, 'nothing'])).toBe('nothing')
    })

    async function countsOf(requestId: string): Promise<Job['counts']> {
      const { request } = await ask<{ request: { counts: Job['counts'] } }>(
        home.client,
        'query ($id: ID!) { request(id: $id) { counts { total pending sent failed skipped canceled } } }',
        { id: requestId },
      )
      return request.counts
    }

    async function refusalAt(client: Client, id: string) {
      const { value } = await client.sse(PROGRESS, { id }).next()
      return { code: refusalOf(value!).code, message: value!.errors[0]?.message }
    }
  })
}

/** Reads a stream to its end, with the time of each item in milliseconds. */
function follow(stream: AsyncGenerator<Result<{ bulkJobProgress: Job }>, void, void>) {
  const items: Job[] = []
  const times: number[] = []
  const read = async () => {
    for await (const result of stream) {
      items.push(dataOf(result).bulkJobProgress)
      times.push(performance.now())
    }
  }
  return { items, times, over: read() }
}

const STEPS = ['CREATED', 'PROCESSING', 'COMPLETED']

/** That nothing of a job that was neither paused nor sent again went back. */
function expectForward(items: readonly Job[]): void {
  for (const [index, item] of items.slice(1).entries()) {
    const before = items[index]!
    expect(STEPS.indexOf(item.status)).toBeGreaterThanOrEqual(STEPS.indexOf(before.status))
    expect(item.received).toBeGreaterThanOrEqual(before.received)
    expect(item.enqueued + item.failures).toBeGreaterThanOrEqual(before.enqueued + before.failures)
    expect(item.counts.total - item.counts.pending).toBeGreaterThanOrEqual(before.counts.total - before.counts.pending)
  }
}
