import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { render } from '../../src/render/content.ts'
import type { RenderJob } from '../../src/render/job.ts'
import { type Child, startChild } from './child.ts'
import { graphql, type House, median, openHouse, report } from './house.ts'
import { emailJob } from './receipt.ts'

const mails = Number(process.env.MAILS ?? 6_000)
const rounds = Number(process.env.ROUNDS ?? 3)
const callers = 50

export const CONTENT = { title: 'Hello', body: 'It rings.\n\nEvery time.' }
const PLAIN = emailJob(JSON.stringify(CONTENT), {})
const SEND = 'mutation Send($input: SendInput!) { send(input: $input) { requestId } }'
const SENT_EVENTS = 'subscription { messageEvents(filter: { all: true, types: [SENT, UNDELIVERABLE, UNROUTABLE] }) { type } }'

/** Mails that differ in what is known of them. */
export interface Mailing {
  readonly bench: string
  /** How many mails a round has, for whoever prepares them. */
  readonly prepare?: (house: House, app: Child, smtpUrl: string, mails: number) => Promise<void>
  /** The send of the mail with this number, from 0. */
  readonly inputOf: (number: number) => object
  /** One of them, which the bare Nodemailer sends again and again; by default CONTENT. */
  readonly mail?: RenderJob
}

/**
 * Mails a second, accepted → SMTP 250 → SENT committed, against a bare pooled Nodemailer that sends as many into the same
 * SMTP server. A round is long enough that the compiling of its first second does not decide: MAILS=6000 ROUNDS=3 unless told.
 */
export async function benchMailing(mailing: Mailing): Promise<void> {
  const sink = await startChild(new URL('./smtp-sink.ts', import.meta.url).pathname)
  const mailer = await startChild(new URL('./bare-mailer.ts', import.meta.url).pathname, { SMTP_URL: sink.url })
  const house = await openHouse()
  try {
    const app = await house.start({
      SMTP_URL: sink.url,
      MAIL_FROM: 'Bench <bench@example.com>',
      CARILLON_ALLOWED_NETWORKS: '127.0.0.0/8',
    })
    await mailing.prepare?.(house, app, sink.url, mails)
    await bare(mailer, mailing)
    await ours(app.url, house.key, mailing)
    const results: { ours: number; bare: number }[] = []
    for (let round = 0; round < rounds; round++) {
      results.push({ bare: await bare(mailer, mailing), ours: await ours(app.url, house.key, mailing) })
    }
    report({
      bench: mailing.bench,
      figure: Math.round(median(results.map((result) => result.ours))),
      unit: 'mails/s, accepted to SENT committed',
      reference: Math.round(median(results.map((result) => result.bare))),
      ratio: Number(median(results.map((result) => result.ours / result.bare)).toFixed(2)),
      mails,
      rounds,
    })
  } finally {
    await mailer.stop()
    await house.stop()
    await sink.stop()
  }
}

async function bare(mailer: Child, { mail = PLAIN }: Mailing): Promise<number> {
  const { text, html } = await render(mail)
  const started = performance.now()
  await mailer.ask({ mails, text, html })
  return mails / ((performance.now() - started) / 1000)
}

async function ours(url: string, key: string, { inputOf }: Mailing): Promise<number> {
  const watch = countSent(url, key, mails)
  await watch.subscribed
  const started = performance.now()
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < mails) await graphql(url, key, SEND, { input: inputOf(next++) })
  }
  await Promise.all(Array.from({ length: callers }, caller))
  await watch.done
  const perSecond = mails / ((performance.now() - started) / 1000)
  watch.close()
  return perSecond
}

/** Resolves once so many messages are committed as SENT. */
function countSent(url: string, key: string, wanted: number): { subscribed: Promise<void>; done: Promise<void>; close(): void } {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
  })
  const subscribed = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  let sent = 0
  client.subscribe<{ messageEvents: { type: string } }>(
    { query: SENT_EVENTS },
    {
      next: ({ data }) => {
        if (data?.messageEvents.type !== 'SENT') return done.reject(new Error(JSON.stringify(data)))
        sent += 1
        if (sent === wanted) done.resolve()
      },
      error: (error) => done.reject(error as Error),
      complete: () => {},
    },
  )
  client.on('connected', () => setTimeout(subscribed.resolve, 300))
  return { subscribed: subscribed.promise, done: done.promise, close: () => void client.dispose() }
}
