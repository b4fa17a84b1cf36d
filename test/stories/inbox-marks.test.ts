import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  InboxCountsDocument,
  InboxDocument,
  InboxEventsDocument,
  type InboxMark,
  IssueTokenDocument,
  LogCursorDocument,
  MarkInboxMessagesDocument,
  MessageDocument,
  PutEnvironmentDocument,
} from '../generated/graphql.ts'
import type { Client } from '../support/client.ts'
import { ask } from '../support/graph.ts'
import { collect, dataOf, type House, house, MODES, refusalOf } from '../support/house.ts'

const MARKS: readonly InboxMark[] = ['READ', 'UNREAD', 'OPENED', 'ARCHIVED', 'UNARCHIVED', 'CLICKED']

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      await ask(home.client, 'mutation { putTenant(id: "acme", input: { name: "Acme" }) { id } }')
    })
    afterAll(() => home.stop())

    async function fill(userId: string, count: number, tenantId: string | null = null): Promise<string[]> {
      const ids: string[] = []
      for (let nth = 0; nth < count; nth += 1) {
        ids.push(await home.send({ to: [{ userId }], tenantId, content: { title: `n${nth}` } }))
      }
      await home.settled(ids)
      return ids
    }

    async function mark(as: InboxMark, ids: readonly string[], userId: string | null, client: Client = home.client) {
      const answer = await client.send(MarkInboxMessagesDocument, { as, ids: [...ids], userId })
      return dataOf(answer).markInboxMessages
    }

    async function tokenOf(userId: string, more: { tenantId?: string; scopes?: ('INBOX_READ' | 'INBOX_WRITE')[] } = {}) {
      const input = { userId, scopes: ['INBOX_READ' as const, 'INBOX_WRITE' as const], expiresIn: 'PT1H', ...more }
      return home.enter(dataOf(await home.client.send(IssueTokenDocument, { input })).issueToken.token)
    }

    const countsOf = async (userId: string, tenantId: string | null = null) =>
      dataOf(await home.client.send(InboxCountsDocument, { userId, tenantId })).inboxCounts
    const messageOf = async (id: string) => dataOf(await home.client.send(MessageDocument, { id })).message!

    /** What was told of an inbox while something was done, up to an event that ends it. */
    async function told(userId: string, work: () => Promise<unknown>) {
      const { logCursor } = dataOf(await home.client.send(LogCursorDocument, {}))
      await work()
      const [last] = await fill(userId, 1)
      const events = await collect(
        home.clients.at(-1)!.subscribe(InboxEventsDocument, { userId, after: logCursor }),
        ({ inboxEvents }) => inboxEvents,
        (seen) => seen.at(-1)?.messageId === last,
      )
      await ask(home.client, `mutation { markInboxMessages(ids: ["${last}"], as: ARCHIVED, userId: "${userId}") { id } }`)
      return events.slice(0, -1)
    }

    test('Each mark is kept, told once with the counts that follow, and taken back by its opposite', async () => {
      const [id] = await fill('marker', 1)
      const events = await told('marker', async () => {
        for (const as of [
          'READ',
          'READ',
          'UNREAD',
          'OPENED',
          'OPENED',
          'ARCHIVED',
          'UNARCHIVED',
          'CLICKED',
          'CLICKED',
        ] as const) {
          await mark(as, [id!], 'marker')
        }
      })
      expect(events.map(({ type, counts: { total, unread, unopened } }) => [type, total, unread, unopened])).toEqual([
        ['READ', 1, 0, 1],
        ['UNREAD', 1, 1, 1],
        ['OPENED', 1, 1, 0],
        ['ARCHIVED', 0, 0, 0],
        ['UNARCHIVED', 1, 1, 0],
        ['READ', 1, 0, 0],
        ['CLICKED', 1, 0, 0],
      ])
      expect(events.every(({ messageId, message }) => messageId === id && message?.id === id)).toBe(true)
    })

    test('What is opened or clicked in the inbox moves the message and its delivery', async () => {
      const [id] = await fill('opener', 1)
      await mark('READ', [id!], 'opener')
      expect((await messageOf(id!)).status).toBe('SENT')
      await mark('OPENED', [id!], 'opener')
      expect(await messageOf(id!)).toMatchObject({ status: 'OPENED', deliveries: [{ channel: 'INBOX', status: 'OPENED' }] })
      await mark('CLICKED', [id!], 'opener')
      expect(await messageOf(id!)).toMatchObject({ status: 'CLICKED', deliveries: [{ status: 'CLICKED' }] })
      const types = (await messageOf(id!)).history.nodes.map(({ type, channel }) => [type, channel]).slice(-2)
      expect(types).toEqual([
        ['OPENED', 'INBOX'],
        ['CLICKED', 'INBOX'],
      ])
    })

    test('Those that are gone, of another user or of another environment are left out, whoever asks', async () => {
      const ids = await fill('owner', 2)
      const [foreign] = await fill('stranger', 1)
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'other', input: { name: 'Other' } }))
      const created = await home.client.send(CreateApiKeyDocument, {
        input: { name: 'other', scopes: ['ADMIN'], environmentId: 'other' },
      })
      const other = home.enter(dataOf(created).createApiKey.secret)
      const owner = await tokenOf('owner')
      const asked = [ids[1]!, 'msg_none', foreign!, ids[0]!, ids[1]!]
      expect((await mark('ARCHIVED', asked, null, owner)).map(({ id }) => id)).toEqual([ids[1], ids[0]])
      expect(await mark('CLICKED', ids, 'owner', other)).toEqual([])
      expect(await mark('CLICKED', ids, 'stranger')).toEqual([])
      expect((await messageOf(ids[0]!)).status).toBe('SENT')
      expect(await countsOf('stranger')).toEqual({ total: 1, unread: 1, unopened: 1 })
      for (const userId of ['stranger', 'does-not-exist']) {
        const answer = await owner.send(MarkInboxMessagesDocument, { as: 'READ', ids: [foreign!], userId })
        expect(refusalOf(answer).code).toBe('NOT_FOUND')
      }
      expect(refusalOf(await home.client.send(MarkInboxMessagesDocument, { as: 'READ', ids })).path).toBe('userId')
    })

    test('Many are marked at once, each with what the inbox then counted; of more than 1,000 none is', async () => {
      const ids = await fill('many', 8)
      const events = await told('many', () => mark('READ', ids, 'many'))
      expect(events.map(({ counts }) => counts.unread)).toEqual([7, 6, 5, 4, 3, 2, 1, 0])
      const many = Array.from({ length: 1_001 }, () => ids[0]!)
      const answer = await home.client.send(MarkInboxMessagesDocument, { as: 'UNREAD', ids: many, userId: 'many' })
      expect(refusalOf(answer)).toEqual({ code: 'BAD_USER_INPUT', path: 'ids' })
      expect(answer.errors![0]!.message).toContain('1,000')
      expect((await countsOf('many')).unread).toBe(0)
    })

    test('A token of one tenant marks what is in that inbox alone', async () => {
      const [outside] = await fill('member', 1)
      const [inside] = await fill('member', 1, 'acme')
      const token = await tokenOf('member', { tenantId: 'acme' })
      expect((await mark('READ', [outside!, inside!], null, token)).map(({ id }) => id)).toEqual([inside])
      expect([(await countsOf('member')).unread, (await countsOf('member', 'acme')).unread]).toEqual([1, 0])
    })

    test('Who may write an inbox and not read it marks, and who may only read does not', async () => {
      const [id] = await fill('rights', 1)
      const reader = await tokenOf('rights', { scopes: ['INBOX_READ'] })
      expect(refusalOf(await reader.send(MarkInboxMessagesDocument, { as: 'READ', ids: [id!] })).code).toBe('FORBIDDEN')
      const writer = await tokenOf('rights', { scopes: ['INBOX_WRITE'] })
      expect((await mark('READ', [id!], null, writer)).map((message) => message.id)).toEqual([id])
      expect(refusalOf(await writer.send(InboxDocument, {})).code).toBe('FORBIDDEN')
    })

    test('Whatever is marked in whatever order, also at once, events say what the inbox counted, and it counts so', async () => {
      let nth = 0
      const steps = fc.array(
        fc.record({ as: fc.constantFrom(...MARKS), which: fc.subarray([0, 1, 2], { minLength: 1 }), together: fc.boolean() }),
        { minLength: 1, maxLength: 12 },
      )
      await fc.assert(
        fc.asyncProperty(steps, async (all) => {
          nth += 1
          const userId = `any-${nth}`
          const ids = await fill(userId, 3)
          const events = await told(userId, async () => {
            const under: Promise<unknown>[] = []
            for (const { as, which, together } of all) {
              if (!together) await Promise.all(under.splice(0))
              under.push(
                mark(
                  as,
                  which.map((index) => ids[index]!),
                  userId,
                ),
              )
            }
            await Promise.all(under)
          })
          const model = new Map(ids.map((id) => [id, { read: false, opened: false, archived: false }]))
          for (const { type, messageId, counts } of events) {
            const one = model.get(messageId!)!
            if (type === 'READ' || type === 'UNREAD') one.read = type === 'READ'
            if (type === 'OPENED') one.opened = true
            if (type === 'ARCHIVED' || type === 'UNARCHIVED') one.archived = type === 'ARCHIVED'
            const shown = [...model.values()].filter(({ archived }) => !archived)
            const count = (is: 'read' | 'opened') => shown.filter((each) => !each[is]).length
            expect(counts).toEqual({ total: shown.length, unread: count('read'), unopened: count('opened') })
          }
          const shown = [...model.values()].filter(({ archived }) => !archived)
          expect((await countsOf(userId)).total).toBe(shown.length)
        }),
        { numRuns: 15, seed: 3 },
      )
    }, 90_000)
  })
}
