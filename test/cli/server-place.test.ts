import { expect, test } from 'vitest'
import { findServer } from '../../src/cli/server-place.ts'

const CARILLON_ADMIN_KEY = `ck_live_${'a'.repeat(43)}`

test.each([
  ['127.0.0.1', 'http://127.0.0.1:4000'],
  ['0.0.0.0', 'http://127.0.0.1:4000'],
  ['::1', 'http://[::1]:4000'],
  ['::', 'http://[::1]:4000'],
  ['localhost', 'http://localhost:4000'],
])('A server that listens on %s is found at %s', async (HOST, url) => {
  expect(await findServer({ HOST, CARILLON_ADMIN_KEY })).toMatchObject({ url })
})

test('A server that has a public URL is found there', async () => {
  const env = { HOST: '::', CARILLON_PUBLIC_URL: 'https://carillon.example.com', CARILLON_ADMIN_KEY }
  expect(await findServer(env)).toMatchObject({ url: 'https://carillon.example.com' })
})
