import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
import { startEmbedded } from '../../src/store/embedded.ts'
import { type Child, startChild } from './child.ts'

const ADMIN_KEY = `ck_live_${'b'.repeat(43)}`
const quiet = { info() {}, warn() {}, error() {} }

/** A Carillon as an operator runs it: processes of their own on one PostgreSQL. */
export interface House {
  readonly key: string
  readonly databaseUrl: string
  start(env?: Record<string, string>): Promise<Child>
  stop(): Promise<void>
}

export async function openHouse(): Promise<House> {
  const dataDir = await mkdtemp(join(tmpdir(), 'carillon-bench-'))
  const postgres = await startEmbedded({ dataDir, log: quiet, settings: { track_commit_timestamp: 'on' } })
  const children: Child[] = []
  return {
    key: ADMIN_KEY,
    databaseUrl: postgres.url,
    async start(env = {}) {
      const child = await startChild(new URL('../../src/main.ts', import.meta.url).pathname, {
        PORT: '0',
        LOG_LEVEL: 'info',
        NODE_ENV: 'production',
        DATABASE_URL: postgres.url,
        CARILLON_DATA_DIR: dataDir,
        CARILLON_SECRET: Buffer.alloc(32, 7).toString('base64'),
        CARILLON_ADMIN_KEY: ADMIN_KEY,
        CARILLON_RATE_LIMITS: 'off',
        ...env,
      })
      children.push(child)
      return child
    },
    async stop() {
      for (const child of children.toReversed()) await child.stop()
      await postgres.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

/** Asks a server once, and returns what it answered. Costs the bench as little as can be: it shares the machine. */
export async function graphql<T>(url: string, key: string, query: string, variables: object = {}): Promise<T> {
  const { body } = await request(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await body.json()) as { data?: T; errors?: unknown }
  if (!data || errors) throw new Error(JSON.stringify(errors))
  return data
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]!
}

/** What a bench prints: one JSON line with the figure, the reference of the same run, and their ratio. */
export function report(line: Record<string, unknown>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
