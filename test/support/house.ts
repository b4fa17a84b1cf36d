import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { parse } from 'graphql'
import { inject } from 'vitest'
import { type App, startApp, type World } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createObserver } from '../../src/observe.ts'
import { createRenderPool } from '../../src/render/pool.ts'
import { type MessageEventFieldsFragment, MessageEventsDocument, SendDocument, type SendInput } from '../generated/graphql.ts'
import { type Client, createClient, type ResponseError, type Result } from './client.ts'
import { type TestDatabase, testDatabase } from './database.ts'
import { startRedis, type TestRedis } from './redis.ts'
import { copyDataDir } from './setup.ts'
import { type SmtpReceiver, startSmtp } from './smtp.ts'

/** How Carillon is run: alone with everything in one process, or on services with two processes of each role. */
export const MODES = ['embedded and in process', 'PostgreSQL and Redis'] as const
export type Mode = (typeof MODES)[number]

type MessageEvent = MessageEventFieldsFragment

/** Carillon as its users have it, with a mail server of somebody else's that it sends to. */
export interface House {
  /** Of the processes that answer. */
  readonly urls: readonly string[]
  readonly adminKey: string
  /** With the admin key, through the first process that answers. */
  readonly client: Client
  /** With the admin key, one for each of them. */
  readonly clients: readonly Client[]
  readonly smtp: SmtpReceiver
  /** Null where the database is embedded. */
  readonly databaseUrl: string | null
  /** CARILLON_SECRET; null where it was generated. */
  readonly secret: Uint8Array | null
  /** A client with another credential. It is closed with the house. */
  enter(key: string | null, at?: number): Client
  /** Sends with the admin key; the message's id. */
  send(input: SendInput): Promise<string>
  /** What happened to a message, from its first event until it stands still. */
  journey(messageId: string): Promise<readonly MessageEvent[]>
  /** The same for many messages, by their ids. */
  settled(messageIds: readonly string[]): Promise<ReadonlyMap<string, readonly MessageEvent[]>>
  /** Leaves nothing running. Throws when a process logged a fault. */
  stop(): Promise<void>
}

export interface HouseOptions {
  readonly mode: Mode
  readonly world?: Partial<World>
  readonly env?: Readonly<Record<string, string>>
  /** Each of its apps renders in threads of its own, as in production: where threads are ended. */
  readonly ownThreads?: boolean
}

/** A thread takes about a second to begin, so the houses of this process share theirs. */
const renderer = createRenderPool({ log: { warn() {} } })

/** Starts a house in this process. */
export async function house({ mode, world = {}, env = {}, ownThreads = false }: HouseOptions): Promise<House> {
  const smtp = await startSmtp()
  const faults = new Set<string>()
  const apps: App[] = []
  const ground = mode === 'PostgreSQL and Redis' ? await layServices() : await layFolder()
  const roles = mode === 'PostgreSQL and Redis' ? ['api', 'api', 'worker', 'worker'] : ['api,worker']
  try {
    for (const role of roles) {
      const config = loadConfig({ ...commonEnv(smtp), ...ground.env, CARILLON_ROLES: role, ...env })
      apps.push(await startApp(config, faultsInto(faults), { ...(!ownThreads && { renderer }), ...world }))
    }
  } catch (error) {
    await Promise.all(apps.map((app) => app.stop()))
    await Promise.all([smtp.close(), ground.clear()])
    throw error
  }
  const adminKey = ground.env.CARILLON_ADMIN_KEY
  const urls = apps.filter((_, index) => roles[index]!.includes('api')).map(({ url }) => url)
  return furnish({ urls, adminKey, smtp, ground }, async () => {
    await Promise.all(apps.map((app) => app.stop()))
    if (faults.size > 0) throw new Error(`Faults were logged:\n${[...faults].join('\n')}`)
  })
}

/** The same with real processes on PostgreSQL and Redis: two that answer, two that deliver. */
export async function processes(): Promise<House & { readonly workers: readonly ChildProcess[] }> {
  const smtp = await startSmtp()
  const ground = await layServices()
  const started: ChildProcess[] = []
  const urls: string[] = []
  for (const role of ['api', 'api', 'worker', 'worker']) {
    const child = spawnProcess(role, { ...commonEnv(smtp), ...ground.env })
    started.push(child)
    const url = await ready(child).catch(async (error: unknown) => {
      await Promise.all(started.map(endProcess))
      await Promise.all([smtp.close(), ground.clear()])
      throw error
    })
    if (role === 'api') urls.push(url)
  }
  const own = furnish({ urls, adminKey: ground.env.CARILLON_ADMIN_KEY, smtp, ground }, async () => {
    const codes = await Promise.all(started.map(endProcess))
    if (codes.some((code) => code !== 0)) throw new Error(`Processes ended with ${codes.join(', ')}.`)
  })
  return { ...own, workers: started.slice(2) }
}

/** A document that is not among the committed operations. */
export function document<Data = Record<string, unknown>>(source: string): TypedDocumentNode<Data, Record<string, unknown>> {
  return parse(source)
}

/** The data of an answer that must not hold errors. */
export function dataOf<Data>({ data, errors }: Result<Data>): Data {
  if (errors.length > 0 || data == null) throw new Error(`Refused: ${JSON.stringify(errors)}`)
  return data
}

/** What a caller goes by in a refusal: its code, and where the input is at fault. */
export function refusalOf({ errors }: { readonly errors: readonly ResponseError[] }) {
  const [error] = errors
  return { code: error?.extensions.code, path: error?.extensions.issues?.[0]?.path.join('.') }
}

/** Reads a subscription until `enough` says so, then ends it. */
export async function collect<Data, Item>(
  events: AsyncGenerator<Result<Data>, void, void>,
  pick: (data: Data) => Item,
  enough: (items: readonly Item[]) => boolean,
): Promise<readonly Item[]> {
  const items: Item[] = []
  for await (const result of events) {
    items.push(pick(dataOf(result)))
    if (enough(items)) break
  }
  return items
}

const UNDER_WAY: readonly string[] = ['ENQUEUED', 'DELAYED', 'ROUTED']

export function standsStill({ status }: Pick<MessageEvent, 'status'>): boolean {
  return !UNDER_WAY.includes(status)
}

interface Ground {
  readonly env: Readonly<Record<string, string>> & { readonly CARILLON_ADMIN_KEY: string }
  readonly databaseUrl: string | null
  readonly secret: Uint8Array | null
  clear(): Promise<void>
}

/**
 * Loopback is allowed: that is where the tests' own webhooks, push services and mail servers are. Stories change more in a
 * minute than people do, so nothing is limited unless a house asks for it.
 */
function commonEnv(smtp: SmtpReceiver): Record<string, string> {
  return {
    PORT: '0',
    SMTP_URL: smtp.url,
    MAIL_FROM: 'Carillon <bells@example.com>',
    CARILLON_ALLOWED_NETWORKS: '127.0.0.0/8',
    CARILLON_RATE_LIMITS: 'off',
  }
}

const newAdminKey = () => `ck_live_${randomBytes(32).toString('base64url')}`

async function layServices(): Promise<Ground> {
  const [database, redis]: [TestDatabase, TestRedis | null] = await Promise.all([testDatabase(), startRedis()])
  const secret = randomBytes(32)
  return {
    env: {
      DATABASE_URL: database.url,
      ...(redis && { REDIS_URL: redis.url }),
      CARILLON_SECRET: secret.toString('base64'),
      CARILLON_ADMIN_KEY: newAdminKey(),
      CARILLON_POOL_SIZE: '8',
    },
    databaseUrl: database.url,
    secret,
    async clear() {
      await redis?.stop()
      await database.drop()
    },
  }
}

/** What a first start makes of an empty folder is told where that is at stake (test/store/embedded.test.ts, test/cli/demo.test.ts). */
async function layFolder(): Promise<Ground> {
  const dataDir = join(inject('runFolder'), `house-${randomBytes(6).toString('hex')}`)
  await copyDataDir(inject('dataDirTemplate'), dataDir)
  return {
    env: { CARILLON_DATA_DIR: dataDir, CARILLON_ADMIN_KEY: newAdminKey() },
    databaseUrl: null,
    secret: null,
    clear: () => rm(dataDir, { recursive: true, force: true }),
  }
}

/** Keeps what is logged as an error, each once. */
function faultsInto(faults: Set<string>) {
  const destination = new Writable({
    write(chunk, _encoding, done) {
      const { msg, err } = JSON.parse(String(chunk)) as { msg?: string; err?: { stack?: string } }
      faults.add(`${msg}: ${err?.stack?.slice(0, 600)}`)
      done()
    },
  })
  return createObserver({ level: 'error', pretty: false, destination })
}

function furnish(
  parts: { urls: readonly string[]; adminKey: string; smtp: SmtpReceiver; ground: Ground },
  stopApps: () => Promise<void>,
): House {
  const { urls, adminKey, smtp, ground } = parts
  const opened: Client[] = []
  const enter = (key: string | null, at = 0): Client => {
    const client = createClient({ url: urls[at]!, key })
    opened.push(client)
    return client
  }
  const clients = urls.map((_, index) => enter(adminKey, index))
  const client = clients[0]!
  const settled = (messageIds: readonly string[]) => follow(client, messageIds)
  return {
    urls,
    adminKey,
    client,
    clients,
    smtp,
    databaseUrl: ground.databaseUrl,
    secret: ground.secret,
    enter,
    settled,
    send: async (input) => dataOf(await client.send(SendDocument, { input })).send.requestId,
    journey: async (messageId) => (await settled([messageId])).get(messageId)!,
    async stop() {
      try {
        await Promise.all(opened.map((one) => one.close()))
        await stopApps()
      } finally {
        await smtp.close()
        await ground.clear()
      }
    },
  }
}

async function follow(client: Client, messageIds: readonly string[]): Promise<ReadonlyMap<string, readonly MessageEvent[]>> {
  const journeys = new Map<string, MessageEvent[]>(messageIds.map((id) => [id, []]))
  const moving = new Set(messageIds)
  if (moving.size === 0) return journeys
  const events = client.subscribe(MessageEventsDocument, { filter: { messageIds: [...messageIds] } })
  for await (const result of events) {
    const { messageEvents: event } = dataOf(result)
    journeys.get(event.messageId)!.push(event)
    if (standsStill(event)) moving.delete(event.messageId)
    if (moving.size === 0) break
  }
  return journeys
}

const MAIN = new URL('../../src/main.ts', import.meta.url).pathname
const NODE = new URL('../../node_modules/.bin/node', import.meta.url).pathname

function spawnProcess(role: string, env: Readonly<Record<string, string>>): ChildProcess {
  return spawn(NODE, ['--no-warnings', MAIN, '--role', role], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Where a process listens, once it says so. */
async function ready(child: ChildProcess): Promise<string> {
  const lines: string[] = []
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line)
    const { msg, url } = JSON.parse(line) as { msg?: string; url?: string }
    if (msg !== 'ready' || url === undefined) continue
    child.stdout!.resume()
    return url
  }
  throw new Error(`A process ended before it was ready:\n${lines.join('\n')}`)
}

async function endProcess(child: ChildProcess): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  const [code] = (await exited) as [number | null]
  return code
}
