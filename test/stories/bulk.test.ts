import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../support/graph.ts'
import { document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { createJob, JOB, type Job } from './bulk-story.ts'

const content = { title: 'Hello {{name}}', body: '{{greeting}}, {{name}} of {{plan}}' }
const mail = { routing: { channels: [{ channel: 'EMAIL' }] } }
const inbox = { routing: { channels: [{ channel: 'INBOX' }] } }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const job = (message: Record<string, unknown> = { content }) => createJob(home, message)
    const refused = async (field: string, variables: Record<string, unknown> = {}, declared = '') =>
      refusalOf(await home.client.send(document(`mutation ${declared} { ${field} { id } }`), variables))

    test('A job is created, filled by several calls, run, and every user gets one message with their own data over the shared', async () => {
      const { id, add, run, completed, users } = await job({ content, data: { greeting: 'Hi', plan: 'free' }, ...inbox })
      expect(await add([{ to: { userId: 'ada', data: { name: 'Ada', plan: 'pro' } } }])).toEqual({ total: 1, errors: [] })
      await Promise.all([
        add([{ to: { userId: 'bob', data: { name: 'Bob' } } }]),
        add([{ to: { email: 'cyd@example.com', data: { name: 'Cyd' } } }]),
      ])
      expect(await run()).toMatchObject({ status: 'PROCESSING', received: 3 })
      const done = await completed()
      expect(done).toMatchObject({ status: 'COMPLETED', received: 3, enqueued: 3, failures: 0, counts: { total: 3, pending: 0 } })
      const nodes = await users()
      expect(nodes.map(({ recipient, status }) => [recipient, status]).sort()).toEqual([
        ['ada', 'ENQUEUED'],
        ['bob', 'ENQUEUED'],
        ['cyd@example.com', 'ENQUEUED'],
      ])
      const ada = nodes.find(({ recipient }) => recipient === 'ada')!
      expect(ada.message).toMatchObject({ id: ada.messageId, status: 'SENT', jobId: id, requestId: done.request!.id })
      expect(ada.message!.output[0]).toMatchObject({ text: 'Hi, Ada of pro' })
    })

    test('A user who is in the job is refused as a duplicate, whoever adds them, and the others of the call are taken', async () => {
      const { add } = await job()
      await add([{ to: { userId: 'ada' } }])
      const to = [
        { userId: 'bob' },
        { userId: 'ada' },
        { email: 'not an address' },
        { listId: 'news' },
        { userId: 'bob' },
        { email: 'Cyd@Example.com' },
        { email: 'cyd@example.com' },
        { userId: 'dot', tenantId: 'nowhere' },
        { phoneNumber: '+49 151 12345678' },
        { phoneNumber: '+49 (151) 1234-5678' },
        { profile: { phone_number: '+4915112345678' } },
      ]
      const { total, errors } = await add(to.map((one) => ({ to: one })))
      expect(total).toBe(3)
      expect(errors.map(({ index, code, recipient }) => [index, code, recipient])).toEqual([
        [1, 'DUPLICATE_USER', 'ada'],
        [2, 'BAD_USER_INPUT', 'not an address'],
        [3, 'BAD_USER_INPUT', null],
        [4, 'DUPLICATE_USER', 'bob'],
        [6, 'DUPLICATE_USER', 'cyd@example.com'],
        [7, 'NOT_FOUND', 'dot'],
        [9, 'DUPLICATE_USER', '+49 (151) 1234-5678'],
        [10, 'DUPLICATE_USER', '+4915112345678'],
      ])
      expect(errors[0]!.error).toBe('Duplicate user')
      const again = await add([{ to: { phoneNumber: '+49.151.12345678' } }])
      expect(again).toMatchObject({ total: 0, errors: [{ code: 'DUPLICATE_USER', recipient: '+49.151.12345678' }] })
    })

    test('A job runs once, and nobody is added to one that has run', async () => {
      const { id, add, run, completed } = await job()
      await add([{ to: { userId: 'ada' } }])
      await run()
      expect((await refused(`runBulkJob(id: "${id}")`)).code).toBe('JOB_ALREADY_RUN')
      await completed()
      const late = await home.client.send(
        document('mutation ($id: ID!) { addBulkUsers(jobId: $id, users: [{ to: { userId: "bob" } }]) { total } }'),
        { id },
      )
      expect(refusalOf(late).code).toBe('JOB_ALREADY_RUN')
    })

    test('Each step that is repeated with its idempotency key is answered again and carried out once', async () => {
      const create = () =>
        ask<{ createBulkJob: { id: string } }>(
          home.client,
          'mutation ($input: CreateBulkJobInput!) { createBulkJob(input: $input) { id } }',
          { input: { message: { content }, idempotencyKey: `create-${mode.length}` } },
        )
      const [first, second] = [await create(), await create()]
      expect(second).toEqual(first)
      const { id } = first.createBulkJob
      const add = () =>
        ask(
          home.client,
          'mutation ($id: ID!) { addBulkUsers(jobId: $id, users: [{ to: { userId: "ada" } }], idempotencyKey: "add-1") { total errors { index } job { received } } }',
          { id },
        )
      const added = { addBulkUsers: { total: 1, errors: [], job: { received: 1 } } }
      expect([await add(), await add()]).toEqual([added, added])
      const run = () =>
        home.client.send(document(`mutation { runBulkJob(id: "${id}") { id } }`), {}, { headers: { 'idempotency-key': 'run-1' } })
      expect([await run(), await run()].map(({ errors }) => errors)).toEqual([[], []])
    })

    test('A paused job sends nothing that waits until it is resumed; of one that is canceled while paused nothing is sent', async () => {
      const { id, add, run, state, completed } = await job({ content, ...mail })
      await add(Array.from({ length: 3_000 }, (_, n) => ({ to: { email: `${mode.length}-${n}@example.com` } })))
      await run()
      await expect.poll(async () => (await state()).counts.sent).toBeGreaterThan(20)
      await ask(home.client, `mutation { pauseBulkJob(id: "${id}") { id } }`)
      // What a worker has in hand goes on, and is soon done.
      let before = await state()
      await expect
        .poll(
          async () => {
            const last = before
            before = await state()
            return before.counts.sent - last.counts.sent
          },
          { interval: 500 },
        )
        .toBe(0)
      expect(before.status).toBe('PAUSED')
      expect(before.counts.sent).toBeLessThan(3_000)
      await ask(home.client, `mutation { resumeBulkJob(id: "${id}") { id } }`)
      await expect.poll(async () => (await state()).counts.sent).toBeGreaterThan(before.counts.sent)
      await ask(home.client, `mutation { pauseBulkJob(id: "${id}") { id } }`)
      await ask(home.client, `mutation { cancelBulkJob(id: "${id}") { id } }`)
      const { enqueued, counts } = await completed('CANCELED')
      expect(counts.total).toBe(enqueued)
      expect(counts.canceled).toBe(counts.total - counts.sent)
      expect(home.smtp.mails.filter(({ recipients }) => recipients[0]!.startsWith(`${mode.length}-`))).toHaveLength(counts.sent)
      expect((await refused(`resumeBulkJob(id: "${id}")`)).code).toBe('CONFLICT')
    })

    test('To cancel the request of a job is to cancel the job, also while it sends again', async () => {
      const { id, add, run, completed } = await job({ content, routing: { channels: [{ channel: 'EMAIL' }] } })
      await add(Array.from({ length: 2_500 }, (_, n) => ({ to: { userId: `lost-${n}` } })))
      await run()
      const { request } = await completed()
      await ask(home.client, `mutation { retryBulkJob(id: "${id}") { id } cancelRequest(id: "${request!.id}") { id } }`)
      const { counts } = await completed('CANCELED')
      expect(counts).toMatchObject({ total: 2_500, sent: 0, pending: 0 })
      expect(counts.failed + counts.canceled).toBe(2_500)
      expect((await refused(`retryBulkJob(id: "${id}")`)).code).toBe('CONFLICT')
    })

    test('Calls that add the same users at once in different orders take each of them once', async () => {
      const { add, state } = await job()
      const users = Array.from({ length: 2_000 }, (_, n) => ({ to: { userId: `same-${n}` } }))
      const calls = await Promise.all(
        [users, users.toReversed(), users.toSpliced(0, 1_000).concat(users.slice(0, 1_000))].map(add),
      )
      expect(calls.map(({ total, errors }) => total + errors.length)).toEqual([2_000, 2_000, 2_000])
      expect((await state()).received).toBe(2_000)
    })

    test('A page is not made of more than it can hold: users with much data are placed a few at a time', async () => {
      const { add, run, completed } = await job({ content, ...inbox })
      const data = { name: 'Ada', much: 'x'.repeat(240_000) }
      for (let call = 0; call < 2; call += 1) {
        await add(Array.from({ length: 20 }, (_, n) => ({ to: { userId: `big-${call}-${n}`, data } })))
      }
      await run()
      expect(await completed()).toMatchObject({ enqueued: 40, counts: { sent: 40 } })
    })

    test('Those whose message failed are sent to again, by a message that takes the place of the first', async () => {
      const { id, add, run, completed, users } = await job({ content, routing: { channels: [{ channel: 'EMAIL' }] } })
      await add([{ to: { userId: `homeless-${mode.length}` } }, { to: { email: 'eve@example.com' } }])
      await run()
      const first = await completed()
      expect(first.counts).toMatchObject({ total: 2, sent: 1, failed: 1 })
      const [before] = await users()
      expect(before!.message!.status).toBe('UNROUTABLE')
      await ask(home.client, 'mutation ($id: ID!) { mergeProfile(userId: $id, profile: { email: "h@example.com" }) { id } }', {
        id: `homeless-${mode.length}`,
      })
      await ask(home.client, `mutation { retryBulkJob(id: "${id}") { id } }`)
      expect((await completed()).counts).toMatchObject({ total: 2, sent: 2, failed: 0 })
      const [after] = await users()
      expect(after!.message).toMatchObject({ status: 'SENT', resendOf: before!.messageId, jobId: id })
    })

    test('What is wrong with the message is said where it is, and an unknown job looks like a foreign one', async () => {
      const create = async (message: Record<string, unknown>) =>
        refusalOf(
          await home.client.send(document('mutation ($m: MessageInput!) { createBulkJob(input: { message: $m }) { id } }'), {
            m: message,
          }),
        )
      expect(await create({})).toEqual({ code: 'BAD_USER_INPUT', path: 'input.message' })
      expect(await create({ content, topicId: 'nothing' })).toMatchObject({ code: 'NOT_FOUND' })
      expect(await create({ template: 'nothing' })).toMatchObject({ code: 'NOT_FOUND' })
      expect((await refused('runBulkJob(id: "job_1")')).code).toBe('NOT_FOUND')
      expect(await ask(home.client, `{ bulkJob(id: "job_1") ${JOB} }`)).toEqual({ bulkJob: null })
    })

    test('A key that simulates runs a job without calling a provider, and has no real messages sent', async () => {
      const { createApiKey } = await ask<{ createApiKey: { secret: string } }>(
        home.client,
        'mutation { createApiKey(input: { name: "sim", scopes: [BULK_WRITE], mode: SIMULATE }) { secret } }',
      )
      const simulating = home.enter(createApiKey.secret)
      const { id, add, completed, users } = await job()
      await add([{ to: { email: 'sim@example.com' } }])
      await ask(simulating, `mutation { runBulkJob(id: "${id}") { id } }`)
      expect((await completed()).counts).toMatchObject({ total: 1, sent: 1 })
      expect((await users())[0]!.message!.status).toBe('SIMULATED')
      const real = await job({ content, routing: { channels: [{ channel: 'EMAIL' }] } })
      await real.add([{ to: { userId: 'nowhere' } }])
      await real.run()
      await real.completed()
      const retried = await simulating.send(document(`mutation { retryBulkJob(id: "${real.id}") { id } }`), {})
      expect(refusalOf(retried).code).toBe('CONFLICT')
    })

    test('A job of many waits for no other: a small one that begins later is done first', async () => {
      const [many, few] = [await job({ content, ...inbox }), await job({ content, ...inbox })]
      await many.add(Array.from({ length: 8_000 }, (_, n) => ({ to: { userId: `m${n}` } })))
      await few.add(Array.from({ length: 20 }, (_, n) => ({ to: { userId: `f${n}` } })))
      await many.run()
      await expect.poll(async () => (await many.state()).counts.sent).toBeGreaterThan(100)
      await few.run()
      await few.completed()
      const { status, counts } = await many.state()
      expect(status === 'PROCESSING' || counts.pending > 0).toBe(true)
      await ask(home.client, `mutation { cancelBulkJob(id: "${many.id}") { id } }`)
      await many.completed('CANCELED')
    })

    test('Users are paged by their status, and jobs newest first', async () => {
      const { id, add, state } = await job()
      await add(Array.from({ length: 120 }, (_, n) => ({ to: { userId: `p${n}` } })))
      const page = (after: string | null, status: string | null) =>
        ask<{ bulkJob: { users: { nodes: { recipient: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string } } } }>(
          home.client,
          `query ($id: ID!, $after: String, $status: BulkUserStatus) { bulkJob(id: $id) { users(first: 100, after: $after, status: $status) {
             nodes { recipient status messageId error } pageInfo { hasNextPage endCursor } } } }`,
          { id, after, status },
        )
      const first = (await page(null, 'PENDING')).bulkJob.users
      expect(first.nodes[0]).toEqual({ recipient: 'p0', status: 'PENDING', messageId: null, error: null })
      const second = (await page(first.pageInfo.endCursor, 'PENDING')).bulkJob.users
      expect([first.nodes.length, second.nodes.length, second.pageInfo.hasNextPage]).toEqual([100, 20, false])
      expect((await page(null, 'ENQUEUED')).bulkJob.users.nodes).toEqual([])
      expect(await state()).toMatchObject({ status: 'CREATED', received: 120, enqueued: 0, failures: 0, request: null })
      const { bulkJobs } = await ask<{ bulkJobs: { nodes: Job[] } }>(home.client, '{ bulkJobs(first: 2) { nodes { id } } }')
      expect(bulkJobs.nodes[0]!.id).toBe(id)
    })

    test('A user who is erased before their turn gets no message, and is counted as a failure', async () => {
      const { add, run, completed, users } = await job({ content, ...inbox })
      await add([{ to: { userId: 'gone' } }, { to: { userId: 'stays' } }])
      await ask(home.client, 'mutation { deleteUser(userId: "gone") }')
      await run()
      expect(await completed()).toMatchObject({ received: 2, enqueued: 1, failures: 1, counts: { total: 1 } })
      const [gone] = await users()
      expect(gone).toMatchObject({ recipient: '(erased)', status: 'ERROR', messageId: null, error: 'The user was erased.' })
      expect(await ask(home.client, '{ user(id: "gone") { id } }')).toEqual({ user: null })
    })
  })
}
