import { addUsers, cancelJob, createJob, type JobWatch, openJobWatch, runJob } from './bulk-job.ts'
import { type Child, startChild } from './child.ts'
import { type House, median, openHouse, report } from './house.ts'
import { CONTENT } from './mailing.ts'
import { openWatch, percentile, sendOne, type Watch } from './wait.ts'

/**
 * How long single mails take, accepted → SENT committed, during a bulk job of 100,000 mails to the same server, which has not
 * ended when they have; against the same sends while nothing else is done. Both times are those of the commits, read from the
 * database afterwards. `npm run bench:bulk-latency`; ROUNDS, USERS, PER_SECOND and SECONDS change its size.
 */
const rounds = Number(process.env.ROUNDS ?? 3)
const users = Number(process.env.USERS ?? 100_000)
const perSecond = Number(process.env.PER_SECOND ?? 20)
const seconds = Number(process.env.SECONDS ?? 30)

interface Stage {
  readonly house: House
  readonly app: Child
  readonly watch: Watch
  readonly jobs: JobWatch
}

/** Sends at a steady rate, however long each takes to be accepted. */
async function stream({ house, app }: Stage): Promise<readonly string[]> {
  const sends: Promise<string>[] = []
  const began = performance.now()
  for (let number = 0; number < seconds * perSecond; number += 1) {
    const rest = began + (number * 1000) / perSecond - performance.now()
    if (rest > 0) await new Promise((resolve) => setTimeout(resolve, rest))
    sends.push(sendOne(app.url, house, { to: { email: `single-${number}@example.com` }, content: CONTENT }))
  }
  return await Promise.all(sends)
}

async function idle(stage: Stage): Promise<readonly number[]> {
  return stage.watch.untilSent(await stream(stage))
}

/** Those that were sent while a job was under way, which is then given up. */
async function during(stage: Stage): Promise<readonly number[]> {
  const { house, app, watch, jobs } = stage
  const jobId = await createJob(app.url, house)
  await addUsers(app.url, house, jobId, users)
  await runJob(app.url, house, jobId)
  const ids = await stream(stage)
  const { status, sent } = await jobs.standing(jobId)
  if (status !== 'PROCESSING' || sent === 0) throw new Error(`The job is ${status}, and ${sent} of its messages were sent.`)
  await cancelJob(app.url, house, jobId)
  await jobs.ended(jobId)
  return watch.untilSent(ids)
}

interface Took {
  readonly p50: number
  readonly p95: number
  readonly longest: number
  readonly sends: number
}

function took(times: readonly number[]): Took {
  return { p50: percentile(times, 0.5), p95: percentile(times, 0.95), longest: Math.max(...times), sends: times.length }
}

const sink = await startChild(new URL('./smtp-sink.ts', import.meta.url).pathname)
const house = await openHouse()
try {
  const app = await house.start({ SMTP_URL: sink.url, MAIL_FROM: 'Bench <bench@example.com>' })
  const stage = { house, app, watch: await openWatch(house), jobs: await openJobWatch(house) }
  await idle(stage)
  await during(stage)
  const results: { readonly alone: Took; readonly beside: Took }[] = []
  for (let round = 0; round < rounds; round += 1) {
    results.push({ alone: took(await idle(stage)), beside: took(await during(stage)) })
  }
  const middle = (of: (result: (typeof results)[number]) => number) => Number(median(results.map(of)).toFixed(1))
  report({
    bench: 'bulk-latency',
    figure: middle(({ beside }) => beside.p95),
    unit: 'ms p95, accepted to SENT committed, during a job',
    reference: middle(({ alone }) => alone.p95),
    ratio: Number(median(results.map(({ alone, beside }) => beside.p95 / alone.p95)).toFixed(2)),
    p50Ms: middle(({ beside }) => beside.p50),
    longestMs: middle(({ beside }) => beside.longest),
    idleP50Ms: middle(({ alone }) => alone.p50),
    idleLongestMs: middle(({ alone }) => alone.longest),
    sends: middle(({ beside }) => beside.sends),
    users,
    perSecond,
    rounds,
    p95Each: results.map(({ beside }) => Math.round(beside.p95)),
    idleP95Each: results.map(({ alone }) => Math.round(alone.p95)),
  })
  await stage.watch.close()
  await stage.jobs.close()
} finally {
  await house.stop()
  await sink.stop()
}
