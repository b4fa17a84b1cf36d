import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chown, mkdir, mkdtemp, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { promisify } from 'node:util'
import pg from 'pg'
import type { StoreLog } from './connect.ts'
import { findPlace, type PlaceOptions, type PostgresPlace } from './postgres-place.ts'

const run = promisify(execFile)

export interface EmbeddedOptions extends PlaceOptions {
  readonly log: StoreLog
  /** Server settings beside or instead of ours. */
  readonly settings?: Readonly<Record<string, string>>
}

export interface Embedded {
  /** Reaches the database `carillon` through a socket that only its owner may open. */
  readonly url: string
  /** There was no database before. */
  readonly firstStart: boolean
  /** Resolves with a sentence should the server end although nobody stopped it. */
  readonly gone: Promise<string>
  /** Finishes what is committed and ends the server. Can be called again. */
  stop(): Promise<void>
}

/** Names the socket's file only: nothing listens on the network. */
const PORT = 54_329
const NAME = 'carillon'
/** In the database `postgres`: whoever holds it is the app this server belongs to. */
const APP_LOCK = 1_667_330_156
const START_MS = 60_000
/** So long another start may take from its server's readiness to its lock, or a shell to end the server of a killed app. */
const LEFTOVER_MS = 3_000
/** So long the server may take to see that the app which holds the lock was killed. */
const OWNED_MS = 1_500
const LONGEST_SOCKET_DIR = 85

/** For a small machine. Errors stay out of the server's log: their details quote rows. */
const SETTINGS = {
  listen_addresses: '',
  port: String(PORT),
  unix_socket_permissions: '0700',
  max_connections: '50',
  shared_buffers: '128MB',
  fsync: 'on',
  synchronous_commit: 'on',
  min_wal_size: '128MB',
  max_wal_size: '1GB',
  checkpoint_completion_target: '0.9',
  random_page_cost: '1.1',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'log',
  log_min_error_statement: 'panic',
  log_error_verbosity: 'terse',
  log_checkpoints: 'off',
}

/**
 * The server runs under this shell, in a process group of its own that Ctrl-C does not reach. The shell holds a pipe of ours:
 * once the pipe closes, because we said so or were killed, it tells the server to finish (SIGINT: a fast shutdown).
 */
const KEEPER = `
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
{ read -r _ <&3; kill -INT $server; } 2>/dev/null &
watch=$!
exec 3<&-
wait $server
code=$?
kill $watch 2>/dev/null
exit $code
`

/**
 * Starts the embedded PostgreSQL of a data dir, making the database the first time. It ends with this process, however
 * that ends; what a killed one left behind is ended first.
 *
 * @throws when another Carillon uses the data dir, and when the server does not start, with what it said
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  if (process.platform === 'win32') throw new Error('The embedded PostgreSQL does not run on Windows yet; set DATABASE_URL.')
  const place = await findPlace(options)
  if (place.moved !== null) options.log.warn({ home: place.home }, place.moved)
  const firstStart = await initialise(place)
  await endLeftover(place)
  const socketDir = await makeSocketDir(place)
  const server = await launch(place, socketDir, options.settings ?? {})
  try {
    const lock = await takeOver(place, server, socketDir)
    return control(server, lock, firstStart, options.log)
  } catch (error) {
    await stopServer(server)
    throw error
  }
}

interface Server {
  readonly place: PostgresPlace
  readonly socketDir: string
  readonly keeper: ChildProcess
  readonly exited: Promise<void>
  readonly ended: () => boolean
}

/** A database made aside and put in place whole: one that was cut short is never started. */
async function initialise(place: PostgresPlace): Promise<boolean> {
  const database = join(place.home, 'postgres')
  if ((await stat(database).catch(() => null)) !== null) return false
  const draft = await mkdtemp(join(place.home, 'postgres.'))
  await giveTo(place, draft)
  const args = [
    '-D',
    draft,
    '-U',
    NAME,
    '--encoding=UTF8',
    '--locale=C',
    '--auth-local=trust',
    '--auth-host=reject',
    '--no-instructions',
  ]
  await run(join(place.programs, 'initdb'), args, asUser(place)).catch((error: Error & { stderr?: string }) => {
    throw new Error(`The embedded database could not be made in ${database}: ${error.stderr || error.message}`)
  })
  try {
    await rename(draft, database)
    return true
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if ((error as NodeJS.ErrnoException).code !== 'ENOTEMPTY') throw error
    return false
  }
}

/**
 * Ends a server that runs in the data dir although its app is gone. Usually its keeper does; when that was killed as well,
 * we do.
 */
async function endLeftover(place: PostgresPlace): Promise<void> {
  const socketDir = await runningSocketDir(place)
  if (socketDir === null) return
  const begun = performance.now()
  let since = begun
  let before: Answer | null = null
  for (;;) {
    const answer = await ask(socketDir)
    const now = performance.now()
    if (answer !== before) since = now
    before = answer
    if (answer === 'nobody') return
    if (answer === 'owned' && now - since > OWNED_MS) throw inUse(place)
    if (answer === 'free' && now - since > LEFTOVER_MS) break
    if (now - begun > START_MS) break
    await wait(50)
  }
  await run(join(place.programs, 'pg_ctl'), ['-D', join(place.home, 'postgres'), '-m', 'fast', '-w', 'stop'], asUser(place))
}

/** What the server's own file says, which it leaves behind when it is killed: its fifth line is the socket's folder. */
async function runningSocketDir(place: PostgresPlace): Promise<string | null> {
  const text = await readFile(join(place.home, 'postgres', 'postmaster.pid'), 'utf8').catch(() => '')
  return text.split('\n')[4] || null
}

/** nobody: no server answers. busy: it starts or stops. owned: an app holds its lock. free: none does. */
type Answer = 'nobody' | 'busy' | 'owned' | 'free'

async function ask(socketDir: string): Promise<Answer> {
  const client = connection(socketDir)
  try {
    await client.connect()
    const { rowCount } = await client.query(
      "select from pg_locks where locktype = 'advisory' and classid = 0 and objid = $1 and granted",
      [APP_LOCK],
    )
    return rowCount === 0 ? 'free' : 'owned'
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return code === 'ENOENT' || code === 'ECONNREFUSED' ? 'nobody' : 'busy'
  } finally {
    await client.end().catch(() => {})
  }
}

/** In the server's home, unless the path is too long for a socket's address (108 bytes on Linux, 104 on macOS). */
async function makeSocketDir(place: PostgresPlace): Promise<string> {
  const path = join(place.home, 'socket')
  if (Buffer.byteLength(path) > LONGEST_SOCKET_DIR) {
    const short = await mkdtemp(join(tmpdir(), 'carillon-'))
    await giveTo(place, short)
    return short
  }
  await mkdir(path, { recursive: true, mode: 0o700 })
  await giveTo(place, path)
  return path
}

async function launch(place: PostgresPlace, socketDir: string, settings: Readonly<Record<string, string>>): Promise<Server> {
  const sockets = { unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"` }
  const all = Object.entries({ ...SETTINGS, ...sockets, ...settings })
  const command = [join(place.programs, 'postgres'), '-D', join(place.home, 'postgres')]
  const flags = all.flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const log = await open(join(place.home, 'postgres.log'), 'w', 0o600)
  try {
    const keeper = spawn('/bin/sh', ['-c', KEEPER, 'sh', ...command, ...flags], {
      ...asUser(place),
      detached: true,
      stdio: ['pipe', log.fd, log.fd],
    })
    // A write never happens, so a broken pipe says nothing that 'exit' does not.
    keeper.stdin?.on('error', () => {})
    let over = false
    const exited = new Promise<void>((resolve) => {
      for (const event of ['exit', 'error']) {
        keeper.once(event, () => {
          over = true
          resolve()
        })
      }
    })
    // An app that has nothing left to do may end; the pipe then closes.
    keeper.unref()
    ;(keeper.stdin as unknown as { unref(): void }).unref()
    return { place, socketDir, keeper, exited, ended: () => over }
  } finally {
    await log.close()
  }
}

/** Waits until the server answers, makes it ours, and makes sure of the database. Returns the connection that holds the lock. */
async function takeOver(place: PostgresPlace, server: Server, socketDir: string): Promise<pg.Client> {
  const client = await firstConnection(place, server, socketDir)
  const { rows: locks } = await client.query<{ ours: boolean }>('select pg_try_advisory_lock($1) as ours', [APP_LOCK])
  if (!locks[0]?.ours) {
    await client.end()
    throw inUse(place)
  }
  const { rowCount } = await client.query('select from pg_database where datname = $1', [NAME])
  if (rowCount === 0) await client.query(`create database ${NAME}`)
  return client
}

async function firstConnection(place: PostgresPlace, server: Server, socketDir: string): Promise<pg.Client> {
  const deadline = performance.now() + START_MS
  while (performance.now() < deadline) {
    if (server.ended()) throw await whyNot(place)
    const client = connection(socketDir)
    try {
      await client.connect()
      return client
    } catch {
      await client.end().catch(() => {})
      await wait(20)
    }
  }
  throw new Error(`The embedded PostgreSQL did not answer within ${START_MS / 1000} s; see ${join(place.home, 'postgres.log')}.`)
}

/** The server ended at once: because another runs in its folder, or for a reason it wrote down. */
async function whyNot(place: PostgresPlace): Promise<Error> {
  const socketDir = await runningSocketDir(place)
  if (socketDir !== null && (await ask(socketDir)) !== 'nobody') return inUse(place)
  const said = await readFile(join(place.home, 'postgres.log'), 'utf8').catch(() => '')
  return new Error(`The embedded PostgreSQL in ${place.home} did not start: ${said.trim().split('\n').slice(-5).join('\n')}`)
}

function control(server: Server, lock: pg.Client, firstStart: boolean, log: StoreLog): Embedded {
  let stopping: Promise<void> | undefined
  const gone = new Promise<string>((resolve) => {
    void server.exited.then(() => {
      if (stopping !== undefined) return
      log.error({ log: join(server.place.home, 'postgres.log') }, 'the embedded PostgreSQL ended by itself')
      resolve('the embedded PostgreSQL ended')
    })
  })
  return {
    url: `postgresql://${NAME}@localhost:${PORT}/${NAME}?host=${encodeURIComponent(server.socketDir)}`,
    firstStart,
    gone,
    stop() {
      stopping ??= lock
        .end()
        .catch(() => {})
        .then(() => stopServer(server))
      return stopping
    },
  }
}

async function stopServer({ place, socketDir, keeper, exited }: Server): Promise<void> {
  keeper.ref()
  keeper.stdin?.end()
  await exited
  if (socketDir !== join(place.home, 'socket')) await rm(socketDir, { recursive: true, force: true })
}

function connection(socketDir: string): pg.Client {
  const client = new pg.Client({
    host: socketDir,
    port: PORT,
    user: NAME,
    database: 'postgres',
    application_name: 'carillon app',
  })
  client.on('error', () => {})
  return client
}

async function giveTo({ user }: PostgresPlace, path: string): Promise<void> {
  if (user !== null) await chown(path, user.uid, user.gid)
}

/** PG_GRANDPARENT_PID: a lock file that names our own pid, as after a container's restart, is no other server's. */
function asUser({ user, home }: PostgresPlace) {
  const env = { LANG: 'C', LC_ALL: 'C', PG_GRANDPARENT_PID: String(process.pid) }
  return user === null ? { cwd: home, env } : { cwd: home, env, uid: user.uid, gid: user.gid }
}

function inUse(place: PostgresPlace): Error {
  return new Error(`The data dir ${place.home} is already in use by another Carillon; stop it, or set CARILLON_DATA_DIR.`)
}
