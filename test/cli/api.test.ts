import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type CallError, createApi } from '../../src/cli/api.ts'

/** What stands before a server, and answers for it. */
let answer: (response: ServerResponse) => void
let url: string
const calls: string[] = []
const proxy = createServer((request, response) => {
  calls.push(`${request.method} ${request.url}`)
  answer(response)
})

beforeAll(async () => {
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
})
afterAll(() => new Promise((resolve) => proxy.close(resolve)))

async function refused(): Promise<CallError> {
  const api = createApi(url, 'ck_live_x', new AbortController().signal)
  const error = await api.call('{ viewer { id } }').catch((one: CallError) => one)
  await api.close()
  return error as CallError
}

describe('A call that something before the server answers', () => {
  test.each([301, 302, 307, 308])('with %i goes nowhere else, and says where the server is', async (status) => {
    calls.length = 0
    answer = (response) => response.writeHead(status, { location: 'https://carillon.example.com/graphql' }).end()
    const error = await refused()
    expect(error).toMatchObject({ code: null, status })
    expect(error.message).toBe(
      `${url} says that the server is at https://carillon.example.com: set CARILLON_PUBLIC_URL to where it is.`,
    )
    expect(calls).toEqual(['POST /graphql'])
  })

  test('with a redirection to no address says so', async () => {
    answer = (response) => response.writeHead(302).end()
    expect((await refused()).message).toBe(`${url} says that the server is elsewhere: set CARILLON_PUBLIC_URL to where it is.`)
  })

  test.each<[number, string, string, number | null]>([
    [429, '7', 'slow down', 7],
    [503, '0', '', 0],
    [503, '120', '{ "error": "no upstream" }', 120],
    [503, 'soon', '', null],
  ])('with %i and Retry-After: %s is worth another try no sooner', async (status, after, body, seconds) => {
    answer = (response) => response.writeHead(status, { 'retry-after': after }).end(body)
    expect(await refused()).toMatchObject({ status, retryAfterSeconds: seconds })
  })

  test('with a time for it, as well', async () => {
    answer = (response) =>
      response.writeHead(503, { 'retry-after': new Date(Date.now() + 60_000).toUTCString() }).end('<h1>Down</h1>')
    const { retryAfterSeconds } = await refused()
    expect(retryAfterSeconds).toBeGreaterThan(50)
    expect(retryAfterSeconds).toBeLessThanOrEqual(60)
  })
})
