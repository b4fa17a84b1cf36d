import { afterEach, describe, expect, test } from 'vitest'
import type { Outcome } from '../../src/channels/provider.ts'
import { cancelMessage } from '../../src/domain/cancel.ts'
import { accepting, type Office, openOffice } from './office.ts'

let office: Office

afterEach(() => office.close())

type Id = 'mail' | 'text' | 'post'

const BUSY: Outcome = { kind: 'retry', error: 'Busy.' }
const REFUSED: Outcome = { kind: 'rejected', what: 'address', error: 'No such number.' }

const CHANNELS = { mail: 'EMAIL', text: 'SMS', post: 'INBOX' } as const

/** One message by several channels at once, each of which may be asked again. */
async function openAndSend(...ids: readonly Id[]): Promise<string> {
  office = await openOffice({ kinds: ids.map((kind) => ({ kind, channel: CHANNELS[kind] })) })
  return await sendBy(...ids)
}

const sendBy = (...ids: readonly Id[]): Promise<string> =>
  office.send(
    { userId: 'ada', email: 'ada@example.com', phoneNumber: '+4915112345678' },
    { routing: { method: 'ALL', channels: ids.map((providerId) => ({ providerId })) } },
  )

/** A worker calls all of them; each answers when the test says so. */
async function callAll(count = 2) {
  const answers = new Map<string, (outcome: Outcome) => void>()
  office.post.answer = (_, kind) => new Promise((resolve) => answers.set(kind, resolve))
  const performed = office.perform((await office.takeOver())!)
  await expect.poll(() => answers.size).toBe(count)
  office.post.answer = accepting
  return { answer: (id: Id, outcome: Outcome) => answers.get(id)!(outcome), performed }
}

const callsOf = (kind: string) => office.post.calls.filter(({ address }) => address.id.includes(PLACE_OF[kind as Id])).length
const PLACE_OF = { mail: '@', text: '+', post: 'ada' } as const

async function outcomesOf(id: string): Promise<Readonly<Record<string, readonly (string | null)[]>>> {
  const { deliveries } = await office.journal(id)
  return Object.fromEntries(deliveries.map(({ providerId, attempts }) => [providerId, attempts.map(({ outcome }) => outcome)]))
}

async function finish(): Promise<void> {
  office.setClock(60_000)
  for (let job = await office.takeOver(); job !== null; job = await office.takeOver()) await office.perform(job)
}

describe('Calls under way at once', () => {
  test('that end at once are each told with what they came to', async () => {
    const id = await openAndSend('mail', 'text')
    const { answer, performed } = await callAll()
    answer('mail', { kind: 'accepted' })
    answer('text', REFUSED)
    await performed
    expect(await outcomesOf(id)).toEqual({ mail: ['ACCEPTED'], text: ['REJECTED'] })
    const { status, error, deliveries } = await office.standing(id)
    expect({ status, error }).toEqual({ status: 'SENT', error: null })
    expect(deliveries.map((delivery) => delivery.status).sort()).toEqual(['SENT', 'UNDELIVERABLE'])
    const types = (await office.read(id)).events
    expect(types).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'RENDERED', 'DELIVERING', 'SENT'])
    expect(await office.takeOver()).toBeNull()
  })

  test('that are all refused end the message by the last of them', async () => {
    const id = await openAndSend('mail', 'text')
    const { answer, performed } = await callAll()
    answer('text', { kind: 'misconfigured', error: 'Bad login.' })
    await expect.poll(() => outcomesOf(id)).toEqual({ mail: [null], text: ['MISCONFIGURED'] })
    expect((await office.standing(id)).status).toBe('ROUTED')
    answer('mail', REFUSED)
    await performed
    expect(await office.standing(id)).toMatchObject({ status: 'UNDELIVERABLE', reason: 'BOUNCED', error: 'No such number.' })
    expect(await office.takeOver()).toBeNull()
  })

  test('cannot be canceled between: only once none is under way, and then no provider is called', async () => {
    const id = await openAndSend('mail', 'text')
    const { answer, performed } = await callAll()
    await expect(office.run(cancelMessage, { id })).rejects.toMatchObject({ code: 'TOO_LATE' })
    answer('mail', BUSY)
    await expect.poll(() => outcomesOf(id)).toEqual({ mail: ['RETRY'], text: [null] })
    await expect(office.run(cancelMessage, { id })).rejects.toMatchObject({ code: 'TOO_LATE' })
    answer('text', BUSY)
    await performed
    await office.run(cancelMessage, { id })
    await finish()
    expect(await office.standing(id)).toMatchObject({ status: 'CANCELED' })
    expect(office.post.calls).toHaveLength(2)
  })

  test('are all ambiguous when their worker dies, which is one crash: the third such worker sends it', async () => {
    const id = await openAndSend('mail', 'text')
    await callAll()
    await callAll()
    await office.perform((await office.takeOver())!)
    const outcomes = ['UNKNOWN', 'UNKNOWN', 'ACCEPTED']
    expect(await outcomesOf(id)).toEqual({ mail: outcomes, text: outcomes })
    expect((await office.standing(id)).status).toBe('SENT')
    expect(await office.deadLetters()).toEqual([])
    expect(new Set(office.post.calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(2)
  })

  test('of which a third worker died as well make it a dead letter', async () => {
    const id = await openAndSend('mail', 'text')
    for (let death = 0; death < 3; death += 1) await callAll()
    await office.perform((await office.takeOver())!)
    expect(await office.deadLetters()).toMatchObject([{ crashes: 3 }])
    expect((await office.standing(id)).status).toBe('UNDELIVERABLE')
  })
})

describe('A result of one of two calls', () => {
  test('whose commit was not answered is told once, and its provider is not called again', async () => {
    const id = await openAndSend('mail', 'text')
    const { answer, performed } = await callAll()
    const lost = office.line.loseReplyTo('commit', 1)
    answer('mail', { kind: 'accepted' })
    await lost
    answer('text', { kind: 'accepted' })
    await performed
    await finish()
    expect(await outcomesOf(id)).toEqual({ mail: ['ACCEPTED'], text: ['ACCEPTED'] })
    expect((await office.read(id)).events.filter((type) => type === 'SENT')).toHaveLength(2)
    expect(office.post.calls).toHaveLength(2)
  })

  test('that could not be written is written once PostgreSQL is back', async () => {
    const id = await openAndSend('mail', 'text')
    const { answer, performed } = await callAll()
    office.line.goDown()
    answer('mail', { kind: 'accepted' })
    setTimeout(() => office.line.comeUp(), 300)
    await expect.poll(() => outcomesOf(id), { timeout: 10_000 }).toEqual({ mail: ['ACCEPTED'], text: [null] })
    answer('text', { kind: 'accepted' })
    await performed
    await finish()
    expect(await outcomesOf(id)).toEqual({ mail: ['ACCEPTED'], text: ['ACCEPTED'] })
    expect((await office.read(id)).events.filter((type) => type === 'SENT')).toHaveLength(2)
    expect(office.post.calls).toHaveLength(2)
  })

  test('is kept where the message was reported delivered meanwhile, as is that of the other', async () => {
    const id = await openAndSend('mail', 'post', 'text')
    const { answer, performed } = await callAll(3)
    answer('mail', { kind: 'unknown', error: 'No answer came.' })
    await expect.poll(() => outcomesOf(id)).toMatchObject({ mail: ['UNKNOWN'] })
    const mailed = office.post.calls.find(({ address }) => address.id.includes('@'))!
    await office.report(mailed, 'delivered', { providerId: 'mail' })
    expect((await office.standing(id)).status).toBe('DELIVERED')
    answer('post', BUSY)
    await expect.poll(() => outcomesOf(id)).toMatchObject({ post: ['RETRY'] })
    answer('text', { kind: 'accepted' })
    await performed
    expect(await outcomesOf(id)).toMatchObject({ post: ['RETRY'], text: ['ACCEPTED'] })
    await finish()
    expect(await outcomesOf(id)).toEqual({ mail: ['ACCEPTED'], post: ['RETRY', 'ACCEPTED'], text: ['ACCEPTED'] })
    expect((await office.standing(id)).status).toBe('DELIVERED')
    expect(callsOf('text')).toBe(1)
  })

  test('that is the last of them is kept, too, where the message was reported delivered meanwhile', async () => {
    office = await openOffice({
      kinds: [
        { kind: 'mail', channel: 'EMAIL', onUnknown: 'FAIL' },
        { kind: 'text', channel: 'SMS' },
      ],
    })
    const id = await sendBy('mail', 'text')
    const { answer, performed } = await callAll()
    answer('mail', { kind: 'unknown', error: 'No answer came.' })
    await expect.poll(() => outcomesOf(id)).toEqual({ mail: ['UNKNOWN'], text: [null] })
    const mailed = office.post.calls.find(({ address }) => address.id.includes('@'))!
    await office.report(mailed, 'delivered', { providerId: 'mail' })
    answer('text', REFUSED)
    await performed
    await finish()
    expect(await outcomesOf(id)).toEqual({ mail: ['ACCEPTED'], text: ['REJECTED'] })
    const { status, deliveries } = await office.standing(id)
    expect(status).toBe('DELIVERED')
    expect(deliveries.map((delivery) => delivery.status).sort()).toEqual(['DELIVERED', 'UNDELIVERABLE'])
    expect(callsOf('text')).toBe(1)
  })
})
