import { describe, expect, test } from 'vitest'
import { classifyHttp, classifySaid } from '../../src/channels/answer.ts'
import { blameOf } from '../../src/delivery/blame.ts'

const now = new Date('2026-10-21T07:26:00Z')

describe('A send that named its own sender, or put its own words over the request', () => {
  const answered = (status: number) => ({ kind: 'answered', status, headers: {}, body: '' }) as const
  const saying = (code: string, meaning: 'misconfigured' | 'login', status = 400) =>
    classifySaid('Twilio', answered(status), { code, words: '', meaning }, now)
  const own = [{ override: { MessagingServiceSid: 'MG0' } }, { extras: { from: '+15551234567' } }]

  test.each(own)('is at fault itself where settings are refused: %j', (send) => {
    expect(blameOf(saying('21701', 'misconfigured'), send)).toEqual({
      kind: 'rejected',
      what: 'request',
      error: 'Twilio answered 21701.',
      code: '21701',
    })
    expect(blameOf(classifyHttp(answered(403), now), send)).toMatchObject({ kind: 'rejected', what: 'request' })
  })

  test.each(own)('is not at fault where the credentials are refused: %j', (send) => {
    for (const refused of [saying('20003', 'login'), saying('x', 'misconfigured', 401), classifyHttp(answered(401), now)]) {
      expect(blameOf(refused, send)).toEqual(refused)
      expect(refused.kind).toBe('misconfigured')
    }
  })

  test('is told from every other, whose refused settings are those of the account', () => {
    expect(blameOf(saying('21701', 'misconfigured'), { extras: { replyTo: 'a@example.com' } })).toMatchObject({
      kind: 'misconfigured',
    })
  })
})
