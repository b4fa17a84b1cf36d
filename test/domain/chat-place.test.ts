import { describe, expect, test } from 'vitest'
import { directMessageAddresses, sealChatPlace } from '../../src/domain/chat-place.ts'
import { checkProfile } from '../../src/domain/profile.ts'
import type { Refusal } from '../../src/errors.ts'

const HOOK = 'https://hooks.slack.com/services/T0/B0/secretXYZ1'
const TENANT = '8a3c1f10-0000-4000-8000-000000000001'
const SERVICE = 'https://smba.trafficmanager.net/emea/'
const asIs = (text: string) => text
const vault = {
  seal: (plain: string, place: string) => `sealed(${Buffer.from(plain).toString('hex')})@${place}`,
  open: () => '',
}

describe('A recipient in a chat service', () => {
  test('is kept without its secrets in the clear, and found again by whoever can open them', () => {
    const to = { slack: { channel: 'C024BE91L', accessToken: 'xoxb-of-the-place', userId: null } }
    const kept = sealChatPlace(vault, 'test', to)
    expect(JSON.stringify(kept)).not.toContain('xoxb')
    const open = (sealed: string) => Buffer.from(/\((.*)\)@message\/test\/chat$/.exec(sealed)![1]!, 'hex').toString()
    expect(directMessageAddresses(kept, {}, open)).toEqual([
      {
        kind: 'slack',
        address: {
          id: 'slack:C024BE91L',
          chat: { service: 'slack', to: 'channel', value: 'C024BE91L', accessToken: 'xoxb-of-the-place' },
        },
      },
    ])
  })

  test('shows of a webhook its host and the last four characters alone', () => {
    const [found] = directMessageAddresses({ slack: { webhookUrl: HOOK } }, {}, asIs)
    expect(found!.address).toEqual({
      id: 'https://hooks.slack.com/…XYZ1',
      chat: { service: 'slack', to: 'webhookUrl', value: HOOK },
    })
  })

  test('is nowhere when its secret does not open', () => {
    const open = () => {
      throw new Error('sealed with another secret')
    }
    expect(directMessageAddresses({ slack: { webhookUrl: 'x' } }, {}, open)).toEqual([])
  })

  test('is that place alone, whatever the profile says', () => {
    const found = directMessageAddresses({ telegram: { chatId: '1' } }, { discord: { user_id: '175928847299117063' } }, asIs)
    expect(found.map(({ address }) => address.id)).toEqual(['telegram:1'])
  })
})

describe('A profile', () => {
  test('names a place in each chat service, the most personal where it names several', () => {
    const profile = {
      slack: { channel: 'C024BE91L', user_id: 'U024BE7LH', access_token: 'xoxb-1', nickname: 'ada' },
      ms_teams: { tenant_id: TENANT, service_url: SERVICE, email: 'ada@x.test' },
      discord: { channel_id: '175928847299117063' },
      telegram: { chat_id: 42 },
    }
    expect(directMessageAddresses({}, profile, asIs).map(({ kind, address }) => [kind, address.chat])).toEqual([
      ['slack', { service: 'slack', to: 'userId', value: 'U024BE7LH', accessToken: 'xoxb-1' }],
      ['msteams', { service: 'msteams', to: 'email', value: 'ada@x.test', tenantId: TENANT, serviceUrl: SERVICE }],
      ['discord', { service: 'discord', to: 'channelId', value: '175928847299117063' }],
      ['telegram', { service: 'telegram', to: 'chatId', value: '42' }],
    ])
  })

  test.each([
    ['nothing but a token', { slack: { access_token: 'xoxb-1' } }],
    ['a bot without its service', { ms_teams: { tenant_id: TENANT, user_id: '29:1' } }],
    ['what is none', { telegram: { chat_id: 'nobody in particular' }, slack: 'C024BE91L' }],
  ])('with %s names no place', (_name, profile) => {
    expect(directMessageAddresses({}, profile, asIs)).toEqual([])
  })

  test.each([
    ['slack', 'C024BE91L'],
    ['slack', { user_id: true }],
    ['slack', { webhook_url: 'https://evil.test/' }],
    ['ms_teams', { service_url: 'https://evil.test/' }],
    ['discord', { user_id: 'ada' }],
    ['telegram', { chat_id: 42.5 }],
  ])('is refused where %s holds %j', (key, value) => {
    const issues = (() => {
      try {
        checkProfile({ [key]: value }, ['profile'])
      } catch (error) {
        return (error as Refusal).issues
      }
    })()
    expect(issues).toMatchObject([{ path: ['profile', key], message: expect.stringMatching(new RegExp(`^'${key}' .*must be`)) }])
  })

  test("may hold a part of a place, what takes one away, and the caller's own beside it", () => {
    const profile = { slack: { access_token: 'xoxb-1', user_id: null, team: { id: 'T0' } }, telegram: null, discord: {} }
    expect(() => checkProfile(profile, ['profile'])).not.toThrow()
  })
})
