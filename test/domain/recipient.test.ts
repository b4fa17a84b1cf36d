import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { checkRecipient, type RecipientInput } from '../../src/domain/recipient.ts'
import { Refusal } from '../../src/errors.ts'

const guard = createAddressGuard({ allowedNetworks: [], own: [] })
const check = (to: RecipientInput) => checkRecipient(to, ['input', 'to', 0], { guard, providers: [] })

const TEAMS = { tenantId: '8a3c1f10-0000-4000-8000-000000000001', serviceUrl: 'https://smba.trafficmanager.net/emea/' }

function issuesOf(to: RecipientInput) {
  try {
    check(to)
    return []
  } catch (error) {
    return (error as Refusal).issues
  }
}

describe('A recipient', () => {
  test.each<[string, RecipientInput, object]>([
    ['a user', { userId: 'u' }, { label: 'u', userId: 'u', newProfile: {} }],
    ['an address', { email: 'a@x.test' }, { label: 'a@x.test', userId: null, newProfile: { email: 'a@x.test' } }],
    ['an address in a profile', { profile: { email: 'a@x.test' } }, { label: 'a@x.test', userId: null }],
    [
      'a new user with an address',
      { userId: 'u', email: 'a@x.test', profile: { n: 1 } },
      { label: 'u', newProfile: { n: 1, email: 'a@x.test' } },
    ],
    ['a place', { webhook: { url: 'https://X.test' } }, { label: 'https://x.test/', userId: null }],
    ['a channel of Slack', { slack: { channel: 'C024BE91L' } }, { label: 'slack:C024BE91L', userId: null }],
    [
      'a webhook of Slack, which is not shown',
      { slack: { webhookUrl: 'https://hooks.slack.com/services/T0/B0/secretXYZ1' } },
      { label: 'https://hooks.slack.com/…XYZ1' },
    ],
    ['somebody in Microsoft Teams', { msTeams: { ...TEAMS, userId: '29:1abc' } }, { label: 'msteams:29:1abc' }],
    ['a channel of Discord', { discord: { channelId: '175928847299117063' } }, { label: 'discord:175928847299117063' }],
    ['a chat of Telegram', { telegram: { chatId: '-1001234' } }, { label: 'telegram:-1001234' }],
    ['a person by a chat in a profile', { profile: { slack: { user_id: 'U024BE7LH' } } }, { label: 'slack:U024BE7LH' }],
  ])('is %s', (_name, to, expected) => {
    expect(check(to)).toMatchObject(expected)
  })

  test.each<[string, RecipientInput, string]>([
    ['no field', { slack: {} }, 'slack'],
    ['two targets', { slack: { channel: 'C024BE91L', email: 'a@x.test' } }, 'slack.channel'],
    ['a token beside a webhook', { slack: { webhookUrl: 'https://hooks.slack.com/a', accessToken: 'x' } }, 'slack.accessToken'],
    ['a webhook of somebody else', { slack: { webhookUrl: 'https://evil.test/services' } }, 'slack.webhookUrl'],
    ['a webhook inside', { msTeams: { webhookUrl: 'http://10.0.0.1/' } }, 'msTeams.webhookUrl'],
    ['no tenant', { msTeams: { serviceUrl: TEAMS.serviceUrl, email: 'a@x.test' } }, 'msTeams.tenantId'],
    [
      "a bot's host that is not Microsoft's",
      { msTeams: { ...TEAMS, serviceUrl: 'https://evil.test/', userId: 'u' } },
      'msTeams.serviceUrl',
    ],
    ['an email that is none', { slack: { email: 'ada' } }, 'slack.email'],
    ['a webhook under another path', { discord: { webhookUrl: 'https://discord.com/login' } }, 'discord.webhookUrl'],
    ['an id that is none', { discord: { userId: '../../users/@me' } }, 'discord.userId'],
    ['a chat that is none', { telegram: { chatId: 'ada' } }, 'telegram.chatId'],
    ['a person beside it', { userId: 'u', telegram: { chatId: '1' } }, ''],
    ['another service beside it', { discord: { userId: '175928847299117063' }, telegram: { chatId: '1' } }, ''],
    ['a group beside it', { listId: 'l', telegram: { chatId: '1' } }, ''],
    ["one person's chat for a group", { listId: 'l', profile: { telegram: { chat_id: '1' } } }, 'profile.telegram'],
  ])('that is a place in a chat service is refused with %s', (_name, to, at) => {
    const path = at === '' ? '' : `.${at}`
    expect(issuesOf(to).map((issue) => issue.path.join('.'))).toEqual([`input.to.0${path}`])
  })

  test("that is a group may bring its members' workspace, which is nobody's place", () => {
    expect(check({ listId: 'l', profile: { slack: { access_token: 'xoxb-1' } } })).toMatchObject({ kind: 'group' })
  })

  test('is either taken or refused with a path that begins at it, whatever is given', () => {
    const text = fc.option(fc.oneof(fc.string(), fc.emailAddress(), fc.webUrl()), { nil: undefined })
    const anything = fc.record({
      userId: text,
      email: text,
      slack: fc.option(fc.record({ channel: text, userId: text, email: text, webhookUrl: text, accessToken: text })),
      discord: fc.option(fc.record({ channelId: text, userId: text, webhookUrl: text })),
      profile: fc.option(fc.record({ email: fc.option(fc.oneof(fc.jsonValue(), fc.emailAddress())) }), { nil: undefined }),
      webhook: fc.option(
        fc.record({
          url: fc.oneof(fc.string(), fc.webUrl()),
          headers: fc.array(fc.record({ name: fc.string(), value: fc.string() })),
        }),
        { nil: undefined },
      ),
    }) as fc.Arbitrary<RecipientInput>
    fc.assert(
      fc.property(anything, (to) => {
        try {
          const checked = check(to)
          if (checked.kind === 'group') throw new Error('nothing here names a group')
          const { label, userId } = checked
          expect(label.length).toBeGreaterThan(0)
          expect(userId).toBe(to.userId ?? null)
          expect(label).not.toMatch(/[\r\n\0]/)
        } catch (error) {
          expect(error).toBeInstanceOf(Refusal)
          expect((error as Refusal).issues.every(({ path }) => path.slice(0, 3).join('.') === 'input.to.0')).toBe(true)
        }
      }),
    )
  })
})
