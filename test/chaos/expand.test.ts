import { afterAll, beforeAll, expect, test } from 'vitest'
import { scaled } from '../support/scale.ts'
import { send, until } from './caller.ts'
import { LEASE_SECONDS, START_MS, type Stage, setStage } from './stage.ts'

const MEMBERS = scaled(3_000, 20_000)
const KILLS = scaled(2, 8)

let stage: Stage
let url: string
beforeAll(async () => {
  stage = await setStage()
  url = (await stage.start('api')).url
  await stage.query(`insert into list (environment_id, id, name) values ('production', 'all', 'All')`)
  await stage.query(
    `insert into "user" (environment_id, id) select 'production', 'user-' || n from generate_series(1, $1::int) n`,
    [MEMBERS],
  )
  await stage.query(
    `insert into list_subscription (environment_id, list_id, user_id) select environment_id, 'all', id from "user"`,
  )
}, START_MS)
afterAll(() => stage?.clear())

async function made(): Promise<number> {
  return (await stage.query<{ count: number }>('select count(*)::int as count from message'))[0]!.count
}

test('however often its worker is killed, the expansion of a list makes one message for each member', async ({ annotate }) => {
  const input = { to: [{ listId: 'all' }, { userId: 'user-1' }, { listPattern: '*' }], content: { title: 'Hello' } }
  await send(url, stage.key, input)
  const seen: number[] = []
  for (let kill = 0; kill < KILLS; kill += 1) {
    const before = await made()
    const worker = await stage.start('worker')
    await until(async () => (await made()) > before || (await isExpanded()), 60_000, 'the worker makes messages')
    await worker.end('SIGKILL')
    seen.push(await made())
  }
  await annotate(`killed with ${seen.join(', ')} of ${MEMBERS} made`)
  expect(seen[0]).toBeLessThan(MEMBERS)
  await stage.start('worker')
  await until(isExpanded, LEASE_SECONDS * 1000 + 60_000, 'every message exists')

  const [row] = await stage.query(
    `select count(*)::int as messages, count(distinct user_id)::int as users,
            (select count(*)::int from event where type = 'ENQUEUED') as enqueued
     from message`,
  )
  expect(row).toEqual({ messages: MEMBERS, users: MEMBERS, enqueued: MEMBERS })
}, 240_000)

async function isExpanded(): Promise<boolean> {
  return (await stage.query<{ expanded: boolean }>('select expanded from request'))[0]!.expanded
}
