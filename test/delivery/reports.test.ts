import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome, Outgoing, Report } from '../../src/channels/provider.ts'
import { deleteUser } from '../../src/domain/erase.ts'
import { accepting, hanging, type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

const ADA = { email: 'ada@example.com' }
const UNKNOWN: Outcome = { kind: 'unknown', error: 'No answer came.' }
const REFUSED: Outcome = { kind: 'rejected', what: 'request', error: 'No.' }

/** Performs whatever is due until nothing is. */
async function finish(): Promise<void> {
  for (let job = await office.takeOver(); job !== null; job = await office.takeOver()) await office.perform(job)
}

/** The next message's call to its provider, answered when the test says so. */
async function call(of: (outgoing: Outgoing, kind: string) => boolean = () => true) {
  const job = (await office.takeOver())!
  let answer: (outcome: Outcome) => void = () => {}
  const called = new Promise<Outgoing>((resolve) => {
    const others = office.post.answer
    office.post.answer = (outgoing, kind, signal) => {
      if (!of(outgoing, kind)) return others(outgoing, kind, signal)
      office.post.answer = others
      resolve(outgoing)
      return new Promise((settle) => {
        answer = settle
      })
    }
  })
  const performed = office.perform(job)
  const outgoing = await called
  return {
    outgoing,
    async answer(outcome: Outcome) {
      answer(outcome)
      await performed
    },
  }
}

async function sendAndFinish(): Promise<{ id: string; sent: Outgoing }> {
  const id = await office.send(ADA)
  await finish()
  return { id, sent: office.post.calls.at(-1)! }
}

describe('A report', () => {
  test('that a message arrived makes it DELIVERED, with the time it did', async () => {
    office = await openOffice()
    const { id, sent } = await sendAndFinish()
    const at = new Date()
    expect(await office.report(sent, 'delivered', { at })).toEqual({ applied: 1, repeated: 0, unknown: 0 })
    expect(await office.standing(id)).toMatchObject({
      status: 'DELIVERED',
      deliveredAt: at,
      deliveries: [{ status: 'DELIVERED', deliveredAt: at }],
    })
    expect((await office.read(id)).last).toMatchObject({ type: 'DELIVERED', status: 'DELIVERED', providerId: 'post' })
  })

  test('that it bounced makes it UNDELIVERABLE, in the words of the provider', async () => {
    office = await openOffice()
    const { id, sent } = await sendAndFinish()
    await office.report(sent, 'bounced', { error: 'Mailbox\0 full' })
    const error = 'Mailbox\ufffd full'
    expect(await office.standing(id)).toMatchObject({
      status: 'UNDELIVERABLE',
      reason: 'BOUNCED',
      error,
      deliveries: [{ status: 'UNDELIVERABLE', error }],
    })
    expect((await office.read(id)).last).toMatchObject({ type: 'UNDELIVERABLE', reason: 'BOUNCED', error })
  })

  test('counts once, however often it is told at the same time', async () => {
    office = await openOffice()
    const { id, sent } = await sendAndFinish()
    const counts = await Promise.all(Array.from({ length: 100 }, () => office.report(sent, 'delivered')))
    expect(counts.reduce((sum, { applied }) => sum + applied, 0)).toBe(1)
    expect(counts.reduce((sum, { repeated }) => sum + repeated, 0)).toBe(99)
    expect((await office.read(id)).events.filter((type) => type === 'DELIVERED')).toHaveLength(1)
  })

  test('counts for the account that was called alone', async () => {
    office = await openOffice({ kinds: ['post', 'train'] })
    const { id, sent } = await sendAndFinish()
    const before = [await office.standing(id), await office.read(id)]
    const nothing = { applied: 0, repeated: 0, unknown: 1 }
    expect(await office.report(sent, 'delivered', { providerId: 'train' })).toEqual(nothing)
    expect(await office.report(sent, 'delivered', { environmentId: 'staging' })).toEqual(nothing)
    for (const key of ['', 'x', `${sent.idempotencyKey}x`, sent.idempotencyKey.slice(1), `%_${sent.idempotencyKey.slice(-16)}`]) {
      expect(await office.report(sent, 'delivered', { key })).toEqual(nothing)
    }
    expect([await office.standing(id), await office.read(id)]).toEqual(before)
  })

  test('never comes before the first attempt, or from the future, whatever the provider’s clock says', async () => {
    office = await openOffice()
    const { id, sent } = await sendAndFinish()
    await office.report(sent, 'delivered', { at: new Date('2099-01-01') })
    const { deliveredAt } = await office.standing(id)
    expect(deliveredAt!.getTime()).toBeLessThanOrEqual(Date.now())
    const other = await sendAndFinish()
    await office.report(other.sent, 'delivered', { at: new Date(Number.NaN) })
    expect((await office.standing(other.id)).deliveredAt!.getTime()).toBeGreaterThan(Date.now() - 60_000)
  })

  test('about an erased user is about nobody', async () => {
    office = await openOffice()
    const id = await office.send({ userId: 'ada', ...ADA })
    await finish()
    await office.run(deleteUser, { userId: 'ada' })
    const report = await office.report(office.post.calls[0]!, 'bounced', { error: 'ada@example.com is unknown' })
    expect(report).toEqual({ applied: 0, repeated: 0, unknown: 1 })
    expect((await office.standing(id)).error).toBeNull()
  })

  test('leaves a message CANCELED that was canceled, and is in its history', async () => {
    office = await openOffice()
    const { id, sent } = await sendAndFinish()
    await office.cancel(id)
    await office.report(sent, 'delivered')
    expect(await office.standing(id)).toMatchObject({ status: 'CANCELED', deliveries: [{ status: 'DELIVERED' }] })
    expect((await office.read(id)).last).toMatchObject({ type: 'DELIVERED', status: 'CANCELED' })
  })
})

describe('Reports of a message to two devices', () => {
  const device = fc.subarray(['delivered', 'bounced'] as const)
  const orders = fc
    .record({ phone: device, laptop: device, copies: fc.integer({ min: 1, max: 3 }) })
    .chain(({ phone, laptop, copies }) => {
      const once = [...phone.map((what) => ['phone', what] as const), ...laptop.map((what) => ['laptop', what] as const)]
      const all = Array.from({ length: copies }, () => once).flat()
      return fc.record({
        phone: fc.constant(phone),
        laptop: fc.constant(laptop),
        order: fc.shuffledSubarray(all, { minLength: all.length }),
        batch: fc.integer({ min: 1, max: 4 }),
      })
    })

  test('end in the same statuses and the same history, in whatever order and however often they come', async () => {
    office = await openOffice({ channel: 'PUSH' })
    await office.addDevice('ada', 'phone')
    await office.addDevice('ada', 'laptop')
    const stands = (reports: readonly string[]) =>
      reports.includes('delivered') ? 'DELIVERED' : reports.includes('bounced') ? 'UNDELIVERABLE' : 'SENT'
    await fc.assert(
      fc.asyncProperty(orders, async ({ phone, laptop, order, batch }) => {
        const id = await office.send({ userId: 'ada' })
        await finish()
        const keys = new Map(office.post.calls.slice(-2).map(({ address, idempotencyKey }) => [address.id, idempotencyKey]))
        const reports = order.map(([device, what]): Report => ({ key: keys.get(device)!, what, at: new Date() }))
        for (let at = 0; at < reports.length; at += batch) await office.reportAll(reports.slice(at, at + batch))
        const { status, deliveries } = await office.standing(id)
        expect(deliveries.map((delivery) => delivery.status)).toEqual([stands(laptop), stands(phone)])
        const both = [stands(laptop), stands(phone)]
        expect(status).toBe(['DELIVERED', 'SENT', 'UNDELIVERABLE'].find((one) => both.includes(one)))
        const { events } = await office.read(id)
        const told = (type: string) => events.filter((one) => one === type).length
        expect(told('DELIVERED')).toBe([...phone, ...laptop].filter((what) => what === 'delivered').length)
        expect(told('UNDELIVERABLE')).toBe([...phone, ...laptop].filter((what) => what === 'bounced').length)
      }),
      { numRuns: 100, seed: 7 },
    )
  }, 60_000)
})

describe('A report that comes while its call is still under way', () => {
  const answers = { accepted: { kind: 'accepted' }, unknown: UNKNOWN } as const satisfies Record<string, Outcome>
  const things = ['answer', 'delivered', 'bounced'] as const
  const orders = [
    ['delivered', 'answer'],
    ['bounced', 'answer'],
    ['delivered', 'bounced', 'answer'],
    ['bounced', 'delivered', 'answer'],
    ['delivered', 'answer', 'bounced'],
    ['bounced', 'answer', 'delivered'],
  ] as const satisfies readonly (typeof things)[number][][]
  const rows = orders.flatMap((order) =>
    (['RESEND', 'FAIL'] as const).flatMap((onUnknown) =>
      (['accepted', 'unknown'] as const).map((outcome) => ({ order: order.join(', '), steps: order, onUnknown, outcome })),
    ),
  )

  test.each(rows)('$order ($outcome, $onUnknown): ends as if it had come later, and nothing is sent twice', async (row) => {
    office = await openOffice({ onUnknown: row.onUnknown })
    const id = await office.send(ADA)
    const { outgoing, answer } = await call()
    for (const step of row.steps) {
      if (step === 'answer') await answer(answers[row.outcome])
      else await office.report(outgoing, step)
    }
    await finish()
    const isDelivered = (row.steps as readonly string[]).includes('delivered')
    const { status, reason, deliveries } = await office.standing(id)
    expect([status, reason]).toEqual(isDelivered ? ['DELIVERED', null] : ['UNDELIVERABLE', 'BOUNCED'])
    expect(deliveries.map((delivery) => delivery.status)).toEqual([isDelivered ? 'DELIVERED' : 'UNDELIVERABLE'])
    expect(office.post.calls).toHaveLength(1)
    expect(await office.dueIn()).toBeNull()
  })
})

describe('A report about an attempt whose worker never came back', () => {
  test('that it arrived ends it: it was taken, is not sent again, and is no crash', async () => {
    office = await openOffice()
    const id = await office.send(ADA)
    office.post.answer = hanging
    const { outgoing } = await call()
    await office.report(outgoing, 'delivered')
    await finish()
    expect(office.post.calls).toHaveLength(1)
    expect(await office.read(id)).toMatchObject({ status: 'DELIVERED', outcomes: [['ACCEPTED']] })
    expect(await office.dueIn()).toBeNull()
  })

  test('that it bounced ends it as a refused address', async () => {
    office = await openOffice()
    const id = await office.send(ADA)
    const { outgoing } = await call()
    await office.report(outgoing, 'bounced', { error: 'No such mailbox.' })
    expect((await office.standing(id)).status).toBe('ROUTED')
    await finish()
    expect(office.post.calls).toHaveLength(1)
    expect(await office.read(id)).toMatchObject({ outcomes: [['REJECTED']] })
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'BOUNCED', error: 'No such mailbox.' })
  })

  test('raises a message that was given up as UNKNOWN', async () => {
    office = await openOffice({ onUnknown: 'FAIL' })
    const id = await office.send(ADA)
    office.post.answer = async () => UNKNOWN
    await finish()
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'UNKNOWN' })
    await office.report(office.post.calls[0]!, 'delivered')
    expect(await office.standing(id)).toMatchObject({ status: 'DELIVERED', reason: null, error: null })
  })
})

describe('A report about an earlier account', () => {
  /** Nobody knows whether it took the message, then it is busy, and the next one is called. */
  async function failOver() {
    office = await openOffice({ kinds: ['post', 'train'] })
    const id = await office.send(ADA)
    office.post.answer = async () => UNKNOWN
    await office.perform((await office.takeOver())!)
    office.setClock(1_000)
    office.post.answer = async () => ({ kind: 'retry', error: 'Busy.', afterMs: 60_000 })
    const second = await call((_, kind) => kind === 'train')
    return { id, second, first: office.post.calls[0]! }
  }

  test('while the next is called keeps the message DELIVERED, and what the next answered with its delivery', async () => {
    const { id, second, first } = await failOver()
    await office.report(first, 'delivered')
    await second.answer(REFUSED)
    const calls = office.post.calls.length
    await finish()
    const { status, deliveries } = await office.standing(id)
    expect(status).toBe('DELIVERED')
    expect(deliveries.map((delivery) => delivery.status)).toEqual(['DELIVERED', 'UNDELIVERABLE'])
    expect(office.post.calls).toHaveLength(calls)
    expect(await office.dueIn()).toBeNull()
  })

  test('and the next takes it too: both are told, and it stays DELIVERED', async () => {
    const { id, second, first } = await failOver()
    await office.report(first, 'delivered')
    await second.answer({ kind: 'accepted' })
    await finish()
    const { status, deliveries } = await office.standing(id)
    expect(status).toBe('DELIVERED')
    expect(deliveries.map((delivery) => delivery.status)).toEqual(['DELIVERED', 'SENT'])
    expect((await office.read(id)).last).toMatchObject({ type: 'SENT' })
  })
})

describe('A bounce of one device while another is called', () => {
  async function bounceFirst() {
    office = await openOffice({ channel: 'PUSH' })
    await office.addDevice('ada', 'phone')
    await office.addDevice('ada', 'laptop')
    const id = await office.send({ userId: 'ada' })
    office.post.answer = accepting
    const second = await call(() => office.post.calls.length === 2)
    await expect.poll(async () => (await office.standing(id)).status).toBe('SENT')
    await office.report(office.post.calls[0]!, 'bounced', { error: 'Gone.' })
    expect((await office.standing(id)).status).toBe('SENT')
    return { id, second }
  }

  test('ends the message when the other is refused too', async () => {
    const { id, second } = await bounceFirst()
    await second.answer({ kind: 'rejected', what: 'address', error: 'Gone too.' })
    await finish()
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'BOUNCED', error: 'Gone.' })
    expect((await office.read(id)).last).toMatchObject({ type: 'UNDELIVERABLE', status: 'UNDELIVERABLE', reason: 'BOUNCED' })
  })

  test('leaves it SENT when the other takes it', async () => {
    const { id, second } = await bounceFirst()
    await second.answer({ kind: 'accepted' })
    await finish()
    expect((await office.standing(id)).status).toBe('SENT')
  })
})
