import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Carillon } from '../support/process.ts'
import { startRedis } from '../support/redis.ts'
import { scaled } from '../support/scale.ts'
import { startWire, type Wire } from '../support/wire.ts'
import { ask, send, until } from './caller.ts'
import { countOf } from './history.ts'
import { START_MS, type Stage, setStage } from './stage.ts'
import { type SeenEvent, type Subscriber, subscribe } from './subscriber.ts'

const redis = await startRedis()
const NOTICED_MS = 30_000
const SENDERS = 4
/** Each message leaves five: ENQUEUED, ROUTED, RENDERED, DELIVERING, SENT. */
const EVENTS = scaled(1_000, 5_000)

let stage: Stage
let near: Carillon
let far: Carillon
let worker: Carillon
let wire: Wire
beforeAll(async () => {
  stage = await setStage(redis ? { redisUrl: redis.url } : {})
  far = await stage.start('api')
  ;[near, worker] = await Promise.all([stage.start('api'), stage.start('worker')])
  wire = await startWire(() => near.port)
  stage.defer(() => wire.close())
}, START_MS)
afterAll(async () => {
  await stage?.clear()
  await redis?.stop()
})

async function logCursor(): Promise<string> {
  return (await ask<{ logCursor: string }>(far.url, stage.key, '{ logCursor }')).logCursor
}

async function follow(on?: (event: SeenEvent) => void): Promise<Subscriber> {
  const subscriber = subscribe({ port: wire.port, key: stage.key, after: await logCursor(), ...(on && { on }) })
  stage.defer(() => subscriber.close())
  return subscriber
}

let lastUser = 0
function inboxSend(): Promise<string> {
  lastUser += 1
  return send(far.url, stage.key, { to: [{ userId: `user-${lastUser}` }], content: { title: 'Hello' } })
}

/** Sends from several places at once until told to stop. */
function keepSending(): { stop(): Promise<void> } {
  let isOver = false
  const sender = async (): Promise<void> => {
    while (!isOver) {
      await inboxSend()
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }
  const senders = Array.from({ length: SENDERS }, sender)
  return {
    async stop() {
      isOver = true
      await Promise.all(senders)
    },
  }
}

/** Ids of the log's events, from a position, in order. */
async function readLog(after: number): Promise<readonly string[]> {
  const rows = await stage.query<{ id: string }>(
    `select 'evt_' || environment_id || '_' || position as id from event
     where stream = 'MESSAGE' and position > $1 order by environment_id, position`,
    [after],
  )
  return rows.map(({ id }) => id)
}

async function head(): Promise<number> {
  const [row] = await stage.query<{ position: number }>('select max(position)::int as position from log_head')
  return row!.position
}

const isQuiet = async () => (await countOf(stage, 'job')) === 0

/** Does something, and waits until events written after it have arrived. */
async function disturb(subscriber: Subscriber, blow: () => Promise<unknown> | unknown): Promise<number> {
  await blow()
  const before = await head()
  return await until(() => positionOf(subscriber.seen.at(-1)) > before, NOTICED_MS, 'what came after it arrives')
}

const positionOf = (event: SeenEvent | undefined): number => Number(event?.id.split('_').at(-1) ?? 0)

test.skipIf(redis === null)(
  'a client that resumes with its last cursor gets the whole log in order, nothing twice, through every crash',
  async ({ annotate }) => {
    const before = await head()
    const subscriber = await follow()
    const sending = keepSending()
    const blows: Record<string, () => Promise<unknown> | unknown> = {
      'the socket is cut': () => wire.cut(),
      'Redis is killed': () => redis!.kill(),
      'the socket goes dark': () => wire.blackHole(),
      'Redis is back': () => redis!.start(),
      'its API process is killed and started again': async () => {
        await near.end('SIGKILL')
        near = await stage.start('api')
      },
      'Redis is killed and started at once': async () => {
        await redis!.kill()
        await redis!.start()
      },
    }
    const took: string[] = []
    for (let round = 0; round < scaled(1, 4) || (await head()) - before < EVENTS; round++) {
      for (const [name, blow] of Object.entries(blows)) took.push(`${name}: ${await disturb(subscriber, blow)} ms`)
    }
    await sending.stop()
    await until(isQuiet, NOTICED_MS, 'all is delivered')
    const log = await readLog(before)
    await until(() => subscriber.seen.length >= log.length, NOTICED_MS, 'all has arrived')
    await subscriber.close()
    expect(subscriber.seen.map(({ id }) => id)).toEqual(log)
    expect(new Set(subscriber.seen.map(({ cursor }) => cursor)).size).toBe(log.length)
    expect(log.length).toBeGreaterThanOrEqual(EVENTS)
    await annotate(`${log.length} events over ${subscriber.reconnects + 1} sockets; ${took.join(', ')}`)
  },
  scaled(120_000, 900_000),
)

const RANK = ['ENQUEUED', 'DELAYED', 'ROUTED', 'SENT', 'DELIVERED', 'OPENED', 'CLICKED']

test('at each event the message, asked of another process, is at least as far', async () => {
  const wanted = scaled(500, 5_000)
  const behind: string[] = []
  const questions: Promise<void>[] = []
  const compare = async ({ messageId, status, id }: SeenEvent): Promise<void> => {
    const query = 'query ($id: ID!) { message(id: $id) { status } }'
    const { message } = await ask<{ message: { status: string } | null }>(far.url, stage.key, query, { id: messageId })
    if (message === null || RANK.indexOf(message.status) < RANK.indexOf(status))
      behind.push(`${id} ${status}: ${message?.status}`)
  }
  const subscriber = await follow((event) => void questions.push(compare(event)))
  const sending = keepSending()
  await until(() => questions.length >= wanted, NOTICED_MS * scaled(1, 5), 'enough events')
  await sending.stop()
  await subscriber.close()
  await Promise.all(questions)
  expect(behind).toEqual([])
}, 120_000)

describe.skipIf(redis === null)('without Redis from start to end', () => {
  test('the same, only later', async ({ annotate }) => {
    await redis!.kill()
    await Promise.all([near.end('SIGKILL'), worker.end('SIGKILL')])
    near = await stage.start('api')
    const before = await head()
    const subscriber = await follow()
    worker = await stage.start('worker')
    const late: number[] = []
    for (let round = 0; round < scaled(4, 40); round++) {
      const ids = await Promise.all(Array.from({ length: 25 }, inboxSend))
      const isSeen = (id: string) => subscriber.seen.some((event) => event.messageId === id && event.type === 'SENT')
      late.push(await until(() => ids.every(isSeen), NOTICED_MS, 'all arrive'))
    }
    await until(isQuiet, NOTICED_MS, 'all is delivered')
    const log = await readLog(before)
    await until(() => subscriber.seen.length >= log.length, NOTICED_MS, 'all has arrived')
    expect(subscriber.seen.map(({ id }) => id)).toEqual(log)
    await annotate(`from send to SENT at another process at most ${Math.max(...late)} ms`)
  }, 300_000)
})
