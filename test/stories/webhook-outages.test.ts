import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  DeleteWebhookEndpointDocument,
  PutEnvironmentDocument,
  PutWebhookEndpointDocument,
  SendDocument,
  WebhookDeliveriesDocument,
  WebhookEndpointDocument,
  WebhookEndpointsDocument,
} from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, type House, house, MODES } from '../support/house.ts'
import { answering, type Receiver, startReceiver } from '../support/http.ts'
import { scaled } from '../support/scale.ts'

const LATE = { timeout: 20_000, interval: 50 }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let place: Receiver
    const mails: string[] = []

    beforeAll(async () => {
      place = await startReceiver()
      home = await house({ mode })
    })
    afterAll(async () => {
      await home.stop()
      await place.close()
    })
    beforeEach(() => {
      place.received.length = 0
      place.answer = answering(200)
    })
    const deleteAll = async (client: Client) => {
      const { webhookEndpoints } = dataOf(await client.send(WebhookEndpointsDocument, {}))
      for (const { id } of webhookEndpoints) dataOf(await client.send(DeleteWebhookEndpointDocument, { id }))
    }
    afterEach(async () => {
      // What a mail has yet to become is none of the next test's endpoints' business.
      await home.settled(mails.splice(0))
      await deleteAll(home.client)
    })

    const put = async (id: string, { client = home.client, url = place.url } = {}) =>
      dataOf(await client.send(PutWebhookEndpointDocument, { id, input: { url: `${url}/${id}` } })).putWebhookEndpoint
    const mail = { to: [{ email: 'ada@example.com' }], content: { title: 'Ding', body: 'Dong' } }
    const sendMail = async () => void mails.push(await home.send(mail))
    const sendElsewhere = async (client: Client) => void dataOf(await client.send(SendDocument, { input: mail }))
    const read = async (id: string) => dataOf(await home.client.send(WebhookEndpointDocument, { id })).webhookEndpoint!
    const deliveriesOf = async (id: string) =>
      dataOf(await home.client.send(WebhookDeliveriesDocument, { id, first: 100 })).webhookEndpoint!.deliveries.nodes
    const codesOf = async (id: string) => (await deliveriesOf(id)).map(({ attempts }) => attempts.at(-1)?.code)
    const at = (path: string) => place.received.filter((one) => one.path === `/${path}`)
    const enterAnother = async (id: string) => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id, input: { name: id } }))
      const input = { name: id, scopes: ['ADMIN' as const], environmentId: id }
      return home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
    }

    test('Very many endpoints that never answer, of two environments, keep no other waiting', async () => {
      const places = await Promise.all([startReceiver(), startReceiver()])
      const other = await enterAnother('other')
      try {
        for (const one of places) one.answer = () => {}
        for (let index = 0; index < 49; index += 1) await put(`hanging-${index}`, { url: places[0].url })
        for (let index = 0; index < 21; index += 1) await put(`hanging-${index}`, { client: other, url: places[1].url })
        await put('quick')
        for (let count = 0; count < 8; count += 1) {
          await sendMail()
          await sendElsewhere(other)
        }
        await expect.poll(() => at('quick').length, { timeout: 10_000, interval: 50 }).toBe(24)
        // Later, too, when the first calls have timed out and others are made.
        for (let round = 1; round <= scaled(1, 20); round += 1) {
          await sendMail()
          await expect.poll(() => at('quick').length, { timeout: 5_000, interval: 20 }).toBe(24 + 3 * round)
          await new Promise((resolve) => setTimeout(resolve, scaled(0, 2_000)))
        }
      } finally {
        await deleteAll(other)
        await Promise.all(places.map((one) => one.close()))
      }
    }, 180_000)

    test('A call that was under way when its endpoint was put again says nothing of it any more', async () => {
      await put('again')
      const held: (() => void)[] = []
      place.answer = (response) => void held.push(() => response.writeHead(410).end())
      await sendMail()
      await expect.poll(() => held.length, LATE).toBeGreaterThan(0)
      place.answer = answering(200)
      await put('again')
      for (const answer of held) answer()
      await expect.poll(async () => (await codesOf('again')).includes('410'), LATE).toBe(true)
      await sendMail()
      await expect.poll(async () => (await codesOf('again')).filter((code) => code === '200').length, LATE).toBe(6 - held.length)
      expect((await read('again')).enabled).toBe(true)
    })

    // In one process, so that it is known how long its breaker is open.
    test.runIf(mode === 'embedded and in process')(
      'Put again after failures, an endpoint is called at once',
      async () => {
        await put('anew')
        const times: number[] = []
        place.answer = (response) => {
          times.push(performance.now())
          response.writeHead(500).end()
        }
        for (let count = 0; count < 4; count += 1) await sendMail()
        // The first call after a rest failed as well, so the next rest is of eight seconds at least.
        const hasRested = () => times.some((time, index) => index > 0 && time - times[index - 1]! > 3_000)
        await expect.poll(hasRested, LATE).toBe(true)
        // Each says when it is looked at next.
        const next = async () =>
          (await deliveriesOf('anew')).map(({ nextAttemptAt }) => Date.parse(nextAttemptAt ?? '') - Date.now())
        await expect.poll(async () => (await next()).every((restMs) => restMs > 0), LATE).toBe(true)
        place.answer = answering(200)
        place.received.length = 0
        await put('anew')
        await expect.poll(() => at('anew').length, { timeout: 5_000, interval: 20 }).toBeGreaterThanOrEqual(1)
      },
      60_000,
    )

    test.runIf(mode === 'PostgreSQL and Redis')(
      'What waits for an endpoint that fails is left alone until its rest is over, and flows once it works',
      async () => {
        const WAITING = 2_000
        place.answer = answering(500)
        await put('failing')
        const database = new pg.Client({ connectionString: home.databaseUrl! })
        await database.connect()
        try {
          await database.query(COUNT_JOB_UPDATES)
          await database.query(WAIT_FOR_ENDPOINT, ['failing', WAITING])
          const updates = async () => Number((await database.query('select last_value from job_updates')).rows[0].last_value)
          await expect.poll(() => at('failing').length, LATE).toBeGreaterThanOrEqual(10)
          await new Promise((resolve) => setTimeout(resolve, 6_000))
          // What each process had claimed at first and what it claims after each rest; not all that waits, each time.
          expect(await updates()).toBeGreaterThan(10)
          expect(await updates()).toBeLessThan(WAITING / 2)
          place.answer = answering(200)
          const waits = "select count(*)::int from webhook_delivery where endpoint_id = 'failing' and attempts = '[]'"
          await expect.poll(async () => (await database.query(waits)).rows[0].count, { timeout: 60_000, interval: 200 }).toBe(0)
        } finally {
          await database.end()
        }
      },
      120_000,
    )
  })
}

/** Of this endpoint's alone. */
const COUNT_JOB_UPDATES = `
  create sequence job_updates;
  create function count_update() returns trigger language plpgsql as 'begin perform nextval(''job_updates''); return null; end';
  create trigger count_update after update on job for each row when (new.fairness_key like '%failing')
  execute function count_update();`

/** Events of nobody's messages, with the jobs that deliver them, all at once. */
const WAIT_FOR_ENDPOINT = `
  with told as (
    insert into webhook_delivery (environment_id, id, endpoint_id, event, message_id, payload)
    select environment_id, 'whd_' || n, id, 'message:updated', 'msg_' || n, json_build_object('data', json_build_object('id', n))
    from webhook_endpoint, generate_series(1, $2::int) as n where id = $1
    returning environment_id, id, endpoint_id
  )
  insert into job (kind, lane, fairness_key, run_at, payload)
  select 'webhook', 'webhook', environment_id || E'\\nwebhook\\n' || endpoint_id, date_trunc('milliseconds', now()),
         jsonb_build_object('environmentId', environment_id, 'deliveryId', id)
  from told`
