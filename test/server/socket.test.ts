import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Client, eventually, type Running, start } from './harness.ts'

const EVENTS = 'subscription{messageEvents{cursor}}'

let running: Running
beforeAll(async () => {
  running = await start({ limits: { initMs: 200, pingMs: 1_000, pongMs: 1_000, reauthenticateMs: 500 } })
})
afterAll(() => running[Symbol.asyncDispose]())

const upgradeStatus = (client: Client) =>
  new Promise<number>((resolve) => {
    client.socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0))
    client.socket.once('open', () => resolve(101))
  })

describe('the protocol', () => {
  test('W1 a socket that says nothing is closed with 4408', async () => {
    expect((await new Client(running.port).closed).code).toBe(4408)
  })

  test('W2 a second connection_init closes with 4429', async () => {
    const client = await new Client(running.port).init()
    client.say({ type: 'connection_init' })
    expect((await client.closed).code).toBe(4429)
  })

  test('W3 a subscribe before the acknowledgement closes with 4401', async () => {
    const client = await new Client(running.port).open()
    client.subscribe('1', EVENTS)
    expect((await client.closed).code).toBe(4401)
  })

  test.each([
    ['text that is no JSON', 'hello'],
    ['an unknown type', { type: 'boom' }],
    ['a binary frame', Buffer.from('{"type":"ping"}')],
    ['an empty id', { id: '', type: 'subscribe', payload: { query: EVENTS } }],
    [
      'JSON nested too deep',
      `{"id":"1","type":"subscribe","payload":{"query":"","variables":{"a":${'['.repeat(100)}${']'.repeat(100)}}}}`,
    ],
  ])('W4 %s closes with 4400', async (_, message) => {
    const client = await new Client(running.port).init()
    client.say(message)
    expect((await client.closed).code).toBe(4400)
  })

  test('W5 an id that is in use closes with 4409', async () => {
    const client = await new Client(running.port).init()
    client.subscribe('1', EVENTS)
    client.subscribe('1', EVENTS)
    expect((await client.closed).code).toBe(4409)
  })

  test('W6 a socket without the sub-protocol is closed with 4406', async () => {
    expect((await new Client(running.port, { protocol: null }).closed).code).toBe(4406)
  })

  test('W7 a message beyond 64 KiB closes with 1009, before authentication too', async () => {
    const client = await new Client(running.port).open()
    client.say(`{"type":"connection_init","payload":{"x":"${'x'.repeat(1024 * 1024)}"}}`)
    expect((await client.closed).code).toBe(1009)
  })

  test('W7 a message of 100,000 fragments of one byte ends the socket', async () => {
    const client = await new Client(running.port).init()
    for (let n = 0; n < 100_000 && client.socket.readyState === WebSocket.OPEN; n += 1) client.socket.send('x', { fin: false })
    expect([1006, 1008, 1009]).toContain((await client.closed).code)
  })

  test('W8 a syntax error answers its id, and the other subscriptions go on', async () => {
    const client = await new Client(running.port).init()
    client.subscribe('live', EVENTS)
    client.subscribe('broken', 'subscription{')
    const error = await client.until(({ id }) => id === 'broken')
    expect(error.type).toBe('error')
    expect(error.payload![0]!.extensions).toMatchObject({ type: 'invalid_request_error', code: 'BAD_USER_INPUT', status: 400 })
    await eventually(() => running.world.calls.open > 0)
    running.world.bell.emit('event', { cursor: '7', title: 'seven' })
    expect((await client.until(({ id }) => id === 'live')).payload).toEqual({ data: { messageEvents: { cursor: '7' } } })
    client.socket.close()
  })

  test('W13 complete for an unknown id is ignored, and nothing comes after complete', async () => {
    const client = await new Client(running.port).init()
    client.say({ id: 'nobody', type: 'complete' })
    const open = running.world.calls.open
    client.subscribe('1', EVENTS)
    await eventually(() => running.world.calls.open === open + 1)
    client.say({ id: '1', type: 'complete' })
    await eventually(() => running.world.calls.open === open)
    running.world.bell.emit('event', { cursor: '8', title: 'eight' })
    client.subscribe('2', '{__typename}')
    await client.until(({ id, type }) => id === '2' && type === 'complete')
    expect(client.of('1')).toEqual([])
    client.socket.close()
  })

  test('W14 queries and mutations over a socket have the same errors as over HTTP', async () => {
    const client = await new Client(running.port).init()
    client.subscribe('ok', 'mutation{send(input:{to:{email:"a@b.test"}}){id}}')
    client.subscribe('none', '{message(id:"m2"){id}}')
    client.subscribe('fault', '{fault}')
    client.subscribe('bad', 'query($f:Int){messages(first:$f){nodes{id}}}', { f: 'x' })
    expect((await client.until(({ id }) => id === 'ok')).payload!.data).toHaveProperty('send.id')
    expect((await client.until(({ id }) => id === 'none')).payload!.errors![0]!.extensions.code).toBe('NOT_FOUND')
    expect((await client.until(({ id }) => id === 'fault')).payload!.errors![0]!.message).toBe(
      'Something went wrong on our side.',
    )
    const bad = await client.until(({ id }) => id === 'bad')
    expect(bad.type).toBe('error')
    expect(bad.payload![0]!.extensions).toMatchObject({ code: 'BAD_USER_INPUT', path: ['f'] })
    client.socket.close()
  })

  test('W15 a subscription that is refused, or ends in a refusal, is an error for its id', async () => {
    const client = await new Client(running.port).init()
    client.subscribe('cursor', 'subscription{messageEvents(after:"AAAA"){cursor}}')
    client.subscribe('late', 'subscription{failing{cursor}}')
    expect((await client.until(({ id }) => id === 'cursor')).payload![0]!.extensions.code).toBe('BAD_CURSOR')
    expect((await client.until(({ id, type }) => id === 'late' && type === 'error')).payload![0]!.extensions.code).toBe(
      'CURSOR_EXPIRED',
    )
    expect(client.of('late').map(({ type }) => type)).toEqual(['next', 'error'])
    client.socket.close()
  })
})

describe('who asks', () => {
  test.each(['https://evil.example', 'null', `https://app.customer.com.evil.example`])(
    'W9 an upgrade from %s is refused with 403',
    async (origin) => {
      expect(await upgradeStatus(new Client(running.port, { headers: { origin } }))).toBe(403)
    },
  )

  test.each(['https://app.customer.com', 'https://second.customer.com'])(
    'a page of the allowed origin %s may connect',
    async (origin) => {
      const client = await new Client(running.port, { headers: { origin } }).init()
      client.socket.close()
    },
  )

  test.each([
    ['a wrong key', 'Bearer nobody'],
    ['no key', undefined],
    ['a key without Bearer', 'ck_a'],
    ['a number', 7],
  ])('%s closes with 4403', async (_, authorization) => {
    const client = await new Client(running.port).open()
    client.say({ type: 'connection_init', payload: { authorization } })
    expect((await client.closed).code).toBe(4403)
  })

  test('the Authorization header of the upgrade counts too, and must not contradict', async () => {
    const headers = { authorization: 'Bearer ck_a' }
    const client = await new Client(running.port, { headers }).init(undefined)
    client.socket.close()
    const torn = await new Client(running.port, { headers }).open()
    torn.say({ type: 'connection_init', payload: { authorization: 'Bearer ck_b' } })
    expect((await torn.closed).code).toBe(4403)
  })

  test('J10 a token in the URL is refused with 401', async () => {
    expect(await upgradeStatus(new Client(running.port, { path: '/graphql?token=ck_a' }))).toBe(401)
  })

  test('an upgrade elsewhere is answered with 404', async () => {
    expect(await upgradeStatus(new Client(running.port, { path: '/other' }))).toBe(404)
  })

  test('a user token closes its socket with 4403 when it expires', async () => {
    const client = await new Client(running.port).init('Bearer ut_eve_300')
    expect((await client.closed).code).toBe(4403)
  })

  test('a key that is revoked closes its sockets with 4403', async () => {
    const client = await new Client(running.port).init('Bearer ck_a2')
    running.revoked.add('Bearer ck_a2')
    expect((await client.closed).code).toBe(4403)
  })
})

describe('limits', () => {
  test('W10 the 51st subscription of a socket is an error for its id: RATE_LIMITED', async () => {
    const client = await new Client(running.port).init()
    for (let n = 1; n <= 51; n += 1) client.subscribe(String(n), EVENTS)
    const error = await client.until(({ id }) => id === '51')
    expect(error.payload![0]!.extensions).toMatchObject({ type: 'rate_limit_error', code: 'RATE_LIMITED', status: 429 })
    expect(client.messages).toHaveLength(2)
    client.socket.close()
  })

  test('W10 the 21st socket of a user is closed with 4403; keys are not counted, and a place that is left is free', async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => new Client(running.port).init('Bearer ut_ann')))
    const late = await new Client(running.port).open()
    late.say({ type: 'connection_init', payload: { authorization: 'Bearer ut_ann' } })
    expect(await late.closed).toEqual({ code: 4403, reason: 'Too many sockets' })
    const other = await new Client(running.port).init('Bearer ut_bob')
    clients[0]!.socket.close()
    await clients[0]!.closed
    const next = await new Client(running.port).init('Bearer ut_ann')
    for (const client of [...clients, other, next]) client.socket.close()
  })

  test('an upgrade beyond the sockets of the process is refused with 503', async () => {
    await using small = await start({ limits: { socketsPerProcess: 2 } })
    await Promise.all([new Client(small.port).init(), new Client(small.port).init()])
    expect(small.server.sockets()).toBe(2)
    expect(await upgradeStatus(new Client(small.port))).toBe(503)
  })

  test('W11 a flood of messages closes with 1013, a flood of pings ends the socket, and others do not notice', async () => {
    const calm = await new Client(running.port).init()
    const flooding = await new Client(running.port).init()
    const pinging = await new Client(running.port).init()
    for (let n = 0; n < 1_000; n += 1) flooding.say({ type: 'ping' })
    for (let n = 0; n < 1_000; n += 1) pinging.socket.ping()
    expect((await flooding.closed).code).toBe(1013)
    // ws itself ends a client whose pings come faster than it can answer.
    expect([1006, 1013]).toContain((await pinging.closed).code)
    calm.subscribe('1', '{__typename}')
    await calm.until(({ id }) => id === '1')
    calm.socket.close()
  })

  test('W12 a client that does not answer pings is terminated', async () => {
    const client = await new Client(running.port, { autoPong: false }).init()
    const alive = await new Client(running.port).init()
    expect((await client.closed).code).toBe(1006)
    expect(alive.socket.readyState).toBe(WebSocket.OPEN)
    alive.socket.close()
  })
})

test('a client that does not read is closed with 1013 while others get everything; nothing is pulled for it meanwhile', async () => {
  await using server = await start({ limits: { bufferedBytes: 64 * 1024, stalledMs: 1_000 } })
  const title = 'x'.repeat(10_000)
  const query = 'subscription{messageEvents{cursor title}}'
  const [reader, sleeper] = await Promise.all([new Client(server.port).init(), new Client(server.port).init()])
  reader.subscribe('1', query)
  sleeper.subscribe('1', query)
  await eventually(() => server.world.calls.open === 2)
  sleeper.socket.pause()
  const sent = 3_000
  for (let cursor = 1; cursor <= sent; cursor += 1) {
    server.world.bell.emit('event', { cursor: String(cursor), title })
    if (cursor % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  await eventually(() => reader.of('1').length === sent, 20_000)
  await eventually(() => server.world.calls.open === 1, 10_000)
  sleeper.socket.resume()
  expect((await sleeper.closed).code).toBe(1013)
  expect(sleeper.of('1').length).toBeLessThan(sent)
  reader.socket.close()
})
