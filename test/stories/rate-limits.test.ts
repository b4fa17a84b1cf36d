import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '../../src/config.ts'
import { schema } from '../../src/graphql/schema.ts'
import { SendDocument } from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { startRedis, type TestRedis } from '../support/redis.ts'

const KEY_LIMIT = 20
const PROVIDER_LIMIT = 200
const putInbox = document('mutation { putProvider(id: "inbox", input: { kind: "inbox", settings: {} }) { id } }')

/** As many as a document may have of one mutation. */
const five = (field: string) =>
  document(`mutation { ${['a', 'b', 'c', 'd', 'e'].map((alias) => `${alias}: ${field}`).join(' ')} }`)
const fiveKeys = five('createApiKey(input: { name: "one of five", scopes: [ADMIN] }) { secret }')
const keyCount = document<{ apiKeys: { id: string }[] }>('{ apiKeys { id } }')

const told = ({ status, headers }: { status: number; headers: Headers }) => ({
  status,
  limit: headers.get('x-ratelimit-limit'),
  remaining: headers.get('x-ratelimit-remaining'),
})

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let redis: TestRedis | null = null
    beforeAll(async () => {
      if (mode === 'PostgreSQL and Redis') redis = await startRedis()
      // Empty is what an operator has who sets nothing.
      home = await house({ mode, env: { CARILLON_RATE_LIMITS: '', ...(redis && { REDIS_URL: redis.url }) } })
    })
    afterAll(async () => {
      await home.stop()
      await redis?.stop()
    })

    /** A key of its own, so that no test counts for another. */
    async function newcomer() {
      if (redis) for (const url of home.urls) await expect.poll(() => fallback(url)).toBe(0)
      const input = { name: 'newcomer', scopes: ['ADMIN' as const] }
      const create = document<{ createApiKey: { secret: string } }>(
        'mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret } }',
      )
      const { secret } = dataOf(await home.client.send(create, { input })).createApiKey
      return home.urls.map((_, at) => home.enter(secret, at))
    }

    test('The twenty-first API key within a minute is refused by every process, together with its whole request', async () => {
      const clients = await newcomer()
      const at = (nth: number) => clients[nth % clients.length]!
      for (const nth of [0, 1, 2]) {
        expect(told(await at(nth).send(fiveKeys, {}))).toEqual({
          status: 200,
          limit: String(KEY_LIMIT),
          remaining: String(KEY_LIMIT - 5 * (nth + 1)),
        })
      }
      const one = document('mutation { createApiKey(input: { name: "one", scopes: [ADMIN] }) { secret } }')
      expect(told(await at(3).send(one, {})).remaining).toBe('4')
      const keys = dataOf(await at(0).send(keyCount, {})).apiKeys.length
      const refused = await at(4).send(fiveKeys, {})
      expect(told(refused)).toEqual({ status: 429, limit: '20', remaining: '0' })
      expect(refusalOf(refused).code).toBe('RATE_LIMITED')
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(refused.data).toBeUndefined()
      expect(dataOf(await at(1).send(keyCount, {})).apiKeys).toHaveLength(keys)
      expect(told(await at(5).send(one, {})).remaining).toBe('3')
    })

    test('What an idempotency key repeats counts like any other call', async () => {
      const [client] = await newcomer()
      const options = { idempotencyKey: 'inbox-1' }
      const remaining = []
      for (const _ of [1, 2]) remaining.push(told(await client!.send(putInbox, {}, options)).remaining)
      expect(remaining).toEqual([String(PROVIDER_LIMIT - 1), String(PROVIDER_LIMIT - 2)])
    })

    test('Sends, profiles, tokens and queries have no limit', async () => {
      const [client] = await newcomer()
      const free = { status: 200, limit: null, remaining: null }
      const unlimited = [
        five('send(input: { to: [{ userId: "anna" }], content: { body: "Hello" } }) { requestId }'),
        five('mergeProfile(userId: "anna", profile: { name: "Anna" }) { id }'),
        five('issueToken(input: { userId: "anna", scopes: [INBOX_READ], expiresIn: "PT1H" }) { token }'),
        keyCount,
      ]
      for (const operation of unlimited) {
        for (const _ of Array(KEY_LIMIT / 5 + 1)) {
          const answer = await client!.send(operation, {})
          dataOf(answer)
          expect(told(answer)).toEqual(free)
        }
      }
    })

    // Where all is in one process there is no Redis to die.
    if (mode === 'PostgreSQL and Redis')
      test('When Redis dies sends are accepted as before, and each process keeps to the limits for itself', async ({ skip }) => {
        if (redis === null) return skip('there is no redis-server here')
        const [client] = await newcomer()
        await redis.kill()
        for (const nth of [1, 2, 3, 4]) {
          expect(told(await client!.send(fiveKeys, {}))).toMatchObject({ status: 200, remaining: String(KEY_LIMIT - 5 * nth) })
        }
        expect(told(await client!.send(fiveKeys, {}))).toEqual({ status: 429, limit: '20', remaining: '0' })
        dataOf(await client!.send(SendDocument, { input: { to: [{ userId: 'anna' }], content: { body: 'Still here' } } }))
        expect(await fallback(home.urls[0]!)).toBe(1)
      })
  })
}

/** Of the contract, and not built yet. */
const TO_COME = ['rotateApiKey', 'revokeApiKey']

test('Every mutation that has a limit is one of the API', () => {
  const mutations = schema.getMutationType()!.getFields()
  const limited = Object.keys(loadConfig({}).limits.callsPerMinute)
  expect(limited.filter((name) => !(name in mutations))).toEqual(TO_COME)
})

async function fallback(url: string): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^carillon_rate_limit_fallback (\d)$/m.exec(metrics)?.[1])
}
