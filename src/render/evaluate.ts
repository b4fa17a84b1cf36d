import { type Named, NO_NAMED, type Place } from './functions/function.ts'
import { type Call, type Expression, keysOf, type NamedExpression, type Path, pathOf, type Root } from './program.ts'
import { type Frame, RenderRefusal, type TemplateContext } from './template.ts'
import { ownValue, textOf } from './value.ts'

const MAX_OUTPUT = 1024 * 1024
/** Of all texts of a message, as they are printed: loops repeat, and a snippet may be named many times, and name others. */
const MAX_STEPS = 500_000
/** So many characters that a function reads or makes cost a step. */
const STEP_CHARACTERS = 32
/** Of this thread, for all conditions together: those that loop are not counted in steps. */
const MAX_CONDITION_MS = 250

/** What all texts of a message have in common, and what is left of its limits. */
export interface Printing {
  readonly context: TemplateContext
  /** Whether a variable that leads nowhere is refused. */
  readonly isStrict: boolean
  readonly left: { characters: number; steps: number; conditionMs: number }
}

export const newPrinting = (context: TemplateContext, isStrict: boolean): Printing => ({
  context,
  isStrict,
  left: { characters: MAX_OUTPUT, steps: MAX_STEPS, conditionMs: MAX_CONDITION_MS },
})

/** What all of a text sees alike. */
export interface Text {
  readonly printing: Printing
  readonly frame: Frame
  /** Null: they are printed in place. */
  readonly values: string[] | null
  /** By `set`. */
  readonly variables: Map<string, unknown>
  /** The snippets that it is printed in. */
  readonly above: readonly string[]
}

/** Where in a text a step stands. parent: the context above, `../`. */
export interface Scope {
  readonly context: unknown
  readonly parent: Scope | null
  readonly names: Name | null
  readonly loop: Loop | null
}

/** A name that a block gave. parent: the one before it, of its own block or of those around. */
export interface Name {
  readonly value: unknown
  readonly parent: Name | null
}

export interface Loop {
  readonly index: number
  readonly key: string | number
  readonly first: boolean
  readonly last: boolean
  readonly parent: Loop | null
}

/** Pays for what is run. */
export function take({ left }: Printing, steps: number): void {
  left.steps -= steps
  if (left.steps < 0) throw new RenderRefusal(`The text takes more than ${MAX_STEPS.toLocaleString('en')} steps to print.`)
}

/** Pays for what is printed, before it is. */
export function spend({ left }: Printing, characters: number): void {
  left.characters -= characters
  if (left.characters < 0) throw new RenderRefusal(`The text is longer than ${MAX_OUTPUT.toLocaleString('en')} characters.`)
}

/** Runs a condition, whose time is paid for when it is known: each is ended by itself if it takes long. */
export function timed<T>({ left }: Printing, ask: () => T): T {
  const before = process.threadCpuUsage()
  const answer = ask()
  const { user, system } = process.threadCpuUsage(before)
  left.conditionMs -= (user + system) / 1_000
  if (left.conditionMs < 0) throw new RenderRefusal('The conditions of this document take too long on these values.')
  return answer
}

/** What is printed for a value. */
export function pieceOf(expression: Expression, scope: Scope, text: Text): string {
  const value = evaluate(expression, scope, text, text.printing.isStrict)
  if (value !== undefined || expression.kind !== 'call' || expression.name !== 'var') return textOf(value)
  return `{${nameOf(expression)}}`
}

/** strict: what leads nowhere is refused. */
export function evaluate(expression: Expression, scope: Scope, text: Text, strict: boolean): unknown {
  if (expression.kind === 'literal') return expression.value
  const value = expression.kind === 'call' ? call(expression, scope, text, strict) : follow(expression, scope, text)
  if (value === undefined && strict) throw new RenderRefusal(`Line ${expression.line}: '${nameOf(expression)}' leads nowhere.`)
  return value
}

/** What leads somewhere, as it was written; of a function that is given its path, the path. */
function nameOf(expression: Path | Call): string {
  if (expression.kind === 'path') return expression.text
  const [path] = expression.values
  return path?.kind === 'literal' ? textOf(path.value) : expression.name
}

export function namedIn(named: readonly NamedExpression[], scope: Scope, text: Text, strict: boolean): Named {
  return new Map(named.map(({ name, value }) => [name, evaluate(value, scope, text, strict)]))
}

function call({ callee, line, ...given }: Call, scope: Scope, text: Text, strict: boolean): unknown {
  take(text.printing, 1)
  const isAsked = strict && callee.isLenient !== true
  const values = given.values.map((one) => evaluate(one, scope, text, isAsked))
  const named = given.named.length === 0 ? NO_NAMED : namedIn(given.named, scope, text, isAsked)
  try {
    return callee.call(values, named, placeIn(text))
  } catch (error) {
    if (error instanceof RenderRefusal && error.message.startsWith("'")) throw new RenderRefusal(`Line ${line}: ${error.message}`)
    throw error
  }
}

const placeIn = (text: Text): Place => ({
  valueAt: (path) => valueAt(path, text),
  spend: (characters) => take(text.printing, Math.ceil(characters / STEP_CHARACTERS)),
})

/** What a path leads to from the top of a text, outside of its blocks. */
export function valueAt(path: string, text: Text): unknown {
  return follow(pathOf(keysOf(path), path, 1), topOf(text.printing), text)
}

export const topOf = ({ context }: Printing): Scope => ({ context: context.data, parent: null, names: null, loop: null })

function follow(path: Path, scope: Scope, text: Text): unknown {
  const { keys, depth } = path
  switch (path.from) {
    case 'plain':
      if (text.variables.has(keys[0]!)) return along(text.variables.get(keys[0]!), keys, 1)
      return fromRoot(path, scope.context, text)
    case 'top':
      return fromRoot(path, text.printing.context.data, text)
    case 'frame':
      return along(keys[0] === 'item' ? text.frame.item : text.frame.index, keys, 1)
    case 'context':
      return along(above(scope, depth)?.context, keys, 0)
    case 'name':
      return along(above(scope.names, depth)?.value, keys, 0)
    case 'loop':
      return ownValue(above(scope.loop, depth), keys[0]!)
  }
}

/** A root with a name behind it goes before what the context has by that name; alone, after it. */
function fromRoot({ root, keys }: Path, context: unknown, text: Text): unknown {
  if (root === null) return along(context, keys, 0)
  if (keys.length > 1) return along(rootValue(root, text), keys, 1)
  const own = ownValue(context, root)
  return own === undefined ? rootValue(root, text) : own
}

function rootValue(root: Root, { frame, printing: { context } }: Text): unknown {
  if (root === 'refs') return frame.refs
  if (root !== 'data') return context[root]
  const own = ownValue(context.data, 'data')
  return own === undefined ? context.data : own
}

function along(value: unknown, keys: readonly string[], from: number): unknown {
  let reached = value
  for (let at = from; at < keys.length && reached !== undefined; at += 1) reached = ownValue(reached, keys[at]!)
  return reached
}

function above<T extends { readonly parent: T | null }>(from: T | null, depth: number): T | null {
  let reached = from
  for (let left = depth; left > 0 && reached !== null; left -= 1) reached = reached.parent
  return reached
}
