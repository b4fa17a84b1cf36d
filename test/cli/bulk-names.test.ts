import { expect, test } from 'vitest'
import type { Recipient } from '../../src/cli/bulk-mapping.ts'
import { namesOf } from '../../src/cli/bulk-names.ts'

const share = (one: Recipient, other: Recipient) => namesOf(one).some((name) => namesOf(other).includes(name))

const HOOK = 'https://hooks.slack.com/services/T1/B1/oneWXYZ'

test.each<[string, Recipient, Recipient]>([
  ['a user with and without an address', { userId: 'ada', email: 'ada@example.com' }, { userId: 'ada' }],
  ['a mail address in any case, wherever it stands', { email: 'Ada@example.com' }, { profile: { email: 'ada@example.com' } }],
  ['a phone number however it is written', { phoneNumber: '+49 151 12345678' }, { profile: { phone_number: '+4915112345678' } }],
  ['a place with other data', { telegram: { chatId: '-100' }, data: { n: 1 } }, { telegram: { chatId: '-100' }, data: { n: 2 } }],
  [
    'a place with fields in another order',
    { slack: { channel: 'C1', accessToken: 'x' } },
    { slack: { accessToken: 'x', channel: 'C1' } },
  ],
  ['a place in a profile', { slack: { webhookUrl: HOOK } }, { profile: { slack: { webhook_url: HOOK } } }],
  ['a chat whose id is a number', { telegram: { chatId: '-100' } }, { profile: { telegram: { chat_id: -100 } } }],
  [
    'a place whoever is said to be there',
    { discord: { userId: '1' }, profile: { email: 'a@x.y' } },
    { discord: { userId: '1' } },
  ],
  [
    'a webhook however its host is written',
    { webhook: { url: 'https://Example.com' } },
    { webhook: { url: 'https://example.com/' } },
  ],
  [
    'a device with other data',
    { deviceTokens: [{ token: 't', kind: 'fcm' }], data: { n: 1 } },
    { deviceTokens: [{ token: 't', kind: 'fcm' }], data: { n: 2 } },
  ],
])('Whom the server takes for the same share a name: %s', (_what, one, other) => {
  expect(share(one, other)).toBe(true)
})

test.each<[string, Recipient, Recipient]>([
  ['users with one address', { userId: 'ada', email: 'us@example.com' }, { userId: 'bob', email: 'us@example.com' }],
  ['hooks that end alike', { slack: { webhookUrl: HOOK } }, { slack: { webhookUrl: HOOK.replace('one', 'two') } }],
  ['channels of one workspace', { slack: { channel: 'C1', accessToken: 'x' } }, { slack: { channel: 'C2', accessToken: 'x' } }],
])('Others do not: %s', (_what, one, other) => {
  expect(share(one, other)).toBe(false)
})

test('What is no recipient at all has names, or none', () => {
  for (const odd of [null, 7, 'text', [], { url: null }, Object.create(null)]) {
    const to = { email: odd, profile: odd, deviceTokens: odd, webhook: odd, slack: odd, discord: { userId: odd } }
    expect(() => namesOf(to)).not.toThrow()
  }
})
