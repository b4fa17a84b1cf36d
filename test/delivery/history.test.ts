import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/channels/provider.ts'
import { type Office, type OfficeOptions, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

const ACCEPTED: Outcome = { kind: 'accepted' }
const BUSY: Outcome = { kind: 'retry', error: 'Try again later.', afterMs: 60_000 }
const SILENT: Outcome = { kind: 'unknown', error: 'No answer came.' }
const ADA = { email: 'ada@example.com' }
const DAYS_MS = 72 * 3_600_000

/** Answers by account or address, in turn; the last one for ever. */
function answers(given: { readonly [name: string]: readonly Outcome[] }): void {
  const left = new Map(Object.entries(given).map(([name, outcomes]) => [name, [...outcomes]]))
  office.post.answer = async ({ address }, kind) => {
    const own = (left.get(address.id) ?? left.get(kind))!
    return own.length > 1 ? own.shift()! : own[0]!
  }
}

async function perform(): Promise<void> {
  await office.perform((await office.takeOver())!)
}

async function openFor(options: OfficeOptions, given: Parameters<typeof answers>[0]): Promise<void> {
  office = await openOffice(options)
  answers(given)
}

describe('When a message is settled, none of its deliveries says that it will be tried again', () => {
  test('after a failover', async () => {
    await openFor({ kinds: ['first', 'second'] }, { first: [BUSY], second: [ACCEPTED] })
    const id = await office.send(ADA)
    await perform()
    expect((await office.read(id)).deliveries).toMatchObject([
      { providerId: 'first', status: 'UNDELIVERABLE', nextAttemptAt: null },
      { providerId: 'second', status: 'SENT', nextAttemptAt: null },
    ])
  })

  test('when its time is up', async () => {
    await openFor({ kinds: ['first', 'second'] }, { first: [BUSY], second: [BUSY] })
    const id = await office.send(ADA)
    await perform()
    expect((await office.read(id)).deliveries).toMatchObject([{ status: 'RETRYING' }, { status: 'RETRYING' }])
    office.setClock(DAYS_MS)
    await perform()
    const { last, deliveries } = await office.read(id)
    expect(last).toMatchObject({ type: 'UNDELIVERABLE', reason: 'TIMED_OUT' })
    expect(deliveries).toMatchObject([
      { status: 'UNDELIVERABLE', nextAttemptAt: null },
      { status: 'UNDELIVERABLE', nextAttemptAt: null },
    ])
  })

  test('where nobody knows whether it was taken, and sending again is not allowed', async () => {
    await openFor({ onUnknown: 'FAIL' }, { post: [SILENT] })
    const id = await office.send(ADA)
    await perform()
    expect(await office.read(id)).toMatchObject({
      last: { reason: 'UNKNOWN' },
      deliveries: [{ status: 'UNKNOWN', nextAttemptAt: null }],
    })
  })

  test('where one device took it and the time for the other is up', async () => {
    office = await openOffice({ channel: 'PUSH' })
    await office.addDevice('ada', 'phone')
    await office.addDevice('ada', 'laptop')
    office.post.answer = async ({ address }) => {
      if (address.id === 'phone') return ACCEPTED
      office.setClock(DAYS_MS)
      return BUSY
    }
    const id = await office.send({ userId: 'ada' })
    await perform()
    const { status, events, deliveries } = await office.read(id)
    expect(status).toBe('SENT')
    expect(events).not.toContain('RETRYING')
    expect(deliveries.map((delivery) => delivery.status).sort()).toEqual(['SENT', 'UNDELIVERABLE'])
    expect(await office.dueIn()).toBeNull()
  })

  test('where it was canceled while a step rested', async () => {
    await openFor({}, { post: [BUSY] })
    const id = await office.send(ADA)
    await perform()
    await office.cancel(id)
    office.setClock(61_000)
    await perform()
    expect(office.post.calls).toHaveLength(1)
    expect(await office.read(id)).toMatchObject({
      status: 'CANCELED',
      deliveries: [{ status: 'UNDELIVERABLE', nextAttemptAt: null }],
    })
    expect(await office.dueIn()).toBeNull()
  })
})

test('A provider that takes messages without ever answering has two copies of one at most', async () => {
  await openFor({ kinds: ['first', 'second'] }, { first: [SILENT], second: [ACCEPTED] })
  const id = await office.send(ADA)
  await perform()
  office.setClock(2_000)
  await perform()
  expect(office.post.calls).toHaveLength(2)
  expect(await office.read(id)).toMatchObject({
    status: 'UNDELIVERABLE',
    outcomes: [['UNKNOWN', 'UNKNOWN']],
    last: { reason: 'UNKNOWN', error: 'No answer came.' },
  })
  expect(await office.takeOver()).toBeNull()
})

test('A failover is told also when a rest, and another worker, came between', async () => {
  await openFor({ kinds: ['first', 'second'] }, { first: [BUSY], second: [BUSY, ACCEPTED] })
  const id = await office.send(ADA)
  await perform()
  office.setClock(61_000)
  await perform()
  const { events, status } = await office.read(id)
  expect(status).toBe('SENT')
  // To the second; after the rest back to the first; and to the second again.
  expect(events.filter((type) => type === 'FAILED_OVER')).toHaveLength(3)
})

test("A message's status changed when it did, not with each attempt", async () => {
  await openFor({ kinds: ['first', 'second'] }, { first: [BUSY], second: [BUSY] })
  const id = await office.send(ADA)
  await perform()
  const routed = (await office.read(id)).updatedAt!
  office.setClock(120_000)
  await perform()
  expect(office.post.calls).toHaveLength(4)
  expect((await office.read(id)).updatedAt).toEqual(routed)
})

test('A message waits by the clock of the database, however wrong the clock of its worker', async () => {
  await openFor({}, { post: [BUSY] })
  office.setClock(-3_600_000)
  await office.send(ADA)
  await perform()
  const due = (await office.dueIn())!
  expect(due).toBeGreaterThan(50)
  expect(due).toBeLessThanOrEqual(60)
})

test('A worker that is woken before the time puts the message back for the rest of it', async () => {
  await openFor({}, { post: [BUSY] })
  await office.send(ADA)
  await perform()
  office.setClock(30_000)
  await perform()
  expect(office.post.calls).toHaveLength(1)
  const due = (await office.dueIn())!
  expect(due).toBeGreaterThan(20)
  expect(due).toBeLessThanOrEqual(30)
})

test("A device token sealed with a secret that is gone is left out, and the user's other devices have the message", async () => {
  office = await openOffice({ channel: 'PUSH' })
  await office.addDevice('ada', 'phone')
  await office.addDevice('ada', 'laptop')
  await office.sealWithAnother('phone')
  const id = await office.send({ userId: 'ada' })
  await perform()
  expect((await office.read(id)).status).toBe('SENT')
  expect(office.post.calls.map(({ address }) => address.id)).toEqual(['laptop'])
  expect(office.warnings).toEqual(['device tokens do not open and are left out'])
})

test("A provider's reference is kept, however long and whatever its characters", async () => {
  await openFor({}, { post: [{ kind: 'accepted', reference: `\0\ud800${'long '.repeat(1_000)}`, code: '2\0' }] })
  const id = await office.send(ADA)
  await perform()
  const { status, deliveries } = await office.read(id)
  expect(status).toBe('SENT')
  expect(deliveries[0]?.reference).toMatch(/^\ufffd\ufffdlong /)
  expect(deliveries[0]?.reference).toHaveLength(1_000)
})

test('A message that fails by a fault of ours each time ends FAILED once its time is up', async () => {
  await openFor({}, { post: [ACCEPTED] })
  const id = await office.send({ userId: 'nobody' })
  await office.breakPlans()
  await expect(perform()).rejects.toThrow()
  expect((await office.read(id)).status).toBe('ENQUEUED')
  office.setClock(DAYS_MS)
  await perform()
  expect(await office.read(id)).toMatchObject({ status: 'UNDELIVERABLE', last: { reason: 'FAILED' } })
  expect(await office.dueIn()).toBeNull()
})
