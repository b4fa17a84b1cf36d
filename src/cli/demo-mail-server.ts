import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import PostalMime from 'postal-mime'
import { SMTPServer } from 'smtp-server'

/** A mail server that somebody else runs, as far as Carillon can tell. */
export interface MailServer {
  /** `smtp://127.0.0.1:<port>` */
  readonly url: string
  /** What it took, oldest first. */
  readonly mails: readonly TakenMail[]
  close(): Promise<void>
}

export interface TakenMail {
  readonly to: string
  readonly subject: string
}

/** On a free port of the loopback interface. */
export async function startMailServer(): Promise<MailServer> {
  const mails: TakenMail[] = []
  const server = new SMTPServer({
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 500,
    logger: false,
    onData: (stream, { envelope }, done) => {
      buffer(stream)
        .then(async (source) => {
          const { subject = '' } = await PostalMime.parse(source)
          mails.push(...envelope.rcptTo.map(({ address }) => ({ to: address, subject })))
        })
        .then(() => done(null), done)
    },
  })
  // A client that breaks off is its own affair.
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    close: () => new Promise((resolve) => server.close(resolve)),
  }
}
