import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkListId, checkListPattern } from '../../src/domain/list-pattern.ts'
import { Refusal } from '../../src/errors.ts'
import { openStore, type Store } from '../../src/store/database.ts'
import { patternToRegex } from '../../src/store/list.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

/** As JavaScript reads what PostgreSQL is asked. */
const matchesPattern = (pattern: string, id: string) => new RegExp(patternToRegex(pattern)).test(id)

/** The sentence of the refusal, which must name the field; null where there is none. */
function refusal(check: () => unknown): string | null {
  try {
    check()
    return null
  } catch (error) {
    expect(error).toBeInstanceOf(Refusal)
    expect(error).toMatchObject({ code: 'BAD_USER_INPUT', issues: [{ path: ['input', 'it'] }] })
    return (error as Refusal).message
  }
}
const refusalOfId = (id: string) => refusal(() => checkListId(id, ['input', 'it']))
const refusalOfPattern = (pattern: string) => refusal(() => checkListPattern(pattern, ['input', 'it']))

describe('The id of a list', () => {
  test.each(['news', 'news.weekly', 'news.weekly.de', 'news.weekly.de.berlin', 'a-b.c_d:e/f', 'Ö.日本', 'news+1', '(x)'])(
    'may be %j: one to four parts with dots between them',
    (id) => expect(refusalOfId(id)).toBeNull(),
  )

  test.each([
    '',
    '.',
    'news.',
    '.news',
    'news..weekly',
    'a.b.c.d.e',
    'my news',
    'a. b',
    'a\u00a0b',
    '*',
    'news.*',
    'news*',
    '#1',
    'a.#',
    'a\nb',
    'x'.repeat(257),
  ])('may not be %j', (id) => expect(refusalOfId(id)).toMatch(/^'it' must be/))
})

describe('A pattern of lists', () => {
  test.each([
    'news',
    'news.weekly',
    '*',
    '*.*',
    '*.*.*',
    '*.*.*.de',
    'news.*',
    '*.weekly',
    'news.*.de',
    'news.**',
    'a.b.c.**',
    '*.a.**',
    '*.*.a.**',
  ])('may be %j', (pattern) => expect(refusalOfPattern(pattern)).toBeNull())

  test.each([
    ['**', '** must stand after a part without a wildcard'],
    ['**.news', '** must be the last part'],
    ['news.**.de', '** must be the last part'],
    ['*.**', '** must stand after a part without a wildcard'],
    ['news.*.**', '** must stand after a part without a wildcard'],
    ['**.**', '** must be the last part'],
    ['poke**', 'must be a whole part'],
    ['g*', 'must be a whole part'],
    ['news.*ly', 'must be a whole part'],
    ['***', 'must be a whole part'],
    ['news.***', 'must be a whole part'],
    ['*.*.*.*', 'at most 3 parts may be wildcards'],
    ['news. *', 'without white space'],
    ['.news', 'must be 1 to 4 parts'],
    ['news.', 'must be 1 to 4 parts'],
    ['news..*', 'must be 1 to 4 parts'],
    ['a.b.c.d.**', 'must be 1 to 4 parts'],
    ['news.#', 'without white space and #'],
    ['', '1 to 256 characters'],
  ])('may not be %j: %s', (pattern, reason) => expect(refusalOfPattern(pattern)).toContain(reason))

  test.each([
    ['*', 'news', true],
    ['*', 'news.weekly', false],
    ['news.*', 'news.weekly', true],
    ['news.*', 'news', false],
    ['news.*', 'news.weekly.de', false],
    ['news.**', 'news.weekly', true],
    ['news.**', 'news.weekly.de.berlin', true],
    ['news.**', 'news', false],
    ['news.**', 'newsweekly', false],
    ['*.weekly', 'news.weekly', true],
    ['news.*.de', 'news.weekly.de', true],
    ['news.*.de', 'news.weekly.fr', false],
    ['news', 'news', true],
    ['news', 'News', false],
    ['news', 'news.weekly', false],
    ['n(ew)+s', 'n(ew)+s', true],
    ['n(ew)+s', 'news', false],
  ])('%j fits %j: %s', (pattern, id, fits) => expect(matchesPattern(pattern, id)).toBe(fits))
})

describe('Any pattern', () => {
  let database: TestDatabase
  let store: Store
  beforeAll(async () => {
    database = await testDatabase()
    store = await openStore({ url: database.url, poolSize: 1, allowUnsafe: true })
  })
  afterAll(async () => {
    await store.close()
    await database.drop()
  })

  /** As the manual has it, part by part. */
  function fits(pattern: readonly string[], id: readonly string[]): boolean {
    const [wanted, ...others] = pattern
    if (wanted === undefined) return id.length === 0
    if (id.length === 0) return false
    if (wanted === '**') return true
    return (wanted === '*' || wanted === id[0]) && fits(others, id.slice(1))
  }

  const isValid = (check: (text: string, path: string[]) => string) => (text: string) => {
    try {
      return check(text, ['it']) === text
    } catch {
      return false
    }
  }
  /** Few words, so that patterns do fit; and all that means something in a regular expression. */
  const word = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'A', 'ab') },
    {
      weight: 2,
      arbitrary: fc.constantFrom('\\', '\\d', '[a]', 'a|b', 'a+', 'a?', '(a)', '^', '$', '{1}', 'a-b', '&', '%', '_', "'", '"'),
    },
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }).filter((text) => !/[.*]/.test(text)),
  )
  const ids = fc
    .array(word, { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('.'))
    .filter(isValid(checkListId))
  const patterns = fc
    .array(fc.oneof(word, fc.constantFrom('*', '*', '**')), { minLength: 1, maxLength: 4 })
    .map((parts) => parts.join('.'))
    .filter(isValid(checkListPattern))
  /** An id made into a pattern that may fit it. */
  const likely = fc
    .record({ id: ids, stars: fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), tail: fc.boolean() })
    .map(({ id, stars, tail }) => {
      const parts = id.split('.').map((part, index) => (stars[index] ? '*' : part))
      return { id, pattern: (tail ? [...parts.slice(0, -1), '**'] : parts).join('.') }
    })
    .filter(({ pattern }) => isValid(checkListPattern)(pattern))
  const pairs = fc.oneof(likely, fc.record({ id: ids, pattern: patterns }))

  test('fits what the manual says part by part, here and in PostgreSQL', async () => {
    let fitting = 0
    await fc.assert(
      fc.asyncProperty(fc.array(pairs, { minLength: 1, maxLength: 20 }), async (sample) => {
        const expected = sample.map(({ id, pattern }) => fits(pattern.split('.'), id.split('.')))
        fitting += expected.filter(Boolean).length
        expect(sample.map(({ id, pattern }) => matchesPattern(pattern, id))).toEqual(expected)
        const regexes = sample.map(({ pattern }) => patternToRegex(pattern))
        const { rows } = await sql<{ fits: boolean }>`
          select id ~ regex as fits
          from unnest(${sample.map(({ id }) => id)}::text[], ${regexes}::text[]) with ordinality as s(id, regex, place)
          order by place`.execute(store.db)
        expect(rows.map((row) => row.fits)).toEqual(expected)
      }),
    )
    expect(fitting).toBeGreaterThan(50)
  })

  test('that names no wildcard is an id, and fits itself alone', () => {
    fc.assert(
      fc.property(ids, ids, (pattern, id) => {
        expect(checkListPattern(pattern, ['it'])).toBe(pattern)
        expect(matchesPattern(pattern, pattern)).toBe(true)
        expect(matchesPattern(pattern, id)).toBe(pattern === id)
      }),
    )
  })
})
