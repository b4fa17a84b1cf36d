import { LRUCache } from 'lru-cache'
import MailComposer from 'nodemailer/lib/mail-composer'
import { encodeWord } from 'nodemailer/lib/mime-funcs'
import type MimeNode from 'nodemailer/lib/mime-node'
import SMTPPool from 'nodemailer/lib/smtp-pool'
import { z } from 'zod'
import { parseEmailAddress } from './address.ts'
import { type AddressGuard, type DeliverContext, type Outcome, type Outgoing, type Provider, secret } from './provider.ts'
import { classifySmtpError } from './smtp-error.ts'
import { connectTo } from './smtp-socket.ts'

const CONNECTIONS_PER_ACCOUNT = 8
const ACCOUNTS_KEPT = 100
const IDLE_MS = 60_000
const GREETING_MS = 10_000
const SILENCE_MS = 20_000
/** RFC 5322, 2.1.1: so many characters, without the line break. */
const LONGEST_LINE = 998

const settings = z.object({
  url: secret(
    z
      .string()
      .refine((text) => readServer(text) !== null, 'must be smtp://user:password@host:port, or smtps://')
      .describe('Mail server: smtp://user:password@host:port (STARTTLS where offered), or smtps:// (TLS from the start)'),
  ),
  from: z
    .string()
    .refine((text) => parseMailbox(text) !== null, 'must be one address, or Name <address>')
    .describe('Sender: an address, or Name <address>'),
})

type SmtpSettings = z.infer<typeof settings>

interface Mailbox {
  readonly name: string
  readonly address: string
}

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
  const to = parseEmailAddress(outgoing.address.id)
  if (to === null) return { kind: 'rejected', what: 'address', error: 'The recipient is not an email address.' }
  const mail = composeMail(outgoing, to, context)
  try {
    const { response, serverMessageId } = await send(pool, mail, context.signal)
    return { kind: 'accepted', code: response.slice(0, 3), ...(serverMessageId && { reference: serverMessageId }) }
  } catch (error) {
    return classifySmtpError(error, mail.wasRead(), readServer(context.settings.url)?.auth?.pass)
  }
}

interface ComposedMail {
  readonly message: MimeNode
  /**
   * Whether all of it has been handed to a connection. Nodemailer does not say how far it came, and only the dot after
   * the body ends a mail (RFC 5321, 4.1.1.4): before that the server has taken nothing, after it it may have.
   */
  wasRead(): boolean
}

function composeMail(
  { content, address, idempotencyKey, unsubscribeUrl }: Outgoing,
  to: string,
  context: DeliverContext<SmtpSettings>,
): ComposedMail {
  const from = parseMailbox(context.settings.from)!
  const message = new MailComposer({
    from,
    to: { name: plainLine(address.name ?? ''), address: to },
    envelope: { from: from.address, to: [to] },
    subject: literally(plainLine(content.subject ?? content.title ?? '')),
    text: content.text,
    html: content.html,
    messageId: `<${idempotencyKey}@${from.address.slice(from.address.indexOf('@') + 1)}>`,
    date: context.now,
    headers: unsubscribeUrl === undefined ? [] : unsubscribeHeaders(unsubscribeUrl),
    disableFileAccess: true,
    disableUrlAccess: true,
  }).compile()
  let wasRead = false
  const createReadStream = message.createReadStream.bind(message)
  message.createReadStream = (options) => createReadStream(options).once('end', () => (wasRead = true))
  return { message, wasRead: () => wasRead }
}

/**
 * Where to get out, for the reader's mail program (RFC 2369), and that one POST is enough (RFC 8058; programs do so over https
 * alone). A URL stands on one line, whole: there is no place in it to fold at. One that no line can hold is left out.
 */
function unsubscribeHeaders(url: string) {
  const ascii = URL.parse(url)?.href
  if (ascii === undefined || `List-Unsubscribe: <${ascii}>`.length > LONGEST_LINE) return []
  return [
    { key: 'List-Unsubscribe', value: { prepared: true, value: `<${ascii}>` } },
    { key: 'List-Unsubscribe-Post', value: 'List-Unsubscribe=One-Click' },
  ]
}

/** Hands a composed mail to the pool, as Nodemailer's own mailer does. */
function send(pool: SMTPPool, { message }: ComposedMail, signal: AbortSignal): Promise<SMTPPool.SentMessageInfo> {
  return new Promise((resolve, reject) => {
    const entry = { data: { signal }, message } as unknown as Parameters<SMTPPool['send']>[0]
    pool.send(entry, (error, info) => (info ? resolve(info) : reject(error)))
  })
}

/** A subject that looks encoded (RFC 2047) although it is meant as it stands would be decoded; Nodemailer lets it through. */
function literally(line: string): string {
  return line.includes('=?') ? encodeWord(line, 'B', 52) : line
}

/** No control characters, line separators, or marks that hide or turn the direction of what stands beside them. */
function plainLine(text: string): string {
  return text
    .replace(/[\p{Cc}\u2028\u2029]+/gu, ' ')
    .replace(/[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]/g, '')
    .trim()
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

/** Reads `ada@example.com` or `Ada <ada@example.com>`; null for anything else, lists among it. */
export function parseMailbox(text: string): Mailbox | null {
  const named = /^\s*(?:"([^"<>]*)"|([^"<>,;:]*?))\s*<([^<>\s]+)>\s*$/.exec(text)
  const address = parseEmailAddress(named ? named[3]! : text.trim())
  return address === null ? null : { name: named?.[1] ?? named?.[2] ?? '', address }
}
