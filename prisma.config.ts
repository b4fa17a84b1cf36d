import { defineConfig } from 'prisma/config'

// The CLI would fetch a native schema engine. Generating needs none, and any existing file satisfies its check.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
})
