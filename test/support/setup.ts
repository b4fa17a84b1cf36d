import { execFile } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startEmbedded } from '../../src/store/embedded.ts'
import { migrate } from '../../src/store/migrate.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The run's own PostgreSQL; its database `carillon` is the migrated template of every test database. */
    readonly postgresUrl: string
    /** Goes with the run. Anyone may pass, since the user who runs PostgreSQL is another where tests run as root. */
    readonly runFolder: string
    /** Of an app whose embedded database is migrated and has no rows; copied, it starts in a fraction of the time. */
    readonly dataDirTemplate: string
  }
}

const quiet = { info() {}, warn() {}, error() {} }

/** In memory a commit is as safe as a test needs it, and a clone takes a tenth of the time. */
const MEMORY = '/dev/shm'
const ENOUGH_BYTES = 2 * 1024 ** 3

const run = promisify(execFile)

/** One embedded PostgreSQL for the whole run, in a folder that goes with it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await fastFolder()
  await sweep(folder)
  const runFolder = await mkdtemp(join(folder, `carillon-test-${process.pid}-`))
  await chmod(runFolder, 0o755)
  const dataDirTemplate = join(runFolder, 'template')
  await prepare(dataDirTemplate)
  const dataDir = join(runFolder, 'data')
  await copyDataDir(dataDirTemplate, dataDir)
  const postgres = await startEmbedded({ dataDir, log: quiet, settings: { max_connections: '300', max_wal_size: '256MB' } })
  await sealTemplate(postgres.url)
  project.provide('postgresUrl', postgres.url)
  project.provide('runFolder', runFolder)
  project.provide('dataDirTemplate', dataDirTemplate)
  return async () => {
    await postgres.stop()
    await rm(runFolder, { recursive: true, force: true })
  }
}

async function prepare(dataDir: string): Promise<void> {
  const postgres = await startEmbedded({ dataDir, log: quiet })
  await migrate(postgres.url)
  await postgres.stop()
}

/** Of an app that does not run. Its files stay those of the user who runs PostgreSQL. */
export async function copyDataDir(from: string, to: string): Promise<void> {
  await run('cp', ['-Rp', from, to])
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
