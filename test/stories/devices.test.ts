import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, Outgoing, Provider } from '../../src/channels/provider.ts'
import { DeleteProviderDocument, IssueTokenDocument, MessageDocument, PutProviderDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Token {
  readonly id: string
  readonly token: string
  readonly kind: string
  readonly status: string
  readonly statusReason: string | null
  readonly expiresAt: string | null
}
const TOKEN = 'id token kind providerId status statusReason device expiresAt'
const Put = document<{ putDeviceToken: Token }>(
  `mutation ($userId: ID, $input: DeviceTokenInput!) { putDeviceToken(userId: $userId, input: $input) { ${TOKEN} } }`,
)
const Delete = document<{ deleteDeviceToken: boolean }>(
  'mutation ($userId: ID, $token: String!) { deleteDeviceToken(userId: $userId, token: $token) }',
)
const Tokens = document<{ user: { deviceTokens: readonly Token[] } | null }>(
  `query ($id: ID!) { user(id: $id) { deviceTokens { ${TOKEN} } } }`,
)
const HOUR_MS = 3_600_000

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let clockMs = 0
    /** What the push services say of a token; by default they take it. */
    const answers = new Map<string, Outcome>()
    const calls: string[] = []
    const pushService = (kind: string): Provider => ({
      kind,
      channel: 'PUSH',
      name: kind,
      settings: z.object({}),
      async deliver({ address }: Outgoing) {
        calls.push(`${kind} ${address.id}`)
        return answers.get(address.id) ?? { kind: 'accepted' }
      },
    })

    beforeAll(async () => {
      const providers = [pushService('pigeon'), pushService('falcon')]
      home = await house({ mode, world: { providers, now: () => new Date(Date.now() + clockMs) } })
      for (const kind of ['pigeon', 'falcon']) {
        dataOf(await home.client.send(PutProviderDocument, { id: `our-${kind}`, input: { kind, settings: {} } }))
      }
    })
    afterAll(() => home.stop())

    const put = (userId: string, input: object, client: Client = home.client) => client.send(Put, { userId, input })
    const forget = (userId: string | null, token: string, client: Client = home.client) => client.send(Delete, { userId, token })
    const tokensOf = async (id: string) => dataOf(await home.client.send(Tokens, { id })).user?.deviceTokens ?? []
    const standing = async (id: string) => (await tokensOf(id)).map(({ token, status }) => [token, status])

    /** Sends to a user, and which devices were called for it once so many have their answer: it stands still with the first. */
    async function calledFor(userId: string, devices: number): Promise<readonly string[]> {
      const before = calls.length
      const id = await home.send({ to: [{ userId }], content: { title: 'Ring' } })
      await home.journey(id)
      for (;;) {
        const { deliveries } = dataOf(await home.client.send(MessageDocument, { id })).message!
        if (deliveries.filter(({ status }) => status !== 'ATTEMPTING').length === devices) break
      }
      return calls.slice(before).sort()
    }

    test('A user has several tokens of a kind and of several kinds, and each is called', async () => {
      for (const [kind, token] of [
        ['pigeon', 'phone'],
        ['pigeon', 'tablet'],
        ['falcon', 'phone'],
      ]) {
        dataOf(await put('several', { kind, token, device: { model: token } }))
      }
      const tokens = await tokensOf('several')
      expect(tokens.map(({ kind, token, status }) => [kind, token, status])).toEqual([
        ['pigeon', 'phone', 'ACTIVE'],
        ['pigeon', 'tablet', 'ACTIVE'],
        ['falcon', 'phone', 'ACTIVE'],
      ])
      // A message goes out by one account at a time: the first that takes it ends the journey.
      expect(await calledFor('several', 1)).toEqual(['falcon phone'])
      dataOf(
        await home.client.send(PutProviderDocument, { id: 'our-falcon', input: { kind: 'falcon', settings: {}, priority: 1 } }),
      )
      expect(await calledFor('several', 2)).toEqual(['pigeon phone', 'pigeon tablet'])
    })

    test('The same token put twice is one token, with what was put last', async () => {
      const first = dataOf(await put('twice', { kind: 'pigeon', token: 'same', device: { os: 1 } })).putDeviceToken
      const second = dataOf(await put('twice', { kind: 'pigeon', token: 'same' })).putDeviceToken
      expect(second).toEqual({ ...first, device: null })
      expect(await tokensOf('twice')).toHaveLength(1)
    })

    test('A token that its provider calls dead is FAILED with the reason, not called again, and revived by the next put', async () => {
      dataOf(await put('mortal', { kind: 'pigeon', token: 'mortal-old' }))
      dataOf(await put('mortal', { kind: 'pigeon', token: 'mortal-new' }))
      answers.set('mortal-old', { kind: 'rejected', what: 'address', error: 'The app was removed.' })
      expect(await calledFor('mortal', 2)).toEqual(['pigeon mortal-new', 'pigeon mortal-old'])
      expect(await tokensOf('mortal')).toMatchObject([
        { token: 'mortal-old', status: 'FAILED', statusReason: 'The app was removed.' },
        { token: 'mortal-new', status: 'ACTIVE', statusReason: null },
      ])
      expect(await calledFor('mortal', 1)).toEqual(['pigeon mortal-new'])
      answers.clear()
      const revived = dataOf(await put('mortal', { kind: 'pigeon', token: 'mortal-old' })).putDeviceToken
      expect(revived).toMatchObject({ status: 'ACTIVE', statusReason: null })
      expect(await calledFor('mortal', 2)).toEqual(['pigeon mortal-new', 'pigeon mortal-old'])
    })

    test('A token whose time is over is EXPIRED, not called, and ACTIVE again once it is put with a later time', async () => {
      const soon = () => new Date(Date.now() + clockMs + HOUR_MS).toISOString()
      dataOf(await put('aging', { kind: 'pigeon', token: 'for-an-hour', expiresAt: soon() }))
      dataOf(await put('aging', { kind: 'pigeon', token: 'for-ever' }))
      expect((await tokensOf('aging')).map(({ expiresAt }) => expiresAt === null)).toEqual([false, true])
      expect(await calledFor('aging', 2)).toEqual(['pigeon for-an-hour', 'pigeon for-ever'])
      clockMs += 2 * HOUR_MS
      expect(await standing('aging')).toEqual([
        ['for-an-hour', 'EXPIRED'],
        ['for-ever', 'ACTIVE'],
      ])
      expect((await tokensOf('aging'))[0]?.statusReason).toBe('Its time is over.')
      expect(await calledFor('aging', 1)).toEqual(['pigeon for-ever'])
      dataOf(await put('aging', { kind: 'pigeon', token: 'for-an-hour', expiresAt: soon() }))
      expect(await standing('aging')).toEqual([
        ['for-an-hour', 'ACTIVE'],
        ['for-ever', 'ACTIVE'],
      ])
    })

    test('A token that is put without a time does not expire', async () => {
      dataOf(await put('lasting', { kind: 'pigeon', token: 'lasting' }))
      const before = clockMs
      clockMs += 10 * 365 * 24 * HOUR_MS
      expect(await tokensOf('lasting')).toMatchObject([{ status: 'ACTIVE', expiresAt: null }])
      clockMs = before
    })

    test('A user keeps the newest 20 tokens in use; the oldest is REVOKED', async () => {
      for (let n = 1; n <= 21; n += 1) {
        dataOf(await put('many', { kind: 'pigeon', token: `many-${n}` }))
        clockMs += 1
      }
      const tokens = await tokensOf('many')
      expect(tokens.filter(({ status }) => status === 'REVOKED').map(({ token }) => token)).toEqual(['many-1'])
      expect(tokens.filter(({ status }) => status === 'ACTIVE')).toHaveLength(20)
    })

    test.each([
      ['input.expiresAt', { kind: 'pigeon', token: 't', expiresAt: '2020-01-01T00:00:00Z' }],
      ['input.kind', { kind: 'smtp', token: 't' }],
      ['input.kind', { kind: 'owl', token: 't' }],
      ['input.token', { kind: 'pigeon', token: '' }],
      ['input.token', { kind: 'pigeon', token: 'x'.repeat(4_097) }],
      ['input.providerId', { kind: 'pigeon', token: 't', providerId: 'our-falcon' }],
      ['input.providerId', { kind: 'pigeon', token: 't', providerId: 'smtp' }],
      ['input.device', { kind: 'pigeon', token: 't', device: { x: 'x'.repeat(262_144) } }],
    ])('A token with a wrong %s is refused', async (path, input) => {
      expect(refusalOf(await put('refused', input))).toEqual({ code: 'BAD_USER_INPUT', path })
      expect(await tokensOf('refused')).toEqual([])
    })

    test('A token may belong to one account of its kind; an account that is not there is NOT_FOUND', async () => {
      dataOf(await put('bound', { kind: 'pigeon', token: 'bound', providerId: 'our-pigeon' }))
      expect(refusalOf(await put('bound', { kind: 'pigeon', token: 'x', providerId: 'nowhere' })).code).toBe('NOT_FOUND')
      dataOf(await home.client.send(PutProviderDocument, { id: 'second', input: { kind: 'pigeon', settings: {}, priority: -1 } }))
      const id = await home.send({ to: [{ userId: 'bound' }], content: { title: 'Ring' } })
      await home.journey(id)
      const { deliveries } = dataOf(await home.client.send(MessageDocument, { id })).message!
      expect(deliveries.map(({ providerId }) => providerId)).toEqual(['our-pigeon'])
      dataOf(await home.client.send(DeleteProviderDocument, { id: 'second' }))
    })

    test('A token is forgotten whatever its kinds, once, and no longer called', async () => {
      for (const kind of ['pigeon', 'falcon']) dataOf(await put('leaving', { kind, token: 'left' }))
      dataOf(await put('leaving', { kind: 'pigeon', token: 'stays' }))
      dataOf(await put('neighbour', { kind: 'pigeon', token: 'left' }))
      expect(dataOf(await forget('leaving', 'left')).deleteDeviceToken).toBe(true)
      expect(dataOf(await forget('leaving', 'left')).deleteDeviceToken).toBe(false)
      expect(dataOf(await forget('nobody', 'left')).deleteDeviceToken).toBe(false)
      expect(await standing('leaving')).toEqual([['stays', 'ACTIVE']])
      expect(await standing('neighbour')).toEqual([['left', 'ACTIVE']])
      expect(await calledFor('leaving', 1)).toEqual(['pigeon stays'])
    })

    test('A user puts and forgets tokens of its own with a user token, and nobody else’s', async () => {
      const issue = async (scopes: readonly string[]) =>
        home.enter(
          dataOf(
            await home.client.send(IssueTokenDocument, { input: { userId: 'own', scopes: scopes as [], expiresIn: 'PT1H' } }),
          ).issueToken.token,
        )
      const own = await issue(['DEVICE_TOKENS_WRITE'])
      dataOf(await own.send(Put, { userId: null, input: { kind: 'pigeon', token: 'mine' } }))
      dataOf(await put('foreign', { kind: 'pigeon', token: 'theirs' }))
      expect(refusalOf(await forget('foreign', 'theirs', own)).code).toBe('NOT_FOUND')
      expect(refusalOf(await forget('no-such-user', 'theirs', own)).code).toBe('NOT_FOUND')
      expect(dataOf(await forget(null, 'theirs', own)).deleteDeviceToken).toBe(false)
      expect(refusalOf(await forget(null, 'mine', await issue(['INBOX_READ']))).code).toBe('FORBIDDEN')
      expect(dataOf(await forget(null, 'mine', own)).deleteDeviceToken).toBe(true)
      expect(await standing('foreign')).toEqual([['theirs', 'ACTIVE']])
      expect(refusalOf(await forget(null, 'theirs')).code).toBe('BAD_USER_INPUT')
    })
  })
}
