import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  InboxCountsDocument,
  InboxDocument,
  InboxEventsDocument,
  InboxMessageDocument,
  IssueTokenDocument,
  LogCursorDocument,
} from '../generated/graphql.ts'
import { collect, dataOf, type House, house, MODES, refusalOf } from '../support/house.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const sendTo = (userId: string, title: string, tags: string[] = []) =>
      home.send({ to: [{ userId }], content: { title, body: `${title}.` }, metadata: { tags } })

    test('Twenty sends at once are twenty events, each with the counts that were true once it had happened', async () => {
      const { logCursor } = dataOf(await home.client.send(LogCursorDocument, {}))
      const expected = 20
      const events = collect(
        home.clients.at(-1)!.subscribe(InboxEventsDocument, { userId: 'counted', after: logCursor }),
        ({ inboxEvents }) => inboxEvents,
        (seen) => seen.length === expected,
      )
      const ids = await Promise.all(Array.from({ length: expected }, (_, index) => sendTo('counted', `n${index}`)))
      const seen = await events
      expect(seen.map(({ counts }) => counts)).toEqual(
        Array.from({ length: expected }, (_, index) => ({ total: index + 1, unread: index + 1, unopened: index + 1 })),
      )
      expect(seen.every(({ type, message, messageId }) => type === 'MESSAGE' && message?.id === messageId)).toBe(true)
      expect(new Set(seen.map(({ messageId }) => messageId))).toEqual(new Set(ids))
      const counts = dataOf(await home.client.send(InboxCountsDocument, { userId: 'counted' })).inboxCounts
      expect(counts).toEqual({ total: expected, unread: expected, unopened: expected })
    })

    test('An inbox is paged newest first, and nothing that comes meanwhile shifts its pages', async () => {
      const ids: string[] = []
      for (let index = 0; index < 7; index += 1) {
        ids.unshift(await sendTo('paged', `p${index}`))
        await home.journey(ids[0]!)
      }
      const pages: string[][] = []
      let after: string | null | undefined = null
      do {
        const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'paged', first: 3, after })) as {
          inbox: { edges: { node: { id: string } }[]; pageInfo: { hasNextPage: boolean; endCursor?: string | null } }
        }
        pages.push(inbox.edges.map(({ node }) => node.id))
        after = inbox.pageInfo.hasNextPage ? inbox.pageInfo.endCursor : null
        await home.journey(await sendTo('paged', 'meanwhile'))
      } while (after)
      expect(pages).toEqual([ids.slice(0, 3), ids.slice(3, 6), ids.slice(6)])
    })

    test('A filter by tag or by status holds for the page and for the counts', async () => {
      const tagged = await sendTo('tagged', 'one', ['news'])
      await home.settled([tagged, await sendTo('tagged', 'two', ['other'])])
      const filter = { tags: ['news', 'unheard'] }
      const { inbox } = dataOf(await home.client.send(InboxDocument, { userId: 'tagged', filter }))
      expect(inbox.edges.map(({ node }) => node.id)).toEqual([tagged])
      const { inboxCounts } = dataOf(await home.client.send(InboxCountsDocument, { userId: 'tagged', filter }))
      expect(inboxCounts.total).toBe(1)
      const read = dataOf(await home.client.send(InboxDocument, { userId: 'tagged', filter: { status: 'READ' } }))
      expect(read.inbox.edges).toEqual([])
    })

    test('A user token reads the inbox of its own user without naming it, and no other', async () => {
      const [own, foreign] = [await sendTo('owner', 'mine'), await sendTo('stranger', 'theirs')]
      await home.settled([own, foreign])
      const issued = await home.client.send(IssueTokenDocument, {
        input: { userId: 'owner', scopes: ['INBOX_READ'], expiresIn: 'PT1H' },
      })
      const owner = home.enter(dataOf(issued).issueToken.token)
      const { inbox } = dataOf(await owner.send(InboxDocument, {}))
      expect(inbox.edges.map(({ node }) => node.id)).toEqual([own])
      expect(dataOf(await owner.send(InboxMessageDocument, { id: own })).inboxMessage?.title).toBe('mine')
      expect(dataOf(await owner.send(InboxMessageDocument, { id: foreign })).inboxMessage).toBeNull()
      for (const userId of ['stranger', 'does-not-exist']) {
        expect(refusalOf(await owner.send(InboxDocument, { userId })).code).toBe('NOT_FOUND')
        expect(refusalOf(await owner.send(InboxCountsDocument, { userId })).code).toBe('NOT_FOUND')
      }
      const { value } = await owner.sse(InboxEventsDocument, { userId: 'stranger' }).next()
      expect(refusalOf(value!).code).toBe('NOT_FOUND')
    })

    test('A key must name the user', async () => {
      expect(refusalOf(await home.client.send(InboxDocument, {}))).toEqual({ code: 'BAD_USER_INPUT', path: 'userId' })
    })
  })
}
