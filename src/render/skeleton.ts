import { LRUCache } from 'lru-cache'
import { type Piece, scanHtml } from './html.ts'
import { SLOTS } from './layout.ts'
import { compileMjml } from './mjml.ts'

/** A compiled layout: HTML that stands as it is, places of values of the brand's own layout, texts, and parts that are shown or not. */
export type Part = Piece | { readonly text: string } | { readonly opened: string; readonly parts: readonly Part[] }

const compiled = new LRUCache<string, Promise<readonly Part[]>>({
  max: 500,
  maxSize: 32 * 1024 * 1024,
  sizeCalculation: (_parts, source) => 10 * source.length + 1,
})

/**
 * The skeleton of all mails of one layout. isAuthors: some of it is not ours. Remembered by what it is made of, so that documents that differ in their words
 * alone have one.
 *
 * @throws RenderRefusal for what is no MJML, and a value where none may stand
 */
export function skeletonOf(source: string, isAuthors: boolean): Promise<readonly Part[]> {
  const known = compiled.get(source)
  if (known !== undefined) return known
  const fresh = compileMjml(source, isAuthors).then((html) => nested(scanHtml(html).flatMap(parted)))
  compiled.set(source, fresh)
  fresh.catch(() => compiled.delete(source))
  return fresh
}

function parted(piece: Piece): readonly (Piece | { readonly text: string })[] {
  if (typeof piece === 'string') {
    const texts = piece.split(SLOTS).map((text, index) => (index % 2 === 1 ? { text } : text))
    return texts.filter((text) => text !== '')
  }
  // A link of ours: its address is a slot, which is put in as it is.
  const [only] = piece.parts
  return typeof only === 'string' && SLOTS.test(only) ? parted(only) : [piece]
}

function nested(flat: readonly (Piece | { readonly text: string })[]): readonly Part[] {
  const top: Part[] = []
  const open = [top]
  for (const part of flat) {
    if (typeof part === 'string' || 'place' in part) {
      open.at(-1)!.push(part)
    } else if (part.text === '-') {
      open.pop()
    } else if (part.text.startsWith('+')) {
      const parts: Part[] = []
      open.at(-1)!.push({ opened: part.text.slice(1), parts })
      open.push(parts)
    } else {
      open.at(-1)!.push(part)
    }
  }
  return top
}
