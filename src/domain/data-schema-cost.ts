import { formsBeside, formsWithin, type SchemaDocument, type SchemaForm, type SchemaRules } from './data-schema-form.ts'

/**
 * What checking data against a schema may cost at most, found without checking. What is surely quick is checked as it is;
 * only what may be slow is put under a limit of time, which costs more than most checks.
 */
export interface SchemaCost {
  /** Schemas that one value may be asked about, all together; endless where a schema leads back to itself. */
  readonly forms: number
  /** Of them, those that read a text from end to end. */
  readonly texts: number
  /** With how many powers of a text's length the slowest of them grows: 1 for a look at each character. */
  readonly power: number
  /** Those that compare each entry of a list with each other one. */
  readonly pairs: number
}

const NOTHING: SchemaCost = { forms: 0, texts: 0, power: 0, pairs: 0 }
const ENDLESS: SchemaCost = { forms: Number.POSITIVE_INFINITY, texts: 0, power: 0, pairs: 0 }

/** A format's own expression looks back at most once over what it has read. */
const FORMAT_POWER = 2

/** Steps of a check take about a microsecond, a step within a text or a comparison far less. */
const STEP_US = 1
const TEXT_STEP_US = 0.01
const PAIR_US = 0.1

export function costOf({ root, schemas }: SchemaDocument): SchemaCost {
  const known = new Map<SchemaForm, SchemaCost>()
  const way = new Set<SchemaForm>()
  const visit = (form: SchemaForm): SchemaCost => {
    if (typeof form === 'boolean') return { ...NOTHING, forms: 1 }
    if (way.has(form)) return ENDLESS
    const before = known.get(form)
    if (before) return before
    way.add(form)
    const nested = [...formsBeside(form, schemas), ...formsWithin(form)].map(visit)
    way.delete(form)
    const cost = nested.reduce(together, ownCost(form))
    known.set(form, cost)
    return cost
  }
  return visit(root)
}

function ownCost({ minLength, maxLength, pattern, format, patternProperties, uniqueItems, ...rules }: SchemaRules): SchemaCost {
  const patterns = [...(pattern === undefined ? [] : [pattern]), ...Object.keys(patternProperties ?? {})].map(patternPower)
  const lengths = minLength === undefined && maxLength === undefined ? [] : [1]
  const powers = [...patterns, ...lengths, ...(format === undefined ? [] : [FORMAT_POWER])]
  const listed = (rules.enum?.length ?? 0) + (rules.required?.length ?? 0)
  return { forms: 1 + listed / 10, texts: powers.length, power: Math.max(0, ...powers), pairs: uniqueItems ? 1 : 0 }
}

function together(one: SchemaCost, other: SchemaCost): SchemaCost {
  return {
    forms: one.forms + other.forms,
    texts: one.texts + other.texts,
    power: Math.max(one.power, other.power),
    pairs: one.pairs + other.pairs,
  }
}

export interface Size {
  /** How many values the data is made of. */
  readonly values: number
  /** The longest that a check of it may take, in microseconds, roughly; often far more than it takes. */
  readonly mostUs: number
}

export function sizeUp(data: unknown, { forms, texts, power, pairs }: SchemaCost): Size {
  let values = 0
  let steps = 0
  const read = (text: string) => {
    if (texts > 0) steps += (text.length + 1) ** power
  }
  const visit = (value: unknown) => {
    values += 1
    if (typeof value === 'string') read(value)
    else if (Array.isArray(value)) for (const one of value) visit(one)
    else if (value !== null && typeof value === 'object') {
      for (const key of Object.keys(value)) {
        read(key)
        visit((value as Record<string, unknown>)[key])
      }
    }
  }
  visit(data)
  return { values, mostUs: forms * values * STEP_US + texts * steps * TEXT_STEP_US + pairs * values ** 2 * PAIR_US }
}

/** How many values JSON is made of: an object or a list is one, and so is each that it holds, at any depth. */
export const countValues = (data: unknown): number => sizeUp(data, NOTHING).values

/**
 * How the time that a pattern takes may grow with the text: 1, in step with it; 2, with its square; endless, where the
 * pattern may try a number of ways that doubles with each character, or where that cannot be told.
 */
export function patternPower(pattern: string): number {
  // What one character matches takes one step, however it is written.
  const plain = pattern.replaceAll(/\\(?:[pP]\{[^}]*\}|u\{[^}]*\}|.)|\[(?:\\.|[^\]\\])*\]/gsu, (token) =>
    /^\\[1-9k]/.test(token) ? '\\' : '.',
  )
  if (/\\|\(\?(?!:)/.test(plain)) return Number.POSITIVE_INFINITY
  const open: { repeats: number; chooses: boolean }[] = [{ repeats: 0, chooses: false }]
  for (const { 0: token } of plain.matchAll(/\(\?:|\)?(?:[*+?]|\{\d+(?:,\d*)?\})\??|[()|]/g)) {
    if (token.startsWith('(')) open.push({ repeats: 0, chooses: false })
    else if (token === '|') open.at(-1)!.chooses = true
    else {
      const inner = token.startsWith(')') ? open.pop()! : { repeats: 0, chooses: false }
      const outer = open.at(-1)!
      const isRepeated = /[*+{]/.test(token)
      if (isRepeated && (inner.repeats > 0 || inner.chooses)) return Number.POSITIVE_INFINITY
      outer.repeats += inner.repeats + Number(inner.chooses) + Number(/[*+?,]/.test(token))
    }
  }
  const isAnchored = /^\^/.test(plain) && !open[0]!.chooses
  return Math.max(1, open[0]!.repeats + (isAnchored ? 0 : 1))
}
