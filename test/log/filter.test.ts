import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { append } from '../../src/log/append.ts'
import type { EventFilter, LogEvent, NewEvent } from '../../src/log/event.ts'
import { conditionOf, predicateOf } from '../../src/log/filter.ts'
import { readEvents } from '../../src/log/read.ts'
import { eventOf, openDatabase, openEnvironment, positions } from './setting.ts'

let database: Awaited<ReturnType<typeof openDatabase>>
beforeAll(async () => {
  database = await openDatabase()
})
afterAll(() => database.close())

const ids = ['a', 'b', 'c', "d'; --", '']
const id = fc.constantFrom(...ids)
const orNull = fc.option(id, { nil: null })
const stream = fc.constantFrom('MESSAGE' as const, 'INBOX' as const)
const type = fc.constantFrom('SENT', 'OPENED', 'ARCHIVED')

const event = fc.record({ stream, type, messageId: orNull, requestId: orNull, jobId: orNull, userId: orNull, tenantId: orNull })

const list = fc.uniqueArray(id, { maxLength: 3 })
const everyPart = fc.record({
  messageIds: list,
  requestIds: list,
  jobIds: list,
  userId: id,
  tenantId: orNull,
  types: fc.uniqueArray(type),
  visibleTo: fc.record({ userId: orNull, tenantId: orNull, requestIds: list, jobIds: list }),
})
const partNames = ['messageIds', 'requestIds', 'jobIds', 'userId', 'tenantId', 'types', 'visibleTo'] as const

/** Few parts at a time: all of them together let hardly anything through. */
const filter: fc.Arbitrary<EventFilter> = fc
  .tuple(stream, everyPart, fc.subarray([...partNames], { maxLength: 3 }))
  .map(([wanted, parts, chosen]) => ({ stream: wanted, ...Object.fromEntries(chosen.map((name) => [name, parts[name]])) }))

test('a filter lets the same events through in memory and in the database', async () => {
  const { db } = database.store
  const environmentId = await openEnvironment(db)
  const given: NewEvent[] = fc.sample(event, { numRuns: 400, seed: 7 }).map((one) => eventOf(environmentId, one))
  const written: readonly LogEvent[] = await db.transaction().execute((tx) => append(tx, given))
  let seen = 0
  await fc.assert(
    fc.asyncProperty(filter, async (wanted) => {
      const rows = await readEvents(db, { environmentId, after: 0, upTo: 1_000, limit: 1_000, filter: wanted })
      expect(positions(rows)).toEqual(positions(written.filter(predicateOf(wanted))))
      seen += rows.length
    }),
    { numRuns: 400 },
  )
  expect(seen).toBeGreaterThan(5_000)
})

test.each([{ messageIds: ['m19'] }, { requestIds: ['r19'] }, { requestIds: ['r19'], jobIds: ['j19'] }])(
  'where what %j names begins, late in a log, is found without reading what came before',
  async (names) => {
    const { db } = database.store
    const environmentId = await openEnvironment(db)
    await sql`
      insert into event (environment_id, position, stream, type, at, message_id, request_id, job_id)
      select ${environmentId}, n, 'MESSAGE', 'SENT', now(), 'm' || n / 1000, 'r' || n / 1000, 'j' || n / 1000
      from generate_series(0, 19999) as n`.execute(db)
    await sql`analyze event`.execute(db)
    const named = sql`environment_id = ${environmentId} and ${conditionOf({ stream: 'MESSAGE', ...names })}`
    const { rows } = await sql<{ 'QUERY PLAN': string }>`
      explain (analyze, buffers off, timing off) select min(position) from event where ${named}`.execute(db)
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toContain('Index')
    expect(plan).not.toContain('Rows Removed')
  },
)

test('a user token bound to a tenant sees its user within that tenant, and what it names anywhere', () => {
  const visibleTo = { userId: 'u', tenantId: 't', requestIds: ['r'], jobIds: ['j'] }
  const sees = predicateOf({ stream: 'MESSAGE', visibleTo })
  const at = (given: Partial<NewEvent>) => sees({ ...eventOf('e', { requestId: null, ...given }), position: 1 })
  expect(at({ userId: 'u', tenantId: 't' })).toBe(true)
  expect(at({ userId: 'u', tenantId: 'other' })).toBe(false)
  expect(at({ userId: 'u', tenantId: null })).toBe(false)
  expect(at({ userId: 'other', tenantId: 't' })).toBe(false)
  expect(at({ userId: 'other', tenantId: 'other', requestId: 'r' })).toBe(true)
  expect(at({ jobId: 'j' })).toBe(true)
})

test('a token that names nothing and nobody sees nothing', () => {
  const sees = predicateOf({ stream: 'MESSAGE', visibleTo: { userId: null, tenantId: null, requestIds: [], jobIds: [] } })
  expect(sees({ ...eventOf('e', { userId: null, requestId: null }), position: 1 })).toBe(false)
})
