import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { inject } from 'vitest'
import { type Embedded, startEmbedded } from '../../src/store/embedded.ts'
import { copyDataDir } from './setup.ts'

export interface TestPostgres {
  /** The same before and after a kill. */
  readonly url: string
  /** SIGKILL to the postmaster, and until it is gone. */
  kill(): Promise<void>
  /** Again on the same data, after kill. */
  start(): Promise<void>
  /** Ends it for good. */
  stop(): Promise<void>
}

const RESTART_MS = 30_000

/** A PostgreSQL of one's own, migrated, to be killed. It writes to disk before it answers, as a real one does. */
export async function startPostgres(): Promise<TestPostgres> {
  const dataDir = join(tmpdir(), `carillon-postgres-${randomBytes(6).toString('hex')}`)
  await copyDataDir(inject('dataDirTemplate'), dataDir)
  let server = await startEmbedded({ dataDir, log: quiet })
  return {
    url: server.url,
    async kill() {
      process.kill(await postmasterOf(dataDir), 'SIGKILL')
      await server.gone
      await server.stop()
    },
    async start() {
      server = await startAgain(dataDir)
    },
    async stop() {
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** The process id of the PostgreSQL in a data dir. */
export async function postmasterOf(dataDir: string): Promise<number> {
  return Number((await readFile(join(dataDir, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0])
}

/** The killed one's backends hold its shared memory until they notice; until then a new one refuses to start. */
async function startAgain(dataDir: string): Promise<Embedded> {
  const deadline = performance.now() + RESTART_MS
  for (;;) {
    try {
      return await startEmbedded({ dataDir, log: quiet })
    } catch (error) {
      if (performance.now() > deadline) throw error
      await wait(50)
    }
  }
}

const quiet = { info() {}, warn() {}, error() {} }
