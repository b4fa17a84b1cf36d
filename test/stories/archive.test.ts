import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, settledRequest } from '../support/graph.ts'
import { type House, house, MODES } from '../support/house.ts'

interface Page {
  readonly nodes: readonly { readonly id: string }[]
  readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string }
}

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const content = { title: 'Doors open at 8' }
    const archive = async (id: string) =>
      (
        await ask<{ archiveRequest: { archivedAt: string } }>(
          home.client,
          `mutation { archiveRequest(id: "${id}") { archivedAt } }`,
        )
      ).archiveRequest
    const list = async (args: string) =>
      (await ask<{ messages: Page }>(home.client, `{ messages${args} { nodes { id } pageInfo { hasNextPage endCursor } } }`))
        .messages
    const idsOf = async (args: string) => (await list(args)).nodes.map(({ id }) => id)

    test('An archived request is out of the default listing, and its messages stay readable', async () => {
      const kept = await home.send({ to: [{ userId: 'kept' }], content })
      const hidden = await home.send({ to: [{ userId: 'hidden' }], content })
      const { archivedAt } = await archive(hidden)
      expect(await idsOf('')).toEqual([kept])
      expect(await idsOf('(filter: { statuses: [ENQUEUED, ROUTED, SENT] })')).toEqual([kept])
      expect(await idsOf('(filter: { archived: true })')).toEqual([hidden])
      expect(await idsOf('(filter: { archived: null })')).toEqual([hidden, kept])
      expect(await idsOf(`(filter: { requestId: "${hidden}", archived: null })`)).toEqual([hidden])
      const read = `{ message(id: "${hidden}") { id request { archivedAt messages { nodes { id } } } } }`
      expect(await ask(home.client, read)).toEqual({
        message: { id: hidden, request: { archivedAt, messages: { nodes: [{ id: hidden }] } } },
      })
    })

    test('Archiving a request again leaves it as it was', async () => {
      const id = await home.send({ to: [{ userId: 'again' }], content })
      expect(await archive(id)).toEqual(await archive(id))
    })

    test('Messages that are made after their request was archived are hidden as well', async () => {
      const userIds = JSON.stringify(Array.from({ length: 40 }, (_, index) => `reader-${index}`))
      await ask(home.client, `mutation { subscribeToList(listId: "readers", userIds: ${userIds}) { id } }`)
      const id = await home.send({ to: [{ listId: 'readers' }], content })
      await archive(id)
      expect(await settledRequest(home.client, id)).toHaveLength(40)
      expect(await idsOf(`(filter: { requestId: "${id}" })`)).toEqual([])
      expect(await idsOf(`(first: 100, filter: { requestId: "${id}", archived: true })`)).toHaveLength(40)
    })

    test('Pages of the default listing close over what is hidden', async () => {
      const ids: string[] = []
      for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) {
        ids.unshift(await home.send({ to: [{ userId: 'pages' }], content, metadata: { event: `page ${name}` } }))
      }
      await archive(ids[1]!)
      await archive(ids[4]!)
      const found: string[] = []
      for (let after = ''; ; ) {
        const page = await list(`(first: 2, filter: { userId: "pages" }${after})`)
        found.push(...page.nodes.map(({ id }) => id))
        if (!page.pageInfo.hasNextPage) break
        after = `, after: "${page.pageInfo.endCursor}"`
      }
      expect(found).toEqual(ids.filter((_, index) => index !== 1 && index !== 4))
    })
  })
}
