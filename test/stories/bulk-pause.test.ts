import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask } from '../support/graph.ts'
import { document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { createJob } from './bulk-story.ts'

const content = { title: 'Hello' }
const LATE = { timeout: 20_000 }
const mail = { routing: { channels: [{ channel: 'EMAIL' }] } }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    /** The house's clock. It stands: what is delayed stays so until a test says otherwise. */
    let time = new Date()

    beforeAll(async () => {
      home = await house({ mode, world: { now: () => time } })
    })
    afterAll(() => home.stop())

    const act = (field: string, id: string) =>
      ask<Record<string, { status: string }>>(home.client, `mutation ($id: ID!) { ${field}(id: $id) { status } }`, { id })
    const completedAt = async (id: string) =>
      (
        await ask<{ bulkJob: { completedAt: string | null } }>(
          home.client,
          'query ($id: ID!) { bulkJob(id: $id) { completedAt } }',
          { id },
        )
      ).bulkJob.completedAt
    const mailsTo = (name: string) =>
      home.smtp.mails.flatMap(({ recipients }) => recipients).filter((address) => address.startsWith(name))
    const people = (name: string, count: number) =>
      Array.from({ length: count }, (_, n) => ({ to: { email: `${name}-${n}@example.com` } }))

    test('A paused job sends nothing whose delay comes to its end, and all of it once it is resumed', async () => {
      const delayed = { content, ...mail, delay: { duration: 'PT1S' } }
      const statuses = async ({ users }: Awaited<ReturnType<typeof createJob>>) => [
        ...new Set((await users()).map(({ message }) => message?.status)),
      ]
      const first = await createJob(home, delayed)
      await first.add(people('patient', 90))
      await first.run()
      await expect.poll(() => statuses(first), LATE).toEqual(['DELAYED'])
      await act('pauseBulkJob', first.id)
      // It begins later, so what the database counts of the first one's delay is over before its own.
      const later = await createJob(home, delayed)
      await later.add(people('later', 5))
      await later.run()
      await expect.poll(() => statuses(later), LATE).toEqual(['DELAYED'])
      time = new Date(time.getTime() + 2_000)
      await later.completed()
      expect(mailsTo('patient-')).toEqual([])
      expect(await first.state()).toMatchObject({ status: 'PAUSED', counts: { total: 90, pending: 90 } })
      await act('resumeBulkJob', first.id)
      expect((await first.completed()).counts).toMatchObject({ total: 90, sent: 90 })
      expect(mailsTo('patient-')).toHaveLength(90)
    })

    test('A job that was paused when all of its messages had been made is COMPLETED again at once, and since when it was', async () => {
      const { id, add, run, completed, state } = await createJob(home, { content, ...mail, delay: { duration: 'PT1H' } })
      await add(people('waiting', 3))
      await run()
      await expect.poll(async () => (await state()).status).toBe('COMPLETED')
      const at = await completedAt(id)
      await act('pauseBulkJob', id)
      expect(await act('resumeBulkJob', id)).toEqual({ resumeBulkJob: { status: 'COMPLETED' } })
      expect(await completedAt(id)).toBe(at)
      await act('cancelBulkJob', id)
      expect((await completed('CANCELED')).counts).toMatchObject({ total: 3, canceled: 3 })
    })

    test('A job whose request was canceled is not sent again to those whose message failed', async () => {
      const { id, add, run, completed } = await createJob(home, { content, ...mail })
      await add([{ to: { userId: 'nobody-knows-where' } }])
      await run()
      const { request, counts } = await completed()
      expect(counts).toMatchObject({ failed: 1 })
      await ask(home.client, 'mutation ($id: ID!) { cancelRequest(id: $id) { id } }', { id: request!.id })
      const refused = await home.client.send(document('mutation ($id: ID!) { retryBulkJob(id: $id) { id } }'), { id })
      expect(refusalOf(refused).code).toBe('CONFLICT')
    })

    test.runIf(mode === 'PostgreSQL and Redis')(
      'A job that is over keeps no line of the queue, whether it ran or not',
      async () => {
        const never = await createJob(home, { content, ...mail })
        await act('cancelBulkJob', never.id)
        const ran = await createJob(home, { content, ...mail, delay: { duration: 'PT1H' } })
        await ran.add(people('over', 3))
        await ran.run()
        await act('pauseBulkJob', ran.id)
        await act('cancelBulkJob', ran.id)
        await ran.completed('CANCELED')
        const database = new pg.Client({ connectionString: home.databaseUrl! })
        await database.connect()
        const held = async () => (await database.query('select fairness_key from held_line')).rows
        try {
          await expect.poll(held, LATE).toEqual([])
        } finally {
          await database.end()
        }
      },
    )

    test.runIf(mode === 'PostgreSQL and Redis')(
      'However often a job is paused and resumed, one fan-out makes its messages',
      async () => {
        const { id, add, run, completed } = await createJob(home, { content, routing: { channels: [{ channel: 'INBOX' }] } })
        await add(Array.from({ length: 2_500 }, (_, n) => ({ to: { userId: `often-${n}` } })))
        await run()
        const database = new pg.Client({ connectionString: home.databaseUrl! })
        await database.connect()
        try {
          const most: number[] = []
          for (let round = 0; round < 15; round++) {
            await home.client.send(
              document(`mutation ($id: ID!) { pauseBulkJob(id: $id) { id } resumeBulkJob(id: $id) { id } }`),
              { id },
            )
            const { rows } = await database.query(
              `select count(*)::int as n from job where kind = 'fanOut' and payload ->> 'jobId' = $1`,
              [id],
            )
            most.push(rows[0].n)
          }
          expect(Math.max(...most)).toBe(1)
        } finally {
          await database.end()
        }
        expect((await completed()).counts).toMatchObject({ total: 2_500, sent: 2_500 })
      },
    )
  })
}
