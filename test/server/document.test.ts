import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getIntrospectionQuery } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, post, type Running, start } from './harness.ts'

let running: Running
beforeAll(async () => {
  running = await start()
})
afterAll(() => running[Symbol.asyncDispose]())

const nested = (levels: number): string => (levels === 0 ? 'id' : `recipient{messages{nodes{${nested(levels - 1)}}}}`)
const fragments = (levels: number) =>
  `{messages{nodes{...F0}}} ${Array.from({ length: levels }, (_, n) => `fragment F${n} on Message{recipient{messages{nodes{${n + 1 < levels ? `...F${n + 1}` : 'id'}}}}}`).join(' ')}`
const many = (count: number, part: (n: number) => string) => Array.from({ length: count }, (_, n) => part(n)).join(' ')

const REFUSED: [string, string, string][] = [
  ['Q1 1,001 tokens', `{${many(1_000, () => '__typename')}}`, 'TOO_COMPLEX'],
  ['Q2 fields nested too deep', `{messages{nodes{${nested(3)}}}}`, 'TOO_COMPLEX'],
  ['Q3 the same through fragments', fragments(3), 'TOO_COMPLEX'],
  ['Q4 20,000 braces', '{a'.repeat(20_000), 'TOO_COMPLEX'],
  ['Q5 a cycle of fragments', '{...A} fragment A on Query{...B} fragment B on Query{...A}', 'BAD_USER_INPUT'],
  ['Q8 a page of 100 million', '{messages(first:100000000){nodes{id}}}', 'TOO_COMPLEX'],
  ['Q10 a page of 1.5', '{messages(first:1.5){nodes{id}}}', 'BAD_USER_INPUT'],
  ['Q10 a page of a string', '{messages(first:"10"){nodes{id}}}', 'BAD_USER_INPUT'],
  ['Q10 a page beyond 32 bits', '{messages(first:2147483648){nodes{id}}}', 'BAD_USER_INPUT'],
  ['Q12 the same field 3,000 times', `{${many(3_000, () => 'messages{nodes{id}}')}}`, 'TOO_COMPLEX'],
  ['Q13 20,000 directives', `{__typename ${'@aa'.repeat(20_000)}}`, 'TOO_COMPLEX'],
  ['Q13 30 directives', `{__typename ${'@aa'.repeat(30)}}`, 'TOO_COMPLEX'],
  ['Q14 500 conditions', `query($a:Boolean!){${many(500, (n) => `x${n}:__typename @skip(if:$a)`)}}`, 'TOO_COMPLEX'],
  ['16 aliases', `{${many(16, (n) => `a${n}:message(id:"m1"){id}`)}}`, 'TOO_COMPLEX'],
  ['6 aliases of mutations', `mutation{${many(6, (n) => `a${n}:cancel(id:"m1"){id}`)}}`, 'TOO_COMPLEX'],
  ['Q17 introspection in circles', '{__schema{types{fields{type{fields{type{fields{name}}}}}}}}', 'BAD_USER_INPUT'],
  ['Q18 a subscription to two fields', 'subscription{a:messageEvents{cursor} b:messageEvents{cursor}}', 'BAD_USER_INPUT'],
]

describe('a document that asks too much is refused before execution, quickly', () => {
  test.each(REFUSED)('%s', async (_, query, code) => {
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const reply = await post(
      running.url,
      { query },
      { accept: code === 'TOO_COMPLEX' ? 'application/json' : 'application/graphql-response+json' },
    )
    delay.disable()
    expect(reply.status).toBe(400)
    expect(reply.body.data).toBeUndefined()
    expect(reply.body.errors!.length).toBeLessThanOrEqual(5)
    expect(reply.body.errors!.map(({ extensions }) => extensions.code)).toContain(code)
    expect(delay.max / 1e6).toBeLessThan(200)
  })

  test.each(REFUSED)('%s, over a socket that stays open', async (_, query, code) => {
    const client = await new Client(running.port).init()
    if (query.length < 60_000) {
      client.subscribe('bad', query)
      const error = await client.until(({ id }) => id === 'bad')
      expect(error.type).toBe('error')
      expect(error.payload!.map(({ extensions }) => extensions.code)).toContain(code)
      client.subscribe('good', '{__typename}')
      expect((await client.until(({ id }) => id === 'good')).payload).toEqual({ data: { __typename: 'Query' } })
    }
    client.socket.close()
  })
})

test("GraphiQL's introspection is answered to a caller with a key", async () => {
  const reply = await post(running.url, { query: getIntrospectionQuery() })
  expect(reply.status).toBe(200)
  expect(reply.body.data).toHaveProperty('__schema.types')
})

describe('pages within pages', () => {
  const PAGES = 'messages(first:$f){nodes{recipient{messages(first:$f){nodes{recipient{messages(first:$f){nodes{id}}}}}}}}'
  const OF_AN_EVENT = 'messages(first:$f){nodes{recipient{messages(first:$f){nodes{id}}}}}'
  const TOO_MANY: [string, string][] = [
    ['a million rows', `query($f:Int){${PAGES}}`],
    ['a million rows by a default', `query($f:Int=100){${PAGES}}`],
    [
      'a million rows through fragments',
      `query($f:Int){...A} fragment A on Query{messages(first:$f){nodes{recipient{...B}}}}
       fragment B on Recipient{messages(first:$f){nodes{recipient{messages(first:$f){nodes{id}}}}}}`,
    ],
    ['10,100 rows of each event', `subscription($f:Int){messageEvents{${OF_AN_EVENT}}}`],
  ]
  const variablesOf = (query: string) => (query.includes('$f:Int=') ? {} : { f: 100 })

  test.each(TOO_MANY)('of %s are refused before anything is read, over HTTP and over a socket', async (_, query) => {
    const accept: Record<string, string> = query.startsWith('subscription') ? { accept: 'text/event-stream' } : {}
    const reply = await post(running.url, { query, variables: variablesOf(query) }, accept)
    expect(reply.status).toBe(400)
    expect(reply.body.errors?.[0]?.extensions).toMatchObject({ code: 'TOO_COMPLEX', status: 400 })
    const client = await new Client(running.port).init()
    client.subscribe('1', query, variablesOf(query))
    const error = await client.until(({ id }) => id === '1')
    expect(error.type).toBe('error')
    expect(error.payload![0]!.extensions.code).toBe('TOO_COMPLEX')
    expect(running.world.calls.open).toBe(0)
    client.socket.close()
  })

  test('of fewer rows are answered, whatever one of them alone would allow', async () => {
    const reply = await post(running.url, { query: `query($f:Int){${PAGES}}`, variables: { f: 20 } })
    expect(reply.body.errors).toBeUndefined()
    const one = await post(running.url, { query: 'query($f:Int){messages(first:$f){nodes{id}}}', variables: { f: 100 } })
    expect(one.body.errors).toBeUndefined()
  })
})

test('Q9 Q10 Q11 what only a resolver can see, it refuses: a page size in a variable, a strange cursor', async () => {
  for (const f of [100_000_000, -1]) {
    const reply = await post(running.url, { query: 'query($f:Int){messages(first:$f){nodes{id}}}', variables: { f } })
    expect(reply.body.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', path: ['first'] })
  }
})
