import { createServer, type Socket } from 'node:net'
import { startChild } from './child.ts'
import { median, openHouse, report } from './house.ts'
import { openWatch, percentile, putSmtp, sendOne } from './wait.ts'

/**
 * How long messages of one account take, accepted → SENT committed, while another account hangs: it accepts connections and
 * never answers. Against the same sends where the other account is fine, too, so that the difference is the hanging and not the
 * traffic; what the one account's messages take with no other traffic stands beside it. steady: as many messages a second go to
 * the other account; burst: 300 at once, too. `npm run bench:hanging`; SECONDS, PER_SECOND and ROUNDS make it longer or shorter.
 */
const seconds = Number(process.env.SECONDS ?? 30)
const perSecond = Number(process.env.PER_SECOND ?? 50)
const rounds = Number(process.env.ROUNDS ?? 3)
const BURST = 300
const WARMING_SECONDS = 5

const toAccount = (providerId: string) => ({
  to: { email: 'ada@example.com' },
  content: { title: 'Hello', body: 'It rings.' },
  routing: { channels: [{ providerId }] },
})

/** A mail server that takes connections and says nothing. */
async function startMute(): Promise<{ readonly url: string; close(): void }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    url: `smtp://127.0.0.1:${port}`,
    close() {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Sends at a steady rate, however long each takes to be accepted. */
async function stream(duration: number, send: () => Promise<string>): Promise<readonly string[]> {
  const sends: Promise<string>[] = []
  const began = performance.now()
  for (let n = 0; n < duration * perSecond; n++) {
    const rest = began + (n * 1000) / perSecond - performance.now()
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest))
    sends.push(send())
  }
  return await Promise.all(sends)
}

type Traffic = 'alone' | 'steady' | 'burst'

/** In milliseconds. */
interface Took {
  readonly p50: number
  readonly p95: number
  readonly longest: number
}

/** In a house of its own: what hangs is tried again for as long as its house stands. */
async function measure(traffic: Traffic, fineUrl: string, otherUrl: string): Promise<Took> {
  const house = await openHouse()
  try {
    const { url } = await house.start({ CARILLON_ALLOWED_NETWORKS: '127.0.0.0/8' })
    await putSmtp(url, house, 'fine', fineUrl)
    await putSmtp(url, house, 'other', otherUrl)
    const sendFine = () => sendOne(url, house, toAccount('fine'))
    const sendOther = () => sendOne(url, house, toAccount('other'))
    const watch = await openWatch(house)
    await watch.untilSent(await stream(WARMING_SECONDS, sendFine))
    const others = traffic === 'alone' ? [] : [stream(seconds, sendOther)]
    if (traffic === 'burst') others.push(Promise.all(Array.from({ length: BURST }, sendOther)))
    const took = await watch.untilSent(await stream(seconds, sendFine))
    await Promise.all(others)
    await watch.close()
    return { p50: percentile(took, 0.5), p95: percentile(took, 0.95), longest: Math.max(...took) }
  } finally {
    await house.stop()
  }
}

const sink = await startChild(new URL('./smtp-sink.ts', import.meta.url).pathname)
const mute = await startMute()
try {
  for (const traffic of ['steady', 'burst'] as const) {
    const results: { readonly hanging: Took; readonly fine: Took; readonly alone: Took }[] = []
    for (let round = 0; round < rounds; round++) {
      results.push({
        alone: await measure('alone', sink.url, sink.url),
        fine: await measure(traffic, sink.url, sink.url),
        hanging: await measure(traffic, sink.url, mute.url),
      })
    }
    const middle = (of: (result: (typeof results)[number]) => number) => Math.round(median(results.map(of)))
    report({
      bench: 'hanging',
      case: traffic,
      figure: middle(({ hanging }) => hanging.p95),
      unit: 'ms p95, accepted to SENT committed',
      reference: middle(({ fine }) => fine.p95),
      ratio: Number(median(results.map(({ hanging, fine }) => hanging.p95 / fine.p95)).toFixed(2)),
      p50Ms: middle(({ hanging }) => hanging.p50),
      longestMs: middle(({ hanging }) => hanging.longest),
      referenceP50Ms: middle(({ fine }) => fine.p50),
      aloneP50Ms: middle(({ alone }) => alone.p50),
      aloneP95Ms: middle(({ alone }) => alone.p95),
      perSecond,
      seconds,
      rounds,
    })
  }
} finally {
  mute.close()
  await sink.stop()
}
