import { describe, expect, test } from 'vitest'
import { CallError } from '../../src/cli/api.ts'
import { persist } from '../../src/cli/bulk-call.ts'

const refused = (status: number, code: string, retryAfterSeconds?: number) =>
  new CallError('No.', status, { message: 'No.', extensions: { code, status, ...(retryAfterSeconds && { retryAfterSeconds }) } })

/** A call that fails as it is told, and then is answered. */
function failing(...errors: readonly Error[]) {
  const left = [...errors]
  let calls = 0
  const call = async () => {
    calls += 1
    const error = left.shift()
    if (error !== undefined) throw error
    return calls
  }
  return { call, calls: () => calls }
}

const patient = (patienceMs = 60_000, signal = new AbortController().signal) => ({ signal, patienceMs, complain: () => {} })

describe('A call', () => {
  test.each<[string, Error]>([
    ['nothing was answered', new CallError('No.', 0)],
    ['something before the server was at fault', new CallError('No.', 502)],
    ['the server is at fault', refused(500, 'INTERNAL')],
    ['an earlier one with its key is not answered yet', refused(409, 'IDEMPOTENCY_IN_PROGRESS')],
  ])('is made again where %s', async (_what, error) => {
    expect(await persist(failing(error).call, patient())).toBe(2)
  })

  test.each([
    refused(400, 'BAD_USER_INPUT'),
    refused(401, 'UNAUTHENTICATED'),
    refused(409, 'JOB_ALREADY_RUN'),
    new Error('A fault.'),
  ])('that is refused for good is made once: %o', async (error) => {
    const { call, calls } = failing(error)
    await expect(persist(call, patient())).rejects.toBe(error)
    expect(calls()).toBe(1)
  })

  test('is made again no sooner than the server asks', async () => {
    const started = performance.now()
    expect(await persist(failing(refused(429, 'RATE_LIMITED', 1)).call, patient())).toBe(2)
    expect(performance.now() - started).toBeGreaterThanOrEqual(995)
  })

  test('is not made for ever', async () => {
    const error = new CallError('No.', 503)
    await expect(persist(failing(error, error, error).call, patient(0))).rejects.toBe(error)
  })

  test('is not made again by whoever was stopped', async () => {
    const stop = new AbortController()
    const { call, calls } = failing(refused(429, 'RATE_LIMITED', 60))
    const waiting = persist(call, patient(60_000, stop.signal))
    await expect.poll(calls).toBe(1)
    stop.abort()
    await expect(waiting).rejects.toThrow()
    expect(calls()).toBe(1)
  })
})
