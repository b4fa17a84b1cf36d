import { LRUCache } from 'lru-cache'
import type { RenderedBrand } from './brand.ts'
import { type Audience, type Document, localesFrom, type Node, plainLocale, resolveDocument } from './document.ts'
import type { Content } from './element.ts'
import type { RenderJob } from './job.ts'

/** What jobs of one template and brand have in common, which is read once. */

const CACHED_BYTES = 32 * 1024 * 1024
const NODE_BYTES = 512

/** id: of this reading, so that documents need not be remembered by so long a text. */
interface Parsed {
  readonly id: number
  readonly content: Content
  readonly readers: Readers
}

/** What a content tells its readers apart by. */
interface Readers {
  /** Of channels, kinds of providers, and accounts. */
  readonly names: ReadonlySet<string>
  /** As `plainLocale` writes them. */
  readonly locales: ReadonlySet<string>
}

const contents = new LRUCache<string, Parsed>({ maxSize: CACHED_BYTES, sizeCalculation: (_parsed, text) => 16 * text.length + 1 })
const documents = new LRUCache<string, Document>({
  maxSize: CACHED_BYTES,
  sizeCalculation: ({ nodes, refs }, key) => NODE_BYTES * (1 + count(nodes)) + 16 * refs.length + key.length,
})
const brands = new LRUCache<string, RenderedBrand>({
  maxSize: CACHED_BYTES,
  sizeCalculation: (_brand, text) => 4 * text.length + 1,
})

const count = (nodes: readonly Node[]): number => nodes.reduce((sum, node) => sum + 1 + count(node.nodes), 0)

let readings = 0

/** A job's document as its reader sees it: the same object for all readers whom the document does not tell apart. */
export function documentOf({ document, channel, provider, locale }: RenderJob): Document {
  const { id, content, readers } = memoised(contents, document, () => {
    const parsed = JSON.parse(document) as Content
    readings += 1
    return { id: readings, content: parsed, readers: readersIn(parsed) }
  })
  const audience: Audience = { channel, provider, locale }
  return memoised(documents, `${id} ${seenAs(audience, readers)}`, () => resolveDocument(content, audience))
}

/** Alike for all whom a content shows the same: there are as many accounts and locales as anybody cares to name. */
function seenAs({ channel, provider, locale }: Audience, { names, locales }: Readers): string {
  const named = [provider?.id, provider?.kind].map((name) => (name !== undefined && names.has(name) ? name : null))
  const translation = locale === null ? undefined : localesFrom(locale).find((one) => locales.has(one))
  return JSON.stringify([channel, ...named, translation])
}

function readersIn({ elements = [] }: Content): Readers {
  const names = new Set<string>()
  const locales = new Set<string>()
  const walk = (listed: readonly Listed[]) => {
    for (const element of listed) {
      for (const name of element.channels ?? []) names.add(name)
      if (element.channel !== undefined) names.add(element.channel)
      for (const locale of Object.keys(element.locales ?? {})) locales.add(plainLocale(locale))
      walk(element.elements ?? [])
    }
  }
  walk(elements as readonly Listed[])
  return { names, locales }
}

/** What any element may have. */
interface Listed {
  readonly channels?: readonly string[]
  readonly channel?: string
  readonly locales?: object
  readonly elements?: readonly Listed[]
}

export function brandOf(text: string): RenderedBrand {
  return memoised(brands, text, () => {
    const brand = JSON.parse(text) as Omit<RenderedBrand, 'snippets'> & { readonly snippets: Readonly<Record<string, string>> }
    return { ...brand, snippets: new Map(Object.entries(brand.snippets)) }
  })
}

function memoised<T extends object>(cache: LRUCache<string, T>, key: string, make: () => T): T {
  const known = cache.get(key)
  if (known !== undefined) return known
  const fresh = make()
  cache.set(key, fresh)
  return fresh
}
