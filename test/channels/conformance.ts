import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor } from '../../src/channels/http.ts'
import {
  type Address,
  type HttpDoor,
  type Outcome,
  type Outgoing,
  type Provider,
  type Rendered,
  secretFields,
} from '../../src/channels/provider.ts'

/** What a provider's own test says about the outside it talks to. */
export interface Outside {
  readonly provider: Provider
  readonly settings: Record<string, unknown>
  readonly address: Address
  /** An address that the provider must refuse by itself or be refused. */
  readonly badAddress: Address
  /** Makes the outside behave so from now on. */
  behave(how: 'well' | 'refusing the address' | 'throttling' | 'broken' | 'silent'): void
  /** What the outside could tell a repetition by, of everything that it took. */
  identities(): readonly string[]
  close(): Promise<void>
}

export const CONTENT: Rendered = { subject: 'Your order', title: 'Your order', text: 'It is here.', html: '<p>It is here.</p>' }

export function outgoing(address: Address, changes: Partial<Outgoing> = {}): Outgoing {
  return { environmentId: 'env', messageId: 'msg-1', idempotencyKey: 'key_1-a', address, content: CONTENT, ...changes }
}

export interface Deliver {
  readonly guarded?: boolean
  readonly signal?: AbortSignal
  readonly http: HttpDoor
  readonly now?: Date
}

export function deliver(provider: Provider, settings: unknown, message: Outgoing, options: Deliver): Promise<Outcome> {
  const { guarded = true, signal = new AbortController().signal, http, now = new Date() } = options
  return provider.deliver(message, { settings, http, guarded, signal, now })
}

/** A door into the loopback interface, where the tests keep the outside. */
export function testDoor(allowedNetworks: readonly string[] = ['127.0.0.0/8']) {
  return createHttpDoor({ guard: createAddressGuard({ allowedNetworks }) })
}

/** What every provider that calls somebody keeps to. */
export function keepsTheContract(name: string, open: () => Promise<Outside>): void {
  describe(`${name} keeps the contract of a provider`, () => {
    let outside: Outside
    const http = testDoor()
    const outcomes: Outcome[] = []

    beforeAll(async () => {
      outside = await open()
    })
    beforeEach(() => outside.behave('well'))
    afterAll(async () => {
      await outside.provider.close?.()
      await outside.close()
      await http.close()
    })

    const send = async (address = outside.address, signal?: AbortSignal) => {
      const options = { http, ...(signal && { signal }) }
      const outcome = await deliver(outside.provider, outside.settings, outgoing(address), options)
      outcomes.push(outcome)
      return outcome
    }

    test('its settings are read by its own schema', () => {
      expect(outside.provider.settings.safeParse(outside.settings)).toMatchObject({ success: true })
      expect(outside.provider.settings.safeParse({})).toMatchObject({ success: false })
    })

    test('a message that is taken is accepted, and a second try carries the same identity', async () => {
      expect(await send()).toMatchObject({ kind: 'accepted' })
      expect(await send()).toMatchObject({ kind: 'accepted' })
      const [first, second] = outside.identities().slice(-2)
      expect(first).toBeTruthy()
      expect(second).toBe(first)
    })

    test('a bad address is rejected without a call', async () => {
      const before = outside.identities().length
      expect(await send(outside.badAddress)).toMatchObject({ kind: 'rejected', what: 'address' })
      expect(outside.identities()).toHaveLength(before)
    })

    test('an address that the other side refuses is rejected', async () => {
      outside.behave('refusing the address')
      expect(await send()).toMatchObject({ kind: 'rejected', what: 'address', code: expect.stringMatching(/^\d{3}$/) })
    })

    test('a throttled message is tried again', async () => {
      outside.behave('throttling')
      expect(await send()).toMatchObject({ kind: 'retry', code: expect.stringMatching(/^\d{3}$/) })
    })

    test('a connection that breaks after the message was written leaves it unknown', async () => {
      outside.behave('broken')
      expect(await send()).toMatchObject({ kind: 'unknown' })
    })

    test('a call that is aborted while the other side is silent leaves it unknown', async () => {
      outside.behave('silent')
      const before = outside.identities().length
      const controller = new AbortController()
      const sent = send(outside.address, controller.signal)
      await expect.poll(() => outside.identities().length).toBe(before + 1)
      controller.abort()
      expect(await sent).toMatchObject({ kind: 'unknown' })
    })

    test('a call that was aborted before sends nothing and may be tried again', async () => {
      const before = outside.identities().length
      expect(await send(outside.address, AbortSignal.abort())).toMatchObject({ kind: 'retry' })
      expect(outside.identities()).toHaveLength(before)
    })

    test('it works again afterwards', async () => {
      expect(await send()).toMatchObject({ kind: 'accepted' })
    })

    test('no error holds a secret of the account', () => {
      const secrets = secretFields(outside.provider).map((field) => String(outside.settings[field]))
      expect(secrets.length).toBeGreaterThan(0)
      const said = JSON.stringify(outcomes)
      for (const secret of secrets) expect(said).not.toContain(secret)
    })
  })
}
