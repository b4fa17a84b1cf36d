import { createHmac } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Callback, type CallbackReading, type Outgoing, type Provider, secret } from '../../src/channels/provider.ts'
import {
  DeleteProviderDocument,
  MessageDocument,
  MessageEventsDocument,
  ProviderDocument,
  PutProviderDocument,
} from '../generated/graphql.ts'
import { collect, dataOf, type House, house, MODES } from '../support/house.ts'

const PUBLIC_URL = 'https://bells.example.com'
const FIVE_MINUTES_MS = 300_000

type News = { key: string; what: 'delivered' | 'bounced' | 'opened'; error?: string }

/** A mail service of somebody else's that signs what it reports over the URL, the time and the body. */
const signatureOf = (key: string, url: string, time: string, body: string | Uint8Array) =>
  createHmac('sha256', key).update(`${url}\n${time}\n`).update(body).digest('base64')

async function readCallback(
  { url, headers, body }: Callback,
  { settings, now }: { settings: { signingKey: string }; now: Date },
): Promise<CallbackReading> {
  const { 'x-time': time = '', 'x-signature': signature } = headers
  if (signature !== signatureOf(settings.signingKey, url, time, body)) return { kind: 'forged', error: 'Not signed by us.' }
  if (Math.abs(now.getTime() - Number(time)) > FIVE_MINUTES_MS) return { kind: 'forged', error: 'Stale.' }
  const news: unknown = JSON.parse(Buffer.from(body).toString())
  if (!Array.isArray(news)) return { kind: 'malformed', error: 'It is no list.' }
  const reports = (news as News[]).flatMap(({ what, ...one }) => (what === 'opened' ? [] : [{ ...one, what, at: now }]))
  return { kind: 'reports', reports }
}

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    const calls: Outgoing[] = []
    const herald: Pick<Provider, 'deliver'> = { deliver: async () => ({ kind: 'accepted' }) }

    beforeAll(async () => {
      const provider: Provider = {
        kind: 'herald',
        channel: 'EMAIL',
        name: 'Herald',
        settings: z.object({ signingKey: secret(z.string()) }),
        deliver(outgoing, context) {
          calls.push(outgoing)
          return herald.deliver(outgoing, context)
        },
        readCallback,
      }
      home = await house({ mode, world: { providers: [provider] }, env: { CARILLON_PUBLIC_URL: PUBLIC_URL } })
      await putAccount('herald', 'first key')
    })
    afterAll(() => home.stop())
    afterEach(() => {
      herald.deliver = async () => ({ kind: 'accepted' })
    })

    async function putAccount(id: string, signingKey: string, priority = -1): Promise<string> {
      const input = { kind: 'herald', settings: { signingKey }, priority }
      return dataOf(await home.client.send(PutProviderDocument, { id, input })).putProvider.callbackUrl!
    }
    const urlOf = async (id: string) => dataOf(await home.client.send(ProviderDocument, { id })).provider?.callbackUrl
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!
    const stands = async (id: string) => {
      const { status, reason, deliveries } = await messageOf(id)
      return [status, reason, ...deliveries.map((delivery) => delivery.status)]
    }
    const callOf = (messageId: string) => calls.findLast((call) => call.messageId === messageId)!

    async function send(email = 'ada@example.com') {
      const id = await home.send({ to: [{ email }], content: { title: 'Hello' } })
      await home.journey(id)
      return { id, key: callOf(id).idempotencyKey }
    }

    interface Told {
      readonly url?: string
      readonly signingKey?: string
      readonly at?: number
      /** What is sent in the place of what was signed. */
      readonly body?: string
      readonly process?: number
    }
    async function tell(news: readonly News[], told: Told = {}): Promise<number> {
      const { url = (await urlOf('herald'))!, signingKey = 'first key', at = Date.now(), process = 0 } = told
      const body = JSON.stringify(news)
      const headers = { 'x-time': String(at), 'x-signature': signatureOf(signingKey, url, String(at), body) }
      const place = url.replace(PUBLIC_URL, home.urls[process % home.urls.length]!)
      return (await fetch(place, { method: 'POST', headers, body: told.body ?? body })).status
    }

    test('An account whose provider reports has a URL for it, which each message takes along; others have none', async () => {
      const url = (await urlOf('herald'))!
      expect(url.startsWith(`${PUBLIC_URL}/callbacks/production/herald/`)).toBe(true)
      const { id } = await send()
      expect(callOf(id).callbackUrl).toBe(url)
      expect(await urlOf('smtp')).toBeNull()
    })

    test('A message that its provider reports delivered is DELIVERED, and its followers see it', async () => {
      const { id, key } = await send()
      const events = collect(
        home.clients.at(-1)!.subscribe(MessageEventsDocument, { filter: { messageIds: [id] } }),
        ({ messageEvents }) => messageEvents,
        (all) => all.at(-1)?.type === 'DELIVERED',
      )
      expect(await tell([{ key, what: 'delivered' }])).toBe(200)
      expect((await events).at(-1)).toMatchObject({
        type: 'DELIVERED',
        status: 'DELIVERED',
        channel: 'EMAIL',
        providerId: 'herald',
      })
      const message = await messageOf(id)
      expect(message).toMatchObject({ status: 'DELIVERED', reason: null, deliveries: [{ status: 'DELIVERED' }] })
      expect(Date.parse(message.deliveredAt as string)).toBeGreaterThanOrEqual(Date.parse(message.sentAt as string))
    })

    test('One that bounced is UNDELIVERABLE with BOUNCED, in the provider’s words', async () => {
      const { id, key } = await send()
      expect(await tell([{ key, what: 'bounced', error: 'No such mailbox' }])).toBe(200)
      expect(await messageOf(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'BOUNCED', error: 'No such mailbox' })
      expect((await messageOf(id)).history.nodes.at(-1)).toMatchObject({ type: 'UNDELIVERABLE', error: 'No such mailbox' })
    })

    test('A bounce after it arrived stands in the history, and the message stays DELIVERED', async () => {
      const { id, key } = await send()
      await tell([{ key, what: 'delivered' }])
      await tell([{ key, what: 'bounced' }])
      expect(await stands(id)).toEqual(['DELIVERED', null, 'DELIVERED'])
      const last = (await messageOf(id)).history.nodes.slice(-2).map(({ type, status }) => [type, status])
      expect(last).toEqual([
        ['DELIVERED', 'DELIVERED'],
        ['UNDELIVERABLE', 'DELIVERED'],
      ])
    })

    test('What is told a hundred times at once, to several processes, is told once', async () => {
      const { id, key } = await send()
      const news = [
        { key, what: 'delivered' },
        { key, what: 'opened' },
      ] as const
      const answers = await Promise.all(Array.from({ length: 100 }, (_, process) => tell(news, { process })))
      expect(new Set(answers)).toEqual(new Set([200]))
      const types = (await messageOf(id)).history.nodes.map(({ type }) => type)
      expect(types).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT', 'DELIVERED'])
    })

    test('A call that is unsigned, signed with another key, of another body or stale is 401 and changes nothing', async () => {
      const { id, key } = await send()
      const news = [{ key, what: 'delivered' }] as const
      expect(await tell(news, { signingKey: '' })).toBe(401)
      expect(await tell(news, { signingKey: 'another key' })).toBe(401)
      expect(await tell(news, { body: JSON.stringify(news, null, 1) })).toBe(401)
      expect(await tell(news, { at: Date.now() - 2 * FIVE_MINUTES_MS })).toBe(401)
      expect(await tell(news, { at: Date.now() + 2 * FIVE_MINUTES_MS })).toBe(401)
      expect(await stands(id)).toEqual(['SENT', null, 'SENT'])
    })

    test('What another account is told of a message is taken and changes nothing', async () => {
      const url = await putAccount('other', 'second key', 9)
      const { id, key } = await send()
      expect(await tell([{ key, what: 'bounced' }], { url, signingKey: 'second key' })).toBe(200)
      expect(await tell([{ key, what: 'bounced' }], { url, signingKey: 'first key' })).toBe(401)
      expect(await stands(id)).toEqual(['SENT', null, 'SENT'])
      await home.client.send(DeleteProviderDocument, { id: 'other' })
      expect(await tell([{ key, what: 'bounced' }], { url, signingKey: 'second key' })).toBe(404)
    })

    test('10 MB at once are refused, and the process goes on', async () => {
      const { id, key } = await send()
      const url = (await urlOf('herald'))!.replace(PUBLIC_URL, home.urls[0]!)
      expect((await fetch(url, { method: 'POST', body: Buffer.alloc(10_000_000) })).status).toBe(413)
      expect(await tell([{ key, what: 'delivered' }])).toBe(200)
      expect((await stands(id))[0]).toBe('DELIVERED')
    })

    test('What is reported before the provider has answered the call counts as well, in lists and beside other results', async () => {
      const before = await deadlocks(home)
      const count = 120
      const url = (await urlOf('herald'))!
      const batches: News[][] = [[]]
      const early: Promise<number>[] = []
      herald.deliver = async ({ idempotencyKey: key }) => {
        const [nth, what] = [calls.length, calls.length % 3 === 0 ? 'bounced' : 'delivered'] as const
        batches.at(-1)!.push({ key, what })
        const tells = nth % 2 === 0 ? early.push(tell([{ key, what }], { url, process: nth })) : 0
        if (batches.at(-1)!.length === 10) {
          // In another order than they were sent in, like a service that writes them down on several machines.
          early.push(tell(batches.at(-1)!.toReversed(), { url, process: nth }))
          batches.push([])
        }
        if (tells > 0) await early[tells - 1]
        return { kind: 'accepted' }
      }
      const ids = await Promise.all(
        Array.from({ length: count }, (_, nth) =>
          home.send({ to: [{ email: `p${nth}@example.com` }], content: { title: 'Hi' } }),
        ),
      )
      const expected = (id: string) => {
        const { idempotencyKey } = callOf(id)
        return batches.flat().find(({ key }) => key === idempotencyKey)!.what === 'bounced' ? 'UNDELIVERABLE' : 'DELIVERED'
      }
      await expect.poll(() => calls.filter(({ messageId }) => ids.includes(messageId)).length, { timeout: 20_000 }).toBe(count)
      expect(await tell(batches.at(-1)!, { url })).toBe(200)
      expect(new Set(await Promise.all(early))).toEqual(new Set([200]))
      await expect
        .poll(async () => Promise.all(ids.map((id) => stands(id))), { timeout: 20_000 })
        .toEqual(ids.map((id) => (expected(id) === 'DELIVERED' ? ['DELIVERED', null, 'DELIVERED'] : BOUNCED)))
      expect(new Set(ids.map((id) => calls.filter((call) => call.messageId === id).length))).toEqual(new Set([1]))
      expect(await deadlocks(home)).toBe(before)
    }, 60_000)
  })
}

const BOUNCED = ['UNDELIVERABLE', 'BOUNCED', 'UNDELIVERABLE']

/** How often PostgreSQL had to choose one of two to give way. Null where the database is not ours to ask. */
async function deadlocks({ databaseUrl }: House): Promise<number | null> {
  if (databaseUrl === null) return null
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query('select deadlocks::int from pg_stat_database where datname = current_database()')
    return rows[0].deadlocks
  } finally {
    await client.end()
  }
}
