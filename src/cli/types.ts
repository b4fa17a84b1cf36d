import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Environment } from '../config.ts'
import { type Api, createApi } from './api.ts'
import { findServer } from './server-place.ts'
import { declareTypes, type PublishedTemplate } from './types-declaration.ts'

/**
 * Writes the TypeScript types of the data of every published template, as their data schemas have it, so that a caller's
 * mistake is a compile error. Read from the server that CARILLON_PUBLIC_URL names, or the one that the settings would start
 * here, with CARILLON_ADMIN_KEY, or the key that is kept in the data dir. A key needs the scope CONTENT_READ alone.
 *
 * @param args `--out <path>`: the file to write; without it they are printed
 */
export async function writeTypes(
  args: readonly string[],
  env: Environment,
  stdout: NodeJS.WritableStream,
  signal: AbortSignal,
): Promise<boolean> {
  const { values } = parseArgs({ args: [...args], options: { out: { type: 'string' } } })
  const { url, key } = await findServer(env)
  const api = createApi(url, key, signal)
  try {
    const templates = await readPublished(api)
    const declaration = await declareTypes(templates)
    if (values.out === undefined) {
      stdout.write(declaration)
    } else {
      await writeFile(values.out, declaration)
      stdout.write(`  ${templates.length} published template${templates.length === 1 ? '' : 's'}: ${values.out}\n`)
    }
    return true
  } finally {
    await api.close()
  }
}

const TEMPLATES = /* GraphQL */ `
  query PublishedTemplates($after: String) {
    templates(first: 100, after: $after) {
      nodes { id published { dataSchema } }
      pageInfo { hasNextPage endCursor }
    }
  }
`

interface Page {
  readonly templates: {
    readonly nodes: readonly { readonly id: string; readonly published: Pick<PublishedTemplate, 'dataSchema'> | null }[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
  }
}

async function readPublished(api: Api): Promise<readonly PublishedTemplate[]> {
  const found: PublishedTemplate[] = []
  for (let after: string | null = null; ; ) {
    const { templates }: Page = await api.call<Page>(TEMPLATES, { after })
    for (const { id, published } of templates.nodes) if (published !== null) found.push({ id, ...published })
    if (!templates.pageInfo.hasNextPage) return found
    after = templates.pageInfo.endCursor
  }
}
