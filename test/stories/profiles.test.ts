import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { IssueTokenDocument, type IssueTokenInput, SendDocument, UserDocument } from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

type Profile = Record<string, unknown>
const Merge = document<{ mergeProfile: { profile: Profile } }>(
  'mutation ($userId: ID!, $profile: JSONObject!) { mergeProfile(userId: $userId, profile: $profile) { id profile createdAt updatedAt } }',
)
const Replace = document<{ replaceProfile: { profile: Profile } }>(
  'mutation ($userId: ID!, $profile: JSONObject!) { replaceProfile(userId: $userId, profile: $profile) { id profile } }',
)
const Patch = document<{ patchProfile: { profile: Profile } }>(
  'mutation ($userId: ID!, $patch: [JsonPatchInput!]!) { patchProfile(userId: $userId, patch: $patch) { id profile } }',
)
interface UserPage {
  readonly users: {
    readonly nodes: readonly { readonly id: string }[]
    readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null }
  }
}
const Users = document<UserPage>(
  'query ($search: String, $first: Int, $after: String) { users(search: $search, first: $first, after: $after) { nodes { id profile deviceTokens { id } } pageInfo { hasNextPage endCursor } } }',
)
const content = { title: 'Hello' }
const bad = (path: string) => ({ code: 'BAD_USER_INPUT', path })

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const merge = (userId: string, profile: Profile) => home.client.send(Merge, { userId, profile })
    const replace = (userId: string, profile: Profile) => home.client.send(Replace, { userId, profile })
    const patch = (userId: string, operations: readonly object[]) => home.client.send(Patch, { userId, patch: operations })
    const profileOf = async (id: string) => dataOf(await home.client.send(UserDocument, { id })).user?.profile
    const found = async (search: string) =>
      dataOf(await home.client.send(Users, { search, first: 100 })).users.nodes.map(({ id }) => id)

    test('A merge makes the user, leaves what it does not name, and goes into objects', async () => {
      const first = dataOf(await merge('merged', { name: 'Ada', address: { locality: 'London', country: 'GB' }, tags: ['a'] }))
      expect(first.mergeProfile.profile).toEqual({
        name: 'Ada',
        address: { locality: 'London', country: 'GB' },
        tags: ['a'],
      })
      dataOf(await merge('merged', { address: { locality: 'Bath' }, tags: ['b'], name: null }))
      expect(await profileOf('merged')).toEqual({ name: null, address: { locality: 'Bath', country: 'GB' }, tags: ['b'] })
    })

    test('Merges of one profile at the same time lose nothing', async () => {
      const keys = Array.from({ length: 20 }, (_, n) => `key${n}`)
      await Promise.all(keys.map(async (key) => dataOf(await merge('crowded', { [key]: 1 }))))
      expect(Object.keys((await profileOf('crowded')) as Profile).sort()).toEqual(keys.sort())
    })

    test('A replacement is the whole profile, and {} empties it', async () => {
      dataOf(await merge('replaced', { name: 'Ada', plan: 'pro' }))
      expect(dataOf(await replace('replaced', { plan: 'free' })).replaceProfile.profile).toEqual({ plan: 'free' })
      expect(dataOf(await replace('replaced', {})).replaceProfile.profile).toEqual({})
      expect(dataOf(await replace('replaced-new', { name: 'New' })).replaceProfile.profile).toEqual({ name: 'New' })
    })

    test('A JSON Patch changes what is there, in the order of its operations', async () => {
      dataOf(await replace('patched', { name: 'Ada', tags: ['a', 'b'], old: { deep: 1 } }))
      const patched = await patch('patched', [
        { op: 'test', path: '/name', value: 'Ada' },
        { op: 'replace', path: '/name', value: 'Ada Lovelace' },
        { op: 'add', path: '/tags/-', value: 'c' },
        { op: 'move', from: '/old/deep', path: '/new' },
        { op: 'copy', from: '/name', path: '/nickname' },
        { op: 'remove', path: '/old' },
        { op: 'add', path: '/nothing', value: null },
      ])
      const expected = { name: 'Ada Lovelace', nickname: 'Ada Lovelace', tags: ['a', 'b', 'c'], new: 1, nothing: null }
      expect(dataOf(patched).patchProfile.profile).toEqual(expected)
      expect(await profileOf('patched')).toEqual(expected)
    })

    test('A JSON Patch that fails changes nothing and names the operation', async () => {
      dataOf(await replace('atomic', { name: 'Ada' }))
      const failed = await patch('atomic', [
        { op: 'add', path: '/plan', value: 'pro' },
        { op: 'test', path: '/name', value: 'Grace' },
      ])
      expect(refusalOf(failed)).toEqual(bad('patch.1.value'))
      expect(await profileOf('atomic')).toEqual({ name: 'Ada' })
    })

    test('An empty JSON Patch is a success that changes nothing', async () => {
      dataOf(await replace('untouched', { name: 'Ada' }))
      expect(dataOf(await patch('untouched', [])).patchProfile.profile).toEqual({ name: 'Ada' })
    })

    test('A JSON Patch of a user who is not there is NOT_FOUND and makes nobody', async () => {
      for (const operations of [[], [{ op: 'add', path: '/name', value: 'Nobody' }]]) {
        expect(refusalOf(await patch('absent', operations)).code).toBe('NOT_FOUND')
      }
      expect(await profileOf('absent')).toBeUndefined()
    })

    test('A JSON Patch that leaves a well-known key wrong is refused at the operation that touched it', async () => {
      dataOf(await replace('wrong', { email: 'ada@example.com', name: 'Ada' }))
      const refused = await patch('wrong', [
        { op: 'add', path: '/plan', value: 1 },
        { op: 'copy', from: '/plan', path: '/email' },
        { op: 'replace', path: '/name', value: 7 },
      ])
      expect(refused.errors[0]?.extensions.issues?.map((issue) => issue.path.join('.')).sort()).toEqual(['patch.1', 'patch.2'])
      expect(await profileOf('wrong')).toEqual({ email: 'ada@example.com', name: 'Ada' })
    })

    test('A JSON Patch leads to no prototype', async () => {
      dataOf(await replace('proto', { a: {} }))
      for (const path of ['/__proto__/polluted', '/a/__proto__/polluted', '/constructor/prototype/polluted']) {
        expect(refusalOf(await patch('proto', [{ op: 'add', path, value: true }]))).toEqual(bad('patch.0.path'))
      }
      const value = JSON.parse('{"__proto__":{"polluted":true},"b":1}') as object
      expect(dataOf(await patch('proto', [{ op: 'add', path: '/a', value }])).patchProfile.profile).toEqual({ a: { b: 1 } })
      expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
    })

    test('A replacement drops what would reach a prototype, and keeps the names of methods as plain data', async () => {
      const profile = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"x":1},"toString":"ts","length":2}') as Profile
      const { replaceProfile } = dataOf(await replace('methods', profile))
      expect(replaceProfile.profile).toEqual({ constructor: { x: 1 }, toString: 'ts', length: 2 })
      expect(({} as { polluted?: number }).polluted).toBeUndefined()
      expect(await found('methods')).toContain('methods')
    })

    const WRONG: readonly (readonly [string, unknown])[] = [
      ['email', 'b@y.test, evil@e.test'],
      ['email', 'b@y.test\r\nBcc: evil@e.test'],
      ['email', '"evil@e.test x"@internal.test'],
      ['email', 'user@good.test(x)evil.test'],
      ['email', 'a@b'],
      ['email', 'üser@y.test'],
      ['email', ['ada@example.com']],
      ['phone_number', '+19005551234'],
      ['phone_number', '112'],
      ['phone_number', 'tel:+32470123456'],
      ['phone_number', '+3247012ABCD'],
      ['locale', 'no locale'],
      ['zoneinfo', 'Mars/Olympus'],
      ['birthdate', '10 December 1815'],
      ['email_verified', 'yes'],
      ['name', { first: 'Ada' }],
      ['website', 'javascript:alert(1)'],
      ['address', 'London'],
    ]
    test.each(WRONG)('A profile whose %s is %j is refused, however it is written', async (key, value) => {
      const profile = { [key]: value }
      expect(refusalOf(await merge('refused', profile))).toEqual(bad(`profile.${key}`))
      expect(refusalOf(await replace('refused', profile))).toEqual(bad(`profile.${key}`))
      dataOf(await merge('refused-patch', {}))
      const patched = await patch('refused-patch', [{ op: 'add', path: `/${key}`, value }])
      expect(refusalOf(patched)).toEqual(bad('patch.0'))
      expect(await profileOf('refused')).toBeUndefined()
    })

    test.each(WRONG)('A send whose inline profile has the %s %j is refused and makes nobody', async (key, value) => {
      const to = [{ userId: 'inline-refused', profile: { [key]: value } }]
      expect(refusalOf(await home.client.send(SendDocument, { input: { to, content } }))).toEqual(
        bad(`input.to.0.profile.${key}`),
      )
      expect(await profileOf('inline-refused')).toBeUndefined()
    })

    test('Every wrong key of a profile has an issue of its own', async () => {
      const refused = await merge('several', { email: 'nobody', phone_number: '112', locale: 'fr', name: 7, mine: 'x' })
      const paths = refused.errors[0]?.extensions.issues?.map((issue) => issue.path.join('.'))
      expect(paths?.sort()).toEqual(['profile.email', 'profile.name', 'profile.phone_number'])
    })

    test('An address of a domain beyond ASCII is taken, and one of 1,000 nested comments refused at once', async () => {
      dataOf(await merge('idn', { email: 'user@exämple.test' }))
      const started = performance.now()
      const refused = await merge('nested', { email: `${'('.repeat(1_000)}a@y.test` })
      expect(refusalOf(refused)).toEqual(bad('profile.email'))
      expect(performance.now() - started).toBeLessThan(2_000)
    })

    test('Mail goes to the stored address alone, in ASCII, whatever the name beside it pretends', async () => {
      dataOf(await merge('posing', { email: 'user@exämple.test', name: 'N\r\nBcc: evil@e.test' }))
      await home.journey(await home.send({ to: [{ userId: 'posing' }], content: { title: 'To one' } }))
      const mails = home.smtp.mails.filter(({ source }) => source.includes('To one'))
      // The receiving server reads the envelope's xn-- back.
      expect(mails.map(({ recipients }) => recipients)).toEqual([['user@exämple.test']])
      expect(mails[0]?.source.toString()).toMatch(/^to:.*user@xn--exmple-cua\.test/im)
      expect(mails[0]?.source.toString()).not.toMatch(/^bcc:/im)
    })

    test('An id is kept as it is, case, dots and the word null included; what could not be told apart is refused', async () => {
      for (const userId of ['Case', 'case', '../x', 'null', '💥', 'a b']) {
        dataOf(await merge(userId, { own: userId }))
      }
      for (const userId of ['Case', 'case', '../x', 'null', '💥', 'a b']) expect(await profileOf(userId)).toEqual({ own: userId })
      for (const userId of ['', 'x'.repeat(10_240), 'trailing ', ' leading', 'a\nb']) {
        for (const refused of [await merge(userId, {}), await replace(userId, {}), await patch(userId, [])]) {
          expect(refusalOf(refused)).toEqual(bad('userId'))
        }
      }
    })

    test('A profile of over 262,144 characters is refused, in pieces too', async () => {
      const half = 'x'.repeat(140_000)
      dataOf(await merge('large', { a: half }))
      expect(refusalOf(await merge('large', { b: half }))).toEqual(bad('profile'))
      expect(refusalOf(await patch('large', [{ op: 'copy', from: '/a', path: '/b' }]))).toEqual(bad('patch.0'))
      expect(await profileOf('large')).toEqual({ a: half })
    })

    test('A message to an unknown user with an inline profile makes the user', async () => {
      await home.journey(
        await home.send({ to: [{ userId: 'inline', profile: { email: 'inline@example.com', plan: 'pro' } }], content }),
      )
      expect(await profileOf('inline')).toEqual({ email: 'inline@example.com', plan: 'pro' })
      await home.journey(await home.send({ to: [{ userId: 'inline', profile: { plan: 'free' } }], content }))
      expect(await profileOf('inline')).toEqual({ email: 'inline@example.com', plan: 'pro' })
    })

    test('A token’s viewer is its user, who need not be there; a token for requests alone, and a key, speak for nobody', async () => {
      const Viewer = document<{ viewer: { id: string; profile: Profile } | null }>('{ viewer { id profile } }')
      const viewerFor = async (input: Omit<IssueTokenInput, 'expiresIn'>) => {
        const issued = await home.client.send(IssueTokenDocument, { input: { ...input, expiresIn: 'PT1H' } })
        return dataOf(await home.enter(dataOf(issued).issueToken.token).send(Viewer, {})).viewer
      }
      dataOf(await merge('seen', { name: 'Seen' }))
      const scopes: IssueTokenInput['scopes'] = ['PREFERENCES_READ']
      expect(await viewerFor({ userId: 'seen', scopes })).toEqual({ id: 'seen', profile: { name: 'Seen' } })
      expect(await viewerFor({ userId: 'unseen', scopes })).toBeNull()
      const requestId = await home.send({ to: [{ userId: 'seen' }], content })
      expect(await viewerFor({ requestIds: [requestId], scopes: ['MESSAGES_READ'] })).toBeNull()
      expect(dataOf(await home.client.send(Viewer, {})).viewer).toBeNull()
    })

    test('Users are found by a part of their id, email, name or phone number, whatever the case', async () => {
      dataOf(await merge('find-Me', { email: 'Someone@find-email.test', name: 'Émile Ångström', phone_number: '+32470123456' }))
      dataOf(await merge('find-other', { note: 'find-email' }))
      expect(await found('FIND-me')).toEqual(['find-Me'])
      expect(await found('FIND-EMAIL')).toEqual(['find-Me'])
      expect(await found('émile ång')).toEqual(['find-Me'])
      expect(await found('ÉMILE')).toEqual(['find-Me'])
      expect(await found('0123456')).toContain('find-Me')
      expect(await found('find-')).toEqual(expect.arrayContaining(['find-Me', 'find-other']))
    })

    test('A search has no wildcards: % and _ and \\ stand for themselves', async () => {
      dataOf(await merge('wild-100%_\\', {}))
      dataOf(await merge('wild-100xyz', {}))
      expect(await found('100%')).toEqual(['wild-100%_\\'])
      expect(await found('%_')).toEqual(['wild-100%_\\'])
      expect(await found('_\\')).toEqual(['wild-100%_\\'])
      expect(await found('wild%')).toEqual([])
    })

    test('All users are listed once, page by page, in the order of their ids', async () => {
      const ids = Array.from({ length: 7 }, (_, n) => `paged-${n}`)
      for (const id of ids) dataOf(await merge(id, { name: 'Paged' }))
      const seen: string[] = []
      let after: string | null = null
      for (;;) {
        const { nodes, pageInfo }: UserPage['users'] = dataOf(
          await home.client.send(Users, { search: 'paged-', first: 3, after }),
        ).users
        seen.push(...nodes.map(({ id }) => id))
        after = pageInfo.endCursor
        if (!pageInfo.hasNextPage) break
      }
      expect(seen).toEqual(ids)
      const everybody = dataOf(await home.client.send(Users, { first: 100 })).users.nodes
      expect(new Set(everybody.map(({ id }) => id)).size).toBe(everybody.length)
      expect(refusalOf(await home.client.send(Users, { first: 101 }))).toEqual(bad('first'))
    })
  })
}
