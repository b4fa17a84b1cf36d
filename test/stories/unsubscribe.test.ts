import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { dataOf, document, type House, house, MODES } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

const PUT_TOPIC = document('mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }')
const DELETE_TOPIC = document('mutation ($id: ID!) { deleteTopic(id: $id) }')
const DELETE_USER = document('mutation ($id: ID!) { deleteUser(userId: $id) }')
const PUT_TENANT = document('mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }')
const DELETE_TENANT = document('mutation ($id: ID!) { deleteTenant(id: $id) }')
const JOIN = document('mutation ($tenantId: ID!, $userId: ID!) { addTenantMember(tenantId: $tenantId, userId: $userId) { id } }')
const LEAVE = document('mutation ($tenantId: ID!, $userId: ID!) { removeTenantMember(tenantId: $tenantId, userId: $userId) }')
const SET_PREFERENCE = document(
  'mutation ($userId: ID!, $input: PreferenceInput!) { setPreference(userId: $userId, input: $input) { status } }',
)
const SEND = document<{ send: { message: { id: string } } }>(
  'mutation ($input: SendInput!) { send(input: $input) { message { id } } }',
)
const CHOICES = document<{
  user: { preferences: { topic: { id: string }; status: string; channels: string[] | null; source: string }[] } | null
}>(
  'query ($id: ID!, $tenantId: ID) { user(id: $id) { preferences(tenantId: $tenantId) { topic { id } status channels source } } }',
)

const ONE_CLICK = 'List-Unsubscribe=One-Click'
const content = { title: 'News', body: 'There is news.' }

for (const mode of MODES) {
  describe(mode, () => {
    let home: House
    beforeAll(async () => {
      home = await house({ mode })
      await putTopic('offers', { name: 'Offers & <b>more</b>' })
      await putTopic('news', { name: 'News', includeUnsubscribeHeader: false })
    })
    afterAll(() => home.stop())

    async function putTopic(id: string, input: object) {
      const whole = { defaultStatus: 'OPTED_IN', includeUnsubscribeHeader: true, ...input }
      dataOf(await home.client.send(PUT_TOPIC, { id, input: whole }))
    }

    async function putTenant(id: string, input: object = {}) {
      dataOf(await home.client.send(PUT_TENANT, { id, input: { name: id, ...input } }))
    }

    async function member(userId: string, tenantId: string) {
      await putTenant(tenantId)
      dataOf(await home.client.send(JOIN, { tenantId, userId }))
    }

    /** What the last event of a message about a topic says, and the mail that it became. */
    async function write(userId: string, topicId: string, tenantId: string | null = null) {
      const to = [{ userId, email: `${userId}@example.com` }]
      const { send } = dataOf(await home.client.send(SEND, { input: { to, topicId, tenantId, content } }))
      const last = (await home.journey(send.message.id)).at(-1)!
      const taken = home.smtp.mails.findLast(({ recipients }) => recipients.includes(`${userId}@example.com`))
      return { last, mail: taken && (await readMail(taken.source)) }
    }

    async function linkOf(userId: string, topicId = 'offers', tenantId: string | null = null): Promise<string> {
      const { mail } = await write(userId, topicId, tenantId)
      return /^<(.*)>$/.exec(headerOf(mail!.headers, 'list-unsubscribe')!)![1]!
    }

    /** As a mail program does it (RFC 8058): no cookies, no login. */
    const post = (url: string, body: BodyInit = new URLSearchParams(ONE_CLICK)) => fetch(url, { method: 'POST', body })

    async function choiceOf(userId: string, topicId = 'offers', tenantId: string | null = null) {
      const { user } = dataOf(await home.client.send(CHOICES, { id: userId, tenantId }))
      return user?.preferences.find(({ topic }) => topic.id === topicId)
    }

    test('A mail says how to get out of its topic, where the topic asks for it', async () => {
      const { mail } = await write('header', 'offers')
      expect(headerOf(mail!.headers, 'list-unsubscribe')).toMatch(/^<http:\/\/127\.0\.0\.1:\d+\/unsubscribe\/[\w.-]+>$/)
      expect(headerOf(mail!.headers, 'list-unsubscribe-post')).toBe(ONE_CLICK)
      const { mail: other } = await write('header', 'news')
      expect(headerOf(other!.headers, 'list-unsubscribe')).toBeUndefined()
    })

    test('A mail to an address that is no user’s has no way out: there is nobody whose choice could be kept', async () => {
      const to = [{ email: 'passer-by@example.com' }]
      const { send } = dataOf(await home.client.send(SEND, { input: { to, topicId: 'offers', content } }))
      expect((await home.journey(send.message.id)).at(-1)).toMatchObject({ status: 'SENT' })
      const taken = home.smtp.mails.findLast(({ recipients }) => recipients.includes('passer-by@example.com'))
      const { headers, text, html } = await readMail(taken!.source)
      expect(headerOf(headers, 'list-unsubscribe')).toBeUndefined()
      expect(`${text}${html}`).not.toMatch(/unsubscribe|preferences/i)
    })

    test('M7 Looking at the link shows what it is for, and changes nothing', async () => {
      const url = await linkOf('scanned')
      const looked = await fetch(url)
      expect(looked.status).toBe(200)
      expect(looked.headers.get('cache-control')).toBe('no-store')
      expect(looked.headers.get('referrer-policy')).toBe('no-referrer')
      expect(looked.headers.get('content-security-policy')).not.toContain('script-src')
      expect(await looked.text()).toContain('Unsubscribe from Offers &amp; &lt;b&gt;more&lt;/b&gt;?')
      expect((await fetch(url, { method: 'HEAD' })).status).toBe(200)
      expect((await fetch(`${url}?${ONE_CLICK}`)).status).toBe(200)
      expect(await choiceOf('scanned')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
    })

    test.each([
      ['urlencoded', () => new URLSearchParams(ONE_CLICK)],
      ['multipart', () => formOf({ 'List-Unsubscribe': 'One-Click' })],
    ])('M8 One POST unsubscribes without a login, and may be repeated: %s', async (form, body) => {
      const url = await linkOf(form)
      for (let times = 0; times < 2; times++) {
        const answer = await post(url, body())
        expect([answer.status, answer.redirected]).toEqual([200, false])
        expect(await answer.text()).toContain('You are unsubscribed')
      }
      expect(await choiceOf(form)).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
      expect((await write(form, 'offers')).last).toMatchObject({ status: 'FILTERED', reason: 'UNSUBSCRIBED' })
      expect((await write(form, 'news')).last).toMatchObject({ status: 'SENT' })
      expect(await (await fetch(url)).text()).toContain('You are unsubscribed')
    })

    test('M8 A POST that does not ask for it in so many words is refused', async () => {
      const url = await linkOf('mute')
      for (const body of [new URLSearchParams(), new URLSearchParams('List-Unsubscribe=yes'), formOf({ other: '1' })]) {
        expect((await post(url, body)).status).toBe(400)
      }
      expect((await post(url, ONE_CLICK)).status).toBe(400)
      expect(await choiceOf('mute')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
    })

    test('M8 A link that was changed, or made for something else, is like one that never was', async () => {
      const url = await linkOf('victim')
      const preferencesUrl = /href="([^"]*\/preferences\/[^"]*)"/.exec(await (await fetch(url)).text())![1]!
      const unknown = `${new URL(url).origin}/unsubscribe/nothing`
      const page = await (await post(unknown)).text()
      for (const wrong of [
        `${url}x`,
        url.replace(/.(?=.{20}$)/, '~'),
        preferencesUrl.replace('/preferences/', '/unsubscribe/'),
        unknown,
      ]) {
        for (const answer of [await fetch(wrong), await post(wrong)]) {
          expect(answer.status).toBe(404)
          expect(await answer.text()).toBe(page)
        }
      }
      expect((await fetch(url.replace('/unsubscribe/', '/preferences/'))).status).toBe(404)
      expect(await choiceOf('victim')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
    })

    test('From a topic that has become required nobody unsubscribes, and the page says so', async () => {
      await putTopic('receipts', { name: 'Receipts' })
      const url = await linkOf('payer', 'receipts')
      await putTopic('receipts', { name: 'Receipts', defaultStatus: 'REQUIRED' })
      const looked = await fetch(url)
      expect([looked.status, await looked.text()]).toEqual([200, expect.stringContaining('Receipts cannot be turned off')])
      expect((await post(url)).status).toBe(409)
      expect(await choiceOf('payer', 'receipts')).toMatchObject({ status: 'REQUIRED' })
    })

    test('A link brings nobody back: it ends with its user, and with its topic', async () => {
      await putTopic('brief', { name: 'Brief' })
      const [ofUser, ofTopic] = [await linkOf('erased'), await linkOf('reader', 'brief')]
      dataOf(await home.client.send(DELETE_USER, { id: 'erased' }))
      dataOf(await home.client.send(DELETE_TOPIC, { id: 'brief' }))
      for (const url of [ofUser, ofTopic]) {
        expect([(await fetch(url)).status, (await post(url)).status]).toEqual([410, 410])
      }
      expect(dataOf(await home.client.send(CHOICES, { id: 'erased', tenantId: null })).user).toBeNull()
    })

    test('Unsubscribing holds for the whole topic, wherever it was chosen, and keeps the channels that were chosen', async () => {
      for (const id of ['acme', 'beta']) await putTenant(id)
      const choose = async (input: object) =>
        dataOf(
          await home.client.send(SET_PREFERENCE, {
            userId: 'member',
            input: { topicId: 'offers', status: 'OPTED_IN', ...input },
          }),
        )
      await choose({ channels: ['EMAIL', 'INBOX'] })
      await choose({ tenantId: 'beta', channels: ['EMAIL'] })
      await choose({ topicId: 'news' })
      const url = await linkOf('member', 'offers', 'acme')
      for (let times = 0; times < 2; times++) expect((await post(url)).status).toBe(200)
      expect(await choiceOf('member')).toMatchObject({ status: 'OPTED_OUT', channels: ['EMAIL', 'INBOX'] })
      expect(await choiceOf('member', 'offers', 'acme')).toMatchObject({ status: 'OPTED_OUT', channels: ['EMAIL', 'INBOX'] })
      expect(await choiceOf('member', 'offers', 'beta')).toMatchObject({ status: 'OPTED_OUT', channels: ['EMAIL'] })
      expect(await choiceOf('member', 'news')).toMatchObject({ status: 'OPTED_IN' })
      expect(await (await fetch(url)).text()).toContain('You are unsubscribed')
      await choose({ tenantId: 'beta' })
      expect(await (await fetch(url)).text()).toContain('Unsubscribe from Offers')
    })

    test('Who unsubscribed in the one tenant they were in gets no more in the next', async () => {
      await member('joiner', 'acme')
      const url = await linkOf('joiner')
      expect((await post(url)).status).toBe(200)
      await member('joiner', 'beta')
      expect((await write('joiner', 'offers')).last).toMatchObject({ status: 'FILTERED', reason: 'UNSUBSCRIBED' })
      const inBeta = await write('joiner', 'offers', 'beta')
      expect(inBeta.last).toMatchObject({ status: 'FILTERED', reason: 'UNSUBSCRIBED' })
    })

    test.each([
      ['a tenant they have left', 'leaver', () => home.client.send(LEAVE, { tenantId: 'gamma', userId: 'leaver' })],
      ['a tenant that is gone', 'survivor', () => home.client.send(DELETE_TENANT, { id: 'gamma' })],
    ])('A link from %s still unsubscribes', async (_what, userId, part) => {
      await member(userId, 'gamma')
      const url = await linkOf(userId)
      dataOf(await part())
      const looked = await fetch(url)
      expect([looked.status, await looked.text()]).toEqual([200, expect.stringContaining('Unsubscribe from Offers')])
      for (let times = 0; times < 2; times++) expect((await post(url)).status).toBe(200)
      expect((await write(userId, 'offers')).last).toMatchObject({ status: 'FILTERED', reason: 'UNSUBSCRIBED' })
    })

    test('What the tenant of a link requires stays, until the tenant is gone', async () => {
      await member('held', 'delta')
      const url = await linkOf('held')
      await putTenant('delta', { defaultPreferences: [{ topicId: 'offers', status: 'REQUIRED' }] })
      const looked = await fetch(url)
      expect([looked.status, await looked.text()]).toEqual([200, expect.stringContaining('cannot be turned off')])
      expect((await post(url)).status).toBe(409)
      expect(await choiceOf('held')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
      dataOf(await home.client.send(DELETE_TENANT, { id: 'delta' }))
      expect((await post(url)).status).toBe(200)
      expect(await choiceOf('held')).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
    })

    test('A topic that is off by default can still be unsubscribed from', async () => {
      await putTopic('rare', { name: 'Rare' })
      const url = await linkOf('cautious', 'rare')
      await putTopic('rare', { name: 'Rare', defaultStatus: 'OPTED_OUT' })
      expect(await (await fetch(url)).text()).toContain('Unsubscribe from Rare?')
      expect((await post(url)).status).toBe(200)
      expect(await choiceOf('cautious', 'rare')).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
    })

    test('A page takes GET, HEAD and POST, and at most 64 KiB', async () => {
      const url = await linkOf('sender')
      const put = await fetch(url, { method: 'PUT', body: ONE_CLICK })
      expect([put.status, put.headers.get('allow')]).toEqual([405, 'GET, HEAD, POST'])
      const large = new URLSearchParams({ 'List-Unsubscribe': 'One-Click', more: 'x'.repeat(64 * 1024) })
      expect((await post(url, large)).status).toBe(413)
      expect(await choiceOf('sender')).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
    })
  })
}

function headerOf(headers: readonly { key: string; value: string }[], name: string): string | undefined {
  return headers.find(({ key }) => key === name)?.value
}

function formOf(fields: Record<string, string>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields)) form.set(name, value)
  return form
}
