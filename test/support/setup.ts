import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbedded } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The run's own PostgreSQL; its database `carillon` is the migrated template of every test database. */
    readonly postgresUrl: string
  }
}

const quiet = { info() {}, warn() {}, error() {} }

/** In memory a commit is as safe as a test needs it, and a clone takes a tenth of the time. */
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 2 * 1024 ** 3

/** One embedded PostgreSQL for the whole run, in a folder that goes with it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await fastFolder()
  await sweep(folder)
  const dataDir = await mkdtemp(join(folder, `carillon-test-${process.pid}-`))
  const postgres = await startEmbedded({ dataDir, log: quiet, settings: { max_connections: '300', max_wal_size: '256MB' } })
  await migrate(postgres.url)
  await sealTemplate(postgres.url)
  project.provide('postgresUrl', postgres.url)
  return async () => {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

async function fastFolder(): Promise<string> {
  const memory = await statfs(MEMORY).catch(() => null)
  return memory !== null && memory.bavail * memory.bsize > ENOUGH_BYTES ? MEMORY : tmpdir()
}

/** Folders of runs that were killed. Their servers ended with them. */
async function sweep(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /^carillon-test-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(Number(pid))) await rm(join(folder, name), { recursive: true, force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** A database that somebody is connected to cannot be cloned, so nobody may connect to this one. */
async function sealTemplate(url: string): Promise<void> {
  const admin = new URL(url)
  admin.pathname = '/postgres'
  const client = new pg.Client({ connectionString: admin.href })
  await client.connect()
  await client.query('alter database carillon with is_template true allow_connections false')
  await client.end()
}
