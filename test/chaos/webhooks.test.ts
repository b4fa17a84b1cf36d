import { Webhook } from 'standardwebhooks'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Answer, answering, type Received, type Receiver, startReceiver } from '../support/http.ts'
import type { Carillon } from '../support/process.ts'
import { scaled } from '../support/scale.ts'
import { ask, send, until } from './caller.ts'
import { type KeptWorker, keepWorker } from './keep.ts'
import { START_MS, type Stage, setStage } from './stage.ts'

/** Each message has three statuses: ENQUEUED, ROUTED, SENT. */
const MESSAGES = Math.ceil(scaled(60, 500) / 3)
const EVENTS = MESSAGES * 3
const KILLS = scaled(2, 5)
const ALL_MS = scaled(120_000, 300_000)

/** An endpoint's owner, who trusts nobody: what arrives is judged by the package of Standard Webhooks, when it arrives. */
interface Owner {
  readonly place: Receiver
  /** What was answered 200. */
  readonly taken: Event[]
  readonly calls: Event[]
  secret: string
}

interface Event {
  readonly id: string
  readonly body: string
  readonly message: string
  readonly status: string
  readonly headers: Record<string, string>
}

const owners = new Map<string, Owner>()
let elsewhere: Receiver
let stage: Stage
let api: Carillon
let worker: KeptWorker

beforeAll(async () => {
  stage = await setStage({ env: { CARILLON_ALLOWED_NETWORKS: '127.0.0.0/8' } })
  elsewhere = await startReceiver()
  stage.defer(() => elsewhere.close())
  api = await stage.start('api')
  worker = await keepWorker(stage)
}, START_MS)
afterAll(async () => {
  worker?.release()
  await stage?.clear()
})

const PUT = `mutation ($id: ID!, $url: String!) { putWebhookEndpoint(id: $id, input: { url: $url }) { secret } }`
const ROTATE = `mutation ($id: ID!) { rotateWebhookSecret(id: $id, overlap: "PT1H") { secret } }`

/** Answers a call that verifies by itself, or as `stumbling` says; false: it does not. */
type Stumbling = (calls: number, response: Parameters<Answer>[0]) => boolean

async function open(name: string, stumbling: Stumbling): Promise<Owner> {
  const place = await startReceiver()
  stage.defer(() => place.close())
  const { putWebhookEndpoint } = await ask<{ putWebhookEndpoint: { secret: string } }>(api.url, stage.key, PUT, {
    id: name,
    url: `${place.url}/${name}`,
  })
  const owner: Owner = { place, taken: [], calls: [], secret: putWebhookEndpoint.secret }
  owners.set(name, owner)
  place.answer = (response, received) => {
    const event = read(owner.secret, received)
    owner.calls.push(event)
    if (stumbling(owner.calls.length, response)) return
    owner.taken.push(event)
    answering(200)(response, received)
  }
  return owner
}

/** Throws where the package does: the call is then not answered, and never counts. */
function read(secret: string, { body, headers }: Received): Event {
  const { data } = new Webhook(secret).verify(body, headers as Record<string, string>) as { data: { id: string; status: string } }
  return {
    id: String(headers['webhook-id']),
    body: body.toString(),
    message: data.id,
    status: data.status,
    headers: headers as Record<string, string>,
  }
}

/** Days pass: what rests between two calls is due. */
const hurry = () =>
  stage.query("update job set run_at = now() where lane = 'webhook' and holder is null and run_at > now() + interval '1 second'")

const idsOf = (events: readonly Event[]) => new Set(events.map(({ id }) => id))
const keyOf = ({ message, status }: Event) => `${message} ${status}`

test(
  'No event is lost and none changes its id: a worker is killed, an endpoint stumbles, another changes its secret',
  async ({ annotate }) => {
    const fine = await open('fine', (calls) => {
      // Before it is answered: whether it was taken is then not known.
      const isKill = worker.kills < KILLS && calls >= ((worker.kills + 1) * EVENTS) / (KILLS + 2)
      if (isKill) worker.kill()
      return isKill
    })
    const stumbling: Stumbling = (calls, response) => {
      const answers: readonly (() => unknown)[] = [
        () => response.writeHead(500).end(),
        () => response.writeHead(503, { 'retry-after': '2' }).end(),
        () => response.writeHead(302, { location: elsewhere.url }).end(),
        // Nothing, until the caller gives up.
        () => {},
      ]
      const answer = calls <= scaled(8, 40) ? answers[(calls - 1) % answers.length] : undefined
      answer?.()
      return answer !== undefined
    }
    const troubled = await open('troubled', stumbling)
    const rotating = await open('rotating', () => false)

    const sent: string[] = []
    const sendSome = async (count: number) => {
      for (let index = 0; index < count; index += 1) {
        sent.push(await send(api.url, stage.key, { to: [{ userId: `user-${sent.length}` }], content: { title: 'Ding' } }))
      }
    }
    await sendSome(Math.floor(MESSAGES / 2))
    await until(() => rotating.taken.length > 0, ALL_MS, 'the stream begins')
    const { rotateWebhookSecret } = await ask<{ rotateWebhookSecret: { secret: string } }>(api.url, stage.key, ROTATE, {
      id: 'rotating',
    })
    const rotatedAt = Date.now()
    await sendSome(MESSAGES - sent.length)

    const all = [fine, troubled, rotating]
    const took = await until(
      async () => {
        await hurry()
        return all.every(({ taken }) => idsOf(taken).size >= EVENTS)
      },
      ALL_MS,
      'every event has arrived everywhere',
    )
    await annotate(`${EVENTS} events to 3 endpoints, ${worker.kills} kills; all there ${took} ms after the last send`)

    expect(worker.kills).toBe(KILLS)
    for (const { taken, calls } of all) {
      expect([...new Set(taken.map(keyOf))].sort()).toEqual(
        sent.flatMap((id) => ['ENQUEUED', 'ROUTED', 'SENT'].map((status) => `${id} ${status}`)).sort(),
      )
      // One id for each event, however often it was called for; and one body.
      for (const own of Map.groupBy(calls, keyOf).values()) expect(idsOf(own).size).toBe(1)
      for (const own of Map.groupBy(calls, ({ id }) => id).values()) expect(new Set(own.map(({ body }) => body)).size).toBe(1)
    }
    expect(troubled.calls.length).toBeGreaterThan(EVENTS)
    expect(elsewhere.connections).toBe(0)

    // Whoever changed over to the new secret verifies what was sent since; whoever has not, all of it.
    const since = rotating.taken.filter(({ headers }) => Number(headers['webhook-timestamp']) * 1_000 > rotatedAt)
    expect(since.length).toBeGreaterThan(0)
    for (const { body, headers } of since) new Webhook(rotateWebhookSecret.secret).verify(body, headers)

    await until(
      async () => (await stage.query("select from webhook_delivery where status <> 'DELIVERED'")).length === 0,
      ALL_MS,
      'every delivery is told as delivered',
    )
    expect(await stage.query("select id from job where kind = 'webhook'")).toEqual([])
    // What the killed workers had begun is told: nobody knows what became of it.
    const [unknown] = await stage.query<{ count: number }>(`
    select count(*)::int from webhook_delivery, jsonb_array_elements(attempts) as attempt
    where endpoint_id = 'fine' and attempt ->> 'outcome' = 'UNKNOWN'`)
    expect(unknown!.count).toBeGreaterThanOrEqual(KILLS)
  },
  3 * ALL_MS,
)
