import { compile } from './compile.ts'
import { evaluateElementCondition } from './condition.ts'
import {
  evaluate,
  type Name,
  namedIn,
  newPrinting,
  type Printing,
  pieceOf,
  type Scope,
  spend,
  type Text,
  take,
  timed,
  topOf,
  valueAt,
} from './evaluate.ts'
import type { MissingVariable } from './job.ts'
import type { Each, If, Program, Snippet, With } from './program.ts'
import { type Frame, mark, NO_FRAME, type Printer, RenderRefusal, type TemplateContext } from './template.ts'
import { MAX_SNIPPETS } from './template-check.ts'
import { isEmpty } from './value.ts'

/** What an element's condition costs. */
const CONDITION_STEPS = 50

/**
 * Prints templates of one message: their limits hold for all of them together. Values are never read as templates. Null,
 * and a snippet that is not there, print nothing; a list or an object prints as JSON. A variable that leads nowhere prints
 * nothing, or is refused by its name where `onMissing` is FAIL, as is a snippet that is not there; one that a block or `default` asks about is no such variable.
 *
 * @throws RenderRefusal for what is no template, beyond 1,048,576 characters, 500,000 steps, and snippets nested 5 deep
 */
export function createPrinter(context: TemplateContext, { onMissing = 'EMPTY' }: { onMissing?: MissingVariable } = {}): Printer {
  const printing = newPrinting(context, onMissing === 'FAIL')
  return {
    print: (source, frame = NO_FRAME) => run(compile(source), topOf(printing), textIn(printing, frame, null)),
    mark(source, frame = NO_FRAME) {
      const values: string[] = []
      return { text: run(compile(source), topOf(printing), textIn(printing, frame, values)), values }
    },
    valueAt(path, frame = NO_FRAME) {
      take(printing, 1)
      return valueAt(path, textIn(printing, frame, null))
    },
    holds(condition, { item, index, refs } = NO_FRAME) {
      take(printing, CONDITION_STEPS)
      const { data, profile, tenant } = context
      const facts = { data, profile, tenant, item, index, refs }
      return timed(printing, () => evaluateElementCondition(condition, facts).holds)
    },
  }
}

const textIn = (printing: Printing, frame: Frame, values: string[] | null): Text => ({
  printing,
  frame,
  values,
  variables: new Map(),
  above: [],
})

function run(program: Program, scope: Scope, text: Text): string {
  const { printing, values } = text
  let printed = ''
  for (const step of program) {
    take(printing, 1)
    if (typeof step === 'string') {
      spend(printing, step.length)
      printed += step
    } else if (step.kind === 'print') {
      const piece = pieceOf(step.value, scope, text)
      spend(printing, piece.length)
      printed += values === null ? piece : mark(values.push(piece) - 1)
    } else if (step.kind === 'if') printed += run(isHeld(step, scope, text) ? step.body : step.otherwise, scope, text)
    else if (step.kind === 'each') printed += each(step, scope, text)
    else if (step.kind === 'with') printed += within(step, scope, text)
    else if (step.kind === 'snippet') printed += indented(bring(step, scope, text), step.indent, printing)
    else text.variables.set(step.name, evaluate(step.value, scope, text, false))
  }
  return printed
}

function isHeld({ test, includeZero, isNegated }: If, scope: Scope, text: Text): boolean {
  const value = evaluate(test, scope, text, false)
  const isZeroSomething = value === 0 && includeZero !== null && !isEmpty(evaluate(includeZero, scope, text, false))
  return (isZeroSomething || !isEmpty(value)) !== isNegated
}

function within(step: With, scope: Scope, text: Text): string {
  const value = evaluate(step.of, scope, text, false)
  if (isEmpty(value) && value !== 0) return run(step.otherwise, scope, text)
  const names = step.names > 0 ? { value, parent: scope.names } : scope.names
  return run(step.body, { ...below(scope, value), names, loop: scope.loop }, text)
}

function each(step: Each, scope: Scope, text: Text): string {
  const of = evaluate(step.of, scope, text, false)
  const keys = of === null || typeof of !== 'object' ? [] : Array.isArray(of) ? of.keys().toArray() : Object.keys(of)
  if (keys.length === 0) return run(step.otherwise, scope, text)
  let printed = ''
  for (const [index, key] of keys.entries()) {
    take(text.printing, 1)
    const value = (of as Record<string | number, unknown>)[key]
    const loop = { index, key, first: index === 0, last: index === keys.length - 1, parent: scope.loop }
    printed += run(step.body, { ...below(scope, value), names: namesOf(step, scope, value, key), loop }, text)
  }
  return printed
}

/** A context that is the one above again is no level of its own, to Handlebars as well. */
const below = (scope: Scope, context: unknown) => ({ context, parent: context === scope.context ? scope.parent : scope })

function namesOf({ names }: Each, scope: Scope, value: unknown, key: unknown): Name | null {
  if (names === 0) return scope.names
  const first = { value, parent: scope.names }
  return names === 1 ? first : { value: key, parent: first }
}

function bring(step: Snippet, scope: Scope, text: Text): string {
  const source = text.printing.context.snippets.get(step.name)
  if (source === undefined) {
    if (text.printing.isStrict) throw new RenderRefusal(`Line ${step.line}: there is no snippet '${step.name}'.`)
    return ''
  }
  const above = [...text.above, step.name]
  if (above.length > MAX_SNIPPETS) throw new RenderRefusal(`Snippets nest deeper than ${MAX_SNIPPETS}: ${above.join(' > ')}.`)
  const given = step.context === null ? scope.context : evaluate(step.context, scope, text, false)
  const context = step.named.length === 0 ? given : withNamed(given, step, scope, text)
  try {
    return run(compile(source), { ...below(scope, context), names: null, loop: scope.loop }, { ...text, above })
  } catch (error) {
    if (!(error instanceof RenderRefusal) || !/^(?:Line|In the snippet) /.test(error.message)) throw error
    throw new RenderRefusal(`In the snippet '${step.name}': ${error.message}`)
  }
}

/** A context with a snippet's named values on top. */
function withNamed(given: unknown, step: Snippet, scope: Scope, text: Text): unknown {
  const own = given !== null && typeof given === 'object' ? Object.entries(given) : []
  take(text.printing, own.length)
  return Object.fromEntries([...own, ...namedIn(step.named, scope, text, false)])
}

/** Every line but an empty last one. Paid for before it is made: a long indent before many lines is more than both. */
function indented(text: string, indent: string, printing: Printing): string {
  if (indent === '' || text === '') return text
  const lines = text.split('\n')
  const end = lines.at(-1) === '' ? lines.pop() : undefined
  spend(printing, indent.length * lines.length)
  return lines.map((line) => indent + line).join('\n') + (end === undefined ? '' : '\n')
}
