import Handlebars from 'handlebars'
import { LRUCache } from 'lru-cache'
import { FUNCTIONS, whyUnknown } from './functions/table.ts'
import { type Expression, type NamedExpression, type Path, type Program, pathOf, rootOf, type Step } from './program.ts'
import { hasTags, scan } from './scan.ts'
import { RenderRefusal, SNIPPET_NAME } from './template.ts'

const CACHED_BYTES = 16 * 1024 * 1024
const BLOCKS = ['if', 'unless', 'each', 'with']
/** Names that the language has for itself: they are no variables. */
const RESERVED = [...BLOCKS, 'lookup', 'log', 'helperMissing', 'blockHelperMissing']
const LOOP_NAMES = ['index', 'key', 'first', 'last']
const SETTABLE = /^(?!brand|data|event|profile|recipient|urls|(?:tenant|carillon|refs|this)$)[A-Za-z_][\w-]*$/

const compiled = new LRUCache<string, { readonly program: Program }>({
  maxSize: CACHED_BYTES,
  sizeCalculation: ({ program }, source) => 4 * source.length + 256 * stepsIn(program) + 1,
})

function stepsIn(program: Program): number {
  return program.reduce(
    (sum, step) => sum + (typeof step === 'object' && 'body' in step ? 2 + stepsIn(step.body) + stepsIn(step.otherwise) : 1),
    0,
  )
}

/**
 * A source as a program, remembered. The language is Handlebars: variables by paths, if, unless, each and with, functions
 * (functions/table.ts), literals, comments, whitespace control, and `{{> snippet}}`. Handlebars reads it and the printer runs
 * it: the code that Handlebars makes could not be stopped at a limit, and takes ten times as long to make.
 *
 * @throws RenderRefusal, naming the line
 */
export function compile(source: string): Program {
  if (typeof source !== 'string') throw new RenderRefusal('A template is a text.')
  const known = compiled.get(source)
  if (known) return known.program
  const text = source.replace(/[\ue000\ue001]/g, '')
  const plain = text === '' ? [] : [text]
  const program = hasTags(text) ? programOf(parse(scan(text).text), []) : plain
  compiled.set(source, { program })
  return program
}

function parse(source: string): hbs.AST.Program {
  try {
    return Handlebars.parse(source)
  } catch (error) {
    const { message, lineNumber } = error as Error & { lineNumber?: number }
    const line = lineNumber ?? /on line (\d+)/.exec(message)?.[1] ?? 1
    throw new RenderRefusal(`Line ${line}: ${unreadable(message)}`)
  }
}

/** What the parser says, for people who do not know its words. */
function unreadable(message: string): string {
  if (message.includes("doesn't match")) return 'the block that begins here is closed by another name.'
  if (message.includes("got 'NUMBER'")) return 'a number at the end of a path stands in brackets: {{items.[0]}}.'
  return 'this cannot be read. {{profile.name}} is a variable, {{#if paid}}…{{/if}} a block; \\{{ stands for the braces themselves.'
}

/** The names that blocks around a place gave, the innermost last. */
type Names = readonly string[]

function programOf(program: hbs.AST.Program | undefined, names: Names): Program {
  if (program === undefined) return []
  return program.body.map((node) => stepOf(node, names)).filter((step) => step !== '')
}

function stepOf(node: hbs.AST.Statement, names: Names): Step {
  switch (node.type) {
    case 'ContentStatement':
      return (node as hbs.AST.ContentStatement).value
    case 'CommentStatement':
      return ''
    case 'MustacheStatement':
      return printed(node as hbs.AST.MustacheStatement, names)
    case 'BlockStatement':
      return block(node as hbs.AST.BlockStatement, names)
    case 'PartialStatement':
      return snippet(node as hbs.AST.PartialStatement, names)
    default:
      throw refusalOf(node, `${node.type} is not known here.`)
  }
}

function printed(node: hbs.AST.MustacheStatement, names: Names): Step {
  const isCall = node.params.length > 0 || node.hash !== undefined
  if (isCall && nameOf(node) === 'set') return set(node, names)
  if (isCall) return { kind: 'print', value: call(node, names) }
  if (node.path.type !== 'PathExpression') throw refusalOf(node, `${quoted(node.path)} is not a name.`)
  const name = nameOf(node)
  if (name !== null && BLOCKS.includes(name)) throw refusalOf(node, `'${name}' is a block: {{#${name} …}}…{{/${name}}}.`)
  if (name !== null && RESERVED.includes(name)) throw refusalOf(node, `'${name}' is a word of the language, not a name.`)
  return { kind: 'print', value: path(node.path as hbs.AST.PathExpression, names) }
}

function set(node: hbs.AST.MustacheStatement, names: Names): Step {
  const [name, value] = node.params as [hbs.AST.StringLiteral, hbs.AST.Expression]
  if (node.params.length !== 2 || node.hash || name.type !== 'StringLiteral') {
    throw refusalOf(node, `'set' takes a name in quotes and a value: {{set "total" 5}}.`)
  }
  if (!SETTABLE.test(name.value)) {
    throw refusalOf(
      node,
      `'set' makes names of letters, digits, - and _ that do not begin with brand, data, event, profile, recipient or urls.`,
    )
  }
  return { kind: 'set', name: name.value, value: expression(value, names) }
}

function block(node: hbs.AST.BlockStatement, names: Names): Step {
  const name = nameOf(node)
  const given = ((node.program ?? node.inverse) as hbs.AST.Program).blockParams ?? []
  if (name === null || !BLOCKS.includes(name)) {
    throw refusalOf(node, `${quoted(node.path)} is no block; there are if, unless, each and with.`)
  }
  if (node.params.length !== 1) throw refusalOf(node, `'${name}' takes one value: {{#${name} items}}.`)
  const of = expression(node.params[0]!, names)
  const isChoice = name === 'if' || name === 'unless'
  const named = namedOf(node.hash, names)
  const wrong = named.find((one) => !isChoice || one.name !== 'includeZero')
  if (wrong) throw refusalOf(node, `'${name}' takes no ${wrong.name}.`)
  const most = { if: 0, unless: 0, with: 1, each: 2 }[name]!
  if (given.length > most) {
    throw refusalOf(
      node,
      most === 0 ? `'${name}' gives no names.` : `'${name}' gives at most ${most === 1 ? 'one name' : 'two names'}.`,
    )
  }
  const body = programOf(node.program, [...names, ...given])
  const otherwise = programOf(node.inverse, names)
  if (name === 'each' || name === 'with') return { kind: name, of, names: given.length, body, otherwise }
  return { kind: 'if', test: of, includeZero: named[0]?.value ?? null, isNegated: name === 'unless', body, otherwise }
}

function snippet(node: hbs.AST.PartialStatement, names: Names): Step {
  const name = nameOf({ path: node.name })
  if (name === null || !SNIPPET_NAME.test(name)) throw refusalOf(node, 'a snippet is named as it is: {{> name}}.')
  if (node.params.length > 1) throw refusalOf(node, 'a snippet takes one context at most: {{> name customer}}.')
  return {
    kind: 'snippet',
    name,
    context: node.params[0] === undefined ? null : expression(node.params[0], names),
    named: namedOf(node.hash, names),
    indent: (node as { indent?: string }).indent ?? '',
    line: node.loc.start.line,
  }
}

function expression(node: hbs.AST.Expression, names: Names): Expression {
  switch (node.type) {
    case 'PathExpression':
      return path(node as hbs.AST.PathExpression, names)
    case 'SubExpression':
      return call(node as hbs.AST.SubExpression, names)
    case 'StringLiteral':
    case 'NumberLiteral':
    case 'BooleanLiteral':
      return { kind: 'literal', value: (node as hbs.AST.StringLiteral | hbs.AST.NumberLiteral | hbs.AST.BooleanLiteral).value }
    case 'NullLiteral':
      return { kind: 'literal', value: null }
    case 'UndefinedLiteral':
      return { kind: 'literal', value: undefined }
    default:
      throw refusalOf(node, `${node.type} is not known here.`)
  }
}

function call(node: hbs.AST.MustacheStatement | hbs.AST.SubExpression, names: Names): Expression {
  const name = nameOf(node)
  const callee = name === null ? undefined : FUNCTIONS.get(name)
  if (name === null || callee === undefined)
    throw refusalOf(node, whyUnknown(cut(String((node.path as hbs.AST.PathExpression).original))))
  const { length } = node.params
  if (length < callee.least || length > callee.most) {
    throw refusalOf(node, `'${name}' takes ${amount(callee.least, callee.most)}, not ${length}.`)
  }
  const named = namedOf(node.hash, names)
  const wrong = named.find((one) => callee.named !== 'ANY' && !callee.named?.includes(one.name))
  if (wrong) throw refusalOf(node, `'${name}' takes no ${cut(wrong.name)}.`)
  const values = node.params.map((one) => expression(one, names))
  return { kind: 'call', name, callee, values, named, line: node.loc.start.line }
}

function amount(least: number, most: number): string {
  const values = (count: number) => (count === 1 ? '1 value' : `${count} values`)
  if (least === most) return values(least)
  return most === Number.POSITIVE_INFINITY ? `${values(least)} or more` : `${least} to ${most} values`
}

const namedOf = (hash: hbs.AST.Hash | undefined, names: Names): readonly NamedExpression[] =>
  hash?.pairs.map((pair) => ({ name: pair.key, value: expression(pair.value, names) })) ?? []

function path(node: hbs.AST.PathExpression, names: Names): Path {
  const { data, depth, parts: keys, original: text } = node
  const { line } = node.loc.start
  if (data) return loopPath(node)
  if (isScoped(node)) return { kind: 'path', from: 'context', depth, keys, root: null, text, line }
  const named = names.lastIndexOf(keys[0]!)
  if (named < 0) return pathOf(keys, text, line)
  return { kind: 'path', from: 'name', depth: names.length - 1 - named, keys: keys.slice(1), root: null, text, line }
}

/** `@index` and the others of a loop, and `@root`. */
function loopPath(node: hbs.AST.PathExpression): Path {
  const { depth, parts: keys, original: text } = node
  const at = { kind: 'path', depth, text, line: node.loc.start.line } as const
  if (keys[0] === 'root') return { ...at, from: 'top', keys: keys.slice(1), root: rootOf(keys[1]) }
  if (keys.length === 1 && LOOP_NAMES.includes(keys[0]!)) return { ...at, from: 'loop', keys, root: null }
  throw refusalOf(node, `'${cut(text)}' is not known; there are @index, @key, @first and @last in an each, and @root.`)
}

/** Whether it says where it begins: `this`, `.`, `../a`. A name in brackets is a name: `[this]`. */
function isScoped({ depth, parts, original }: hbs.AST.PathExpression): boolean {
  return depth > 0 || parts.length === 0 || (/^(?:this\b|\.)/.test(original) && !original.startsWith(parts[0]!))
}

/** The one plain word that a tag begins with; null where it begins with anything else. */
function nameOf({ path }: { readonly path: hbs.AST.Node }): string | null {
  const { type, data, parts } = path as hbs.AST.PathExpression
  if (type !== 'PathExpression' || data || parts.length !== 1 || isScoped(path as hbs.AST.PathExpression)) return null
  return parts[0]!
}

const quoted = (node: hbs.AST.Node) => `'${cut(String((node as hbs.AST.PathExpression).original))}'`

const cut = (text: string) => (text.length <= 40 ? text : `${text.slice(0, 40)}…`)

const refusalOf = (node: hbs.AST.Node, sentence: string) => new RenderRefusal(`Line ${node.loc.start.line}: ${sentence}`)
