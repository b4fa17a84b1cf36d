import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, IssueTokenDocument, MergeProfileDocument, PutEnvironmentDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Audience {
  readonly id: string
  readonly name: string
  readonly description: string | null
  readonly filter: object
  readonly memberCount: number
  readonly members: {
    readonly nodes: readonly { readonly id: string; readonly profile: object }[]
    readonly edges: readonly { readonly cursor: string; readonly node: { readonly id: string } }[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly hasPreviousPage: boolean; readonly endCursor: string | null }
  }
  readonly createdAt: string
  readonly updatedAt: string
}

const WHOLE = `id name description filter memberCount createdAt updatedAt
  members(first: $first, after: $after) { nodes { id profile } edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage endCursor } }`
const Put = document<{ putAudience: Audience }>(
  `mutation ($id: ID!, $input: AudienceInput!, $first: Int, $after: String) { putAudience(id: $id, input: $input) { ${WHOLE} } }`,
)
const Ask = document<{ audience: Audience | null }>(
  `query ($id: ID!, $first: Int, $after: String) { audience(id: $id) { ${WHOLE} } }`,
)
const All = document<{
  audiences: { nodes: readonly { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } }
}>(
  'query ($first: Int, $after: String) { audiences(first: $first, after: $after) { nodes { id } pageInfo { hasNextPage endCursor } } }',
)
const Delete = document<{ deleteAudience: boolean }>('mutation ($id: ID!) { deleteAudience(id: $id) }')

const PROFILES: { readonly [userId: string]: Record<string, unknown> } = {
  ann: {
    title: 'Engineer',
    age: 41,
    address: { country: 'DE' },
    tags: ['vip', 'early'],
    joined: '2026-01-01',
    active: true,
    phone: '+4930',
  },
  bob: {
    title: 'engineer',
    age: '30',
    address: { country: 'FR' },
    tags: ['late'],
    joined: '2026-03-01T12:00:00+02:00',
    phone: null,
  },
  cem: { title: 'Sales Engineer', age: 9, address: { country: 'DE' }, tags: 'not vip at all', joined: 'soon', active: 'true' },
  dee: { title: 7, age: 'old', offices: [{ city: 'Oslo' }, { city: 'Lima' }] },
}

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode, env: { CARILLON_RATE_LIMITS: 'off' } })
      for (const [userId, profile] of Object.entries(PROFILES)) await merge(userId, profile)
      for (const [tenant, users] of Object.entries({ acme: ['ann', 'bob'], globex: ['bob', 'cem'] })) {
        dataOf(
          await home.client.send(document('mutation ($id: ID!) { putTenant(id: $id, input: { name: "T" }) { id } }'), {
            id: tenant,
          }),
        )
        const Add = document(
          'mutation ($tenant: ID!, $user: ID!) { addTenantMember(tenantId: $tenant, userId: $user) { tenant { id } } }',
        )
        for (const user of users) dataOf(await home.client.send(Add, { tenant, user }))
      }
    })
    afterAll(() => home.stop())

    const merge = async (userId: string, profile: Record<string, unknown>, client = home.client) =>
      dataOf(await client.send(MergeProfileDocument, { userId, profile }))
    const put = (id: string, filter: object, more: object = {}, client: Client = home.client) =>
      client.send(Put, { id, input: { name: id, filter, ...more } })
    const ask = async (id: string, more: object = {}, client: Client = home.client) =>
      dataOf(await client.send(Ask, { id, ...more })).audience
    const idsOf = (audience: Audience | null | undefined) => audience?.members.nodes.map(({ id }) => id)

    const both = { operator: 'AND', filters: [{ operator: 'EQ', path: 'address.country', value: 'DE' }] }

    test.each<[string, object, readonly string[]]>([
      ['EQ matches the same value, with case', { operator: 'EQ', path: 'title', value: 'Engineer' }, ['ann']],
      ['EQ follows a path of dots', { operator: 'EQ', path: 'address.country', value: 'DE' }, ['ann', 'cem']],
      ['EQ follows a path into a list', { operator: 'EQ', path: 'offices.1.city', value: 'Lima' }, ['dee']],
      ['EQ takes a text for the number that it reads as', { operator: 'EQ', path: 'title', value: '7' }, ['dee']],
      ['EQ takes a text for true as well', { operator: 'EQ', path: 'active', value: 'true' }, ['ann', 'cem']],
      ['EQ takes true for nothing but true', { operator: 'EQ', path: 'active', value: true }, ['ann']],
      ['NEQ matches where there is no value', { operator: 'NEQ', path: 'address.country', value: 'DE' }, ['bob', 'dee']],
      ['GT compares numbers, and texts as numbers', { operator: 'GT', path: 'age', value: '9' }, ['ann', 'bob']],
      ['GTE includes the value', { operator: 'GTE', path: 'age', value: 30 }, ['ann', 'bob']],
      ['LT compares by size, not by letter', { operator: 'LT', path: 'age', value: '30' }, ['cem']],
      ['LTE includes the value', { operator: 'LTE', path: 'age', value: '30.0' }, ['bob', 'cem']],
      ['EXISTS true asks for a value, and null is none', { operator: 'EXISTS', path: 'phone', value: true }, ['ann']],
      ['EXISTS false asks for none', { operator: 'EXISTS', path: 'phone', value: 'false' }, ['bob', 'cem', 'dee']],
      ['EXISTS alone asks for a value', { operator: 'EXISTS', path: 'offices' }, ['dee']],
      ['INCLUDES looks into lists and texts', { operator: 'INCLUDES', path: 'tags', value: 'vip' }, ['ann', 'cem']],
      ['INCLUDES takes any of several values', { operator: 'INCLUDES', path: 'tags', value: ['early', 'late'] }, ['ann', 'bob']],
      ['OMIT matches what does not contain it', { operator: 'OMIT', path: 'tags', value: 'vip' }, ['bob', 'dee']],
      ['STARTS_WITH minds case', { operator: 'STARTS_WITH', path: 'title', value: 'Eng' }, ['ann']],
      ['ENDS_WITH minds case', { operator: 'ENDS_WITH', path: 'title', value: 'Engineer' }, ['ann', 'cem']],
      [
        'IS_BEFORE takes a date for its midnight, UTC',
        { operator: 'IS_BEFORE', path: 'joined', value: '2026-01-01T00:00:01Z' },
        ['ann'],
      ],
      ['IS_AFTER minds the offset', { operator: 'IS_AFTER', path: 'joined', value: '2026-03-01T09:59:59Z' }, ['bob']],
      ['MEMBER_OF asks for a tenant', { operator: 'MEMBER_OF', path: 'account_id', value: 'acme' }, ['ann', 'bob']],
      ['MEMBER_OF takes any of several tenants', { operator: 'MEMBER_OF', value: ['globex', 'nowhere'] }, ['bob', 'cem']],
      [
        'AND and OR nest',
        {
          operator: 'AND',
          filters: [
            both,
            {
              operator: 'OR',
              filters: [
                { operator: 'GT', path: 'age', value: 40 },
                { operator: 'MEMBER_OF', value: 'nowhere' },
              ],
            },
          ],
        },
        ['ann'],
      ],
    ])('%s', async (_sentence, filter, expected) => {
      const audience = dataOf(await put('asked', filter)).putAudience
      expect(idsOf(audience)).toEqual(expected)
      expect(audience.memberCount).toBe(expected.length)
      expect(audience.filter).toEqual(filter)
    })

    test('A put replaces the whole audience, and its members come with their profiles', async () => {
      const first = dataOf(await put('replaced', both, { description: 'All of Germany' })).putAudience
      expect(first).toMatchObject({ name: 'replaced', description: 'All of Germany', filter: both })
      expect(first.members.nodes[0]!.profile).toEqual(PROFILES.ann)
      const filter = { operator: 'EQ', path: 'title', value: 7 }
      const second = dataOf(await put('replaced', filter, { name: 'Other' })).putAudience
      expect(second).toMatchObject({ name: 'Other', description: null, filter, memberCount: 1, createdAt: first.createdAt })
      expect(second.updatedAt > first.updatedAt).toBe(true)
      expect(await ask('replaced')).toEqual(second)
    })

    test('A profile that was written a moment ago counts', async () => {
      dataOf(await put('now', { operator: 'EQ', path: 'mood', value: 'good' }))
      expect(idsOf(await ask('now'))).toEqual([])
      await merge('ann', { mood: 'good' })
      await merge('new', { mood: 'good' })
      expect(await ask('now')).toMatchObject({ memberCount: 2, members: { nodes: [{ id: 'ann' }, { id: 'new' }] } })
      await merge('ann', { mood: 'bad' })
      expect(idsOf(await ask('now', {}, home.clients.at(-1)))).toEqual(['new'])
    })

    test('Members are paged by id, and nobody who comes meanwhile shifts the pages', async () => {
      dataOf(await put('paged', { operator: 'EXISTS', path: 'page' }))
      const ids = Array.from({ length: 7 }, (_, index) => `page-${index}`)
      await Promise.all(ids.map((id) => merge(id, { page: 1 })))
      const pages: unknown[] = []
      let after: string | null = null
      do {
        const { members }: Audience = (await ask('paged', { first: 3, after }))!
        expect(members.pageInfo.hasPreviousPage).toBe(after !== null)
        expect(members.edges.map(({ node }) => node.id)).toEqual(members.nodes.map(({ id }) => id))
        expect(members.pageInfo.endCursor).toBe(members.edges.at(-1)!.cursor)
        pages.push(members.nodes.map(({ id }) => id))
        after = members.pageInfo.hasNextPage ? members.pageInfo.endCursor : null
        await merge(`page-${pages.length * 2}-meanwhile`, { page: 1 })
      } while (after !== null && pages.length < 9)
      expect(pages).toEqual([
        ['page-0', 'page-1', 'page-2'],
        ['page-2-meanwhile', 'page-3', 'page-4'],
        ['page-4-meanwhile', 'page-5', 'page-6'],
      ])
    })

    test('A cursor of one audience is none of another', async () => {
      dataOf(await put('one', both))
      dataOf(await put('two', both))
      const { members } = (await ask('one', { first: 1 }))!
      expect(idsOf(await ask('one', { after: members.pageInfo.endCursor }))).toEqual(['cem'])
      const answer = await home.client.send(Ask, { id: 'two', after: members.pageInfo.endCursor })
      expect(refusalOf(answer).code).toBe('BAD_CURSOR')
      expect(refusalOf(await home.client.send(Ask, { id: 'one', first: 101 }))).toEqual({ code: 'BAD_USER_INPUT', path: 'first' })
    })

    test('What is wrong with a filter is named with its path, and nothing is kept', async () => {
      const wrong = [
        [{ operator: 'AND', filters: [both, { operator: 'EQ', path: 'a', value: ['x'] }] }, 'input.filter.filters.1.value'],
        [{ operator: 'OR' }, 'input.filter.filters'],
        [{ operator: 'EQ', value: 1 }, 'input.filter.path'],
        [{ operator: 'IS_AFTER', path: 'joined', value: '2026-02-30' }, 'input.filter.value'],
      ] as const
      for (const [filter, path] of wrong) {
        expect(refusalOf(await put('wrong', filter))).toEqual({ code: 'BAD_USER_INPUT', path })
      }
      expect(refusalOf(await put('wrong', both, { name: ' ' }))).toEqual({ code: 'BAD_USER_INPUT', path: 'input.name' })
      expect(refusalOf(await put(' wrong', both))).toEqual({ code: 'BAD_USER_INPUT', path: 'id' })
      expect(await ask('wrong')).toBeNull()
    })

    test.each([
      { operator: 'MATCHES', path: 'title', value: '(a+)+$' },
      { operator: 'EQ', path: 'title', value: 'x', matches: '(a+)+$' },
      { path: 'title', matches: '(a+)+$' },
    ])('A9 A filter knows no regular expressions: %j is refused', async (filter) => {
      expect(refusalOf(await put('regular', filter)).code).toBe('BAD_USER_INPUT')
      expect(await ask('regular')).toBeNull()
    })

    test('A filter that nests without end is refused, not followed', async () => {
      for (const levels of [10, 40, 20_000]) {
        const filter = `${'{"operator":"OR","filters":['.repeat(levels)}${JSON.stringify(both)}${']}'.repeat(levels)}`
        const query =
          'mutation ($filter: AudienceFilter!) { putAudience(id: "deep", input: { name: "Deep", filter: $filter }) { id } }'
        const answer = await fetch(`${home.urls[0]}/graphql`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${home.adminKey}` },
          body: `{"query":${JSON.stringify(query)},"variables":{"filter":${filter}}}`,
        })
        const { errors } = (await answer.json()) as { errors: readonly { extensions: object }[] }
        expect(errors[0]!.extensions).toMatchObject({ status: 400, type: 'invalid_request_error' })
      }
      expect(await ask('deep')).toBeNull()
    })

    test('A8 Values are values, and paths are paths, whatever they look like', async () => {
      const quoted = `'; drop table "user"; --`
      await merge('quoted', { odd: quoted, "k'ey": { '"': ['%', '_'] } })
      for (const filter of [
        { operator: 'EQ', path: 'odd', value: quoted },
        { operator: 'ENDS_WITH', path: 'odd', value: '; --' },
        { operator: 'INCLUDES', path: `k'ey."`, value: '%' },
        { operator: 'EQ', path: `k'ey.".-1`, value: '_' },
      ]) {
        expect(idsOf(dataOf(await put('quoted', filter)).putAudience)).toEqual(['quoted'])
      }
    })

    test('A deleted audience is gone for good, and deleting it again answers false', async () => {
      dataOf(await put('gone', both))
      expect(dataOf(await home.client.send(Delete, { id: 'gone' })).deleteAudience).toBe(true)
      expect(dataOf(await home.client.send(Delete, { id: 'gone' })).deleteAudience).toBe(false)
      expect(await ask('gone')).toBeNull()
    })

    test('Another environment has its own audiences, and its own users in them', async () => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'apart', input: { name: 'Apart' } }))
      const created = await home.client.send(CreateApiKeyDocument, {
        input: { name: 'apart', scopes: ['ADMIN'], environmentId: 'apart' },
      })
      const other = home.enter(dataOf(created).createApiKey.secret)
      await merge('theirs', { address: { country: 'DE' } }, other)
      dataOf(await put('shared', both))
      expect(await ask('shared', {}, other)).toBeNull()
      expect(dataOf(await other.send(Delete, { id: 'shared' })).deleteAudience).toBe(false)
      expect(idsOf(dataOf(await put('shared', both, {}, other)).putAudience)).toEqual(['theirs'])
      expect(idsOf(dataOf(await put('shared', { operator: 'MEMBER_OF', value: 'acme' }, {}, other)).putAudience)).toEqual([])
      expect(idsOf(await ask('shared'))).toEqual(['ann', 'cem'])
      const { audiences } = dataOf(await other.send(All, {}))
      expect(audiences.nodes).toEqual([{ id: 'shared' }])
    })

    test('Audiences are listed by id, in pages', async () => {
      for (const id of ['zz-3', 'zz-1', 'zz-2']) dataOf(await put(id, both))
      const listed: string[] = []
      let after: string | null = null
      do {
        const {
          audiences,
        }: { audiences: { nodes: readonly { id: string }[]; pageInfo: { hasNextPage: boolean; endCursor: string | null } } } =
          dataOf(await home.client.send(All, { first: 2, after }))
        listed.push(...audiences.nodes.map(({ id }) => id))
        after = audiences.pageInfo.hasNextPage ? audiences.pageInfo.endCursor : null
      } while (after !== null)
      expect(listed).toEqual([...new Set(listed)].sort())
      expect(listed.slice(-3)).toEqual(['zz-1', 'zz-2', 'zz-3'])
    })

    test('A key that reads users may ask an audience and not put one; a user token may do neither', async () => {
      dataOf(await put('guarded', both))
      const created = await home.client.send(CreateApiKeyDocument, { input: { name: 'reader', scopes: ['USERS_READ'] } })
      const reader = home.enter(dataOf(created).createApiKey.secret)
      expect(idsOf(await ask('guarded', {}, reader))).toEqual(['ann', 'cem'])
      expect(refusalOf(await put('guarded', both, {}, reader)).code).toBe('FORBIDDEN')
      expect(refusalOf(await reader.send(Delete, { id: 'guarded' })).code).toBe('FORBIDDEN')
      const input = { userId: 'ann', scopes: ['PREFERENCES_READ' as const], expiresIn: 'PT1H' }
      const user = home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
      expect(refusalOf(await user.send(Ask, { id: 'guarded' })).code).toBe('FORBIDDEN')
    })
  })
}
