import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { SMTPServer } from 'smtp-server'

/** One mail, read to its last byte. Whether it was answered is up to the test. */
export interface Receipt {
  readonly messageId: string
  readonly subject: string
}

/**
 * What is done with a mail whose last byte was read. `answer` says 250 to the worker; nothing is said until it is called.
 */
export type Take = (receipt: Receipt, answer: () => void) => void

export interface FakeProvider {
  readonly url: string
  readonly receipts: readonly Receipt[]
  /** How often a mail with this Message-ID was received. */
  count(messageId: string): number
  /** By default every mail is answered at once. */
  take: Take
  close(): Promise<void>
}

/** A mail server of the outside world in which the test decides when, and whether, each mail is answered. */
export async function startFakeProvider(): Promise<FakeProvider> {
  const receipts: Receipt[] = []
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 50,
    logger: false,
    onData(stream, _session, done) {
      buffer(stream).then((bytes) => {
        const source = bytes.toString('utf8')
        const receipt = { messageId: headerOf(source, 'Message-ID'), subject: headerOf(source, 'Subject') }
        receipts.push(receipt)
        provider.take(receipt, () => done(null))
      }, done)
    },
  })
  // Workers that are killed reset their connections.
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  const provider: FakeProvider = {
    url: `smtp://127.0.0.1:${port}`,
    receipts,
    count: (messageId) => receipts.filter((receipt) => receipt.messageId === messageId).length,
    take: (_receipt, answer) => answer(),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
  return provider
}

function headerOf(source: string, name: string): string {
  return new RegExp(`^${name}:\\s*(.*)$`, 'im').exec(source)?.[1]?.trim() ?? ''
}
