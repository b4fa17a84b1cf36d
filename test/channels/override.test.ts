import { expect, test } from 'vitest'
import { applyOverride } from '../../src/channels/override.ts'

test('An override goes over the request key by key, and never over what is our own', () => {
  const body = { message: { title: 'T', android: { ttl: '60s', tag: 'ours' } }, list: [1, 2] }
  const override = JSON.parse(
    '{"message":{"android":{"ttl":"5s","tag":"theirs"},"token":"theirs","topic":"all"},"list":[3],"__proto__":{"x":1}}',
  )
  const own = { message: { token: 'ours', topic: undefined, android: { tag: 'ours' } } }
  const sent = applyOverride(body, override, own)
  expect(JSON.parse(JSON.stringify(sent))).toEqual({
    message: { title: 'T', android: { ttl: '5s', tag: 'ours' }, token: 'ours' },
    list: [3],
  })
  expect(Object.getPrototypeOf(sent)).toBe(Object.prototype)
})

test('An override that replaces what holds our own fields leaves them where they belong', () => {
  expect(applyOverride({ message: { token: 'ours' } }, { message: 'gone' }, { message: { token: 'ours' } })).toEqual({
    message: { token: 'ours' },
  })
})
