import { type ASTNode, Environment, EvaluationError, type ParseResult } from '@marcbachmann/cel-js'
import { LRUCache } from 'lru-cache'
import { inTime, TooLong } from './in-time.ts'

/**
 * Conditions in the Common Expression Language (github.com/google/cel-spec), on what a message knows: `data`, `profile` and
 * `tenant`; those of a document's elements on `refs`, `item` and `index` as well, of which the last two are also written
 * `$.item` and `$.index`. They are its callers' own words, so they are bounded: no regular expressions, loops in loops no deeper than
 * two, sums that nothing doubles, and a loop or a sum that takes too long is ended.
 */

/** What a condition is asked about. tenant: its id, name and properties; null where the message has none. */
export interface ConditionFacts {
  readonly data: object
  readonly profile: object
  readonly tenant: object | null
}

/** And an element's. item, index: of the loop it stands in; refs: of the elements before it, by name. */
export interface ElementFacts {
  readonly data: unknown
  readonly profile: unknown
  readonly tenant: unknown
  readonly refs: object
  readonly item: unknown
  readonly index: number | null
}

/** because: a sentence that quotes the condition, never what it was asked about. */
export interface ConditionAnswer {
  readonly holds: boolean
  readonly because: string
}

const LONGEST = 1_000
const MOST_LOOPS = 2
const LIMITS = { maxAstNodes: 500, maxDepth: 32, maxListElements: 100, maxMapEntries: 100, maxCallArguments: 8 }

type Compiled = { readonly ask: ParseResult; readonly isTimed: boolean } | { readonly wrong: string }

/** What conditions of a place may name, and those that were read. */
interface Dialect {
  readonly variables: readonly string[]
  readonly cel: Environment
  readonly compiled: LRUCache<string, Compiled>
}

const ROUTES = dialectOf(['data', 'profile', 'tenant'])
const ELEMENTS = dialectOf(['data', 'profile', 'tenant', 'refs', 'item', 'index'])

function dialectOf(variables: readonly string[]): Dialect {
  const cel = withNumbers(new Environment({ homogeneousAggregateLiterals: false, limits: LIMITS }))
  for (const variable of variables) cel.registerVariable(variable, 'dyn')
  return { variables, cel, compiled: new LRUCache({ max: 1_000 }) }
}

/** JSON knows one kind of number, which is CEL's double; with its integers it goes together here, as a double. */
function withNumbers(environment: Environment): Environment {
  type Numeric = number | bigint
  const operators: readonly [string, (a: Numeric, b: Numeric) => number][] = [
    ['+', (a, b) => Number(a) + Number(b)],
    ['-', (a, b) => Number(a) - Number(b)],
    ['*', (a, b) => Number(a) * Number(b)],
    ['/', (a, b) => Number(a) / Number(b)],
    ['%', (a, b) => Number(a) % Number(b)],
  ]
  for (const [operator, calculate] of operators) {
    environment.registerOperator(`double ${operator} int: double`, calculate)
    environment.registerOperator(`int ${operator} double: double`, calculate)
  }
  return environment
    .registerOperator('double % double: double', (a: number, b: number) => a % b)
    .registerOperator('double == int', (a: Numeric, b: Numeric) => Number(a) === Number(b))
}

/** Null when the text is a condition that can be asked; otherwise the sentence that says what is wrong, and where. */
export function checkCondition(text: string): string | null {
  return complaintOf(text, ROUTES)
}

/** The same for an element's `if`. */
export function checkElementCondition(text: string): string | null {
  return complaintOf(plain(text), ELEMENTS)
}

function complaintOf(text: string, dialect: Dialect): string | null {
  const condition = compile(text, dialect)
  return 'wrong' in condition ? condition.wrong : null
}

/**
 * Whether a condition holds. What cannot be answered does not hold: what it names is missing, its result is not true or
 * false, its values do not go together. Never throws.
 */
export function evaluateCondition(text: string, { data, profile, tenant }: ConditionFacts): ConditionAnswer {
  return answer(text, ROUTES, { data: asMaps(data), profile: asMaps(profile), tenant: asMaps(tenant) })
}

/** The same for an element's `if`. */
export function evaluateElementCondition(text: string, { refs, item, index, ...facts }: ElementFacts): ConditionAnswer {
  // What was named grows while a document is shown, and so is converted each time.
  const named = new Map(Object.entries(refs).map(([name, ref]) => [name, asMaps(ref)]))
  const { data, profile, tenant } = facts
  return answer(plain(text), ELEMENTS, {
    ...{ data: asMaps(data), profile: asMaps(profile), tenant: asMaps(tenant) },
    ...{ refs: named, item: asMaps(item ?? null), index },
  })
}

/** `$.item` and `$.index` as names; what stands in quotes stays. Every character stays in its place. */
function plain(text: string): string {
  if (!text.includes('$.') || text.length > LONGEST) return text
  const pattern = /"""[\s\S]*?"""|'''[\s\S]*?'''|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\$\.(item|index)\b/g
  return text.replace(pattern, (all, name: string | undefined) => (name === undefined ? all : `  ${name}`))
}

function answer(text: string, dialect: Dialect, facts: Record<string, unknown>): ConditionAnswer {
  const condition = compile(text, dialect)
  if ('wrong' in condition) return { holds: false, because: condition.wrong }
  try {
    const result = condition.isTimed ? inTime(() => condition.ask(facts)) : condition.ask(facts)
    if (typeof result !== 'boolean') return { holds: false, because: `Its result is neither true nor false: ${text}` }
    return { holds: result, because: `${result ? 'It holds' : 'It does not hold'}: ${text}` }
  } catch (error) {
    // What was ended may have been left in the midst of a loop.
    if (error instanceof TooLong) dialect.compiled.delete(text)
    return { holds: false, because: reasonOf(error, text) }
  }
}

function compile(text: string, dialect: Dialect): Compiled {
  const known = dialect.compiled.get(text)
  if (known !== undefined) return known
  // Longer ones are not kept: the text is the key.
  if (text.length > LONGEST) return { wrong: `A condition has at most ${LONGEST.toLocaleString('en')} characters.` }
  const fresh = parse(text, dialect)
  dialect.compiled.set(text, fresh)
  return fresh
}

function parse(text: string, { cel, variables }: Dialect): Compiled {
  try {
    const ask = cel.parse(text)
    const refused = refuseCalls(ask.ast) ?? refuseSums(ask.ast)
    if (refused !== null) return { wrong: refused }
    const loops = loopsOf(ask.ast)
    if (loops > MOST_LOOPS) return { wrong: `A condition may loop in a loop, no deeper: ${MOST_LOOPS} levels.` }
    const { valid, type, error } = ask.check()
    if (!valid) return { wrong: placed(error, text, variables) }
    if (type !== 'bool' && type !== 'dyn') return { wrong: `A condition is true or false; this one is a ${type}.` }
    return { ask, isTimed: loops > 0 || adds(ask.ast) }
  } catch (error) {
    return { wrong: placed(error, text, variables) }
  }
}

/** The summary of the library, with its place: it speaks of the text alone, nothing was asked yet. */
function placed(error: unknown, text: string, variables: readonly string[]): string {
  const { summary, range, code } = error as Partial<EvaluationError>
  if (summary === undefined) return 'This is no condition.'
  const known = code === 'unknown_variable' ? `; there are ${variables.slice(0, -1).join(', ')} and ${variables.at(-1)}` : ''
  return `${summary.replaceAll(/\s+/g, ' ')}${known} (at character ${Math.min((range?.start ?? 0) + 1, text.length)}).`
}

// ── What is bounded ──────────────────────────────────────────────────────────

const LOOPS = ['all', 'exists', 'exists_one', 'map', 'filter']

/**
 * What takes for ever on some texts, or makes far more of them than they were: matches, and duration by an expression of its
 * own, look for patterns; indexOf and lastIndexOf for long texts; join and cel.bind multiply.
 */
const REFUSED: { readonly [name: string]: string } = {
  matches: "There are no regular expressions in conditions: 'matches' may not be called; contains, startsWith and endsWith may.",
  bind: "'cel.bind' may not be called in conditions.",
  duration: "'duration' may not be called in conditions.",
  timestamp: "'timestamp' may not be called in conditions; instants written alike (2026-01-31T00:00:00Z) compare as texts.",
  split: "'split' may not be called in conditions.",
  join: "'join' may not be called in conditions.",
  indexOf: "'indexOf' may not be called in conditions; contains, startsWith and endsWith may.",
  lastIndexOf: "'lastIndexOf' may not be called in conditions; contains, startsWith and endsWith may.",
}

function refuseCalls(node: ASTNode): string | null {
  const { name, given } = callOf(node)
  if (name !== null && Object.hasOwn(REFUSED, name)) return REFUSED[name]!
  // Looking for a long text takes as many steps as both are long, multiplied; one of a condition is short.
  if (name === 'contains' && given.some(({ op }) => op !== 'value')) return "'contains' looks for a text in quotes, nothing else."
  for (const child of childrenOf(node)) {
    const refused = refuseCalls(child)
    if (refused !== null) return refused
  }
  return null
}

/** A sum of lists or texts is copied by each loop over it and call of it: what is doubled in each of many fills the memory. */
function refuseSums(node: ASTNode): string | null {
  const { name, receiver, given } = callOf(node)
  const isLoop = receiver !== null && LOOPS.includes(name!)
  const taken = [...(receiver === null ? [] : [receiver]), ...(isLoop ? [] : given)]
  if (taken.some(adds)) return `'${name}' may not be called with a sum: what is added may be compared, and used as an index.`
  for (const child of childrenOf(node)) {
    const refused = refuseSums(child)
    if (refused !== null) return refused
  }
  return null
}

function adds(node: ASTNode): boolean {
  return node.op === '+' || childrenOf(node).some(adds)
}

/** How deep loops lie within each other. What a loop goes over is found once, before it. */
function loopsOf(node: ASTNode): number {
  const { name, receiver, given } = callOf(node)
  if (name === null || receiver === null || !LOOPS.includes(name)) return Math.max(0, ...childrenOf(node).map(loopsOf))
  return Math.max(loopsOf(receiver), 1 + Math.max(0, ...given.map(loopsOf)))
}

interface Called {
  /** Null where the node is no call. */
  readonly name: string | null
  readonly receiver: ASTNode | null
  readonly given: readonly ASTNode[]
}

function callOf({ op, args }: ASTNode): Called {
  if (op === 'call') return { name: args[0], receiver: null, given: args[1] }
  if (op === 'rcall') return { name: args[0], receiver: args[1], given: args[2] }
  return { name: null, receiver: null, given: [] }
}

function childrenOf({ args }: ASTNode): readonly ASTNode[] {
  const nodes = [args].flat(Number.POSITIVE_INFINITY) as readonly unknown[]
  return nodes.filter((one): one is ASTNode => typeof one === 'object' && one !== null && 'op' in one)
}

// ── What is asked about, and what it came to ─────────────────────────────────

const converted = new WeakMap<object, unknown>()

/** JSON as the library is asked about it: in a Map a key is nothing but a key, whatever its name (`constructor`). */
function asMaps(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value
  const known = converted.get(value)
  if (known !== undefined) return known
  const fresh = Array.isArray(value)
    ? value.map(asMaps)
    : new Map(Object.entries(value).map(([key, one]) => [key, asMaps(one)] as const))
  converted.set(value, fresh)
  return fresh
}

/** The library's own sentences are not given on: some quote what was asked about. */
function reasonOf(error: unknown, text: string): string {
  if (error instanceof TooLong) return `It takes too long on these values: ${text}`
  if (!(error instanceof EvaluationError)) return `It cannot be answered: ${text}`
  const quoted = quote(error, text)
  switch (error.code) {
    case 'no_such_key':
      return `${quoted} is missing: ${error.node?.op === '.' ? `has(${quoted})` : "'key' in map"} asks whether it is there.`
    case 'index_out_of_bounds':
      return `${quoted} is missing: the list is shorter.`
    case 'no_such_overload':
    case 'no_matching_overload':
    case 'invalid_logical_operand':
    case 'invalid_condition_type':
      return `What stands there does not go together: ${quoted}`
    default:
      return `It cannot be answered (${error.code.replaceAll('_', ' ')}): ${quoted}`
  }
}

function quote({ node, range }: EvaluationError, text: string): string {
  const start = node?.start ?? range?.start
  return start === undefined ? text : text.slice(start, node?.end ?? range?.end)
}
