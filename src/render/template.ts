import Handlebars from 'handlebars'
import { LRUCache } from 'lru-cache'

/** A text that cannot be rendered, or not within its limits. `message` is a sentence for whoever wrote it. It fails its message alone. */
export class RenderRefusal extends Error {
  override readonly name = 'RenderRefusal'
}

/** What a template may say. A template sees these values and nothing else. */
export interface TemplateContext {
  readonly data: unknown
  readonly profile: unknown
  readonly tenant: unknown
  readonly brand: unknown
  readonly urls: unknown
  /** By name. */
  readonly snippets: ReadonlyMap<string, string>
}

/** Names of snippets; 64 characters at most. */
export const SNIPPET_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

const MAX_SOURCE = 256 * 1024
const MAX_TAG = 1_000
const MAX_NAMES = 5_000
const MAX_OUTPUT = 1024 * 1024
/** Of all texts of a message, as they are printed: a snippet may be named many times, and name others many times. */
const MAX_STEPS = 50_000
const MAX_DEPTH = 5
const CACHED_BYTES = 16 * 1024 * 1024

/** The first name of a path that reads one of these; with no second name, and every other path, reads the data. */
const ROOTS = ['profile', 'tenant', 'brand', 'urls'] as const
type Root = (typeof ROOTS)[number] | 'data'

/** Names that the language has for itself: they are no variables, so that a text means the same once it has helpers. */
const RESERVED = new Set(['if', 'unless', 'each', 'with', 'lookup', 'log', 'helperMissing', 'blockHelperMissing'])

/** Text as it stands, a variable, or a snippet; indent: what stands before a snippet that has its line to itself. */
type Step =
  | string
  | { readonly root: Root; readonly keys: readonly string[] }
  | { readonly snippet: string; readonly indent: string }

const compiled = new LRUCache<string, readonly Step[]>({
  maxSize: CACHED_BYTES,
  sizeCalculation: (steps, source) => 4 * source.length + 128 * steps.length,
})

/**
 * Null where a source is a template, otherwise a sentence that names its line. Templates are a part of Handlebars:
 * `{{a.b.0}}`, which `{{{a}}}` and `{{&a}}` are other words for, comments, and `{{> snippet}}`. Everything else of the
 * language is refused. At most 262,144 characters and 5,000 names, and 1,000 characters in a tag that is no comment.
 */
export function checkTemplate(source: string): string | null {
  return complaintOf(() => compile(source))
}

/** Checks templates that are kept together, like a brand's: each as checkTemplate does, and all of them may hold 5,000 names. */
export function createChecker(): (source: string) => string | null {
  let names = 0
  return (source) =>
    complaintOf(() => {
      if (hasTags(source)) names += scan(source).names
      if (names > MAX_NAMES)
        throw new RenderRefusal(`All texts together may have at most ${MAX_NAMES.toLocaleString('en')} names.`)
      compile(source)
    })
}

/** Null where a brand's snippets, by name, are templates that do not bring in themselves, nor nest deeper than 5; otherwise a sentence. */
export function checkSnippets(snippets: ReadonlyMap<string, string>): string | null {
  const depths = new Map<string, number>()
  const depthOf = (name: string, above: readonly string[]): number => {
    if (above.includes(name)) throw new RenderRefusal(`Snippets must not bring in themselves: ${[...above, name].join(' > ')}.`)
    const known = depths.get(name)
    if (known !== undefined) return known
    const inner = snippetNames(compile(snippets.get(name) ?? '')).map((one) => depthOf(one, [...above, name]))
    const depth = 1 + Math.max(0, ...inner)
    if (depth > MAX_DEPTH) throw new RenderRefusal(`The snippet '${name}' brings in others more than ${MAX_DEPTH} levels deep.`)
    depths.set(name, depth)
    return depth
  }
  return complaintOf(() => {
    for (const name of snippets.keys()) depthOf(name, [])
  })
}

/** Where a template stands: in a loop, and behind elements that are known by name. */
export interface Frame {
  /** `$.item` and `$.index`; undefined and null outside of loops. */
  readonly item: unknown
  readonly index: number | null
  /** By name: whether the element was shown, and its own texts. */
  readonly refs: Readonly<Record<string, { readonly visible: boolean }>>
}

export const NO_FRAME: Frame = { item: undefined, index: null, refs: {} }

/** A text whose values are left out: `mark(n)` stands where the n-th goes. So markup is read without them, and they are never markup. */
export interface Marked {
  readonly text: string
  readonly values: readonly string[]
}

/** Two characters that no text of ours has (of the private use area; they are taken out of sources) around a number. */
export const mark = (index: number) => `\ue000${index}\ue001`
export const MARKS = /\ue000(\d+)\ue001/g

export interface Printer {
  /** Plain text: nothing is escaped. */
  print(source: string, frame?: Frame): string
  mark(source: string, frame?: Frame): Marked
  /** What a path like `data.items` or `$.item.lines` leads to; undefined for nowhere. */
  valueAt(path: string, frame?: Frame): unknown
  /** Whether an element's condition (condition.ts) holds. */
  holds(condition: string, frame?: Frame): boolean
}

/**
 * Prints templates of one message: their limits hold for all of them together. Values are never read as templates. A name
 * that leads nowhere, null, and a snippet that is not there print nothing; a list or an object prints as JSON.
 *
 * @throws RenderRefusal for what is no template, beyond 1,048,576 characters, 50,000 parts, and snippets nested 5 deep
 */
export function createPrinter(context: TemplateContext): Printer {
  const left = { characters: MAX_OUTPUT, steps: MAX_STEPS }

  function spend(characters: number): void {
    left.characters -= characters
    if (left.characters < 0) throw new RenderRefusal(`The text is longer than ${MAX_OUTPUT.toLocaleString('en')} characters.`)
  }

  function print(source: string, above: readonly string[], values: string[] | null): string {
    let text = ''
    for (const step of compile(source)) {
      left.steps -= 1
      if (left.steps < 0) throw new RenderRefusal(`The text is made of more than ${MAX_STEPS.toLocaleString('en')} parts.`)
      if (typeof step === 'object' && 'snippet' in step) {
        text += indented(bring(step.snippet, above, values), step.indent)
        continue
      }
      const piece = typeof step === 'string' ? step : textOf(valueAt(context[step.root], step.keys))
      spend(piece.length)
      if (typeof step === 'string' || values === null) text += piece
      else text += mark(values.push(piece) - 1)
    }
    return text
  }

  function bring(name: string, above: readonly string[], values: string[] | null): string {
    const source = context.snippets.get(name)
    if (source === undefined) return ''
    const path = [...above, name]
    if (path.length > MAX_DEPTH) throw new RenderRefusal(`Snippets nest deeper than ${MAX_DEPTH}: ${path.join(' > ')}.`)
    return print(source, path, values)
  }

  /** Every line but an empty last one. Paid for before it is made: a long indent before many lines is more than both. */
  function indented(text: string, indent: string): string {
    if (indent === '' || text === '') return text
    const lines = text.split('\n')
    const end = lines.at(-1) === '' ? lines.pop() : undefined
    spend(indent.length * lines.length)
    return lines.map((line) => indent + line).join('\n') + (end === undefined ? '' : '\n')
  }

  return {
    print: (source) => (hasTags(source) ? print(source, [], null) : source),
    mark(source) {
      const values: string[] = []
      const text = hasTags(source) ? print(source, [], values) : source
      return { text, values }
    },
    valueAt: (path) => valueAt(context.data, path.split('.')),
    holds: () => true,
  }
}

/** Own properties only: what an object inherits is no data. */
function valueAt(root: unknown, keys: readonly string[]): unknown {
  let value = root
  for (const key of keys) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return null
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

function textOf(value: unknown): string {
  if (value == null) return ''
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

function complaintOf(check: () => unknown): string | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof RenderRefusal) return error.message
    throw error
  }
}

const hasTags = (source: string) => source.includes('{{')

const snippetNames = (steps: readonly Step[]) =>
  steps.flatMap((step) => (typeof step === 'object' && 'snippet' in step ? [step.snippet] : []))

/**
 * A source as steps, remembered. Handlebars reads it and we print it: its compiled code could not be stopped at a limit, and
 * takes ten times as long to make.
 */
function compile(source: string): readonly Step[] {
  if (typeof source !== 'string') throw new RenderRefusal('A template is a text.')
  if (!hasTags(source)) return source === '' ? [] : [source]
  const known = compiled.get(source)
  if (known) return known
  const steps = parse(scan(source).text).body.map(stepOf)
  const kept = steps.filter((step) => step !== '')
  compiled.set(source, kept)
  return kept
}

/**
 * What the parser would take long to read is refused unread: its time grows with the square of how deep a text nests, and
 * with every word of a tag. So no tag reaches it that opens a block or a bracket, or that only seems to end where we see its
 * end; and comments reach it empty, since it copies all that follows one that begins with dashes.
 */
function scan(source: string): { readonly text: string; readonly names: number } {
  if (source.length > MAX_SOURCE) {
    throw new RenderRefusal(`A template may have at most ${MAX_SOURCE.toLocaleString('en')} characters.`)
  }
  const pieces: string[] = []
  let names = 0
  let from = 0
  for (let at = source.indexOf('{{'); at >= 0; at = source.indexOf('{{', from)) {
    const end = isEscaped(source, at) ? at + 2 : tagEnd(source, at)
    const tag = source.slice(at + 2, end - 2)
    const isComment = /^~?!/.test(tag)
    const refused = isComment ? null : refusedTag(tag)
    if (refused !== null) throw refusalAt(source, at, refused)
    names += isComment ? 1 : namesIn(tag)
    if (names > MAX_NAMES) throw new RenderRefusal(`A template may have at most ${MAX_NAMES.toLocaleString('en')} names.`)
    pieces.push(source.slice(from, at), isComment ? emptied(tag) : source.slice(at, end))
    from = end
  }
  return { text: pieces.join('') + source.slice(from), names }
}

/** A comment without its words. What it strips and how many lines it takes stay. */
const emptied = (comment: string) =>
  `{{${comment.startsWith('~') ? '~' : ''}!${comment.replace(/[^\r\n]+/g, '')}${comment.endsWith('~') ? '~' : ''}}}`

/** At least as many as the parser sees words: a dot or a bracket may stand for one of its own. */
const namesIn = (tag: string) => 1 + (tag.match(/\s+|[./[@]/g)?.length ?? 0)

/** One backslash makes braces plain text, two stand for one before a tag. */
const isEscaped = (source: string, at: number) => source[at - 1] === '\\' && source[at - 2] !== '\\'

/** Behind the braces that close the tag at `at`. */
function tagEnd(source: string, at: number): number {
  const close = /^\{\{~?!--/.test(source.slice(at, at + 6)) ? /--~?\}\}/g : /\}\}/g
  close.lastIndex = at + 2
  if (!close.test(source)) throw refusalAt(source, at, 'the tag that begins here is never closed.')
  return close.lastIndex
}

function refusedTag(tag: string): string | null {
  if (tag.length > MAX_TAG) return `a tag may have at most ${MAX_TAG.toLocaleString('en')} characters.`
  const kind = tag.replace(/^~/, '')
  if (/^[#^/*]|^\s*else\b/.test(kind) || kind.startsWith('{{'))
    return `{{${cut(kind)}}} is a block; texts have variables and snippets only.`
  if (/["'(]/.test(tag)) return 'a tag holds one name: helpers with arguments, texts and brackets are not known here.'
  if (endsInBracket(tag)) return 'the [ in this tag is not closed before the tag ends.'
  return null
}

/** To the parser `\]` closes nothing: it would look for another ] behind the tag. */
function endsInBracket(tag: string): boolean {
  let open = false
  for (let at = 0; at < tag.length; at += 1) {
    if (!open) open = tag[at] === '['
    else if (tag[at] === ']' && tag[at - 1] !== '\\') open = false
  }
  return open
}

function parse(source: string): hbs.AST.Program {
  try {
    return Handlebars.parse(source)
  } catch (error) {
    const line = /on line (\d+)/.exec((error as Error).message)?.[1] ?? '1'
    throw new RenderRefusal(
      `Line ${line}: {{ and }} must hold one name, like {{profile.name}}; write \\{{ for the braces themselves.`,
    )
  }
}

function stepOf(node: hbs.AST.Statement): Step {
  switch (node.type) {
    case 'ContentStatement':
      return (node as hbs.AST.ContentStatement).value
    case 'CommentStatement':
      return ''
    case 'MustacheStatement':
      return variable(node as hbs.AST.MustacheStatement)
    case 'PartialStatement':
      return snippet(node as hbs.AST.PartialStatement)
    default:
      throw refusalOf(node, `${node.type} is not known here; texts have variables and snippets only.`)
  }
}

function variable(node: hbs.AST.MustacheStatement): Step {
  const path = node.path as hbs.AST.PathExpression
  const name = `'${cut(String(path.original))}'`
  if (node.params.length > 0 || node.hash) throw refusalOf(node, `${name} is given arguments; helpers are not known here.`)
  if (path.type !== 'PathExpression') throw refusalOf(node, `${name} is not a name.`)
  const { parts, original } = path
  if (path.data || path.depth > 0 || parts.length === 0 || /^(?:this\b|\.)/.test(original)) {
    throw refusalOf(node, `${name} does not begin with a name of the data, profile, tenant, brand or urls.`)
  }
  if (parts.length === 1 && RESERVED.has(parts[0]!)) throw refusalOf(node, `${name} is a word of the language, not a name.`)
  const root = ROOTS.find((one) => one === parts[0])
  return root !== undefined && parts.length > 1 ? { root, keys: parts.slice(1) } : { root: 'data', keys: parts }
}

function snippet(node: hbs.AST.PartialStatement): Step {
  const path = node.name as hbs.AST.PathExpression
  if (node.params.length > 0 || node.hash) throw refusalOf(node, 'a snippet takes no arguments.')
  if (path.type !== 'PathExpression' || path.data || path.depth > 0 || !SNIPPET_NAME.test(path.original)) {
    throw refusalOf(node, 'a snippet is named as it is: {{> name}}.')
  }
  return { snippet: path.original, indent: (node as { indent?: string }).indent ?? '' }
}

const cut = (text: string) => (text.length <= 40 ? text : `${text.slice(0, 40)}…`)

const refusalOf = (node: hbs.AST.Node, sentence: string) => new RenderRefusal(`Line ${node.loc.start.line}: ${sentence}`)

const refusalAt = (source: string, at: number, sentence: string) =>
  new RenderRefusal(`Line ${source.slice(0, at).split('\n').length}: ${sentence}`)
