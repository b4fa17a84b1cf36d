import { afterAll, beforeAll, expect, test } from 'vitest'
import { type FakeProvider, startFakeProvider } from '../support/fake-provider.ts'
import type { Carillon } from '../support/process.ts'
import { scaled } from '../support/scale.ts'
import { mail, send, until } from './caller.ts'
import { countOf, histories, outcomesOf } from './history.ts'
import { type KeptWorker, keepWorker } from './keep.ts'
import { START_MS, type Stage, setStage } from './stage.ts'

/** A new process, the lease of the killed one, a sweep; and a machine that does something else as well. */
const RECOVERED_MS = 30_000
/** Longer than a message keeps its slot to itself. */
const SLOW_MS = 1_000

let provider: FakeProvider
let stage: Stage
let api: Carillon
let worker: KeptWorker
beforeAll(async () => {
  provider = await startFakeProvider()
  stage = await setStage({ smtpUrl: provider.url })
  stage.defer(() => provider.close())
  api = await stage.start('api')
  worker = await keepWorker(stage)
}, START_MS)
afterAll(async () => {
  worker?.release()
  await stage?.clear()
})

async function isTerminal(title: string): Promise<boolean> {
  return (await countOf(stage, "message where status in ('SENT', 'UNDELIVERABLE') and trace_id = $1", [title])) === 1
}

async function historyOf(title: string) {
  const [history] = await histories(stage, [title])
  return { ...history!, attempts: await outcomesOf(api.url, stage.key, history!.id) }
}

/** Sends a mail at whose receipt the provider kills the worker once, before or after it says 250. */
async function loseWorkerAt(title: string, when: 'before' | 'after'): Promise<number> {
  provider.take = (receipt, answer) => {
    const isFirst = provider.count(receipt.messageId) === 1
    if (isFirst && when === 'before') return worker.kill()
    answer()
    if (isFirst) worker.kill()
  }
  await send(api.url, stage.key, mail(title))
  return await until(() => isTerminal(title), RECOVERED_MS, `${title} ends`)
}

for (const when of ['before', 'after'] as const) {
  test(
    `a worker killed by the mail server right ${when} its 250 costs at most one duplicate, which is visible`,
    async ({ annotate }) => {
      const rounds = scaled(1, 100)
      const killsBefore = worker.kills
      const receiptsBefore = provider.receipts.length
      const took: number[] = []
      for (let round = 0; round < rounds; round++) {
        const title = `killed ${when} ${round}`
        took.push(await loseWorkerAt(title, when))
        const receipts = provider.receipts.filter(({ subject }) => subject === title)
        expect(receipts.length).toBeLessThanOrEqual(2)
        expect(new Set(receipts.map(({ messageId }) => messageId)).size).toBe(1)
        const { status, attempts } = await historyOf(title)
        expect(status).toBe('SENT')
        // A worker that had time to record the answer before the signal reached it left nothing ambiguous.
        if (when === 'before' || attempts.length > 1) expect(attempts).toEqual(['UNKNOWN', 'ACCEPTED'])
      }
      expect(provider.receipts.length - receiptsBefore).toBeLessThanOrEqual(worker.kills - killsBefore + rounds)
      await annotate(`${rounds} kills; sent at most ${Math.max(...took)} ms after the send`)
    },
    scaled(60_000, 100 * RECOVERED_MS),
  )
}

test('a message that kills its worker is a dead letter after three crashes, and costs no other its delivery', async ({
  annotate,
}) => {
  const others = Array.from({ length: scaled(40, 100) }, (_, index) => `sound ${index}`)
  const killsBefore = worker.kills
  // It is slow to answer the others, so that each crash finds some of them begun.
  provider.take = ({ subject }, answer) => {
    if (subject === 'poison') worker.kill()
    else if (worker.kills - killsBefore >= 3) answer()
    else setTimeout(answer, SLOW_MS)
  }
  await send(api.url, stage.key, mail('poison'))
  await Promise.all(others.map((title) => send(api.url, stage.key, mail(title))))
  const took = await until(() => isTerminal('poison'), 4 * RECOVERED_MS, 'the poison is given up')
  const sent = await until(
    async () => (await countOf(stage, "message where status = 'SENT' and trace_id = any($1)", [others])) === others.length,
    RECOVERED_MS,
    'all others are sent',
  )
  await annotate(`given up ${took} ms after the send; the last of the others sent ${sent} ms later`)
  expect(worker.kills - killsBefore).toBe(3)
  expect(await historyOf('poison')).toMatchObject({
    status: 'UNDELIVERABLE',
    reason: 'FAILED',
    attempts: ['UNKNOWN', 'UNKNOWN', 'UNKNOWN'],
  })
  const letters = await stage.query('select kind, crashes, message_id from dead_letter')
  expect(letters).toEqual([{ kind: 'deliver', crashes: 3, message_id: (await historyOf('poison')).id }])
}, 180_000)
