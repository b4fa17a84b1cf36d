import { render } from '../../src/render/content.ts'
import { addUsers, createJob, type JobWatch, openJobWatch, runJob } from './bulk-job.ts'
import type { Watched } from './bulk-watchers.ts'
import { type Child, startChild } from './child.ts'
import { graphql, type House, median, openHouse, report } from './house.ts'
import { CONTENT } from './mailing.ts'
import { MEASURED } from './memory.ts'
import { emailJob } from './receipt.ts'

/**
 * Bulk jobs by email to an SMTP server that takes every mail and keeps none: messages a second from the run until the last is
 * SENT, with 100,000 users against a tenth of them, and beside it a bare pooled Nodemailer that sends to the same server; what
 * the delivering process's memory grew by since before the first job; and what 100 subscribers saw of the larger one.
 * `npm run bench:bulk-send`; ROUNDS, USERS and SOCKETS change its size.
 */
const rounds = Number(process.env.ROUNDS ?? 3)
const users = Number(process.env.USERS ?? 100_000)
const sockets = Number(process.env.SOCKETS ?? 100)
const few = Math.ceil(users / 10)
const WARMING = Math.min(3_000, users)
const MB = 1024 ** 2

const JOB = `query ($id: ID!) {
  bulkJob(id: $id) { status received enqueued failures counts { total pending sent failed skipped canceled } }
}`

interface Stage {
  readonly house: House
  readonly app: Child
  readonly mailer: Child
  readonly watchers: Child
  readonly watch: JobWatch
}

interface Sent {
  readonly perSecond: number
  /** Bytes, at most, from before its first user was added to its end. */
  readonly memory: number
}

async function send({ house, app, watch }: Stage, wanted: number, atRun: (jobId: string) => Promise<unknown>): Promise<Sent> {
  await app.ask<number>({})
  const jobId = await createJob(app.url, house)
  await addUsers(app.url, house, jobId, wanted)
  await atRun(jobId)
  const began = performance.now()
  await runJob(app.url, house, jobId)
  await watch.sent(jobId)
  const seconds = (performance.now() - began) / 1000
  return { perSecond: wanted / seconds, memory: await app.ask<number>({}) }
}

/** The larger job, and what its subscribers were told, the last of which is what the job's own query says. */
async function sendWatched(stage: Stage): Promise<{ sent: Sent; watched: readonly Watched[] }> {
  const { house, app, watchers } = stage
  let id = ''
  const sent = await send(stage, users, async (jobId) => {
    id = jobId
    await watchers.ask({ jobId })
  })
  const watched = await watchers.ask<readonly Watched[]>({ wait: true })
  const { bulkJob } = await graphql<{ bulkJob: object }>(app.url, house.key, JOB, { id })
  const last = JSON.stringify({ bulkJobProgress: bulkJob })
  const wrong = watched.find((one) => one.last !== last)
  if (wrong) throw new Error(`A subscriber was told at last ${wrong.last}, not ${last}.`)
  return { sent, watched }
}

async function bare({ mailer }: Stage): Promise<number> {
  const { text, html } = await render(emailJob(JSON.stringify(CONTENT), {}))
  const began = performance.now()
  await mailer.ask({ mails: few, text, html })
  return few / ((performance.now() - began) / 1000)
}

async function measure(stage: Stage) {
  const reference = await bare(stage)
  const small = await send(stage, few, async () => {})
  const { sent: large, watched } = await sendWatched(stage)
  return { bare: reference, small: small.perSecond, large: large.perSecond, memory: large.memory, watched }
}

function tell(memoryBefore: number, results: readonly Awaited<ReturnType<typeof measure>>[]): void {
  const middle = (of: (result: (typeof results)[number]) => number, digits = 0) => Number(median(results.map(of)).toFixed(digits))
  const watched = results.flatMap((result) => result.watched)
  report({
    bench: 'bulk-send',
    figure: middle(({ large }) => large),
    unit: `messages/s, run to the last SENT, ${users} users`,
    reference: middle(({ small }) => small),
    ratio: middle(({ large, small }) => large / small, 2),
    few,
    bareMailer: middle((result) => result.bare),
    bareRatio: middle((result) => result.large / result.bare, 2),
    rssBeforeMb: Math.round(memoryBefore / MB),
    rssMostMb: Math.round(Math.max(...results.map(({ memory }) => memory)) / MB),
    rssGrowthMb: Math.round((Math.max(...results.map(({ memory }) => memory)) - memoryBefore) / MB),
    sockets,
    itemsEach: [Math.min(...watched.map(({ items }) => items)), Math.max(...watched.map(({ items }) => items))],
    itemsASecond: Math.max(...watched.map(({ mostASecond }) => mostASecond)),
    rounds,
    largeEach: results.map(({ large }) => Math.round(large)),
    smallEach: results.map(({ small }) => Math.round(small)),
  })
}

const sink = await startChild(new URL('./smtp-sink.ts', import.meta.url).pathname)
const mailer = await startChild(new URL('./bare-mailer.ts', import.meta.url).pathname, { SMTP_URL: sink.url })
const house = await openHouse()
const children: Child[] = [mailer, sink]
try {
  const app = await house.start({ SMTP_URL: sink.url, MAIL_FROM: 'Bench <bench@example.com>', ...MEASURED })
  const watchers = await startChild(new URL('./bulk-watchers.ts', import.meta.url).pathname, {
    URL: `${app.url.replace('http', 'ws')}/graphql`,
    KEY: house.key,
    SOCKETS: String(sockets),
  })
  children.unshift(watchers)
  const watch = await openJobWatch(house)
  const stage = { house, app, mailer, watchers, watch }
  await bare(stage)
  const { memory } = await send(stage, WARMING, async () => {})
  const results: Awaited<ReturnType<typeof measure>>[] = []
  for (let round = 0; round < rounds; round += 1) results.push(await measure(stage))
  tell(memory, results)
  await watch.close()
} finally {
  await house.stop()
  for (const child of children) await child.stop()
}
