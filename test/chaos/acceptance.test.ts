import { open, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import type { Carillon } from '../support/process.ts'
import { startRedis } from '../support/redis.ts'
import { scaled } from '../support/scale.ts'
import { startWire } from '../support/wire.ts'
import { mail, send, until } from './caller.ts'
import { countOf, histories } from './history.ts'
import { START_MS, type Stage, setStage, temporaryFolder } from './stage.ts'

const RECOVERED_MS = 40_000
const CLIENTS = 4
const REQUESTS = 50

const redis = await startRedis()
let postgres: TestPostgres
let provider: FakeProvider
let stage: Stage
let near: Carillon
let far: Carillon
let worker: Carillon
beforeAll(async () => {
  postgres = await startPostgres()
  provider = await startFakeProvider()
  stage = await setStage({ databaseUrl: postgres.url, smtpUrl: provider.url, ...(redis && { redisUrl: redis.url }) })
  stage.defer(() => provider.close())
  near = await stage.start('api')
  ;[far, worker] = await Promise.all([stage.start('api'), stage.start('worker')])
}, START_MS)
afterAll(async () => {
  await redis?.stop()
  await stage?.clear()
  await postgres?.stop()
})

/** The same process again, where callers know it. */
const again = (killed: Carillon) => stage.start('api', { PORT: String(killed.port) })

/** Clients at full speed, each of which notes what it was answered before it asks again. */
async function keepSending(file: string): Promise<{ accepted(): number; stop(): Promise<void> }> {
  const notes = await open(file, 'a')
  let isOver = false
  let accepted = 0
  const client = async (name: number): Promise<void> => {
    for (let call = 0; !isOver; call++) {
      const title = `${name}-${call}`
      const input = { to: [{ userId: `user-${name}` }], content: { title }, metadata: { traceId: title } }
      try {
        const id = await send(near.url, stage.key, input)
        await notes.appendFile(`${id} ${title}\n`)
        await notes.sync()
        accepted += 1
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }
  const clients = Array.from({ length: CLIENTS }, (_, name) => client(name))
  return {
    accepted: () => accepted,
    async stop() {
      isOver = true
      await Promise.all(clients)
      await notes.close()
    },
  }
}

test('what was accepted is there and delivered, whichever process is killed', async ({ annotate }) => {
  const folder = await temporaryFolder()
  stage.defer(() => rm(folder, { recursive: true }))
  const file = join(folder, 'accepted')
  const sending = await keepSending(file)
  const blows: Record<string, () => Promise<void>> = {
    API: async () => {
      await near.end('SIGKILL')
      near = await again(near)
    },
    worker: async () => {
      await worker.end('SIGKILL')
      worker = await stage.start('worker')
    },
    PostgreSQL: async () => {
      await postgres.kill()
      await postgres.start()
    },
    ...(redis && {
      Redis: async () => {
        await redis.kill()
        await redis.start()
      },
    }),
  }
  const took: string[] = []
  for (let round = 0; round < scaled(1, 5); round++) {
    for (const [name, blow] of Object.entries(blows)) {
      await blow()
      const before = sending.accepted()
      took.push(`${name} ${await until(() => sending.accepted() > before + CLIENTS, RECOVERED_MS, 'it accepts again')} ms`)
    }
  }
  await sending.stop()
  const drained = await until(async () => (await countOf(stage, 'job')) === 0, 60_000, 'nothing is stuck')
  const accepted = (await readFile(file, 'utf8')).trimEnd().split('\n')
  const messages = await histories(stage)
  const known = new Map(messages.map(({ id, title, status }) => [`${id} ${title}`, status]))
  expect(accepted.filter((line) => known.get(line) !== 'SENT')).toEqual([])
  expect(messages.filter(({ status }) => status !== 'SENT')).toEqual([])
  expect(duplicatesOf(messages.map(({ title }) => title))).toEqual([])
  expect(await countOf(stage, 'inbox_message')).toBe(messages.length)
  await annotate(`${accepted.length} accepted; after a restart it accepts again: ${took.join(', ')}; drained in ${drained} ms`)
}, 300_000)

test('no event is written twice and none is missing where PostgreSQL was killed between a commit and its answer', async () => {
  for (const { events } of await histories(stage)) {
    const [first, ...rest] = events
    expect([first, events.at(-1)]).toEqual(['ENQUEUED', 'SENT'])
    expect(duplicatesOf(rest.filter((type) => type !== 'DELIVERING'))).toEqual([])
  }
  expect(await countOf(stage, 'event')).toBe(
    (await stage.query<{ position: number }>('select max(position)::int as position from event'))[0]!.position,
  )
})

test('an API process killed between its commit and its reply: the same key is answered with the same id', async () => {
  const wire = await startWire(() => near.port)
  stage.defer(() => wire.close())
  const input = { ...mail('held reply'), idempotencyKey: 'held-reply' }
  wire.holdReplies(true)
  const lost = send(`http://127.0.0.1:${wire.port}`, stage.key, input).catch((error: unknown) => error)
  await until(() => wire.repliedBytes > 0, RECOVERED_MS, 'it has replied')
  await near.end('SIGKILL')
  expect(await lost).toBeInstanceOf(Error)
  const [kept] = await stage.query<{ id: string }>("select id from message where trace_id = 'held reply'")
  expect(await send(far.url, stage.key, input)).toBe(kept!.id)
  near = await again(near)
  expect(await send(near.url, stage.key, input)).toBe(kept!.id)
  expect(await countOf(stage, "message where trace_id = 'held reply'")).toBe(1)
}, 120_000)

/** Fifty callers with one key at two processes, one of which dies meanwhile. Answers the distinct ids. */
async function race(title: string): Promise<readonly string[]> {
  const input = { ...mail(title), idempotencyKey: title.replace(' ', '-') }
  const calls = Array.from({ length: REQUESTS }, (_, index) => send(index % 2 ? near.url : far.url, stage.key, input))
  const results = Promise.allSettled(calls)
  const delay = Math.random() * 100
  await new Promise((resolve) => setTimeout(resolve, delay))
  if (Math.random() < 0.5) [near, far] = [far, near]
  await near.end('SIGKILL')
  const ids = (await results).flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  return [...new Set([...ids, await send(far.url, stage.key, input)])]
}

test('many requests with one key are one message and one mail, though an API process is killed among them', async () => {
  const titles = Array.from({ length: scaled(3, 200) }, (_, round) => `raced ${round}`)
  for (const title of titles) {
    expect(await race(title)).toHaveLength(1)
    near = await again(near)
  }
  const isSent = async () =>
    (await countOf(stage, "message where status = 'SENT' and trace_id = any($1)", [titles])) === titles.length
  await until(isSent, RECOVERED_MS, 'all are sent')
  expect((await histories(stage, titles)).map(({ title }) => title).toSorted()).toEqual(titles.toSorted())
  for (const title of titles) expect(provider.receipts.filter(({ subject }) => subject === title)).toHaveLength(1)
}, 1_800_000)

function duplicatesOf(values: readonly string[]): readonly string[] {
  return values.filter((value, index) => values.indexOf(value) !== index)
}
