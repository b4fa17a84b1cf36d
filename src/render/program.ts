import type { TemplateFunction } from './functions/function.ts'

/** A template as compile.ts reads it and printer.ts runs it: its steps, in order. */
export type Program = readonly Step[]

/** A text stands for itself. */
export type Step = string | Print | Set | If | Each | With | Snippet

export interface Print {
  readonly kind: 'print'
  readonly value: Expression
}

export interface Set {
  readonly kind: 'set'
  readonly name: string
  readonly value: Expression
}

/** includeZero: whether 0 counts as something. */
export interface If {
  readonly kind: 'if'
  readonly test: Expression
  readonly includeZero: Expression | null
  readonly isNegated: boolean
  readonly body: Program
  readonly otherwise: Program
}

export interface Each extends Over {
  readonly kind: 'each'
}

export interface With extends Over {
  readonly kind: 'with'
}

/** names: how many the body gives: to the value, and to its key. */
interface Over {
  readonly of: Expression
  readonly names: number
  readonly body: Program
  readonly otherwise: Program
}

/** context: null for the one it stands in. indent: what stands before a snippet that has its line to itself. */
export interface Snippet {
  readonly kind: 'snippet'
  readonly name: string
  readonly context: Expression | null
  readonly named: readonly NamedExpression[]
  readonly indent: string
  readonly line: number
}

export type Expression = Literal | Path | Call

export interface Literal {
  readonly kind: 'literal'
  readonly value: unknown
}

export interface Call {
  readonly kind: 'call'
  readonly name: string
  readonly callee: TemplateFunction
  readonly values: readonly Expression[]
  readonly named: readonly NamedExpression[]
  readonly line: number
}

export interface NamedExpression {
  readonly name: string
  readonly value: Expression
}

export interface Path {
  readonly kind: 'path'
  readonly from: Origin
  /** Of `from`. */
  readonly depth: number
  readonly keys: readonly string[]
  /** What the first key names where the context has nothing by that name, or where other keys follow it. */
  readonly root: Root | null
  /** As it was written. */
  readonly text: string
  readonly line: number
}

/**
 * Where a path begins. plain: at what was set, a root or the context. top: the same, above all blocks. frame: at `$`.
 * context: so many contexts up. name: at a name that a block gave, counted from the innermost. loop: so many loops up.
 */
export type Origin = 'plain' | 'top' | 'frame' | 'context' | 'name' | 'loop'

const ROOTS = ['data', 'profile', 'tenant', 'brand', 'urls', 'carillon', 'refs'] as const
export type Root = (typeof ROOTS)[number]

/** The path that keys are, outside of blocks: `$.a` is the same as `a`, but for `$.item` and `$.index`. */
export function pathOf(keys: readonly string[], text: string, line: number): Path {
  const isFrame = keys[0] === '$' && (keys[1] === 'item' || keys[1] === 'index')
  const from = isFrame ? 'frame' : keys[0] === '$' ? 'top' : 'plain'
  const rest = from === 'plain' ? keys : keys.slice(1)
  return { kind: 'path', from, depth: 0, keys: rest, root: rootOf(isFrame ? undefined : rest[0]), text, line }
}

export const rootOf = (key: string | undefined): Root | null => ROOTS.find((root) => root === key) ?? null

/** The keys of a path as a text: `a.b`, `a[0].b`, `a['b c'].d`. */
export function keysOf(path: string): readonly string[] {
  const keys = path.match(/[^.[\]'"]+|'[^']*'|"[^"]*"/g) ?? []
  return keys.map((key) => (/^['"]/.test(key) ? key.slice(1, -1) : key))
}
