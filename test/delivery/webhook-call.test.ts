import { afterEach, beforeEach, expect, test } from 'vitest'
import type { HttpCall } from '../../src/channels/provider.ts'
import { createBreakers } from '../../src/delivery/breaker.ts'
import { createWebhookCall, OF_ENDPOINTS, type WebhookParts } from '../../src/delivery/webhook-call.ts'
import { createWebhookRecord } from '../../src/delivery/webhook-record.ts'
import { claim } from '../../src/queue/claim.ts'
import { enqueue } from '../../src/queue/enqueue.ts'
import type { Perform, Work } from '../../src/queue/kinds.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

const KEY = { environmentId: 'production', deliveryId: 'whd_1' }
let database: TestDatabase
let store: Store
let perform: Perform<'webhook'>
const calls: HttpCall[] = []
/** What happens between reading that an endpoint is gone and writing it. */
let beforeDrop = async () => {}

async function putEndpoint(): Promise<void> {
  const secrets = JSON.stringify([{ secret: `whsec_${'A'.repeat(43)}=`, until: null }])
  const endpoint = { id: 'orders', url: 'https://shop.example/', events: ['message:updated'], secrets }
  const row = { environment_id: 'production', ...endpoint }
  await store.db.insertInto('webhook_endpoint').values(row).execute()
}

beforeEach(async () => {
  calls.length = 0
  beforeDrop = async () => {}
  database = await testDatabase()
  store = await openStore({ url: database.url, poolSize: 2 })
  const { db } = store
  await db.insertInto('environment').values({ id: 'production', name: 'Production' }).execute()
  await putEndpoint()
  const delivery = { id: 'whd_1', endpoint_id: 'orders', event: 'message:updated', message_id: 'msg_1', payload: '{"data":{}}' }
  await db
    .insertInto('webhook_delivery')
    .values({ environment_id: 'production', ...delivery })
    .execute()
  const job = { kind: 'webhook' as const, payload: { ...KEY, since: 0 }, fairnessKey: 'production\nwebhook\norders' }
  await db.transaction().execute((tx) => enqueue(tx, [job]))
  const world = { now: () => new Date(), random: () => 0, log: { info() {}, warn() {}, error() {} } as never }
  const http = {
    guard: null as never,
    async request(call: HttpCall) {
      calls.push(call)
      return { kind: 'answered', status: 200, headers: {}, body: '' } as never
    },
  }
  const record = createWebhookRecord({ db, disabled() {} })
  const parts: WebhookParts = {
    ...world,
    db,
    async record(entry) {
      if (entry.gone !== undefined) await beforeDrop()
      return await record(entry)
    },
    http,
    vault: { open: (sealed) => sealed },
    breakers: createBreakers({ ...world, limits: OF_ENDPOINTS }),
    observed() {},
  }
  perform = createWebhookCall(parts)
})
afterEach(async () => {
  await store.close()
  await database.drop()
})

async function claimed(holdsLease: boolean): Promise<Work> {
  const { jobs } = await claim(store.db, { worker: 'w', lane: 'webhook', limit: 1, kinds: ['webhook'], after: '' })
  return {
    job: jobs[0]!,
    lane: 'webhook',
    holdsLease: () => holdsLease,
    signal: new AbortController().signal,
    leaveSlot() {},
    comesBack() {},
  }
}
const read = () => store.db.selectFrom('webhook_delivery').select(['status', 'attempts']).executeTakeFirstOrThrow()

test('A call that was noted and then not made is no attempt', async () => {
  await perform({ ...KEY, since: 0 }, await claimed(false))
  expect(calls).toEqual([])
  expect(await read()).toEqual({ status: 'PENDING', attempts: [] })

  await perform({ ...KEY, since: 0 }, await claimed(true))
  expect(calls).toHaveLength(1)
  expect(await read()).toMatchObject({ status: 'DELIVERED', attempts: [{ number: 1, outcome: 'ACCEPTED' }] })
})

test('An event whose endpoint is put again while it is about to be dropped is delivered to it', async () => {
  await store.db.deleteFrom('webhook_endpoint').execute()
  beforeDrop = putEndpoint
  await perform({ ...KEY, since: 0 }, await claimed(true))
  await perform({ ...KEY, since: 0 }, await claimed(true))
  expect(calls).toHaveLength(1)
  expect(await read()).toMatchObject({ status: 'DELIVERED' })
})

test('An event whose endpoint is gone is dropped, and its job is over', async () => {
  await store.db.deleteFrom('webhook_endpoint').execute()
  await perform({ ...KEY, since: 0 }, await claimed(true))
  await perform({ ...KEY, since: 0 }, await claimed(true))
  expect(calls).toEqual([])
  for (const table of ['webhook_delivery', 'job'] as const)
    expect(await store.db.selectFrom(table).selectAll().execute()).toEqual([])
})
