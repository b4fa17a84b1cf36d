import { mkdtemp, rm } from 'node:fs/promises'
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

/** One embedded PostgreSQL for the whole run, in a folder that goes with it. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'carillon-test-'))
  const postgres = await startEmbedded({ dataDir, log: quiet, settings: { max_connections: '300' } })
  await migrate(postgres.url)
  await sealTemplate(postgres.url)
  project.provide('postgresUrl', postgres.url)
  return async () => {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
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
