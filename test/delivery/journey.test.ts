import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/channels/provider.ts'
import { deleteUser } from '../../src/domain/erase.ts'
import { accepting, hanging, type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

/** A worker dies during its call: the provider was called, and its answer is never recorded. */
async function dieWith(message: Awaited<ReturnType<Office['takeOver']>>): Promise<void> {
  const called = new Promise<void>((resolve) => {
    office.post.answer = () => {
      resolve()
      return hanging()
    }
  })
  void office.perform(message!)
  await called
}

describe('A worker that dies during its call', () => {
  test('leaves an attempt that is UNKNOWN, and the message is sent again with the same idempotency key', async () => {
    office = await openOffice()
    const id = await office.send({ email: 'ada@example.com' })
    await dieWith(await office.takeOver())
    expect((await office.read(id)).outcomes).toEqual([[null]])

    const again = await office.takeOver()
    office.post.answer = accepting
    await office.perform(again!)
    expect(await office.read(id)).toMatchObject({
      status: 'SENT',
      outcomes: [['UNKNOWN', 'ACCEPTED']],
      events: ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'DELIVERING', 'SENT'],
    })
    expect(office.post.calls).toHaveLength(2)
    expect(new Set(office.post.calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1)
    expect(await office.takeOver()).toBeNull()
  })

  test('ends the message UNKNOWN where the account forbids sending again', async () => {
    office = await openOffice({ onUnknown: 'FAIL' })
    const id = await office.send({ email: 'ada@example.com' })
    await dieWith(await office.takeOver())
    await office.perform((await office.takeOver())!)
    expect(await office.read(id)).toMatchObject({ status: 'UNDELIVERABLE', last: { reason: 'UNKNOWN' } })
    expect(office.post.calls).toHaveLength(1)
    expect(await office.takeOver()).toBeNull()
  })

  test('three times, makes the message a dead letter that is not tried again', async () => {
    office = await openOffice()
    const id = await office.send({ email: 'ada@example.com' })
    for (let death = 0; death < 3; death += 1) await dieWith(await office.takeOver())
    await office.perform((await office.takeOver())!)
    expect(await office.read(id)).toMatchObject({
      status: 'UNDELIVERABLE',
      outcomes: [['UNKNOWN', 'UNKNOWN', 'UNKNOWN']],
      last: { type: 'UNDELIVERABLE', reason: 'FAILED' },
    })
    expect(await office.deadLetters()).toMatchObject([{ crashes: 3 }])
    expect(office.post.calls).toHaveLength(3)
    expect(await office.takeOver()).toBeNull()
  })

  test('three times, makes a dead letter that says nothing of its user once they are erased', async () => {
    office = await openOffice()
    await office.send({ userId: 'ada', email: 'ada@example.com' })
    for (let death = 0; death < 3; death += 1) await dieWith(await office.takeOver())
    await office.perform((await office.takeOver())!)
    await office.run(deleteUser, { userId: 'ada' })
    expect(await office.deadLetters()).toMatchObject([{ crashes: 3, error: 'Its user was erased.' }])
  })

  test('with one device of two, three times, leaves the message SENT', async () => {
    office = await openOffice({ channel: 'PUSH' })
    await office.addDevice('ada', 'phone')
    await office.addDevice('ada', 'laptop')
    const id = await office.send({ userId: 'ada' })
    for (let death = 0; death < 3; death += 1) {
      const message = await office.takeOver()
      const called = new Promise<void>((resolve) => {
        office.post.answer = ({ address }) => {
          if (address.id === 'phone') return accepting()
          resolve()
          return hanging()
        }
      })
      void office.perform(message!)
      await called
      await expect.poll(async () => (await office.read(id)).status).toBe('SENT')
    }
    await office.perform((await office.takeOver())!)
    expect(office.post.calls.filter(({ address }) => address.id === 'phone')).toHaveLength(1)
    expect(await office.read(id)).toMatchObject({ status: 'SENT', last: { status: 'SENT' } })
    expect(await office.deadLetters()).toHaveLength(1)
    expect(await office.takeOver()).toBeNull()
  })
})

describe('A worker whose message was taken over', () => {
  test('writes nothing, whatever its provider answers', async () => {
    office = await openOffice()
    const id = await office.send({ email: 'ada@example.com' })
    const late: ((outcome: Outcome) => void)[] = []
    const message = await office.takeOver()
    const called = new Promise<void>((resolve) => {
      office.post.answer = () => {
        resolve()
        return new Promise((answer) => late.push(answer))
      }
    })
    const performing = office.perform(message!)
    await called
    const other = await office.takeOver()
    office.post.answer = () => Promise.resolve({ kind: 'rejected', what: 'address', error: 'No such mailbox.' })
    await office.perform(other!)
    const before = await office.read(id)
    expect(before).toMatchObject({ status: 'UNDELIVERABLE', outcomes: [['UNKNOWN', 'REJECTED']] })
    late[0]!({ kind: 'accepted' })
    await performing
    expect(await office.read(id)).toEqual(before)
  })

  test('calls nobody when it lost it before its attempt was noted', async () => {
    office = await openOffice()
    const id = await office.send({ email: 'ada@example.com' })
    const message = await office.takeOver()
    const other = await office.takeOver()
    await office.perform(message!)
    expect(office.post.calls).toEqual([])
    expect((await office.read(id)).events).toEqual(['ENQUEUED'])
    await office.perform(other!)
    expect(office.post.calls).toHaveLength(1)
    expect((await office.read(id)).status).toBe('SENT')
  })
})

test('A worker whose lease has run out calls nobody', async () => {
  office = await openOffice()
  const id = await office.send({ email: 'ada@example.com' })
  await office.perform((await office.takeOver())!, () => false)
  expect(office.post.calls).toEqual([])
  await office.perform((await office.takeOver())!)
  expect(office.post.calls).toHaveLength(1)
  expect((await office.read(id)).status).toBe('SENT')
})

test('A message that was canceled before its turn is not sent, and stays CANCELED', async () => {
  office = await openOffice()
  const id = await office.send({ email: 'ada@example.com' })
  await office.cancel(id)
  await office.perform((await office.takeOver())!)
  expect(office.post.calls).toEqual([])
  expect(await office.read(id)).toMatchObject({ status: 'CANCELED', events: ['ENQUEUED'] })
  expect(await office.takeOver()).toBeNull()
})

test('A provider that throws is a fault of ours: the attempt is UNKNOWN, and the message is tried again', async () => {
  office = await openOffice()
  const id = await office.send({ email: 'ada@example.com' })
  office.post.answer = () => Promise.reject(new Error('a bug'))
  await office.perform((await office.takeOver())!)
  expect(await office.read(id)).toMatchObject({ status: 'ROUTED', outcomes: [['UNKNOWN']], last: { type: 'RETRYING' } })
  expect((await office.read(id)).last?.error).not.toContain('a bug')
})

test('What a provider says is kept, however long and whatever its characters', async () => {
  office = await openOffice()
  const id = await office.send({ email: 'ada@example.com' })
  office.post.answer = () =>
    Promise.resolve({ kind: 'rejected', what: 'address', error: `\0\ud800${'long '.repeat(1_000)}`, code: '550' })
  await office.perform((await office.takeOver())!)
  const { status, last } = await office.read(id)
  expect(status).toBe('UNDELIVERABLE')
  expect(last?.error?.length).toBeLessThanOrEqual(1_000)
})
