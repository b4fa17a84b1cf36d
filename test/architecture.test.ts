import { readdirSync, readFileSync } from 'node:fs'
import { join, posix, relative } from 'node:path'
import { describe, expect, test } from 'vitest'

const SOURCE = new URL('../src/', import.meta.url).pathname

/** What each room may import of ours: files by name, whole rooms with a slash at the end, `types:` only as types. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'errors.ts': [],
  'config.ts': [],
  'secrets.ts': [],
  'observe.ts': [],
  channels: [],
  render: ['channels/provider.ts', 'channels/one-line.ts', 'channels/chat-escape.ts'],
  store: ['generated/'],
  log: ['store/', 'types:generated/tables.ts'],
  queue: ['store/'],
  domain: [
    'store/',
    'log/append.ts',
    'types:log/event.ts',
    'queue/kinds.ts',
    'queue/enqueue.ts',
    'queue/hold.ts',
    'render/',
    'channels/provider.ts',
    'channels/address.ts',
    'channels/one-line.ts',
    'channels/chat-address.ts',
    'types:generated/tables.ts',
  ],
  delivery: [
    'domain/',
    'store/',
    'log/append.ts',
    'types:log/event.ts',
    'queue/',
    'render/',
    'channels/provider.ts',
    // Pure: how a webhook is signed, and what an HTTP answer says.
    'channels/webhook-signature.ts',
    'channels/answer.ts',
    'types:generated/tables.ts',
  ],
  graphql: ['domain/', 'types:log/', 'store/*.read.ts', 'types:store/', 'types:channels/provider.ts', 'generated/'],
  server: ['graphql/', 'domain/', 'types:log/', 'types:channels/provider.ts'],
  cli: ['config.ts'],
  // Pure: what an HTTP answer says.
  'cli/api.ts': ['channels/answer.ts'],
  'cli/doctor.ts': ['config.ts', 'store/'],
  // A part of the composition root.
  'built-in.ts': ['config.ts', 'channels/', 'domain/', 'server/mail.ts', 'store/', 'teardown.ts'],
  'main.ts': ['app.ts', 'config.ts'],
}
/** May be imported by every room. */
const FOR_EVERYONE = ['errors.ts', 'secrets.ts', 'observe.ts']
/** They construct everything and name the drivers, so nothing limits them. */
const COMPOSITION_ROOT = ['app.ts', 'front.ts', 'house.ts', 'worker.ts']
/** One of several that do the same in a different place: which of them is the composition root's choice. */
const DRIVERS = [
  'log/memory.ts',
  'log/redis.ts',
  'server/rate-memory.ts',
  'server/rate-redis.ts',
  'store/embedded.ts',
  'channels/index.ts',
  'channels/http.ts',
]
/** They stand at the front door, where the environment is read. */
const MAY_READ_ENVIRONMENT = ['main.ts', 'cli/carillon.ts']

const MAX_FILE_LINES = 400
const MAX_FUNCTION_LINES = 50
/** `file#function`, each better whole: a list of steps in order, say. */
const LONG_FUNCTIONS: readonly string[] = ['app.ts#startApp']

interface Import {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const files = readdirSync(SOURCE, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(SOURCE, join(entry.parentPath, entry.name)))
  .filter((path) => !path.startsWith('generated/'))
  .sort()
const text = new Map(files.map((path) => [path, withoutComments(readFileSync(join(SOURCE, path), 'utf8'))]))
const imports = files.flatMap(importsOf)

describe('The rooms', () => {
  test('import of each other only what the plan of the house allows', () => {
    expect(imports.filter((one) => !isAllowed(one)).map(show)).toEqual([])
  })

  test('leave the choice of a driver to the composition root', () => {
    const chosen = imports.filter(
      ({ from, to }) => DRIVERS.includes(to) && !COMPOSITION_ROOT.includes(from) && roomOf(from) !== roomOf(to),
    )
    expect(chosen.map(show)).toEqual([])
  })

  test('have no circle of imports between files', () => {
    expect(findCircle()).toBeNull()
  })

  test('know the configuration from main, app and the command line alone', () => {
    const readers = imports.filter(({ to }) => to === 'config.ts').map(({ from }) => from)
    expect(
      readers.filter((from) => !['app', 'built-in', 'front', 'house', 'main', 'cli'].includes(roomOf(from).replace('.ts', ''))),
    ).toEqual([])
  })

  test('read the environment at the front door alone', () => {
    const readers = files.filter((path) => /\bprocess\s*\.\s*env\b/.test(text.get(path)!))
    expect(readers.filter((path) => !MAY_READ_ENVIRONMENT.includes(path))).toEqual([])
  })

  test('have no drawers and no barrels', () => {
    const drawers = files.filter((path) => /(^|[/.-])(utils?|helpers?|common|services?|misc)([/.-]|$)/.test(path))
    expect(drawers).toEqual([])
    const barrels = files.filter((path) => /^export\s+(type\s+)?(\*|\{[^}]*\})\s*(as \w+ )?from\s/m.test(text.get(path)!))
    expect(barrels).toEqual([])
  })
})

describe('A file', () => {
  test(`has at most ${MAX_FILE_LINES} lines`, () => {
    expect(files.filter((path) => lineCount(text.get(path)!) > MAX_FILE_LINES)).toEqual([])
  })

  test(`has functions of at most ${MAX_FUNCTION_LINES} lines`, () => {
    const long = files.flatMap((path) => longFunctions(path, text.get(path)!))
    expect(long.filter((name) => !LONG_FUNCTIONS.includes(name.split(' ')[0]!))).toEqual([])
    const names = long.map((name) => name.split(' ')[0])
    expect(LONG_FUNCTIONS.filter((name) => !names.includes(name))).toEqual([])
  })
})

function importsOf(from: string): Import[] {
  const source = text.get(from)!
  const statements = source.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?'(\.[^']+)'/gm)
  const dynamic = source.matchAll(/\bimport\((type\s+)?'(\.[^']+)'\)/g)
  return [...statements, ...dynamic]
    .map(([, type, specifier]) => ({
      from,
      to: posix.join(posix.dirname(from), specifier!),
      typeOnly: type !== undefined,
    }))
    .filter(({ to }) => to.endsWith('.ts'))
}

function roomOf(path: string): string {
  return path.split('/')[0]!
}

function isAllowed({ from, to, typeOnly }: Import): boolean {
  if (COMPOSITION_ROOT.includes(from) || roomOf(from) === roomOf(to) || FOR_EVERYONE.includes(to)) return true
  const allowed = MAY_IMPORT[from] ?? MAY_IMPORT[roomOf(from)] ?? []
  return allowed.some((entry) => {
    const pattern = entry.replace(/^types:/, '')
    return (typeOnly || pattern === entry) && matches(to, pattern)
  })
}

function matches(path: string, pattern: string): boolean {
  if (pattern.endsWith('/')) return path.startsWith(pattern)
  const [before, after] = pattern.split('*')
  return after === undefined ? path === pattern : path.startsWith(before!) && path.endsWith(after)
}

function show({ from, to, typeOnly }: Import): string {
  return `${from} imports ${typeOnly ? 'types of ' : ''}${to}`
}

/** Of imports that are there at run time; types make no circle. */
function findCircle(): string | null {
  const next = Map.groupBy(
    imports.filter(({ typeOnly }) => !typeOnly),
    ({ from }) => from,
  )
  const done = new Set<string>()
  const visit = (path: string, way: readonly string[]): string | null => {
    if (way.includes(path)) return [...way.slice(way.indexOf(path)), path].join(' → ')
    if (done.has(path)) return null
    for (const { to } of next.get(path) ?? []) {
      const circle = visit(to, [...way, path])
      if (circle !== null) return circle
    }
    done.add(path)
    return null
  }
  for (const path of files) {
    const circle = visit(path, [])
    if (circle !== null) return circle
  }
  return null
}

/** Comments become empty, so that what they name is nobody's import; every line stays where it is. */
function withoutComments(source: string): string {
  return source.replace(/^\s*\/\*[\s\S]*?\*\//gm, (comment) => comment.replace(/.+/g, '')).replace(/^\s*\/\/.*/gm, '')
}

function lineCount(source: string): number {
  return source.trimEnd().split('\n').length
}

interface Span {
  readonly name: string
  readonly start: number
  readonly end: number
}

/**
 * `file#function lines` of each that is too long. What is counted is what a function says itself: those inside it, which a
 * factory hands out, are counted for themselves.
 */
function longFunctions(path: string, source: string): string[] {
  const spans = functionsOf(source.split('\n'))
  return spans.flatMap((span) => {
    const inner = spans.filter(({ start, end }) => start > span.start && end <= span.end)
    const direct = inner.filter((one) => !inner.some((other) => other.start < one.start && one.end <= other.end))
    const own = lengthOf(span) - direct.reduce((sum, one) => sum + lengthOf(one), 0)
    return own > MAX_FUNCTION_LINES ? [`${path}#${span.name} ${own}`] : []
  })
}

function lengthOf({ start, end }: Span): number {
  return end - start + 1
}

/** The formatter closes a function at the indentation it was opened at, so lines tell where it ends. */
function functionsOf(lines: readonly string[]): Span[] {
  return lines.flatMap((line, start) => {
    const name = openedFunction(line)
    if (name === null) return []
    const closing = new RegExp(`^${/^ */.exec(line)![0]}\\}(?!.*\\{$)`)
    const end = lines.findIndex((other, index) => index > start && closing.test(other))
    return end < 0 ? [] : [{ name, start, end }]
  })
}

function openedFunction(line: string): string | null {
  const named = /^\s*(?:export )?(?:default )?(?:async )?function\*? ?(\w+)/.exec(line)
  const method = /^\s+(?:static )?(?:async )?\*?(#?\w+)\(.*\{$/.exec(line)
  const arrow = /^\s*(?:export )?(?:const |let )?(\w+)(?: =|:).*=> \{$/.exec(line)
  const name = named?.[1] ?? arrow?.[1] ?? method?.[1] ?? null
  return name !== null && ['if', 'for', 'while', 'switch', 'catch'].includes(name) ? null : name
}
