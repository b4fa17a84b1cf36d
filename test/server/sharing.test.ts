import net from 'node:net'
import { type OperationDefinitionNode, parse } from 'graphql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSharing } from '../../src/server/sharing.ts'
import { authenticateWith, Client, eventually, post, type Running, start } from './harness.ts'

let running: Running
beforeEach(async () => {
  running = await start()
})
afterEach(() => running[Symbol.asyncDispose]())

const TITLES = 'subscription{messageEvents{cursor title who}}'

async function subscribers(keys: string[], ask: (client: Client, index: number) => void): Promise<Client[]> {
  const open = running.world.calls.open
  const clients = await Promise.all(keys.map((key) => new Client(running.port).init(key)))
  clients.forEach(ask)
  await eventually(() => running.world.calls.open === open + keys.length)
  return clients
}

const ring = (cursor: string) => running.world.bell.emit('event', { cursor, title: `title ${cursor}` })
const next = (client: Client) => client.until(({ type }) => type === 'next')

describe('an event is executed once', () => {
  test('for all subscriptions with the same document, variables and rights', async () => {
    const clients = await subscribers(Array(30).fill('Bearer ck_a'), (client, index) => client.subscribe(`id${index}`, TITLES))
    ring('1')
    for (const client of clients)
      expect((await next(client)).payload).toEqual({ data: { messageEvents: { cursor: '1', title: 'title 1', who: 'a' } } })
    expect(running.world.calls.title).toBe(1)
    for (const client of clients) client.socket.close()
  })

  test('for two keys of one environment with the same scopes, and wherever each of them began', async () => {
    const query = 'subscription($after:String){messageEvents(after:$after){cursor title}}'
    const clients = await subscribers(['Bearer ck_a', 'Bearer ck_a2'], (client, index) =>
      client.subscribe('1', query, { after: `c${index}` }),
    )
    ring('1')
    for (const client of clients) await next(client)
    expect(running.world.calls.title).toBe(1)
    for (const client of clients) client.socket.close()
  })

  test('but again for each of different rights, who get their own answers', async () => {
    const keys = ['Bearer ck_a', 'Bearer ck_b', 'Bearer ut_ann', 'Bearer ut_bob', 'Bearer ck_a', 'Bearer ut_ann']
    const clients = await subscribers(keys, (client) => client.subscribe('1', TITLES))
    ring('1')
    const answers = await Promise.all(clients.map(next))
    expect(answers.map(({ payload }) => (payload!.data!.messageEvents as { who: string }).who)).toEqual([
      'a',
      'b',
      'ann',
      'bob',
      'a',
      'ann',
    ])
    expect(running.world.calls.title).toBe(4)
    for (const client of clients) client.socket.close()
  })

  test('but again for other variables, also where one is used for more than the beginning', async () => {
    const query = 'subscription($after:String){messageEvents(after:$after){title echo(text:$after)}}'
    const clients = await subscribers(['Bearer ck_a', 'Bearer ck_a'], (client, index) =>
      client.subscribe('1', query, { after: `c${index}` }),
    )
    ring('1')
    const answers = await Promise.all(clients.map(next))
    expect(answers.map(({ payload }) => (payload!.data!.messageEvents as { echo: string }).echo)).toEqual(['c0', 'c1'])
    expect(running.world.calls.title).toBe(2)
    for (const client of clients) client.socket.close()
  })

  test('for streams and sockets alike', async () => {
    const [client] = await subscribers(['Bearer ck_a'], (each) => each.subscribe('1', TITLES))
    const stream = await openStream('Bearer ck_a', TITLES)
    await eventually(() => running.world.calls.open === 2)
    ring('1')
    await next(client!)
    expect(await stream.until('event: next')).toContain(
      'data: {"data":{"messageEvents":{"cursor":"1","title":"title 1","who":"a"}}}\n\n',
    )
    expect(running.world.calls.title).toBe(1)
    stream.close()
    client!.socket.close()
  })
})

test('answers are remembered up to 16 MiB: of large ones only the newest are not executed again', async () => {
  const sharing = createSharing()
  const operation = {
    source: '{__typename}',
    document: parse('{__typename}'),
    operationName: null,
    variables: {},
    actor: await authenticateWith(new Set())('Bearer ck_a'),
    idempotencyKey: null,
    signal: new AbortController().signal,
  }
  const node = operation.document.definitions[0] as OperationDefinitionNode
  const [first, second] = [sharing.join({ ...operation, node }), sharing.join({ ...operation, node })]
  const executed: number[] = []
  const events = Array.from({ length: 20 }, (_, number) => ({ number }))
  const answerTo = (number: number) => async () => {
    executed.push(number)
    return { data: { text: 'x'.repeat(1024 * 1024) } }
  }
  for (const event of events) await first!.deliver(event, answerTo(event.number))
  for (const event of events.toReversed()) await second!.deliver(event, answerTo(event.number))
  expect(executed.slice(0, 20)).toEqual(events.map(({ number }) => number))
  expect(executed.slice(20)).toEqual([4, 3, 2, 1, 0])
})

async function openStream(authorization: string, query: string, url = running.url) {
  const controller = new AbortController()
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', authorization },
    body: JSON.stringify({ query }),
    signal: controller.signal,
  })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let received = ''
  const until = async (text: string): Promise<string> => {
    while (!received.includes(text)) {
      const { done, value } = await reader.read()
      if (done) break
      received += value
    }
    return received
  }
  return { response, until, close: () => controller.abort() }
}

describe('server-sent events', () => {
  test('carry a subscription, with comments in between, and end their source as soon as the client has gone', async () => {
    await using server = await start({ limits: { pingMs: 50 } })
    const stream = await openStream('Bearer ck_a', TITLES, server.url)
    expect(stream.response.headers.get('content-type')).toBe('text/event-stream')
    await stream.until(':\n\n:\n\n')
    await eventually(() => server.world.calls.open === 1)
    stream.close()
    await eventually(() => server.world.calls.open === 0)
  })

  test('end with the errors of a source that refuses, and are completed', async () => {
    const stream = await openStream('Bearer ck_a', 'subscription{failing{cursor}}')
    const received = await stream.until('event: complete')
    expect(received).toContain('"code":"CURSOR_EXPIRED"')
    expect(received.match(/event: \w+/g)).toEqual(['event: next', 'event: next', 'event: complete'])
  })

  test('are refused like any request: 401 without a key, 400 for a bad cursor, 406 for a client that cannot read them', async () => {
    const accept = { accept: 'text/event-stream' }
    expect((await post(running.url, { query: TITLES }, { ...accept, authorization: 'Bearer nobody' })).status).toBe(401)
    const cursor = await post(running.url, { query: 'subscription{messageEvents(after:"AAAA"){cursor}}' }, accept)
    expect(cursor.status).toBe(400)
    expect(cursor.body.errors![0]!.extensions.code).toBe('BAD_CURSOR')
    expect((await post(running.url, { query: TITLES })).status).toBe(406)
    expect(running.world.calls.open).toBe(0)
  })

  test('count as sockets do: by the user of a token and by the process', async () => {
    await using server = await start({ limits: { socketsPerUser: 2, socketsPerProcess: 3 } })
    const subscribe = (key: string) => post(server.url, { query: TITLES }, { accept: 'text/event-stream', authorization: key })
    const client = await new Client(server.port).init('Bearer ut_ann')
    const stream = await openStream('Bearer ut_ann', TITLES, server.url)
    expect(stream.response.status).toBe(200)
    const third = await subscribe('Bearer ut_ann')
    expect(third.status).toBe(429)
    expect(third.body.errors![0]!.extensions.code).toBe('RATE_LIMITED')
    const other = await openStream('Bearer ck_a', TITLES, server.url)
    expect((await subscribe('Bearer ck_a')).status).toBe(503)
    other.close()
    client.socket.close()
    await client.closed
    await eventually(() => server.world.calls.open === 1)
    const next = await openStream('Bearer ut_ann', TITLES, server.url)
    expect(next.response.status).toBe(200)
    next.close()
    stream.close()
  })

  test('are cut off when their client does not read for too long, and nothing is pulled for them meanwhile', async () => {
    await using server = await start({ limits: { stalledMs: 500 } })
    const body = JSON.stringify({ query: 'subscription{messageEvents{title}}' })
    const head = ['POST /graphql HTTP/1.1', 'Host: x', 'Authorization: Bearer ck_a', 'Accept: text/event-stream']
    const socket = net.connect(server.port, '127.0.0.1').pause()
    socket.write(`${[...head, 'Content-Type: application/json', `Content-Length: ${body.length}`, '', ''].join('\r\n')}${body}`)
    await eventually(() => server.world.calls.open === 1)
    const title = 'x'.repeat(100_000)
    for (let cursor = 1; cursor <= 500; cursor += 1) server.world.bell.emit('event', { cursor: String(cursor), title })
    await eventually(() => server.world.calls.open === 0)
    expect(server.world.calls.title).toBeLessThan(500)
    socket.destroy()
  })

  test('are cut when the token expires', async () => {
    const stream = await openStream('Bearer ut_eve_200', TITLES)
    await eventually(() => running.world.calls.open === 1)
    await expect(stream.until('never')).rejects.toThrow()
    await eventually(() => running.world.calls.open === 0)
  })
})

describe('stop', () => {
  test('lets running requests finish, over HTTP and sockets, closes sockets with 1001, cuts streams, and takes nothing new', async () => {
    const [client] = await subscribers(['Bearer ck_a'], (each) => each.subscribe('1', TITLES))
    const busy = await new Client(running.port).init()
    busy.subscribe('slow', '{slow}')
    const stream = await openStream('Bearer ck_a', TITLES)
    const slow = post(running.url, { query: '{slow}' })
    await eventually(() => running.world.calls.open === 2 && running.world.calls.slow === 2)
    const began = performance.now()
    await running.server.stop({ deadlineMs: 5_000 })
    expect(performance.now() - began).toBeLessThan(4_000)
    expect((await slow).body).toEqual({ data: { slow: 'done' } })
    expect(busy.of('slow').map(({ type }) => type)).toEqual(['next', 'complete'])
    expect((await busy.closed).code).toBe(1001)
    expect((await client!.closed).code).toBe(1001)
    await expect(stream.until('never')).rejects.toThrow()
    await expect(post(running.url, { query: '{__typename}' })).rejects.toThrow()
    expect(running.server.sockets()).toBe(0)
    expect(running.world.calls.open).toBe(0)
  })

  test('resolves at its deadline, whoever still runs', async () => {
    const cut = expect(post(running.url, { query: '{slow}' })).rejects.toThrow()
    const client = await new Client(running.port).init()
    client.subscribe('slow', '{slow}')
    await eventually(() => running.world.calls.slow === 2)
    const began = performance.now()
    await running.server.stop({ deadlineMs: 50 })
    expect(performance.now() - began).toBeLessThan(250)
    await cut
  })
})
