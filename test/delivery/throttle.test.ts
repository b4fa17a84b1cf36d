import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createThrottle, type Throttled } from '../../src/delivery/throttle.ts'
import { countersOf, type SendLimit } from '../../src/domain/send-limit.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { insertMessages, type NewMessage } from '../../src/store/message.ts'
import { eraseCounts, forgetCounts, readCounts } from '../../src/store/send-limit.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const NOW = new Date('2026-06-03T18:30:00Z')
let database: TestDatabase
let store: Store
let now = NOW

beforeEach(async () => {
  now = NOW
  database = await testDatabase()
  store = await openStore({ url: database.url, poolSize: 4 })
  await store.db.insertInto('environment').values({ id: 'production', name: 'Production' }).execute()
})
afterEach(async () => {
  await store.close()
  await database.drop()
})

const all = (max: number): SendLimit => ({ scope: 'ALL', max, period: 'DAY' })
const perUser = (max: number): SendLimit => ({ scope: 'USER', max, period: 'DAY' })

/** Messages that wait to be sent. */
async function accept(count: number, more: Partial<Throttled> = {}): Promise<readonly Throttled[]> {
  const requestId = crypto.randomUUID()
  const messages = Array.from({ length: count }, (_, index) => ({
    environmentId: 'production',
    messageId: `${requestId}-${String(index).padStart(4, '0')}`,
    tenantId: null,
    userId: 'ada',
    topicId: null,
    limits: [all(50)],
    isExempt: false,
    ...more,
  }))
  const rest = { status: 'ENQUEUED', reason: null, error: null, to: {}, listId: null, audienceId: null, event: null } as const
  await store.db.transaction().execute((tx) =>
    insertMessages(
      tx,
      [{ environmentId: 'production', id: requestId, mode: 'LIVE', definition: {}, expansion: null, acceptedAt: NOW }],
      messages.map(
        ({ messageId, environmentId, userId, tenantId, topicId }): NewMessage => ({
          ...rest,
          ...{ environmentId, id: messageId, requestId, userId, recipient: 'ada', tenantId, topicId },
          ...{ tags: [], traceId: null, enqueuedAt: NOW },
        }),
      ),
    ),
  )
  return messages
}

const throttleOf = (one: Store) => createThrottle({ db: one.db, now: () => now })
const ask = async (messages: readonly Throttled[]) => await Promise.all(messages.map(throttleOf(store)))
const used = async ({ limits, ...message }: Throttled) => await readCounts(store.db, countersOf(limits, message, now))

describe('Send limits', () => {
  test('let exactly as many pass as they allow, however many processes send at once', async () => {
    const messages = await accept(200, { limits: [all(50), perUser(60)] })
    const stores = await Promise.all([1, 2, 3, 4].map(() => openStore({ url: database.url, poolSize: 2 })))
    try {
      const throttles = stores.map(throttleOf)
      const answers = await Promise.all(messages.map((message, index) => throttles[index % 4]!(message)))
      expect(answers.filter((over) => over === null)).toHaveLength(50)
      expect(answers.filter((over) => over !== null)).toEqual(Array.from({ length: 150 }, () => all(50)))
      expect(await used(messages[0]!)).toEqual([50, 50])
    } finally {
      await Promise.all(stores.map((one) => one.close()))
    }
  })

  test('let the first come first, and name the limit that stops', async () => {
    const limits = [all(4), perUser(2)]
    const ofAda = await accept(3, { limits })
    const ofBen = await accept(3, { limits, userId: 'ben' })
    expect(await ask([...ofAda, ...ofBen])).toEqual([null, null, perUser(2), null, null, all(4)])
    expect(await used(ofBen[0]!)).toEqual([4, 2])
  })

  test('count a message once, whoever tries it again after a crash, and in whatever period', async () => {
    const [message] = await accept(1, { limits: [all(1)] })
    expect(await ask([message!])).toEqual([null])
    expect(await ask([message!, message!])).toEqual([null, null])
    now = new Date('2026-06-04T00:00:00Z')
    expect(await ask([message!])).toEqual([null])
    expect(await used(message!)).toEqual([0])
    now = NOW
    expect(await used(message!)).toEqual([1])
  })

  test('count a message once that is asked for twice at the same time', async () => {
    const [message] = await accept(1, { limits: [all(1)] })
    expect(await ask([message!, message!])).toEqual([null, null])
    expect(await used(message!)).toEqual([1])
  })

  test('do not count what they stop: it may go in the next period', async () => {
    const messages = await accept(2, { limits: [all(1)] })
    expect(await ask(messages)).toEqual([null, all(1)])
    now = new Date('2026-06-04T00:00:00Z')
    expect(await ask(messages)).toEqual([null, null])
    expect(await used(messages[0]!)).toEqual([1])
  })

  test('count what is exempt and never stop it; what is not is stopped by it', async () => {
    const limits = [all(2)]
    const exempt = await accept(3, { limits, isExempt: true })
    const other = await accept(1, { limits })
    expect(await ask([...exempt, ...other])).toEqual([null, null, null, all(2)])
    expect(await used(other[0]!)).toEqual([3])
  })

  test('hold from then on where they are raised or lowered, with what was counted before', async () => {
    const messages = await accept(4)
    const [first, second, third, fourth] = messages.map((message) => (max: number) => ({ ...message, limits: [all(max)] }))
    expect(await ask([first!(2), second!(2), third!(2)])).toEqual([null, null, all(2)])
    expect(await ask([third!(3)])).toEqual([null])
    expect(await ask([fourth!(1)])).toEqual([all(1)])
  })

  test('leave alone what is no longer to be sent', async () => {
    const messages = await accept(2, { limits: [all(1)] })
    await sql`update message set status = 'CANCELED' where id = ${messages[0]!.messageId}`.execute(store.db)
    expect(await ask(messages)).toEqual([null, null])
    expect(await used(messages[0]!)).toEqual([1])
  })

  test('cost nothing where an environment has none', async () => {
    const throttle = createThrottle({ db: null as unknown as Store['db'], now: () => now })
    const [message] = await accept(1, { limits: [] })
    expect(await throttle(message!)).toBeNull()
  })

  test('keep the environments apart', async () => {
    await store.db.insertInto('environment').values({ id: 'staging', name: 'Staging' }).execute()
    const messages = await accept(1, { limits: [all(1)] })
    expect(await ask(messages)).toEqual([null])
    expect(await used({ ...messages[0]!, environmentId: 'staging' })).toEqual([0])
  })

  test('forget the periods that began before', async () => {
    const monthly: SendLimit = { scope: 'ALL', max: 9, period: 'MONTH' }
    const messages = await accept(1, { limits: [all(9), monthly] })
    await ask(messages)
    await forgetCounts(store.db, new Date('2026-06-02T00:00:00Z'))
    expect(await used(messages[0]!)).toEqual([1, 0])
  })

  test('forget a user who is erased, and nobody else', async () => {
    const limits = [all(9), perUser(9), { scope: 'USER_TOPIC', max: 9, period: 'WEEK' } as const]
    const [ofAda] = await accept(1, { limits, topicId: 'ben' })
    const [ofBen] = await accept(1, { limits, userId: 'ben', topicId: 'news' })
    await ask([ofAda!, ofBen!])
    await store.db.transaction().execute((tx) => eraseCounts(tx, 'production', 'ben'))
    expect(await used(ofAda!)).toEqual([2, 1, 1])
    expect(await used(ofBen!)).toEqual([2, 0, 0])
  })
})
