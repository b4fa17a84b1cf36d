import { auditServer } from 'graphql-http'
import { expect, test } from 'vitest'
import { start } from './harness.ts'

/** What the specification allows and we do not do: a query in a URL ends up in logs, so GET is refused with 405. */
const NOT_DONE = [
  '5A70 MAY accept application/x-www-form-urlencoded formatted GET requests',
  'D6D5 MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/graphql-response+json',
  '6A70 MAY allow URL-encoded JSON string {variables} parameter in GETs when accepting application/json',
]

test('every audit of GraphQL over HTTP passes with a key, but for the three that may allow queries on GET', async () => {
  await using running = await start()
  const fetchFn = (url: string, init: RequestInit = {}) => {
    const headers = new Headers(init.headers)
    headers.set('authorization', 'Bearer ck_a')
    return fetch(url, { ...init, headers })
  }
  const results = await auditServer({ url: `${running.url}/graphql`, fetchFn })
  const others = results.filter(({ status }) => status !== 'ok')
  expect(results).toHaveLength(61)
  expect(others.map(({ id, name }) => `${id} ${name}`)).toEqual(NOT_DONE)
})
