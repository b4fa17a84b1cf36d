import { createTransport } from 'nodemailer'

/** The reference for email: Nodemailer's own pool, as its documentation sets it up, sending one mail to each recipient. */
const transport = createTransport({
  url: process.env.SMTP_URL,
  pool: true,
  maxConnections: 8,
  maxMessages: Number.POSITIVE_INFINITY,
})

process.on('message', ({ mails, text, html }: { mails: number; text: string; html: string }) => {
  const all = Array.from({ length: mails }, (_, index) =>
    transport.sendMail({
      from: 'Bench <bench@example.com>',
      to: `user-${index}@example.com`,
      subject: 'Hello',
      text,
      html,
    }),
  )
  Promise.all(all).then(
    () => process.send?.({ sent: mails }),
    (error: unknown) => {
      throw error
    },
  )
})
process.on('SIGTERM', () => process.exit(0))
process.stdout.write(`${JSON.stringify({ url: 'ready' })}\n`)
