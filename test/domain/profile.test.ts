import { describe, expect, test } from 'vitest'
import { checkLocale, checkPhoneNumber, checkProfile, checkTimeZone } from '../../src/domain/profile.ts'
import type { Refusal } from '../../src/errors.ts'

function issuesOf(check: () => unknown) {
  try {
    check()
    return []
  } catch (error) {
    return (error as Refusal).issues
  }
}

describe('A phone number', () => {
  test.each([
    ['+32470123456', '+32470123456'],
    ['+32 470 12 34 56', '+32470123456'],
    ['+1 (415) 555-2671', '+14155552671'],
    ['+44.20.7946.0000', '+442079460000'],
    ['+870772001234', '+870772001234'],
  ])('%s is read as %s', (written, number) => {
    expect(checkPhoneNumber(written, ['phoneNumber'])).toBe(number)
  })

  test.each([
    '0470123456',
    '112',
    '+112',
    '911',
    '+4412',
    'tel:+32470123456',
    '+3247012ABCD',
    '+1-800-FLOWERS',
    '+14155552671 ext. 5',
    '+14155552671;ext=5',
    '+',
    '',
    ' +32470123456',
    '+32470123456\n',
    '+٣٢٤٧٠١٢٣٤٥٦',
    `+${'3'.repeat(1_000)}`,
    32470123456,
  ])('%j is refused, with what would be right', (written) => {
    const issues = issuesOf(() => checkPhoneNumber(written, ['phoneNumber']))
    expect(issues).toMatchObject([{ path: ['phoneNumber'], message: expect.stringContaining('+32470123456') }])
  })

  test.each(['+19005551234', '+3290412345'])('%s charges whoever reaches it and is refused', (written) => {
    expect(issuesOf(() => checkPhoneNumber(written, ['phoneNumber']))[0]?.message).toContain('premium-rate')
  })
})

test.each([
  ['fr', 'fr'],
  ['fr-be', 'fr-BE'],
  ['fr_CA', 'fr-CA'],
  ['zh-hant-tw', 'zh-Hant-TW'],
])('The locale %s is %s', (written, tag) => {
  expect(checkLocale(written, ['locale'])).toBe(tag)
})

test.each(['', 'x', 'français', 'fr-', 'fr be', '12', 'a'.repeat(10_000), 7])('%j is no locale', (written) => {
  expect(issuesOf(() => checkLocale(written, ['locale']))).toMatchObject([{ path: ['locale'] }])
})

test.each([
  ['Europe/Brussels', 'Europe/Brussels'],
  ['europe/brussels', 'Europe/Brussels'],
  ['UTC', 'UTC'],
  ['UTC+2', '+02:00'],
  ['UTC-12', '-12:00'],
  ['UTC+5:30', '+05:30'],
])('The time zone %s is %s', (written, name) => {
  const zone = checkTimeZone(written, ['timezone'])
  expect(zone).toBe(name)
  expect(() => new Intl.DateTimeFormat('en', { timeZone: zone })).not.toThrow()
})

test.each(['', 'Mars/Olympus', 'UTC+15', 'UTC-13', 'UTC+14:30', 'UTC+5:17', '+02:00', 'UTC 2', 2])(
  '%j is no time zone',
  (written) => {
    expect(issuesOf(() => checkTimeZone(written, ['timezone']))).toMatchObject([{ path: ['timezone'] }])
  },
)

describe('A profile', () => {
  test('holds the claims of OpenID Connect as they are meant, and whatever else the caller likes', () => {
    const profile = {
      sub: '248289761001',
      name: 'Ada Lovelace',
      given_name: 'Ada',
      preferred_username: 'a.lovelace',
      profile: 'https://example.com/ada',
      picture: 'http://example.com/ada.png',
      email: 'ada@example.com',
      email_verified: true,
      gender: 'female',
      birthdate: '0000-12-10',
      zoneinfo: 'Europe/London',
      locale: 'en_GB',
      phone_number: '+44 20 7946 0000',
      phone_number_verified: false,
      address: { locality: 'London' },
      updated_at: 1311280970,
      plan: { seats: 3 },
      constructor: 'plain',
      toString: 7,
    }
    expect(issuesOf(() => checkProfile(profile, ['profile']))).toEqual([])
  })

  test.each(['1815', '1815-12-10', '0000-02-29'])('has a birthdate such as %s', (birthdate) => {
    expect(issuesOf(() => checkProfile({ birthdate }, ['profile']))).toEqual([])
  })

  test.each([
    ['email', 'a@b.test, c@d.test'],
    ['email', { value: 'ada@example.com' }],
    ['email_verified', 'true'],
    ['phone_number_verified', 1],
    ['name', 7],
    ['nickname', ['Ada']],
    ['website', 'javascript:alert(1)'],
    ['picture', '/ada.png'],
    ['profile', {}],
    ['birthdate', '2023-02-30'],
    ['birthdate', '10/12/1815'],
    ['birthdate', 18151210],
    ['zoneinfo', 'Brussels'],
    ['locale', 'English'.repeat(9)],
    ['phone_number', '0470123456'],
    ['address', 'London'],
    ['address', []],
  ])('is refused for the %s %j', (key, value) => {
    expect(issuesOf(() => checkProfile({ [key]: value }, ['profile']))).toMatchObject([{ path: ['profile', key] }])
  })

  test('is refused with one issue for each wrong key', () => {
    const issues = issuesOf(() => checkProfile({ email: 'nobody', locale: '', other: '' }, ['profile']))
    expect(issues.map(({ path }) => path.join('.'))).toEqual(['profile.email', 'profile.locale'])
  })

  test('takes null for any key: it takes the value away', () => {
    expect(issuesOf(() => checkProfile({ email: null, phone_number: null, address: null }, ['profile']))).toEqual([])
  })
})
