import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server'
import { type MailFolder, type MailSummary, openMailFolder } from './mail-folder.ts'
import { listPage, mailPage, missingPage } from './mail-page.ts'
import { MAIL_POLICY } from './preview-frame.ts'
import type { Page, Route, RouteRequest } from './route.ts'

const PAGE_SIZE = 50
const MAX_MAIL_BYTES = 25 * 1024 * 1024

export interface MailCatcherOptions {
  /** Where the mails are kept, as `<number>.eml`; made with mode 0700. */
  readonly dir: string
  /** How many mails are kept, the oldest go first. Default 10,000. */
  readonly maxKept?: number
}

export interface MailCatcher {
  /** `smtp://127.0.0.1:<port>`: what an email account sends to. */
  readonly url: string
  /** `/mail` with everything below it, and `/mail.json`. */
  readonly routes: readonly Route[]
  stop(): Promise<void>
}

/** Takes every mail on a free port of the loopback interface, delivers none, and shows them at /mail. */
export async function startMailCatcher({ dir, maxKept = 10_000 }: MailCatcherOptions): Promise<MailCatcher> {
  const folder = await openMailFolder(dir, maxKept)
  const server = createServer(folder)
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.server.address() as AddressInfo
  const answer = (request: RouteRequest) => answerPage(folder, request)
  return {
    url: `smtp://127.0.0.1:${port}`,
    routes: ['/mail', '/mail.json'].map((path) => ({ path, answer })),
    async stop() {
      await new Promise<void>((resolve) => server.close(resolve))
      await folder.close()
    },
  }
}

function createServer(folder: MailFolder): SMTPServer {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    disableReverseLookup: true,
    size: MAX_MAIL_BYTES,
    closeTimeout: 500,
    logger: false,
    onData: (stream, _session, done) => {
      keep(folder, stream).then(
        (id) => done(null, `kept as ${id}`),
        (error: Error) => done(error),
      )
    },
  })
  // A client that breaks off is its own affair.
  server.on('error', () => {})
  return server
}

async function keep(folder: MailFolder, stream: SMTPServerDataStream): Promise<number> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk)
  if (stream.sizeExceeded) throw Object.assign(new Error('The mail is too large.'), { responseCode: 552 })
  return folder.add(Buffer.concat(chunks))
}

async function answerPage(folder: MailFolder, { method, url }: RouteRequest): Promise<Page> {
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, headers: { allow: 'GET, HEAD' }, body: '' }
  const before = readBefore(url)
  if (url.pathname === '/mail.json') {
    const mails = await folder.list(PAGE_SIZE, before)
    return jsonPage({ count: folder.count, mails: mails.map(describe), next: olderThan(mails) })
  }
  if (/^\/mail\/?$/.test(url.pathname)) {
    const mails = await folder.list(PAGE_SIZE, before)
    return htmlPage(200, listPage(mails, folder.count, olderThan(mails)))
  }
  const [, id, isSource] = /^\/mail\/(\d{1,15})(\.eml)?$/.exec(url.pathname) ?? []
  return id === undefined ? htmlPage(404, missingPage()) : answerMail(folder, Number(id), isSource !== undefined)
}

async function answerMail(folder: MailFolder, id: number, isSource: boolean): Promise<Page> {
  if (!isSource) {
    const mail = await folder.read(id)
    return mail ? htmlPage(200, mailPage(mail)) : htmlPage(404, missingPage())
  }
  const source = await folder.source(id)
  if (!source) return htmlPage(404, missingPage())
  const headers = { 'content-type': 'message/rfc822', 'content-disposition': `attachment; filename="${id}.eml"`, ...SAFE_HEADERS }
  return { status: 200, headers, body: source }
}

function readBefore(url: URL): number | undefined {
  const text = url.searchParams.get('before') ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** Where the next page begins; null when this one was not full. */
function olderThan(mails: readonly MailSummary[]): number | null {
  return mails.length === PAGE_SIZE ? mails.at(-1)!.id : null
}

function describe({ id, subject, from, to, at }: MailSummary) {
  return { id, subject, from, to, at: at.toISOString(), page: `/mail/${id}`, source: `/mail/${id}.eml` }
}

const SAFE_HEADERS = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
}

function htmlPage(status: number, body: string): Page {
  const headers = {
    'content-type': 'text/html; charset=utf-8',
    'content-security-policy': MAIL_POLICY,
    ...SAFE_HEADERS,
  }
  return { status, headers, body }
}

function jsonPage(value: unknown): Page {
  return { status: 200, headers: { 'content-type': 'application/json', ...SAFE_HEADERS }, body: `${JSON.stringify(value)}\n` }
}
