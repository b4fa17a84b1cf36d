import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createAddressGuard } from '../../src/channels/address.ts'
import { checkRecipient, type RecipientInput } from '../../src/domain/recipient.ts'
import { Refusal } from '../../src/errors.ts'

const guard = createAddressGuard({ allowedNetworks: [], own: [] })
const check = (to: RecipientInput) => checkRecipient(to, ['input', 'to', 0], { guard, providers: [] })

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
  ])('is %s', (_name, to, expected) => {
    expect(check(to)).toMatchObject(expected)
  })

  test('is either taken or refused with a path that begins at it, whatever is given', () => {
    const text = fc.option(fc.oneof(fc.string(), fc.emailAddress(), fc.webUrl()), { nil: undefined })
    const anything = fc.record({
      userId: text,
      email: text,
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
