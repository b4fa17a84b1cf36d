import { createServer } from 'node:net'
import { startSmtp } from '../support/smtp.ts'
import { startChild } from './child.ts'
import { median, openHouse, report } from './house.ts'
import { openWatch, percentile, putSmtp, sendOne } from './wait.ts'

/**
 * How long a message takes, accepted → SENT committed, when its first provider is dead, against one whose first provider is
 * fine; one message at a time. unknown: nothing is known of the dead account yet, so each message finds out by itself.
 * open: its breaker is open. `npm run bench:failover`; MESSAGES makes it longer or shorter.
 */
const messages = Number(process.env.MESSAGES ?? 100)
/** More than the failures in a row that open a breaker. */
const OPENING = 4

const input = {
  to: { email: 'ada@example.com' },
  content: { title: 'Hello', body: 'It rings.' },
  routing: { channels: [{ providerId: 'first' }, { providerId: 'second' }] },
}

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

const sink = await startChild(new URL('./smtp-sink.ts', import.meta.url).pathname)
const busy = await startSmtp()
busy.script = { mail: '451 4.3.0 Try again later' }
const house = await openHouse()
const watch = await openWatch(house)

/** The times of so many messages, one after the other. */
async function timed(url: string, count: number, before: () => Promise<void>): Promise<readonly number[]> {
  const took: number[] = []
  for (let n = 0; n < count; n++) {
    await before()
    took.push(...(await watch.untilSent([await sendOne(url, house, input)])))
  }
  return took
}

async function timedOpen(url: string, firstUrl: string): Promise<readonly number[]> {
  await putSmtp(url, house, 'first', firstUrl)
  await timed(url, OPENING, async () => {})
  const ids: string[] = []
  const took: number[] = []
  for (let n = 0; n < messages; n++) {
    ids.push(await sendOne(url, house, input))
    took.push(...(await watch.untilSent(ids.slice(-1))))
  }
  const attempts = await watch.attempts(ids, 'first')
  if (attempts > messages / 10) throw new Error(`The breaker was not open: ${attempts} attempts by the dead account.`)
  return took
}

try {
  const { url } = await house.start({ CARILLON_ALLOWED_NETWORKS: '127.0.0.0/8' })
  const dead = { 'connection refused': `smtp://127.0.0.1:${await closedPort()}`, 'answers 451': busy.url }
  const putFirst = (firstUrl: string) => () => putSmtp(url, house, 'first', firstUrl)
  await putSmtp(url, house, 'second', sink.url)
  await timed(url, messages, putFirst(sink.url))
  for (const [how, firstUrl] of Object.entries(dead)) {
    const fine = await timed(url, messages, putFirst(sink.url))
    const cases = { unknown: await timed(url, messages, putFirst(firstUrl)), open: await timedOpen(url, firstUrl) }
    for (const [breaker, took] of Object.entries(cases)) {
      report({
        bench: 'failover',
        case: `${how}, ${breaker}`,
        figure: Number(median(took).toFixed(1)),
        unit: 'ms, accepted to SENT committed',
        reference: Number(median(fine).toFixed(1)),
        ratio: Number((median(took) / median(fine)).toFixed(2)),
        moreMs: Number((median(took) - median(fine)).toFixed(1)),
        p95Ms: Number(percentile(took, 0.95).toFixed(1)),
        messages,
      })
    }
  }
} finally {
  await watch.close()
  await house.stop()
  await busy.close()
  await sink.stop()
}
