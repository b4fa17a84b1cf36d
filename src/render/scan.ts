import { mark, RenderRefusal } from './template.ts'

const MAX_SOURCE = 256 * 1024
const MAX_TAG = 1_000
const MAX_NESTING = 50
export const MAX_NAMES = 5_000

export const hasTags = (source: string) => source.includes('{{')

/** A source as the parser may read it, and how many words it has in tags: at least as many as the parser sees. */
export interface Scanned {
  readonly text: string
  readonly names: number
}

/**
 * What the parser would take long to read is refused unread: its time grows with the square of how deep a text nests, and
 * with every word of a tag. Tags end here where they end for the parser. Comments reach it empty, since it copies all that
 * follows one that begins with dashes.
 *
 * @throws RenderRefusal beyond 262,144 characters, 5,000 words, 1,000 characters in a tag, blocks or brackets 50 deep
 */
export function scan(source: string): Scanned {
  if (source.length > MAX_SOURCE) {
    throw new RenderRefusal(`A template may have at most ${MAX_SOURCE.toLocaleString('en')} characters.`)
  }
  const pieces: string[] = []
  const open: OpenBlock[] = []
  let names = 0
  let from = 0
  for (const [at, tag] of tagsIn(source)) {
    names += tag.names
    if (names > MAX_NAMES) throw new RenderRefusal(`A template may have at most ${MAX_NAMES.toLocaleString('en')} names.`)
    pieces.push(source.slice(from, at), tag.text ?? source.slice(at, tag.end))
    if (tag.kind !== undefined) follow(open, tag.kind, source, at)
    from = tag.end
  }
  const last = open.pop()
  if (last) throw refusalAt(source, last.at, 'the block that begins here is never closed.')
  return { text: pieces.join('') + source.slice(from), names }
}

/**
 * A template that scan takes, as whoever reads markup is to see it: a mark where a value is printed. Blocks are read as if each
 * of their branches were there, and snippets as if they were empty.
 */
export function markTags(source: string): string {
  const pieces: string[] = []
  let from = 0
  for (const [at, tag] of tagsIn(source)) {
    pieces.push(source.slice(from, at), tag.markup)
    from = tag.end
  }
  return pieces.join('') + source.slice(from)
}

/** All tags, and braces that are plain text, with where each begins: a reading that goes over the source once. */
function* tagsIn(source: string): Generator<readonly [at: number, Tag]> {
  let end = 0
  for (let at = source.indexOf('{{'); at >= 0; at = source.indexOf('{{', end)) {
    const tag = isEscaped(source, at) ? { end: at + 2, names: 1, markup: '{{' } : readTag(source, at)
    yield [at, tag]
    end = tag.end
  }
}

interface Tag {
  /** Behind its closing braces. */
  readonly end: number
  readonly names: number
  /** What it is to blocks; undefined: nothing. */
  readonly kind?: 'opens' | 'chains' | 'closes'
  /** What stands there for whoever reads markup. */
  readonly markup: string
  /** For the parser, instead of what stands there. */
  readonly text?: string
}

/** links: how many `{{else if}}` it has; each nests in the one before. */
interface OpenBlock {
  readonly at: number
  links: number
}

/** Handlebars nests what follows an else with a condition in what it is an alternative to. */
function follow(open: OpenBlock[], kind: NonNullable<Tag['kind']>, source: string, at: number): void {
  if (kind === 'opens') open.push({ at, links: 0 })
  else if (open.length === 0) throw refusalAt(source, at, 'this closes, or is the alternative of, a block that is not open.')
  else if (kind === 'chains') open.at(-1)!.links += 1
  else open.pop()
  if (kind === 'closes') return
  if (open.reduce((sum, { links }) => sum + 1 + links, 0) > MAX_NESTING) {
    throw refusalAt(source, at, `blocks, and every else with a condition, nest at most ${MAX_NESTING} deep.`)
  }
}

/** One backslash makes braces plain text, two stand for one before a tag. */
const isEscaped = (source: string, at: number) => source[at - 1] === '\\' && source[at - 2] !== '\\'

function readTag(source: string, at: number): Tag {
  if (/^\{\{~?!/.test(source.slice(at, at + 4))) return readComment(source, at)
  const { end, names } = measure(source, at)
  const inner = source.slice(at + 2, end - 2).replace(/^~/, '')
  if (inner.startsWith('{{')) throw refusalAt(source, at, 'there are no raw blocks; write \\{{ for the braces themselves.')
  if (inner.startsWith('#>')) throw refusalAt(source, at, 'a snippet takes no block.')
  if (inner.startsWith('*') || inner.startsWith('#*')) throw refusalAt(source, at, 'decorators are not known here.')
  if (inner.startsWith('/')) return { end, names, markup: '', kind: 'closes' }
  if (inner.startsWith('#')) return { end, names, markup: '', kind: 'opens' }
  if (inner.startsWith('>')) return { end, names, markup: '' }
  const [, otherwise, rest] = /^(\^|\s*else\b)([\s\S]*)$/.exec(inner) ?? []
  if (otherwise === undefined) return { end: inner.startsWith('{') ? endOfThree(source, end) : end, names, markup: mark(0) }
  if (/^\s*~?$/.test(rest!)) return { end, names, markup: '' }
  return { end, names, markup: '', kind: otherwise === '^' ? 'opens' : 'chains' }
}

/** Of a tag that began with three braces: the third that closes it stands behind the two, unless a ~ stands between them. */
const endOfThree = (source: string, end: number) => (source[end] === '}' && source[end - 3] !== '~' ? end + 1 : end)

/** A comment without its words. What it strips and how many lines it takes stay. */
function readComment(source: string, at: number): Tag {
  const close = /^\{\{~?!--/.test(source.slice(at, at + 6)) ? /--~?\}\}/g : /\}\}/g
  close.lastIndex = at + 2
  if (!close.test(source)) throw refusalAt(source, at, 'the comment that begins here is never closed.')
  const end = close.lastIndex
  const comment = source.slice(at + 2, end - 2)
  const lines = comment.replace(/[^\r\n]+/g, '')
  return {
    end,
    names: 1,
    markup: '',
    text: `{{${comment.startsWith('~') ? '~' : ''}!${lines}${comment.endsWith('~') ? '~' : ''}}}`,
  }
}

/** Where a tag ends, and its words: a dot or a bracket may be one. Braces in texts and in [names] do not end it. */
function measure(source: string, at: number): { readonly end: number; readonly names: number } {
  const limit = at + 2 + MAX_TAG
  let names = 1
  let depth = 0
  for (let place = at + 2; place <= limit && place < source.length; place += 1) {
    const character = source[place]!
    if (character === '}' && source[place + 1] === '}') return { end: place + 2, names }
    if (character === '"' || character === "'" || character === '[') {
      place = closeOf(source, place, character === '[' ? ']' : character, limit)
    }
    if (character === '(') depth += 1
    if (character === ')') depth -= 1
    if (depth > MAX_NESTING) throw refusalAt(source, at, `brackets nest at most ${MAX_NESTING} deep.`)
    if (isWord(source, place, character)) names += 1
  }
  if (limit < source.length) throw refusalAt(source, at, `a tag may have at most ${MAX_TAG.toLocaleString('en')} characters.`)
  throw refusalAt(source, at, 'the tag that begins here is never closed.')
}

const isWord = (source: string, place: number, character: string) =>
  /\s/.test(character) ? !/\s/.test(source[place - 1]!) : './["\'(@=|'.includes(character)

/** To the parser no quote or ] behind a backslash closes anything. */
function closeOf(source: string, from: number, close: string, limit: number): number {
  for (let place = from + 1; place <= limit && place < source.length; place += 1) {
    if (source[place] === close && source[place - 1] !== '\\') return place
  }
  return limit
}

const refusalAt = (source: string, at: number, sentence: string) =>
  new RenderRefusal(`Line ${source.slice(0, at).split('\n').length}: ${sentence}`)
