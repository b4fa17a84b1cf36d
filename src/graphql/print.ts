import { writeFile } from 'node:fs/promises'
import { lexicographicSortSchema, printSchema } from 'graphql'
import { schema } from './schema.ts'

/** The public contract as it is committed and reviewed: schema/schema.graphql. `npm run schema` writes it. */
export function printContract(): string {
  return `${printSchema(lexicographicSortSchema(schema))}\n`
}

if (import.meta.main) await writeFile(new URL('../../schema/schema.graphql', import.meta.url), printContract())
