import autocannon from 'autocannon'
import { startChild } from './child.ts'
import { median, openHouse, report } from './house.ts'

/**
 * Durable sends a second at 50 connections, against a bare Yoga server that answers a constant to the same mutation.
 * `npm run bench:accept`; ROUNDS and SECONDS make it longer.
 */
const rounds = Number(process.env.ROUNDS ?? 5)
const seconds = Number(process.env.SECONDS ?? 5)
const connections = 50

const query = 'mutation Send($input: SendInput!) { send(input: $input) { requestId } }'
const users = 10_000
let next = 0

async function load(url: string, key: string, duration: number): Promise<autocannon.Result> {
  return autocannon({
    url: `${url}/graphql`,
    connections,
    duration,
    requests: [
      {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
        setupRequest: (request) => {
          next = (next + 1) % users
          const input = { to: { userId: `user-${next}` }, content: { title: 'Hello', body: 'It rings.' }, data: { order: next } }
          return { ...request, body: JSON.stringify({ query, variables: { input } }) }
        },
      },
    ],
  })
}

const house = await openHouse()
const bare = await startChild(new URL('./bare-yoga.ts', import.meta.url).pathname)
try {
  const ours = await house.start({ CARILLON_ROLES: 'api' })
  await load(bare.url, house.key, 3)
  await load(ours.url, house.key, 3)
  const results: { ours: autocannon.Result; bare: autocannon.Result }[] = []
  for (let round = 0; round < rounds; round++) {
    results.push({ bare: await load(bare.url, house.key, seconds), ours: await load(ours.url, house.key, seconds) })
  }
  const refused = results.reduce((sum, { ours }) => sum + ours.non2xx + ours.errors, 0)
  if (refused > 0) throw new Error(`${refused} sends were not accepted.`)
  const figure = median(results.map(({ ours }) => ours.requests.average))
  const reference = median(results.map(({ bare }) => bare.requests.average))
  report({
    bench: 'accept',
    figure: Math.round(figure),
    unit: 'durable sends/s',
    reference: Math.round(reference),
    ratio: Number(median(results.map(({ ours, bare }) => ours.requests.average / bare.requests.average)).toFixed(2)),
    p50Ms: median(results.map(({ ours }) => ours.latency.p50)),
    p99Ms: median(results.map(({ ours }) => ours.latency.p99)),
    connections,
    rounds,
  })
} finally {
  await bare.stop()
  await house.stop()
}
