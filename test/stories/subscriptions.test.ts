import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  HistoryDocument,
  IssueTokenDocument,
  LogCursorDocument,
  type MessageEventFieldsFragment,
  type MessageEventFilter,
  MessageEventsDocument,
} from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { collect, dataOf, document, type House, house, MODES, refusalOf, standsStill } from '../support/house.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const content = { title: 'Live' }
    const here = async () => dataOf(await home.client.send(LogCursorDocument, {})).logCursor
    const sendTo = (userId: string) => home.send({ to: [{ userId }], content })
    const other = () => home.clients.at(-1)!

    function watch(client: Client, filter: MessageEventFilter, after: string | null, still: number) {
      return collect(
        client.subscribe(MessageEventsDocument, { filter, after }),
        ({ messageEvents }) => messageEvents,
        (seen) => seen.filter(standsStill).length === still,
      )
    }
    const keysOf = (events: readonly MessageEventFieldsFragment[]) => events.map(({ messageId, type }) => `${messageId} ${type}`)

    test('After a cursor, what came since is replayed and then goes on live, with nothing missing and nothing twice', async () => {
      const start = await here()
      const before = [await sendTo('seam'), await sendTo('seam')]
      await home.settled(before)
      const events = watch(other(), { all: true }, start, 6)
      const after = await Promise.all(['seam', 'seam', 'seam', 'seam'].map(sendTo))
      const seen = await events
      expect(new Set(seen.map(({ messageId }) => messageId))).toEqual(new Set([...before, ...after]))
      expect(new Set(keysOf(seen)).size).toBe(seen.length)
      const middle = seen[3]!
      const rest = await watch(home.client, { all: true }, middle.cursor, seen.slice(4).filter(standsStill).length)
      expect(rest).toEqual(seen.slice(4))
    })

    test('Without a cursor, a wide subscription begins now, and from its first event on none is missing', async () => {
      const old = await sendTo('now')
      await home.journey(old)
      const seen: MessageEventFieldsFragment[] = []
      const sent: string[] = []
      const events = other().subscribe(MessageEventsDocument, { filter: { userId: 'now' } })
      const first = events.next()
      let begun = false
      const beginning = first.then((result) => {
        begun = true
        seen.push(dataOf(result.value!).messageEvents)
      })
      while (!begun) {
        sent.push(await sendTo('now'))
        await home.journey(sent.at(-1)!)
      }
      await beginning
      sent.push(await sendTo('now'))
      const last = sent.at(-1)!
      for await (const result of events) {
        seen.push(dataOf(result).messageEvents)
        if (seen.at(-1)!.messageId === last && standsStill(seen.at(-1)!)) break
      }
      expect(seen.map(({ messageId }) => messageId)).not.toContain(old)
      const history = (await home.journey(last)).map(({ cursor }) => cursor)
      expect(seen.slice(-history.length).map(({ cursor }) => cursor)).toEqual(history)
    })

    test('A subscription by message or request begins with its first event, whenever it is made', async () => {
      const id = await sendTo('named')
      await home.journey(id)
      for (const filter of [{ messageIds: [id] }, { requestId: id }, { requestId: id, types: ['SENT', 'ENQUEUED'] as const }]) {
        const seen = await watch(other(), { ...filter, types: filter.types && [...filter.types] }, null, 1)
        const expected = filter.types ? ['ENQUEUED', 'SENT'] : ['ENQUEUED', 'ROUTED', 'RENDERED', 'DELIVERING', 'SENT']
        expect(seen.map(({ type }) => type)).toEqual(expected)
      }
    })

    test("A subscription by user sees that user's messages only", async () => {
      const start = await here()
      const ids = [await sendTo('by-user'), await sendTo('someone-else'), await sendTo('by-user')]
      const seen = await watch(other(), { userId: 'by-user' }, start, 2)
      expect(new Set(seen.map(({ messageId }) => messageId))).toEqual(new Set([ids[0], ids[2]]))
    })

    test('A list and a logCursor of one answer, and what is subscribed to after it, leave no message out', async () => {
      const snapshot = document<{ messages: { nodes: { id: string }[] }; logCursor: string }>(
        '{ messages(first: 100, filter: { userId: "seam-list" }) { nodes { id } } logCursor }',
      )
      const total = 60
      const sending = Promise.all(
        Array.from({ length: total }, (_, index) =>
          home.clients[index % home.clients.length]!.send(
            document(`mutation { send(input: {
            to: { userId: "seam-list" }, content: { title: "${index}" } }) { requestId } }`),
            {},
          ),
        ),
      )
      const checks = Array.from({ length: 12 }, async () => {
        const { messages, logCursor } = dataOf(await other().send(snapshot, {}))
        const missing = total - messages.nodes.length
        const known = new Set(messages.nodes.map(({ id }) => id))
        if (missing === 0) return
        await collect(
          other().subscribe(MessageEventsDocument, { filter: { userId: 'seam-list', types: ['ENQUEUED'] }, after: logCursor }),
          ({ messageEvents }) => known.add(messageEvents.messageId),
          () => known.size === total,
        )
      })
      await Promise.all([sending, ...checks])
    })

    test('Whoever sees an event can read the status it speaks of, through any process', async () => {
      const order = ['ENQUEUED', 'ROUTED', 'SENT']
      const status = document<{ message: { status: string } }>('query ($id: ID!) { message(id: $id) { status } }')
      const start = await here()
      const ids = await Promise.all(Array.from({ length: 10 }, () => sendTo('own-writes')))
      let still = 0
      for await (const result of home.client.subscribe(MessageEventsDocument, {
        filter: { userId: 'own-writes' },
        after: start,
      })) {
        const event = dataOf(result).messageEvents
        const { message } = dataOf(await other().send(status, { id: event.messageId }))
        expect(order.indexOf(message.status)).toBeGreaterThanOrEqual(order.indexOf(event.status))
        still += standsStill(event) ? 1 : 0
        if (still === ids.length) break
      }
    })

    test('Server-sent events carry the same', async () => {
      const id = await sendTo('sse')
      const seen = await collect(
        other().sse(MessageEventsDocument, { filter: { messageIds: [id] } }),
        ({ messageEvents }) => messageEvents,
        (events) => standsStill(events.at(-1)!),
      )
      expect(seen).toEqual(await home.journey(id))
    })

    test("A message's history, page by page, is what its subscribers saw", async () => {
      const id = await sendTo('history')
      const seen = await home.journey(id)
      const paged: MessageEventFieldsFragment[] = []
      let after: string | null = null
      do {
        const answer: {
          message: {
            history: {
              edges: { node: MessageEventFieldsFragment }[]
              pageInfo: { hasNextPage: boolean; endCursor: string | null }
            }
          } | null
        } = dataOf(await other().send(HistoryDocument, { id, first: 2, after }))
        const { edges, pageInfo } = answer.message!.history
        paged.push(...edges.map(({ node }) => node))
        after = pageInfo.hasNextPage ? pageInfo.endCursor : null
      } while (after !== null)
      expect(paged).toEqual(seen)
      const { message } = dataOf(await other().send(HistoryDocument, { id, types: ['SENT'] }))
      expect(message?.history.edges.map(({ node }) => node.type)).toEqual(['SENT'])
    })

    test.each(['AAAA', '', 'not a cursor', '💥'])(
      'What is no cursor (%j) is BAD_CURSOR, over WebSocket and as server-sent events',
      async (after) => {
        const refused = home.client.subscribe(MessageEventsDocument, { filter: { all: true }, after }).next()
        const errors = await refused.then(
          ({ value }) => value!.errors,
          (thrown: unknown) => thrown as never,
        )
        expect(refusalOf({ errors }).code).toBe('BAD_CURSOR')
        const { value } = await home.client.sse(MessageEventsDocument, { filter: { all: true }, after }).next()
        expect(refusalOf(value!).code).toBe('BAD_CURSOR')
      },
    )

    test('A key must say that it wants everything', async () => {
      const { value } = await home.client.sse(MessageEventsDocument, { filter: {} }).next()
      expect(refusalOf(value!)).toEqual({ code: 'BAD_USER_INPUT', path: 'filter' })
    })

    test('A user token sees the events of its own user, and of the requests it names', async () => {
      const start = await here()
      const [own, foreign, named] = [await sendTo('token-user'), await sendTo('token-other'), await sendTo('token-third')]
      await home.settled([own, foreign, named])
      const token = async (input: object) => {
        const issued = await home.client.send(IssueTokenDocument, {
          input: { userId: 'token-user', scopes: ['MESSAGES_READ'], expiresIn: 'PT1H', ...input },
        })
        return home.enter(dataOf(issued).issueToken.token)
      }
      const mine = await watch(await token({}), {}, start, 1)
      expect(new Set(mine.map(({ messageId }) => messageId))).toEqual(new Set([own]))
      const both = await watch(await token({ requestIds: [named] }), {}, start, 2)
      expect(new Set(both.map(({ messageId }) => messageId))).toEqual(new Set([own, named]))
      const later = await sendTo('token-user')
      const wanting = await watch(await token({}), { messageIds: [foreign, own, later] }, start, 2)
      expect(new Set(wanting.map(({ messageId }) => messageId))).toEqual(new Set([own, later]))
    })

    test.skipIf(mode !== 'PostgreSQL and Redis')(
      'A cursor that the log no longer reaches back to is CURSOR_EXPIRED',
      async () => {
        const start = await here()
        await home.journey(await sendTo('expiring'))
        const client = new pg.Client({ connectionString: home.databaseUrl! })
        await client.connect()
        await client.query("update log_head set forgotten = position where environment_id = 'production'")
        await client.end()
        const { value } = await home.client.sse(MessageEventsDocument, { filter: { all: true }, after: start }).next()
        expect(refusalOf(value!).code).toBe('CURSOR_EXPIRED')
        expect(value!.errors[0]?.extensions.status).toBe(410)
      },
    )
  })
}
