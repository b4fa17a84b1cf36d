import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CreateApiKeyDocument, IssueTokenDocument, MergeProfileDocument, PutEnvironmentDocument } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Tenant {
  readonly id: string
  readonly name: string
  readonly parent: { readonly id: string; readonly parent: { readonly id: string } | null } | null
  readonly children: { readonly nodes: readonly { readonly id: string }[] }
  readonly brand: { readonly id: string } | null
  readonly properties: Readonly<Record<string, unknown>>
  readonly profile: Readonly<Record<string, unknown>>
  readonly defaultPreferences: readonly { topic: { id: string }; status: string; channels: readonly string[] | null }[]
  readonly members: { readonly nodes: readonly Member[] }
}
interface Member {
  readonly id: string
  readonly tenant: { readonly id: string }
  readonly user: { readonly id: string; readonly profile: unknown }
  readonly profile: unknown
}

const MEMBER = 'id tenant { id } user { id profile } profile'
const TENANT = `id name parent { id parent { id } } children { nodes { id } } brand { id } properties profile
  defaultPreferences { topic { id } status channels } members { nodes { ${MEMBER} } }`
const ReadTenant = document<{ tenant: Tenant | null }>(`query ($id: ID!) { tenant(id: $id) { ${TENANT} } }`)
const PutTenant = document<{ putTenant: Tenant }>(
  `mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { ${TENANT} } }`,
)
const DeleteTenant = document<{ deleteTenant: boolean }>('mutation ($id: ID!) { deleteTenant(id: $id) }')
const AddMember = document<{ addTenantMember: Member }>(
  `mutation ($tenantId: ID!, $userId: ID!, $profile: JSONObject) {
    addTenantMember(tenantId: $tenantId, userId: $userId, profile: $profile) { ${MEMBER} }
  }`,
)
const RemoveMember = document<{ removeTenantMember: boolean }>(
  'mutation ($tenantId: ID!, $userId: ID!) { removeTenantMember(tenantId: $tenantId, userId: $userId) }',
)
const TENANTS_PAGE = 'nodes { id } pageInfo { hasNextPage endCursor }'
interface Page<Node> {
  readonly nodes: readonly Node[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
}
const Tenants = document<{ tenants: Page<{ id: string }> }>(
  `query ($parentId: ID, $first: Int, $after: String) {
    tenants(parentId: $parentId, first: $first, after: $after) { ${TENANTS_PAGE} }
  }`,
)
const Members = document<{ tenant: { members: Page<Member> } | null }>(
  `query ($id: ID!, $first: Int, $after: String) {
    tenant(id: $id) { members(first: $first, after: $after) { nodes { ${MEMBER} } pageInfo { hasNextPage endCursor } } }
  }`,
)
const TenantsOf = document<{ user: { tenants: Page<Member> } | null }>(
  `query ($id: ID!, $first: Int, $after: String) {
    user(id: $id) { tenants(first: $first, after: $after) { nodes { ${MEMBER} } pageInfo { hasNextPage endCursor } } }
  }`,
)
const PutTopic = document('mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }')
const PutBrand = document('mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { id } }')
const Choose = document(
  `mutation ($userId: ID!, $input: PreferenceInput!) { setPreferences(userId: $userId, inputs: [$input]) { status } }`,
)
const Preferences = document<{ user: { preferences: readonly { topic: { id: string }; status: string; source: string }[] } }>(
  'query ($id: ID!, $tenantId: ID) { user(id: $id) { preferences(tenantId: $tenantId) { topic { id } status source } } }',
)

const idsOf = (nodes: readonly { readonly id: string }[]) => nodes.map(({ id }) => id)

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const tenant = async (id: string) => dataOf(await home.client.send(ReadTenant, { id })).tenant
    const trying = (id: string, input: object, client: Client = home.client) =>
      client.send(PutTenant, { id, input: { name: id, ...input } })
    const put = async (id: string, input: object = {}) => dataOf(await trying(id, input)).putTenant
    const add = async (tenantId: string, userId: string, profile?: object) =>
      dataOf(await home.client.send(AddMember, { tenantId, userId, profile })).addTenantMember
    const tenantsOf = async (id: string) => dataOf(await home.client.send(TenantsOf, { id })).user!.tenants.nodes
    const erase = async (id: string) => dataOf(await home.client.send(DeleteTenant, { id })).deleteTenant

    test('Putting a tenant makes it, or replaces it whole; its members and children stay', async () => {
      dataOf(await home.client.send(PutTopic, { id: 'billing', input: { name: 'Billing', defaultStatus: 'OPTED_IN' } }))
      dataOf(await home.client.send(PutBrand, { id: 'acme', input: { name: 'Acme' } }))
      await put('whole-parent')
      const whole = {
        parentId: 'whole-parent',
        brandId: 'acme',
        properties: { plan: 'gold', seats: 12 },
        profile: { locale: 'nl-BE', slack: { channel: 'C1' } },
        defaultPreferences: [{ topicId: 'billing', status: 'OPTED_OUT', channels: ['EMAIL', 'SMS'] }],
      }
      expect(await put('whole', whole)).toEqual({
        id: 'whole',
        name: 'whole',
        parent: { id: 'whole-parent', parent: null },
        children: { nodes: [] },
        brand: { id: 'acme' },
        properties: whole.properties,
        profile: whole.profile,
        defaultPreferences: [{ topic: { id: 'billing' }, status: 'OPTED_OUT', channels: ['EMAIL', 'SMS'] }],
        members: { nodes: [] },
      })
      await put('whole-child', { parentId: 'whole' })
      await add('whole', 'whole-member')
      expect(await put('whole', { name: 'Bare' })).toMatchObject({
        name: 'Bare',
        parent: null,
        children: { nodes: [{ id: 'whole-child' }] },
        brand: null,
        properties: {},
        profile: {},
        defaultPreferences: [],
        members: { nodes: [{ user: { id: 'whole-member' } }] },
      })
    })

    test('A tenant that is not there is null, and deleting it answers false', async () => {
      expect(await tenant('nowhere')).toBeNull()
      expect(await erase('nowhere')).toBe(false)
    })

    test('Tenants stand under one another as deep as one likes, each with its own default preferences alone', async () => {
      const defaultPreferences = [{ topicId: 'billing', status: 'OPTED_OUT' }]
      await put('level-1', { defaultPreferences, profile: { locale: 'fr' }, properties: { a: 1 } })
      for (const level of [2, 3, 4, 5, 6]) await put(`level-${level}`, { parentId: `level-${level - 1}` })
      expect(await tenant('level-6')).toMatchObject({ parent: { id: 'level-5', parent: { id: 'level-4' } } })
      expect(await tenant('level-2')).toMatchObject({ defaultPreferences: [], profile: {}, properties: {} })
      expect((await tenant('level-1'))!.defaultPreferences).toMatchObject([{ status: 'OPTED_OUT', channels: null }])
    })

    test('A tenant’s parent is another tenant that is there and not below it', async () => {
      const wrongParent = { code: 'BAD_USER_INPUT', path: 'input.parentId' }
      expect(refusalOf(await trying('orphan', { parentId: 'no-such-parent' }))).toEqual(wrongParent)
      expect(refusalOf(await trying('orphan', { parentId: 'orphan' }))).toEqual(wrongParent)
      expect(await tenant('orphan')).toBeNull()
      await put('ring-a')
      await put('ring-b', { parentId: 'ring-a' })
      await put('ring-c', { parentId: 'ring-b' })
      for (const parentId of ['ring-a', 'ring-b', 'ring-c']) {
        expect(refusalOf(await trying('ring-a', { parentId }))).toEqual(wrongParent)
      }
      expect((await tenant('ring-a'))!.parent).toBeNull()
      expect((await put('ring-c', { parentId: 'ring-a' })).parent).toMatchObject({ id: 'ring-a' })
    })

    test('Two puts at the same time cannot put each under the other', async () => {
      for (let round = 0; round < 10; round++) {
        const [left, right] = [`left-${round}`, `right-${round}`]
        await put(left)
        await put(right)
        const answers = await Promise.all([
          trying(left, { parentId: right }, home.clients[0]),
          trying(right, { parentId: left }, home.clients.at(-1)),
        ])
        expect(answers.map(({ errors }) => errors.length).sort()).toEqual([0, 1])
        const parents = [(await tenant(left))!.parent, (await tenant(right))!.parent]
        expect(parents.filter((parent) => parent === null)).toHaveLength(1)
      }
    })

    test('What a tenant names is there: its brand and the topics of its preferences', async () => {
      expect(refusalOf(await trying('naming', { brandId: 'no-such-brand' })).code).toBe('NOT_FOUND')
      const unknown = [{ topicId: 'no-such-topic', status: 'OPTED_IN' }]
      expect(refusalOf(await trying('naming', { defaultPreferences: unknown })).code).toBe('NOT_FOUND')
      const twice = [1, 2].map(() => ({ topicId: 'billing', status: 'OPTED_IN' }))
      expect(refusalOf(await trying('naming', { defaultPreferences: twice }))).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.defaultPreferences.1.topicId',
      })
      expect(await tenant('naming')).toBeNull()
    })

    test('A tenant’s id, name, profile and properties are checked', async () => {
      const refused = async (id: string, input: object) => refusalOf(await trying(id, input))
      const bad = (path: string) => ({ code: 'BAD_USER_INPUT', path })
      expect(await refused(' checked', {})).toEqual(bad('id'))
      expect(await refused('checked', { name: '' })).toEqual(bad('input.name'))
      expect(await refused('checked', { profile: { email: 'nobody' } })).toEqual(bad('input.profile.email'))
      const big = { text: 'x'.repeat(262_144) }
      expect(await refused('checked', { profile: big })).toEqual(bad('input.profile'))
      expect(await refused('checked', { properties: big })).toEqual(bad('input.properties'))
      expect(await tenant('checked')).toBeNull()
    })

    test('A tenant with children is not deleted; once they stand elsewhere it is, and its users stay', async () => {
      await put('going')
      await put('going-child', { parentId: 'going' })
      await add('going', 'goer')
      expect(refusalOf(await home.client.send(DeleteTenant, { id: 'going' })).code).toBe('CONFLICT')
      expect(await tenant('going')).not.toBeNull()
      await put('going-child')
      expect(await erase('going')).toBe(true)
      expect(await tenant('going')).toBeNull()
      expect(await tenantsOf('goer')).toEqual([])
    })

    test('What users chose in a tenant goes with it, what they chose everywhere stays', async () => {
      await put('forgotten')
      await add('forgotten', 'chooser')
      const choose = async (input: object) => dataOf(await home.client.send(Choose, { userId: 'chooser', input }))
      const billing = async (tenantId: string | null) =>
        dataOf(await home.client.send(Preferences, { id: 'chooser', tenantId })).user.preferences.find(
          ({ topic }) => topic.id === 'billing',
        )
      await choose({ topicId: 'billing', tenantId: 'forgotten', status: 'OPTED_OUT' })
      expect(await billing('forgotten')).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
      expect(await billing(null)).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
      expect(await erase('forgotten')).toBe(true)
      await put('forgotten')
      expect(await billing('forgotten')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
      await choose({ topicId: 'billing', status: 'OPTED_OUT' })
      expect(await erase('forgotten')).toBe(true)
      expect(await billing(null)).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
    })

    test('Adding a member makes the user when missing, and adding again replaces the profile of the member alone', async () => {
      await put('club')
      dataOf(await home.client.send(MergeProfileDocument, { userId: 'joiner', profile: { name: 'Jo', locale: 'de' } }))
      const joined = await add('club', 'joiner', { title: 'Treasurer', locale: 'nl' })
      expect(joined).toEqual({
        id: expect.any(String),
        tenant: { id: 'club' },
        user: { id: 'joiner', profile: { name: 'Jo', locale: 'de' } },
        profile: { title: 'Treasurer', locale: 'nl' },
      })
      const again = await add('club', 'joiner', { title: 'Chair' })
      expect(again).toMatchObject({ id: joined.id, profile: { title: 'Chair' } })
      expect(await add('club', 'joiner')).toMatchObject({ id: joined.id, profile: {} })
      expect(await add('club', 'stranger')).toMatchObject({ user: { id: 'stranger', profile: {} } })
      expect((await tenant('club'))!.members.nodes.map(({ user }) => user.id)).toEqual(['joiner', 'stranger'])
    })

    test('Nobody becomes a member of a tenant that is not there, or with a profile that is not right', async () => {
      await put('strict')
      const adding = async (variables: object) => refusalOf(await home.client.send(AddMember, { userId: 'm', ...variables }))
      expect((await adding({ tenantId: 'no-such-tenant' })).code).toBe('NOT_FOUND')
      expect(await adding({ tenantId: 'strict', profile: { email: 'a@b@c' } })).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'profile.email',
      })
      expect(await adding({ tenantId: 'strict', userId: '' })).toEqual({ code: 'BAD_USER_INPUT', path: 'userId' })
      expect((await tenant('strict'))!.members.nodes).toEqual([])
      expect(dataOf(await home.client.send(TenantsOf, { id: 'm' })).user).toBeNull()
    })

    test('A member who is removed is still a user; removing nobody answers false', async () => {
      await put('leaving')
      await add('leaving', 'leaver')
      const remove = async (tenantId: string, userId: string) =>
        dataOf(await home.client.send(RemoveMember, { tenantId, userId })).removeTenantMember
      expect(await remove('leaving', 'leaver')).toBe(true)
      expect(await remove('leaving', 'leaver')).toBe(false)
      expect(await remove('no-such-tenant', 'leaver')).toBe(false)
      expect(await tenantsOf('leaver')).toEqual([])
    })

    test('Tenants, members and the tenants of a user come in pages by id', async () => {
      await put('paged')
      for (const part of ['c', 'a', 'b']) {
        await put(`paged-${part}`, { parentId: 'paged' })
        await add('paged', `member-${part}`)
        await add(`paged-${part}`, 'everywhere', { seat: part })
      }
      const first = dataOf(await home.client.send(Tenants, { parentId: 'paged', first: 2 })).tenants
      expect(idsOf(first.nodes)).toEqual(['paged-a', 'paged-b'])
      const after = first.pageInfo.endCursor
      const rest = dataOf(await home.client.send(Tenants, { parentId: 'paged', first: 2, after })).tenants
      expect(rest).toMatchObject({ nodes: [{ id: 'paged-c' }], pageInfo: { hasNextPage: false } })
      expect(refusalOf(await home.client.send(Tenants, { after })).code).toBe('BAD_CURSOR')
      const all = dataOf(await home.client.send(Tenants, { first: 100 })).tenants
      expect(idsOf(all.nodes)).toEqual(expect.arrayContaining(['paged', 'paged-a', 'paged-b', 'paged-c']))
      expect(idsOf(all.nodes)).toEqual(idsOf(all.nodes).toSorted())

      const members = dataOf(await home.client.send(Members, { id: 'paged', first: 2 })).tenant!.members
      expect(members.nodes.map(({ user }) => user.id)).toEqual(['member-a', 'member-b'])
      const others = await home.client.send(Members, { id: 'paged', first: 2, after: members.pageInfo.endCursor })
      expect(dataOf(others).tenant!.members.nodes.map(({ user }) => user.id)).toEqual(['member-c'])

      const mine = dataOf(await home.client.send(TenantsOf, { id: 'everywhere', first: 2 })).user!.tenants
      const next = await home.client.send(TenantsOf, { id: 'everywhere', first: 2, after: mine.pageInfo.endCursor })
      const memberships = [...mine.nodes, ...dataOf(next).user!.tenants.nodes]
      expect(memberships.map(({ tenant, profile }) => [tenant.id, profile])).toEqual([
        ['paged-a', { seat: 'a' }],
        ['paged-b', { seat: 'b' }],
        ['paged-c', { seat: 'c' }],
      ])
      expect(new Set(idsOf([...memberships, ...members.nodes])).size).toBe(5)
    })

    test('Tenants are read with USERS_READ and changed with USERS_WRITE; a user’s own token sees none', async () => {
      await put('guarded')
      await add('guarded', 'guarded-user')
      const enter = async (scopes: readonly ('USERS_READ' | 'CONTENT_WRITE')[]) => {
        const input = { name: scopes.join(), scopes: [...scopes] }
        return home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
      }
      const reader = await enter(['USERS_READ'])
      expect(dataOf(await reader.send(ReadTenant, { id: 'guarded' })).tenant).toMatchObject({ id: 'guarded' })
      const changes = [
        [PutTenant, { id: 'guarded', input: { name: 'Mine' } }],
        [DeleteTenant, { id: 'guarded' }],
        [AddMember, { tenantId: 'guarded', userId: 'x' }],
        [RemoveMember, { tenantId: 'guarded', userId: 'guarded-user' }],
      ] as const
      for (const [change, variables] of changes) {
        expect(refusalOf(await reader.send<unknown, Record<string, unknown>>(change, variables)).code).toBe('FORBIDDEN')
      }
      expect(refusalOf(await (await enter(['CONTENT_WRITE'])).send(ReadTenant, { id: 'guarded' })).code).toBe('FORBIDDEN')
      const input = { userId: 'guarded-user', scopes: ['PREFERENCES_READ' as const], expiresIn: 'PT1H' }
      const token = home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
      const viewer = await token.send(document('{ viewer { id tenants { nodes { id } } } }'), {})
      expect(refusalOf(viewer).code).toBe('FORBIDDEN')
      expect((await tenant('guarded'))!.members.nodes).toHaveLength(1)
    })

    test('A tenant of another environment is one that does not exist', async () => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'elsewhere', input: { name: 'Elsewhere' } }))
      const input = { name: 'elsewhere', scopes: ['ADMIN' as const], environmentId: 'elsewhere' }
      const other = home.enter(dataOf(await home.client.send(CreateApiKeyDocument, { input })).createApiKey.secret)
      dataOf(await trying('theirs', {}, other))
      dataOf(await other.send(AddMember, { tenantId: 'theirs', userId: 'their-user' }))
      expect(await tenant('theirs')).toBeNull()
      expect(await erase('theirs')).toBe(false)
      expect(refusalOf(await trying('ours', { parentId: 'theirs' })).path).toBe('input.parentId')
      expect(refusalOf(await home.client.send(AddMember, { tenantId: 'theirs', userId: 'u' })).code).toBe('NOT_FOUND')
      const removed = await home.client.send(RemoveMember, { tenantId: 'theirs', userId: 'their-user' })
      expect(dataOf(removed).removeTenantMember).toBe(false)
      expect(dataOf(await home.client.send(Tenants, { parentId: 'theirs' })).tenants.nodes).toEqual([])
      expect(dataOf(await other.send(ReadTenant, { id: 'theirs' })).tenant!.members.nodes).toHaveLength(1)
    })
  })
}
