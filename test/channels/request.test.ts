import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import type { Outgoing } from '../../src/channels/provider.ts'
import { request } from '../../src/channels/request.ts'
import {
  type Documented,
  deliver,
  type Host,
  keepsTheContractOverHttp,
  outgoing,
  readsReplies,
  startHost,
} from './conformance.ts'

const url = 'https://gateway.example.com/notify?tenant=7'
const settings = { url, token: 'made-up-bearer', headers: { 'X-Team': 'bells' } }
const address = { id: 'https://gateway.example.com/notify', name: 'ada' }

const documented: Documented = {
  provider: request,
  settings,
  address,
  hosts: ['gateway.example.com'],
  well: { status: 200 },
  throttling: { status: 429, headers: { 'retry-after': '3' } },
  identity: ({ headers }) => String(headers['idempotency-key']),
}

keepsTheContractOverHttp(documented)

readsReplies(documented, [
  ['that it took it', { status: 202 }, { kind: 'accepted', code: '202' }],
  ['that it does not know us', { status: 401 }, { kind: 'misconfigured', code: '401' }],
  ['that it is not there', { status: 404 }, { kind: 'rejected', what: 'request' }],
  ['that it is too big', { status: 413 }, { kind: 'rejected', what: 'content' }],
  [
    'that it is elsewhere',
    { status: 302, headers: { location: 'https://other.example.com/' } },
    { kind: 'rejected', what: 'request' },
  ],
  ['that it is busy', documented.throttling, { kind: 'retry', afterMs: 3_000 }],
])

describe('An account that is any service over HTTP', () => {
  let host: Host
  beforeAll(async () => {
    host = await startHost(documented)
  })
  beforeEach(() => {
    host.messages.length = 0
    host.calls.length = 0
  })
  afterAll(() => host.close())

  const send = (account: object, changes: Partial<Outgoing> = {}, guarded = true) =>
    deliver(request, account, outgoing(address, changes), { http: host.http, guarded })

  test('gets who it is for and what is said, under the words of the account and the send', async () => {
    const account = { ...settings, method: 'PUT', body: { channel: 'ops', type: 'page', data: { priority: 1 } } }
    await send(account, { content: { payload: { title: 'Tea', body: 'now' } }, override: { channel: 'kitchen', id: 'mine' } })
    const [{ method, path, body, headers }] = host.messages as [(typeof host.messages)[0]]
    expect([method, path]).toEqual(['PUT', '/notify?tenant=7'])
    expect(JSON.parse(body.toString())).toEqual({
      id: 'key_1-a',
      type: 'page',
      timestamp: expect.stringMatching(/^\d{4}-.*Z$/),
      recipient: 'ada',
      channel: 'kitchen',
      data: { title: 'Tea', body: 'now', priority: 1 },
    })
    expect(headers).toMatchObject({ authorization: 'Bearer made-up-bearer', 'x-team': 'bells', 'idempotency-key': 'key_1-a' })
  })

  test('is authorised by a user name and password', async () => {
    await send({ url, username: 'ada', password: 'pass:word' })
    expect(host.messages[0]!.headers.authorization).toBe(`Basic ${Buffer.from('ada:pass:word').toString('base64')}`)
  })

  test('gets the headers of a send, but none in the place of its own', async () => {
    const headers = [
      { name: 'x-room', value: '8' },
      { name: 'X-TEAM', value: 'theirs' },
      { name: 'Authorization', value: 'Bearer theirs' },
      { name: 'Host', value: 'inside' },
    ]
    await send(settings, { extras: { headers } })
    const got = host.messages[0]!.headers
    expect(got).toMatchObject({ 'x-room': '8', 'x-team': 'bells', authorization: 'Bearer made-up-bearer' })
    expect(got.host).not.toBe('inside')
  })

  test('is not authorised by a send', async () => {
    const headers = ['Authorization', 'authorization', 'Proxy-Authorization', 'Cookie', 'Host'].map((name) => ({
      name,
      value: 'theirs',
    }))
    await send({ url }, { extras: { headers } })
    expect(Object.values(host.messages[0]!.headers)).not.toContain('theirs')
  })

  test.each<[Partial<Outgoing>, object]>([
    [{ extras: { headers: [{ name: 'x-room', value: '8' }] } }, { kind: 'rejected', what: 'request' }],
    [{ override: { room: 8 } }, { kind: 'rejected', what: 'request' }],
    [{ extras: { headers: [{ name: 'Authorization', value: 'theirs' }] } }, { kind: 'misconfigured' }],
  ])('that refuses what a send added is as well as before: %j', async (changes, outcome) => {
    for (const status of [401, 403]) {
      host.reply = { status }
      expect(await send(settings, changes)).toMatchObject({ ...outcome, code: String(status) })
    }
    host.reply = documented.well
  })

  test.each([
    [true, false],
    [false, true],
  ])('is called past the guard only where the configuration names it (guarded: %j)', async (guarded, trusted) => {
    await send(settings, {}, guarded)
    expect(host.calls[0]?.trusted).toBe(trusted)
  })

  test.each([
    [{}],
    [{ url, username: 'ada' }],
    [{ url, username: 'a:b', password: 'x' }],
    [{ url, username: 'ada', password: 'x', token: 'y' }],
    [{ url, headers: { Host: 'inside' } }],
    [{ url, headers: { 'X-A': 'v\r\nHost: inside' } }],
    [{ url, method: 'DELETE' }],
  ])('is not configured so: %j', (account) => {
    expect(request.settings.safeParse(account)).toMatchObject({ success: false })
  })

  test.each(['http://10.0.0.1/', 'https://169.254.169.254/latest', 'file:///etc/passwd', 'https://localhost/'])(
    'is not configured to be %s',
    (inside) => {
      const guard = createAddressGuard({ allowedNetworks: [] })
      expect(request.check!({ url: inside }, guard)).toEqual([{ path: ['url'], message: expect.any(String) }])
      expect(request.check!({ url }, guard)).toEqual([])
    },
  )
})
