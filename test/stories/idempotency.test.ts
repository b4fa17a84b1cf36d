import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  CreateApiKeyDocument,
  MessagesDocument,
  PutEnvironmentDocument,
  SendDocument,
  type SendInput,
} from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
    })
    afterAll(() => home.stop())

    const content = { title: 'Once' }
    const send = (input: SendInput, idempotencyKey?: string, at = 0) =>
      home.clients[at % home.clients.length]!.send(
        SendDocument,
        { input },
        idempotencyKey === undefined ? {} : { idempotencyKey },
      )
    const mailsFor = (address: string) => home.smtp.mails.filter(({ recipients }) => recipients.includes(address)).length
    const messagesFor = async (recipient: string) =>
      dataOf(await home.client.send(MessagesDocument, { filter: { recipient } })).messages.edges.length

    test('Fifty requests at once with one key are one send and one mail, and all get the same answer', async () => {
      const input = { to: [{ email: 'fifty@example.com' }], content }
      const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => send(input, 'fifty', index)))
      const sent = answers.map((answer) => dataOf(answer).send)
      expect(new Set(sent.map(({ requestId }) => requestId)).size).toBe(1)
      expect(sent.filter(({ replayed }) => !replayed)).toHaveLength(1)
      await home.journey(sent[0]!.requestId)
      expect(mailsFor('fifty@example.com')).toBe(1)
      expect(await messagesFor('fifty@example.com')).toBe(1)
    })

    test('The key is the same in the header, quoted or bare, and in the input', async () => {
      const input = { to: [{ email: 'forms@example.com' }], content }
      const answers = [
        await send(input, 'forms-1'),
        await send(input, '"forms-1"'),
        await send({ ...input, idempotencyKey: 'forms-1' }),
        await send({ ...input, idempotencyKey: 'forms-1' }, 'forms-1'),
      ].map((answer) => dataOf(answer).send)
      expect(new Set(answers.map(({ requestId }) => requestId)).size).toBe(1)
      expect(answers.map(({ replayed }) => replayed)).toEqual([false, true, true, true])
      const differ = await send({ ...input, idempotencyKey: 'forms-1' }, 'forms-2')
      expect(refusalOf(differ)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.idempotencyKey' })
    })

    test('The order of the keys of a JSON object does not make another input', async () => {
      const first = await send({ to: [{ userId: 'order' }], content, data: { a: 1, b: { c: 2, d: 3 } } }, 'order')
      const second = await send({ to: [{ userId: 'order' }], content, data: { b: { d: 3, c: 2 }, a: 1 } }, 'order', 1)
      expect(dataOf(second).send).toMatchObject({ requestId: dataOf(first).send.requestId, replayed: true })
    })

    test('The same key with another input is refused and sends nothing', async () => {
      dataOf(await send({ to: [{ email: 'same@example.com' }], content }, 'same'))
      const reused = await send({ to: [{ email: 'another@example.com' }], content }, 'same', 1)
      expect(reused.status).toBe(200)
      expect(reused.errors[0]?.extensions).toMatchObject({ code: 'IDEMPOTENCY_KEY_REUSED', status: 422 })
      expect(await messagesFor('another@example.com')).toBe(0)
    })

    test('A replay that arrives together with another input under its key is answered all the same', async () => {
      const right = { to: [{ email: 'together@example.com' }], content }
      const wrong = { to: [{ email: 'together-wrong@example.com' }], content }
      const { requestId } = dataOf(await send(right, 'together')).send
      const bursts = Array.from({ length: 10 }, () => [send(wrong, 'together'), send(right, 'together')]).flat()
      const answers = await Promise.all(bursts)
      for (const [index, answer] of answers.entries()) {
        if (index % 2 === 0) expect(refusalOf(answer).code).toBe('IDEMPOTENCY_KEY_REUSED')
        else expect(dataOf(answer).send).toMatchObject({ requestId, replayed: true })
      }
    })

    test.each([
      ['empty', ''],
      ['257 characters', 'k'.repeat(257)],
      ['a line break', 'a\nb'],
      ['an emoji', '🔔'],
      ['a space', 'a b'],
    ])('A key with %s is refused', async (_name, idempotencyKey) => {
      const refused = await send({ to: [{ email: 'm3@example.com' }], content, idempotencyKey })
      expect(refusalOf(refused)).toEqual({ code: 'BAD_USER_INPUT', path: 'input.idempotencyKey' })
    })

    test('A key of 256 characters is taken', async () => {
      dataOf(await send({ to: [{ email: 'long@example.com' }], content, idempotencyKey: 'k'.repeat(256) }))
    })

    test('An input that is refused does not use the key up', async () => {
      const refused = await send({ to: [{ email: 'nobody' }], content }, 'kept')
      expect(refusalOf(refused).code).toBe('BAD_USER_INPUT')
      const accepted = await send({ to: [{ email: 'kept@example.com' }], content }, 'kept')
      expect(dataOf(accepted).send.replayed).toBe(false)
    })

    test('Another environment has keys of its own', async () => {
      dataOf(await home.client.send(PutEnvironmentDocument, { id: 'staging', input: { name: 'Staging' } }))
      const { createApiKey } = dataOf(
        await home.client.send(CreateApiKeyDocument, { input: { name: 'S', scopes: ['SEND'], environmentId: 'staging' } }),
      )
      const input = { to: [{ email: 'env@example.com' }], content }
      const here = dataOf(await send(input, 'env')).send
      const there = dataOf(await home.enter(createApiKey.secret).send(SendDocument, { input }, { idempotencyKey: 'env' })).send
      expect(there.replayed).toBe(false)
      expect(there.requestId).not.toBe(here.requestId)
    })

    test('A key in the header with fifteen aliased sends is ambiguous, and nothing is sent', async () => {
      const one = (index: number) =>
        `s${index}: send(input: { to: { email: "aliased@example.com" }, content: { title: "A" } }) { requestId }`
      const all = document(`mutation { ${Array.from({ length: 15 }, (_, index) => one(index)).join(' ')} }`)
      const refused = await home.client.send(all, {}, { idempotencyKey: 'aliased' })
      expect(refused.status).toBe(400)
      expect(refusalOf(refused).code).toBe('IDEMPOTENCY_AMBIGUOUS')
      expect(refused.data).toBeUndefined()
      expect(await messagesFor('aliased@example.com')).toBe(0)
    })

    test.each([
      ['putTopic', 'input: { name: "T", defaultStatus: OPTED_IN }', 'deleteTopic'],
      ['putList', 'input: { name: "L" }', 'deleteList'],
      ['putAudience', 'input: { name: "A", filter: { operator: EXISTS, path: "x" } }', 'deleteAudience'],
      ['putTenant', 'input: { name: "T" }', 'deleteTenant'],
      ['putBrand', 'input: { name: "B" }', 'deleteBrand'],
      ['putProvider', 'input: { kind: "inbox", settings: {} }', 'deleteProvider'],
    ])('A %s that is repeated makes nothing that was deleted since: it is NOT_FOUND', async (put, input, remove) => {
      const putting = () =>
        home.client.send(document(`mutation { ${put}(id: "twice", ${input}) { id } }`), {}, { idempotencyKey: `${put}-twice` })
      dataOf(await putting())
      dataOf(await home.client.send(document(`mutation { ${remove}(id: "twice") }`), {}))
      expect(refusalOf(await putting()).code).toBe('NOT_FOUND')
      expect(dataOf(await home.client.send(document(`mutation { ${remove}(id: "twice") }`), {}))).toEqual({ [remove]: false })
    })

    test('A new API key that is asked for again shows the same secret', async () => {
      const create = (at: number) =>
        home.clients[at % home.clients.length]!.send(
          CreateApiKeyDocument,
          { input: { name: 'Again', scopes: ['SEND'] } },
          { idempotencyKey: 'new-key' },
        )
      const [first, second] = [dataOf(await create(0)).createApiKey, dataOf(await create(1)).createApiKey]
      expect(second).toEqual(first)
      dataOf(await home.enter(first.secret).send(SendDocument, { input: { to: [{ userId: 'k' }], content } }))
    })
  })
}
