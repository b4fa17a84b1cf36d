import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { PutWebhookEndpointDocument } from '../generated/graphql.ts'
import { everyRowIn, tablesWith } from '../support/every-row.ts'
import { ask } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { type Receiver, startReceiver } from '../support/http.ts'
import { createJob } from './bulk-story.ts'

const LATE = { timeout: 20_000 }
const EMPTIED = { content: { title: null, body: null }, data: {}, metadata: { tags: ['kept'], traceId: null } }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let endpoint: Receiver

    beforeAll(async () => {
      endpoint = await startReceiver()
      home = await house({ mode })
      dataOf(await home.client.send(PutWebhookEndpointDocument, { id: 'own', input: { url: endpoint.url } }))
    })
    afterAll(async () => {
      await home.stop()
      await endpoint.close()
    })

    const erase = (userId: string) => ask(home.client, 'mutation ($id: ID!) { deleteUser(userId: $id) }', { id: userId })
    /** Where a word stands; in the embedded database nobody can look. */
    const tablesThatSay = async (word: string) => tablesWith(await everyRowIn(home.databaseUrl), word)
    const ifSeen = (tables: string[]) => (home.databaseUrl === null ? [] : tables)

    /** A job that says one word wherever it can, and nothing else says it. */
    const jobThatSays = (word: string, rest: Record<string, unknown> = {}) =>
      createJob(home, {
        content: { title: word, body: `Dear {{name}} of ${word}` },
        data: { shared: word },
        channels: { inbox: { override: { title: word } } },
        metadata: { tags: ['kept'], traceId: word },
        ...rest,
      })
    const personOf = (word: string, name: string) => ({
      to: { userId: `${word}-${name}`, email: `${word}-${name}@example.com`, data: { name: word }, profile: { note: word } },
    })
    const toldOf = async (id: string) =>
      (
        await ask<{ bulkJob: { definition: unknown; error: string | null } }>(
          home.client,
          'query ($id: ID!) { bulkJob(id: $id) { definition error } }',
          { id },
        )
      ).bulkJob

    test('What a job that ran said stays for the others until the last of its users is erased, and its counts stay for good', async () => {
      const { id, add, run, completed, users, state } = await jobThatSays('canary-ran')
      await add([personOf('canary-ran', 'first'), personOf('canary-ran', 'second')])
      await run()
      const done = await completed()
      const messages = (await users()).map(({ messageId }) => messageId!)
      const called = () => endpoint.received.filter(({ body }) => messages.some((message) => body.includes(message)))
      await expect.poll(() => called().length, LATE).toBe(6)
      const before = await tablesThatSay('canary-ran')
      expect(before).toEqual(expect.arrayContaining(ifSeen(['bulk_job', 'bulk_user', 'message', 'request', 'webhook_delivery'])))
      await erase('canary-ran-first')
      expect(await tablesThatSay('canary-ran-first')).toEqual([])
      expect(JSON.stringify((await toldOf(id)).definition)).toContain('canary-ran')
      await erase('canary-ran-second')
      expect(await tablesThatSay('canary-ran')).toEqual([])
      expect(await toldOf(id)).toEqual({ definition: EMPTIED, error: null })
      expect(await state()).toEqual(done)
      expect((await users()).map(({ recipient, status }) => [recipient, status])).toEqual([
        ['(erased)', 'ENQUEUED'],
        ['(erased)', 'ENQUEUED'],
      ])
    })

    test('A job whose users are all erased before it runs is emptied and canceled, so that nobody is sent nothing', async () => {
      const { id, add, state } = await jobThatSays('canary-never')
      await add([personOf('canary-never', 'only')])
      const bare = await createJob(home, { content: { title: 'canary-never' }, data: null, metadata: null })
      await bare.add([{ to: { userId: 'canary-never-only' } }])
      expect(await tablesThatSay('canary-never')).toEqual(ifSeen(['bulk_job', 'bulk_user']))
      await erase('canary-never-only')
      expect(await tablesThatSay('canary-never')).toEqual([])
      expect(await toldOf(id)).toEqual({ definition: EMPTIED, error: 'Everybody in it was erased before it ran.' })
      expect((await toldOf(bare.id)).definition).toEqual({ ...EMPTIED, metadata: { traceId: null } })
      expect(await state()).toMatchObject({ status: 'CANCELED', received: 1, counts: { total: 0 } })
      const late = await home.client.send(
        document('mutation ($id: ID!) { addBulkUsers(jobId: $id, users: [{ to: { userId: "late" } }]) { total } }'),
        { id },
      )
      expect(refusalOf(late).code).toBe('JOB_ALREADY_RUN')
    })

    test('A job that is paused while the last of its users is erased goes on to nobody, and its request says nothing either', async () => {
      const { id, add, completed } = await jobThatSays('canary-paused', { delay: { duration: 'PT1H' } })
      await add([personOf('canary-paused', 'first'), personOf('canary-paused', 'second')])
      await ask(home.client, 'mutation ($id: ID!) { runBulkJob(id: $id) { id } pauseBulkJob(id: $id) { id } }', { id })
      await erase('canary-paused-first')
      await erase('canary-paused-second')
      expect(await tablesThatSay('canary-paused')).toEqual([])
      await ask(home.client, 'mutation ($id: ID!) { resumeBulkJob(id: $id) { id } }', { id })
      const { counts } = await completed()
      expect(counts.total).toBe(counts.canceled)
      expect(await tablesThatSay('canary-paused')).toEqual([])
    })

    test('A job that has not run says to the others what it was to say, without those who were erased', async () => {
      const { add, run, completed, state } = await jobThatSays('canary-left')
      await add([personOf('canary-left', 'gone'), { to: { email: 'stays@example.com', data: { name: 'Ada' } } }])
      await erase('canary-left-gone')
      expect(await tablesThatSay('canary-left-gone')).toEqual([])
      expect(await state()).toMatchObject({ status: 'CREATED', received: 2 })
      await run()
      expect(await completed()).toMatchObject({ enqueued: 1, failures: 1, counts: { sent: 1 } })
      const mail = home.smtp.mails.find(({ recipients }) => recipients.includes('stays@example.com'))!
      expect(mail.source).toContain('Dear Ada of canary-left')
    })
  })
}
