import { afterAll, beforeAll, expect, test } from 'vitest'
import { LogCursorDocument, MessageEventsDocument, SendDocument } from '../generated/graphql.ts'
import { collect, dataOf, type House, processes, standsStill } from '../support/house.ts'

let home: House

beforeAll(async () => {
  home = await processes()
})
afterAll(() => home.stop())

test('Who follows one process sees what another accepted and a third delivered', async () => {
  const [here, there] = home.clients
  const { logCursor } = dataOf(await here!.send(LogCursorDocument, {}))
  const expected = 20
  const events = collect(
    here!.subscribe(MessageEventsDocument, { filter: { all: true }, after: logCursor }),
    ({ messageEvents }) => messageEvents,
    (seen) => seen.filter(standsStill).length === expected,
  )
  const answers = await Promise.all(
    Array.from({ length: expected }, (_, index) =>
      there!.send(SendDocument, { input: { to: [{ email: `p${index}@example.com` }], content: { title: 'Hello' } } }),
    ),
  )
  const ids = answers.map((answer) => dataOf(answer).send.requestId)
  const seen = await events
  for (const id of ids) {
    const own = seen.filter(({ messageId }) => messageId === id).map(({ type }) => type)
    expect(own).toEqual(['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT'])
  }
  expect(new Set(seen.map(({ cursor }) => cursor)).size).toBe(seen.length)
  expect(home.smtp.mails.map(({ recipients }) => recipients[0]).sort()).toEqual(
    ids.map((_, index) => `p${index}@example.com`).sort(),
  )
})
