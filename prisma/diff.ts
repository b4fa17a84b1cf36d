import { readFile } from 'node:fs/promises'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  bindMigrationAwareSqlAdapterFactory,
  type ColumnType,
  ColumnTypeEnum,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils'
import { SchemaEngine } from '@prisma/schema-engine-wasm'
import pg from 'pg'

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
  const pool = new pg.Pool({ connectionString: databaseUrl, max: 2 })
  const adapter = bindMigrationAwareSqlAdapterFactory(catalogueReader(pool))
  const panic = listenForPanics()
  const engine = await SchemaEngine.new({ datamodels: [[path, content]] }, () => {}, adapter)
  try {
    const diff = engine.diff({
      from: { tag: 'schemaDatasource', files: [{ path, content }], configDir: '.' },
      to: { tag: 'schemaDatamodel', files: [{ path, content }] },
      script: true,
      exitCode: null,
      shadowDatabaseUrl: null,
      filters: { externalTables: ['public._prisma_migrations'], externalEnums: [] },
    } as never)
    const { stdout } = await Promise.race([diff, panic])
    return (stdout ?? '').includes('-- This is an empty migration.') ? '' : (stdout ?? '')
  } finally {
    engine.free()
    await pool.end()
  }
}

/** PostgreSQL's internal one-byte type `"char"`, and the array of it, which no query of the catalogue returns. */
const CHAR = 18
const CHAR_ARRAY = 1002

/**
 * The catalogue has columns of type `"char"`, which the engine expects as characters and the adapter cannot name. They pass
 * the adapter as arrays of it, by their announced type alone, and get their right name behind it.
 */
function catalogueReader(pool: pg.Pool): SqlMigrationAwareDriverAdapterFactory {
  const query = pool.query.bind(pool) as (config: pg.QueryArrayConfig) => Promise<pg.QueryArrayResult>
  pool.query = (async (config: pg.QueryArrayConfig) => {
    const result = await query(config)
    for (const field of result.fields ?? []) if (field.dataTypeID === CHAR) field.dataTypeID = CHAR_ARRAY
    return result
  }) as typeof pool.query

  const factory = new PrismaPg(pool)
  const connect = factory.connect.bind(factory)
  factory.connect = async () => {
    const adapter = await connect()
    const queryRaw = adapter.queryRaw.bind(adapter)
    adapter.queryRaw = async (sql) => {
      const result = await queryRaw(sql)
      return { ...result, columnTypes: result.columnTypes.map(nameCharacter) }
    }
    return adapter
  }
  return factory
}

function nameCharacter(type: ColumnType): ColumnType {
  return type === ColumnTypeEnum.CharacterArray ? ColumnTypeEnum.Character : type
}

/** Without it a panic of the engine is an exception without words, and its promise never settles. */
function listenForPanics(): Promise<never> {
  return new Promise((_, reject) => {
    const registry = { set_message: (message: string) => reject(new Error(message)) }
    Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: registry })
  })
}
