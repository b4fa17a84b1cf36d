import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { type Environment, loadConfig } from '../config.ts'
import { type Api, createApi } from './api.ts'
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

async function findServer(env: Environment): Promise<{ readonly url: string; readonly key: string }> {
  const { http, adminKey, dataDir } = loadConfig(env)
  const host = http.host === '0.0.0.0' ? '127.0.0.1' : http.host
  const kept = () => readFile(join(dataDir, 'admin-key'), 'utf8').catch(() => '')
  const key = adminKey ?? (await kept()).trim()
  if (key === '') throw new Error('There is no API key: set CARILLON_ADMIN_KEY, and CARILLON_PUBLIC_URL to where the server is.')
  return { url: http.publicUrl ?? `http://${host}:${http.port}`, key }
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
