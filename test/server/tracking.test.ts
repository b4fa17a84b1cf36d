import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { EngagementFate } from '../../src/domain/tracking.ts'
import { createTrackingLinks, type TrackedPlace } from '../../src/domain/tracking-link.ts'
import { createObserver } from '../../src/observe.ts'
import { signLink } from '../../src/render/link.ts'
import { createSecrets } from '../../src/secrets.ts'
import { createTracking } from '../../src/server/tracking.ts'
import { type Running, start } from './harness.ts'

const place: TrackedPlace = { environmentId: 'production', messageId: 'msg_1', channel: 'EMAIL', providerId: 'smtp' }
const LINK = 'https://shop.example/a?b=1&c=%C3%BC#d'

let told: string[]
let record: () => Promise<EngagementFate>
let running: Running
let metrics: ReturnType<typeof createObserver>['metrics']
let paths: { open: string; push: string; click(link?: string): string }

beforeEach(async () => {
  told = []
  record = async () => 'new'
  const observer = createObserver({ level: 'silent', pretty: false })
  metrics = observer.metrics
  const links = createTrackingLinks({ vault: createSecrets([randomBytes(32)]), publicUrl: () => '' })
  const { base, key } = links.clicks(place)
  paths = {
    open: links.openUrl(place),
    push: links.pushUrl({ ...place, channel: 'PUSH' }),
    click: (link = LINK) => `${base}/${signLink(key, link)}?u=${encodeURIComponent(link)}`,
  }
  const route = createTracking({
    links,
    ...observer,
    record(of, what) {
      told.push(`${of.channel} ${what}`)
      return record()
    },
  })
  running = await start({ routes: [route] })
})
afterEach(() => running[Symbol.asyncDispose]())

const ask = (path: string, init: RequestInit = {}) => fetch(`${running.url}${path}`, { redirect: 'manual', ...init })
const hang = () => new Promise<never>(() => {})

describe('The pixel', () => {
  test('tells that a mail was opened, and is never kept by a cache', async () => {
    const answer = await ask(paths.open)
    expect(answer.headers.get('content-type')).toBe('image/gif')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect((await answer.bytes()).length).toBe(43)
    expect(told).toEqual(['EMAIL OPENED'])
  })

  test('is the same picture whatever is asked for, and tells nothing where it is not ours', async () => {
    const pixel = await (await ask(paths.open)).bytes()
    told = []
    const token = paths.open.slice('/t/o/'.length)
    for (const other of ['', 'x.gif', token.slice(1), `a/${token}`, 'x'.repeat(9_000), paths.push.slice('/t/p/'.length)]) {
      const answer = await ask(`/t/o/${other}`)
      expect([answer.status, await answer.bytes()]).toEqual([200, pixel])
    }
    expect(told).toEqual([])
  })

  test('counts nothing where a program only looks at it', async () => {
    expect((await ask(paths.open, { method: 'HEAD' })).status).toBe(200)
    expect((await ask(paths.click(), { method: 'HEAD' })).headers.get('location')).toBe(LINK)
    expect(told).toEqual([])
  })
})

describe('A link', () => {
  test('leads on to where it led, which does not learn where from', async () => {
    const answer = await ask(paths.click())
    expect([answer.status, answer.headers.get('location')]).toEqual([302, LINK])
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer')
    expect(answer.headers.get('cache-control')).toBe('no-store')
    expect(told).toEqual(['EMAIL CLICKED'])
  })

  test('that was changed leads nowhere, and counts nothing', async () => {
    const whole = paths.click()
    const [path, query] = whole.split('?') as [string, string]
    const elsewhere = encodeURIComponent('https://evil.example/')
    const changed = [
      `${path}?u=${elsewhere}`,
      `${whole}&u=${elsewhere}`.replace('u=', 'v='),
      path,
      `${path}?u=`,
      `${whole}x`,
      `${path.slice(0, -1)}?${query}`,
      `${path}=?${query}`,
      `${path}/?${query}`,
      `/t/c/${path.split('/').at(-1)}?${query}`,
      whole.replace('/t/c/', '/t/o/../c/x'),
      paths.click('javascript:alert(1)'),
      paths.click('//evil.example'),
      '/t/c',
      '/t',
      '/t/x/y',
    ]
    for (const one of changed) {
      const answer = await ask(one)
      expect([one, answer.status, answer.headers.get('location')]).toEqual([one, 404, null])
    }
    expect(told).toEqual([])
  })

  test('that says twice where it leads, leads where it was signed for', async () => {
    const twice = `${paths.click()}&u=${encodeURIComponent('https://evil.example/')}`
    expect((await ask(twice)).headers.get('location')).toBe(LINK)
  })

  test('leads on though the database fails, or does not answer', async () => {
    record = () => Promise.reject(new Error('the database is gone'))
    expect((await ask(paths.click())).headers.get('location')).toBe(LINK)
    record = hang
    const began = performance.now()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(paths.click())))
    expect(new Set(answers.map(({ headers }) => headers.get('location')))).toEqual(new Set([LINK]))
    expect((await ask(paths.open)).status).toBe(200)
    expect(performance.now() - began).toBeLessThan(5_000)
    expect(await metrics.text()).toContain('carillon_engagements_total{channel="EMAIL",what="CLICKED",result="lost"} 1')
  })
})

describe('What an app tells of a push message', () => {
  const tell = (body: string, init: RequestInit = {}, path = paths.push) => ask(path, { method: 'POST', body, ...init })

  test('is taken from any page, whatever type it says it has', async () => {
    for (const event of ['DELIVERED', 'OPENED', 'CLICKED']) {
      const answer = await tell(JSON.stringify({ event }), {
        headers: { 'content-type': 'text/plain', origin: 'https://app.example' },
      })
      expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
    }
    expect(told).toEqual(['PUSH DELIVERED', 'PUSH OPENED', 'PUSH CLICKED'])
    const preflight = await ask(paths.push, { method: 'OPTIONS', headers: { origin: 'https://app.example' } })
    expect(preflight.status).toBe(204)
    expect(preflight.headers.get('access-control-allow-headers')).toBe('Content-Type')
  })

  test('that cannot be understood, is too long, or is told of nothing of ours is refused', async () => {
    for (const body of ['', 'OPENED', '[]', 'null', '{}', '{"event":"SENT"}', '{"event":["OPENED"]}']) {
      expect([body, (await tell(body)).status]).toEqual([body, 400])
    }
    expect((await tell(' '.repeat(2_000))).status).toBe(413)
    expect((await tell('{"event":"OPENED"}', {}, `${paths.push}x`)).status).toBe(404)
    expect((await tell('{"event":"OPENED"}', {}, paths.open.replace('/o/', '/p/'))).status).toBe(404)
    expect((await ask(paths.push)).status).toBe(404)
    expect(told).toEqual([])
  })
})
