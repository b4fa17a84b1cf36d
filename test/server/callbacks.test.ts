import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Callback, CallbackReading, Provider } from '../../src/channels/provider.ts'
import { builtInAccount } from '../../src/domain/account.ts'
import { createCallbackLinks } from '../../src/domain/callback-link.ts'
import type { Reports } from '../../src/domain/report.ts'
import { createObserver } from '../../src/observe.ts'
import { createSecrets } from '../../src/secrets.ts'
import { createCallbacks } from '../../src/server/callbacks.ts'
import { type Running, raw, start } from './harness.ts'

const REPORT = { key: 'k', what: 'delivered', at: new Date(0) } as const
const nobody = { request: () => Promise.reject(new Error('nobody is called')), guard: {} as never }

let reading: () => Promise<CallbackReading>
let callbacks: Callback[]
let settings: unknown[]
let applied: Reports[]
let looked: number
let running: Running
let metrics: ReturnType<typeof createObserver>['metrics']
let path: string

const provider: Provider = {
  kind: 'herald',
  channel: 'EMAIL',
  name: 'Herald',
  settings: z.object({ from: z.string() }),
  deliver: async () => ({ kind: 'accepted' }),
  readCallback(callback, context) {
    callbacks.push(callback)
    settings.push(context.settings)
    return reading()
  },
}

beforeEach(async () => {
  reading = async () => ({ kind: 'reports', reports: [REPORT] })
  callbacks = []
  settings = []
  applied = []
  looked = 0
  metrics = createObserver({ level: 'silent', pretty: false }).metrics
  const links = createCallbackLinks({
    signer: createSecrets([randomBytes(32)]),
    providers: [provider],
    publicUrl: () => 'https://bells.example.com/ring',
  })
  const { account } = builtInAccount(provider, { from: 'a' }, new Date())
  path = new URL(links.urlOf('production', { id: 'mails', kind: 'herald' })!).pathname.replace('/ring', '')
  const route = createCallbacks({
    links,
    providers: [provider],
    http: nobody,
    readAccount: async (place) => {
      looked += 1
      return place.environmentId === 'production' ? { ...account, id: place.providerId } : null
    },
    settingsOf: () => ({ from: 'opened' }),
    apply: async (reports) => {
      applied.push(reports)
      return { applied: 1, repeated: 0, unknown: 0 }
    },
    metrics,
    now: () => new Date(),
  })
  running = await start({ routes: [route], api: false })
})
afterEach(() => running[Symbol.asyncDispose]())

const post = (to: string, init: RequestInit = {}) => fetch(`${running.url}${to}`, { method: 'POST', body: '{"a":  1}', ...init })
const seen = async (response: Response) => [response.status, await response.text()]

describe('A provider’s call', () => {
  test('is read from the bytes that came, under the URL that the provider was told, and answered once it is applied', async () => {
    expect(await seen(await post(`${path}?key=a%20b&key=c`, { headers: { 'X-Signature': 's' } }))).toEqual([200, ''])
    const [callback] = callbacks
    expect(callback).toMatchObject({ method: 'POST', url: `https://bells.example.com/ring${path}?key=a%20b&key=c` })
    expect(callback!.headers['x-signature']).toBe('s')
    expect(Buffer.from(callback!.body).toString()).toBe('{"a":  1}')
    expect(settings).toEqual([{ from: 'opened' }])
    expect(applied).toEqual([{ environmentId: 'production', providerId: 'mails', reports: [REPORT] }])
  })

  test('may be a GET, and no other method', async () => {
    expect((await fetch(`${running.url}${path}?id=1`)).status).toBe(200)
    expect(callbacks[0]).toMatchObject({ method: 'GET', body: Buffer.alloc(0) })
    for (const method of ['HEAD', 'PUT', 'DELETE', 'OPTIONS']) {
      expect((await fetch(`${running.url}${path}`, { method })).status).toBe(405)
    }
    expect(callbacks).toHaveLength(1)
  })

  test('that is forged is 401, one that is malformed 400, and neither changes anything', async () => {
    reading = async () => ({ kind: 'forged', error: 'The signature is not of this body.' })
    expect(await seen(await post(path))).toEqual([401, 'The signature is not of this body.\n'])
    reading = async () => ({ kind: 'malformed', error: 'There is no list of events.' })
    expect(await seen(await post(path))).toEqual([400, 'There is no list of events.\n'])
    expect(applied).toEqual([])
    const text = await metrics.text()
    expect(text).toContain('carillon_callbacks_total{kind="herald",result="forged"} 1')
    expect(text).toContain('carillon_callbacks_total{kind="herald",result="malformed"} 1')
  })

  test('is counted by kind and by what its reports came to', async () => {
    await post(path)
    const text = await metrics.text()
    expect(text).toContain('carillon_callbacks_total{kind="herald",result="reports"} 1')
    expect(text).toContain('carillon_reports_total{kind="herald",result="applied"} 1')
    expect(text).toContain('carillon_reports_total{kind="herald",result="unknown"} 0')
  })

  test('to a place that is not ours is 404 in the same words, and nothing is looked up or read for it', async () => {
    const [, , environment, account, token] = path.split('/')
    const ended = `${token!.slice(0, -1)}${token!.endsWith('A') ? 'E' : 'A'}`
    const nothing = await seen(await post('/nowhere'))
    expect(nothing[0]).toBe(404)
    for (const other of [
      '/callbacks',
      '/callbacks/',
      `/callbacks/${environment}/${account}`,
      `/callbacks/${environment}/${account}/`,
      `/callbacks/${environment}/${account}/${ended}`,
      `/callbacks/${environment}/other/${token}`,
      `/callbacks/staging/${account}/${token}`,
      `${path}/more`,
      `${path}/`,
    ]) {
      expect(await seen(await post(other))).toEqual(nothing)
    }
    expect([looked, callbacks]).toEqual([0, []])
  })

  test('with more than 1 MiB is 413, however it is sent, and is not read to its end', async () => {
    expect((await post(path, { body: Buffer.alloc(1024 * 1024) })).status).toBe(200)
    const before = callbacks.length
    const big = await post(path, { body: Buffer.alloc(1024 * 1024 + 1) })
    expect(big.status).toBe(413)
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n`
    const chunk = Buffer.concat([Buffer.from('a00000\r\n'), Buffer.alloc(10 * 1024 * 1024), Buffer.from('\r\n0\r\n\r\n')])
    expect(await raw(running.port, Buffer.concat([Buffer.from(head), chunk]))).toMatch(/^HTTP\/1\.1 413 /)
    expect(callbacks).toHaveLength(before)
  })

  test('with a header that came twice is read without it', async () => {
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-signature: a\r\nX-Signature: b\r\nx-other: c\r\ncontent-length: 0\r\n\r\n`
    expect(await raw(running.port, head)).toMatch(/^HTTP\/1\.1 200 /)
    expect(callbacks[0]!.headers).toMatchObject({ 'x-other': 'c' })
    expect(callbacks[0]!.headers).not.toHaveProperty('x-signature')
  })

  test('that a provider file cannot cope with is a fault of ours, and nothing that was sent is logged', async () => {
    reading = async () => JSON.parse('ada@example.com said')
    expect((await post(path, { body: 'ada@example.com said' })).status).toBe(500)
    const logged = running.world.logged.join('\n')
    expect(logged).toContain('herald')
    expect(logged).toContain('callbacks.test.ts')
    expect(logged).not.toContain('ada@')
    expect(logged).not.toContain(path.split('/').at(-1))
  })
})
