import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts'
import type { Carillon } from '../support/process.ts'
import { mail, send, until } from './caller.ts'
import { countOf, everything, histories, outcomesOf } from './history.ts'
import { LEASE_SECONDS, START_MS, type Stage, setStage } from './stage.ts'

/** The lease, a sweep each third of it, a look each second; the rest is for a busy machine. */
const MOVED_ON_MS = LEASE_SECONDS * 1000 + 1000 + 1000 + 10_000
const HELD = 20

let provider: FakeProvider
let stage: Stage
let api: Carillon
let heir: Carillon
beforeAll(async () => {
  provider = await startFakeProvider()
  stage = await setStage({ smtpUrl: provider.url })
  stage.defer(() => provider.close())
  api = await stage.start('api')
}, START_MS)
afterAll(() => stage?.clear())

/** Twenty messages that the only worker has begun, while their provider answers none. */
async function holdTwenty(prefix: string): Promise<{ readonly titles: readonly string[]; answerHeld(): void }> {
  const held: (() => void)[] = []
  provider.take = (_receipt, answer) => void held.push(answer)
  const titles = Array.from({ length: HELD }, (_, index) => `${prefix} ${index}`)
  await Promise.all(titles.map((title) => send(api.url, stage.key, mail(title))))
  await until(() => areBegun(titles), 10_000, 'twenty attempts are noted')
  await until(() => held.length >= 8, 10_000, 'the provider holds what its connections carry')
  return { titles, answerHeld: () => held.splice(0).forEach((answer) => void answer()) }
}

async function areBegun(titles: readonly string[]): Promise<boolean> {
  return (await histories(stage, titles)).every(({ events }) => events.at(-1) === 'DELIVERING')
}

async function areSent(titles: readonly string[]): Promise<boolean> {
  return (await countOf(stage, "message where status = 'SENT' and trace_id = any($1)", [titles])) === titles.length
}

const ONCE_MORE = ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'DELIVERING', 'SENT']

async function expectOneMore(titles: readonly string[]): Promise<void> {
  for (const { id, events } of await histories(stage, titles)) {
    expect(events).toEqual(ONCE_MORE)
    expect(await outcomesOf(api.url, stage.key, id)).toEqual(['UNKNOWN', 'ACCEPTED'])
  }
  for (const { messageId } of provider.receipts) expect(provider.count(messageId)).toBeLessThanOrEqual(2)
}

test('the messages of a killed worker are all sent by another within the lease and a sweep', async ({ annotate }) => {
  const worker = await stage.start('worker')
  const { titles } = await holdTwenty('killed')
  heir = await stage.start('worker')
  provider.take = (_receipt, answer) => answer()
  await worker.end('SIGKILL')
  const took = await until(() => areSent(titles), MOVED_ON_MS, 'all are sent')
  await annotate(`taken over and sent ${took} ms after SIGKILL`)
  await expectOneMore(titles)
}, 90_000)

test('a worker stopped past its lease and woken sends nothing more and writes nothing more', async ({ annotate }) => {
  const worker = heir
  const { titles, answerHeld } = await holdTwenty('stopped')
  const second = await stage.start('worker')
  worker.signal('SIGSTOP')
  provider.take = (_receipt, answer) => answer()
  const took = await until(() => areSent(titles), MOVED_ON_MS, 'all are sent')
  await annotate(`taken over and sent ${took} ms after SIGSTOP`)
  const rows = await everything(stage, api.url, titles)
  const receipts = provider.receipts.length
  await second.end('SIGTERM')

  // The answers are there when it wakes: the first thing it could do is to send the next mails of its queue.
  answerHeld()
  worker.signal('SIGCONT')
  await send(api.url, stage.key, mail('afterwards'))
  await until(() => areSent(['afterwards']), MOVED_ON_MS, 'the woken worker claims anew')

  expect(provider.receipts.slice(receipts).map(({ subject }) => subject)).toEqual(['afterwards'])
  expect(await everything(stage, api.url, titles)).toEqual(rows)
  await expectOneMore(titles)
}, 90_000)
