import { afterEach, beforeEach, expect, test } from 'vitest'
import { accepting, type Office, openOffice } from './office.ts'

let office: Office

beforeEach(async () => {
  office = await openOffice()
})
afterEach(() => office.close())

const OUTAGE_MS = 700

/** The database is gone while the provider answers, and back after a while. */
function goDownWhileCalled(): void {
  office.post.answer = () => {
    office.line.goDown()
    setTimeout(() => office.line.comeUp(), OUTAGE_MS)
    return accepting()
  }
}

test('A restart of PostgreSQL during a call costs no second call: the result is written once it is back', async () => {
  const id = await office.send({ email: 'ada@example.com' })
  goDownWhileCalled()
  await office.perform((await office.takeOver())!)
  expect(await office.read(id)).toMatchObject({
    status: 'SENT',
    outcomes: [['ACCEPTED']],
    events: ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT'],
  })
  expect(office.post.calls).toHaveLength(1)
  expect(await office.takeOver()).toBeNull()
})

test('It is given up when the lease is over: the message may be another worker’s then', async () => {
  await office.send({ email: 'ada@example.com' })
  goDownWhileCalled()
  let asked = 0
  const holds = () => {
    asked += 1
    return asked < 3
  }
  await expect(office.perform((await office.takeOver())!, holds)).rejects.toThrow()
})

test('A result whose commit was not answered is not written twice', async () => {
  const id = await office.send({ email: 'ada@example.com' })
  office.post.answer = async () => {
    lost = office.line.loseReplyTo('commit', 1)
    return { kind: 'retry', error: 'Busy.', afterMs: 60_000 }
  }
  let lost: Promise<void> | undefined
  await office.perform((await office.takeOver())!)
  await lost
  expect(await office.read(id)).toMatchObject({
    outcomes: [['RETRY']],
    events: ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'RETRYING'],
  })
  expect(await office.dueIn()).toBeGreaterThan(50)
})

test('An attempt whose note was not answered is not made, is no crash, and the message goes on', async () => {
  const id = await office.send({ email: 'ada@example.com' })
  const job = await office.takeOver()
  const lost = office.line.loseReplyTo('commit', 1)
  await office.perform(job!)
  await lost
  expect(office.post.calls).toEqual([])
  expect(await office.read(id)).toMatchObject({ outcomes: [['RETRY']], deliveries: [{ status: 'RETRYING' }] })
  await office.perform((await office.takeOver())!)
  expect(await office.read(id)).toMatchObject({ status: 'SENT', outcomes: [['RETRY', 'ACCEPTED']] })
  expect(office.post.calls).toHaveLength(1)
})

test('An attempt that was noted by a worker whose lease then ran out is not made, and is no crash', async () => {
  const id = await office.send({ email: 'ada@example.com' })
  for (let time = 0; time < 3; time += 1) await office.perform((await office.takeOver())!, () => false)
  expect(office.post.calls).toEqual([])
  expect((await office.read(id)).outcomes).toEqual([['RETRY', 'RETRY', 'RETRY']])
  await office.perform((await office.takeOver())!)
  expect((await office.read(id)).status).toBe('SENT')
})
