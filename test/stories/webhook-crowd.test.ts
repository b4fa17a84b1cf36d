import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  DeleteWebhookEndpointDocument,
  PutWebhookEndpointDocument,
  ResendWebhookDeliveryDocument,
  RotateWebhookSecretDocument,
  SendDocument,
  WebhookDeliveriesDocument,
} from '../generated/graphql.ts'
import type { Result } from '../support/client.ts'
import { document, type House, house } from '../support/house.ts'
import { type Receiver, startReceiver } from '../support/http.ts'
import { scaled } from '../support/scale.ts'

const LASTS_MS = scaled(6_000, 30_000)

let home: House
let place: Receiver
let database: pg.Client

beforeAll(async () => {
  place = await startReceiver()
  home = await house({ mode: 'PostgreSQL and Redis' })
  database = new pg.Client({ connectionString: home.databaseUrl! })
  await database.connect()
})
afterAll(async () => {
  await database.end()
  await home.stop()
  await place.close()
})

/** Refused is fine: what somebody else has just deleted is not found. A fault of ours is not. */
async function unlessFaulty(answer: Promise<Result<unknown>>): Promise<void> {
  const { errors } = await answer
  expect(errors.filter(({ extensions }) => extensions.type === 'api_error')).toEqual([])
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const some = (count: number) => Math.floor(Math.random() * count)
const ERASE = document('mutation ($userId: ID!) { deleteUser(userId: $userId) }')

test('Endpoints that are put, deleted and sent to again, and users who are erased, are in nobody’s way', async () => {
  const until = Date.now() + LASTS_MS
  const again = async (restMs: number, work: () => Promise<void>) => {
    while (Date.now() < until) await work().then(() => pause(restMs))
  }
  const client = () => home.clients[some(home.clients.length)]!
  const endpoint = () => `endpoint-${some(3)}`
  const put = (id: string) => unlessFaulty(client().send(PutWebhookEndpointDocument, { id, input: { url: place.url } }))
  const sendOne = () => {
    const input = { to: [{ userId: `user-${some(5)}` }, { userId: `user-${some(10)}` }], content: { title: 'Ding' } }
    return unlessFaulty(client().send(SendDocument, { input }))
  }
  const resendOne = async () => {
    const { data } = await client().send(WebhookDeliveriesDocument, { id: endpoint() })
    const nodes = data?.webhookEndpoint?.deliveries.nodes ?? []
    if (nodes.length > 0) await unlessFaulty(client().send(ResendWebhookDeliveryDocument, { id: nodes[some(nodes.length)]!.id }))
  }
  place.answer = (response) => void setTimeout(() => response.writeHead(Math.random() < 0.2 ? 500 : 200).end(), some(50))
  for (const index of [0, 1, 2]) await put(`endpoint-${index}`)
  await Promise.all([
    ...[1, 2, 3, 4].map(() => again(0, sendOne)),
    ...[1, 2].map(() => again(10, resendOne)),
    again(20, () => unlessFaulty(client().send(ERASE, { userId: `user-${some(10)}` }))),
    again(100, () => put(endpoint())),
    again(200, () => unlessFaulty(client().send(RotateWebhookSecretDocument, { id: endpoint() }))),
    again(300, () => unlessFaulty(client().send(DeleteWebhookEndpointDocument, { id: endpoint() }))),
  ])

  place.answer = (response) => void response.writeHead(200).end()
  for (const index of [0, 1, 2]) await put(`endpoint-${index}`)
  const left = async () => {
    await database.query(
      "update job set run_at = now() where lane = 'webhook' and holder is null and run_at > now() + interval '1 s'",
    )
    const { rows } = await database.query(`
      select (select count(*) from webhook_delivery where status = 'PENDING')::int as pending,
             (select count(*) from job where lane = 'webhook')::int as jobs`)
    return rows[0]
  }
  await expect.poll(left, { timeout: 60_000, interval: 250 }).toEqual({ pending: 0, jobs: 0 })
  const { rows } = await database.query('select deadlocks::int from pg_stat_database where datname = current_database()')
  expect(rows).toEqual([{ deadlocks: 0 }])
}, 150_000)
