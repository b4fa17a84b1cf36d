import { vsprintf } from 'sprintf-js'
import { RenderRefusal } from '../template.ts'
import { type Place, read, type TemplateFunction } from './function.ts'
import { numberOf } from './logic.ts'

const ANY_NUMBER = Number.POSITIVE_INFINITY
const MAX_WIDTH = 1_000
const MAX_PRECISION = 20

/** Texts (reference: courier 7.3, String helpers). Characters are what a reader sees as one: no grapheme is cut. */
export const TEXT: Readonly<Record<string, TemplateFunction>> = {
  capitalize: {
    least: 1,
    most: 1,
    call([value], _named, place) {
      const text = read(value, place)
      const [first = ''] = text
      return first.toUpperCase() + text.slice(first.length)
    },
  },
  concat: {
    least: 0,
    most: ANY_NUMBER,
    named: ['separator'],
    call(values, named, place) {
      const separator = read(named.get('separator'), place)
      place.spend(separator.length * values.length)
      return values.map((value) => read(value, place)).join(separator)
    },
  },
  format: { least: 1, most: ANY_NUMBER, call: ([format, ...values], _named, place) => formatted(format, values, place) },
  trim: {
    least: 1,
    most: 2,
    call: ([value, characters], _named, place) => {
      const cut = cutOf(characters, place)
      return withoutEnd(withoutStart(read(value, place), cut), cut)
    },
  },
  'trim-left': {
    least: 1,
    most: 2,
    call: ([value, characters], _named, place) => withoutStart(read(value, place), cutOf(characters, place)),
  },
  'trim-right': {
    least: 1,
    most: 2,
    call: ([value, characters], _named, place) => withoutEnd(read(value, place), cutOf(characters, place)),
  },
  'trim-one-char-right': { least: 1, most: 2, call: ([value, character], _named, place) => withoutLast(value, character, place) },
  /** `{{truncate text 20 "…"}}`: its first 20 characters, and the suffix where it is longer. */
  truncate: {
    least: 2,
    most: 3,
    call([value, length, suffix], _named, place) {
      const most = numberOf(length)
      if (most === null || most < 0 || !Number.isInteger(most)) {
        throw new RenderRefusal('\'truncate\' takes a text and a whole number of characters: {{truncate text 20 "…"}}.')
      }
      return truncated(read(value, place), most, read(suffix, place), place)
    },
  },
}

/** What a character costs that is kept to be looked for, in characters that are only copied. */
const KEPT = 4

type Cut = ReadonlySet<string> | null

/** The characters that are taken off an end: those that are given; null: white space. */
function cutOf(characters: unknown, place: Place): Cut {
  if (characters === undefined) return null
  const given = read(characters, place)
  place.spend(KEPT * given.length)
  return new Set(given.split(''))
}

function withoutStart(text: string, cut: Cut): string {
  if (cut === null) return text.trimStart()
  let start = 0
  while (start < text.length && cut.has(text[start]!)) start += 1
  return text.slice(start)
}

function withoutEnd(text: string, cut: Cut): string {
  if (cut === null) return text.trimEnd()
  let end = text.length
  while (end > 0 && cut.has(text[end - 1]!)) end -= 1
  return text.slice(0, end)
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' })
/** What finding the end of a character costs, in characters that are only copied. */
const GRAPHEME = 64

function truncated(text: string, most: number, suffix: string, place: Place): string {
  if (text.length <= most) return text
  let count = 0
  for (const { index, segment } of graphemes.segment(text)) {
    if (count === most) return text.slice(0, index) + suffix
    place.spend(GRAPHEME + segment.length)
    count += 1
  }
  return text
}

/** Without its last character, or without the one that is given where it ends with that. */
function withoutLast(value: unknown, character: unknown, place: Place): string {
  const text = read(value, place)
  if (character !== undefined) {
    const last = read(character, place)
    return last !== '' && text.endsWith(last) ? text.slice(0, -last.length) : text
  }
  // One character seldom takes more units than this; of one that does, no more are lost than these.
  const tail = text.slice(-GRAPHEME)
  const last = [...graphemes.segment(tail)].at(-1)?.segment ?? ''
  return text.slice(0, text.length - last.length)
}

// ── sprintf ──────────────────────────────────────────────────────────────────

const PLACEHOLDER = /%(?:%|(?:([1-9]\d?)\$)?(\+)?(0|'[^$])?(-)?(\d+)?(?:\.(\d+))?([a-zA-Z]))?/g
const NUMERIC = 'bcdieufgoxX'
const TYPES = `${NUMERIC}st`

/**
 * The library remembers every format that it was ever given, follows names into prototypes, and fills any width: so it is
 * given one placeholder at a time, of which there are few, and the widths are filled here, paid for.
 */
function formatted(format: unknown, values: readonly unknown[], place: Place): string {
  let next = 0
  return read(format, place).replace(PLACEHOLDER, (all: string, ...groups: (string | undefined)[]) => {
    if (all === '%%') return '%'
    const [position, sign = '', fill = '', left, width = '0', precision, type = ''] = groups
    if (type === '' || !TYPES.includes(type)) {
      throw new RenderRefusal(`'format' cannot read '${all}'; there are ${[...TYPES].map((one) => `%${one}`).join(', ')} and %%.`)
    }
    if (Number(width) > MAX_WIDTH || Number(precision ?? 0) > MAX_PRECISION) {
      throw new RenderRefusal(
        `'format' fills at most ${MAX_WIDTH.toLocaleString('en')} characters and writes at most ${MAX_PRECISION} digits.`,
      )
    }
    const value = values[position === undefined ? next++ : Number(position) - 1]
    const given = NUMERIC.includes(type) ? numberIn(value, all) : type === 's' ? read(value, place) : Boolean(value)
    const text =
      type === 's'
        ? cutTo(given as string, precision)
        : vsprintf(`%${sign}${precision === undefined ? '' : `.${precision}`}${type}`, [given])
    place.spend(Number(width))
    return filled(text, fill === '' ? ' ' : fill.at(-1)!, Number(width), left !== undefined)
  })
}

const cutTo = (text: string, precision: string | undefined) => (precision === undefined ? text : text.slice(0, Number(precision)))

function numberIn(value: unknown, placeholder: string): number {
  const number = numberOf(value)
  if (number === null) throw new RenderRefusal(`'format' was given what is no number for '${placeholder}'.`)
  return number
}

/** Zeros stand behind a sign. */
function filled(text: string, fill: string, width: number, isLeft: boolean): string {
  if (isLeft) return text.padEnd(width, fill)
  const sign = fill === '0' ? (/^[+-]/.exec(text)?.[0] ?? '') : ''
  return sign + text.slice(sign.length).padStart(width - sign.length, fill)
}
