import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ask, settledRequest } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

interface Output {
  readonly channel: string
  readonly providerId: string | null
  readonly subject: string | null
  readonly title: string | null
  readonly text: string | null
  readonly html: string | null
  readonly payload: unknown
}

const PREVIEW = document<{ preview: readonly Output[] }>(
  'query ($input: PreviewInput!) { preview(input: $input) { channel providerId subject title text html payload } }',
)
const LINK = document<{ previewLink: { url: string; expiresAt: string } }>(
  'query ($input: PreviewInput!) { previewLink(input: $input) { url expiresAt } }',
)

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      await mutate(
        'putTopic(id: "news", input: { name: "News", defaultStatus: OPTED_IN, includeUnsubscribeHeader: true }) { id }',
      )
      await mutate('putBrand(id: "acme", input: { name: "Acme", snippets: [{ name: "who", value: "Acme" }] }) { id }')
      await mutate('putTenant(id: "acme", input: { name: "Acme", brandId: "acme", properties: { plan: "gold" } }) { id }')
      await mutate('mergeProfile(userId: "ada", profile: { email: "ada@example.com", name: "Ada", locale: "fr-CA" }) { id }')
      await mutate('addTenantMember(tenantId: "acme", userId: "ada") { id }')
      await put({ content: { title: 'First {{n}}', body: 'For {{profile.name}}' }, topicId: 'news' })
      await mutate('publishTemplate(id: "welcome") { id }')
      await put({ content: { title: 'Second {{n}}' } })
      await mutate('publishTemplate(id: "welcome") { id }')
      await put({ content: { title: 'Third {{n}}' } })
    })
    afterAll(() => home.stop())

    const mutate = (field: string) => ask(home.client, `mutation { ${field} }`)
    const put = (input: object) =>
      ask(home.client, 'mutation ($input: TemplateInput!) { putTemplate(id: "welcome", input: $input) { id } }', {
        input: { name: 'Welcome', ...input },
      })
    const ask1 = (input: object) => home.client.send(PREVIEW, { input })
    const preview = async (input: object) => dataOf(await ask1(input)).preview
    const subject = async (input: object) => (await preview({ channels: ['EMAIL'], ...input }))[0]!.subject
    const refused = async (input: object) => refusalOf(await ask1(input))
    const said = async (input: object) => (await ask1(input)).errors[0]?.message
    const send = async (input: object) => {
      const { send } = await ask<{ send: { requestId: string } }>(
        home.client,
        'mutation ($input: SendInput!) { send(input: $input) { requestId } }',
        { input },
      )
      await settledRequest(home.client, send.requestId)
      return send.requestId
    }

    test('A template is shown as it is published, in a version, or as its draft', async () => {
      expect(await subject({ template: 'welcome', data: { n: 1 } })).toBe('Second 1')
      expect(await subject({ template: 'welcome', version: 1, data: { n: 2 } })).toBe('First 2')
      expect(await subject({ template: 'welcome', draft: true, data: { n: 3 } })).toBe('Third 3')
    })

    test('A content is shown on every channel that can take it, and nothing comes of it', async () => {
      const before = home.smtp.mails.length
      const outputs = await preview({ content: { title: 'Tea', body: '**Hot**' } })
      expect(outputs.map(({ channel }) => channel)).toEqual(['EMAIL', 'SMS', 'PUSH', 'INBOX', 'DIRECT_MESSAGE', 'WEBHOOK'])
      expect(outputs[0]).toMatchObject({
        subject: 'Tea',
        text: expect.stringContaining('Hot'),
        html: expect.stringContaining('<'),
      })
      expect(outputs[1]).toMatchObject({ text: 'Tea\n\nHot', payload: { encoding: 'GSM_7', segments: 1 } })
      expect(outputs[4]!.payload).toEqual([
        { kind: 'heading', level: 1, spans: [{ text: 'Tea' }] },
        { kind: 'text', spans: [{ text: 'Hot', bold: true }] },
      ])
      const { messages } = await ask<{ messages: { nodes: unknown[] } }>(home.client, '{ messages { nodes { id } } }')
      expect(messages.nodes).toEqual([])
      expect(home.smtp.mails.length).toBe(before)
    })

    test('What can be pressed in an inbox is told, with a preview and with what was sent', async () => {
      const fields = 'channel actions { label href data }'
      const elements = [
        { type: 'action', content: 'Open', href: 'https://tea.example/{{n}}', style: 'button', action_id: 'open' },
        { type: 'action', content: 'Write', href: 'mailto:a@tea.example' },
      ]
      const content = { title: 'Tea', elements }
      const told = { label: 'Open', href: 'https://tea.example/1', data: { style: 'button', id: 'open' } }
      const { preview } = await ask<{ preview: unknown[] }>(
        home.client,
        `query ($input: PreviewInput!) { preview(input: $input) { ${fields} } }`,
        { input: { content, data: { n: 1 }, channels: ['INBOX', 'SMS'] } },
      )
      expect(preview).toContainEqual({ channel: 'INBOX', actions: [told] })
      expect(preview).toContainEqual({ channel: 'SMS', actions: [] })
      const routing = { method: 'SINGLE', channels: [{ channel: 'INBOX' }] }
      const id = await send({ to: [{ userId: 'ada' }], content, data: { n: 1 }, routing })
      const { message } = await ask<{ message: unknown }>(home.client, `{ message(id: "${id}") { output { ${fields} } } }`)
      expect(message).toEqual({ output: [{ channel: 'INBOX', actions: [told] }] })
    })

    test('It is shown as to a user: their profile, tenant, brand and language, each over by what is given', async () => {
      const elements = [
        { type: 'meta', title: '{{profile.name}} {{tenant.plan}} {{> who}}', locales: { fr: { title: 'FR {{profile.name}}' } } },
      ]
      const content = { elements: [...elements, { type: 'text', content: '-' }] }
      expect(await subject({ content, userId: 'ada' })).toBe('FR Ada')
      expect(await subject({ content, userId: 'ada', locale: 'en', profile: { name: 'Countess' } })).toBe('Countess gold Acme')
      expect(await subject({ content, tenantId: 'acme' })).toBe('gold Acme')
      expect(await subject({ content, brandId: 'acme' })).toBe('Acme')
    })

    test('Links in it act for nobody', async () => {
      const content = { title: 'Hi', body: '[out]({{urls.preferences}})' }
      const [output] = await preview({ content, userId: 'ada', channels: ['EMAIL'] })
      expect(output!.html).toContain('/preferences/preview')
      const [other] = await preview({ template: 'welcome', version: 1, userId: 'ada', channels: ['EMAIL'] })
      expect(other!.html).toContain('/unsubscribe/preview')
      const links = [...other!.html!.matchAll(/\/(?:unsubscribe|preferences)\/([\w.-]+)/g)].map(([, token]) => token)
      expect(new Set(links)).toEqual(new Set(['preview']))
    })

    test('A past message is shown with its own data and user, as it was sent or under any other text of its template', async () => {
      const messageId = await send({ to: [{ userId: 'ada' }], template: 'welcome', data: { n: 7 }, tenantId: 'acme' })
      expect(await subject({ messageId })).toBe('Second 7')
      expect(await subject({ messageId, version: 1 })).toBe('First 7')
      expect(await subject({ messageId, draft: true })).toBe('Third 7')
      expect(await subject({ messageId, data: { n: 8 } })).toBe('Second 8')
      const [first] = await preview({ messageId, version: 1, channels: ['SMS'] })
      expect(first!.text).toBe('First 7\n\nFor Ada')
    })

    test('A past message is shown with what its send said of its channels', async () => {
      const channels = { EMAIL: { override: { subject: 'Instead' } } }
      const messageId = await send({ to: [{ userId: 'ada' }], content: { title: 'Plain' }, channels: { email: channels.EMAIL } })
      expect(await subject({ messageId })).toBe('Instead')
      expect(await refused({ messageId, version: 1 })).toMatchObject({ code: 'BAD_USER_INPUT', path: 'input.version' })
    })

    test('A channel that the content has nothing for is left out, unless it is asked for by name', async () => {
      const content = { elements: [{ type: 'text', content: 'Only here', channels: ['email'] }] }
      expect((await preview({ content })).map(({ channel }) => channel)).toEqual(['EMAIL', 'WEBHOOK'])
      expect(await refused({ content, channels: ['EMAIL', 'SMS'] })).toEqual({ code: 'BAD_USER_INPUT', path: 'input.channels' })
    })

    test('A channel for which its conditions leave nothing is left out just so', async () => {
      const elements = [
        { type: 'text', content: 'Tea', channels: ['email'] },
        { type: 'text', content: 'Rare', channels: ['sms', 'push'], if: 'data.rare' },
      ]
      const shown = async (rare: boolean) =>
        (await preview({ content: { elements }, data: { rare } })).map(({ channel }) => channel)
      expect(await shown(true)).toEqual(['EMAIL', 'SMS', 'PUSH', 'WEBHOOK'])
      expect(await shown(false)).toEqual(['EMAIL', 'WEBHOOK'])
    })

    test('A channel that cannot show what it has is an error that names it and the element, whatever the others show', async () => {
      const elements = [
        { type: 'text', content: 'Tea' },
        { type: 'text', content: 'It costs {{format "%.2f" total}}', channels: ['sms'] },
      ]
      const input = { content: { elements }, data: { total: 'a lot' } }
      expect(await said(input)).toMatch(/^SMS: elements\.1\.content: .*format/)
      expect(await refused(input)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.content' })
      await put({ content: { elements: [{ type: 'text', content: 'Hi\n{{nobody}}' }] }, onMissingVariable: 'FAIL' })
      expect(await said({ template: 'welcome', draft: true, channels: ['SMS'] })).toMatch(/^SMS: elements\.0\.content: .*nobody/)
      expect(await said({ template: 'welcome', draft: true })).toMatch(/^EMAIL: elements\.0\.content: .*nobody/)
    })

    test("Data of a template are checked as a send's would be; without any its text is shown all the same", async () => {
      const dataSchema = { type: 'object', required: ['total'], properties: { total: { type: 'number' }, n: { type: 'number' } } }
      await put({ content: { title: 'Total {{total}}' }, dataSchema })
      const draft = { template: 'welcome', draft: true }
      const faulty = { ...draft, data: { total: 'a lot' } }
      expect(await refused(faulty)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.data.total' })
      expect(await refused({ ...draft, data: {} })).toMatchObject({ code: 'BAD_USER_INPUT' })
      expect(refusalOf(await home.client.send(LINK, { input: faulty }))).toMatchObject({ path: 'input.data.total' })
      expect(await subject(draft)).toBe('Total')
      expect(await subject({ ...draft, data: { total: 4 } })).toBe('Total 4')
    })

    test("What is given over a past message's data is checked with them", async () => {
      const messageId = await send({ to: [{ userId: 'ada' }], template: 'welcome', data: { n: 7 } })
      const properties = { total: { type: 'number' }, n: { type: 'number' } }
      await put({ content: { title: '{{n}}: {{total}}' }, dataSchema: { type: 'object', required: ['total', 'n'], properties } })
      const draft = { messageId, draft: true }
      expect(await subject(draft)).toBe('7:')
      expect(await subject({ ...draft, data: { total: 4 } })).toBe('7: 4')
      expect(await refused({ ...draft, data: { total: 'a lot' } })).toEqual({ code: 'BAD_USER_INPUT', path: 'input.data.total' })
    })

    test('What an account alone says is shown as that account would', async () => {
      await mutate('putProvider(id: "team", input: { kind: "slack", settings: {} }) { id }')
      const slack = { type: 'channel', channel: 'slack', raw: { text: 'Tea', blocks: [{ type: 'divider' }] } }
      const content = { elements: [slack, { type: 'channel', channel: 'sms', elements: [{ type: 'text', content: 'Tea' }] }] }
      const outputs = await preview({ content, channels: ['SMS', 'DIRECT_MESSAGE'] })
      expect(outputs).toMatchObject([
        { channel: 'SMS', providerId: null, text: 'Tea' },
        { channel: 'DIRECT_MESSAGE', providerId: 'team', payload: [{ type: 'divider' }] },
      ])
    })

    test('An account that the content names is shown beside the others of its channel', async () => {
      await mutate('putProvider(id: "crew", input: { kind: "slack", settings: {} }) { id }')
      await mutate('putProvider(id: "club", input: { kind: "discord", settings: {} }) { id }')
      const elements = [
        { type: 'text', content: 'To all' },
        { type: 'text', content: 'On Slack', channels: ['slack'] },
        { type: 'group', elements: [{ type: 'text', content: 'In the club', channels: ['club'] }] },
      ]
      const outputs = await preview({ content: { elements }, channels: ['DIRECT_MESSAGE'] })
      const texts = new Map(outputs.map(({ providerId, text }) => [providerId, text]))
      expect(texts.get(null)).toBe('To all')
      expect(texts.get('crew')).toBe('To all\n\nOn Slack')
      expect(texts.get('club')).toBe('To all\n\nIn the club')
    })

    test('It is shown as one account would send it, where that is asked for', async () => {
      await mutate('putProvider(id: "desk", input: { kind: "slack", settings: {} }) { id }')
      const raw = { text: 'Tea', blocks: [{ type: 'divider' }] }
      const elements = [
        { type: 'channel', channel: 'slack', raw },
        { type: 'channel', channel: 'default', elements: [{ type: 'text', content: 'Tea' }] },
      ]
      const content = { elements }
      expect(await preview({ content, providerId: 'desk' })).toMatchObject([
        { channel: 'DIRECT_MESSAGE', providerId: 'desk', text: 'Tea', payload: raw.blocks },
      ])
      expect(await preview({ content, providerId: 'smtp' })).toMatchObject([{ channel: 'EMAIL', providerId: 'smtp' }])
      expect(await refused({ content, providerId: 'nobody' })).toMatchObject({ code: 'NOT_FOUND' })
      expect(await refused({ content, providerId: 'desk', channels: ['SMS'] })).toMatchObject({ path: 'input.channels' })
      const nothing = { elements: [elements[0]] }
      expect(await refused({ content: nothing, providerId: 'smtp' })).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.providerId',
      })
      const faulty = {
        elements: [{ type: 'channel', channel: 'slack', elements: [{ type: 'text', content: '{{divide 1 0}}' }] }],
      }
      expect(await said({ content: faulty, providerId: 'desk' })).toMatch(
        /^DIRECT_MESSAGE by 'desk': elements\.0\.elements\.0\.content: /,
      )
    })

    test('Exactly one thing is shown, and only what is there', async () => {
      const content = { title: 'Tea' }
      expect(await refused({})).toMatchObject({ code: 'BAD_USER_INPUT', path: 'input' })
      expect(await refused({ content, template: 'welcome' })).toMatchObject({ path: 'input' })
      expect(await refused({ content, draft: true })).toMatchObject({ path: 'input.draft' })
      expect(await refused({ template: 'welcome', version: 1, draft: true })).toMatchObject({ path: 'input.version' })
      expect(await refused({ content, channels: [] })).toMatchObject({ path: 'input.channels' })
      expect(await refused({ content: {} })).toMatchObject({ path: 'input.content' })
      for (const input of [
        { template: 'nobody' },
        { template: 'welcome', version: 99 },
        { messageId: 'msg-nobody' },
        { content, userId: 'nobody' },
        { content, tenantId: 'nobody' },
        { content, brandId: 'nobody' },
      ]) {
        expect(await refused(input)).toMatchObject({ code: 'NOT_FOUND' })
      }
    })

    test('What lies in another environment looks as if it were nowhere', async () => {
      await mutate('putEnvironment(id: "staging", input: { name: "Staging" }) { id }')
      const { createApiKey } = await ask<{ createApiKey: { secret: string } }>(
        home.client,
        'mutation { createApiKey(input: { name: "s", environmentId: "staging", scopes: [SEND] }) { secret } }',
      )
      const messageId = await send({ to: [{ userId: 'ada' }], content: { title: 'Mine' } })
      const stranger = home.enter(createApiKey.secret)
      for (const input of [{ messageId }, { template: 'welcome' }, { content: { title: 'Hi' }, userId: 'ada' }]) {
        expect(refusalOf(await stranger.send(PREVIEW, { input }))).toMatchObject({ code: 'NOT_FOUND' })
        expect(refusalOf(await stranger.send(LINK, { input }))).toMatchObject({ code: 'NOT_FOUND' })
      }
    })
  })
}
