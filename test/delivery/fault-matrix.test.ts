import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Outcome, Provider } from '../../src/channels/provider.ts'
import type { RoutingInput } from '../../src/domain/routing.ts'
import { MessageDocument, PutProviderDocument } from '../generated/graphql.ts'
import { dataOf, type House, house } from '../support/house.ts'
import {
  ACCEPTED,
  CHANNEL_OF,
  deliveryOf,
  eventsOf,
  FAULTS,
  type Fault,
  type Id,
  POSITIONS,
  type Position,
  predict,
  REFUSES,
  TAKEN,
  UNKNOWN,
} from './fault-model.ts'
import { type Office, openOffice } from './office.ts'

let office: Office
/** What the office that is open has in its chain. */
let opened = ''
let calls: { readonly id: Id; readonly at: number }[]
let offsetMs: number

function advanceTo(time: number): void {
  offsetMs = Math.max(offsetMs, time - Date.now())
  office.setClock(offsetMs)
}

type Chain = Pick<Position, 'chain' | 'failing'>
type Script = Map<Id, Fault['answers'][number][]>

/** What each account is yet to answer; after that it takes what it is sent. */
function scriptOf({ chain, failing }: Chain, fault: Fault): Script {
  const script: Script = new Map([[failing, [...fault.answers]]])
  for (const id of chain.slice(0, chain.indexOf(failing))) script.set(id, [...REFUSES.answers])
  return script
}

/** One with the same accounts is used again: rows of a place follow each other. */
async function openOfficeFor({ chain, failing }: Chain, fault: Fault): Promise<void> {
  const ids: readonly Id[] = [...chain, 'bell']
  const kinds = ids.map((id) => ({
    kind: id,
    channel: CHANNEL_OF[id],
    onUnknown: id === failing ? (fault.onUnknown ?? 'RESEND') : 'RESEND',
  }))
  if (opened === JSON.stringify(kinds)) await office.startAfresh()
  else {
    await closeOffice()
    office = await openOffice({ kinds })
    opened = JSON.stringify(kinds)
  }
  calls = []
  offsetMs = 0
  const left = scriptOf({ chain, failing }, fault)
  office.post.answer = async (_, kind, signal) => {
    calls.push({ id: kind as Id, at: office.now().getTime() })
    const answer = left.get(kind as Id)?.shift() ?? ACCEPTED
    if (answer === 'throw') throw new Error('a bug')
    return answer === 'hang' ? await hang(signal) : answer
  }
}

async function closeOffice(): Promise<void> {
  if (opened !== '') await office.close()
  opened = ''
}

const TIME_MS = 200

/** As drivers do: the request was written, no answer came. */
function hang(signal: AbortSignal): Promise<Outcome> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      advanceTo(office.now().getTime() + TIME_MS)
      resolve(UNKNOWN)
    })
  })
}

async function send({ chain, failing }: Position, fault: Fault, beside: boolean): Promise<string> {
  const channels = [...new Set(chain.map((id) => CHANNEL_OF[id]))].map((channel) => ({ channel }))
  const routing: RoutingInput = { method: 'SINGLE', channels }
  return await office.send(
    { userId: 'ada', email: 'ada@example.com', phoneNumber: '+4915112345678' },
    {
      routing: beside ? { method: 'ALL', channels: [{ routing }, { channel: 'INBOX' }] } : routing,
      ...(fault.answers.includes('hang') && { providers: [{ providerId: failing, timeout: `PT${TIME_MS / 1_000}S` }] }),
    },
  )
}

/** Performs what is due, at the time it is due, until nothing is. */
async function finish(id: string): Promise<void> {
  for (let job = await office.takeOver(); job !== null; job = await office.takeOver()) {
    await office.perform(job)
    const { deliveries } = await office.journal(id)
    const rests = deliveries.flatMap(({ nextAttemptAt }) => nextAttemptAt?.getTime() ?? [])
    if (rests.length > 0) advanceTo(Math.min(...rests))
  }
}

async function journalOf(id: string) {
  const { deliveries, events, decisions } = await office.journal(id)
  const { status, reason, error } = await office.standing(id)
  const statuses = new Map((await office.read(id)).deliveries.map((delivery) => [delivery.providerId, delivery.status]))
  return {
    status,
    reason,
    error,
    deliveries: deliveries
      .toSorted((a, b) => a.startedAt.getTime() - b.startedAt.getTime())
      .map(({ channel, providerId, nextAttemptAt, attempts }) => ({
        channel,
        providerId,
        status: statuses.get(providerId),
        nextAttemptAt,
        attempts: attempts.map(({ number, outcome, code, error: why }) => ({ number, outcome, code, error: why })),
      })),
    events: events.map(({ type, providerId }) => [type, providerId]),
    route: decisions.filter(({ rule }) => rule === 'route'),
  }
}

function expectRest(failing: Id, { restMs = 0 }: Fault): void {
  const [first, second] = calls.filter(({ id }) => id === failing)
  if (first && second) expect(second.at - first.at).toBeGreaterThanOrEqual(restMs)
}

const rows = Object.entries(POSITIONS).flatMap(([where, position]) =>
  Object.entries(FAULTS).map(([what, fault]) => ({ what, fault, where, position })),
)

describe('An account in a chain', () => {
  afterAll(closeOffice)

  test.each(rows)('that $what, as $where: is told with all that follows', async ({ fault, position }) => {
    const { visits, status, reason, error } = predict(position, fault)
    await openOfficeFor(position, fault)
    const id = await send(position, fault, false)
    await finish(id)
    expect(calls.map((call) => call.id)).toEqual(visits.flatMap((visit) => visit.tries.map(() => visit.id)))
    const journal = await journalOf(id)
    expect(journal).toMatchObject({ status, reason, error, deliveries: visits.map(deliveryOf) })
    const ends = status === 'SENT' ? [] : [['UNDELIVERABLE', visits.at(-1)!.id]]
    expect(journal.events).toEqual([['ENQUEUED', null], ['ROUTED', null], ...eventsOf(visits), ...ends])
    expect(journal.route).toMatchObject([{ subject: 'SINGLE', passed: true, because: `tries ${position.route}` }])
    expectRest(position.failing, fault)
    expect(await office.takeOver()).toBeNull()
  })
})

describe('An account in one branch of an ALL', () => {
  afterAll(closeOffice)

  test.each(rows)(
    'that $what, as $where: goes its own way, and the other branch has its message once',
    async ({ fault, position }) => {
      const { visits } = predict(position, fault)
      await openOfficeFor(position, fault)
      const id = await send(position, fault, true)
      await finish(id)
      const inChain = calls.filter((call) => call.id !== 'bell')
      expect(inChain.map((call) => call.id)).toEqual(visits.flatMap((visit) => visit.tries.map(() => visit.id)))
      expect(calls.length - inChain.length).toBe(1)
      const journal = await journalOf(id)
      expect(journal).toMatchObject({ status: 'SENT', reason: null })
      const bell = { id: 'bell', tries: [TAKEN] } as const
      expect(journal.deliveries.filter(({ providerId }) => providerId === 'bell')).toMatchObject([deliveryOf(bell)])
      expect(journal.deliveries.filter(({ providerId }) => providerId !== 'bell')).toMatchObject(visits.map(deliveryOf))
      expect(journal.events.slice(0, 2)).toEqual([
        ['ENQUEUED', null],
        ['ROUTED', null],
      ])
      expect(journal.events.slice(2).filter(([, of]) => of === 'bell')).toEqual(eventsOf([bell]))
      expect(journal.events.slice(2).filter(([, of]) => of !== 'bell')).toEqual(eventsOf(visits))
      expectRest(position.failing, fault)
      expect(await office.takeOver()).toBeNull()
    },
  )
})

/** Those that take no longer than a quick second try. */
const TOLD = ['refuses the address', 'refuses our login', 'is busy, once', 'is silent twice']

describe('In a whole house', () => {
  let home: House
  let script: Script

  const carrier = (kind: 'mail' | 'post' | 'text'): Provider => ({
    kind,
    channel: CHANNEL_OF[kind],
    name: kind,
    settings: z.object({}),
    deliver: async () => (script.get(kind)?.shift() as Outcome | undefined) ?? ACCEPTED,
  })
  beforeAll(async () => {
    const providers = (['mail', 'post', 'text'] as const).map(carrier)
    home = await house({ mode: 'PostgreSQL and Redis', world: { providers } })
  })
  afterAll(() => home.stop())
  // Put again, an account whose login was refused is tried again.
  beforeEach(async () => {
    for (const kind of ['mail', 'post', 'text']) {
      dataOf(await home.client.send(PutProviderDocument, { id: kind, input: { kind, settings: {}, onUnknown: 'RESEND' } }))
    }
  })

  const told = rows.filter(({ what, position }) => TOLD.includes(what) && position.chain.length > 1)
  test.each(told)('an account that $what, as $where: its sender is told the same', async ({ fault, position }) => {
    script = scriptOf(position, fault)
    const { visits, status, reason, error } = predict(position, fault)
    const channels = position.chain.map((providerId) => ({ providerId }))
    const to = [{ email: 'ada@example.com', phoneNumber: '+4915112345678' }]
    const id = await home.send({ to, content: { title: 'Hello' }, routing: { method: 'SINGLE', channels } })
    const events = (await home.journey(id)).map(({ type, providerId }) => [type, providerId])
    const ends = status === 'SENT' ? [] : [['UNDELIVERABLE', visits.at(-1)!.id]]
    expect(events).toEqual([['ENQUEUED', null], ['ROUTED', null], ...eventsOf(visits), ...ends])
    const message = dataOf(await home.client.send(MessageDocument, { id })).message
    expect(message).toMatchObject({ status, reason, error, deliveries: visits.map(deliveryOf) })
    const because = `tries ${position.chain.join(', then ')}`
    expect(message?.decisions.at(-1)).toMatchObject({ rule: 'route', subject: 'SINGLE', passed: true, because })
  })
})
