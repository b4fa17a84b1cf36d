import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MergeProfileDocument } from '../generated/graphql.ts'
import { dataOf, document, type House, house, MODES, refusalOf } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

const Send = document<{ send: { requestId: string } }>('mutation ($input: SendInput!) { send(input: $input) { requestId } }')
const PutBrand = document('mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { id } }')
const PutTenant = document('mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }')
const PutTopic = document('mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }')

for (const mode of MODES) {
  describe(mode, () => {
    let home: House

    beforeAll(async () => {
      home = await house({ mode })
      await put(PutBrand, 'default', {
        name: 'Everybody',
        snippets: snippets({ sign: 'Yours, {{brand.name}}', legal: 'All rights' }),
      })
      await put(PutBrand, 'acme', {
        name: 'Acme',
        settings: {
          colors: { primary: '#0a7' },
          logo: { url: 'https://acme.example/logo.png', href: 'https://acme.example/' },
          email: { header: 'For {{profile.name}}', footer: '{{tenant.name}}, {{tenant.town}}' },
        },
        snippets: snippets({ sign: 'The people at {{brand.name}}' }),
      })
      await put(PutBrand, 'of-the-send', { name: 'Of the send' })
      await put(PutTenant, 'north', { name: 'North', brandId: 'acme', properties: { town: 'Bremen' } })
      await put(PutTenant, 'north-west', { name: 'North-West', parentId: 'north' })
    })
    afterAll(() => home.stop())

    const snippets = (entries: Readonly<Record<string, string>>) =>
      Object.entries(entries).map(([name, value]) => ({ name, value }))

    async function put(what: ReturnType<typeof document>, id: string, input: Record<string, unknown>) {
      dataOf(await home.client.send(what, { id, input }))
    }

    const send = (input: Record<string, unknown>) => home.client.send(Send, { input })

    /** What a mail to somebody new says, once it has come. */
    async function mailOf(name: string, input: Record<string, unknown>) {
      const email = `${name}@example.com`
      const to = [{ userId: name, email, profile: { name: 'Ada <Lovelace>' } }]
      const { requestId } = dataOf(await send({ to, ...input })).send
      expect((await home.journey(requestId)).at(-1)).toMatchObject({ type: 'SENT' })
      const [mail] = home.smtp.mails.filter(({ recipients }) => recipients.includes(email))
      return readMail(mail!.source)
    }

    test('A message says the data, the profile and the tenant of its recipient', async () => {
      const mail = await mailOf('context', {
        tenantId: 'north',
        content: {
          title: '{{greeting}}, {{profile.name}}',
          body: 'From {{tenant.name}} ({{tenant.id}}) in {{tenant.town}}. {{gone}}',
        },
        data: { greeting: 'Good day' },
      })
      expect(mail.subject).toBe('Good day, Ada <Lovelace>')
      expect(mail.text).toContain('From North (north) in Bremen.')
      expect(mail.html).toContain('Good day, Ada &lt;Lovelace&gt;')
    })

    test('A stored profile is said as it is at that moment', async () => {
      dataOf(await home.client.send(MergeProfileDocument, { userId: 'stored', profile: { pet: { name: 'Rex' } } }))
      expect((await mailOf('stored', { content: { title: 'How is {{profile.pet.name}}?' } })).subject).toBe('How is Rex?')
    })

    test("A tenant's brand is worn by its messages, and by those of the tenants below", async () => {
      for (const tenantId of ['north', 'north-west']) {
        const mail = await mailOf(`brand-${tenantId}`, {
          tenantId,
          content: { title: 'News', body: 'Body\n\n{{> sign}}\n{{> legal}}' },
        })
        expect(mail.html).toContain('src="https://acme.example/logo.png"')
        expect(mail.html).toContain('#00aa77')
        for (const part of ['For Ada <Lovelace>', 'The people at Acme', 'All rights', 'Bremen']) expect(mail.text).toContain(part)
      }
    })

    test("A send's own brand goes before the tenant's; without any, the default holds", async () => {
      const content = { title: 'Brand', body: '{{brand.name}} | {{> sign}}' }
      const own = await mailOf('own-brand', { tenantId: 'north', brandId: 'of-the-send', content })
      expect(own.text).toContain('Of the send | Yours, Of the send')
      expect(own.html).not.toContain('acme.example')
      expect((await mailOf('default-brand', { content })).text).toContain('Everybody | Yours, Everybody')
    })

    test('A brand that is not there is refused where a send names it', async () => {
      const answer = await send({ to: [{ email: 'x@example.com' }], content: { title: 'x' }, brandId: 'gone' })
      expect(refusalOf(answer).code).toBe('NOT_FOUND')
    })

    test('What is no template is refused when it is sent, with its field and line', async () => {
      for (const field of ['title', 'body']) {
        const answer = await send({
          to: [{ email: 'x@example.com' }],
          content: { title: 'x', [field]: 'one\n{{#nowhere a}}x{{/nowhere}}' },
        })
        expect(refusalOf(answer)).toEqual({ code: 'BAD_USER_INPUT', path: `input.content.${field}` })
        expect(answer.errors[0]!.message).toContain('Line 2')
      }
    })

    test('A value is text wherever it stands: no header, no tag, no template', async () => {
      const value = 'a\r\nBcc: evil@example.com\r\n\r\n<script>alert(1)</script> {{profile.name}} "quoted"'
      const mail = await mailOf('nasty', { content: { title: 'T {{v}}', body: 'B {{v}}' }, data: { v: value } })
      expect(mail.subject).toBe('T a Bcc: evil@example.com <script>alert(1)</script> {{profile.name}} "quoted"')
      expect(mail.headers.map(({ key }) => key)).not.toContain('bcc')
      expect(home.smtp.mails.flatMap(({ recipients }) => recipients)).not.toContain('evil@example.com')
      expect(mail.html).not.toContain('<script')
      expect(mail.text).toContain('<script>alert(1)</script> {{profile.name}}')
    })

    test('A text that grows beyond its limit fails its own message, and the next one leaves', async () => {
      const big = 'x'.repeat(200_000)
      const input = { to: [{ email: 'bomb@example.com' }], content: { title: 'Bomb', body: '{{big}}'.repeat(6) }, data: { big } }
      const { requestId } = dataOf(await send(input)).send
      expect((await home.journey(requestId)).at(-1)).toMatchObject({ status: 'UNDELIVERABLE' })
      expect((await mailOf('after-the-bomb', { content: { title: 'Still here' } })).subject).toBe('Still here')
      expect(home.smtp.mails.flatMap(({ recipients }) => recipients)).not.toContain('bomb@example.com')
    })

    test('A mail about a topic that asks for it shows how to leave it, in both parts', async () => {
      await put(PutTopic, 'news', { name: 'News', defaultStatus: 'OPTED_IN', includeUnsubscribeHeader: true })
      const mail = await mailOf('leaving', { topicId: 'news', content: { title: 'News', body: 'Choose: {{urls.preferences}}' } })
      const url = /^Unsubscribe: (http\S+)$/m.exec(mail.text)?.[1]
      expect(url).toBeDefined()
      expect(mail.html).toContain(`href="${url!.replaceAll('&', '&amp;')}"`)
      expect(mail.text).toMatch(/^Choose: http\S+$/m)
      expect((await mailOf('staying', { content: { title: 'No topic' } })).text).not.toContain('Unsubscribe')
    })
  })
}
