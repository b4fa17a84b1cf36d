import { PassThrough } from 'node:stream'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import { createObserver } from '../src/observe.ts'

function observe(pretty = false) {
  const destination = new PassThrough()
  const observer = createObserver({ level: 'info', pretty, destination })
  return { ...observer, text: () => String(destination.read() ?? '') }
}

describe('The log', () => {
  test('is one JSON object a line', () => {
    const { log, text } = observe()
    log.info({ url: 'http://127.0.0.1:4000' }, 'ready')
    log.debug('not at this level')
    const line = JSON.parse(text())
    expect(line).toMatchObject({ level: 'info', msg: 'ready', url: 'http://127.0.0.1:4000' })
  })

  test('never shows what authorises', () => {
    const { log, text } = observe()
    log.info({
      token: 'canary',
      request: { headers: { authorization: 'Bearer canary', cookie: 'canary' } },
      settings: { secret: 'canary', password: 'canary' },
      connectionParams: { authorization: 'canary' },
    })
    expect(text()).not.toContain('canary')
  })

  test('says of a database error what and where, and nothing of the row', () => {
    const { log, text } = observe()
    const error = new pg.DatabaseError('duplicate key value violates unique constraint "user_pkey"', 1, 'error')
    Object.assign(error, {
      code: '23505',
      detail: 'Key (email)=(canary) already exists.',
      where: 'canary',
      parameters: ['canary'],
    })
    log.error({ err: new Error('could not put the user', { cause: error }) })
    const line = text()
    expect(line).not.toContain('canary')
    expect(JSON.parse(line).err.cause).toMatchObject({ code: '23505', message: expect.stringContaining('user_pkey') })
  })

  test('leaves out the value that PostgreSQL could not read', () => {
    const { log, text } = observe()
    const error = new pg.DatabaseError('invalid input syntax for type integer: "canary"', 1, 'error')
    Object.assign(error, { code: '22P02', severity: 'ERROR' })
    log.error({ err: error })
    const line = text()
    expect(line).not.toContain('canary')
    expect(line).toContain('invalid input syntax for type integer')
  })

  test('keeps a line a line, whatever is logged', () => {
    const { log, text } = observe()
    log.info({ name: 'a\r\nFAKE' }, 'first\nsecond')
    expect(
      text()
        .trimEnd()
        .split(/[\r\n]/),
    ).toHaveLength(1)
  })

  test('is for people on a terminal', async () => {
    const { log, text } = observe(true)
    log.info({ url: 'http://127.0.0.1:4000' }, 'ready')
    await expect.poll(text).toMatch(/INFO.*: ready/)
  })
})

describe('The metrics', () => {
  test('are added by name and printed for Prometheus', async () => {
    const { metrics } = observe()
    metrics.counter('carillon_sent_total', 'Messages sent.', ['channel']).inc({ channel: 'EMAIL' }, 2)
    metrics.histogram('carillon_send_seconds', 'Time of a send.', [], [0.1, 1]).observe(0.5)
    metrics.gauge('carillon_sockets', 'Open sockets.', [], () => 7)
    const text = await metrics.text()
    expect(text).toContain('carillon_sent_total{channel="EMAIL"} 2')
    expect(text).toContain('carillon_send_seconds_bucket{le="1"} 1')
    expect(text).toContain('carillon_sockets 7')
  })

  test('of one name are one', async () => {
    const { metrics } = observe()
    for (let call = 0; call < 2; call++) metrics.counter('carillon_sent_total', 'Messages sent.').inc()
    expect(await metrics.text()).toContain('carillon_sent_total 2')
  })

  test('of two observers are apart', async () => {
    const [one, other] = [observe(), observe()]
    one.metrics.counter('carillon_sent_total', 'Messages sent.').inc()
    expect(await other.metrics.text()).not.toContain('carillon_sent_total')
  })
})
