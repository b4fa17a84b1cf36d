import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { SMTPServer, type SMTPServerSession } from 'smtp-server'

/** A reply such as `450 4.2.0 Greylisted`; `drop` closes the connection instead, `hang` says nothing at all. */
export type Reply = string

export interface SmtpScript {
  connect?: Reply
  auth?: Reply
  mail?: Reply
  /** To every recipient, or as each address has it. */
  rcpt?: Reply | ((address: string) => Reply | undefined)
  /** After the whole body was read. */
  data?: Reply
}

export interface TakenMail {
  readonly from: string
  readonly recipients: readonly string[]
  readonly source: string
}

export interface SmtpReceiver {
  readonly port: number
  readonly url: string
  /** Whatever was read to its last byte, accepted or not. */
  readonly mails: TakenMail[]
  readonly connections: number
  script: SmtpScript
  close(): Promise<void>
  /** As an idle or restarted server does. */
  dropConnections(): void
}

/** Somebody else's mail server on a free port of the loopback interface, which answers each phase as scripted. */
export async function startSmtp(options: { login?: boolean } = {}): Promise<SmtpReceiver> {
  const mails: TakenMail[] = []
  let connections = 0
  const open = () => [...server.connections] as unknown as { session: SMTPServerSession; _socket: { destroy(): void } }[]

  function play(reply: Reply | undefined, session: SMTPServerSession, done: (error?: Error | null) => void): void {
    if (reply === 'hang') return
    if (reply === 'drop') {
      for (const one of open()) if (one.session.id === session.id) one._socket.destroy()
    } else if (reply === undefined) {
      done(null)
    } else {
      done(Object.assign(new Error(reply.slice(4)), { responseCode: Number(reply.slice(0, 3)) }))
    }
  }

  const server = new SMTPServer({
    authOptional: options.login !== true,
    allowInsecureAuth: true,
    disabledCommands: options.login ? ['STARTTLS'] : ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    closeTimeout: 50,
    logger: false,
    onConnect(session, done) {
      connections += 1
      play(receiver.script.connect, session, done)
    },
    onAuth: (_auth, session, done) => play(receiver.script.auth, session, (error) => done(error ?? null, { user: 'user' })),
    onMailFrom: (_address, session, done) => play(receiver.script.mail, session, done),
    onRcptTo({ address }, session, done) {
      const { rcpt } = receiver.script
      play(typeof rcpt === 'function' ? rcpt(address) : rcpt, session, done)
    },
    onData(stream, session, done) {
      buffer(stream).then((source) => {
        const { mailFrom, rcptTo } = session.envelope
        const from = mailFrom ? mailFrom.address : ''
        mails.push({ from, recipients: rcptTo.map(({ address }) => address), source: source.toString('utf8') })
        play(receiver.script.data, session, done)
      }, done)
    },
  })
  server.on('error', () => {})
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  const receiver: SmtpReceiver = {
    port,
    url: `smtp://127.0.0.1:${port}`,
    mails,
    script: {},
    get connections() {
      return connections
    },
    close: () => new Promise((resolve) => server.close(() => resolve())),
    dropConnections() {
      for (const one of open()) one._socket.destroy()
    },
  }
  return receiver
}
