import type { z } from 'zod'
import { CHANNELS } from '../channels/provider.ts'
import { checkElementCondition } from './condition.ts'
import { isByChannel } from './document.ts'
import { checkHtml } from './html.ts'
import { CONTENT_SHAPE, RAW_SHAPE, SHAPES } from './shape.ts'
import { createChecker } from './template-check.ts'
import { checkHref, checkImage } from './urls.ts'

/** What is wrong with a content, and where: `['elements', 2, 'content']`. message: a sentence. */
export interface Fault {
  readonly path: Path
  readonly message: string
}

type Path = readonly (string | number)[]
type Fields = Readonly<Record<string, unknown>>

const LONGEST_TITLE = 2_000
const LONGEST_BODY = 256 * 1024
const LONGEST_TEXT = 64 * 1024
const LONGEST = 1024 * 1024
const MOST_ELEMENTS = 2_000
const DEEPEST = 50
const DEEPEST_LIST = 5

/**
 * Null where a content (element.ts) can be kept and rendered; otherwise the first thing that is wrong with it. All its texts
 * are templates and all its conditions can be asked, and what it names is there: its fields, its types, its refs.
 */
export function checkContent(content: unknown): Fault | null {
  try {
    new Checker().content(content)
    return null
  } catch (error) {
    if (error instanceof Wrong) return { path: error.path, message: error.message }
    throw error
  }
}

class Wrong extends Error {
  readonly path: Path
  constructor(path: Path, message: string) {
    super(message)
    this.path = path
  }
}

const wrong = (path: Path, sentence: string) => new Wrong(path, `'${path.join('.')}' ${sentence}`)

const IN_TEXT = ['string', 'link', 'img']
const IN_DOCUMENT = 'text action image divider quote group list columns html meta comment'.split(' ')

/** What an element may hold. */
const HELD: { readonly [type: string]: readonly string[] } = {
  text: IN_TEXT,
  group: IN_DOCUMENT,
  list: ['list-item'],
  'list-item': [...IN_TEXT, 'list'],
  columns: ['column'],
  column: IN_DOCUMENT,
  channel: IN_DOCUMENT,
}

/** Where an element stands. */
interface Place {
  readonly path: Path
  readonly allowed: readonly string[]
  readonly depth: number
  readonly lists: number
  /** No columns in columns: there would be no room. */
  readonly isInColumn: boolean
}

const TEXTS = ['title', 'content', 'href', 'src', 'alt_text']

/** One check: what it has seen so far. */
class Checker {
  readonly #checkTemplate = createChecker()
  readonly #refs = new Set<string>()
  #elements = 0

  content(given: unknown): void {
    const { title, body, elements } = shaped(CONTENT_SHAPE, given, [], 'content') as Fields & {
      elements?: readonly unknown[] | null
    }
    if (!title && !body && !elements?.length) {
      throw new Wrong([], "'content' must contain one of: 'title', 'body', or 'elements'")
    }
    this.#text(title, ['title'], LONGEST_TITLE)
    this.#text(body, ['body'], LONGEST_BODY)
    if (!elements?.length) return
    const allowed = isByChannel(elements.filter(isObject)) ? ['channel'] : IN_DOCUMENT
    this.#all(elements, { path: ['elements'], allowed, depth: 1, lists: 0, isInColumn: false })
    if (JSON.stringify(elements).length > LONGEST)
      throw wrong(['elements'], `must be at most ${number(LONGEST)} characters of JSON.`)
  }

  #all(elements: readonly unknown[], place: Place): void {
    if (place.depth > DEEPEST) throw wrong(place.path, `lies too deep: elements may hold each other ${DEEPEST} levels deep.`)
    for (const [index, element] of elements.entries()) this.#element(element, { ...place, path: [...place.path, index] })
  }

  #element(given: unknown, place: Place): void {
    const { path } = place
    this.#elements += 1
    if (this.#elements > MOST_ELEMENTS)
      throw wrong(['elements'], `must be at most ${number(MOST_ELEMENTS)}, each within others counted.`)
    if (!isObject(given)) throw wrong(path, 'must be an object with a type.')
    const type = typeOf(given, place)
    const element = shaped(SHAPES.get(type)!, given, path, type)
    this.#common(element, path)
    this.#texts(element, path)
    for (const [locale, fields] of Object.entries((element.locales ?? {}) as Record<string, Fields>)) {
      this.#texts(fields, [...path, 'locales', locale])
    }
    if (type === 'html') refuseMarks(element, path)
    if (type === 'channel') this.#channel(element, path)
    else if (type === 'text' || type === 'list-item') exactlyOne(element, ['content', 'elements'], path)
    this.#held(type, element, place)
    // Behind what it holds: an element does not know itself.
    if (typeof element.ref === 'string') this.#refs.add(element.ref)
  }

  #held(type: string, { elements }: Fields, { path, depth, lists, isInColumn }: Place): void {
    if (!Array.isArray(elements)) return
    const deeper = type === 'list' ? lists + 1 : lists
    if (deeper > DEEPEST_LIST) throw wrong(path, `lies too deep: lists may hold each other ${DEEPEST_LIST} levels deep.`)
    const within = isInColumn || type === 'column'
    const allowed = within ? HELD[type]!.filter((one) => one !== 'columns') : HELD[type]!
    this.#all(elements, { path: [...path, 'elements'], allowed, depth: depth + 1, lists: deeper, isInColumn: within })
  }

  #common({ if: condition, channels }: Fields, path: Path): void {
    for (const [index, name] of ((channels ?? []) as readonly string[]).entries())
      refuseCapitals(name, [...path, 'channels', index])
    if (typeof condition !== 'string') return
    const sentence = checkElementCondition(condition)
    if (sentence !== null) throw new Wrong([...path, 'if'], `'${[...path, 'if'].join('.')}': ${sentence}`)
    for (const [, dotted, quoted] of condition.matchAll(/\brefs\s*(?:\.\s*(\w+)|\[\s*["'](\w+)["']\s*\])/g)) {
      const ref = (dotted ?? quoted)!
      if (!this.#refs.has(ref)) throw wrong([...path, 'if'], `names refs.${ref}, which is the ref of no element before this one.`)
    }
  }

  #texts(fields: Fields, path: Path): void {
    for (const field of TEXTS) {
      const isTitle = field === 'title'
      this.#text(fields[field], [...path, field], isTitle ? LONGEST_TITLE : LONGEST_TEXT)
    }
    refuseAddress(fields.href, [...path, 'href'], checkHref, 'must lead to http, https, mailto or tel.')
    refuseAddress(fields.src, [...path, 'src'], checkImage, 'must be the address of an image: http or https.')
  }

  #text(text: unknown, path: Path, longest: number): void {
    if (typeof text !== 'string') return
    if (text.length > longest) throw wrong(path, `must be at most ${number(longest)} characters.`)
    const sentence = this.#checkTemplate(text)
    if (sentence !== null) throw new Wrong(path, `'${path.join('.')}': ${sentence}`)
  }

  #channel(element: Fields, path: Path): void {
    refuseCapitals(element.channel as string, [...path, 'channel'])
    exactlyOne(element, ['elements', 'raw'], path)
    if (element.raw === undefined) return
    for (const field of ['if', 'loop', 'ref']) {
      if (element[field] !== undefined) throw wrong([...path, field], "is for elements: a channel with 'raw' has none.")
    }
    const at = [...path, 'raw']
    const raw = shaped(RAW_SHAPE, element.raw, at, 'raw')
    const allowed = rawFields(element.channel as string)
    const given = Object.keys(raw).filter((field) => raw[field] !== undefined)
    const foreign = given.find((field) => !allowed.includes(field))
    if (foreign !== undefined) {
      throw wrong([...at, foreign], `is not for the channel '${element.channel}'; it takes ${allowed.join(', ')}.`)
    }
    if (given.every((field) => field === 'transformers')) throw wrong(at, `must say something: ${allowed.join(', ')}.`)
    this.#allTexts(raw, at, 1)
    refuseMark(raw.html, [...at, 'html'])
  }

  /** Every text in JSON is a template. */
  #allTexts(value: unknown, path: Path, depth: number): void {
    if (depth > DEEPEST) throw wrong(path, `lies too deep: at most ${DEEPEST} levels.`)
    if (typeof value === 'string') this.#text(value, path, LONGEST_BODY)
    if (value === null || typeof value !== 'object') return
    for (const [key, one] of Object.entries(value)) {
      this.#allTexts(one, [...path, Array.isArray(value) ? Number(key) : key], depth + 1)
    }
  }
}

/** A variable of an author's HTML may stand where its value stays a value (reference: reliability T19). */
function refuseMark(html: unknown, path: Path): void {
  const sentence = typeof html === 'string' ? checkHtml(html) : null
  if (sentence !== null) throw new Wrong(path, `'${path.join('.')}': ${sentence}`)
}

function refuseMarks({ content, locales }: Fields, path: Path): void {
  refuseMark(content, [...path, 'content'])
  for (const [locale, fields] of Object.entries((locales ?? {}) as Record<string, Fields>)) {
    refuseMark(fields.content, [...path, 'locales', locale, 'content'])
  }
}

const RAW_FIELDS: { readonly [channel: string]: readonly string[] } = {
  email: ['subject', 'html', 'text', 'transformers'],
  sms: ['title', 'text'],
  push: ['title', 'text'],
  inbox: ['title', 'text'],
  direct_message: ['title', 'text', 'blocks', 'slackBlocks'],
  webhook: ['title', 'text', 'payload'],
}

/** Kinds of providers and ids of accounts do not tell here which channel they are of, so they may say what any may. */
const rawFields = (channel: string) => RAW_FIELDS[channel] ?? Object.keys(RAW_SHAPE.shape)

function typeOf(given: Fields, { path, allowed, isInColumn }: Place): string {
  const { type } = given
  if (typeof type === 'string' && allowed.includes(type)) return type
  const may = `here may stand: ${allowed.join(', ')}.`
  const at = [...path, 'type']
  if (type === undefined) throw wrong(at, `is required; ${may}`)
  if (typeof type !== 'string' || !SHAPES.has(type)) throw wrong(at, `is no type of element: ${quoted(type)}; ${may}`)
  if (type === 'channel') throw wrong(at, "is 'channel': channel elements stand at the top of a document alone.")
  if (allowed[0] === 'channel') throw wrong(at, `is '${type}': where one element at the top is a channel, all of them are.`)
  if (type === 'columns' && isInColumn) throw wrong(at, "is 'columns': columns hold no columns.")
  throw wrong(at, `is '${type}'; ${may}`)
}

function exactlyOne(element: Fields, [one, other]: readonly [string, string], path: Path): void {
  const count = [one, other].filter((field) => element[field] !== undefined).length
  if (count !== 1) throw wrong(path, `must have exactly one of '${one}' and '${other}'.`)
}

/** `EMAIL` would name no channel, and its element would be seen by nobody. */
function refuseCapitals(name: string, path: Path): void {
  const channel = CHANNELS.find((one) => one === name.toUpperCase() && name !== one.toLowerCase())
  if (channel !== undefined) throw wrong(path, `is written in lower case: ${channel.toLowerCase()}.`)
}

/** A written address is judged here; one with values in it by its scheme, as far as it says one, and when they are in. */
function refuseAddress(address: unknown, path: Path, judge: (text: string) => string | null, sentence: string): void {
  if (typeof address !== 'string') return
  const written = address.split('{{', 1)[0]!
  if (written.length === address.length ? judge(address) !== null : !OTHER_SCHEME.test(written.trimStart())) return
  throw wrong(path, sentence)
}

const OTHER_SCHEME = /^(?!(?:https?|mailto|tel|cid):)[^/?#]*:/i

// ── Shapes ───────────────────────────────────────────────────────────────────

/** What was given, where it has the shape. what: what it is, for sentences about fields that it has not. */
function shaped(shape: z.ZodObject, given: unknown, path: Path, what: string): Fields {
  const { success, data, error } = shape.safeParse(given)
  if (success) return data
  const issue = error.issues[0]!
  const at = [...path, ...(issue.path as (string | number)[])]
  const value = issue.path.reduce<unknown>((inner, key) => (inner as Fields | undefined)?.[key as string], given)
  if (at.length === 0 && !isObject(given)) throw new Wrong([], "'content' must be an object.")
  throw issue.code === 'unrecognized_keys' ? unknownField(issue.keys[0]!, at, what, shape) : wrong(at, sentenceOf(issue, value))
}

function unknownField(key: string, path: Path, what: string, shape: z.ZodObject): Wrong {
  const at = [...path, key]
  if (path.at(-2) === 'locales') return wrong(at, 'is no text that can be said in another language.')
  return wrong(at, `is not known in '${what}'; it has ${Object.keys(shape.shape).join(', ')}.`)
}

function sentenceOf(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined && issue.code === 'invalid_type') return 'is required.'
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${NOUNS[issue.expected] ?? issue.expected}.`
    case 'invalid_value':
      return `must be one of: ${issue.values.join(', ')}.`
    case 'invalid_key':
      return issue.issues[0]?.message ?? 'is no name that can be used here.'
    default:
      return issue.message
  }
}

const NOUNS: { readonly [type: string]: string } = {
  string: 'a string',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
  record: 'an object',
}

const isObject = (value: unknown): value is Fields => value !== null && typeof value === 'object' && !Array.isArray(value)

const number = (value: number) => value.toLocaleString('en')

const quoted = (value: unknown) => JSON.stringify(value)?.slice(0, 40) ?? 'nothing'
