import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded } from '../src/store/embedded.ts'
import { migrate } from '../src/store/migrate.ts'
import { diffAgainstSchema } from './diff.ts'

const quiet = { info() {}, warn() {}, error() {} }

/** The SQL from the migrations there are to schema.prisma, found in a throw-away PostgreSQL; empty when they agree. */
async function missingSql(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'carillon-migration-'))
  const postgres = await startEmbedded({ dataDir, log: quiet })
  try {
    await migrate(postgres.url)
    return await diffAgainstSchema(postgres.url)
  } finally {
    await postgres.stop()
    await rm(dataDir, { recursive: true, force: true })
  }
}

/** `20260102030405_add_topics`, in UTC: migrations are applied in the order of their names. */
function folderName(now: Date, name: string): string {
  return `${now.toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`
}

async function main(name: string | undefined): Promise<number> {
  if (name === undefined || !/^[a-z0-9_]+$/.test(name)) {
    process.stderr.write('Usage: npm run migration -- <name>, in lower case with underscores: add_topics\n')
    return 2
  }
  const sql = await missingSql()
  if (sql === '') {
    process.stdout.write('The migrations already lead to prisma/schema.prisma; nothing was written.\n')
    return 0
  }
  const folder = new URL(`./migrations/${folderName(new Date(), name)}/`, import.meta.url)
  await mkdir(folder)
  await writeFile(new URL('migration.sql', folder), sql)
  process.stdout.write(`${sql}\nWritten to ${new URL('migration.sql', folder).pathname}: read it before you commit it.\n`)
  return 0
}

process.exitCode = await main(process.argv[2])
