import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { createHttpDoor } from '../../src/channels/http.ts'
import {
  type Address,
  type Callback,
  type CallbackReading,
  type HttpCall,
  type HttpDoor,
  type Outcome,
  type Outgoing,
  type Provider,
  type Rendered,
  secretFields,
  settingsSchema,
} from '../../src/channels/provider.ts'
import { type Received, type Receiver, startReceiver } from '../support/http.ts'

type Behaviour = 'well' | 'refusing the address' | 'throttling' | 'broken' | 'silent'

/** What a provider's own test says about the outside it talks to. */
export interface Outside {
  readonly provider: Provider
  readonly settings: Record<string, unknown>
  readonly address: Address
  /** What its messages have beside an address and their content. */
  readonly message?: Partial<Outgoing>
  /** An address that the provider must refuse by itself; absent where it cannot know one. */
  readonly badAddress?: Address
  /** The door that leads to it; the one into the loopback interface when absent. */
  readonly http?: HttpDoor
  /** Makes the outside behave so from now on. */
  behave(how: Behaviour): void
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

/** What a kind of provider has none of: an address that it refuses by itself, one that the other side refuses, a secret, … */
export type Lack = 'bad address' | 'refused address' | 'secret' | 'needed setting'

/** What every provider that calls somebody keeps to. */
export function keepsTheContract(name: string, open: () => Promise<Outside>, lacks: readonly Lack[] = []): void {
  describe(`${name} keeps the contract of a provider`, () => {
    let outside: Outside
    const loopback = testDoor()
    let http: HttpDoor = loopback
    const outcomes: Outcome[] = []
    const testIfAny = (lack: Lack, title: string, run: () => Promise<void> | void) => {
      if (!lacks.includes(lack)) test(title, run)
    }

    beforeAll(async () => {
      outside = await open()
      http = outside.http ?? loopback
    })
    beforeEach(() => outside.behave('well'))
    afterAll(async () => {
      await outside.provider.close?.()
      await outside.close()
      await loopback.close()
    })

    const send = async (address = outside.address, signal?: AbortSignal) => {
      const options = { http, ...(signal && { signal }) }
      const outcome = await deliver(outside.provider, outside.settings, outgoing(address, outside.message), options)
      outcomes.push(outcome)
      return outcome
    }

    test('its settings are read by its own schema', () => {
      expect(outside.provider.settings.safeParse(outside.settings)).toMatchObject({ success: true })
      expect(outside.provider.settings.safeParse({})).toMatchObject({ success: lacks.includes('needed setting') })
    })

    test('each of its settings says what it is for', () => {
      const { properties = {} } = settingsSchema(outside.provider) as { properties?: Record<string, object> }
      for (const property of Object.values(properties))
        expect(property).toMatchObject({ description: expect.stringMatching(/\S/) })
    })

    test('a message that is taken is accepted, and a second try carries the same identity', async () => {
      expect(await send()).toMatchObject({ kind: 'accepted' })
      expect(await send()).toMatchObject({ kind: 'accepted' })
      const [first, second] = outside.identities().slice(-2)
      expect(first).toBeTruthy()
      expect(second).toBe(first)
    })

    testIfAny('bad address', 'a bad address is rejected without a call', async () => {
      const before = outside.identities().length
      expect(await send(outside.badAddress)).toMatchObject({ kind: 'rejected', what: 'address' })
      expect(outside.identities()).toHaveLength(before)
    })

    testIfAny('refused address', 'an address that the other side refuses is rejected', async () => {
      outside.behave('refusing the address')
      expect(await send()).toMatchObject({ kind: 'rejected', what: 'address', code: expect.stringMatching(/\S/) })
    })

    test('a throttled message is tried again', async () => {
      outside.behave('throttling')
      expect(await send()).toMatchObject({ kind: 'retry', code: expect.stringMatching(/\S/) })
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

    testIfAny('secret', 'no error holds a secret of the account', () => {
      const secrets = secretFields(outside.provider)
        .flatMap((field) => outside.settings[field] ?? [])
        .map(String)
      expect(secrets.length).toBeGreaterThan(0)
      const said = JSON.stringify(outcomes)
      for (const secret of secrets) expect(said).not.toContain(secret)
    })
  })
}

// ── Providers that are called over HTTP, at fixed hosts of their own ─────────

/** An answer of the provider's, as its documentation shows it. An object is sent as JSON. */
export interface Reply {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | object
}

/** A request as the provider gets it. */
export interface Request extends Received {
  /** The host that it was meant for: `api.example.com`. */
  readonly host: string
}

/** What the tests of a provider know of its documentation. Secrets and addresses are made up. */
export interface Documented {
  readonly provider: Provider
  readonly settings: Record<string, unknown>
  readonly address: Address
  readonly badAddress?: Address
  readonly message?: Partial<Outgoing>
  /** Every host it may call; a call of another one is refused, and fails the test that made it. */
  readonly hosts: readonly string[]
  readonly well: Reply
  /** Absent where the provider refuses no address when it is called. */
  readonly refusing?: Reply
  readonly throttling: Reply
  /** Some of what it does takes no setting at all. */
  readonly needsNoSetting?: true
  /** What it could tell a repetition by. */
  identity(request: Request): string
  /** Answers the requests that lead up to the message: a token, a place to write to. They are no messages. */
  aside?(request: Request): Reply | undefined
}

export interface Host {
  /** Leads the provider's calls to the local server, whatever their host. */
  readonly http: HttpDoor
  /** As the provider made them. */
  readonly calls: HttpCall[]
  readonly requests: Request[]
  /** Those that were messages. */
  readonly messages: Request[]
  /** What it answers the messages from now on; 'broken' and 'silent': not at all. */
  reply: Reply | 'broken' | 'silent'
  close(): Promise<void>
}

const ORIGINAL_HOST = 'x-test-host'

/** One local server in the place of all the provider's hosts, and a door that leads to it. */
export async function startHost({ hosts, well, aside }: Pick<Documented, 'hosts' | 'well' | 'aside'>): Promise<Host> {
  const door = testDoor()
  const requests: Request[] = []
  const messages: Request[] = []
  const calls: HttpCall[] = []
  const server: Receiver = await startReceiver({
    answer(response, received) {
      const request = { ...received, host: String(received.headers[ORIGINAL_HOST]) }
      requests.push(request)
      const before = aside?.(request)
      if (!before) messages.push(request)
      const reply = before ?? host.reply
      if (reply === 'silent') return
      if (reply === 'broken') return void response.socket?.destroy()
      const { status, headers = {}, body = '' } = reply
      const type = typeof body === 'string' ? {} : { 'content-type': 'application/json' }
      response.writeHead(status, { ...type, ...headers }).end(typeof body === 'string' ? body : JSON.stringify(body))
    },
  })
  const request = (call: HttpCall) => {
    calls.push(call)
    const url = new URL(call.url)
    if (url.protocol !== 'https:' || !hosts.includes(url.host)) {
      return Promise.resolve({ kind: 'refused', error: `${url.origin} is no host of this provider.` } as const)
    }
    const { http2: _http2, ...rest } = call
    const headers = { ...call.headers, [ORIGINAL_HOST]: url.host }
    return door.request({ ...rest, headers, url: `${server.url}${url.pathname}${url.search}` })
  }
  const host: Host = {
    http: { guard: door.guard, request },
    calls,
    requests,
    messages,
    reply: well,
    async close() {
      await door.close()
      await server.close()
    },
  }
  return host
}

/** The contract, for a provider that is called over HTTP. */
export function keepsTheContractOverHttp(documented: Documented): void {
  const { provider, settings, address, badAddress, well, refusing, throttling, identity } = documented
  const replies = { well, throttling, 'refusing the address': refusing ?? well, broken: 'broken', silent: 'silent' } as const
  const lacks: Lack[] = []
  if (!badAddress) lacks.push('bad address')
  if (!refusing) lacks.push('refused address')
  if (secretFields(provider).length === 0) lacks.push('secret')
  if (documented.needsNoSetting) lacks.push('needed setting')
  const open = async (): Promise<Outside> => {
    const host = await startHost(documented)
    return {
      provider,
      settings,
      address,
      ...(badAddress && { badAddress }),
      ...(documented.message && { message: documented.message }),
      http: host.http,
      behave(how) {
        host.reply = replies[how]
      },
      identities: () => host.messages.map(identity),
      close: () => host.close(),
    }
  }
  keepsTheContract(provider.kind, open, lacks)
}

/** Each reply that the provider documents, and what it comes to. The account's credentials stand in no outcome. */
export function readsReplies(documented: Documented, table: readonly [title: string, reply: Reply, outcome: object][]): void {
  describe(`${documented.provider.kind} that answers`, () => {
    let host: Host
    beforeAll(async () => {
      host = await startHost(documented)
    })
    afterAll(async () => {
      await documented.provider.close?.()
      await host.close()
    })

    test.each(table)('%s: %j comes to %j', async (_title, reply, outcome) => {
      host.reply = reply
      const { provider, settings, address } = documented
      expect(await deliver(provider, settings, outgoing(address), { http: host.http })).toMatchObject(outcome)
    })
  })
}

// ── Callbacks ────────────────────────────────────────────────────────────────

/** How a provider's callbacks are made and signed, in the scheme's own words. */
export interface DocumentedCallbacks {
  readonly provider: Provider
  readonly settings: Record<string, unknown>
  readonly http?: HttpDoor
  /** Signed at `at`; `delivered`: what came to be of a message with the key `key_1-a`. */
  sign(body: string, at: Date): Callback
  readonly delivered: string
  readonly bounced: string
  /** Genuine, and no news of a message: an open, a click, a type that nobody knows yet, a message of somebody else's. */
  readonly noNews: readonly string[]
  /** Signed, but nothing the provider documents. */
  readonly nonsense?: readonly string[]
  /** What of the scheme cannot be: it signs no body, no time. */
  readonly lacks?: readonly ('signature' | 'signed body' | 'time')[]
}

/** At which the callbacks of the tests are read. */
export const CALLED_AT = new Date('2026-11-21T08:00:00Z')

/** Only what the provider itself said just now counts, and all of it. */
export function readsCallbacks(documented: DocumentedCallbacks): void {
  const { provider, settings, http = testDoor(), sign, delivered, bounced, noNews, nonsense = [], lacks = [] } = documented
  const read = (callback: Callback): Promise<CallbackReading> =>
    provider.readCallback!(callback, { settings, http, now: CALLED_AT })
  const later = (minutes: number) => new Date(CALLED_AT.getTime() + minutes * 60_000)
  const testUnless = (lack: 'signature' | 'signed body' | 'time', title: string, run: () => Promise<void>) => {
    if (!lacks.includes(lack)) test(title, run)
  }

  describe(`a callback of ${provider.kind}`, () => {
    test('says which message was delivered, and when', async () => {
      const reading = await read(sign(delivered, CALLED_AT))
      expect(reading).toEqual({ kind: 'reports', reports: [{ key: 'key_1-a', what: 'delivered', at: expect.any(Date) }] })
    })

    test('says which message bounced, and why', async () => {
      const report = { key: 'key_1-a', what: 'bounced', at: expect.any(Date), error: expect.stringMatching(/\S/) }
      expect(await read(sign(bounced, CALLED_AT))).toEqual({ kind: 'reports', reports: [report] })
    })

    test.each(noNews)('is no news when it says %s', async (body) => {
      expect(await read(sign(body, CALLED_AT))).toEqual({ kind: 'reports', reports: [] })
    })

    if (nonsense.length > 0) {
      test.each(nonsense)('is malformed when it says %s', async (body) => {
        expect(await read(sign(body, CALLED_AT))).toMatchObject({ kind: 'malformed' })
      })
    }

    testUnless('signature', 'counts for nothing unsigned, or signed with anything else', async () => {
      const genuine = sign(delivered, CALLED_AT)
      expect(
        await read({ ...genuine, headers: {}, url: genuine.url.replace(/\?.*/, ''), body: Buffer.from('{}') }),
      ).toMatchObject({
        kind: 'forged',
      })
      const other = sign(bounced, CALLED_AT)
      if (!lacks.includes('signed body')) {
        expect(await read({ ...genuine, body: other.body })).toMatchObject({ kind: 'forged' })
      }
    })

    testUnless('signed body', 'counts for nothing when its body was written again', async () => {
      const genuine = sign(delivered, CALLED_AT)
      const body = Buffer.from(`${Buffer.from(genuine.body).toString('utf8')} `)
      expect(await read({ ...genuine, body })).toMatchObject({ kind: 'forged' })
    })

    testUnless('time', 'counts for nothing when it is older, or newer, than five minutes', async () => {
      for (const minutes of [-10, 10]) {
        expect(await read(sign(delivered, later(minutes)))).toMatchObject({ kind: 'forged' })
      }
      for (const minutes of [-4, 4]) expect(await read(sign(delivered, later(minutes)))).toMatchObject({ kind: 'reports' })
    })
  })
}
