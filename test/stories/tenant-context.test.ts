import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, sendToAll } from '../support/graph.ts'
import { type House, house, MODES } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      const put = (id: string, input: Record<string, unknown>) =>
        ask(home.client, 'mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }', { id, input })
      const brand = (id: string, primary: string, snippets: object[] = []) =>
        ask(home.client, 'mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { id } }', {
          id,
          input: { name: id, settings: { colors: { primary } }, snippets },
        })
      await brand('default', '#101010', [{ name: 'sign', value: 'The house of {{brand.name}}' }])
      await brand('acme', '#aa0000')
      await brand('special', '#00aa00')
      await put('group', {
        name: 'Group',
        brandId: 'acme',
        properties: { plan: 'gold', region: 'eu' },
        profile: { city: 'Ghent', desk: { floor: 1, wing: 'A' } },
      })
      await put('acme', { name: 'Acme', parentId: 'group', profile: { desk: { floor: 2 } } })
      await put('other', { name: 'Other' })
      await member('acme', 'ada', { role: 'engineer' })
      await member('acme', 'both')
      await member('other', 'both')
      await profile('ada', { email: 'ada@example.com', role: 'guest', name: 'Ada' })
      await profile('both', { email: 'both@example.com' })
      await profile('free', { email: 'free@example.com' })
    })
    afterAll(() => home.stop())

    const member = (tenantId: string, userId: string, own: object = {}) =>
      ask(
        home.client,
        'mutation ($t: ID!, $u: ID!, $p: JSONObject) { addTenantMember(tenantId: $t, userId: $u, profile: $p) { id } }',
        { t: tenantId, u: userId, p: own },
      )
    const profile = (id: string, p: object) =>
      ask(home.client, 'mutation ($id: ID!, $p: JSONObject!) { mergeProfile(userId: $id, profile: $p) { id } }', { id, p })

    /** What one user was mailed, and the message. */
    async function mailed(userId: string, body: string, more: Record<string, unknown> = {}, recipient: object = {}) {
      const [message] = await sendToAll(home.client, { to: [{ userId, ...recipient }], content: { title: 'T', body }, ...more })
      const mail = home.smtp.mails.findLast(({ recipients }) => recipients.includes(`${userId}@example.com`))
      return { message: message!, mail: await readMail(mail!.source) }
    }

    test('A profile is merged from the tenants, root to leaf, the stored one, the member’s and the send’s own', async () => {
      const body =
        '{{profile.name}} {{profile.role}} {{profile.city}} {{profile.desk.floor}}{{profile.desk.wing}} {{profile.mood}}'
      const { mail } = await mailed('ada', body, { tenantId: 'acme' }, { profile: { mood: 'glad' } })
      expect(mail.text).toContain('Ada engineer Ghent 2A glad')
    })

    test('A tenant’s name and its own properties stand in the context of what is said', async () => {
      const { mail } = await mailed('ada', '{{tenant.name}} ({{tenant.id}}) is {{tenant.plan}}', { tenantId: 'group' })
      expect(mail.text).toContain('Group (group) is gold')
    })

    test('Properties are inherited from the tenants above', async () => {
      const { mail } = await mailed('ada', '{{tenant.name}} is {{tenant.plan}} in {{tenant.region}}', { tenantId: 'acme' })
      expect(mail.text).toContain('Acme is gold in eu')
    })

    test('Four levels count, from the leaf: a tenant further up adds nothing to profile, properties and brand', async () => {
      const put = (id: string, parentId: string | null, input: object = {}) =>
        ask(home.client, 'mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }', {
          id,
          input: { name: id, parentId, ...input },
        })
      await put('l1', null, { brandId: 'acme', properties: { one: 1 }, profile: { first: 1 } })
      await put('l2', 'l1', { properties: { two: 2 }, profile: { second: 2 } })
      await put('l3', 'l2')
      await put('l4', 'l3')
      await put('l5', 'l4')
      const body = '[{{tenant.one}}{{tenant.two}} {{profile.first}}{{profile.second}} {{brand.name}}]'
      expect((await mailed('free', body, { tenantId: 'l4' })).mail.text).toContain('[12 12 acme]')
      expect((await mailed('free', body, { tenantId: 'l5' })).mail.text).toContain('[2 2 default]')
    })

    test('The brand is the message’s, else that of the tenant or of one above, else the default; its snippets are seen from each', async () => {
      const own = await mailed('ada', '{{brand.name}}: {{> sign}}', { tenantId: 'acme', brandId: 'special' })
      expect(own.mail.text).toContain('special: The house of special')
      expect(own.mail.html).toContain('#00aa00')
      const inherited = await mailed('ada', '{{brand.name}}', { tenantId: 'acme' })
      expect(inherited.mail.text).toContain('acme')
      const fallback = await mailed('free', '{{brand.name}}', {})
      expect(fallback.mail.text).toContain('default')
    })

    test('A user who is a member of exactly one tenant stands in its context where none is given; one of several in none', async () => {
      const { message, mail } = await mailed('ada', 'at {{tenant.name}}')
      expect(message.tenantId).toBe('acme')
      expect(mail.text).toContain('at Acme')
      expect((await mailed('both', 'hello')).message.tenantId).toBeNull()
      expect((await mailed('free', 'hello')).message.tenantId).toBeNull()
    })

    test('A recipient’s own tenant goes before the request’s, and need not be one that they are a member of', async () => {
      const { message } = await mailed('free', 'hello', { tenantId: 'other' }, { tenantId: 'acme' })
      expect(message.tenantId).toBe('acme')
    })

    test('What was sent in a tenant is in that tenant’s inbox alone, and what was sent without one in the inbox without', async () => {
      const inbox = async (tenantId: string | null) => {
        const answer = await ask<{ inbox: { nodes: { title: string }[] } }>(
          home.client,
          'query ($t: ID) { inbox(userId: "boxed", tenantId: $t) { nodes { title } } }',
          { t: tenantId },
        )
        return answer.inbox.nodes.map(({ title }) => title)
      }
      await sendToAll(home.client, { to: [{ userId: 'boxed' }], content: { title: 'for all' } })
      await sendToAll(home.client, { to: [{ userId: 'boxed' }], content: { title: 'for acme' }, tenantId: 'acme' })
      expect(await inbox(null)).toEqual(['for all'])
      expect(await inbox('acme')).toEqual(['for acme'])
      expect(await inbox('other')).toEqual([])
    })

    test('Members who are reached through a group stand in the context that holds for them', async () => {
      await ask(home.client, 'mutation { subscribeToList(listId: "mixed", userIds: ["ada", "both", "free"]) { id } }')
      const contexts = async (more: object) =>
        (await sendToAll(home.client, { content: { title: 'x' }, ...more })).map(({ userId, tenantId }) => [userId, tenantId])
      expect(await contexts({ to: [{ listId: 'mixed' }] })).toEqual([
        ['ada', 'acme'],
        ['both', null],
        ['free', null],
      ])
      expect(await contexts({ to: [{ listId: 'mixed', tenantId: 'other' }], tenantId: 'acme' })).toEqual([
        ['ada', 'other'],
        ['both', 'other'],
        ['free', 'other'],
      ])
    })

    test('Events of a message say its tenant, and can be followed by it', async () => {
      const after = (await ask<{ logCursor: string }>(home.client, '{ logCursor }')).logCursor
      const { message } = await mailed('ada', 'hello', { tenantId: 'acme' })
      const { messages } = await ask<{ messages: { nodes: { id: string }[] } }>(
        home.client,
        '{ messages(filter: { tenantId: "acme" }, first: 1) { nodes { id } } }',
      )
      expect(messages.nodes).toEqual([{ id: message.id }])
      const { parse } = await import('graphql')
      const events = home.client.subscribe<{ messageEvents: { messageId: string; type: string } }, Record<string, unknown>>(
        parse('subscription ($after: String) { messageEvents(filter: { tenantId: "acme" }, after: $after) { messageId type } }'),
        { after },
      )
      for await (const { data } of events) {
        expect(data?.messageEvents).toEqual({ messageId: message.id, type: 'ENQUEUED' })
        break
      }
    })
  })
}
