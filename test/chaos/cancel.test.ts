import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts'
import { startRedis } from '../support/redis.ts'
import { scaled } from '../support/scale.ts'
import { ask, mail, send, until } from './caller.ts'
import { countOf, histories } from './history.ts'
import { START_MS, type Stage, setStage } from './stage.ts'

const CANCELS = scaled(200, 1_000)
const CALLERS = 10
/** A cancel comes up to so long after its send was answered: an attempt begins somewhere within. */
const SPREAD_MS = 50
const MEMBERS = scaled(1_500, 10_000)

let provider: FakeProvider
let stage: Stage
let url: string
beforeAll(async () => {
  const redis = await startRedis()
  provider = await startFakeProvider()
  stage = await setStage({ smtpUrl: provider.url, ...(redis && { redisUrl: redis.url }) })
  stage.defer(() => provider.close())
  if (redis) stage.defer(() => redis.stop())
  url = (await stage.start('api')).url
  await Promise.all([stage.start('worker'), stage.start('worker')])
}, START_MS)
afterAll(() => stage?.clear())

/** True: CANCELED; false: too late. */
async function cancel(id: string): Promise<boolean> {
  const canceling = ask<{ cancelMessage: { status: string } }>(
    url,
    stage.key,
    `mutation { cancelMessage(id: "${id}") { status } }`,
  )
  return canceling.then(
    ({ cancelMessage }) => cancelMessage.status === 'CANCELED',
    (error: Error) => {
      if (error.message.startsWith('TOO_LATE')) return false
      throw error
    },
  )
}

/** The messages that the provider was called for. */
function delivered(): ReadonlySet<string> {
  return new Set(provider.receipts.map(({ messageId }) => /<(msg_[0-9a-f]{32})_/.exec(messageId)![1]!))
}

const areDone = async () => (await countOf(stage, "message where status not in ('SENT', 'CANCELED')")) === 0
const isIdle = async () => (await countOf(stage, 'job')) === 0

test('after CANCELED no provider is called, however near the cancel comes to the attempt', async ({ annotate }) => {
  const canceled = new Set<string>()
  const late = new Set<string>()
  const caller = async (first: number) => {
    for (let round = first; round < CANCELS; round += CALLERS) {
      const id = await send(url, stage.key, mail(`round ${round}`))
      await pause((round * 7) % SPREAD_MS)
      const outcome = (await cancel(id)) ? canceled : late
      outcome.add(id)
    }
  }
  await Promise.all(Array.from({ length: CALLERS }, (_, first) => caller(first)))
  await until(areDone, 60_000, 'every message ends')
  await until(isIdle, 60_000, 'no worker has anything left to do')
  await annotate(`${canceled.size} canceled, ${late.size} too late`)
  expect(canceled.size).toBeGreaterThan(0)
  expect(late.size).toBeGreaterThan(0)
  expect(canceled.size + late.size).toBe(CANCELS)
  expect(delivered()).toEqual(late)
  for (const { id, status, events } of await histories(stage)) {
    const ofCanceled = [['ENQUEUED', 'CANCELED'], 'CANCELED']
    const ofSent = [['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT'], 'SENT']
    expect([events, status]).toEqual(canceled.has(id) ? ofCanceled : ofSent)
  }
}, 240_000)

test('a request that is canceled while it is expanded and sent leaves each of its messages canceled or sent, never both', async ({
  annotate,
}) => {
  await stage.query(`insert into list (environment_id, id, name) values ('production', 'all', 'All')`)
  await stage.query(
    `insert into "user" (environment_id, id, profile)
     select 'production', 'user-' || n, jsonb_build_object('email', 'user-' || n || '@example.com') from generate_series(1, $1::int) n`,
    [MEMBERS],
  )
  await stage.query(
    `insert into list_subscription (environment_id, list_id, user_id) select environment_id, 'all', id from "user"`,
  )
  const before = provider.receipts.length
  const id = await send(url, stage.key, { to: [{ listId: 'all' }], content: { title: 'Hello' } })
  await until(() => provider.receipts.length > before, 30_000, 'the first is delivered')
  await ask(url, stage.key, `mutation { cancelRequest(id: "${id}") { id } }`)
  await until(areDone, 60_000, 'every message ends')
  await until(isIdle, 60_000, 'no worker has anything left to do')
  const rows = await stage.query<{ id: string; status: string; canceled: number }>(
    `select m.id, m.status,
       (select count(*)::int from event e where e.message_id = m.id and e.type = 'CANCELED') as canceled
     from message m where request_id = $1`,
    [id],
  )
  const sent = rows.filter(({ status }) => status === 'SENT').map((row) => row.id)
  await annotate(`${rows.length} of ${MEMBERS} made, ${sent.length} sent`)
  const called = delivered()
  expect(rows.filter((row) => called.has(row.id)).map((row) => row.id)).toEqual(sent)
  for (const row of rows) expect(row.canceled).toBe(row.status === 'CANCELED' ? 1 : 0)
  const { request } = await ask<{ request: object }>(
    url,
    stage.key,
    `{ request(id: "${id}") { expanded counts { total pending sent canceled } } }`,
  )
  const counts = { total: rows.length, pending: 0, sent: sent.length, canceled: rows.length - sent.length }
  expect(request).toEqual({ expanded: true, counts })
  expect(sent.length).toBeLessThan(MEMBERS)
}, 240_000)
