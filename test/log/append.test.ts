import { afterAll, beforeAll, expect, test } from 'vitest'
import { append, lockLog, openLogHead } from '../../src/log/append.ts'
import { readEvents, readHead } from '../../src/log/read.ts'
import type { Db } from '../../src/store/database.ts'
import { eventOf, openDatabase, openEnvironment, positions, range } from './setting.ts'

let database: Awaited<ReturnType<typeof openDatabase>>
let db: Db
beforeAll(async () => {
  database = await openDatabase()
  db = database.store.db
})
afterAll(() => database.close())

const stored = (environmentId: string) => readEvents(db, { environmentId, after: 0, upTo: 10_000, limit: 10_000 })

test('what append answers is what the table holds, in the order given', async () => {
  const environmentId = await openEnvironment(db)
  const given = [
    eventOf(environmentId, { detail: { attempts: 2, nested: { list: [1, 'two', null] } }, error: 'no such mailbox' }),
    eventOf(environmentId, { stream: 'INBOX', type: 'READ', status: null, channel: null, messageId: null, userId: 'u' }),
    eventOf(environmentId, { status: 'UNDELIVERABLE', reason: 'BOUNCED', tenantId: 't', jobId: 'j', detail: {} }),
  ]
  const written = await db.transaction().execute((tx) => append(tx, given))
  expect(written).toEqual(given.map((event, index) => ({ ...event, position: index + 1 })))
  expect(await stored(environmentId)).toEqual(written)
})

test('a transaction that is rolled back leaves neither events nor a hole', async () => {
  const environmentId = await openEnvironment(db)
  const failing = db.transaction().execute(async (tx) => {
    await append(tx, [eventOf(environmentId)])
    throw new Error('rolled back')
  })
  await expect(failing).rejects.toThrow('rolled back')
  const [written] = await db.transaction().execute((tx) => append(tx, [eventOf(environmentId)]))
  expect(written?.position).toBe(1)
  expect(positions(await stored(environmentId))).toEqual([1])
})

test('writers of the same environments in different orders do not deadlock', async () => {
  const environments = await Promise.all(range(1, 5).map(() => openEnvironment(db)))
  const writers = range(1, 8).map(async (writer) => {
    for (const nth of range(1, 10)) {
      const order = environments.toSorted((left, right) => (writer % 2 ? left.localeCompare(right) : right.localeCompare(left)))
      const events = order.concat(order).map((environmentId) => eventOf(environmentId, { messageId: `${writer}-${nth}` }))
      await db.transaction().execute((tx) => append(tx, events))
    }
  })
  await Promise.all(writers)
  for (const environmentId of environments) expect(positions(await stored(environmentId))).toEqual(range(1, 160))
})

test('what is computed under a locked log is still true at the position of the event', async () => {
  const environmentId = await openEnvironment(db)
  const writers = range(1, 20).map(() =>
    db.transaction().execute(async (tx) => {
      await lockLog(tx, [environmentId])
      const { count } = await tx
        .selectFrom('event')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('environment_id', '=', environmentId)
        .executeTakeFirstOrThrow()
      return append(tx, [eventOf(environmentId, { detail: { before: count } })])
    }),
  )
  await Promise.all(writers)
  for (const event of await stored(environmentId)) expect(event.detail).toEqual({ before: event.position - 1 })
})

test('characters that PostgreSQL cannot hold are replaced, not a reason to lose the event', async () => {
  const environmentId = await openEnvironment(db)
  const given = eventOf(environmentId, {
    error: 'half \ud83d of a face \0, a whole one 😀, a \\u0000 spelled out and a \u0007 bell',
    detail: { 'key\0': ['\udc00', { deep: '\0' }] },
  })
  const written = await db.transaction().execute((tx) => append(tx, [given]))
  expect(written[0]?.error).toBe('half � of a face �, a whole one 😀, a \\u0000 spelled out and a \u0007 bell')
  expect(written[0]?.detail).toEqual({ 'key�': ['�', { deep: '�' }] })
  expect(await stored(environmentId)).toEqual(written)
})

test('an environment without a log is a fault, and nothing of the transaction remains', async () => {
  const environmentId = await openEnvironment(db)
  const appending = db.transaction().execute((tx) => append(tx, [eventOf(environmentId), eventOf('nowhere')]))
  await expect(appending).rejects.toThrow('no log for the environments nowhere')
  expect(await stored(environmentId)).toEqual([])
  await expect(db.transaction().execute((tx) => lockLog(tx, ['nowhere']))).rejects.toThrow('nowhere')
})

test('opening a log twice leaves its history and its epoch as they are', async () => {
  const environmentId = await openEnvironment(db)
  await db.transaction().execute((tx) => append(tx, [eventOf(environmentId)]))
  const before = await readHead(db, environmentId)
  await db.transaction().execute((tx) => openLogHead(tx, environmentId))
  expect(await readHead(db, environmentId)).toEqual(before)
})

test('no events take no position', async () => {
  expect(await db.transaction().execute((tx) => append(tx, []))).toEqual([])
})
