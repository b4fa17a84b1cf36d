import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome, Outgoing } from '../../src/channels/provider.ts'
import { deleteUser } from '../../src/domain/erase.ts'
import type { EngagementKind } from '../../src/domain/tracking.ts'
import { accepting, hanging, type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

const ADA = { userId: 'ada', email: 'ada@example.com' }

/** Performs whatever is due until nothing is. */
async function finish(): Promise<void> {
  for (let job = await office.takeOver(); job !== null; job = await office.takeOver()) await office.perform(job)
}

async function sendAndFinish(): Promise<string> {
  const id = await office.send(ADA)
  await finish()
  return id
}

const statusesOf = async (id: string) => {
  const { status, deliveries } = await office.standing(id)
  return [status, ...deliveries.map((delivery) => delivery.status)]
}
const eventsOf = async (id: string) => (await office.read(id)).events.slice((await office.read(id)).events.indexOf('SENT') + 1)

describe('What a person does with a message', () => {
  test('moves it on, once: what is told again writes nothing', async () => {
    office = await openOffice()
    const id = await sendAndFinish()
    expect(await office.engage(id, 'OPENED')).toBe('new')
    expect(await statusesOf(id)).toEqual(['OPENED', 'OPENED'])
    expect(await office.engage(id, 'OPENED')).toBe('repeated')
    expect(await office.engage(id, 'CLICKED')).toBe('new')
    expect(await office.engage(id, 'OPENED')).toBe('repeated')
    expect(await statusesOf(id)).toEqual(['CLICKED', 'CLICKED'])
    expect(await eventsOf(id)).toEqual(['OPENED', 'CLICKED'])
    expect((await office.read(id)).last).toMatchObject({ status: 'CLICKED', channel: 'EMAIL', providerId: 'post', detail: null })
  })

  test('who clicks has opened it, though no pixel was loaded', async () => {
    office = await openOffice()
    const id = await sendAndFinish()
    await office.engage(id, 'CLICKED')
    expect(await eventsOf(id)).toEqual(['OPENED', 'CLICKED'])
    expect(await office.engage(id, 'OPENED')).toBe('repeated')
  })

  test('is told once, however often at the same time', async () => {
    office = await openOffice()
    const id = await sendAndFinish()
    const fates = await Promise.all(Array.from({ length: 50 }, () => office.engage(id, 'OPENED')))
    expect(fates.filter((fate) => fate === 'new')).toHaveLength(1)
    expect(await eventsOf(id)).toEqual(['OPENED'])
  })

  test('counts only for a message that went that way', async () => {
    office = await openOffice()
    const id = await sendAndFinish()
    expect(await office.engage('msg_none', 'OPENED')).toBe('unknown')
    expect(await office.engage(id, 'OPENED', { environmentId: 'staging' })).toBe('unknown')
    expect(await office.engage(id, 'OPENED', { providerId: 'train' })).toBe('unknown')
    expect(await office.engage(id, 'OPENED', { channel: 'PUSH' })).toBe('unknown')
    expect(await statusesOf(id)).toEqual(['SENT', 'SENT'])
  })

  test('is of nobody once the person was erased', async () => {
    office = await openOffice()
    const id = await sendAndFinish()
    await office.run(deleteUser, { userId: 'ada' })
    expect(await office.engage(id, 'CLICKED')).toBe('unknown')
    expect((await office.standing(id)).status).toBe('SENT')
  })

  test('leaves one CANCELED that was canceled, and is in its history', async () => {
    office = await openOffice()
    const id = await sendAndFinish()
    await office.cancel(id)
    await office.engage(id, 'OPENED')
    expect(await statusesOf(id)).toEqual(['CANCELED', 'OPENED'])
    expect((await office.read(id)).last).toMatchObject({ type: 'OPENED', status: 'CANCELED' })
  })

  test('on one of two phones that one account reaches moves the message, and neither delivery: nobody knows which it was', async () => {
    office = await openOffice({ channel: 'PUSH' })
    await office.addDevice('ada', 'phone')
    await office.addDevice('ada', 'laptop')
    const id = await office.send({ userId: 'ada' })
    await finish()
    expect(await office.engage(id, 'OPENED')).toBe('new')
    expect(await office.engage(id, 'OPENED')).toBe('repeated')
    expect(await statusesOf(id)).toEqual(['OPENED', 'SENT', 'SENT'])
  })
})

describe('Openings, clicks, reports and the answer of the call', () => {
  type Step = EngagementKind | 'delivered' | 'bounced' | 'answer'
  const answers: readonly Outcome[] = [{ kind: 'accepted' }, { kind: 'unknown', error: 'No answer came.' }]
  const orders = fc.record({
    told: fc
      .subarray<Step>(['OPENED', 'CLICKED', 'DELIVERED', 'delivered', 'bounced'])
      .chain((all) => fc.shuffledSubarray<Step>([...all, ...all, 'answer'], { minLength: 2 * all.length + 1 })),
    outcome: fc.constantFrom(...answers),
    onUnknown: fc.constantFrom('RESEND' as const, 'FAIL' as const),
  })
  const RANKS = ['ENQUEUED', 'ROUTED', 'UNDELIVERABLE', 'SENT', 'DELIVERED', 'OPENED', 'CLICKED']

  /** Tells them in an order, the call being under way until its answer; what it comes to. */
  async function play(told: readonly Step[], outcome: Outcome) {
    const id = await office.send(ADA)
    let answer: (outcome: Outcome) => void = () => {}
    const job = (await office.takeOver())!
    const called = new Promise<Outgoing>((resolve) => {
      office.post.answer = (outgoing) => {
        resolve(outgoing)
        return new Promise((settle) => {
          answer = settle
        })
      }
    })
    const performed = office.perform(job)
    const outgoing = await called
    let highest = 0
    for (const step of told) {
      if (step === 'answer') {
        answer(outcome)
        await performed
      } else if (step === 'delivered' || step === 'bounced') await office.report(outgoing, step)
      else await office.engage(id, step)
      const { status } = await office.standing(id)
      // A bounce takes SENT back, and nothing else is ever taken back.
      if (highest > RANKS.indexOf('SENT')) expect(RANKS.indexOf(status)).toBeGreaterThanOrEqual(highest)
      highest = RANKS.indexOf(status)
    }
    return id
  }

  test('end in the same statuses and events in whatever order and however often they come, and nothing is sent twice', async () => {
    await fc.assert(
      fc.asyncProperty(orders, async ({ told, outcome, onUnknown }) => {
        // One for each: what calls come to opens an account's breaker in time.
        office = await openOffice({ onUnknown })
        const id = await play(told, outcome)
        const has = (step: Step) => told.includes(step)
        const isOpened = has('OPENED') || has('CLICKED')
        const isDelivered = has('DELIVERED') || has('delivered')
        const expected = has('CLICKED') ? 'CLICKED' : isOpened ? 'OPENED' : isDelivered ? 'DELIVERED' : null
        const { status, reason, deliveries } = await office.standing(id)
        if (expected !== null) {
          expect([status, reason, ...deliveries.map((one) => one.status)]).toEqual([expected, null, expected])
          expect(deliveries.map((one) => one.error)).toEqual([null])
          expect((await office.read(id)).outcomes).toEqual([['ACCEPTED']])
        }
        // Whatever rests has its next turn.
        office.post.answer = accepting
        office.setClock(600_000)
        await finish()
        if (expected !== null) {
          expect(office.post.calls).toHaveLength(1)
          expect((await office.standing(id)).status).toBe(expected)
        }
        const { events } = await office.read(id)
        const count = (type: string) => events.filter((one) => one === type).length
        expect(count('OPENED')).toBe(Number(isOpened))
        expect(count('CLICKED')).toBe(Number(has('CLICKED')))
        expect(count('DELIVERED')).toBe(Number(isDelivered))
        await office.close()
      }),
      { numRuns: 40, seed: 11 },
    )
    office = await openOffice()
  }, 120_000)

  test('a message that was opened while nobody came back from its call was taken, and is not sent again', async () => {
    office = await openOffice()
    const id = await office.send(ADA)
    office.post.answer = hanging
    void office.perform((await office.takeOver())!)
    await expect.poll(() => office.post.calls.length).toBe(1)
    await office.engage(id, 'OPENED')
    await finish()
    expect(office.post.calls).toHaveLength(1)
    expect(await office.read(id)).toMatchObject({ status: 'OPENED', outcomes: [['ACCEPTED']] })
    expect(await office.dueIn()).toBeNull()
  })
})
