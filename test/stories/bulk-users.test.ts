import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { everyRowIn, tablesWith } from '../support/every-row.ts'
import { document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { createJob } from './bulk-story.ts'

const content = { title: 'Hello' }
const NUMBER = '175928847299117063'
const TEAMS = { tenantId: '7c1bd2d4-7d3b-4b5c-9c1e-6a3f2b1d0e9f', serviceUrl: 'https://smba.trafficmanager.net/teams/' }
const slackHook = (path: string) => `https://hooks.slack.com/services/${path}`
const discordHook = (path: string) => `https://discord.com/api/webhooks/${path}`

/** Two places each, of which the log shows the same. */
const ALIKE: readonly (readonly [string, object, object])[] = [
  [
    'hooks of Slack that end alike',
    { slack: { webhookUrl: slackHook('T1/B1/oneWXYZ') } },
    { slack: { webhookUrl: slackHook('T1/B2/twoWXYZ') } },
  ],
  [
    'hooks of Discord that end alike',
    { discord: { webhookUrl: discordHook('1/oneWXYZ') } },
    { discord: { webhookUrl: discordHook('2/twoWXYZ') } },
  ],
  [
    'hooks of Teams that end alike',
    { msTeams: { webhookUrl: 'https://teams.example.com/one?sig=WXYZ' } },
    { msTeams: { webhookUrl: 'https://teams.example.com/two?sig=WXYZ' } },
  ],
  [
    'channels of one name in two workspaces',
    { slack: { channel: '#general', accessToken: 'xoxb-canary-one' } },
    { slack: { channel: '#general', accessToken: 'xoxb-canary-two' } },
  ],
  ['a user and a channel of one number', { discord: { userId: NUMBER } }, { discord: { channelId: NUMBER } }],
  [
    'a channel in two tenants',
    { msTeams: { ...TEAMS, channelId: '19:general@thread.tacv2' } },
    { msTeams: { ...TEAMS, tenantId: '00000000-7d3b-4b5c-9c1e-6a3f2b1d0e9f', channelId: '19:general@thread.tacv2' } },
  ],
  [
    'webhooks that differ in a header',
    { webhook: { url: 'https://hooks.example.com/in', headers: [{ name: 'X-Team', value: 'one' }] } },
    { webhook: { url: 'https://hooks.example.com/in', headers: [{ name: 'X-Team', value: 'two' }] } },
  ],
  [
    "hooks in people's profiles that end alike",
    { profile: { slack: { webhook_url: slackHook('T2/B1/oneWXYZ') } } },
    { profile: { slack: { webhook_url: slackHook('T2/B2/twoWXYZ') } } },
  ],
]

/** One place each, said in two ways. */
const SAME: readonly (readonly [string, object, object])[] = [
  ['what is said of nothing', { discord: { userId: NUMBER } }, { discord: { userId: NUMBER, channelId: null } }],
  ['data', { telegram: { chatId: '-100' } }, { telegram: { chatId: '-100' }, data: { name: 'Ada' } }],
  [
    'how its host is written',
    { webhook: { url: 'https://Example.com' } },
    { webhook: { url: 'https://example.com/', headers: [] } },
  ],
  [
    'the order and the case of headers',
    { webhook: { url: 'https://example.com/', headers: [header('X-A', '1'), header('X-B', '2')] } },
    { webhook: { url: 'https://example.com/', headers: [header('x-b', '2'), header('x-a', '1')] } },
  ],
  ['the case of a mail address', { slack: { email: 'Ada@example.com' } }, { slack: { email: 'ada@example.com' } }],
  ['where it is said', { slack: { channel: 'C024BE91L' } }, { profile: { slack: { channel: 'C024BE91L' } } }],
]

function header(name: string, value: string) {
  return { name, value }
}

/** Data of somebody that cannot be kept, and where in them that is. */
const UNKEPT: readonly (readonly [string, object, string])[] = [
  ['a NUL character in data', { data: { note: { text: 'a\0b' } } }, "'to.data.note.text'"],
  ['a NUL character in a key of data', { data: { note: { 'a\0b': 1 } } }, "'to.data.note'"],
  ['a whole number of 20 digits in data', { data: { n: Number('12345678901234567890') } }, "'to.data.n'"],
  ['a list of 10,001 items in data', { data: { items: Array(10_001).fill(0) } }, "'to.data.items'"],
  ['a NUL character in the profile', { profile: { name: '\0' } }, "'to.profile.name'"],
  ['a NUL character in a tenant', { tenantId: 't\0' }, "'to.tenantId'"],
  [
    'a NUL character in a device',
    { deviceTokens: [{ kind: 'fcm', token: 't', device: { os: '\0' } }] },
    "'to.deviceTokens.0.device.os'",
  ],
  ['a time zone that is none', { timezone: 'Mars/Base' }, "'timezone'"],
  ['a language that is none', { locale: 'a b' }, "'locale'"],
]

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const job = () => createJob(home, { content })
    const addRaw = (source: string, variables: Record<string, unknown>) =>
      home.client.send(
        document<{ addBulkUsers: { total: number; errors: { index: number; error: string }[] } }>(source),
        variables,
      )

    test('Places of which the log shows the same are told apart by all that leads to them, and taken once each', async () => {
      const { add, state } = await job()
      const users = ALIKE.flatMap(([, one, other]) => [{ to: { ...one } }, { to: { ...other } }])
      expect(await add(users)).toEqual({ total: users.length, errors: [] })
      const again = await add(users)
      expect(again.total).toBe(0)
      expect(again.errors.map(({ code }) => code)).toEqual(users.map(() => 'DUPLICATE_USER'))
      expect((await state()).received).toBe(users.length)
      if (home.databaseUrl !== null) expect(tablesWith(await everyRowIn(home.databaseUrl), 'xoxb-canary')).toEqual([])
    })

    test.each(SAME)('A place is the same whatever is different in %s', async (_what, one, other) => {
      const { add } = await job()
      expect(await add([{ to: { ...one } }, { to: { ...other } }])).toMatchObject({
        total: 1,
        errors: [{ index: 1, code: 'DUPLICATE_USER' }],
      })
    })

    test.each(UNKEPT)('Who brings %s is refused alone, in words that say where it is', async (_what, wrong, where) => {
      const { add, users } = await job()
      const { total, errors } = await add([
        { to: { userId: 'ada' } },
        { to: { userId: 'bob', ...wrong } },
        { to: { userId: 'cyd' } },
      ])
      expect([total, errors]).toEqual([
        2,
        [{ index: 1, code: 'BAD_USER_INPUT', error: expect.stringContaining(where), recipient: 'bob' }],
      ])
      expect((await users()).map(({ recipient }) => recipient)).toEqual(['ada', 'cyd'])
    })

    test('Who cannot even be named is refused without a name, and a name that is half a character is mended', async () => {
      const { add } = await job()
      const { total, errors } = await add([{ to: { userId: 'a\0' } }, { to: { userId: 'b\ud800', data: { '\ud800': '\0' } } }])
      expect([total, errors.map(({ code, recipient }) => [code, recipient])]).toEqual([
        0,
        [
          ['BAD_USER_INPUT', null],
          ['BAD_USER_INPUT', 'b\ufffd'],
        ],
      ])
    })

    test('What is written in the document itself is refused alone, too', async () => {
      const { id } = await job()
      const { data } = await addRaw(
        `mutation ($id: ID!) { addBulkUsers(jobId: $id, users: [
           { to: { userId: "a", data: { n: 12345678901234567890 } } } { to: { userId: "b" } } { to: { userId: "c", timezone: "Mars/Base" } }
           { to: { userId: "d", data: { text: "\\u0000" } } }
         ]) { total errors { index error } } }`,
        { id },
      )
      expect(data?.addBulkUsers.total).toBe(1)
      expect(data?.addBulkUsers.errors.map(({ index }) => index)).toEqual([0, 2, 3])
    })

    test('A call with somebody who is refused is answered again by its key, and the key holds for no other call', async () => {
      const { id } = await job()
      const call = (text: string) =>
        addRaw(
          `mutation ($id: ID!, $users: [BulkUserInput!]!) {
             addBulkUsers(jobId: $id, users: $users, idempotencyKey: "unkept") { total errors { index error } }
           }`,
          { id, users: [{ to: { userId: 'ada' } }, { to: { userId: 'bob', data: { '\ud800': text } } }] },
        )
      const first = await call('\0')
      expect(first.data?.addBulkUsers).toMatchObject({ total: 1, errors: [{ index: 1 }] })
      expect((await call('\0')).data).toEqual(first.data)
      expect(refusalOf(await call('mended')).code).toBe('IDEMPOTENCY_KEY_REUSED')
    })

    test('What is not of its type, a job that cannot be named and more users than a call may hold are refused as a whole', async () => {
      const { id, state } = await job()
      const call = async (jobId: string, users: readonly object[]) =>
        refusalOf(
          await addRaw('mutation ($id: ID!, $users: [BulkUserInput!]!) { addBulkUsers(jobId: $id, users: $users) { total } }', {
            id: jobId,
            users: [{ to: { userId: 'ada' } }, ...users],
          }),
        )
      expect(await call(id, [{ to: { userId: 'bob', data: 'text' } }])).toMatchObject({
        code: 'BAD_USER_INPUT',
        path: 'users.1.to.data',
      })
      expect(await call(id, [{ to: { userId: 'bob', timezone: 2 } }])).toMatchObject({ path: 'users.1.to.timezone' })
      expect(await call(`${id}\0`, [])).toEqual({ code: 'BAD_USER_INPUT', path: 'jobId' })
      const many = Array.from({ length: 10_000 }, (_, n) => ({ to: { userId: `u${n}` } }))
      expect(await call(id, many)).toEqual({ code: 'BAD_USER_INPUT', path: 'users' })
      expect((await state()).received).toBe(0)
    })
  })
}
