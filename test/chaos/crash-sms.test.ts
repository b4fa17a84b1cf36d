import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Carillon } from '../support/process.ts'
import { scaled } from '../support/scale.ts'
import { ask, send, until } from './caller.ts'
import { countOf, histories, outcomesOf } from './history.ts'
import { type KeptWorker, keepWorker } from './keep.ts'
import { START_MS, type Stage, setStage } from './stage.ts'

/** A new process, the lease of the killed one, a sweep; and a machine that does something else as well. */
const RECOVERED_MS = 30_000

interface Receipt {
  readonly key: string
  readonly text: string
}

const receipts: Receipt[] = []
let take: (receipt: Receipt, answer: () => void) => void = (_, answer) => answer()
let stage: Stage
let api: Carillon
let worker: KeptWorker

/** A carrier in which the test decides when, and whether, each SMS is answered. */
async function startCarrier() {
  const server = createServer(async (request, response) => {
    const receipt = (await json(request)) as Receipt
    receipts.push(receipt)
    take(receipt, () => void response.writeHead(202).end())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  }
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close }
}

const PUT = 'mutation ($id: ID!, $input: ProviderInput!) { putProvider(id: $id, input: $input) { id onUnknown } }'

beforeAll(async () => {
  stage = await setStage({ main: new URL('./carrier-main.ts', import.meta.url).pathname })
  const carrier = await startCarrier()
  stage.defer(carrier.close)
  api = await stage.start('api')
  const input = { kind: 'carrier', settings: { url: carrier.url } }
  await ask(api.url, stage.key, PUT, { id: 'once', input })
  await ask(api.url, stage.key, PUT, { id: 'again', input: { ...input, onUnknown: 'RESEND' } })
  worker = await keepWorker(stage)
}, START_MS)
afterAll(async () => {
  worker?.release()
  await stage?.clear()
})

/** Sends an SMS at whose receipt the carrier kills the worker once, before or after its answer. What is known of it at the end. */
async function loseWorkerAt(text: string, when: 'before' | 'after', providerId: string) {
  take = (receipt, answer) => {
    const isFirst = receipts.filter(({ key }) => key === receipt.key).length === 1
    if (isFirst && when === 'before') return worker.kill()
    answer()
    if (isFirst) worker.kill()
  }
  await send(api.url, stage.key, {
    to: [{ phoneNumber: '+4915112345678' }],
    content: { title: text, body: text },
    metadata: { traceId: text },
    routing: { method: 'SINGLE', channels: [{ providerId }] },
  })
  const ended = "message where status in ('SENT', 'UNDELIVERABLE') and trace_id = $1"
  await until(async () => (await countOf(stage, ended, [text])) === 1, RECOVERED_MS, `${text} ends`)
  const [history] = await histories(stage, [text])
  const attempts = await outcomesOf(api.url, stage.key, history!.id)
  return { ...history!, attempts, keys: receipts.filter((receipt) => receipt.text.includes(text)).map(({ key }) => key) }
}

const ROUNDS = scaled(1, 50)

for (const when of ['before', 'after'] as const) {
  test(
    `an SMS whose worker is killed by its carrier right ${when} the answer is sent once, and told as UNKNOWN where it is`,
    async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const { status, reason, attempts, keys } = await loseWorkerAt(`once ${when} ${round}.`, when, 'once')
        expect(keys).toHaveLength(1)
        // A worker that had time to record the answer before the signal reached it left nothing ambiguous.
        if (when === 'after' && status === 'SENT') expect(attempts).toEqual(['ACCEPTED'])
        else expect({ status, reason, attempts }).toEqual({ status: 'UNDELIVERABLE', reason: 'UNKNOWN', attempts: ['UNKNOWN'] })
      }
    },
    scaled(90_000, 50 * RECOVERED_MS),
  )

  test(
    `where its account may be called again, it is sent at most twice, with one idempotency key, and ends SENT (${when})`,
    async () => {
      for (let round = 0; round < ROUNDS; round++) {
        const { status, attempts, keys } = await loseWorkerAt(`again ${when} ${round}.`, when, 'again')
        expect(status).toBe('SENT')
        expect(keys.length).toBeLessThanOrEqual(2)
        expect(new Set(keys).size).toBe(1)
        expect(attempts).toEqual(keys.length === 2 ? ['UNKNOWN', 'ACCEPTED'] : ['ACCEPTED'])
      }
    },
    scaled(90_000, 50 * RECOVERED_MS),
  )
}
