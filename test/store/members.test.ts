import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStore, type Store } from '../../src/store/database.ts'
import { listMembersQuery, readListMembers } from '../../src/store/list.ts'
import {
  readOnlyTenants,
  readTenantChain,
  readTenantMembers,
  type TenantTarget,
  tenantMembersQuery,
} from '../../src/store/tenant.ts'
import { type TestDatabase, testDatabase } from '../support/database.ts'

let database: TestDatabase
let store: Store
beforeAll(async () => {
  database = await testDatabase()
  store = await openStore({ url: database.url, poolSize: 2, allowUnsafe: true })
})
afterAll(async () => {
  await store.close()
  await database.drop()
})

/** What is on which list, or in which tenant, of an environment of its own. */
let made = 0
async function environment(): Promise<string> {
  const id = `environment-${++made}`
  await store.db.insertInto('environment').values({ id, name: id }).execute()
  return id
}

async function users(environmentId: string, ids: Iterable<string>): Promise<void> {
  const rows = [...new Set(ids)].map((id) => ({ environment_id: environmentId, id }))
  if (rows.length > 0) await store.db.insertInto('user').values(rows).execute()
}

async function subscribe(environmentId: string, lists: Readonly<Record<string, readonly string[]>>): Promise<void> {
  await users(environmentId, Object.values(lists).flat())
  for (const [id, members] of Object.entries(lists)) {
    await store.db.insertInto('list').values({ environment_id: environmentId, id, name: id }).execute()
    const rows = members.map((user_id) => ({ environment_id: environmentId, list_id: id, user_id }))
    if (rows.length > 0) await store.db.insertInto('list_subscription').values(rows).execute()
  }
}

interface Planted {
  readonly parent?: string
  readonly members?: readonly string[]
}

async function plant(environmentId: string, tenants: Readonly<Record<string, Planted>>): Promise<void> {
  await users(
    environmentId,
    Object.values(tenants).flatMap(({ members = [] }) => members),
  )
  for (const [id, { parent = null, members = [] }] of Object.entries(tenants)) {
    await store.db.insertInto('tenant').values({ environment_id: environmentId, id, name: id, parent_id: parent }).execute()
    const rows = members.map((user_id) => ({ environment_id: environmentId, tenant_id: id, user_id }))
    if (rows.length > 0) await store.db.insertInto('tenant_member').values(rows).execute()
  }
}

/** Every page, one after the other. */
async function walk<Member extends { readonly userId: string }>(
  read: (after: string | null) => Promise<readonly Member[]>,
): Promise<readonly Member[]> {
  const all: Member[] = []
  for (let after: string | null = null; ; after = all.at(-1)!.userId) {
    const next: readonly Member[] = await read(after)
    if (next.length === 0) return all
    all.push(...next)
  }
}

async function countedBy(query: ReturnType<typeof listMembersQuery>): Promise<number> {
  const { rows } = await sql<{ n: number }>`select count(distinct user_id)::int as n from (${query}) m`.execute(store.db)
  return rows[0]!.n
}

describe('The members of lists', () => {
  test('come page by page in the order of their ids, each once and with the first list they were found on', async () => {
    const own = await environment()
    await subscribe(own, { 'a.c': ['1', '3', '5'], 'a.b': ['2', '3', '4'], 'a.b.c': ['6'], a: ['7'] })
    const page = await readListMembers(store.db, own, { listPattern: 'a.*' }, null, 3)
    expect(page).toEqual([
      { userId: '1', listId: 'a.c' },
      { userId: '2', listId: 'a.b' },
      { userId: '3', listId: 'a.b' },
    ])
    const ids = async (target: Parameters<typeof readListMembers>[2], limit: number) =>
      (await walk((after) => readListMembers(store.db, own, target, after, limit))).map(({ userId }) => userId)
    expect(await ids({ listPattern: 'a.*' }, 2)).toEqual(['1', '2', '3', '4', '5'])
    expect(await ids({ listPattern: 'a.**' }, 1)).toEqual(['1', '2', '3', '4', '5', '6'])
    expect(await ids({ listId: 'a' }, 10)).toEqual(['7'])
    expect(await ids({ listId: 'a.*' }, 10)).toEqual([])
    expect(await ids({ listPattern: 'a.b' }, 10)).toEqual(['2', '3', '4'])
    expect(await countedBy(listMembersQuery(own, { listPattern: 'a.**' }))).toBe(6)
    expect(await countedBy(listMembersQuery(own, { listId: 'a.b' }))).toBe(3)
  })

  test('of another environment are nobody here', async () => {
    const [own, other] = [await environment(), await environment()]
    await subscribe(other, { shared: ['theirs'] })
    await subscribe(own, { shared: ['ours'] })
    expect(await readListMembers(store.db, own, { listPattern: '*' }, null, 10)).toEqual([{ userId: 'ours', listId: 'shared' }])
    expect(await countedBy(listMembersQuery(own, { listId: 'shared' }))).toBe(1)
  })
})

describe('The members of a tenant', () => {
  const TREE = {
    root: { members: ['1', '5'] },
    left: { parent: 'root', members: ['1', '2'] },
    right: { parent: 'root', members: ['2', '3'] },
    deep: { parent: 'left', members: ['3', '4'] },
    apart: { members: ['9'] },
  }

  test('are its own, and with its descendants theirs too, each found in the tenant nearest to the named one', async () => {
    const own = await environment()
    await plant(own, TREE)
    const members = (target: TenantTarget, limit: number) =>
      walk((after) => readTenantMembers(store.db, own, target, after, limit))
    expect(await members({ id: 'root', includeDescendants: false }, 1)).toEqual([
      { userId: '1', tenantId: 'root' },
      { userId: '5', tenantId: 'root' },
    ])
    for (const limit of [1, 2, 100]) {
      expect(await members({ id: 'root', includeDescendants: true }, limit)).toEqual([
        { userId: '1', tenantId: 'root' },
        { userId: '2', tenantId: 'left' },
        { userId: '3', tenantId: 'right' },
        { userId: '4', tenantId: 'deep' },
        { userId: '5', tenantId: 'root' },
      ])
    }
    expect(await countedBy(tenantMembersQuery(own, { id: 'root', includeDescendants: true }))).toBe(5)
    expect(await countedBy(tenantMembersQuery(own, { id: 'left', includeDescendants: false }))).toBe(2)
    expect(await members({ id: 'none', includeDescendants: true }, 5)).toEqual([])
  })

  test('equal a search of the whole tree, whatever the tree and the size of a page', async () => {
    const tenant = fc.record({ above: fc.nat(), members: fc.uniqueArray(fc.constantFrom(...'abcdefgh'), { maxLength: 4 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(tenant, { minLength: 1, maxLength: 7 }), fc.integer({ min: 1, max: 5 }), async (tree, limit) => {
        const own = await environment()
        const parentOf = (index: number) => (index === 0 ? undefined : tree[index]!.above % index)
        const name = (index: number) => `t${index}`
        const planted = tree.map(({ members }, index) => {
          const parent = parentOf(index)
          return [name(index), { members, ...(parent !== undefined && { parent: name(parent) }) }] as const
        })
        await plant(own, Object.fromEntries(planted))
        const depth = (index: number): number => (index === 0 ? 0 : 1 + depth(parentOf(index)!))
        const nearest = new Map<string, string>()
        const byDistance = tree.map((_, index) => index).sort((a, b) => depth(a) - depth(b) || a - b)
        for (const index of byDistance) {
          for (const user of tree[index]!.members) if (!nearest.has(user)) nearest.set(user, name(index))
        }
        const target = { id: 't0', includeDescendants: true }
        const found = await walk((after) => readTenantMembers(store.db, own, target, after, limit))
        expect(found).toEqual([...nearest].sort().map(([userId, tenantId]) => ({ userId, tenantId })))
      }),
      { numRuns: 25 },
    )
  })

  test('are found as well where some tenants have many that come first and others few here and there', async () => {
    const own = await environment()
    const user = (n: number) => `u${String(n).padStart(4, '0')}`
    const range = (from: number, to: number, step = 1) =>
      Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => user(from + index * step))
    const small = Array.from({ length: 30 }, (_, n) => [`small-${n}`, { parent: 'all', members: range(n, 400, 37) }] as const)
    await plant(own, {
      all: {},
      early: { parent: 'all', members: range(0, 150) },
      late: { parent: 'all', members: range(300, 450) },
      ...Object.fromEntries(small),
    })
    const everybody = [...new Set([...range(0, 150), ...range(300, 450), ...small.flatMap(([, { members }]) => members)])].sort()
    const target = { id: 'all', includeDescendants: true }
    for (const limit of [20, 100, 120, 1000]) {
      const found = await walk((after) => readTenantMembers(store.db, own, target, after, limit))
      expect(found.map(({ userId }) => userId)).toEqual(everybody)
    }
    const first = await readTenantMembers(store.db, own, target, null, 120)
    expect(first).toHaveLength(120)
    expect(first.every(({ tenantId }) => tenantId === 'early')).toBe(true)
  })

  test('who are in no other tenant tell which tenant is meant', async () => {
    const own = await environment()
    await plant(own, TREE)
    expect(await readOnlyTenants(store.db, own, ['1', '4', '9', 'nobody'])).toEqual(
      new Map([
        ['4', 'deep'],
        ['9', 'apart'],
      ]),
    )
    expect(await readOnlyTenants(store.db, own, [])).toEqual(new Map())
  })
})

describe('A tenant’s chain', () => {
  test('counts four levels from the leaf up; roots further up are ignored', async () => {
    const own = await environment()
    await plant(own, { a: {}, b: { parent: 'a' }, c: { parent: 'b' }, d: { parent: 'c' }, e: { parent: 'd' } })
    const chain = async (id: string) => (await readTenantChain(store.db, own, id)).map((tenant) => tenant.id)
    expect(await chain('e')).toEqual(['e', 'd', 'c', 'b'])
    expect(await chain('b')).toEqual(['b', 'a'])
    expect(await chain('none')).toEqual([])
    expect(await readTenantChain(store.db, own, 'a')).toEqual([
      { id: 'a', name: 'a', parentId: null, brandId: null, properties: {}, profile: {}, defaultPreferences: [] },
    ])
  })

  test('ends even where the rows go round', async () => {
    const own = await environment()
    await plant(own, { a: {}, b: { parent: 'a', members: ['1'] } })
    await store.db.updateTable('tenant').set({ parent_id: 'b' }).where('environment_id', '=', own).where('id', '=', 'a').execute()
    expect((await readTenantChain(store.db, own, 'a')).map(({ id }) => id)).toEqual(['a', 'b'])
    const target = { id: 'a', includeDescendants: true }
    expect(await readTenantMembers(store.db, own, target, null, 5)).toEqual([{ userId: '1', tenantId: 'b' }])
  })
})
