import pg from 'pg'
import { Webhook } from 'standardwebhooks'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  DeleteWebhookEndpointDocument,
  PutWebhookEndpointDocument,
  ResendWebhookDeliveryDocument,
  RotateWebhookSecretDocument,
  WebhookDeliveriesDocument,
  WebhookEndpointDocument,
  type WebhookEndpointInput,
  WebhookEndpointsDocument,
} from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { type Answer, answering, type Received, type Receiver, startReceiver } from '../support/http.ts'
import { isFull } from '../support/scale.ts'

const LATE = { timeout: 20_000, interval: 50 }
const HOUR = 3_600_000

interface Body {
  readonly type: string
  readonly timestamp: string
  readonly data: { readonly id: string; readonly status: string; readonly [field: string]: unknown }
}

const idOf = ({ headers }: Received) => String(headers['webhook-id'])

/** What the receiver's owner does with it: their package, our secret. */
const verify = (secret: string, { body, headers }: Received) =>
  new Webhook(secret).verify(body, headers as Record<string, string>) as Body

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let place: Receiver
    /** How far the clock of the house goes ahead, in milliseconds. */
    let ahead = 0
    const mails: string[] = []

    beforeAll(async () => {
      place = await startReceiver()
      home = await house({ mode, world: { now: () => new Date(Date.now() + ahead) } })
    })
    afterAll(async () => {
      await home.stop()
      await place.close()
    })
    beforeEach(() => {
      ahead = 0
      place.received.length = 0
      place.answer = answering(200)
    })
    afterEach(async () => {
      // What a mail has yet to become is none of the next test's endpoints' business.
      await home.settled(mails.splice(0))
      const { webhookEndpoints } = dataOf(await home.client.send(WebhookEndpointsDocument, {}))
      for (const { id } of webhookEndpoints) dataOf(await home.client.send(DeleteWebhookEndpointDocument, { id }))
    })

    const put = async (id: string, input: Partial<WebhookEndpointInput> = {}) =>
      dataOf(await home.client.send(PutWebhookEndpointDocument, { id, input: { url: `${place.url}/${id}`, ...input } }))
        .putWebhookEndpoint
    const read = async (id: string) => dataOf(await home.client.send(WebhookEndpointDocument, { id })).webhookEndpoint!
    const deliveriesOf = async (id: string, args: { status?: 'PENDING' | 'DELIVERED' | 'FAILED'; first?: number } = {}) =>
      dataOf(await home.client.send(WebhookDeliveriesDocument, { id, ...args })).webhookEndpoint!.deliveries.nodes
    const resend = async (id: string) =>
      dataOf(await home.client.send(ResendWebhookDeliveryDocument, { id })).resendWebhookDelivery
    const sendMail = async () => {
      const id = await home.send({ to: [{ email: 'ada@example.com' }], content: { title: 'Ding', body: 'Dong' } })
      mails.push(id)
      return id
    }
    const at = (path: string) => place.received.filter((one) => one.path === `/${path}`)
    /** The first call of each event is answered with the next of these, every other with 200. */
    const firstWith =
      (...answers: readonly Answer[]): Answer =>
      (response, received) => {
        const earlier = place.received.slice(0, place.received.indexOf(received)).map(idOf)
        const answer = earlier.includes(idOf(received)) ? undefined : answers[new Set(earlier).size]
        ;(answer ?? answering(200))(response, received)
      }

    test('Every status of a message arrives, each once, signed with the secret that was shown once', async () => {
      const { endpoint, secret } = await put('all', { description: 'Ours' })
      expect(endpoint).toMatchObject({
        id: 'all',
        url: `${place.url}/all`,
        events: ['message:updated'],
        enabled: true,
        disabledReason: null,
        description: 'Ours',
      })
      expect(Buffer.from(/^whsec_(.+)$/.exec(secret!)![1]!, 'base64')).toHaveLength(32)
      const id = await sendMail()
      await expect.poll(() => at('all').length, LATE).toBe(3)
      const events = at('all').map((received) => verify(secret!, received))
      expect(events.map(({ data }) => data.status).sort()).toEqual(['ENQUEUED', 'ROUTED', 'SENT'])
      expect(new Set(at('all').map(idOf)).size).toBe(3)
      const sent = events.find(({ data }) => data.status === 'SENT')!
      expect(sent).toEqual({
        type: 'message:updated',
        timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        data: {
          id,
          status: 'SENT',
          reason: null,
          recipient: 'ada@example.com',
          timestamp: sent.timestamp,
          deliveries: [
            {
              channel: 'EMAIL',
              providerId: 'smtp',
              status: 'SENT',
              startedAt: expect.any(String),
              sentAt: expect.any(String),
              deliveredAt: null,
              openedAt: null,
              clickedAt: null,
              error: null,
            },
          ],
        },
      })
      expect(at('all')[0]!.headers).toMatchObject({ 'content-type': 'application/json', 'user-agent': 'Carillon' })
      expect(JSON.stringify([await read('all'), await deliveriesOf('all')])).not.toContain(secret!.slice(6))
    })

    test('The deliveries of an endpoint are listed newest first, by status and page by page', async () => {
      await put('listed')
      await sendMail()
      await expect.poll(async () => (await deliveriesOf('listed', { status: 'DELIVERED' })).length, LATE).toBe(3)
      const all = await deliveriesOf('listed')
      expect(all.map(({ createdAt }) => createdAt)).toEqual(
        all
          .map(({ createdAt }) => createdAt)
          .sort()
          .reverse(),
      )
      expect(all[0]).toMatchObject({
        event: 'message:updated',
        payload: { type: 'message:updated' },
        attempts: [{ number: 1, outcome: 'ACCEPTED', code: '200', error: null }],
        nextAttemptAt: null,
      })
      expect(await deliveriesOf('listed', { status: 'FAILED' })).toEqual([])
      expect(await deliveriesOf('listed', { status: 'PENDING' })).toEqual([])
      const pageOf = async (after: string | null, status: 'DELIVERED' | null = null) =>
        home.client.send(WebhookDeliveriesDocument, { id: 'listed', first: 2, after, status })
      const { nodes, pageInfo } = dataOf(await pageOf(null)).webhookEndpoint!.deliveries
      const rest = dataOf(await pageOf(pageInfo.endCursor!)).webhookEndpoint!.deliveries
      expect([...nodes, ...rest.nodes].map(({ id }) => id)).toEqual(all.map(({ id }) => id))
      expect(refusalOf(await pageOf(pageInfo.endCursor!, 'DELIVERED')).code).toBe('BAD_CURSOR')
    })

    test('An endpoint that stumbles is called again with the same id and the same bytes, and its redirect is not followed', async () => {
      const { secret } = await put('stumbling')
      place.answer = firstWith(
        answering(500),
        answering(302, { location: `${place.url}/elsewhere` }),
        (response) => void response.socket?.destroy(),
      )
      await sendMail()
      // Each comes again by itself, some seconds later.
      await expect.poll(async () => (await deliveriesOf('stumbling', { status: 'DELIVERED' })).length, LATE).toBe(3)
      const calls = Map.groupBy(at('stumbling'), idOf)
      expect(at('stumbling')).toHaveLength(6)
      for (const own of calls.values()) {
        expect(own.map(({ body }) => body.toString())).toEqual([own[0]!.body.toString(), own[0]!.body.toString()])
        for (const received of own) verify(secret!, received)
      }
      expect(at('elsewhere')).toEqual([])
      const attempts = (await deliveriesOf('stumbling')).map((delivery) =>
        delivery.attempts.map(({ outcome, code }) => [outcome, code]),
      )
      expect(attempts.map(([first]) => first).sort()).toEqual([
        ['RETRY', '302'],
        ['RETRY', '500'],
        ['UNKNOWN', null],
      ])
      expect(attempts.map(([, second]) => second)).toEqual(Array(3).fill(['ACCEPTED', '200']))
    })

    test('Retry-After is a lower bound for the next call', async () => {
      await put('busy')
      place.answer = answering(503, { 'retry-after': '120' })
      await sendMail()
      await expect
        .poll(async () => (await deliveriesOf('busy')).map(({ attempts }) => attempts.at(-1)?.endedAt != null), LATE)
        .toEqual([true, true, true])
      for (const { attempts, nextAttemptAt, status } of await deliveriesOf('busy')) {
        expect(status).toBe('PENDING')
        expect(Date.parse(nextAttemptAt!) - Date.parse(attempts[0]!.endedAt!)).toBeGreaterThanOrEqual(119_900)
      }
      // By hand it goes at once.
      place.answer = answering(200)
      for (const { id } of await deliveriesOf('busy')) await resend(id)
      await expect.poll(async () => (await deliveriesOf('busy', { status: 'DELIVERED' })).length, LATE).toBe(3)
    })

    test('410 disables an endpoint; put again it goes on with its secret, and what failed is sent again by hand', async () => {
      const { secret } = await put('gone')
      place.answer = answering(410)
      await sendMail()
      await expect.poll(async () => (await read('gone')).enabled, LATE).toBe(false)
      expect((await read('gone')).disabledReason).toBe('It answered 410: it wants no more events.')
      await expect.poll(async () => (await deliveriesOf('gone', { status: 'PENDING' })).length, LATE).toBe(0)
      const failed = await deliveriesOf('gone', { status: 'FAILED' })
      expect(failed.length).toBeGreaterThan(0)
      const refused = await home.client.send(ResendWebhookDeliveryDocument, { id: failed[0]!.id })
      expect(refusalOf(refused).code).toBe('CONFLICT')

      place.answer = answering(200)
      place.received.length = 0
      const again = await put('gone')
      expect(again).toMatchObject({ secret: null, endpoint: { enabled: true, disabledReason: null } })
      expect(await resend(failed[0]!.id)).toMatchObject({ id: failed[0]!.id, status: 'PENDING' })
      await expect.poll(async () => (await deliveriesOf('gone', { status: 'DELIVERED' })).length, LATE).toBe(1)
      expect(at('gone').map(idOf)).toEqual([failed[0]!.id])
      verify(secret!, at('gone')[0]!)
    })

    test('Both secrets sign while one is replaced by the other, for as long as was asked', async () => {
      const { secret: first } = await put('rotating')
      const rotate = async (overlap?: string) =>
        dataOf(await home.client.send(RotateWebhookSecretDocument, { id: 'rotating', overlap })).rotateWebhookSecret.secret!
      const signedBy = async (...secrets: readonly string[]) => {
        place.received.length = 0
        await sendMail()
        await expect.poll(() => at('rotating').length, LATE).toBe(3)
        const [received] = at('rotating')
        expect(String(received!.headers['webhook-signature']).split(' ')).toHaveLength(secrets.length)
        for (const secret of secrets) expect(verify(secret, received!)).toMatchObject({ type: 'message:updated' })
      }
      const second = await rotate()
      await signedBy(second, first!)
      const third = await rotate('PT1H')
      await signedBy(third, second, first!)
      const last = await rotate('PT0S')
      await signedBy(last)
    })

    test('A secret that was replaced signs no more once its overlap is over', async () => {
      const { secret: first } = await put('expiring')
      const { rotateWebhookSecret } = dataOf(
        await home.client.send(RotateWebhookSecretDocument, { id: 'expiring', overlap: 'PT1H' }),
      )
      ahead = 2 * HOUR
      await sendMail()
      await expect.poll(() => at('expiring').length, LATE).toBe(3)
      const { headers, body } = at('expiring')[0]!
      const signed = new Date(Number(headers['webhook-timestamp']) * 1_000)
      const sign = (secret: string) => new Webhook(secret).sign(String(headers['webhook-id']), signed, body.toString())
      expect(headers['webhook-signature']).toBe(sign(rotateWebhookSecret.secret!))
      expect(headers['webhook-signature']).not.toContain(sign(first!))
    })

    test('An endpoint that failed for five days is disabled', async () => {
      await put('failing')
      place.answer = answering(500)
      await sendMail()
      await expect
        .poll(async () => (await deliveriesOf('failing')).filter(({ attempts }) => attempts[0]?.endedAt).length, LATE)
        .toBe(3)
      const failAgain = async (hours: number, id: string) => {
        ahead = hours * HOUR
        const calls = at('failing').length
        await resend(id)
        await expect
          .poll(
            async () => (await deliveriesOf('failing')).flatMap(({ attempts }) => attempts.filter((one) => one.endedAt)),
            LATE,
          )
          .toHaveLength(calls + 1)
      }
      const ids = (await deliveriesOf('failing')).map(({ id }) => id)
      for (const hours of [40, 80, 119]) await failAgain(hours, ids[0]!)
      expect((await read('failing')).enabled).toBe(true)
      await failAgain(121, ids[1]!)
      await expect.poll(async () => (await read('failing')).enabled, LATE).toBe(false)
      expect((await read('failing')).disabledReason).toBe('Every call has failed for five days.')
    })

    test('A failure long after the others is the first of its own', async () => {
      await put('quiet')
      place.answer = answering(500)
      await sendMail()
      const ended = async () => (await deliveriesOf('quiet')).flatMap(({ attempts }) => attempts.filter((one) => one.endedAt))
      await expect.poll(ended, LATE).toHaveLength(3)
      const [one, other] = await deliveriesOf('quiet')
      ahead = 30 * 24 * HOUR
      await resend(one!.id)
      await expect.poll(ended, LATE).toHaveLength(4)
      ahead += 47 * HOUR
      await resend(other!.id)
      await expect.poll(ended, LATE).toHaveLength(5)
      expect((await read('quiet')).enabled).toBe(true)
    })

    test('An endpoint that never answers keeps no other waiting', async () => {
      await put('hanging')
      await put('quick')
      const silent: { end(): void }[] = []
      place.answer = (response, { path }) => {
        if (path === '/quick') response.writeHead(200).end()
        else silent.push({ end: () => response.writeHead(200).end() })
      }
      await Promise.all(Array.from({ length: 40 }, () => sendMail()))
      await expect.poll(() => at('quick').length, LATE).toBe(120)
      const started = performance.now()
      await sendMail()
      await expect.poll(() => at('quick').length, { timeout: 5_000, interval: 20 }).toBe(123)
      expect(performance.now() - started).toBeLessThan(3_000)
      const processes = mode === 'PostgreSQL and Redis' ? 2 : 1
      expect(silent.length).toBeLessThanOrEqual(8 * processes)
      place.answer = answering(200)
      for (const { end } of silent) end()
    })

    test('What an endpoint answers beside its status is not read to the end', async () => {
      await put('talking')
      place.answer = (response) => {
        response.writeHead(200)
        const more = () => {
          while (response.write(Buffer.alloc(65_536)));
        }
        response.on('drain', more)
        more()
      }
      await sendMail()
      await expect.poll(async () => (await deliveriesOf('talking', { status: 'DELIVERED' })).length, LATE).toBe(3)
    })

    test.runIf(isFull)(
      'An endpoint that answers after 14 s, or drips its answer, took the event',
      async () => {
        await put('slow')
        await put('dripping')
        place.answer = (response, { path }) => {
          if (path === '/slow') return void setTimeout(() => response.writeHead(200).end(), 14_000)
          response.writeHead(200)
          const drip = setInterval(() => response.write('.'), 200)
          response.on('close', () => clearInterval(drip))
        }
        await sendMail()
        for (const id of ['slow', 'dripping']) {
          await expect.poll(async () => (await deliveriesOf(id, { status: 'DELIVERED' })).length, { timeout: 60_000 }).toBe(3)
          for (const { attempts } of await deliveriesOf(id)) expect(attempts).toHaveLength(1)
        }
      },
      90_000,
    )

    test('An endpoint whose certificate is not for its name gets nothing', async () => {
      const tls = await startReceiver({ tls: true })
      try {
        await put('wrong', { url: `${tls.url}/wrong` })
        await sendMail()
        await expect
          .poll(async () => (await deliveriesOf('wrong')).filter(({ attempts }) => attempts[0]?.endedAt).length, LATE)
          .toBe(3)
        expect((await deliveriesOf('wrong'))[0]!.attempts[0]).toMatchObject({
          outcome: 'RETRY',
          code: null,
          error: 'The TLS certificate of the server was not accepted.',
        })
        expect(tls.received).toEqual([])
      } finally {
        await tls.close()
      }
    })

    test.runIf(mode === 'PostgreSQL and Redis')(
      'A URL that was changed behind our back is judged again at the call',
      async () => {
        await put('moved')
        await withDatabase(home, (query) =>
          query("update webhook_endpoint set url = 'http://169.254.169.254/latest' where id = 'moved'"),
        )
        await sendMail()
        await expect
          .poll(async () => (await deliveriesOf('moved')).map(({ attempts }) => attempts[0]?.error), LATE)
          .toEqual(Array(3).fill('This address may not be reached.'))
      },
    )

    test.runIf(mode === 'PostgreSQL and Redis')(
      'A call from which no worker came back is told as such, also where no other follows',
      async () => {
        await put('crashed')
        place.answer = answering(503, { 'retry-after': '600' })
        await sendMail()
        await expect
          .poll(async () => (await deliveriesOf('crashed')).filter(({ attempts }) => attempts[0]?.endedAt).length, LATE)
          .toBe(3)
        const [crashed] = await deliveriesOf('crashed')
        await put('crashed', { enabled: false })
        await withDatabase(home, async (query) => {
          await query(
            `update webhook_delivery set attempts = jsonb_set(attempts, '{0,outcome}', 'null') where id = '${crashed!.id}'`,
          )
          await query("update job set run_at = now() where lane = 'webhook'")
        })
        await expect.poll(async () => (await deliveriesOf('crashed', { status: 'FAILED' })).length, LATE).toBe(3)
        const { attempts } = (await deliveriesOf('crashed')).find(({ id }) => id === crashed!.id)!
        expect(attempts.map(({ outcome }) => outcome)).toEqual(['UNKNOWN', 'REJECTED'])
      },
    )

    test('An endpoint that its owner disabled gets nothing more, what waits for it neither', async () => {
      await put('paused')
      place.answer = answering(500)
      await sendMail()
      await expect
        .poll(async () => (await deliveriesOf('paused')).filter(({ attempts }) => attempts[0]?.endedAt).length, LATE)
        .toBe(3)
      expect((await put('paused', { enabled: false })).endpoint).toMatchObject({ enabled: false, disabledReason: null })
      await sendMail()
      await expect.poll(async () => (await deliveriesOf('paused', { status: 'FAILED' })).length, LATE).toBe(3)
      expect(await deliveriesOf('paused')).toHaveLength(3)
      expect(at('paused')).toHaveLength(3)
      expect((await deliveriesOf('paused'))[0]!.attempts.at(-1)).toMatchObject({
        outcome: 'REJECTED',
        error: 'The endpoint is disabled; it was not called.',
      })
    })

    test('An endpoint that is deleted takes its deliveries along; one of the same name is another', async () => {
      const { secret } = await put('brief')
      await sendMail()
      await expect.poll(() => at('brief').length, LATE).toBe(3)
      const remove = async () =>
        dataOf(await home.client.send(DeleteWebhookEndpointDocument, { id: 'brief' })).deleteWebhookEndpoint
      expect([await remove(), await remove()]).toEqual([true, false])
      expect(dataOf(await home.client.send(WebhookEndpointDocument, { id: 'brief' })).webhookEndpoint).toBeNull()
      const next = await put('brief')
      expect(next.secret).toMatch(/^whsec_/)
      expect(next.secret).not.toBe(secret)
      expect(await deliveriesOf('brief')).toEqual([])
    })

    test('Repeated with its idempotency key, the call that made a secret answers it again', async () => {
      const variables = { id: 'keyed', input: { url: `${place.url}/keyed` } }
      const options = { idempotencyKey: 'endpoint-1' }
      const first = dataOf(await home.client.send(PutWebhookEndpointDocument, variables, options)).putWebhookEndpoint
      expect(dataOf(await home.client.send(PutWebhookEndpointDocument, variables, options)).putWebhookEndpoint).toEqual(first)
    })

    test('Who was erased is in none of the events that endpoints were told', async () => {
      await put('private')
      place.answer = answering(200)
      const id = await home.send({ to: [{ userId: 'zoe', email: 'zoe@example.com' }], content: { title: 'Ding' } })
      await home.journey(id)
      await expect.poll(async () => (await deliveriesOf('private', { status: 'DELIVERED' })).length, LATE).toBe(3)
      expect(JSON.stringify(await deliveriesOf('private'))).toContain('zoe')
      dataOf(await home.client.send(document('mutation { deleteUser(userId: "zoe") }'), {}))
      const told = await deliveriesOf('private')
      expect(JSON.stringify(told)).not.toContain('zoe')
      for (const { payload } of told) {
        expect((payload as unknown as Body).data).toMatchObject({ id, recipient: '(erased)', deliveries: expect.any(Array) })
      }
    })

    test.each([
      ['a url inside', { url: 'http://10.0.0.1/' }, 'input.url'],
      ['no url', { url: 'nowhere' }, 'input.url'],
      ['a url with a password', { url: 'https://me:secret@example.com/' }, 'input.url'],
      ['a backslash in its url', { url: 'https://8.8.8.8\\@127.0.0.1/' }, 'input.url'],
      ['a tab in its url', { url: 'https://exa\tmple.com/' }, 'input.url'],
      ['a blank in its url', { url: 'https://example.com/a b' }, 'input.url'],
      ['a blank before its url', { url: ' https://example.com/' }, 'input.url'],
      ['a url that is too long in its normal form', { url: `https://example.com/${'ä'.repeat(1_000)}` }, 'input.url'],
      ['no events', { events: [] }, 'input.events'],
      ['an unknown event', { events: ['message:updated', 'message:eaten'] }, 'input.events.1'],
      ['a long description', { description: 'x'.repeat(1_001) }, 'input.description'],
    ])('An endpoint with %s is refused by name', async (_what, input, path) => {
      const whole = { url: 'https://example.com/', ...input }
      const refused = await home.client.send(PutWebhookEndpointDocument, { id: 'bad', input: whole })
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path })
      expect(dataOf(await home.client.send(WebhookEndpointDocument, { id: 'bad' })).webhookEndpoint).toBeNull()
    })

    test('An environment has at most fifty endpoints, also of those that are put at the same time', async () => {
      const url = 'https://example.com/'
      const putAt = (index: number) =>
        home.clients[index % home.clients.length]!.send(PutWebhookEndpointDocument, { id: `many-${index}`, input: { url } })
      for (let index = 0; index < 45; index += 1) dataOf(await putAt(index))
      const last = await Promise.all(Array.from({ length: 10 }, (_, index) => putAt(45 + index)))
      expect(last.filter(({ errors }) => errors.length === 0)).toHaveLength(5)
      const refused = last.filter(({ errors }) => errors.length > 0)
      expect(refused.map((one) => refusalOf(one).code)).toEqual(Array(5).fill('CONFLICT'))
      expect(refused[0]!.errors[0]!.message).toContain('at most 50 webhook endpoints')
      const { webhookEndpoints } = dataOf(await home.client.send(WebhookEndpointsDocument, {}))
      expect(webhookEndpoints).toHaveLength(50)
      // One that is there may be put, and another once there is room.
      dataOf(await putAt(0))
      dataOf(await home.client.send(DeleteWebhookEndpointDocument, { id: 'many-0' }))
      dataOf(await putAt(99))
    })

    test.each([
      ['https://EXAMPLE.com:443/a/../b', 'https://example.com/b'],
      ['https://ex%61mple.com', 'https://example.com/'],
      ['https://bücher.example/ä', 'https://xn--bcher-kva.example/%C3%A4'],
      ['https://8.8.8.8#@127.0.0.1/', 'https://8.8.8.8/#@127.0.0.1/'],
    ])('The URL %s is kept and shown as %s', async (url, normal) => {
      expect((await put('normal', { url })).endpoint.url).toBe(normal)
      expect((await read('normal')).url).toBe(normal)
    })

    test('Ids and overlaps that cannot be are refused by name', async () => {
      const badId = await home.client.send(PutWebhookEndpointDocument, { id: 'a b', input: { url: 'https://example.com/' } })
      expect(refusalOf(badId)).toEqual({ code: 'BAD_USER_INPUT', path: 'id' })
      await put('bounded')
      for (const overlap of ['P8D', '-PT1S', 'PT169H']) {
        const refused = await home.client.send(RotateWebhookSecretDocument, { id: 'bounded', overlap })
        expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path: 'overlap' })
      }
      expect(refusalOf(await home.client.send(RotateWebhookSecretDocument, { id: 'none' })).code).toBe('NOT_FOUND')
      expect(refusalOf(await home.client.send(ResendWebhookDeliveryDocument, { id: 'whd_none' })).code).toBe('NOT_FOUND')
    })
  })
}

async function withDatabase(home: House, work: (query: (sql: string) => Promise<unknown>) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: home.databaseUrl! })
  await client.connect()
  try {
    await work((sql) => client.query(sql))
  } finally {
    await client.end()
  }
}
