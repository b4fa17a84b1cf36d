import { validate } from '@cfworker/json-schema'
import type { Issue } from '../errors.ts'
import { inTime, TooLong } from '../render/in-time.ts'
import { costOf, type SchemaCost, sizeUp } from './data-schema-cost.ts'
import { readSchema, SchemaFault, type SchemaForm, type SchemaRules } from './data-schema-form.ts'
import { type Complaint, problemsOf } from './data-schema-problem.ts'
import type { JsonObject } from './json.ts'

/** A template's own word on the data of its messages, in JSON Schema (json-schema.org). */

/** Null where a schema can be used, otherwise the sentence that names the place of the first fault (data-schema-form.ts says what can). */
export function checkDataSchema(schema: JsonObject): string | null {
  try {
    readSchema(schema)
    return null
  } catch (error) {
    if (error instanceof SchemaFault) return error.message
    throw error
  }
}

/** What is told of one check. */
const MOST_PROBLEMS = 5
const MOST_COMPLAINTS = 1_000
/** What surely takes less than this is checked without a limit of time. */
const QUICK_US = 20_000
/** So long may checks take beyond what the size of their data explains, in each ten seconds. */
const MOST_EXCESS_MS = 500
const EXCESS_WINDOW_MS = 10_000
const ORDINARY_MS = 0.5
const ORDINARY_VALUE_MS = 0.01

/** path: within the data. Each message names the field and says what would be right; none quotes a value of the data. */
export type DataProblem = Issue

/**
 * What is wrong with the data of a message, the first few things; empty where nothing is. The schema is one that
 * checkDataSchema took, and is read once for as long as its object lives. Data on which its patterns take too long is a
 * problem too.
 */
export function dataProblems(schema: JsonObject, data: JsonObject): readonly DataProblem[] {
  const checker = checkerOf(schema)
  const { values, mostUs } = sizeUp(data, checker.cost)
  try {
    const complaints = mostUs <= QUICK_US ? checker.ask(data) : askInTime(checker, data, values)
    return complaints.length === 0 ? [] : firstOf(complaints, data, checker)
  } catch (error) {
    if (error instanceof TooLong)
      return [{ path: [], message: 'The data takes too long to be checked against the schema of the template.' }]
    throw error
  }
}

function firstOf(complaints: readonly Complaint[], data: JsonObject, { root, lookup }: Checker): readonly DataProblem[] {
  const problems = problemsOf(complaints.slice(0, MOST_COMPLAINTS), data, root, lookup)
  const byMessage = new Map(problems.map((one) => [one.message, one]))
  if (byMessage.size === 0) return [{ path: [], message: 'The data is not what the schema of the template asks for.' }]
  return [...byMessage.values()].slice(0, MOST_PROBLEMS)
}

interface Result {
  readonly valid: boolean
  readonly errors: readonly Complaint[]
}

interface Checker {
  readonly root: SchemaRules
  readonly lookup: Readonly<Record<string, SchemaForm>>
  readonly cost: SchemaCost
  /** In the order in which they were found; empty where the data is right. */
  ask(data: JsonObject): readonly Complaint[]
  excess: { since: number; spentMs: number }
}

const checkers = new WeakMap<JsonObject, Checker>()

function checkerOf(schema: JsonObject): Checker {
  const known = checkers.get(schema)
  if (known) return known
  const document = readSchema(schema)
  const { root } = document
  const lookup: Record<string, SchemaForm> = Object.assign(Object.create(null), Object.fromEntries(document.schemas))
  const ask = (data: JsonObject, stopsEarly: boolean) => validate(data, root as object, '2020-12', lookup as never, stopsEarly)
  const fresh: Checker = {
    root,
    lookup,
    cost: costOf(document),
    ask(data) {
      const { valid, errors } = unlessTooMany(() => ask(data, true))
      return valid ? [] : unlessTooMany(() => ask(data, false), errors).errors
    },
    excess: { since: 0, spentMs: 0 },
  }
  checkers.set(schema, fresh)
  return fresh
}

/** The library cannot put some 100,000 complaints together. */
function unlessTooMany(ask: () => Result, fewer?: readonly Complaint[]): Result {
  try {
    return ask()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    if (fewer === undefined) throw new TooLong()
    return { valid: false, errors: fewer }
  }
}

/**
 * A check that takes long on little data can be asked for again and again; so one schema may take half a second of each ten
 * beyond what the size of its data explains, and is not asked any more until they are over.
 */
function askInTime(checker: Checker, data: JsonObject, values: number): readonly Complaint[] {
  const begun = performance.now()
  if (begun - checker.excess.since > EXCESS_WINDOW_MS) checker.excess = { since: begun, spentMs: 0 }
  if (checker.excess.spentMs > MOST_EXCESS_MS) throw new TooLong()
  const before = process.threadCpuUsage()
  try {
    return inTime(() => checker.ask(data))
  } finally {
    const { user, system } = process.threadCpuUsage(before)
    checker.excess.spentMs += Math.max(0, (user + system) / 1_000 - (ORDINARY_MS + values * ORDINARY_VALUE_MS))
  }
}
