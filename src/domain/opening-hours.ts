import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { compileFunction } from 'node:vm'
import { LRUCache } from 'lru-cache'

/** What is used of a compiled value. It works on wall-clock times, written as if they were UTC. */
interface Compiled {
  getIterator(from: Date): { getDate(): Date; getState(): boolean; advance(until: Date): boolean }
}
type Compile = new (hours: string, place: null, options: { readonly mode: 0; readonly locale: 'en' }) => Compiled

const WORDS = /\b(?:Mo|Tu|We|Th|Fr|Sa|Su|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|week|open|off|closed)\b/g
const NEEDS_A_PLACE = /\b(?:PH|SH|dawn|dusk|sunrise|sunset)\b/i
const LONGEST = 200

/**
 * What is wrong with a text that should be opening hours, as the end of a sentence that begins with its name; null where it
 * is right. Taken is what the OpenStreetMap wiki calls opening_hours, of the words for days, months and weeks alone: nothing
 * that depends on a place (holidays, the sun), that leaves it open whether it is open (comments, open ends), or that is
 * written in other words.
 */
export function unlessOpeningHours(hours: string): string | null {
  if (hours.length > LONGEST) return `must be at most ${LONGEST} characters.`
  if (NEEDS_A_PLACE.test(hours)) return 'cannot follow holidays or the sun: nobody knows for which place.'
  if (/[^\d\s:;,/[\]-]|\d{5}/.test(hours.replace(WORDS, ''))) return EXPECTED
  try {
    compiledHours(hours)
    return null
  } catch (error) {
    // The package throws texts, which begin with what it could read.
    const [read = ''] = String(error).split(' <--- ')
    return hours.startsWith(read) ? `${EXPECTED.slice(0, -1)}; it is understood as far as '${read.trimEnd()}'.` : EXPECTED
  }
}

const EXPECTED = 'must be opening hours, like Mo-Fr 09:00-17:00 or Mo-Sa 08:00-12:00,13:00-18:00; Dec 24 off.'

/**
 * The first moment of [from, until) at which it is open; null where there is none. Both are wall-clock times written as if
 * they were UTC, and so is the answer. Openings begin with their first minute and end before their last.
 */
export function nextOpening(hours: string, from: Date, until: Date): Date | null {
  if (from >= until) return null
  const iterator = compiledHours(hours).getIterator(new DateInUtc(from.getTime()))
  while (!iterator.getState()) if (!iterator.advance(until)) return null
  return new Date(iterator.getDate().getTime())
}

const compiled = new LRUCache<string, Compiled>({ max: 500 })

/** @throws a text where these are no opening hours */
function compiledHours(hours: string): Compiled {
  const known = compiled.get(hours)
  if (known) return known
  compile ??= loadPackage()
  const fresh = new compile(hours, null, { mode: 0, locale: 'en' })
  compiled.set(hours, fresh)
  return fresh
}

let compile: Compile | undefined

/**
 * The package opening_hours reads the local time of its process: where that has a summer time, an hour of each spring cannot be
 * told to it. So it is given a Date whose local time is UTC, wherever the process runs. Loaded where it is needed: it brings
 * the holidays of the world.
 */
function loadPackage(): Compile {
  const path = createRequire(import.meta.url).resolve('opening_hours')
  const exported: { exports: unknown } = { exports: {} }
  const load = compileFunction(readFileSync(path, 'utf8'), ['module', 'exports', 'require', 'Date'], { filename: path })
  load(exported, exported.exports, createRequire(path), DateInUtc)
  return exported.exports as Compile
}

class DateInUtc extends Date {
  /** One argument is a time, several are the parts of a local one. */
  constructor(...given: readonly number[]) {
    super(...((given.length > 1 ? [Date.UTC(...(given as [number, number]))] : given) as [number]))
  }

  override getFullYear(): number {
    return this.getUTCFullYear()
  }

  override getMonth(): number {
    return this.getUTCMonth()
  }

  override getDate(): number {
    return this.getUTCDate()
  }

  override getDay(): number {
    return this.getUTCDay()
  }

  override getHours(): number {
    return this.getUTCHours()
  }

  override getMinutes(): number {
    return this.getUTCMinutes()
  }

  override setDate(date: number): number {
    return this.setUTCDate(date)
  }

  override setHours(...given: Parameters<Date['setHours']>): number {
    return this.setUTCHours(...given)
  }
}
