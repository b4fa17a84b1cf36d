import { applyPatch, type Operation } from 'rfc6902'
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

const MOST_OPERATIONS = 1_000
/** Beyond this the document is refused while it is built: a few copies of the whole would fill the memory. */
const MOST_CHARACTERS = 256 * 1024
const MOST_LEVELS = 64
/** Names that lead to a prototype. A pointer never needs them: a key of that name is put with the object that holds it. */
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype'])

/**
 * Applies a JSON Patch (RFC 6902), all or nothing: the document given stays as it is. `path: ""` is the whole document.
 *
 * @param path where the patch stands in the input
 * @throws Refusal BAD_USER_INPUT for the first operation that fails; its path names the operation's index, its sentence says
 * why. Also where the document would grow beyond 262,144 characters, nest deeper than 64 levels or be no object.
 */
export function applyJsonPatch(document: JsonObject, patch: readonly JsonPatchOperation[], path: Path): JsonObject {
  if (patch.length > MOST_OPERATIONS) {
    throw badInput(path, `'${path.at(-1)}' may hold at most ${MOST_OPERATIONS.toLocaleString('en')} operations.`)
  }
  const holder: Holder = { document: structuredClone(document) }
  let size = sizeOf(document)
  for (const [index, operation] of patch.entries()) {
    const here = [...path, index]
    size += applyOne(holder, operation, here)
    if (size > MOST_CHARACTERS) size = sizeOf(holder.document)
    if (size > MOST_CHARACTERS) {
      throw badInput(here, `The document would be over ${MOST_CHARACTERS.toLocaleString('en')} characters as JSON.`)
    }
  }
  if (isObject(holder.document)) return holder.document
  throw badInput(path, 'The patched document must be an object.')
}

/** The keys of the document that an operation may change; null: any. */
export function keyChangedBy({ path }: JsonPatchOperation): string | null {
  return tokensOf(path)?.at(0) ?? null
}

/** So that the whole document has a parent as well: it is absent while it is moved away. */
interface Holder {
  document?: unknown
}

/** Answers by how many characters at most the document grew. */
function applyOne(holder: Holder, operation: JsonPatchOperation, here: Path): number {
  const target = readPointer(operation.path, [...here, 'path'])
  switch (operation.op) {
    case 'test':
      mustExist(holder, target)
      return perform(holder, { op: 'test', path: target.text, value: valueGiven(operation, here) }, here)
    case 'remove':
      mustExist(holder, target)
      return perform(holder, { op: 'remove', path: target.text }, here)
    case 'replace':
      mustExist(holder, target)
      return put(holder, 'replace', target, valueGiven(operation, here), here)
    case 'add':
      mustTake(holder, target)
      return put(holder, 'add', target, valueGiven(operation, here), here)
    case 'copy': {
      const { value } = mustExist(holder, sourceOf(operation, here))
      mustTake(holder, target)
      return put(holder, 'add', target, value, here)
    }
    case 'move': {
      const source = sourceOf(operation, here)
      const { value } = mustExist(holder, source)
      if (source.text === target.text) return 0
      if (target.text.startsWith(`${source.text}/`)) throw badInput(target.place, `${target.name} lies within what is moved.`)
      // As the RFC says it: removed first, and so an index counts what is left.
      perform(holder, { op: 'remove', path: source.text }, here)
      mustTake(holder, target)
      return put(holder, 'add', target, value, here)
    }
  }
}

function put(holder: Holder, op: 'add' | 'replace', target: Pointer, value: unknown, here: Path): number {
  if (target.tokens.length + levelsOf(value) > MOST_LEVELS) {
    throw badInput(target.place, `The document would be nested deeper than ${MOST_LEVELS} levels.`)
  }
  perform(holder, { op, path: target.text, value }, here)
  return sizeOf(value) + (target.tokens.at(-1)?.length ?? 0) + 4
}

/** What can fail was asked before, apart from a test. */
function perform(holder: Holder, operation: Operation, here: Path): number {
  const [failed] = applyPatch(holder, [operation])
  if (failed === null) return 0
  if (operation.op === 'test') throw badInput([...here, 'value'], "The value is not the test's.")
  throw badInput([...here, 'path'], 'There is no such place.')
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
function mustExist(holder: Holder, pointer: Pointer): { readonly value: unknown } {
  const found = find(holder, pointer.tokens)
  if (found) return found
  throw badInput(pointer.place, `${pointer.name} is not there.`)
}

/** Whether something can be put there: its parent is an object, or an array with room for that index. */
function mustTake(holder: Holder, pointer: Pointer): void {
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

function levelsOf(value: unknown): number {
  if (value === null || typeof value !== 'object') return 0
  return 1 + Math.max(0, ...Object.values(value).map(levelsOf))
}

const sizeOf = (value: unknown) => JSON.stringify(value)?.length ?? 0
