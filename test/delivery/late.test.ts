import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/channels/provider.ts'
import { putProvider } from '../../src/domain/provider.ts'
import { startReceiver } from '../support/http.ts'
import { accepting, hanging, type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

const MINUTE = 60_000
const HOUR = 60 * MINUTE

const BUSY: Outcome = { kind: 'retry', error: 'Busy.', afterMs: MINUTE }
const CUT: Outcome = { kind: 'unknown', error: 'Cut after DATA.' }
const ADA = { userId: 'ada', email: 'ada@example.com', phoneNumber: '+4915112345678' }

const MAIL = { kind: 'mail', channel: 'EMAIL' } as const
const TEXT = { kind: 'text', channel: 'SMS' } as const
const OTHER = { kind: 'text2', channel: 'SMS' } as const
const HOOK = { kind: 'webhook', channel: 'WEBHOOK', onUnknown: 'FAIL' } as const

const by = (method: 'ALL' | 'SINGLE') => ({ routing: { method, channels: [{ providerId: 'mail' }, { providerId: 'text' }] } })

/** The workers' clock shows the next noon of UTC, or so much later. */
function setNoon(laterMs = 0): void {
  const noon = Math.ceil(Date.now() / (24 * HOUR)) * 24 * HOUR + 12 * HOUR
  office.setClock(noon + laterMs - Date.now())
}

async function work(): Promise<void> {
  await office.perform((await office.takeOver())!)
}

/** An account that its owner turned off is in no plan that is made from then on. */
const turnOff = (id: string, onUnknown: 'FAIL' | 'RESEND') =>
  office.run(putProvider, { id, kind: id, settings: {}, priority: 0, enabled: false, onUnknown })

describe('A message that was tried', () => {
  test('and is SENT by one channel is not put off by its window when another is tried again', async () => {
    office = await openOffice({ kinds: [MAIL, TEXT] })
    setNoon()
    const id = await office.send(ADA, { ...by('ALL'), delay: { window: '09:00-17:00', timezone: 'UTC' } })
    office.post.answer = (_, kind) => (kind === 'mail' ? accepting() : Promise.resolve(BUSY))
    await work()
    office.post.answer = accepting
    setNoon(8 * HOUR)
    await work()
    const { status, outcomes, events } = await office.read(id)
    expect({ status, outcomes: outcomes.toSorted() }).toEqual({ status: 'SENT', outcomes: [['ACCEPTED'], ['RETRY', 'ACCEPTED']] })
    expect(events).not.toContain('DELAYED')
  })

  test('is not put off by a worker whose clock is behind', async () => {
    office = await openOffice()
    const id = await office.send(ADA, { delay: { duration: 'PT1M' } })
    office.post.answer = () => Promise.resolve({ kind: 'retry', error: 'Busy.' })
    office.setClock(MINUTE + 1_000)
    await work()
    office.setClock(MINUTE - 2_000)
    await work()
    expect(await office.read(id)).toMatchObject({ status: 'ROUTED', last: { type: 'RETRYING' } })
  })

  test('by an account that forbids sending again, and was turned off since, is not sent by another', async () => {
    office = await openOffice({ kinds: [{ ...TEXT, onUnknown: 'FAIL' }, OTHER] })
    const id = await office.send({ phoneNumber: ADA.phoneNumber })
    office.post.answer = hanging
    void office.perform((await office.takeOver())!)
    await expect.poll(() => office.post.calls.length).toBe(1)
    await turnOff('text', 'FAIL')
    office.post.answer = accepting
    await work()
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'UNKNOWN' })
    expect(office.post.calls).toHaveLength(1)
  })
})

describe('A message whose time is up', () => {
  test('between the note of its attempt and the call is not sent any more', async () => {
    office = await openOffice()
    const id = await office.send(ADA, { expiresAt: new Date(Date.now() + MINUTE).toISOString() })
    const afterTheNote = () => {
      office.setClock(MINUTE + 1)
      return true
    }
    await office.perform((await office.takeOver())!, afterTheNote)
    expect(office.post.calls).toEqual([])
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'EXPIRED' })
    expect(await office.takeOver()).toBeNull()
  })

  test.each([
    ['during a call that may have sent it', MINUTE + 1],
    ['after a call that may have sent it', 0],
  ])('%s ends UNKNOWN, since somebody may have it', async (_, duringMs) => {
    office = await openOffice()
    const id = await office.send(ADA, { expiresAt: new Date(Date.now() + MINUTE).toISOString() })
    office.post.answer = () => {
      office.setClock(duringMs)
      return Promise.resolve(CUT)
    }
    await work()
    office.setClock(MINUTE + 1)
    const again = await office.takeOver()
    if (again !== null) await office.perform(again)
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'UNKNOWN' })
    expect(office.post.calls).toHaveLength(1)
  })

  test.each([
    ['still there', false],
    ['turned off since', true],
  ])('ends UNKNOWN where an account that is %s may have sent it, though the last one only was busy', async (_, isOff) => {
    office = await openOffice({ kinds: [{ ...MAIL, onUnknown: 'RESEND' }, TEXT] })
    const id = await office.send(ADA, by('SINGLE'))
    office.post.answer = (_, kind) => Promise.resolve(kind === 'mail' && office.post.calls.length === 1 ? CUT : BUSY)
    await work()
    if (isOff) await turnOff('mail', 'RESEND')
    for (let hours = 1; hours <= 73; hours += 24) {
      office.setClock(hours * HOUR)
      const again = await office.takeOver()
      if (again !== null) await office.perform(again)
    }
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'UNKNOWN' })
  })
})

describe('The accounts of all', () => {
  beforeEach(async () => {
    office = await openOffice({ kinds: [{ ...MAIL, onUnknown: 'FAIL' }, HOOK], allowedNetworks: ['127.0.0.0/8'] })
  })

  /** Takes all that is due, one after the other. */
  async function workOff(): Promise<void> {
    await office.takeOver()
    for (const job of office.heldJobs()) await office.perform(job)
  }

  test('stay open where sends of a short time of their own cut their calls', async () => {
    office.post.answer = (_, __, signal) => new Promise((resolve) => signal.addEventListener('abort', () => resolve(CUT)))
    for (let count = 0; count < 5; count += 1) await office.send(ADA, { timeout: { provider: 'PT0.3S' } })
    await workOff()
    office.post.answer = accepting
    const id = await office.send(ADA)
    await workOff()
    expect(office.post.calls).toHaveLength(6)
    expect((await office.standing(id)).status).toBe('SENT')
  })

  test('are called while the attachments of many sends are slow to come', async () => {
    const slow = await startReceiver({ answer: () => {} })
    const attachments = [{ filename: 'report.pdf', url: `${slow.url}/report.pdf` }]
    try {
      for (let count = 0; count < 32; count += 1) {
        await office.send(ADA, { channels: { email: { override: { attachments } } } })
      }
      const id = await office.send(ADA)
      await office.takeOver()
      const jobs = office.heldJobs()
      expect(jobs).toHaveLength(33)
      let outside = 0
      const leaveSlot = () => {
        outside += 1
      }
      const waiting = jobs.slice(0, 32).map((job) => office.perform(job, undefined, leaveSlot))
      await expect.poll(() => outside, { timeout: 10_000 }).toBe(32)
      await office.perform(jobs[32]!)
      expect((await office.standing(id)).status).toBe('SENT')
      await slow.close()
      await Promise.all(waiting)
    } finally {
      await slow.close()
    }
  })

  test('of webhooks are called at one host while another is dead', async () => {
    const to = (host: string) => ({ webhook: { url: `https://${host}.example.com/hook` } })
    office.post.answer = ({ address }) => (address.id.includes('dead') ? Promise.resolve(CUT) : accepting())
    for (let count = 0; count < 5; count += 1) await office.send(to('dead'))
    await workOff()
    expect(office.post.calls).toHaveLength(5)
    await office.send(to('dead'))
    const id = await office.send(to('alive'))
    await workOff()
    expect(office.post.calls).toHaveLength(6)
    expect((await office.standing(id)).status).toBe('SENT')
  })
})
