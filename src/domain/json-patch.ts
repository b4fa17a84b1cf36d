import { badInput } from '../errors.ts'
import { isObject, type JsonObject } from './json.ts'

/** One operation of a JSON Patch. `value` counts where the key is there, null included. */
export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test'
  readonly path: string
  readonly value?: unknown
  readonly from?: string | null
}

type Path = readonly (string | number)[]

const MOST_OPERATIONS = 500
/** What all operations together may read and write, in characters of JSON: the user stays locked meanwhile. */
const MOST_WORK = 2 * 1024 * 1024
/** Of an operation, apart from its values. */
const OPERATION_WORK = 500
/** Beyond this the document is refused while it is built: a few copies of the whole would fill the memory. */
const MOST_CHARACTERS = 256 * 1024
const MOST_LEVELS = 64
const [QUOTE, BACKSLASH, BRACKET, BRACE] = [34, 92, 91, 123]
/** Names that lead to a prototype. A pointer never needs them: a key of that name is put with the object that holds it. */
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Applies a JSON Patch (RFC 6902), all or nothing: the document given stays as it is. `path: ""` is the whole document.
 *
 * @param path where the patch stands in the input
 * @throws Refusal BAD_USER_INPUT for the first operation that fails; its path names the operation's index, its sentence says
 * why. Also where the document would grow beyond 262,144 characters, nest deeper than 64 levels or be no object, and where
 * there are more than 500 operations or they read and write more than 2,097,152 characters.
 */
export function applyJsonPatch(document: JsonObject, patch: readonly JsonPatchOperation[], path: Path): JsonObject {
  if (patch.length > MOST_OPERATIONS) {
    throw badInput(path, `'${path.at(-1)}' may hold at most ${MOST_OPERATIONS.toLocaleString('en')} operations.`)
  }
  const text = textOf(document)
  const work: Work = { holder: { document: JSON.parse(text) }, size: text.length, left: MOST_WORK }
  for (const [index, operation] of patch.entries()) {
    const here = [...path, index]
    spend(work, OPERATION_WORK + operation.path.length + (operation.from?.length ?? 0), here)
    applyOne(work, operation, here)
    refuseGrown(work, here)
  }
  if (isObject(work.holder.document)) return work.holder.document
  throw badInput(path, 'The patched document must be an object.')
}

/** The keys of the document that an operation may change; null: any. */
export function keyChangedBy({ path }: JsonPatchOperation): string | null {
  return tokensOf(path)?.at(0) ?? null
}

/** A document while it is patched. */
interface Work {
  /** So that the whole document has a parent as well: it is absent while it is moved away. */
  readonly holder: { document?: unknown }
  /** At least the characters of the document. */
  size: number
  /** What the operations that are left may still cost. */
  left: number
}

function applyOne(work: Work, operation: JsonPatchOperation, here: Path): void {
  const target = readPointer(operation.path, [...here, 'path'])
  switch (operation.op) {
    case 'test': {
      const { value } = mustExist(work, target)
      const given = valueGiven(operation, here)
      weigh(work, value, here)
      weigh(work, given, here)
      if (!isSame(value, given)) throw badInput([...here, 'value'], "The value is not the test's.")
      return
    }
    case 'remove':
      mustExist(work, target)
      take(work, target, here)
      return
    case 'replace':
      mustExist(work, target)
      set(work, target, copyOf(work, valueGiven(operation, here), here), here)
      return
    case 'add':
      mustTake(work, target)
      add(work, target, copyOf(work, valueGiven(operation, here), here), here)
      return
    case 'copy': {
      const { value } = mustExist(work, sourceOf(operation, here))
      mustTake(work, target)
      add(work, target, copyOf(work, value, here), here)
      return
    }
    case 'move': {
      const source = sourceOf(operation, here)
      mustExist(work, source)
      if (source.text === target.text) return
      if (target.text.startsWith(`${source.text}/`)) throw badInput(target.place, `${target.name} lies within what is moved.`)
      // As the RFC says it: removed first, and so an index counts what is left.
      const taken = take(work, source, here)
      mustTake(work, target)
      add(work, target, taken, here)
      return
    }
  }
}

/** A value that no other place holds, and its JSON. */
interface Weighed {
  readonly value: unknown
  readonly text: string
}

function copyOf(work: Work, value: unknown, here: Path): Weighed {
  const text = weigh(work, value, here)
  return { value: JSON.parse(text), text }
}

/** Its text, paid for. */
function weigh(work: Work, value: unknown, here: Path): string {
  const text = textOf(value)
  spend(work, text.length, here)
  return text
}

function spend(work: Work, characters: number, here: Path): void {
  work.left -= characters
  if (work.left >= 0) return
  throw badInput(
    here,
    `The patch reads and writes over ${MOST_WORK.toLocaleString('en')} characters: name smaller values, or give several patches.`,
  )
}

/** Weighs the whole document only where it may have grown too large. */
function refuseGrown(work: Work, here: Path): void {
  if (work.size > MOST_CHARACTERS) work.size = weigh(work, work.holder.document, here).length
  if (work.size > MOST_CHARACTERS) {
    throw badInput(here, `The document would be over ${MOST_CHARACTERS.toLocaleString('en')} characters as JSON.`)
  }
}

/** Puts a value where mustTake has found room: in an array before what stands there, in an object instead of it. */
function add(work: Work, target: Pointer, weighed: Weighed, here: Path): void {
  const { parent, token } = slotOf(work, target)
  if (!Array.isArray(parent)) {
    set(work, target, weighed, here)
    return
  }
  refuseDeep(target, weighed)
  parent.splice(token === '-' ? parent.length : Number(token), 0, weighed.value)
  work.size += weighed.text.length + 1
}

function set(work: Work, target: Pointer, weighed: Weighed, here: Path): void {
  refuseDeep(target, weighed)
  const { parent, token } = slotOf(work, target)
  const before = find(parent, [token])
  // Of a key that was not there, its colon and its comma as well.
  work.size += weighed.text.length - (before ? weigh(work, before.value, here).length : -textOf(token).length - 2)
  parent[token] = weighed.value
}

function take(work: Work, source: Pointer, here: Path): Weighed {
  const { parent, token } = slotOf(work, source)
  const value = parent[token]
  const text = weigh(work, value, here)
  if (Array.isArray(parent)) parent.splice(Number(token), 1)
  else delete parent[token]
  // At least this much less: its comma may not have been there.
  work.size -= text.length + (Array.isArray(parent) ? 0 : textOf(token).length + 1)
  return { value, text }
}

/** The place of a pointer whose parent is there. */
function slotOf({ holder }: Work, { tokens }: Pointer): { readonly parent: Record<string, unknown>; readonly token: string } {
  return { parent: find(holder, tokens.slice(0, -1))!.value as Record<string, unknown>, token: tokens.at(-1)! }
}

function refuseDeep({ tokens, place }: Pointer, { text }: Weighed): void {
  if (tokens.length + levelsOf(text) <= MOST_LEVELS) return
  throw badInput(place, `The document would be nested deeper than ${MOST_LEVELS} levels.`)
}

function valueGiven(operation: JsonPatchOperation, here: Path): unknown {
  if (Object.hasOwn(operation, 'value') && operation.value !== undefined) return operation.value
  throw badInput([...here, 'value'], `'${operation.op}' needs a 'value'.`)
}

function sourceOf(operation: JsonPatchOperation, here: Path): Pointer {
  if (operation.from != null) return readPointer(operation.from, [...here, 'from'])
  throw badInput([...here, 'from'], `'${operation.op}' needs a 'from'.`)
}

/** A JSON Pointer (RFC 6901) into the holder, and where the caller wrote it. */
interface Pointer {
  readonly tokens: readonly string[]
  readonly text: string
  readonly name: string
  readonly place: Path
}

function readPointer(text: string, place: Path): Pointer {
  const tokens = tokensOf(text)
  if (tokens === null) {
    throw badInput(
      place,
      `'${place.at(-1)}' must be a JSON Pointer: empty, or keys that each follow a slash, like /address/locality.`,
    )
  }
  const forbidden = tokens.find((token) => FORBIDDEN.has(token))
  if (forbidden) throw badInput(place, `'${place.at(-1)}' must not lead through '${forbidden}'.`)
  return { tokens: ['document', ...tokens], text: `/document${text}`, name: text === '' ? 'The document' : `'${text}'`, place }
}

function tokensOf(text: string): readonly string[] | null {
  if (text !== '' && !text.startsWith('/')) return null
  if (/~(?![01])/.test(text)) return null
  return text
    .split('/')
    .slice(1)
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** What stands there by a key or index of its own, never what every object inherits. */
function mustExist({ holder }: Work, pointer: Pointer): { readonly value: unknown } {
  const found = find(holder, pointer.tokens)
  if (found) return found
  throw badInput(pointer.place, `${pointer.name} is not there.`)
}

/** Whether something can be put there: its parent is an object, or an array with room for that index. */
function mustTake({ holder }: Work, pointer: Pointer): void {
  const parent = find(holder, pointer.tokens.slice(0, -1))?.value
  const token = pointer.tokens.at(-1)!
  if (isObject(parent)) return
  if (Array.isArray(parent) && (token === '-' || (isIndex(token) && Number(token) <= parent.length))) return
  throw badInput(pointer.place, `${pointer.name} has no object or array to be put into at that place.`)
}

function find(root: unknown, tokens: readonly string[]): { readonly value: unknown } | null {
  let value = root
  for (const token of tokens) {
    const held = Array.isArray(value)
      ? isIndex(token) && Number(token) < value.length
      : isObject(value) && Object.hasOwn(value, token)
    if (!held) return null
    value = (value as JsonObject)[token]
  }
  return { value }
}

const isIndex = (token: string) => /^(0|[1-9]\d*)$/.test(token)

/** How deep a JSON text nests. Reading it takes a tenth of what walking the value takes. */
function levelsOf(text: string): number {
  let level = 0
  let deepest = 0
  let isString = false
  for (let at = 0; at < text.length; at += 1) {
    const mark = text.charCodeAt(at)
    if (mark === BACKSLASH) at += 1
    else if (mark === QUOTE) isString = !isString
    else if (isString) continue
    else if (mark === BRACKET || mark === BRACE) deepest = Math.max(deepest, ++level)
    else if (mark === BRACKET + 2 || mark === BRACE + 2) level -= 1
  }
  return deepest
}

/** Whether JSON says the same (RFC 6902, section 4.6): keys have no order, and 0 and -0 are one number. */
function isSame(one: unknown, other: unknown): boolean {
  if (one === other) return true
  if (Array.isArray(one)) {
    return Array.isArray(other) && one.length === other.length && one.every((item, index) => isSame(item, other[index]))
  }
  if (!isObject(one) || !isObject(other)) return false
  const keys = Object.keys(one)
  return (
    keys.length === Object.keys(other).length && keys.every((key) => Object.hasOwn(other, key) && isSame(one[key], other[key]))
  )
}

/** Empty for the document that was taken away. */
const textOf = (value: unknown): string => JSON.stringify(value) ?? ''
