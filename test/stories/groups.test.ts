import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, type Reached, sendToAll } from '../support/graph.ts'
import { document, type House, house, MODES, refusalOf } from '../support/house.ts'

const content = { title: 'Doors open at 8' }

const users = (messages: readonly Reached[]) => messages.map(({ userId }) => userId)

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      const lists: [string, string[]][] = [
        ['news', ['ada', 'grace']],
        ['news.tech', ['ada', 'edsger']],
        ['news.tech.db', ['edsger', 'jim']],
        ['sport.tech', ['barbara']],
      ]
      for (const [id, userIds] of lists) await subscribe(id, userIds)
      await mutate('putTenant(id: "acme", input: { name: "Acme" }) { id }')
      await mutate('putTenant(id: "acme-labs", input: { name: "Labs", parentId: "acme" }) { id }')
      await mutate('putTenant(id: "acme-deep", input: { name: "Deep", parentId: "acme-labs" }) { id }')
      for (const [tenantId, userId] of [
        ['acme', 'ann'],
        ['acme', 'bob'],
        ['acme-labs', 'bob'],
        ['acme-labs', 'cid'],
        ['acme-deep', 'dot'],
      ]) {
        await mutate(`addTenantMember(tenantId: "${tenantId}", userId: "${userId}") { id }`)
      }
    })
    afterAll(() => home.stop())

    const mutate = (field: string, variables = '', values: Record<string, unknown> = {}) =>
      ask(home.client, `mutation ${variables && `(${variables})`} { ${field} }`, values)
    const subscribe = (listId: string, userIds: readonly string[]) =>
      mutate('subscribeToList(listId: $listId, userIds: $userIds) { id }', '$listId: ID!, $userIds: [ID!]!', { listId, userIds })
    const refused = async (input: Record<string, unknown>, key?: string) =>
      home.client.send(document('mutation ($input: SendInput!) { send(input: $input) { requestId } }'), {
        input: { content, ...input, ...(key && { idempotencyKey: key }) },
      })

    test('A send to a list gives every subscriber a message of their own under one request', async () => {
      const { send } = await ask<{ send: { requestId: string; message: unknown; request: { expanded: boolean } } }>(
        home.client,
        'mutation ($input: SendInput!) { send(input: $input) { requestId message { id } request { id expanded } } }',
        { input: { to: [{ listId: 'news' }], content } },
      )
      expect(send.message).toBeNull()
      const messages = await sendToAll(home.client, { to: [{ listId: 'news' }], content })
      expect(messages.map(({ userId, status, listId }) => ({ userId, status, listId }))).toEqual([
        { userId: 'ada', status: 'SENT', listId: 'news' },
        { userId: 'grace', status: 'SENT', listId: 'news' },
      ])
      expect(new Set(messages.map(({ id }) => id)).size).toBe(2)
    })

    test.each<[string, string[]]>([
      ['news.*', ['ada', 'edsger']],
      ['*.tech', ['ada', 'barbara', 'edsger']],
      ['news.**', ['ada', 'edsger', 'jim']],
      ['news', ['ada', 'grace']],
      ['*.*.db', ['edsger', 'jim']],
      ['nothing.*', []],
    ])('A send to the lists that %s fits reaches each of their users once', async (listPattern, expected) => {
      expect(users(await sendToAll(home.client, { to: [{ listPattern }], content }))).toEqual(expected)
    })

    test('A send to an audience reaches who is in it at that moment', async () => {
      const filter = { operator: 'EQ', path: 'plan', value: 'pro' }
      await mutate('putAudience(id: "pro", input: { name: "Pro", filter: $filter }) { id }', '$filter: AudienceFilter!', {
        filter,
      })
      await mutate('mergeProfile(userId: "ada", profile: { plan: "pro" }) { id }')
      const [message, ...others] = await sendToAll(home.client, { to: [{ audienceId: 'pro' }], content })
      expect(message).toMatchObject({ userId: 'ada', audienceId: 'pro', listId: null })
      expect(others).toEqual([])
      await mutate('mergeProfile(userId: "ada", profile: { plan: "free" }) { id }')
      await mutate('mergeProfile(userId: "grace", profile: { plan: "pro" }) { id }')
      expect(users(await sendToAll(home.client, { to: [{ audienceId: 'pro' }], content }))).toEqual(['grace'])
    })

    test('A send to a tenant reaches its members, each in its context', async () => {
      const messages = await sendToAll(home.client, { to: [{ tenant: { id: 'acme' } }], content })
      expect(messages.map(({ userId, tenantId }) => [userId, tenantId])).toEqual([
        ['ann', 'acme'],
        ['bob', 'acme'],
      ])
    })

    test('With its descendants it reaches each of their members once, in the context of the nearest tenant', async () => {
      const messages = await sendToAll(home.client, { to: [{ tenant: { id: 'acme', includeDescendants: true } }], content })
      expect(messages.map(({ userId, tenantId }) => [userId, tenantId])).toEqual([
        ['ann', 'acme'],
        ['bob', 'acme'],
        ['cid', 'acme-labs'],
        ['dot', 'acme-deep'],
      ])
    })

    test('Whoever one request names several times, in person and by groups, gets one message', async () => {
      const to = [
        { userId: 'ada', data: { by: 'name' } },
        { userId: 'ada' },
        { listId: 'news' },
        { listPattern: 'news.**' },
        { tenant: { id: 'acme' } },
        { userId: 'ann' },
      ]
      const messages = await sendToAll(home.client, { to, content })
      expect(users(messages)).toEqual(['ada', 'ann', 'bob', 'edsger', 'grace', 'jim'])
    })

    test('Two persons of the same name in one send are one person, whose message has the id of the request', async () => {
      const { send } = await ask<{ send: { requestId: string; message: { id: string } } }>(
        home.client,
        'mutation ($input: SendInput!) { send(input: $input) { requestId message { id } } }',
        { input: { to: [{ userId: 'ada' }, { userId: 'ada' }], content } },
      )
      expect(send.message.id).toBe(send.requestId)
    })

    test('A group larger than a page is expanded to its last member', async () => {
      const everybody = Array.from({ length: 1_203 }, (_, index) => `member-${String(index).padStart(4, '0')}`)
      await subscribe('everybody', everybody)
      const messages = await sendToAll(home.client, { to: [{ listId: 'everybody' }], content })
      expect(users(messages)).toEqual(everybody)
      expect(new Set(messages.map(({ status }) => status))).toEqual(new Set(['SENT']))
    })

    test('A list without subscribers is expanded to nobody', async () => {
      await mutate('putList(id: "empty", input: { name: "Empty" }) { id }')
      expect(await sendToAll(home.client, { to: [{ listId: 'empty' }], content })).toEqual([])
    })

    test.each<[string, Record<string, unknown>, string]>([
      ['list', { to: [{ listId: 'nowhere' }] }, "The list id 'nowhere' was not found."],
      ['audience', { to: [{ audienceId: 'nowhere' }] }, "The audience_id 'nowhere' was not found."],
      ['tenant', { to: [{ tenant: { id: 'nowhere' } }] }, "The tenant 'nowhere' was not found."],
      ['tenant as context', { to: [{ userId: 'ada' }], tenantId: 'nowhere' }, "The tenant 'nowhere' was not found."],
      ["recipient's tenant", { to: [{ userId: 'ada', tenantId: 'nowhere' }] }, "The tenant 'nowhere' was not found."],
      ['topic', { to: [{ userId: 'ada' }], topicId: 'nowhere' }, "The topic 'nowhere' was not found."],
      ['brand', { to: [{ userId: 'ada' }], brandId: 'nowhere' }, "The brand 'nowhere' was not found."],
    ])('An unknown %s is refused before anything is created, and its idempotency key stays unused', async (_, input, message) => {
      const key = `unknown-${Buffer.from(JSON.stringify(input)).toString('base64url')}`
      const before = await ask<{ messages: { nodes: { id: string }[] } }>(home.client, '{ messages(first: 1) { nodes { id } } }')
      const answer = await refused({ ...input, to: [...(input.to as object[]), { userId: 'ada' }] }, key)
      expect(refusalOf(answer).code).toBe('NOT_FOUND')
      expect(answer.errors[0]?.message).toBe(message)
      expect(await ask(home.client, '{ messages(first: 1) { nodes { id } } }')).toEqual(before)
      const other = await refused({ to: [{ userId: 'ada' }] }, key)
      expect(other.errors).toEqual([])
    })

    test.each<[string, Record<string, unknown>, string]>([
      ['a list and a user', { listId: 'news', userId: 'ada' }, 'input.to.0.userId'],
      ['a list and an audience', { listId: 'news', audienceId: 'pro' }, 'input.to.0'],
      ['a tenant and a place', { tenant: { id: 'acme' }, webhook: { url: 'https://example.com/' } }, 'input.to.0'],
      ['a pattern that is none', { listPattern: 'news.**.db' }, 'input.to.0.listPattern'],
      ['a wildcard in a list id', { listId: 'news.*' }, 'input.to.0.listId'],
      ['a list at one address', { listId: 'news', profile: { email: 'boss@example.com' } }, 'input.to.0.profile.email'],
      ['nobody', {}, 'input.to.0'],
    ])('A recipient that is %s is refused with its path', async (_, recipient, path) => {
      expect(refusalOf(await refused({ to: [recipient] }))).toEqual({ code: 'BAD_USER_INPUT', path })
    })

    test('A send names at most 100 groups; one that it repeats counts once', async () => {
      const groups = (count: number) => Array.from({ length: count }, (_, index) => ({ listPattern: `team${index}.*` }))
      expect(refusalOf(await refused({ to: groups(101) }))).toEqual({ code: 'BAD_USER_INPUT', path: 'input.to' })
      expect((await refused({ to: [...groups(100), ...groups(100)] })).errors).toEqual([])
    })

    test('Of several lists that name a user, the first by its id says what holds for those who chose nothing', async () => {
      await mutate('putTopic(id: "offers", input: { name: "Offers", defaultStatus: OPTED_IN }) { id }')
      const says = (status: string) => `{ name: "x", preferences: [{ topicId: "offers", status: ${status} }] }`
      await mutate(
        `a: putList(id: "z.a", input: ${says('OPTED_OUT')}) { id } b: putList(id: "z.b", input: ${says('OPTED_IN')}) { id }`,
      )
      await subscribe('z.a', ['zoe'])
      await subscribe('z.b', ['zoe', 'zed'])
      const messages = await sendToAll(home.client, { to: [{ listPattern: 'z.*' }], content, topicId: 'offers' })
      expect(messages.map(({ userId, listId, reason }) => [userId, listId, reason])).toEqual([
        ['zed', 'z.b', null],
        ['zoe', 'z.a', 'OPT_IN_REQUIRED'],
      ])
    })

    test('What a recipient says for its group holds for each member, and their own data is over the request’s', async () => {
      const to = [{ listId: 'news', data: { who: 'group' } }]
      const messages = await sendToAll(home.client, {
        to,
        content: { title: '{{who}} {{what}}' },
        data: { who: 'all', what: 'news' },
      })
      const { inbox } = await ask<{ inbox: { nodes: { id: string; title: string }[] } }>(
        home.client,
        '{ inbox(userId: "grace") { nodes { id title } } }',
      )
      expect(inbox.nodes.find(({ id }) => id === messages[1]!.id)?.title).toBe('group news')
    })
  })
}
