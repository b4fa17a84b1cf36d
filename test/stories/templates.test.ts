import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  DeleteTemplateDocument,
  PublishTemplateDocument,
  PutEnvironmentDocument,
  PutTemplateDocument,
  type RoutingInput,
  type TemplateInput,
} from '../generated/graphql.ts'
import type { Client, SendOptions } from '../support/client.ts'
import { ask, planOf, sendToAll, settledRequest } from '../support/graph.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

type Input = Omit<TemplateInput, 'name'>
const Send = document<{ send: { requestId: string } }>('mutation ($input: SendInput!) { send(input: $input) { requestId } }')

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    let client: Client

    beforeAll(async () => {
      home = await house({ mode })
      client = home.client
      await ask(client, 'mutation { putTopic(id: "receipts", input: { name: "Receipts", defaultStatus: OPTED_OUT }) { id } }')
      await ask(client, 'mutation { putTopic(id: "news", input: { name: "News", defaultStatus: OPTED_IN }) { id } }')
      for (const id of ['acme', 'umbrella', 'initech']) {
        const brand = `{ name: "${id}", snippets: [{ name: "who", value: "${id}" }] }`
        await ask(client, `mutation { putBrand(id: "${id}", input: ${brand}) { id } }`)
      }
    })
    afterAll(() => home.stop())

    const put = (id: string, input: Input, options: SendOptions = {}) =>
      client.send(PutTemplateDocument, { id, input: { name: id, ...input } }, options)
    const publish = (id: string, more: { version?: number; force?: boolean } = {}) =>
      client.send(PublishTemplateDocument, { id, ...more })
    /** Puts it and publishes it; the number of its version. */
    const make = async (id: string, input: Input) => {
      dataOf(await put(id, input))
      return dataOf(await publish(id)).publishTemplate.published!.number
    }
    const send = (input: object) => client.send(Send, { input: { to: [{ userId: 'ada' }], ...input } })
    /** Sends to one person by the inbox, and waits: what they were shown. */
    const shown = async (template: string, more: object = {}) => {
      const [one] = await sendToAll(client, { to: [{ userId: 'ada' }], template, ...more })
      return messageOf(one!.id)
    }
    const messageOf = async (id: string) =>
      (
        await ask<{ message: Record<string, unknown> & { output: { channel: string; title: string; subject: string }[] } }>(
          client,
          `query ($id: ID!) { message(id: $id) {
            id status reason error templateId templateVersion topicId output { channel title subject text }
            decisions { rule subject passed because } deliveries { channel providerId }
          } }`,
          { id },
        )
      ).message
    const titleOf = async (template: string, more: object = {}) => {
      const { output } = await shown(template, more)
      return output[0]?.title ?? output[0]?.subject
    }
    const refusedFor = async (input: object) => refusalOf(await send(input))

    test('A draft is edited without a send seeing it; what is published is what a send uses, and never changes', async () => {
      expect(await make('drafts', { content: { title: 'One' } })).toBe(1)
      dataOf(await put('drafts', { content: { title: 'Two' }, tags: ['x'] }))
      expect(await titleOf('drafts')).toBe('One')
      const { template } = await ask<{ template: { tags: unknown; draft: unknown; published: unknown } }>(
        client,
        '{ template(id: "drafts") { tags draft { number content { title } } published { number content { title } } } }',
      )
      expect(template).toEqual({
        tags: ['x'],
        draft: { number: null, content: { title: 'Two' } },
        published: { number: 1, content: { title: 'One' } },
      })
      expect(dataOf(await publish('drafts')).publishTemplate.published).toMatchObject({ number: 2 })
      expect(await titleOf('drafts')).toBe('Two')
    })

    test('A message keeps the version that was published when it was accepted', async () => {
      await make('pinned', { content: { title: 'First' } })
      const later = { template: 'pinned', delay: { duration: 'PT2S' } }
      const { requestId } = dataOf(await send(later)).send
      await make('pinned', { content: { title: 'Second' } })
      dataOf(await client.send(DeleteTemplateDocument, { id: 'pinned' }))
      await settledRequest(client, requestId)
      const message = await messageOf(requestId)
      expect(message).toMatchObject({ status: 'SENT', templateId: 'pinned', templateVersion: 1 })
      expect(message.output[0]).toMatchObject({ title: 'First' })
    })

    test('Members of a group get the version that was published when the send was accepted, and are found by its template', async () => {
      await ask(client, 'mutation { subscribeToList(listId: "crew", userIds: ["ada", "grace"]) { id } }')
      await make('crew', { content: { title: 'To {{profile.name}}{{name}}' }, topicId: 'news' })
      const sent = await sendToAll(client, { to: [{ listId: 'crew' }], template: 'crew', data: { name: 'you' } })
      expect(sent.map(({ status, topicId }) => [status, topicId])).toEqual([
        ['SENT', 'news'],
        ['SENT', 'news'],
      ])
      const { messages } = await ask<{ messages: { nodes: unknown[] } }>(
        client,
        '{ messages(filter: { templateId: "crew" }) { nodes { templateId templateVersion } } }',
      )
      expect(messages.nodes).toEqual(Array(2).fill({ templateId: 'crew', templateVersion: 1 }))
    })

    test('An older version is published again under its own number, and what comes after it goes on counting', async () => {
      for (const title of ['One', 'Two', 'Three']) await make('rolled', { content: { title } })
      expect(dataOf(await publish('rolled', { version: 1 })).publishTemplate.published).toMatchObject({ number: 1 })
      expect(await titleOf('rolled')).toBe('One')
      expect(await make('rolled', { content: { title: 'Four' } })).toBe(4)
      const { template } = await ask<{ template: { versions: unknown; second: unknown; ninth: unknown } }>(
        client,
        `{ template(id: "rolled") {
          versions(first: 3) { nodes { number content { title } } pageInfo { hasNextPage endCursor } }
          second: version(number: 2) { number content { title } } ninth: version(number: 9) { number }
        } }`,
      )
      expect(template).toEqual({
        versions: {
          nodes: ['Four', 'Three', 'Two'].map((title, index) => ({ number: 4 - index, content: { title } })),
          pageInfo: { hasNextPage: true, endCursor: expect.any(String) },
        },
        second: { number: 2, content: { title: 'Two' } },
        ninth: null,
      })
      const refused = await publish('rolled', { version: 9 })
      expect(refusalOf(refused).code).toBe('NOT_FOUND')
      expect(refused.errors[0]!.message).toBe("The template 'rolled' has no version 9.")
    })

    test('A draft that says what is published already makes no new version', async () => {
      const input = { content: { elements: [{ type: 'text', content: 'Hi' }], title: 'Same' }, dataSchema: { type: 'object' } }
      expect(await make('same', input)).toBe(1)
      expect(await make('same', { ...input, tags: ['other'] })).toBe(1)
      expect(await make('same', { ...input, onMissingVariable: 'FAIL' })).toBe(2)
    })

    test('A template is shown as it was put', async () => {
      const said: Input = {
        content: { title: 'T', body: 'B', version: '2022-01-01', elements: [{ type: 'text', content: 'Hello {{name}}' }] },
        onMissingVariable: 'FAIL',
        channels: {
          email: { if: 'data.big', timeout: 'PT15M', override: { replyTo: 'desk@example.com' } },
          sms: { method: 'ALL' },
        },
        providers: [{ providerId: 'smtp', timeout: 'PT1M30S', override: { a: 1 } }],
        routing: {
          method: 'ALL',
          channels: [{ channel: 'EMAIL' }, { routing: { method: 'SINGLE', channels: [{ providerId: 'inbox' }] } }],
        },
        topicId: 'news',
        brandId: 'acme',
        dataSchema: { type: 'object', properties: { name: { type: 'string' } } },
      }
      const { putTemplate } = dataOf(await put('whole', { ...said, tags: ['a', 'b'] }))
      expect(putTemplate).toEqual({
        id: 'whole',
        name: 'whole',
        tags: ['a', 'b'],
        draft: { ...said, number: null, publishedAt: null },
        published: null,
      })
      const { published } = dataOf(await publish('whole')).publishTemplate
      expect(published).toEqual({ ...said, number: 1, publishedAt: expect.any(String) })
    })

    test('A send with a template of which nothing is published is accepted, and its message ends unmapped and says so', async () => {
      dataOf(await put('unpublished', { content: { title: 'Not yet' } }))
      const planned = await planOf(client, { to: [{ userId: 'ada' }], template: 'unpublished' })
      const message = await shown('unpublished')
      expect(message).toMatchObject({
        status: 'UNMAPPED',
        reason: 'UNPUBLISHED',
        error: "The template 'unpublished' had no published version when the message was accepted.",
        templateId: 'unpublished',
        templateVersion: null,
      })
      expect(message.decisions).toEqual([
        {
          rule: 'template',
          subject: 'unpublished',
          passed: false,
          because: "the template 'unpublished' had no published version when the message was accepted",
        },
      ])
      expect(planned).toMatchObject({ outcome: 'UNMAPPED', reason: 'UNPUBLISHED', steps: [], decisions: message.decisions })
      const sent = await sendToAll(client, { to: [{ listId: 'crew' }], template: 'unpublished' })
      expect(sent.map(({ reason }) => reason)).toEqual(['UNPUBLISHED', 'UNPUBLISHED'])
    })

    test('A deleted template is unknown to sends and to readers; put again, it begins unpublished and goes on counting', async () => {
      await make('gone', { content: { title: 'One' } })
      expect(dataOf(await client.send(DeleteTemplateDocument, { id: 'gone' })).deleteTemplate).toBe(true)
      expect(dataOf(await client.send(DeleteTemplateDocument, { id: 'gone' })).deleteTemplate).toBe(false)
      const refused = await send({ template: 'gone' })
      expect(refusalOf(refused).code).toBe('NOT_FOUND')
      expect(refused.errors[0]!.message).toBe("The template 'gone' was not found.")
      expect(await ask(client, '{ template(id: "gone") { id } }')).toEqual({ template: null })
      expect(refusalOf(await publish('gone')).code).toBe('NOT_FOUND')
      expect(dataOf(await put('gone', { content: { title: 'Two' } })).putTemplate.published).toBeNull()
      expect((await shown('gone')).reason).toBe('UNPUBLISHED')
      expect(dataOf(await publish('gone')).publishTemplate.published).toMatchObject({ number: 2 })
    })

    test('A template that does not exist is an error of status 404, for a send and for its plan, and leaves the key unused', async () => {
      expect(await refusedFor({ template: 'nowhere' })).toEqual({ code: 'NOT_FOUND', path: undefined })
      const plan = await client.send(document('query ($input: SendInput!) { planSend(input: $input) { recipients } }'), {
        input: { to: [{ userId: 'ada' }], template: 'nowhere' },
      })
      expect(refusalOf(plan).code).toBe('NOT_FOUND')
      expect(await refusedFor({ template: 'late', idempotencyKey: 'late-1' })).toMatchObject({ code: 'NOT_FOUND' })
      await make('late', { content: { title: 'There' } })
      dataOf(await send({ template: 'late', idempotencyKey: 'late-1' }))
      expect(await refusedFor({ template: 'late', content: { title: 'x' } })).toEqual({ code: 'BAD_USER_INPUT', path: 'input' })
    })

    test('Data that do not satisfy the schema are refused where they stand, with what would be right', async () => {
      const dataSchema = {
        type: 'object',
        properties: { amount: { type: 'number' }, name: { type: 'string' } },
        required: ['amount', 'name'],
      }
      await make('receipt', { content: { title: '{{name}}: {{amount}}' }, dataSchema })
      const template = 'receipt'
      expect(await titleOf(template, { data: { amount: 5, name: 'Ada' } })).toBe('Ada: 5')
      expect(await refusedFor({ template, data: { amount: '5', name: 'Ada' } })).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.data.amount',
      })
      expect(await refusedFor({ template })).toMatchObject({ code: 'BAD_USER_INPUT' })
      const to = [
        { userId: 'ada', data: { name: 'Ada' } },
        { userId: 'grace', data: { name: 7 } },
      ]
      expect(await refusedFor({ to, template, data: { amount: 5 } })).toEqual({
        code: 'BAD_USER_INPUT',
        path: 'input.to.1.data.name',
      })
      dataOf(await send({ to: [to[0], { listId: 'crew', data: { name: 'all' } }], template, data: { amount: 5 } }))
      expect(await refusedFor({ to: [to[0], { listId: 'crew' }], template, data: { amount: 5 } })).toMatchObject({
        code: 'BAD_USER_INPUT',
      })
    })

    test('While the data of many are checked, those who send to one person are answered', async () => {
      const item = {
        type: 'object',
        required: ['sku', 'price'],
        properties: { sku: { type: 'string' }, price: { type: 'number' } },
      }
      await make('long', {
        content: { title: 'x' },
        dataSchema: { type: 'object', properties: { items: { type: 'array', items: item } } },
      })
      const items = Array.from({ length: 500 }, (_, price) => ({ sku: 's', price }))
      const to = Array.from({ length: 800 }, (_, n) => ({ webhook: { url: 'http://127.0.0.1:9/' }, data: { n } }))
      const later = { delay: { duration: 'PT1H' } }
      for (const _ of ['at first', 'and when the process knows the schema']) {
        let isDone = false
        const many = send({ to, template: 'long', data: { items }, ...later }).finally(() => (isDone = true))
        let answered = 0
        for (; !isDone; answered++) dataOf(await send({ content: { title: 'small' }, ...later }))
        dataOf(await many)
        expect(answered).toBeGreaterThan(10)
      }
    })

    test('What is published last is what data are held against, whichever process is asked', async () => {
      const takes = (type: string) => ({
        content: { title: '{{n}}' },
        dataSchema: { type: 'object', properties: { n: { type } }, required: ['n'] },
      })
      const template = 'moving'
      const sendBy = (at: number, n: unknown, idempotencyKey?: string) =>
        home.clients[at % home.clients.length]!.send(Send, {
          input: { to: [{ userId: 'ada' }], template, data: { n }, ...(idempotencyKey && { idempotencyKey }) },
        })
      await make(template, takes('number'))
      for (const at of [0, 1]) dataOf(await sendBy(at, 1))
      const first = dataOf(await sendBy(1, 1, 'moving-1'))
      dataOf(await put(template, takes('string')))
      dataOf(await publish(template, { force: true }))
      for (const at of [1, 0]) {
        expect(refusalOf(await sendBy(at, 1))).toEqual({ code: 'BAD_USER_INPUT', path: 'input.data.n' })
        dataOf(await sendBy(at, 'one'))
        expect(dataOf(await sendBy(at, 1, 'moving-1'))).toEqual(first)
      }
      dataOf(await publish(template, { version: 1, force: true }))
      const keyed = () => Promise.all([0, 1, 1].map((at) => sendBy(at, 2, 'moving-2')))
      const [one, ...others] = (await keyed()).map(dataOf)
      expect(others).toEqual([one, one])
    })

    test('A version that data of today would not do for is published only by force, and says why', async () => {
      const schema = (required: string[]) => ({
        type: 'object',
        properties: { a: { type: 'number' }, b: { type: 'number' } },
        required,
      })
      await make('breaking', { content: { title: 'x' }, dataSchema: schema(['a']) })
      dataOf(await put('breaking', { content: { title: 'x' }, dataSchema: schema(['a', 'b']) }))
      const refused = await publish('breaking')
      expect(refusalOf(refused).code).toBe('CONFLICT')
      expect(refused.errors[0]!.extensions.status).toBe(409)
      expect(refused.errors[0]!.message).toContain('force: true')
      expect(refused.errors[0]!.extensions.issues![0]!.message).toContain("'b'")
      expect(dataOf(await publish('breaking', { force: true })).publishTemplate.published).toMatchObject({ number: 2 })
      expect(dataOf(await publish('breaking', { version: 1 })).publishTemplate.published).toMatchObject({ number: 1 })
    })

    test('The topic of the template holds where the send names no other', async () => {
      await make('about', { content: { title: 'x' }, topicId: 'receipts' })
      expect(await shown('about')).toMatchObject({ status: 'FILTERED', topicId: 'receipts' })
      expect(await shown('about', { topicId: 'news' })).toMatchObject({ status: 'SENT', topicId: 'news' })
    })

    test('The brand of the message goes before that of its tenant, and that before the one of the template', async () => {
      await ask(client, 'mutation { putTenant(id: "branded", input: { name: "B", brandId: "umbrella" }) { id } }')
      await make('brand', { content: { title: '{{> who}}' }, brandId: 'acme' })
      expect(await titleOf('brand')).toBe('acme')
      expect(await titleOf('brand', { tenantId: 'branded' })).toBe('umbrella')
      expect(await titleOf('brand', { tenantId: 'branded', brandId: 'initech' })).toBe('initech')
    })

    test('The routing of the message goes before that of its template, and that before the one of the environment', async () => {
      const routing: RoutingInput = { method: 'SINGLE', channels: [{ channel: 'INBOX' }] }
      await make('routed', { content: { title: 'x' }, routing })
      const to = [{ userId: 'ada', email: 'ada@example.com' }]
      const channelsOf = async (more: object = {}) =>
        ((await shown('routed', { to, ...more })).deliveries as { channel: string }[]).map(({ channel }) => channel)
      expect(await channelsOf()).toEqual(['INBOX'])
      expect(await channelsOf({ routing: { channels: [{ channel: 'EMAIL' }] } })).toEqual(['EMAIL'])
    })

    test('What the template says of a channel holds, setting by setting, under what the send says of it', async () => {
      const channels = { email: { override: { replyTo: 'desk@example.com', subject: 'Of the template' } } }
      await make('channels', { content: { title: 'x' }, channels })
      const to = [{ email: 'channels@example.com' }]
      await shown('channels', { to })
      await shown('channels', { to, channels: { email: { override: { subject: 'Of the send' } } } })
      const mails = home.smtp.mails.filter(({ recipients }) => recipients.includes('channels@example.com'))
      for (const [index, subject] of ['Of the template', 'Of the send'].entries()) {
        expect(mails[index]!.source).toMatch(/^Reply-To: desk@example\.com\r$/m)
        expect(mails[index]!.source).toContain(`Subject: ${subject}\r`)
      }
    })

    test('A message is sent again by the version that it was sent with', async () => {
      await make('again', { content: { title: 'Before {{n}}' } })
      const { id } = await shown('again', { data: { n: 1 } })
      await make('again', { content: { title: 'After {{n}}' } })
      const { resendMessage } = await ask<{ resendMessage: { id: string } }>(
        client,
        'mutation ($id: ID!) { resendMessage(id: $id) { id } }',
        { id },
      )
      await settledRequest(client, resendMessage.id)
      const message = await messageOf(resendMessage.id)
      expect(message).toMatchObject({ templateId: 'again', templateVersion: 1 })
      expect(message.output[0]).toMatchObject({ title: 'Before 1' })
    })

    test('A message of which nothing was published is sent again by what is published now', async () => {
      dataOf(await put('soon', { content: { title: 'Soon' }, topicId: 'news' }))
      const { id, status } = await shown('soon')
      expect(status).toBe('UNMAPPED')
      dataOf(await publish('soon'))
      const { resendMessage } = await ask<{ resendMessage: { id: string } }>(
        client,
        'mutation ($id: ID!) { resendMessage(id: $id) { id } }',
        { id },
      )
      await settledRequest(client, resendMessage.id)
      expect(await messageOf(resendMessage.id)).toMatchObject({ status: 'SENT', templateVersion: 1, topicId: 'news' })
    })

    test('A plan and the send that follows it agree', async () => {
      const routing: RoutingInput = { method: 'ALL', channels: [{ channel: 'EMAIL' }, { channel: 'INBOX' }] }
      await make('agree', {
        content: { title: 'Hi {{name}}' },
        routing,
        topicId: 'news',
        channels: { inbox: { if: 'data.n > 1' } },
      })
      const input = { to: [{ userId: 'ada', email: 'ada@example.com' }], template: 'agree', data: { n: 1, name: 'Ada' } }
      const planned = await planOf(client, input)
      const [sent] = await sendToAll(client, input)
      expect(planned.outcome).toBe('ROUTED')
      expect(sent!.decisions).toEqual(planned.decisions)
      expect(sent!.deliveries).toEqual(planned.steps.map(({ channel, address }) => ({ channel, address })))
    })

    test('What cannot hold is refused where it stands', async () => {
      const content = { title: 'x' }
      const refused = async (input: Partial<TemplateInput> & Input) => refusalOf(await put('wrong', input))
      const at = (path: string) => ({ code: 'BAD_USER_INPUT', path })
      expect(await refused({ content: {} })).toEqual(at('input.content'))
      expect(await refused({ content: { title: '{{#if' } })).toEqual(at('input.content.title'))
      expect(await refused({ content: { elements: [{ type: 'nonsense' }] } })).toEqual(at('input.content.elements.0.type'))
      expect(await refused({ content, name: ' ' })).toEqual(at('input.name'))
      expect(await refused({ content, tags: Array(10).fill('x') })).toEqual(at('input.tags'))
      expect(await refused({ content, dataSchema: { type: 'nonsense' } })).toEqual(at('input.dataSchema'))
      expect(await refused({ content, channels: { sms: { if: 'data.' } } })).toEqual(at('input.channels.sms.if'))
      expect(await refused({ content, routing: { channels: [] } })).toEqual(at('input.routing.channels'))
      expect(await refused({ content, topicId: 'nowhere' })).toEqual({ code: 'NOT_FOUND', path: undefined })
      expect(await refused({ content, brandId: 'nowhere' })).toEqual({ code: 'NOT_FOUND', path: undefined })
      expect(await refused({ content, channels: { email: { brandId: 'nowhere' } } })).toMatchObject({ code: 'NOT_FOUND' })
      expect(await ask(client, '{ template(id: "wrong") { id } }')).toEqual({ template: null })
    })

    test('A topic or brand that a published template names is not deleted; one that only a draft names is asked for when published', async () => {
      await ask(client, 'mutation { putTopic(id: "held", input: { name: "H", defaultStatus: OPTED_IN }) { id } }')
      await ask(client, 'mutation { putBrand(id: "held", input: { name: "H" }) { id } }')
      const remove = (noun: string) => client.send(document(`mutation { delete${noun}(id: "held") }`), {})
      await make('holder', { content: { title: 'x' }, topicId: 'held', channels: { email: { brandId: 'held' } } })
      for (const noun of ['Topic', 'Brand']) expect(refusalOf(await remove(noun)).code).toBe('CONFLICT')
      await make('holder', { content: { title: 'y' } })
      dataOf(await put('holder', { content: { title: 'x' }, topicId: 'held' }))
      for (const noun of ['Topic', 'Brand']) dataOf(await remove(noun))
      expect(refusalOf(await publish('holder')).code).toBe('NOT_FOUND')
      expect(refusalOf(await publish('holder', { version: 1 })).code).toBe('NOT_FOUND')
      expect(await titleOf('holder')).toBe('y')
    })

    test('A call that is repeated with its key is answered as before', async () => {
      const input = { content: { title: 'Keyed' } }
      dataOf(await put('keyed', input, { idempotencyKey: 'keyed-1' }))
      const first = dataOf(await client.send(PublishTemplateDocument, { id: 'keyed' }, { idempotencyKey: 'keyed-2' }))
      dataOf(await put('keyed', { content: { title: 'Newer' } }))
      expect(dataOf(await client.send(PublishTemplateDocument, { id: 'keyed' }, { idempotencyKey: 'keyed-2' }))).toEqual(first)
      expect(refusalOf(await put('keyed', { content: { title: 'Other' } }, { idempotencyKey: 'keyed-1' })).code).toBe(
        'IDEMPOTENCY_KEY_REUSED',
      )
    })

    test('Templates of one id in two environments know nothing of each other', async () => {
      dataOf(await client.send(PutEnvironmentDocument, { id: 'elsewhere', input: { name: 'Elsewhere' } }))
      const key = dataOf(
        await client.send(CreateApiKeyDocument, { input: { name: 'k', scopes: ['ADMIN'], environmentId: 'elsewhere' } }),
      ).createApiKey.secret
      const other = home.enter(key)
      await make('both', { content: { title: 'Here' } })
      expect(refusalOf(await other.send(PublishTemplateDocument, { id: 'both' })).code).toBe('NOT_FOUND')
      expect(refusalOf(await other.send(Send, { input: { to: [{ userId: 'ada' }], template: 'both' } })).code).toBe('NOT_FOUND')
      dataOf(await other.send(PutTemplateDocument, { id: 'both', input: { name: 'both', content: { title: 'There' } } }))
      dataOf(await other.send(PublishTemplateDocument, { id: 'both' }))
      const [there] = await sendToAll(other, { to: [{ userId: 'ada' }], template: 'both' })
      const { message } = await ask<{ message: { output: { title: string }[] } }>(other, MESSAGE, { id: there!.id })
      expect(message.output[0]!.title).toBe('There')
      expect(await titleOf('both')).toBe('Here')
      expect(await ask(other, '{ templates { nodes { id } } }')).toEqual({ templates: { nodes: [{ id: 'both' }] } })
    })
  })
}

const MESSAGE = 'query ($id: ID!) { message(id: $id) { output { title } } }'
