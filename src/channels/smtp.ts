import { Readable } from 'node:stream'
import { LRUCache } from 'lru-cache'
import type MimeNode from 'nodemailer/lib/mime-node'
import SMTPPool from 'nodemailer/lib/smtp-pool'
import { z } from 'zod'
import type { Mailbox } from './address.ts'
import { type Mail, readMail, senderSetting } from './mail.ts'
import { composeMime, writeMime } from './mime.ts'
import { type AddressGuard, type DeliverContext, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'
import { classifySmtpError } from './smtp-error.ts'
import { connectTo } from './smtp-socket.ts'

const CONNECTIONS_PER_ACCOUNT = 8
const ACCOUNTS_KEPT = 100
const IDLE_MS = 60_000
const GREETING_MS = 10_000
const SILENCE_MS = 20_000

const settings = z.object({
  url: secret(
    z
      .string()
      .refine((text) => readServer(text) !== null, 'must be smtp://user:password@host:port, or smtps://')
      .describe('Mail server: smtp://user:password@host:port (STARTTLS where offered), or smtps:// (TLS from the start)'),
  ),
  from: senderSetting(),
})

type SmtpSettings = z.infer<typeof settings>

interface Server {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly auth?: { readonly user: string; readonly pass: string }
}

/**
 * Email over SMTP. Connections are pooled by settings: an account whose settings change leaves its pool, whose
 * connections close once they are idle.
 */
export function createSmtp(): Provider<SmtpSettings> {
  const pools = new LRUCache<string, SMTPPool>({ max: ACCOUNTS_KEPT, dispose: (pool) => pool.close() })

  function poolOf(context: DeliverContext<SmtpSettings>): SMTPPool {
    const guard = context.guarded ? context.http.guard : null
    const key = `${context.guarded} ${context.settings.url}`
    const known = pools.get(key)
    if (known) return known
    const pool = createPool(readServer(context.settings.url)!, guard)
    pools.set(key, pool)
    return pool
  }

  return {
    kind: 'smtp',
    channel: 'EMAIL',
    name: 'SMTP',
    settings,
    check,
    deliver: (outgoing, context) => deliver(outgoing, context, poolOf(context)),
    async close() {
      pools.clear()
    },
  }
}

function check({ url }: SmtpSettings, guard: AddressGuard): { path: readonly string[]; message: string }[] {
  const message = guard.refuseHost(readServer(url)!.host)
  return message === null ? [] : [{ path: ['url'], message }]
}

async function deliver(outgoing: Outgoing, context: DeliverContext<SmtpSettings>, pool: SMTPPool): Promise<Outcome> {
  const mail = readMail(outgoing, context.settings.from)
  if ('kind' in mail) return mail
  const composed = await composeMail(mail, outgoing, context)
  try {
    const { response, serverMessageId } = await send(pool, composed, context.signal)
    const copies = [...mail.cc, ...mail.bcc]
    if (copies.length > 0) await sendCopies(pool, await composeMail(mail, outgoing, context, copies), context.signal)
    return { kind: 'accepted', code: response.slice(0, 3), ...(serverMessageId && { reference: serverMessageId }) }
  } catch (error) {
    return classifySmtpError(error, composed.wasRead(), readServer(context.settings.url)?.auth?.pass)
  }
}

/**
 * Further recipients get the mail in a transaction of their own, once it was taken for the one the message is for: if it is
 * refused there, or tried again, they see nothing of it. That one of them is refused does not fail the message.
 */
async function sendCopies(pool: SMTPPool, copies: ComposedMail, signal: AbortSignal): Promise<void> {
  await send(pool, copies, signal).catch(() => {})
}

interface ComposedMail {
  readonly message: MimeNode
  /**
   * Whether all of it has been handed to a connection. Nodemailer does not say how far it came, and only the dot after
   * the body ends a mail (RFC 5321, 4.1.1.4): before that the server has taken nothing, after it it may have.
   */
  wasRead(): boolean
}

/** @param recipients whom this copy is handed over for; they need not stand in the mail */
async function composeMail(
  mail: Mail,
  { idempotencyKey }: Outgoing,
  { now }: DeliverContext<SmtpSettings>,
  recipients: readonly Mailbox[] = [mail.to],
): Promise<ComposedMail> {
  const message = composeMime(mail, { idempotencyKey, date: now })
  const bytes = await writeMime(message)
  let wasRead = false
  message.getEnvelope = () => ({ from: mail.from.address, to: recipients.map(({ address }) => address) })
  // Anew for each connection that it is tried on.
  message.createReadStream = () => readableOf(bytes).once('end', () => (wasRead = true))
  return { message, wasRead: () => wasRead }
}

const PART_BYTES = 64 * 1024

/** In parts, since Nodemailer looks at each byte of one in one go; not smaller, since each is a write to the socket. */
function readableOf(bytes: Buffer): Readable {
  let at = 0
  return new Readable({
    read() {
      this.push(at < bytes.length ? bytes.subarray(at, at + PART_BYTES) : null)
      at += PART_BYTES
    },
  })
}

/** Hands a composed mail to the pool, as Nodemailer's own mailer does. */
function send(pool: SMTPPool, { message }: ComposedMail, signal: AbortSignal): Promise<SMTPPool.SentMessageInfo> {
  return new Promise((resolve, reject) => {
    const entry = { data: { signal }, message } as unknown as Parameters<SMTPPool['send']>[0]
    pool.send(entry, (error, info) => (info ? resolve(info) : reject(error)))
  })
}

function createPool({ host, port, secure, auth }: Server, guard: AddressGuard | null): SMTPPool {
  return new SMTPPool({
    host,
    port,
    secure,
    auth,
    getSocket: (_options, done) => {
      connectTo(host, port, guard).then(
        (connected) => done(null, connected),
        (error: Error) => done(error),
      )
    },
    maxConnections: CONNECTIONS_PER_ACCOUNT,
    maxMessages: Number.POSITIVE_INFINITY,
    // Used only while no byte of the mail was read: a pooled connection that the server had closed meanwhile.
    maxRequeues: 2,
    idleTimeout: IDLE_MS,
    greetingTimeout: GREETING_MS,
    socketTimeout: SILENCE_MS,
  })
}

/** Reads the URL of a mail server; null when it is none. The port is 587 for smtp:// and 465 for smtps:// unless given. */
function readServer(text: string): Server | null {
  const url = URL.parse(text)
  if (!url || !/^smtps?:$/.test(url.protocol)) return null
  // Only the host of a web URL is normalised by the parser: 127.1 and 0x7f000001 must not pass for names.
  const host = URL.parse(`https://${url.hostname}`)?.hostname
  const user = decodePart(url.username)
  const pass = decodePart(url.password)
  if (host === undefined || user === null || pass === null) return null
  const secure = url.protocol === 'smtps:'
  return {
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: Number(url.port) || (secure ? 465 : 587),
    secure,
    ...(user !== '' && { auth: { user, pass } }),
  }
}

function decodePart(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
