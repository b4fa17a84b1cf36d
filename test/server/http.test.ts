import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { post, type Running, raw, start } from './harness.ts'

let running: Running
beforeAll(async () => {
  running = await start({ limits: { bodyBytes: 6 * 1024 * 1024, headersMs: 1_000, requestMs: 1_500 } })
})
afterAll(() => running[Symbol.asyncDispose]())

const head = (lines: string[]) =>
  ['POST /graphql HTTP/1.1', 'Host: x', 'Authorization: Bearer ck_a', ...lines, '', ''].join('\r\n')
const statusOf = (reply: string) => Number(/^HTTP\/1.1 (\d+)/.exec(reply)?.[1] ?? 0)

describe('a request without a usable form is refused before execution, without data', () => {
  test.each([
    ['H1 JSON that breaks off', '{"query":', 400],
    ['H2 a query that is a number', { query: 42 }, 400],
    ['H2 a query that is a list', { query: ['{__typename}'] }, 400],
    ['H2 an unknown parameter', { qeury: '{__typename}' }, 400],
    ['H3 variables that are a list', { query: 'query($i:ID!){message(id:$i){id}}', variables: [7] }, 400],
    ['H4 two operations and no name', { query: 'query A{__typename} query B{__typename}' }, 400],
    ['H18 JSON nested 50,000 deep', `{"query":"{__typename}","variables":{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}}`, 400],
    ['Q7 a batch', [{ query: '{__typename}' }, { query: '{__typename}' }], 400],
    ['bytes that are not UTF-8', new Uint8Array([0x7b, 0xff, 0xfe, 0x7d]), 400],
  ])('%s', async (_, body, status) => {
    const reply = await post(running.url, body)
    expect(reply.status).toBe(status)
    expect(reply.body.data).toBeUndefined()
    expect(reply.body.errors?.[0]?.extensions).toMatchObject({ type: 'invalid_request_error', code: 'BAD_USER_INPUT', status })
  })

  test.each([
    ['H6 a form', 'application/x-www-form-urlencoded', 'query=mutation{cancel(id:"1"){id}}'],
    [
      'H7 multipart',
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="operations"\r\n\r\n{}\r\n--x--',
    ],
    ['H8 text with JSON in it', 'text/plain', '{"query":"{__typename}"}'],
    ['application/graphql', 'application/graphql', 'mutation{cancel(id:"1"){id}}'],
    ['H16 JSON in UTF-16', 'application/json; charset=utf-16', Buffer.from('{"query":"{__typename}"}', 'utf16le')],
  ])('%s is answered with 415', async (_, type, body) => {
    const reply = await post(running.url, body, { 'content-type': type })
    expect(reply.status).toBe(415)
    expect(reply.body.errors?.[0]?.extensions.status).toBe(415)
    expect(running.world.sent).toEqual([])
  })

  test('H8 a body without a Content-Type is answered with 415', async () => {
    expect(statusOf(await raw(running.port, `${head(['Content-Length: 2', 'Connection: close'])}{}`))).toBe(415)
  })

  test('H13 a compressed body is answered with 415, and not inflated', async () => {
    const reply = await post(running.url, gzipSync(Buffer.alloc(1024 * 1024)), { 'content-encoding': 'gzip' })
    expect(reply.status).toBe(415)
  })

  test('H15 an Accept that we cannot serve is answered with 406, and nothing is executed', async () => {
    const reply = await post(running.url, { query: 'mutation{cancel(id:"1"){id}}' }, { accept: 'image/png' })
    expect(reply.status).toBe(406)
    expect(running.world.sent).toEqual([])
  })

  test('H5 a mutation on GET is answered with 405 and Allow: POST, and nothing is executed', async () => {
    const reply = await fetch(`${running.url}/graphql?query=${encodeURIComponent('mutation{cancel(id:"1"){id}}')}`, {
      headers: { authorization: 'Bearer ck_a', accept: 'text/html' },
    })
    expect(reply.status).toBe(405)
    expect(reply.headers.get('allow')).toBe('POST')
    expect(running.world.sent).toEqual([])
  })
})

describe('what is too large or too slow is cut off', () => {
  test('H9 a body of 7 MiB is answered with 413 before it was read, with and without a Content-Length', async () => {
    const bytes = 7 * 1024 * 1024
    const announced = await raw(
      running.port,
      head(['Content-Type: application/json', `Content-Length: ${bytes}`]) + 'x'.repeat(1024),
    )
    expect(statusOf(announced)).toBe(413)
    expect(announced).toContain('PAYLOAD_TOO_LARGE')
    const chunk = `100000\r\n${'x'.repeat(0x100000)}\r\n`
    const chunked = await raw(
      running.port,
      head(['Content-Type: application/json', 'Transfer-Encoding: chunked']) + chunk.repeat(7),
    )
    expect(statusOf(chunked)).toBe(413)
  })

  test('H10 20 KiB of headers, or 2,000 headers, are answered with 431', async () => {
    expect(statusOf(await raw(running.port, head([`X-Long: ${'x'.repeat(20 * 1024)}`])))).toBe(431)
    expect(
      statusOf(
        await raw(
          running.port,
          head(Array.from({ length: 2_000 }, () => 'a: b').concat('Content-Length: 0', 'Connection: close')),
        ),
      ),
    ).toBe(431)
  })

  test('H11 a body that comes a byte a second is cut off when the time of a request is up', async () => {
    expect(statusOf(await raw(running.port, `${head(['Content-Type: application/json', 'Content-Length: 500'])}{`, 10_000))).toBe(
      408,
    )
  })

  test.each([
    ['two lengths', ['Content-Length: 5, 6']],
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked']],
  ])('H12 a request with %s is answered with 400', async (_, lines) => {
    expect(
      statusOf(await raw(running.port, `${head(['Content-Type: application/json', ...lines])}{"query":"{__typename}"}`)),
    ).toBe(400)
  })

  test('H12 what comes after the announced length is no part of the request', async () => {
    const reply = await raw(running.port, `${head(['Content-Type: application/json', 'Content-Length: 5'])}${'x'.repeat(500)}`)
    expect(reply.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 400'])
  })
})

describe('who asks is known before anything else happens', () => {
  test.each([
    ['no key', { authorization: '' }],
    ['a key that does not exist', { authorization: 'Bearer nobody' }],
    ['H17 a key with a space in it', { authorization: 'Bearer a b' }],
    ['another scheme', { authorization: 'Basic Y2tfYTo=' }],
  ])('%s: 401 without data, for introspection too', async (_, headers) => {
    for (const query of ['{__typename}', '{__schema{types{name}}}', '{messagez{id}}']) {
      const reply = await post(running.url, { query }, headers)
      expect(reply.status).toBe(401)
      expect(reply.headers.get('www-authenticate')).toBe('Bearer')
      expect(reply.body).toEqual({
        errors: [
          expect.objectContaining({
            extensions: expect.objectContaining({ type: 'authentication_error', code: 'UNAUTHENTICATED' }),
          }),
        ],
      })
      expect(JSON.stringify(reply.body)).not.toContain('Did you mean')
    }
  })

  test('H17 two Authorization headers, or one of 100 KB, are refused', async () => {
    const lines = ['Authorization: Bearer ck_b', 'Content-Type: application/json', 'Content-Length: 2', 'Connection: close']
    expect(statusOf(await raw(running.port, `${head(lines)}{}`))).toBe(401)
    expect(statusOf(await raw(running.port, head([`Authorization: Bearer ${'x'.repeat(100_000)}`])))).toBe(431)
  })

  test('J10 a token in the URL is refused, beside a valid header too', async () => {
    for (const name of ['token', 'access_token', 'Authorization']) {
      const reply = await fetch(`${running.url}/graphql?${name}=ck_a`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: 'Bearer ck_a' },
        body: '{"query":"{__typename}"}',
      })
      expect(reply.status).toBe(401)
    }
  })
})

describe('web pages', () => {
  const preflight = (origin: string) =>
    fetch(`${running.url}/graphql`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } })

  test.each(['https://app.customer.com', 'https://second.customer.com'])(
    'the allowed origin %s may call, and is named exactly',
    async (origin) => {
      const asked = await preflight(origin)
      expect(asked.status).toBe(204)
      expect(asked.headers.get('access-control-allow-origin')).toBe(origin)
      expect(asked.headers.get('access-control-allow-headers')).toContain('Authorization')
      const reply = await post(running.url, { query: '{__typename}' }, { origin })
      expect(reply.headers.get('access-control-allow-origin')).toBe(origin)
      expect(reply.headers.get('vary')).toBe('Origin')
    },
  )

  test('our own origin may call', async () => {
    expect((await preflight(running.url)).headers.get('access-control-allow-origin')).toBe(running.url)
  })

  test.each(['https://evil.example', 'null', 'https://app.customer.com.evil.example', 'http://app.customer.com'])(
    'H14 the origin %s is not allowed',
    async (origin) => {
      expect((await preflight(origin)).headers.has('access-control-allow-origin')).toBe(false)
      const reply = await post(running.url, { query: '{__typename}' }, { origin })
      expect(reply.headers.has('access-control-allow-origin')).toBe(false)
    },
  )

  test('GraphiQL loads nothing from elsewhere, and is not framed', async () => {
    const page = await fetch(`${running.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("frame-ancestors 'none'")
    expect(page.headers.get('x-content-type-options')).toBe('nosniff')
    expect(await page.text()).not.toMatch(/<(script|link)[^>]+(src|href)="https?:/)
  })

  test('there is no GraphiQL in production', async () => {
    await using production = await start({ production: true })
    const page = await fetch(`${production.url}/graphql`, { headers: { accept: 'text/html' } })
    expect(page.status).toBe(405)
  })
})

describe('errors', () => {
  test('what a field refuses comes with HTTP 200, beside the data, with its code and status', async () => {
    const reply = await post(running.url, { query: '{message(id:"m2"){id}}' })
    expect(reply.status).toBe(200)
    expect(reply.body).toEqual({
      data: { message: null },
      errors: [
        {
          message: "The message 'm2' was not found.",
          path: ['message'],
          extensions: { type: 'invalid_request_error', code: 'NOT_FOUND', status: 404, path: ['message'], issues: [] },
        },
      ],
    })
  })

  test('a fault of ours says nothing about itself, and is logged once with its cause', async () => {
    running.world.logged.length = 0
    const reply = await post(running.url, { query: '{fault}' })
    expect(reply.body.errors).toEqual([
      {
        message: 'Something went wrong on our side.',
        path: ['fault'],
        extensions: { type: 'api_error', code: 'INTERNAL', status: 500, path: ['fault'], issues: [] },
      },
    ])
    expect(running.world.logged.filter((line) => line.includes('secret-database-host'))).toHaveLength(1)
  })

  test.each([
    ['{messagez{id}}', undefined, []],
    ['mutation($i:SendInput!){send(input:$i){id}}', { i: { to: [{ email: 7 }] } }, ['i', 'to', 0, 'email']],
    ['mutation($i:SendInput!){send(input:$i){id}}', { i: { too: [] } }, ['i']],
    ['mutation($i:SendInput!){send(input:$i){id}}', {}, ['i']],
    ['query($f:Int){messages(first:$f){nodes{id}}}', { f: 1.5 }, ['f']],
    ['query($f:Int){messages(first:$f){nodes{id}}}', { f: '10' }, ['f']],
    ['query($f:Int){messages(first:$f){nodes{id}}}', { f: 2147483648 }, ['f']],
  ])('%s with %j is answered with 400 and names the field', async (query, variables, path) => {
    const reply = await post(running.url, { query, variables })
    expect(reply.status).toBe(400)
    expect(reply.body.data).toBeUndefined()
    expect(reply.body.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', status: 400, path })
    expect(JSON.stringify(reply.body)).not.toContain('Did you mean')
  })
})

describe('Idempotency-Key', () => {
  const send = 'mutation{send(input:{to:{email:"a@b.test"}}){idempotencyKey}}'

  test('M4 the quoted and the bare form are one key', async () => {
    for (const key of ['"abc"', 'abc']) {
      const reply = await post(running.url, { query: send }, { 'idempotency-key': key })
      expect(reply.body.data).toEqual({ send: { idempotencyKey: 'abc' } })
    }
  })

  test.each(['', 'x'.repeat(257), 'a b', '"abc', 'ü', '"a b"'])('M3 the key %j is refused', async (key) => {
    const reply = await post(running.url, { query: send }, { 'idempotency-key': key })
    expect(reply.status).toBe(400)
    expect(reply.body.errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
  })

  test('a key of 256 characters is accepted', async () => {
    expect((await post(running.url, { query: send }, { 'idempotency-key': 'x'.repeat(256) })).status).toBe(200)
  })

  test('Q6 one key for several mutations is ambiguous, in fragments too: nothing is sent', async () => {
    running.world.sent.length = 0
    const field = (n: number) => `a${n}:send(input:{to:{email:"a@b.test"}}){id}`
    const many = Array.from({ length: 15 }, (_, n) => field(n)).join(' ')
    for (const query of [`mutation{${many}}`, `mutation{...F} fragment F on Mutation{${field(1)} ${field(2)}}`]) {
      const reply = await post(running.url, { query }, { 'idempotency-key': 'k' })
      expect(reply.status).toBe(400)
      expect(reply.body.errors?.[0]?.extensions.code).toBe('IDEMPOTENCY_AMBIGUOUS')
    }
    expect(running.world.sent).toEqual([])
  })
})

describe('pages beside the graph', () => {
  test('/livez, /readyz and /metrics answer without a key; the rest is 404', async () => {
    let ready = false
    const route = {
      path: '/mail',
      answer: async ({ url }: { url: URL }) => ({ status: 200, headers: { 'Content-Type': 'text/plain' }, body: url.pathname }),
    }
    await using server = await start({ ready: async () => ready, routes: [route] })
    const get = async (path: string) => fetch(server.url + path)
    expect((await get('/livez')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(503)
    ready = true
    expect((await get('/readyz')).status).toBe(200)
    expect(await (await get('/metrics')).text()).toContain('carillon_up 1')
    expect(await (await get('/mail/7.eml')).text()).toBe('/mail/7.eml')
    expect((await get('/mailbox')).status).toBe(404)
    expect((await get('/')).headers.get('x-content-type-options')).toBe('nosniff')
  })
})
