import { readFile } from 'node:fs/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils'
import { SchemaEngine } from '@prisma/schema-engine-wasm'

/**
 * The SQL that leads from a database as it is to prisma/schema.prisma: empty when they agree. It serves for writing a
 * migration (`npm run migration`) and for the test that migrations and schema.prisma agree. Partial indexes, triggers and
 * checks are not Prisma's: it neither prints nor misses them.
 *
 * @param databaseUrl a PostgreSQL with every migration applied, or an empty one for the SQL of everything
 */
export async function diffAgainstSchema(databaseUrl: string): Promise<string> {
  const path = new URL('./schema.prisma', import.meta.url).pathname
  const content = await readFile(path, 'utf8')
  const adapter = bindMigrationAwareSqlAdapterFactory(new PrismaPg({ connectionString: databaseUrl }))
  const engine = await SchemaEngine.new({ datamodels: [[path, content]] }, () => {}, adapter)
  try {
    const { stdout } = await engine.diff({
      from: { tag: 'schemaDatasource', files: [{ path, content }], configDir: '.' },
      to: { tag: 'schemaDatamodel', files: [{ path, content }] },
      script: true,
      exitCode: null,
      shadowDatabaseUrl: null,
      filters: { externalTables: ['public._prisma_migrations'], externalEnums: [] },
    } as never)
    return (stdout ?? '').includes('-- This is an empty migration.') ? '' : (stdout ?? '')
  } finally {
    engine.free()
  }
}
