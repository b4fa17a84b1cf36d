import { afterEach, expect, test } from 'vitest'
import { redriveDeadLetters } from '../../src/domain/dead-letter.ts'
import { accepting, hanging, type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

const HOUR = 3_600_000

/** A worker dies during its call. */
async function die(): Promise<void> {
  const message = await office.takeOver()
  const called = new Promise<void>((resolve) => {
    office.post.answer = () => {
      resolve()
      return hanging()
    }
  })
  void office.perform(message!)
  await called
}

async function performNext(): Promise<void> {
  await office.perform((await office.takeOver())!)
}

/** Three workers die of it, and the fourth sets it aside. */
async function giveUp(): Promise<void> {
  for (let death = 0; death < 3; death += 1) await die()
  await performNext()
}

async function redrive(): Promise<void> {
  const ids = (await office.deadLetters()).map(({ id }) => id)
  expect(await office.run(redriveDeadLetters, { ids })).toMatchObject({ value: ids.length })
}

async function openAndGiveUp(): Promise<string> {
  office = await openOffice()
  const id = await office.send({ email: 'ada@example.com' })
  await giveUp()
  expect(await office.deadLetters()).toMatchObject([{ crashes: 3 }])
  return id
}

test('A dead letter that is redriven is sent under the ids it always had', async () => {
  const id = await openAndGiveUp()
  const before = await office.journal(id)
  await redrive()
  expect(await office.deadLetters()).toEqual([])
  office.post.answer = accepting
  await performNext()
  expect(await office.read(id)).toMatchObject({
    status: 'SENT',
    outcomes: [['UNKNOWN', 'UNKNOWN', 'UNKNOWN', 'ACCEPTED']],
  })
  const after = await office.journal(id)
  expect(after.deliveries.map((delivery) => delivery.id)).toEqual(before.deliveries.map((delivery) => delivery.id))
  expect(after.events.slice(before.events.length).map(({ type }) => type)).toEqual(['ENQUEUED', 'DELIVERING', 'SENT'])
  expect(office.post.calls).toHaveLength(4)
  expect(new Set(office.post.calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1)
  expect(await office.takeOver()).toBeNull()
})

test('The crashes before it was redriven count no more: three others make it a dead letter again', async () => {
  const id = await openAndGiveUp()
  await redrive()
  await die()
  await die()
  await die()
  expect(await office.deadLetters()).toEqual([])
  await performNext()
  expect(await office.deadLetters()).toMatchObject([{ crashes: 3 }])
  expect(await office.read(id)).toMatchObject({ status: 'UNDELIVERABLE', last: { reason: 'FAILED' } })
  await redrive()
  office.post.answer = accepting
  await performNext()
  expect((await office.read(id)).status).toBe('SENT')
  expect(office.post.calls).toHaveLength(7)
})

test('What was never answered before it was redriven counts no more: it is tried twice before it is UNKNOWN again', async () => {
  const id = await openAndGiveUp()
  await redrive()
  office.post.answer = async () => ({ kind: 'unknown', error: 'No answer came.' })
  await performNext()
  expect(await office.read(id)).toMatchObject({ status: 'ROUTED', last: { type: 'RETRYING' } })
  // A quick second try, as after any first one.
  const [delivery] = (await office.journal(id)).deliveries
  expect(delivery!.nextAttemptAt!.getTime() - office.now().getTime()).toBeLessThanOrEqual(1_000)
  office.setClock(2_000)
  await performNext()
  expect(await office.read(id)).toMatchObject({ status: 'UNDELIVERABLE', last: { reason: 'UNKNOWN' } })
  expect(office.post.calls).toHaveLength(5)
})

test('It has 72 hours from when it was redriven', async () => {
  const id = await openAndGiveUp()
  office.setClock(71 * HOUR)
  await redrive()
  office.post.answer = async () => ({ kind: 'retry', error: 'Busy.', afterMs: 60_000 })
  office.setClock((71 + 71) * HOUR)
  await performNext()
  expect(await office.read(id)).toMatchObject({ status: 'ROUTED', last: { type: 'RETRYING' } })
  office.setClock((71 + 72) * HOUR + 60_000)
  await performNext()
  expect(await office.read(id)).toMatchObject({ status: 'UNDELIVERABLE', last: { reason: 'TIMED_OUT' } })
  expect(office.post.calls).toHaveLength(4)
})

test('A worker whose clock is behind sends it once all the same', async () => {
  const id = await openAndGiveUp()
  office.setClock(60_000)
  await redrive()
  office.setClock(0)
  office.post.answer = accepting
  await performNext()
  expect((await office.read(id)).status).toBe('SENT')
  expect(office.post.calls).toHaveLength(4)
})

test('Where nothing may be sent twice, one death ends it as UNKNOWN: that is no dead letter', async () => {
  office = await openOffice({ onUnknown: 'FAIL' })
  const id = await office.send({ email: 'ada@example.com' })
  await die()
  await performNext()
  expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'UNKNOWN' })
  expect(await office.deadLetters()).toEqual([])
  expect(office.post.calls).toHaveLength(1)
})

test('What one device took before stays taken: only the other is called again', async () => {
  office = await openOffice({ channel: 'PUSH' })
  await office.addDevice('ada', 'phone')
  await office.addDevice('ada', 'laptop')
  const id = await office.send({ userId: 'ada' })
  office.post.answer = ({ address }) => (address.id === 'phone' ? accepting() : hanging())
  void office.perform((await office.takeOver())!)
  await expect.poll(async () => (await office.read(id)).status).toBe('SENT')
  await expect.poll(() => office.post.calls.length).toBe(2)
  for (let death = 1; death < 3; death += 1) await die()
  await performNext()
  expect(await office.deadLetters()).toMatchObject([{ crashes: 3 }])
  await redrive()
  expect((await office.read(id)).status).toBe('SENT')
  office.post.answer = accepting
  await performNext()
  expect(office.post.calls.filter(({ address }) => address.id === 'phone')).toHaveLength(1)
  expect((await office.standing(id)).deliveries.map(({ status }) => status)).toEqual(['SENT', 'SENT'])
})
