import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts'
import type { Carillon } from '../support/process.ts'
import { startWire, type Wire } from '../support/wire.ts'
import { mail, send, until } from './caller.ts'
import { countOf, histories, outcomesOf } from './history.ts'
import { START_MS, type Stage, setStage } from './stage.ts'

/** Enough that several share a transaction. */
const AT_ONCE = 40
const RECOVERED_MS = 30_000

let provider: FakeProvider
let stage: Stage
let wire: Wire
let database: TestDatabase
let api: Carillon
/** Beside the wire. */
let other: Carillon
beforeAll(async () => {
  database = await testDatabase()
  wire = await startWire(() => socketOf(database.url))
  provider = await startFakeProvider()
  stage = await setStage({ databaseUrl: database.url, smtpUrl: provider.url })
  stage.defer(() => database.drop())
  stage.defer(() => wire.close())
  stage.defer(() => provider.close())
  other = await stage.start('api')
  api = await stage.start('api', { DATABASE_URL: through(database.url) })
}, START_MS)
afterAll(() => stage?.clear())

function socketOf(databaseUrl: string): string {
  const { port, searchParams } = new URL(databaseUrl)
  return join(searchParams.get('host')!, `.s.PGSQL.${port}`)
}

/** The same database, by the wire. */
function through(databaseUrl: string): string {
  const { username, pathname } = new URL(databaseUrl)
  return `postgresql://${username}@127.0.0.1:${wire.port}${pathname}`
}

function titlesOf(name: string): readonly string[] {
  return Array.from({ length: AT_ONCE }, (_, index) => `${name}-${String(index).padStart(2, '0')}`)
}

/** Sends at once while the answer to their first commit gets lost. */
async function sendThroughLoss(titles: readonly string[], keyed: boolean): Promise<readonly PromiseSettledResult<string>[]> {
  let isLost = false
  void wire.loseReplyTo('commit', 1).then(() => {
    isLost = true
  })
  const inputs = titles.map((title) => ({ ...mail(title), ...(keyed && { idempotencyKey: title }) }))
  const results = await Promise.allSettled(inputs.map((input) => send(api.url, stage.key, input)))
  expect(isLost, JSON.stringify(results[0])).toBe(true)
  return results
}

async function messagesOf(titles: readonly string[]): Promise<readonly string[]> {
  const rows = await stage.query<{ id: string }>('select id from message where trace_id = any($1) order by trace_id', [titles])
  return rows.map(({ id }) => id)
}

test('a send whose commit is not answered is an error, never two messages', async () => {
  // Whether many share the first commit is the system's choice; within a few rounds they do.
  for (let round = 0, shared = false; !shared; round++) {
    const titles = titlesOf(`lost-${round}`)
    const results = await sendThroughLoss(titles, false)
    const refused = results.filter(({ status }) => status === 'rejected').length
    expect(refused).toBeGreaterThan(0)
    expect(await messagesOf(titles)).toHaveLength(AT_ONCE)
    shared = refused > 1
  }
})

test('with an idempotency key it is answered all the same, with what was committed', async () => {
  const titles = titlesOf('keyed')
  const results = await sendThroughLoss(titles, true)
  expect(results.filter(({ status }) => status === 'rejected')).toEqual([])
  const again = await Promise.all(titles.map((title) => send(api.url, stage.key, { ...mail(title), idempotencyKey: title })))
  expect(await messagesOf(titles)).toEqual(again)
  for (const [index, result] of results.entries()) {
    expect(result).toEqual({ status: 'fulfilled', value: again[index] })
  }
})

test('a worker whose commits are not answered writes no event twice and delivers everything', async () => {
  await stage.start('worker', { DATABASE_URL: through(database.url) })
  await until(async () => (await countOf(stage, 'job')) === 0, RECOVERED_MS, 'what waited is delivered')
  const titles = titlesOf('worked')
  const lost = wire.loseReplyTo('commit', 2)
  await Promise.all(titles.map((title) => send(other.url, stage.key, mail(title))))
  await lost
  await until(async () => (await countOf(stage, 'job')) === 0, RECOVERED_MS, 'all is delivered')
  for (const { id, status, events } of await histories(stage, titles)) {
    expect(status).toBe('SENT')
    expect(events.filter((type) => type !== 'DELIVERING')).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'SENT'])
    expect(events.filter((type) => type === 'DELIVERING')).toHaveLength((await outcomesOf(other.url, stage.key, id)).length)
  }
}, 90_000)
