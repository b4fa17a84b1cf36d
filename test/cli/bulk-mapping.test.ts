import { describe, expect, test } from 'vitest'
import { Flaw, UsageError } from '../../src/cli/bulk-flaw.ts'
import { mapColumns, readTarget, recipientIn, recipientOf, type Target } from '../../src/cli/bulk-mapping.ts'

const choices = (said: Readonly<Record<string, string | null>> = {}) =>
  new Map<string, Target | null>(
    Object.entries(said).map(([column, target]) => [column, target === null ? null : readTarget(target)]),
  )

/** As it is sent. */
const asJson = (read: unknown) => (read instanceof Flaw ? read.code : JSON.parse(JSON.stringify(read)))

const rowOf = (header: readonly string[], cells: readonly string[], said?: Readonly<Record<string, string | null>>) =>
  asJson(recipientOf(mapColumns(header, choices(said)), cells))

describe('Columns', () => {
  test.each<[string, string[], string[], Record<string, string | null>, unknown]>([
    [
      'go by their names',
      ['email', 'userId', 'locale', 'profile.name'],
      ['a@b.c', 'ada', 'en', 'Ada'],
      {},
      { email: 'a@b.c', userId: 'ada', locale: 'en', profile: { name: 'Ada' } },
    ],
    [
      'are known in other cases and with other signs',
      ['E-Mail', 'User ID', 'phone_number'],
      ['a@b.c', 'ada', '+3211'],
      {},
      { email: 'a@b.c', userId: 'ada', phoneNumber: '+3211' },
    ],
    [
      'are data where they are nothing else',
      ['email', 'First name', 'data.town'],
      ['a@b.c', 'Ada', 'Ghent'],
      {},
      { email: 'a@b.c', data: { 'First name': 'Ada', town: 'Ghent' } },
    ],
    [
      'go where --map says',
      ['Mail', 'Id', 'n'],
      ['a@b.c', 'ada', 'Ada'],
      { Mail: 'email', Id: 'userId', n: 'data.person.name' },
      { email: 'a@b.c', userId: 'ada', data: { person: { name: 'Ada' } } },
    ],
    ['are left out where --ignore says', ['email', 'note'], ['a@b.c', 'x'], { note: null }, { email: 'a@b.c' }],
    [
      'are read as what --map says',
      ['email', 'a', 'b', 'c'],
      ['a@b.c', '1.5', 'TRUE', '[1]'],
      { a: 'data.a:number', b: 'data.b:boolean', c: 'data.c:json' },
      { email: 'a@b.c', data: { a: 1.5, b: true, c: [1] } },
    ],
    ['that are empty are left out', ['email', 'userId', 'name'], ['a@b.c', ' ', ''], {}, { email: 'a@b.c' }],
    [
      'are trimmed where they are addresses, and not where they are data',
      ['email', 'name'],
      [' a@b.c ', ' Ada '],
      {},
      { email: 'a@b.c', data: { name: ' Ada ' } },
    ],
    [
      'may be called like anything',
      ['email', '__proto__', 'constructor'],
      ['a@b.c', 'x', 'y'],
      {},
      JSON.parse('{ "email": "a@b.c", "data": { "__proto__": "x", "constructor": "y" } }'),
    ],
    ['without a name are left out', ['', 'email', ' '], ['0', 'a@b.c', 'x'], {}, { email: 'a@b.c' }],
    [
      'without a name go where --map says by their number',
      ['', 'email'],
      ['0', 'a@b.c'],
      { 'column 1': 'userId' },
      { userId: '0', email: 'a@b.c' },
    ],
    [
      'cannot be numbers that are too large',
      ['email', 'a'],
      ['a@b.c', '[1, { "n": -1e400 }]'],
      { a: 'data.a:json' },
      'BAD_VALUE',
    ],
    ['need an address among them', ['email', 'name'], ['', 'Ada'], {}, 'NO_ADDRESS'],
    ['need to be what they are read as', ['email', 'a'], ['a@b.c', 'many'], { a: 'data.a:number' }, 'BAD_VALUE'],
  ])('%s', (_what, header, cells, said, to) => {
    expect(rowOf(header, cells, said)).toEqual(to)
  })

  test.each<[string, string[], Record<string, string | null>, string]>([
    ['calls a column what one without a name is called', ['', 'email', 'column 1'], {}, "two columns called 'column 1'"],
    ['has a name twice', ['email', 'name', 'name'], {}, "two columns called 'name'"],
    ['has no address', ['name', 'note'], {}, 'No column leads to a recipient'],
    ['has two columns for one thing', ['email', 'E-Mail'], {}, "'email' and 'E-Mail' both lead to email"],
    ['has a column within another', ['email', 'data.a', 'data.a.b'], {}, 'both lead to data.a.b'],
    ['lacks a column that is mapped', ['email'], { Mail: 'email' }, "no column 'Mail'"],
  ])('are refused as a whole where the header %s', (_what, header, said, words) => {
    expect(() => mapColumns(header, choices(said))).toThrow(UsageError)
    expect(() => mapColumns(header, choices(said))).toThrow(words)
  })

  test.each(['', 'mail', 'email.x', 'data', 'data.', 'data.a..b', 'listId', 'email:date'])("cannot go to '%s'", (target) => {
    expect(() => readTarget(target)).toThrow(UsageError)
  })
})

describe('A line of JSON', () => {
  test.each<[string, unknown, Record<string, string | null>, unknown]>([
    ['may be a user', { to: { email: 'a@b.c', data: { n: 1 } } }, {}, { email: 'a@b.c', data: { n: 1 } }],
    [
      'may be a recipient',
      { userId: 'ada', profile: { name: 'Ada' }, preferences: [] },
      {},
      { userId: 'ada', profile: { name: 'Ada' }, preferences: [] },
    ],
    [
      'may be flat, and keeps what its values are',
      { email: 'a@b.c', age: 5, tags: ['x'], none: null },
      {},
      { email: 'a@b.c', data: { age: 5, tags: ['x'] } },
    ],
    ['may be mapped', { Mail: 'a@b.c', skip: 1 }, { Mail: 'email', skip: null }, { email: 'a@b.c' }],
    ['may have data of both kinds', { email: 'a@b.c', data: { a: 1 }, b: 2 }, {}, { email: 'a@b.c', data: { a: 1, b: 2 } }],
    ['needs an address', { name: 'Ada' }, {}, 'NO_ADDRESS'],
    ['has no number that is too large', JSON.parse('{ "email": "a@b.c", "n": [{ "a": 1e400 }] }'), {}, 'BAD_VALUE'],
    ['may have one where it is left out', JSON.parse('{ "email": "a@b.c", "n": 1e400 }'), { n: null }, { email: 'a@b.c' }],
    [
      'is not nested more deeply than it can be written',
      JSON.parse(`{ "email": "a@b.c", "n": ${'['.repeat(100_000)}${']'.repeat(100_000)} }`),
      {},
      'BAD_VALUE',
    ],
    ['is an object', ['a@b.c'], {}, 'NOT_AN_OBJECT'],
    ['has room for what is mapped', { email: 'a@b.c', data: 'x', b: 2 }, {}, 'BAD_VALUE'],
  ])('%s', (_what, line, said, to) => {
    expect(asJson(recipientIn(line, choices(said)))).toEqual(to)
  })
})
