import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { render } from '../../src/render/content.ts'
import { startChild } from './child.ts'
import { graphql, median, openHouse, report } from './house.ts'

/**
 * Email end to end, accepted → SMTP 250 → SENT committed, against a bare pooled Nodemailer into the same SMTP server.
 * `npm run bench:email`; MAILS and ROUNDS make it longer.
 */
const mails = Number(process.env.MAILS ?? 3_000)
const rounds = Number(process.env.ROUNDS ?? 5)
const callers = 50

const content = { title: 'Hello', body: 'It rings.\n\nEvery time.' }
const send = 'mutation Send($input: SendInput!) { send(input: $input) { requestId } }'
const sentEvents = 'subscription { messageEvents(filter: { all: true, types: [SENT, UNDELIVERABLE, UNROUTABLE] }) { type } }'

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
    { query: sentEvents },
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

async function ours(url: string, key: string): Promise<number> {
  const watch = countSent(url, key, mails)
  await watch.subscribed
  const started = performance.now()
  let next = 0
  const caller = async (): Promise<void> => {
    while (next < mails) await graphql(url, key, send, { input: { to: { email: `user-${next++}@example.com` }, content } })
  }
  await Promise.all(Array.from({ length: callers }, caller))
  await watch.done
  const perSecond = mails / ((performance.now() - started) / 1000)
  watch.close()
  return perSecond
}

const sink = await startChild(new URL('./smtp-sink.ts', import.meta.url).pathname)
const mailer = await startChild(new URL('./bare-mailer.ts', import.meta.url).pathname, { SMTP_URL: sink.url })
const house = await openHouse()

async function bare(): Promise<number> {
  const { text, html } = render('EMAIL', { content, data: {}, messageId: 'msg_bench' })
  const started = performance.now()
  await mailer.ask({ mails, text, html })
  return mails / ((performance.now() - started) / 1000)
}

try {
  const app = await house.start({ SMTP_URL: sink.url, MAIL_FROM: 'Bench <bench@example.com>' })
  await bare()
  await ours(app.url, house.key)
  const results: { ours: number; bare: number }[] = []
  for (let round = 0; round < rounds; round++) results.push({ bare: await bare(), ours: await ours(app.url, house.key) })
  report({
    bench: 'email',
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
