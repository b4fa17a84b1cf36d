import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readPreferences } from '../../src/domain/preference.ts'
import { openStore } from '../../src/store/database.ts'
import { CreateApiKeyDocument, IssueTokenDocument, type IssueTokenInput } from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { deadlocks, shut } from '../support/gate.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Preference {
  readonly id: string
  readonly topic: { readonly id: string; readonly name: string; readonly channels: readonly string[] | null }
  readonly status: string
  readonly defaultStatus: string
  readonly channels: readonly string[] | null
  readonly snoozedUntil: string | null
  readonly source: string
}
type Input = { topicId: string; tenantId?: string; status: string; channels?: string[]; snoozedUntil?: string }

const EVERYTHING = '{ id topic { id name channels } status defaultStatus channels snoozedUntil source }' as const
const Preferences = document<{ user: { preferences: readonly Preference[] } | null }>(
  `query ($userId: ID!, $tenantId: ID) { user(id: $userId) { preferences(tenantId: $tenantId) ${EVERYTHING} } }`,
)
const Mine = document<{ viewer: { id: string; preferences: readonly Preference[] } }>(
  `query ($tenantId: ID) { viewer { id preferences(tenantId: $tenantId) ${EVERYTHING} } }`,
)
const SetOne = document<{ setPreference: Preference }>(
  `mutation ($userId: ID, $input: PreferenceInput!) { setPreference(userId: $userId, input: $input) ${EVERYTHING} }`,
)
const SetMany = document<{ setPreferences: readonly Preference[] }>(
  `mutation ($userId: ID, $inputs: [PreferenceInput!]!) { setPreferences(userId: $userId, inputs: $inputs) ${EVERYTHING} }`,
)
const Reset = document<{ resetPreference: Preference }>(
  `mutation ($userId: ID, $topicId: ID!, $tenantId: ID) {
    resetPreference(userId: $userId, topicId: $topicId, tenantId: $tenantId) ${EVERYTHING}
  }`,
)
const PutTopic = document('mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }')
const Join = document('mutation ($tenantId: ID!, $userId: ID!) { addTenantMember(tenantId: $tenantId, userId: $userId) { id } }')
const PutTenant = document('mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }')

/** In the order in which they are shown: by section, those without one last, then by name. */
const TOPICS: readonly (readonly [string, Record<string, unknown>])[] = [
  ['invoices', { name: 'Invoices', section: 'Account', defaultStatus: 'REQUIRED' }],
  ['security', { name: 'Security', section: 'Account', defaultStatus: 'OPTED_IN' }],
  ['digest', { name: 'Digest', section: 'News', defaultStatus: 'OPTED_IN', channels: ['EMAIL', 'INBOX'] }],
  ['offers', { name: 'Offers', section: 'News', defaultStatus: 'OPTED_OUT' }],
  ['comments', { name: 'Comments', defaultStatus: 'OPTED_IN' }],
]
/** From root to leaf: five levels, of which the root is one too many. */
const TENANTS: readonly (readonly [string, Record<string, unknown>])[] = [
  ['holding', { defaultPreferences: [{ topicId: 'digest', status: 'REQUIRED' }] }],
  ['group', { parentId: 'holding', defaultPreferences: [{ topicId: 'offers', status: 'OPTED_IN', channels: ['EMAIL'] }] }],
  ['company', { parentId: 'group', defaultPreferences: [{ topicId: 'comments', status: 'OPTED_OUT' }] }],
  ['unit', { parentId: 'company', defaultPreferences: [{ topicId: 'security', status: 'REQUIRED', channels: ['EMAIL'] }] }],
  ['team', { parentId: 'unit', defaultPreferences: [{ topicId: 'comments', status: 'OPTED_IN' }] }],
]
const TOMORROW = new Date(Date.now() + 86_400_000).toISOString()
const YESTERDAY = new Date(Date.now() - 86_400_000).toISOString()

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let userId = 'user-0'
    let users = 0
    beforeAll(async () => {
      home = await house({ mode })
      for (const [id, input] of [...TOPICS].reverse()) dataOf(await home.client.send(PutTopic, { id, input }))
      for (const [id, input] of TENANTS) dataOf(await home.client.send(PutTenant, { id, input: { name: id, ...input } }))
    })
    afterAll(() => home.stop())
    beforeEach(() => {
      users += 1
      userId = `user-${users}`
    })

    const trySet = (input: Input, client = home.client) => client.send(SetOne, { userId, input })
    const set = async (input: Input) => dataOf(await trySet(input)).setPreference
    const setMany = (inputs: readonly Input[]) => home.client.send(SetMany, { userId, inputs })
    const reset = async (topicId: string, tenantId?: string) =>
      dataOf(await home.client.send(Reset, { userId, topicId, tenantId })).resetPreference
    const read = async (tenantId?: string) =>
      dataOf(await home.clients.at(-1)!.send(Preferences, { userId, tenantId })).user!.preferences
    const readOne = async (topicId: string, tenantId?: string) =>
      (await read(tenantId)).find(({ topic }) => topic.id === topicId)!
    const tokenFor = async (input: Partial<IssueTokenInput>): Promise<Client> => {
      const scopes = ['PREFERENCES_READ' as const, 'PREFERENCES_WRITE' as const]
      const issued = await home.client.send(IssueTokenDocument, { input: { userId, scopes, expiresIn: 'PT1H', ...input } })
      return home.enter(dataOf(issued).issueToken.token)
    }

    test('A user has a preference for every topic, by section and name, with what holds and who decided', async () => {
      await set({ topicId: 'comments', status: 'OPTED_OUT' })
      expect((await read()).map(({ topic, status, source }) => [topic.id, status, source])).toEqual([
        ['invoices', 'REQUIRED', 'TOPIC'],
        ['security', 'OPTED_IN', 'TOPIC'],
        ['digest', 'OPTED_IN', 'TOPIC'],
        ['offers', 'OPTED_OUT', 'TOPIC'],
        ['comments', 'OPTED_OUT', 'USER'],
      ])
      expect(await readOne('digest')).toMatchObject({
        topic: { id: 'digest', name: 'Digest', channels: ['EMAIL', 'INBOX'] },
        defaultStatus: 'OPTED_IN',
        channels: null,
        snoozedUntil: null,
      })
    })

    test('A choice is put whole: a later one without channels and snooze has none', async () => {
      const whole = { status: 'OPTED_IN', channels: ['INBOX'], snoozedUntil: TOMORROW }
      expect(await set({ topicId: 'digest', ...whole })).toMatchObject({ ...whole, source: 'USER' })
      expect(await readOne('digest')).toMatchObject({ ...whole, source: 'USER' })
      const bare = await set({ topicId: 'digest', status: 'OPTED_OUT' })
      expect(bare).toMatchObject({ status: 'OPTED_OUT', channels: null, snoozedUntil: null, defaultStatus: 'OPTED_IN' })
      expect(await readOne('digest')).toEqual(bare)
    })

    test('A snooze that has passed is none', async () => {
      expect(await set({ topicId: 'digest', status: 'OPTED_IN', snoozedUntil: YESTERDAY })).toMatchObject({ snoozedUntil: null })
    })

    test('A choice that is reset gives way to the default, and resetting it again changes nothing', async () => {
      await set({ topicId: 'offers', status: 'OPTED_IN' })
      for (let time = 0; time < 2; time += 1) {
        expect(await reset('offers')).toMatchObject({ status: 'OPTED_OUT', source: 'TOPIC' })
      }
      expect(await readOne('offers')).toMatchObject({ status: 'OPTED_OUT', source: 'TOPIC' })
    })

    test('A choice made in a tenant holds in that tenant alone, and goes before the one made everywhere', async () => {
      await set({ topicId: 'comments', status: 'OPTED_IN', channels: ['EMAIL'] })
      await set({ topicId: 'comments', tenantId: 'unit', status: 'OPTED_OUT' })
      const statusIn = async (tenantId?: string) => (await readOne('comments', tenantId)).status
      expect([await statusIn(), await statusIn('unit'), await statusIn('team')]).toEqual(['OPTED_IN', 'OPTED_OUT', 'OPTED_IN'])
      expect(await reset('comments', 'unit')).toMatchObject({ status: 'OPTED_IN', channels: ['EMAIL'], source: 'USER' })
    })

    test("A choice made everywhere goes before a tenant's default", async () => {
      expect(await reset('comments', 'company')).toMatchObject({ status: 'OPTED_OUT', source: 'TENANT' })
      await set({ topicId: 'comments', status: 'OPTED_IN' })
      expect(await readOne('comments', 'company')).toMatchObject({
        status: 'OPTED_IN',
        source: 'USER',
        defaultStatus: 'OPTED_OUT',
      })
    })

    test("A tenant's default goes before the topic's, the nearer tenant's before its parents'", async () => {
      await set({ topicId: 'invoices', status: 'OPTED_IN' })
      const inTeam = await read('team')
      expect(inTeam.map(({ topic, status, channels, source }) => [topic.id, status, channels, source])).toEqual([
        ['invoices', 'REQUIRED', null, 'TOPIC'],
        ['security', 'REQUIRED', ['EMAIL'], 'TENANT'],
        ['digest', 'OPTED_IN', null, 'TOPIC'],
        ['offers', 'OPTED_IN', ['EMAIL'], 'TENANT'],
        ['comments', 'OPTED_IN', null, 'TENANT'],
      ])
    })

    test('Four levels count, from the leaf: a tenant further up has no say', async () => {
      await set({ topicId: 'comments', status: 'OPTED_IN' })
      expect(await readOne('digest', 'unit')).toMatchObject({ status: 'REQUIRED', source: 'TENANT' })
      expect(await readOne('digest', 'team')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
    })

    test('Nobody opts out of a topic that is required, whether the topic or a tenant says so', async () => {
      const refused = { code: 'BAD_USER_INPUT', path: 'input.status' }
      expect(refusalOf(await trySet({ topicId: 'invoices', status: 'OPTED_OUT' }))).toEqual(refused)
      expect(refusalOf(await trySet({ topicId: 'security', tenantId: 'team', status: 'OPTED_OUT' }))).toEqual(refused)
      expect(refusalOf(await trySet({ topicId: 'invoices', status: 'OPTED_IN', snoozedUntil: TOMORROW }))).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.snoozedUntil',
      })
      expect(await set({ topicId: 'invoices', status: 'OPTED_IN' })).toMatchObject({ status: 'REQUIRED', source: 'TOPIC' })
    })

    test('Opting out everywhere of what one tenant requires is allowed, and has no say in that tenant', async () => {
      await set({ topicId: 'security', status: 'OPTED_OUT' })
      expect(await readOne('security')).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
      expect(await readOne('security', 'unit')).toMatchObject({ status: 'REQUIRED', source: 'TENANT' })
    })

    test.each<[string, string, Input]>([
      ["the status REQUIRED, which is not the user's to choose", 'input.status', { topicId: 'digest', status: 'REQUIRED' }],
      ['no channel at all', 'input.channels', { topicId: 'digest', status: 'OPTED_IN', channels: [] }],
      [
        'a channel that the topic does not offer',
        'input.channels',
        { topicId: 'digest', status: 'OPTED_IN', channels: ['EMAIL', 'SMS'] },
      ],
      ['an empty topic', 'input.topicId', { topicId: '', status: 'OPTED_IN' }],
      ['an empty tenant', 'input.tenantId', { topicId: 'digest', tenantId: '', status: 'OPTED_IN' }],
    ])('A choice of %s is refused', async (_what, path, input) => {
      expect(refusalOf(await trySet(input))).toEqual({ code: 'BAD_USER_INPUT', path })
    })

    test('An unknown topic or tenant is not found, and nothing is made', async () => {
      expect(refusalOf(await trySet({ topicId: 'none', status: 'OPTED_IN' })).code).toBe('NOT_FOUND')
      expect(refusalOf(await trySet({ topicId: 'digest', tenantId: 'none', status: 'OPTED_IN' })).code).toBe('NOT_FOUND')
      for (const where of [{ topicId: 'none' }, { topicId: 'digest', tenantId: 'none' }]) {
        expect(refusalOf(await home.client.send(Reset, { userId, ...where })).code).toBe('NOT_FOUND')
      }
      expect(dataOf(await home.client.send(Preferences, { userId })).user).toBeNull()
      await set({ topicId: 'digest', status: 'OPTED_IN' })
      expect(refusalOf(await home.client.send(Preferences, { userId, tenantId: 'none' })).code).toBe('NOT_FOUND')
      const unreadable = { userId, topicId: 'digest', tenantId: '\u0000' }
      for (const answer of [await home.client.send(Preferences, unreadable), await home.client.send(Reset, unreadable)]) {
        expect(refusalOf(answer)).toEqual({ code: 'BAD_USER_INPUT', path: 'tenantId' })
      }
    })

    test('Several choices are answered in their order', async () => {
      const set = dataOf(
        await setMany([
          { topicId: 'offers', status: 'OPTED_IN', channels: ['SMS'] },
          { topicId: 'digest', tenantId: 'team', status: 'OPTED_OUT' },
          { topicId: 'digest', status: 'OPTED_IN', channels: ['INBOX'] },
        ]),
      ).setPreferences
      expect(set.map(({ topic, status, channels }) => [topic.id, status, channels])).toEqual([
        ['offers', 'OPTED_IN', ['SMS']],
        ['digest', 'OPTED_OUT', null],
        ['digest', 'OPTED_IN', ['INBOX']],
      ])
      expect(await readOne('digest', 'team')).toEqual(set[1])
      expect(await readOne('digest')).toEqual(set[2])
    })

    test.each<[string, string | undefined, Input]>([
      ['BAD_USER_INPUT', 'inputs.1.status', { topicId: 'invoices', status: 'OPTED_OUT' }],
      ['BAD_USER_INPUT', 'inputs.1.channels', { topicId: 'digest', status: 'OPTED_IN', channels: ['PUSH'] }],
      ['BAD_USER_INPUT', 'inputs.1.topicId', { topicId: 'offers', status: 'OPTED_OUT' }],
      ['NOT_FOUND', undefined, { topicId: 'none', status: 'OPTED_OUT' }],
    ])('Several choices are kept all or none: %s at %s', async (code, path, wrong) => {
      await set({ topicId: 'comments', status: 'OPTED_IN' })
      expect(refusalOf(await setMany([{ topicId: 'offers', status: 'OPTED_IN' }, wrong]))).toEqual({ code, path })
      expect(await readOne('offers')).toMatchObject({ status: 'OPTED_OUT', source: 'TOPIC' })
    })

    test('One call holds 1 to 50 choices', async () => {
      const many = Array.from({ length: 51 }, (_, index) => ({ topicId: `t${index}`, status: 'OPTED_IN' }))
      for (const inputs of [[], many]) {
        expect(refusalOf(await setMany(inputs))).toEqual({ code: 'BAD_USER_INPUT', path: 'inputs' })
      }
    })

    test('A preference keeps its id while it changes, and has another in each tenant', async () => {
      const { id } = await set({ topicId: 'digest', status: 'OPTED_OUT' })
      expect((await reset('digest')).id).toBe(id)
      expect((await readOne('digest')).id).toBe(id)
      expect((await readOne('digest', 'team')).id).not.toBe(id)
      expect(new Set((await read()).map((preference) => preference.id)).size).toBe(TOPICS.length)
    })

    test('A repeated call with the same idempotency key answers the same and chooses once', async () => {
      const variables = { userId, input: { topicId: 'digest', status: 'OPTED_IN', snoozedUntil: TOMORROW } }
      const key = { idempotencyKey: `once-${userId}` }
      const first = dataOf(await home.client.send(SetOne, variables, key))
      await reset('digest')
      expect(dataOf(await home.client.send(SetOne, variables, key))).toEqual(first)
      expect(await readOne('digest')).toMatchObject({ source: 'TOPIC' })
    })

    test('A user chooses with a token for themselves alone, and is made when missing', async () => {
      const token = await tokenFor({})
      const chosen = await token.send(SetOne, { input: { topicId: 'digest', status: 'OPTED_OUT' } })
      expect(dataOf(chosen).setPreference).toMatchObject({ status: 'OPTED_OUT', topic: { name: 'Digest' } })
      const mine = dataOf(await token.send(Mine, {})).viewer
      expect(mine.id).toBe(userId)
      expect(mine.preferences).toEqual(await read())
      const others = { userId: 'somebody-else', input: { topicId: 'digest', status: 'OPTED_OUT' } }
      expect(refusalOf(await token.send(SetOne, others)).code).toBe('NOT_FOUND')
      expect(refusalOf(await token.send(SetMany, { ...others, inputs: [others.input] })).code).toBe('NOT_FOUND')
      expect(refusalOf(await token.send(Reset, { userId: 'somebody-else', topicId: 'digest' })).code).toBe('NOT_FOUND')
    })

    test('A token issued for a tenant reads and chooses in that tenant, and in no other', async () => {
      const token = await tokenFor({ tenantId: 'team' })
      dataOf(await token.send(SetOne, { input: { topicId: 'comments', status: 'OPTED_OUT' } }))
      expect((await readOne('comments', 'team')).source).toBe('USER')
      expect((await readOne('comments')).source).toBe('TOPIC')
      expect(dataOf(await token.send(Mine, {})).viewer.preferences).toEqual(await read('team'))
      expect(refusalOf(await token.send(Mine, { tenantId: 'unit' })).code).toBe('NOT_FOUND')
      const elsewhere = { topicId: 'comments', tenantId: 'unit', status: 'OPTED_OUT' }
      expect(refusalOf(await token.send(SetOne, { input: elsewhere })).code).toBe('NOT_FOUND')
      dataOf(await token.send(Reset, { topicId: 'comments' }))
      expect((await readOne('comments', 'team')).source).toBe('TENANT')
    })

    test('A token issued without a tenant reads and chooses in the tenants its user is a member of; others look like none', async () => {
      const token = await tokenFor({})
      dataOf(await home.client.send(Join, { tenantId: 'team', userId }))
      const choice = { topicId: 'comments', tenantId: 'team', status: 'OPTED_OUT' }
      expect(dataOf(await token.send(SetOne, { input: choice })).setPreference).toMatchObject({ status: 'OPTED_OUT' })
      expect(dataOf(await token.send(Mine, { tenantId: 'team' })).viewer.preferences).toEqual(await read('team'))
      expect(dataOf(await token.send(SetMany, { inputs: [choice] })).setPreferences).toHaveLength(1)
      dataOf(await token.send(Reset, { topicId: 'comments', tenantId: 'team' }))
      await set({ ...choice, tenantId: 'unit' })
      const answersFor = async (tenantId: string) => {
        const elsewhere = { topicId: 'comments', tenantId, status: 'OPTED_IN' }
        const answers = [
          await token.send(Mine, { tenantId }),
          await token.send(SetOne, { input: elsewhere }),
          await token.send(SetMany, { inputs: [{ topicId: 'digest', status: 'OPTED_OUT' }, elsewhere] }),
          await token.send(Reset, { topicId: 'comments', tenantId }),
        ]
        for (const answer of answers) expect(refusalOf(answer).code).toBe('NOT_FOUND')
        return JSON.stringify(answers.map(({ errors }) => errors)).replaceAll(tenantId, '<id>')
      }
      expect(await answersFor('unit')).toBe(await answersFor('none'))
      expect(await readOne('comments', 'unit')).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
      expect(await readOne('digest')).toMatchObject({ source: 'TOPIC' })
    })

    test('Reading preferences takes a scope for it, and choosing another', async () => {
      await set({ topicId: 'digest', status: 'OPTED_IN' })
      const choice = { input: { topicId: 'digest', status: 'OPTED_OUT' } }
      const reader = await tokenFor({ scopes: ['PREFERENCES_READ'] })
      expect(dataOf(await reader.send(Mine, {})).viewer.preferences).toHaveLength(TOPICS.length)
      expect(refusalOf(await reader.send(SetOne, choice)).code).toBe('FORBIDDEN')
      const stranger = await tokenFor({ scopes: ['INBOX_READ'] })
      expect(refusalOf(await stranger.send(Mine, {})).code).toBe('FORBIDDEN')
      const created = await home.client.send(CreateApiKeyDocument, { input: { name: 'reader', scopes: ['USERS_READ'] } })
      const key = home.enter(dataOf(created).createApiKey.secret)
      expect(dataOf(await key.send(Preferences, { userId })).user!.preferences).toHaveLength(TOPICS.length)
      expect(refusalOf(await key.send(SetOne, { userId, ...choice })).code).toBe('FORBIDDEN')
      expect(refusalOf(await home.client.send(SetOne, choice))).toEqual({ code: 'BAD_USER_INPUT', path: 'userId' })
    })

    test.skipIf(mode !== 'PostgreSQL and Redis').each([
      ['setPreference', 'setPreference(userId: "met", input: { topicId: "brief", tenantId: "east", status: OPTED_OUT }) { id }'],
      [
        'setPreferences',
        `setPreferences(userId: "met", inputs: [
          { topicId: "digest", tenantId: "west", status: OPTED_OUT }, { topicId: "brief", tenantId: "east", status: OPTED_OUT }
        ]) { id }`,
      ],
      ['resetPreference', 'resetPreference(userId: "met", topicId: "brief", tenantId: "east") { id }'],
    ])(
      'A deleteTopic that is met half-way by %s in a tenant that speaks of the topic ends, and neither is tried again',
      async (_name, source) => {
        const defaultPreferences = [{ topicId: 'brief', status: 'OPTED_IN' }]
        dataOf(await home.client.send(PutTopic, { id: 'brief', input: { name: 'Brief', defaultStatus: 'OPTED_IN' } }))
        for (const id of ['east', 'west'])
          dataOf(await home.client.send(PutTenant, { id, input: { name: id, defaultPreferences } }))
        const gate = await shut(home.databaseUrl!, 'list')
        const deleting = home.client.send(document<{ deleteTopic: boolean }>('mutation { deleteTopic(id: "brief") }'), {})
        await gate.waiting(1)
        const choosing = home.clients[1]!.send(document(`mutation { ${source} }`), {})
        await gate.waiting(2)
        await gate.open()
        expect(dataOf(await deleting).deleteTopic).toBe(true)
        expect(refusalOf(await choosing).code).toBe('NOT_FOUND')
        expect(await deadlocks(home.databaseUrl!)).toBe(0)
      },
    )

    test.skipIf(mode !== 'PostgreSQL and Redis')(
      'Reading them takes three statements, however many topics there are',
      async () => {
        const store = await openStore({ url: home.databaseUrl!, poolSize: 1, allowUnsafe: true })
        let statements = 0
        const counting = store.db.withPlugin({
          transformQuery({ node }) {
            statements += 1
            return node
          },
          transformResult: async ({ result }) => result,
        })
        const query = { environmentId: 'production', userId, tenantId: 'team' }
        const all = await readPreferences(counting, query, new Date())
        expect([all.length, statements]).toEqual([TOPICS.length, 3])
        const one = await readPreferences(counting, { ...query, topicIds: ['digest'] }, new Date())
        expect(one).toEqual(all.filter(({ topic }) => topic.id === 'digest'))
        expect(statements).toBe(6)
        await store.close()
      },
    )
  })
}
