import { describe, expect, test } from 'vitest'
import { classifyHttp, readRetryAfter } from '../../src/channels/answer.ts'

const now = new Date('2026-10-21T07:26:00Z')

describe('Retry-After', () => {
  test.each([
    ['120', 120_000],
    ['0', 0],
    [' 5 ', 5_000],
    ['Wed, 21 Oct 2026 07:28:00 GMT', 120_000],
    ['1000000000', 72 * 3_600_000],
    ['Thu, 21 Oct 2027 07:28:00 GMT', 72 * 3_600_000],
  ])('is read: %s', (header, ms) => {
    expect(readRetryAfter(header, now)).toBe(ms)
  })

  test.each(['-1', '1e9', 'abc', '120.5', '', 'Wed, 21 Oct 2020 07:28:00 GMT', '2026-10-21T07:28:00Z', '9'.repeat(400)])(
    'is passed over when it is junk: %s',
    (header) => {
      expect(readRetryAfter(header, now)).toBeUndefined()
    },
  )

  test('may be absent', () => {
    expect(readRetryAfter(undefined, now)).toBeUndefined()
  })
})

describe('the answer to a call', () => {
  test.each([
    [200, 'accepted', undefined],
    [204, 'accepted', undefined],
    [301, 'rejected', 'request'],
    [307, 'rejected', 'request'],
    [400, 'rejected', 'request'],
    [401, 'misconfigured', undefined],
    [403, 'misconfigured', undefined],
    [404, 'rejected', 'request'],
    [408, 'retry', undefined],
    [409, 'rejected', 'request'],
    [413, 'rejected', 'content'],
    [422, 'rejected', 'request'],
    [425, 'retry', undefined],
    [429, 'retry', undefined],
    [500, 'retry', undefined],
    [502, 'retry', undefined],
    [503, 'retry', undefined],
    [504, 'retry', undefined],
  ])('%i is %s %s', (status, kind, what) => {
    const outcome = classifyHttp({ kind: 'answered', status, headers: {}, body: 'secret words' }, now)
    expect(outcome).toMatchObject({ kind, code: String(status), ...(what && { what }) })
    expect(JSON.stringify(outcome)).not.toContain('secret words')
  })

  test('says when to come back', () => {
    const reply = { kind: 'answered', status: 429, headers: { 'retry-after': '7' }, body: '' } as const
    expect(classifyHttp(reply, now)).toMatchObject({ kind: 'retry', afterMs: 7_000 })
  })

  test('that never came is unknown, a call that never left is tried again, a forbidden address is rejected', () => {
    expect(classifyHttp({ kind: 'unknown', error: 'e' }, now)).toEqual({ kind: 'unknown', error: 'e' })
    expect(classifyHttp({ kind: 'failed', error: 'e' }, now)).toEqual({ kind: 'retry', error: 'e' })
    expect(classifyHttp({ kind: 'refused', error: 'e' }, now)).toEqual({ kind: 'rejected', what: 'address', error: 'e' })
  })
})
