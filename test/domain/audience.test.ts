import { describe, expect, test } from 'vitest'
import { type AudienceFilterInput, checkAudienceFilter } from '../../src/domain/audience.ts'
import { Refusal } from '../../src/errors.ts'
import { CONDITION_OPERATORS } from '../../src/store/audience-filter.ts'

const check = (filter: object) => checkAudienceFilter(filter as AudienceFilterInput, ['input', 'filter'])

/** Where a filter is refused, from the filter on; its message must name the field, or the whole. */
function refusedAt(filter: object): string {
  try {
    check(filter)
  } catch (error) {
    const { code, issues } = error as Refusal
    expect(error).toBeInstanceOf(Refusal)
    expect(code).toBe('BAD_USER_INPUT')
    const path = issues[0]!.path
    const field = path.at(-1)
    if (['path', 'value', 'filters'].includes(String(field)) && typeof field === 'string') {
      expect(issues[0]!.message.startsWith(`'${field}'`)).toBe(true)
    }
    return path.slice(2).join('.')
  }
  throw new Error('It was taken.')
}

const leaf = { operator: 'EQ', path: 'title', value: 'X' }
const nested = (levels: number): object =>
  levels === 1 ? leaf : { operator: levels % 2 ? 'AND' : 'OR', filters: [nested(levels - 1)] }
const group = (filters: readonly object[]) => ({ operator: 'AND', filters })

describe('A filter', () => {
  test.each<[string, object]>([
    ['a leaf', leaf],
    ['a group of one', group([leaf])],
    ['groups in groups', group([leaf, { operator: 'OR', filters: [leaf, group([leaf])] }])],
    ['10 levels deep', nested(10)],
    ['100 leaves', group([group(Array(50).fill(leaf)), group(Array(50).fill(leaf))])],
    ['MEMBER_OF without a path', { operator: 'MEMBER_OF', value: 'tenant' }],
    ['EXISTS without a value', { operator: 'EXISTS', path: 'a' }],
  ])('may be %s, and is kept as it was given', (_name, filter) => {
    expect(check(filter)).toEqual(filter)
  })

  test('is kept without what was null', () => {
    expect(check({ ...leaf, filters: null })).toEqual(leaf)
    expect(check({ operator: 'AND', path: null, value: null, filters: [leaf] })).toEqual(group([leaf]))
    expect(check({ operator: 'EXISTS', path: 'a', value: null })).toEqual({ operator: 'EXISTS', path: 'a' })
  })

  test.each<[string, object, string]>([
    ['a group without filters', { operator: 'AND' }, 'filters'],
    ['an empty group', { operator: 'OR', filters: [] }, 'filters'],
    ['a group with a path', { ...group([leaf]), path: 'a' }, 'path'],
    ['a group with a value', { ...group([leaf]), value: false }, 'value'],
    ['a leaf with filters', { ...leaf, filters: [] }, 'filters'],
    [
      'a wrong value deep inside',
      group([leaf, { operator: 'OR', filters: [{ ...leaf, value: {} }] }]),
      'filters.1.filters.0.value',
    ],
    ['11 levels', nested(11), Array(10).fill('filters.0').join('.')],
    ['101 leaves', group(Array(101).fill(leaf)), 'filters.100'],
    ['a leaf without a path', { operator: 'EQ', value: 'X' }, 'path'],
    ['an empty path', { ...leaf, path: '' }, 'path'],
    ['an empty part of a path', { ...leaf, path: 'a..b' }, 'path'],
    ['a path of 17 parts', { ...leaf, path: Array(17).fill('a').join('.') }, 'path'],
    ['a part of 129 characters', { ...leaf, path: `a.${'b'.repeat(129)}` }, 'path'],
    ['MEMBER_OF with a profile’s path', { operator: 'MEMBER_OF', path: 'title', value: 'tenant' }, 'path'],
  ])('may not be %s', (_name, filter, path) => {
    expect(refusedAt(filter)).toBe(path)
  })
})

describe('The value', () => {
  const scalars = ['', 'x', 0, -1.5, true, false]
  const numbers = [0, -1.5, 1e21, '0', '-1.50', '999999999999999.999999999999999']
  const instants = [
    '2026-01-31',
    '2024-02-29T23:59',
    '2026-01-31 23:59:59.123456789Z',
    '2026-01-31T00:00+05:30',
    '2026-01-31T00:00-08',
  ]
  const tenants = ['tenant', ['one', 'two']]
  const noInstants = [
    '2026-02-30',
    '2025-02-29',
    '2026-13-01',
    '0000-01-01',
    '2026-1-1',
    '2026-01-01T24:00',
    '2026-01-01T10:60',
    'x',
  ]
  const nothing = [undefined, null, {}, [[]], [null]]
  const taken: { readonly [operator: string]: { right: readonly unknown[]; wrong: readonly unknown[] } } = {
    EQ: { right: scalars, wrong: [...nothing, ['x']] },
    NEQ: { right: scalars, wrong: [...nothing, ['x']] },
    GT: { right: numbers, wrong: [...nothing, '', '1e3', '1.', '1234567890123456', true, ' 1'] },
    GTE: { right: numbers, wrong: [...nothing, '0x1'] },
    LT: { right: numbers, wrong: [...nothing, '1\n'] },
    LTE: { right: numbers, wrong: [...nothing, 'NaN'] },
    EXISTS: { right: [true, false, 'true', 'false', undefined], wrong: [{}, [], 'yes', 1, ''] },
    INCLUDES: { right: [...scalars, scalars, Array(100).fill('x')], wrong: [...nothing, [], Array(101).fill('x'), ['x', null]] },
    OMIT: { right: [...scalars, scalars], wrong: [...nothing, []] },
    STARTS_WITH: { right: ['', 'x'], wrong: [...nothing, 1, true, ['x']] },
    ENDS_WITH: { right: ['', 'x'], wrong: [...nothing, 1, true, ['x']] },
    IS_BEFORE: { right: instants, wrong: [...nothing, ...noInstants, 0] },
    IS_AFTER: { right: instants, wrong: [...nothing, ...noInstants, ['2026-01-31']] },
    MEMBER_OF: { right: tenants, wrong: [...nothing, [], '', 1, Array(101).fill('x'), 'x'.repeat(257)] },
  }

  test.each(CONDITION_OPERATORS)('of %s is checked', (operator) => {
    const withValue = (value: unknown) => ({ operator, ...(operator !== 'MEMBER_OF' && { path: 'a.0' }), value })
    for (const value of taken[operator]!.right) expect(check(withValue(value))).toEqual(withValue(value))
    for (const value of taken[operator]!.wrong) expect(refusedAt(withValue(value)), JSON.stringify(value)).toBe('value')
  })
})

test('MEMBER_OF may say in its path that it asks for a tenant', () => {
  for (const path of ['tenant_id', 'account_id']) {
    const filter = { operator: 'MEMBER_OF', path, value: 'tenant' }
    expect(check(filter)).toEqual(filter)
  }
})
