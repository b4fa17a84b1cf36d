import type { GraphQLObjectType } from 'graphql'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Client, type Context, post, type Running, start } from './harness.ts'

describe('An operation that takes longer than a query may', () => {
  let running: Running
  let aborted: boolean
  beforeAll(async () => {
    running = await start({ limits: { queryMs: 100 } })
    const mutations = (running.world.schema.getType('Mutation') as GraphQLObjectType).getFields()
    mutations.cancel!.resolve = (_, { id }) => new Promise((resolve) => setTimeout(resolve, 300, { id, status: 'SENT' }))
    const queries = (running.world.schema.getType('Query') as GraphQLObjectType).getFields()
    queries.slow!.resolve = (_, __, { signal }: Context) =>
      new Promise((resolve) => {
        signal.addEventListener('abort', () => {
          aborted = true
          resolve('late')
        })
      })
  })
  afterAll(() => running[Symbol.asyncDispose]())

  test('is given up and answered with UNAVAILABLE where it is a query', async () => {
    aborted = false
    const reply = await post(running.url, { query: '{ slow }' })
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1'])
    expect(reply.body).not.toHaveProperty('data')
    expect(reply.body.errors?.[0]?.extensions).toMatchObject({ type: 'api_error', code: 'UNAVAILABLE', status: 503 })
    expect(aborted).toBe(true)
  })

  test('is given up over WebSocket too', async () => {
    const client = await new Client(running.port).init()
    client.subscribe('slow', '{ slow }')
    const { type, payload } = await client.until(({ id }) => id === 'slow')
    expect([type, payload![0]!.extensions.code]).toEqual(['error', 'UNAVAILABLE'])
  })

  test('is waited for where it is a mutation', async () => {
    const reply = await post(running.url, { query: 'mutation { cancel(id: "m1") { id } }' })
    expect(reply.body).toEqual({ data: { cancel: { id: 'm1' } } })
  })
})
