import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type AudienceFilterInput, checkAudienceFilter } from '../../src/domain/audience.ts'
import { audienceMembersQuery, countAudienceMembers, readAudienceMembers } from '../../src/store/audience.ts'
import type { AudienceCondition, AudienceFilter } from '../../src/store/audience-filter.ts'
import { type Db, openStore, type Store } from '../../src/store/database.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'
import { fits, type ModelUser } from './audience-model.ts'

let database: TestDatabase
let store: Store
/** The same, where PostgreSQL takes the index on profiles although a table is small. */
let indexed: Store

beforeAll(async () => {
  database = await testDatabase()
  const url = new URL(database.url)
  store = await openStore({ url: url.href, poolSize: 4, allowUnsafe: true })
  url.searchParams.set('options', '-c enable_seqscan=off -c enable_indexscan=off -c enable_indexonlyscan=off')
  indexed = await openStore({ url: url.href, poolSize: 2, allowUnsafe: true })
})
afterAll(async () => {
  await Promise.all([store.close(), indexed.close()])
  await database.drop()
})

/** An environment of one's own with these users; tenants are made as they are named. */
async function settle(users: readonly ModelUser[]): Promise<string> {
  const environmentId = randomUUID()
  const rows = JSON.stringify(users)
  await sql`
    with given as (select * from jsonb_to_recordset(${rows}::jsonb) as g(id text, profile jsonb, tenants text[])),
    people as (insert into "user" (environment_id, id, profile) select ${environmentId}, id, profile from given),
    firms as (insert into tenant (environment_id, id, name) select distinct ${environmentId}, t, t from given, unnest(tenants) t)
    insert into tenant_member (environment_id, tenant_id, user_id)
    select distinct ${environmentId}, t, id from given, unnest(tenants) t`.execute(store.db)
  return environmentId
}

async function everyPage(db: Db, environmentId: string, filter: AudienceFilter, limit: number): Promise<readonly string[]> {
  const found: string[] = []
  for (;;) {
    const page = await readAudienceMembers(db, environmentId, filter, found.at(-1) ?? null, limit)
    found.push(...page)
    if (page.length < limit) return found
  }
}

async function everyMember(db: Db, environmentId: string, filter: AudienceFilter): Promise<readonly string[]> {
  const { rows } = await audienceMembersQuery(environmentId, filter).execute(db)
  return rows.map((row) => row.user_id).sort()
}

function isTaken(given: AudienceFilterInput): boolean {
  try {
    checkAudienceFilter(given, [])
    return true
  } catch {
    return false
  }
}

const KEYS = ['a', 'b', '0', 'é']
const DATES = [
  '2026-01-01',
  '2026-01-01T00:00',
  '2026-01-01 00:00:00.500',
  '2026-01-01T01:30:00+01:30',
  '2026-01-01T00:00:00.001Z',
  '2025-12-31T19:00-0500',
  '2024-02-29',
]
const NUMBERS = ['1', '-1', '1.0', '1.50', '01', '0', '10', '999999999999999.999999999999999', '999999999999999.999999999999998']
const TEXTS = ['', 'a', 'ab', 'B', 'b', 'true', 'false', 'null', 'é', '😀', '%', '_', '\\', '"', "'", '{a}', '1e0', '0x1', ' 1']
/** What only looks like a number or a date. */
const DECOYS = [
  '2026-02-30',
  '2026-13-01',
  '2026-01-01T',
  '1e999999',
  '9999999999999999',
  '1.',
  '.5',
  'NaN',
  'Infinity',
  '１',
  '1\n',
]

const text = fc.constantFrom(...TEXTS, ...NUMBERS, ...DATES, ...DECOYS)
const scalar = fc.oneof(text, fc.constantFrom<unknown>(true, false, 0, 1, -1, 1.5, 10, 1e-7, 1e15, 0.1))
const json = fc.letrec((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, scalar, fc.constant(null), tie('list'), tie('object')),
  list: fc.array(tie('value'), { maxLength: 3 }),
  object: fc.dictionary(fc.constantFrom(...KEYS), tie('value'), { maxKeys: 3, noNullPrototype: true }),
}))
const person = fc.record({
  profile: json.object as fc.Arbitrary<ModelUser['profile']>,
  tenants: fc.uniqueArray(fc.constantFrom('t', 'u'), { maxLength: 2 }),
})

const path = fc
  .array(fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...KEYS) }, fc.constantFrom('1', '-1', '+1', '-0', 'x')), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join('.'))
const oneOrSeveral = <T>(one: fc.Arbitrary<T>) => fc.oneof(one, fc.array(one, { minLength: 1, maxLength: 3 }))
const condition = (operators: readonly AudienceCondition['operator'][], value: fc.Arbitrary<unknown>) =>
  fc.record({ operator: fc.constantFrom(...operators), path, value }) as fc.Arbitrary<AudienceFilter>

const filter = fc.letrec<{ filter: AudienceFilter; condition: AudienceFilter; group: AudienceFilter }>((tie) => ({
  filter: fc.oneof({ maxDepth: 3 }, tie('condition'), tie('condition'), tie('group')),
  condition: fc.oneof(
    { weight: 3, arbitrary: condition(['EQ', 'NEQ'], scalar) },
    condition(['GT', 'GTE', 'LT', 'LTE'], fc.oneof(fc.constantFrom(...NUMBERS), fc.constantFrom(0, 1, -1, 1.5, 10))),
    condition(['EXISTS'], fc.constantFrom(true, false, 'true', 'false', undefined)),
    condition(['INCLUDES', 'OMIT'], oneOrSeveral(scalar)),
    condition(['STARTS_WITH', 'ENDS_WITH'], text),
    condition(['IS_BEFORE', 'IS_AFTER'], fc.constantFrom(...DATES)),
    fc.record({ operator: fc.constant('MEMBER_OF' as const), value: oneOrSeveral(fc.constantFrom('t', 'u', 'nobody')) }),
  ),
  group: fc.record({
    operator: fc.constantFrom('AND' as const, 'OR' as const),
    filters: fc.array(tie('filter'), { minLength: 1, maxLength: 3 }),
  }),
})).filter

/** Every scalar of a profile with its path, through lists as well. */
function placesOf(value: unknown, parts: readonly string[] = []): [string, unknown][] {
  if (value === null || typeof value !== 'object') return value === null ? [] : [[parts.join('.'), value]]
  return Object.entries(value).flatMap(([key, inner]) => placesOf(inner, [...parts, key]))
}

describe('Who is in an audience', () => {
  test('is, for any filter over any profiles, who fits it by the words of the manual', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(person, { minLength: 1, maxLength: 20 }),
        fc.array(filter, { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 21 }),
        async (people, filters, limit) => {
          const users = people.map((one, index) => ({ id: `u${String(index).padStart(2, '0')}`, ...one }))
          const environmentId = await settle(users)
          const hits = placesOf(users[0]!.profile).map(([place, value]) => ({ operator: 'EQ' as const, path: place, value }))
          for (const asked of [...filters, ...hits.slice(0, 6)]) {
            const expected = users.filter((user) => fits(user, asked)).map(({ id }) => id)
            expect(await everyPage(store.db, environmentId, asked, limit)).toEqual(expected)
            expect(await everyMember(indexed.db, environmentId, asked)).toEqual(expected)
          }
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe('A date', () => {
  /** Dates and what looks like one, near the ends of what there is. */
  const dates = () => {
    const digits = (below: number) => fc.integer({ min: 0, max: below - 1 }).map((one) => String(one).padStart(2, '0'))
    const often = (below: number, ...edges: string[]) => fc.oneof(digits(below), fc.constantFrom(...edges))
    const day = fc.tuple(fc.constantFrom('0000', '0001', '1900', '2024', '9999'), digits(14), often(33, '29', '30', '31'))
    const time = fc.tuple(often(26, '23', '24'), often(62, '00', '59'), often(62, '00', '59', '60'))
    const offset = fc.tuple(fc.constantFrom('+', '-'), digits(26), digits(62)).map(([sign, ...parts]) => sign + parts.join(':'))
    const zone = fc.oneof(fc.constantFrom('', 'Z', '.5Z', '.999999999Z', '.0000005'), offset)
    const clock = fc.tuple(time, zone).map(([parts, suffix]) => `T${parts.join(':')}${suffix}`)
    const given = fc.tuple(day, fc.oneof(fc.constant(''), clock)).map(([parts, rest]) => parts.join('-') + rest)
    return fc.sample(given, 3000)
  }

  test('that a filter may hold is one that the database reads', async () => {
    const taken = dates().filter((date) => isTaken({ operator: 'IS_BEFORE', path: 'a', value: date }))
    expect(taken.length).toBeGreaterThan(100)
    const { rows } = await sql`
      select date from unnest(${taken}::text[]) date where iso_instant(date) is null`.execute(store.db)
    expect(rows).toEqual([])
  })

  test('in a profile is the instant that PostgreSQL reads in it, and none where it would refuse it', async () => {
    const { rows } = await store.db.transaction().execute(async (tx) => {
      await sql`set local timezone = 'UTC'`.execute(tx)
      return sql`
        select date from unnest(${dates()}::text[]) date
        where iso_instant(date) is distinct from case when pg_input_is_valid(date, 'timestamptz') then date::timestamptz end
      `.execute(tx)
    })
    expect(rows).toEqual([])
  })
})

describe('Twenty thousand users', () => {
  const size = 20_000
  let environmentId: string
  const idOf = (number: number) => `u${String(number).padStart(6, '0')}`
  const each = (distance: number) => Array.from({ length: size / distance }, (_, index) => idOf((index + 1) * distance))

  beforeAll(async () => {
    environmentId = randomUUID()
    await sql`
      insert into "user" (environment_id, id, profile)
      select ${environmentId}, 'u' || lpad(n::text, 6, '0'),
             jsonb_build_object('n', n, 'tenth', n % 10, 'deep', jsonb_build_object('rare', n % 5000), 'name', 'N' || n)
      from generate_series(1, ${size}) n`.execute(store.db)
    await sql`insert into tenant (environment_id, id, name) values (${environmentId}, 't', 't')`.execute(store.db)
    await sql`
      insert into tenant_member (environment_id, tenant_id, user_id)
      select environment_id, 't', id from "user" where environment_id = ${environmentId} and (profile ->> 'n')::int % 5000 = 0
    `.execute(store.db)
    await sql`analyze "user"`.execute(store.db)
  })

  const rare: AudienceFilter = { operator: 'EQ', path: 'deep.rare', value: '0' }

  test.each<[string, AudienceFilter, readonly string[]]>([
    ['one in ten fits', { operator: 'EQ', path: 'tenth', value: 0 }, each(10)],
    ['few fit and an index finds them', rare, each(5000)],
    ['few fit and the tenant’s members are known', { operator: 'MEMBER_OF', value: 't' }, each(5000)],
    ['few fit and no index knows them', { operator: 'ENDS_WITH', path: 'name', value: '5000' }, [idOf(5000), idOf(15_000)]],
    ['nobody fits', { operator: 'AND', filters: [rare, { operator: 'LT', path: 'n', value: 1 }] }, []],
  ])('are paged and counted to the last one where %s', async (_case, asked, expected) => {
    expect(await everyPage(store.db, environmentId, asked, 3)).toHaveLength(expected.length)
    expect(await everyPage(store.db, environmentId, asked, 100)).toEqual(expected)
    expect(await countAudienceMembers(store.db, environmentId, asked)).toBe(expected.length)
  })

  test('are not all looked at where an EQ says which few', async () => {
    const either: AudienceFilter = { operator: 'OR', filters: [rare, { operator: 'EQ', path: 'n', value: 7 }] }
    const both: AudienceFilter = { operator: 'AND', filters: [rare, { operator: 'NEQ', path: 'name', value: 'x' }] }
    for (const asked of [rare, either, both]) {
      const plan = await sql`explain ${audienceMembersQuery(environmentId, asked)}`.execute(store.db)
      expect(JSON.stringify(plan.rows)).toContain('user_profile')
    }
  })
})
