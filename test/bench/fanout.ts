import pg from 'pg'
import { type Child, startChild } from './child.ts'
import { graphql, median, openHouse, report } from './house.ts'

/**
 * One event to 1,000 subscribers of one topic: deliveries a second against plain graphql-ws with an execution for each
 * subscriber, and how long an event takes from its commit to the clients when it comes alone.
 * `npm run bench:fanout`; SOCKETS, EVENTS and ROUNDS change its size.
 */
const sockets = Number(process.env.SOCKETS ?? 1_000)
const sends = Number(process.env.EVENTS ?? 200) / 4
const rounds = Number(process.env.ROUNDS ?? 5)
/** A simulated send to one user leaves ENQUEUED, ROUTED, RENDERED and SIMULATED. */
const EVENTS_A_SEND = 4

const fields = 'id cursor type at messageId status reason channel providerId'
const everything = `subscription { event: messageEvents(filter: { all: true }) { ${fields} } }`
const lastOnly = `subscription { event: messageEvents(filter: { all: true, types: [SIMULATED] }) { ${fields} } }`
const send = 'mutation Send($input: SendInput!) { send(input: $input) { requestId } }'
const input = { to: { userId: 'ada' }, content: { title: 'Hello', body: 'It rings.' } }

interface Received {
  readonly seconds: number
  readonly latencies: readonly number[]
}

function startClients(url: string, key: string, query: string): Promise<Child> {
  return startChild(new URL('./fanout-clients.ts', import.meta.url).pathname, {
    URL: `${url.replace('http', 'ws')}/graphql`,
    KEY: key,
    SOCKETS: String(sockets),
    QUERY: query,
  })
}

/** Lets the clients count so many events while something makes them. */
async function receive(clients: Child, events: number, make: () => Promise<unknown>): Promise<Received> {
  await clients.ask({ expect: events })
  const received = clients.ask<Received>({ wait: true })
  await make()
  return received
}

/** How many milliseconds after its `at` the newest event was committed. */
async function committedAfter(database: pg.Client): Promise<number> {
  const { rows } = await database.query<{ ms: number }>(
    'select extract(epoch from pg_xact_commit_timestamp(xmin) - at)::float8 * 1000 as ms from event order by position desc limit 1',
  )
  return rows[0]!.ms
}

const house = await openHouse()
const bareServer = await startChild(new URL('./bare-ws.ts', import.meta.url).pathname)
try {
  const app = await house.start()
  const { createApiKey } = await graphql<{ createApiKey: { secret: string } }>(
    app.url,
    house.key,
    'mutation { createApiKey(input: { name: "bench", scopes: [ADMIN], mode: SIMULATE }) { secret } }',
  )
  const simulate = () => graphql(app.url, createApiKey.secret, send, { input })
  const ourClients = await startClients(app.url, house.key, everything)
  const events = sends * EVENTS_A_SEND
  const oursBurst = () => receive(ourClients, events, () => Promise.all(Array.from({ length: sends }, simulate)))
  const bareClients = await startClients(bareServer.url, house.key, everything)
  const bareBurst = () => receive(bareClients, events, () => bareServer.ask({ events }))

  await bareBurst()
  await oursBurst()
  const results: { ours: number; bare: number }[] = []
  for (let round = 0; round < rounds; round++) {
    const bare = await bareBurst()
    const ours = await oursBurst()
    results.push({ bare: (events * sockets) / bare.seconds, ours: (events * sockets) / ours.seconds })
  }
  await ourClients.stop()
  await bareClients.stop()
  const patient = await startClients(app.url, house.key, lastOnly)
  const alone: number[] = []
  const database = new pg.Client({ connectionString: house.databaseUrl })
  await database.connect()
  for (let n = 0; n < 50; n++) {
    const { latencies } = await receive(patient, 1, simulate)
    const late = await committedAfter(database)
    alone.push(...latencies.map((latency) => latency - late))
  }
  await database.end()
  await patient.stop()
  report({
    bench: 'fanout',
    figure: Math.round(median(results.map((result) => result.ours))),
    unit: 'deliveries/s',
    reference: Math.round(median(results.map((result) => result.bare))),
    ratio: Number(median(results.map((result) => result.ours / result.bare)).toFixed(2)),
    commitToClientP50Ms: Number(median(alone).toFixed(1)),
    sockets,
    rounds,
  })
} finally {
  await bareServer.stop()
  await house.stop()
}
