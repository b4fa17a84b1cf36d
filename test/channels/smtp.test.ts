import PostalMime from 'postal-mime'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createSmtp } from '../../src/channels/smtp.ts'
import { type SmtpReceiver, type SmtpScript, startSmtp } from '../support/smtp.ts'
import { deliver, keepsTheContract, outgoing, testDoor } from './conformance.ts'
import { FULL, LOGO, PDF } from './full-mail.ts'

const from = 'The Shop <shop@example.com>'

keepsTheContract('smtp', async () => {
  const server = await startSmtp({ login: true })
  const scripts: Record<string, SmtpScript> = {
    well: {},
    'refusing the address': { rcpt: '550 5.1.1 No such user' },
    throttling: { rcpt: '451 4.7.0 Slow down' },
    broken: { data: 'drop' },
    silent: { data: 'hang' },
  }
  return {
    provider: createSmtp(),
    settings: { url: `smtp://user:hunter2@127.0.0.1:${server.port}`, from },
    address: { id: 'ada@example.com' },
    badAddress: { id: 'ada@example.com, eve@example.com' },
    behave(how) {
      server.script = scripts[how]!
    },
    identities: () => server.mails.map(({ source }) => /^Message-ID: (.*)$/im.exec(source)![1]!),
    close: () => server.close(),
  }
})

describe('a mail', () => {
  const http = testDoor()
  const smtp = createSmtp()
  let server: SmtpReceiver
  beforeAll(async () => {
    server = await startSmtp()
  })
  afterEach(() => {
    server.script = {}
    server.mails.length = 0
  })
  afterAll(async () => {
    await smtp.close?.()
    await server.close()
    await http.close()
  })

  const send = (changes: Parameters<typeof outgoing>[1] = {}, settings = { url: server.url, from }) =>
    deliver(smtp, settings, outgoing({ id: 'ada@example.com', name: 'Ada' }, changes), { http })

  test('arrives with both parts, its sender, one recipient and the Message-ID of its idempotency key', async () => {
    const now = new Date('2026-11-21T08:00:00Z')
    await deliver(smtp, { url: server.url, from }, outgoing({ id: 'ada@example.com', name: 'Ada' }), { http, now })
    const [taken] = server.mails
    expect(taken).toMatchObject({ from: 'shop@example.com', recipients: ['ada@example.com'] })
    expect(await PostalMime.parse(taken!.source)).toMatchObject({
      from: { name: 'The Shop', address: 'shop@example.com' },
      to: [{ name: 'Ada', address: 'ada@example.com' }],
      subject: 'Your order',
      messageId: '<key_1-a@example.com>',
      date: now.toISOString(),
      text: expect.stringContaining('It is here.'),
      html: expect.stringContaining('<p>It is here.</p>'),
    })
  })

  test('keeps every character of its parts, dots at the start of lines, long lines and line breaks', async () => {
    const text = `.\n..a\r\nFrom here\n=?utf-8?Q?x?= Grüße 👋 漢字\n${'long '.repeat(500)}`
    const html = `<p>${'x'.repeat(5_000)}</p>\n.\n<p>&amp; über</p>`
    await send({ content: { subject: 's', text, html } })
    const mail = await PostalMime.parse(server.mails[0]!.source)
    const lines = (part: string | undefined) => part?.replace(/\r\n/g, '\n').trimEnd()
    expect(lines(mail.text)).toBe(lines(text))
    expect(lines(mail.html)).toBe(lines(html))
    const longest = Math.max(...server.mails[0]!.source.split('\r\n').map((line) => Buffer.byteLength(line)))
    expect(longest).toBeLessThanOrEqual(998)
  })

  test.each([
    ['Hi\r\nBcc: evil@e.test', 'Hi Bcc: evil@e.test'],
    ['tab\there\u2028and\u001b[31mred', 'tab here and [31mred'],
    ['=?utf-8?Q?Bcc?= as it stands', '=?utf-8?Q?Bcc?= as it stands'],
    ['\u202eevil\u200b', 'evil'],
    ['Grüße 👋 '.repeat(40).trim(), 'Grüße 👋 '.repeat(40).trim()],
    ['x'.repeat(2_000), 'x'.repeat(2_000)],
  ])('has one subject line whatever the subject: %j', async (subject, shown) => {
    await send({ content: { subject, text: 't' } })
    const mail = await PostalMime.parse(server.mails[0]!.source)
    expect(mail.subject).toBe(shown)
    expect(mail.headers.map(({ key }) => key)).not.toContain('bcc')
    expect(server.mails[0]!.recipients).toEqual(['ada@example.com'])
  })

  test.each(['N\r\nBcc: evil@e.test', 'A" <evil@e.test>, "B', 'Ünïcode, Esq.', 'a@b.test', '\\'])(
    'goes to one recipient whatever the name: %j',
    async (name) => {
      await send({ address: { id: 'ada@example.com', name } })
      const mail = await PostalMime.parse(server.mails[0]!.source)
      expect(mail.to).toEqual([{ name: name.replace(/[\r\n]+/g, ' '), address: 'ada@example.com' }])
      expect(server.mails[0]!.recipients).toEqual(['ada@example.com'])
    },
  )

  test.each(['b@y.test, evil@e.test', 'b@y.test\r\nBcc: evil@e.test', '"evil@e.test x"@internal.test', 'nobody'])(
    'is not sent to what is not one address: %j',
    async (id) => {
      expect(await send({ address: { id } })).toMatchObject({ kind: 'rejected', what: 'address' })
      expect(server.mails).toHaveLength(0)
    },
  )

  test('says how to get out of its topic with one click, the URL whole and on one line', async () => {
    const unsubscribeUrl = `https://bells.example.com/unsubscribe/${'x'.repeat(300)}.-_`
    await send({ unsubscribeUrl })
    const lines = server.mails[0]!.source.split('\r\n')
    expect(lines).toContain(`List-Unsubscribe: <${unsubscribeUrl}>`)
    expect(lines).toContain('List-Unsubscribe-Post: List-Unsubscribe=One-Click')
  })

  test('that belongs to no topic to get out of says nothing of it', async () => {
    await send()
    expect(server.mails[0]!.source).not.toMatch(/^List-/im)
  })

  test.each([
    ['https://b.test/u>\r\nBcc: evil@e.test', '<https://b.test/u%3EBcc:%20evil@e.test>'],
    ['https://glöckchen.example/u', '<https://xn--glckchen-o4a.example/u>'],
    ['not a URL', undefined],
    [`https://b.test/${'x'.repeat(1_000)}`, undefined],
  ])('has room for one URL and nothing else: %j', async (unsubscribeUrl, shown) => {
    await send({ unsubscribeUrl })
    const { headers } = await PostalMime.parse(server.mails[0]!.source)
    expect(headers.find(({ key }) => key === 'list-unsubscribe')?.value).toBe(shown)
    expect(headers.map(({ key }) => key)).not.toContain('bcc')
  })

  test('carries all that the send says, and its further recipients get the same mail apart', async () => {
    expect(await send(FULL)).toMatchObject({ kind: 'accepted' })
    expect(server.mails.map(({ from, recipients }) => [from, recipients])).toEqual([
      ['orders@shop.example', ['ada@example.com']],
      ['orders@shop.example', ['bob@example.com', 'eve@example.com']],
    ])
    const [mail, copy] = await Promise.all(server.mails.map(({ source }) => PostalMime.parse(source)))
    for (const each of [mail!, copy!]) {
      expect(each).toMatchObject({
        from: { name: 'Orders', address: 'orders@shop.example' },
        to: [{ name: 'Ada, the "first"', address: 'ada@example.com' }],
        cc: [{ name: 'Bob', address: 'bob@example.com' }],
        replyTo: [{ address: 'help@shop.example' }],
        subject: 'Grüße Bcc: evil@e.test',
        messageId: '<key_1-a@shop.example>',
      })
      expect(each.headers).toContainEqual(expect.objectContaining({ key: 'x-campaign', value: 'spring' }))
      expect(each.headers.map(({ key }) => key)).toContain('list-unsubscribe')
    }
    expect(mail!.attachments).toMatchObject([
      { filename: LOGO.filename, mimeType: LOGO.contentType, disposition: 'inline', contentId: '<logo>' },
      { filename: PDF.filename, mimeType: PDF.contentType, disposition: 'attachment' },
    ])
    expect(mail!.attachments.map(({ content }) => Buffer.from(content as ArrayBuffer).toString())).toEqual(['PNG', '%PDF-1.7'])
    for (const { source } of server.mails) expect(source).not.toMatch(/^bcc:|eve@example\.com/im)
  })

  test('that is refused for whom it is for goes to nobody else', async () => {
    server.script = { rcpt: '550 5.1.1 No such user' }
    expect(await send(FULL)).toMatchObject({ kind: 'rejected', what: 'address', code: '550' })
    expect(server.mails).toEqual([])
  })

  test('whose further recipients are refused is accepted all the same', async () => {
    server.script = { rcpt: (address) => (address === 'ada@example.com' ? undefined : '550 5.1.1 No such user') }
    expect(await send(FULL)).toMatchObject({ kind: 'accepted', code: '250' })
    expect(server.mails.map(({ recipients }) => recipients)).toEqual([['ada@example.com']])
  })

  test.each([
    [{ from: 'a@x.test, b@x.test' }, 'request'],
    [{ replyTo: 'nobody' }, 'request'],
    [{ cc: ['bob@example.com', 'b@y.test\r\nBcc: evil@e.test'] }, 'request'],
    [{ bcc: ['G: b@y.test, evil@e.test;'] }, 'request'],
    [{ headers: [{ name: 'Bcc', value: 'evil@e.test' }] }, 'request'],
    [{ headers: [{ name: 'X-A', value: 'v\r\nBcc: evil@e.test' }] }, 'request'],
    [{ attachments: [{ ...PDF, filename: '../../x' }] }, 'content'],
    [{ attachments: [{ ...PDF, contentType: 'text/html\r\nX: y' }] }, 'content'],
    [{ attachments: [{ ...PDF, contentId: 'a>\r\nX: y' }] }, 'content'],
  ])('is sent to nobody with what cannot stand in one: %j', async (extras, what) => {
    expect(await send({ extras })).toMatchObject({ kind: 'rejected', what })
    expect(server.mails).toEqual([])
  })

  const table: [keyof SmtpScript, string, object][] = [
    ['connect', '421 4.3.2 Too busy', { kind: 'retry', code: '421' }],
    ['connect', '554 5.3.2 Not here', { kind: 'rejected', what: 'request', code: '554' }],
    ['mail', '530 5.7.0 Authentication required', { kind: 'misconfigured', code: '530' }],
    ['mail', '550 5.7.1 Sender refused', { kind: 'rejected', what: 'request', code: '550' }],
    ['mail', '452 4.3.1 Out of storage', { kind: 'retry', code: '452' }],
    ['mail', '552 5.3.4 Too big', { kind: 'rejected', what: 'content', code: '552' }],
    ['rcpt', '421 4.3.2 Closing', { kind: 'retry', code: '421' }],
    ['rcpt', '450 4.2.0 Greylisted', { kind: 'retry', code: '450', afterMs: 60_000, about: 'address' }],
    ['rcpt', '451 4.7.1 Try later', { kind: 'retry', code: '451', afterMs: 60_000 }],
    ['rcpt', '452 4.2.2 Full', { kind: 'retry', code: '452', about: 'address' }],
    ['rcpt', '452 4.3.1 System full', { kind: 'retry', code: '452' }],
    ['rcpt', '550 5.1.1 No such user', { kind: 'rejected', what: 'address', code: '550' }],
    ['rcpt', '551 5.1.6 Moved', { kind: 'rejected', what: 'address', code: '551' }],
    ['rcpt', '552 5.2.2 Mailbox full', { kind: 'rejected', what: 'address', code: '552' }],
    ['rcpt', '553 5.1.3 Bad name', { kind: 'rejected', what: 'address', code: '553' }],
    ['rcpt', '554 5.7.1 No', { kind: 'rejected', what: 'address', code: '554' }],
    ['rcpt', '535 5.7.8 <ada@example.com>', { kind: 'misconfigured', error: 'The mail server answered 535.', code: '535' }],
    ['data', '451 4.3.0 Trouble', { kind: 'retry', code: '451' }],
    ['data', '451 4.7.1 Greylisting in action', { kind: 'retry', code: '451', afterMs: 60_000 }],
    ['data', '552 5.2.3 Too long', { kind: 'rejected', what: 'content', code: '552' }],
    ['data', '554 5.3.4 Too big', { kind: 'rejected', what: 'content', code: '554' }],
    ['data', '554 5.7.1 Spam', { kind: 'rejected', what: 'address', code: '554' }],
  ]
  test.each(table)('answered at %s with %s comes to %j', async (phase, reply, outcome) => {
    // The greeting is heard only by a new connection.
    const fresh = phase === 'connect' ? createSmtp() : smtp
    server.script = { [phase]: reply }
    const result = await deliver(fresh, { url: server.url, from }, outgoing({ id: 'ada@example.com' }), { http })
    if (fresh !== smtp) await fresh.close?.()
    expect(result).toMatchObject(outcome)
    for (const field of ['afterMs', 'about']) expect(field in result).toBe(field in outcome)
  })

  test('that was refused leaves the connection good for the next', async () => {
    await send()
    const { connections } = server
    server.script = { rcpt: '550 5.1.1 No such user' }
    await send()
    server.script = {}
    expect(await send()).toMatchObject({ kind: 'accepted', code: '250' })
    expect(server.connections).toBe(connections)
  })

  test('is sent over a new connection when the server has closed the one in the pool', async () => {
    await send()
    server.dropConnections()
    expect(await send()).toMatchObject({ kind: 'accepted' })
    expect(server.mails).toHaveLength(2)
  })

  test('whose connection breaks before its body is tried again, for nothing was sent', async () => {
    server.script = { rcpt: 'drop' }
    expect(await send()).toMatchObject({ kind: 'retry' })
    expect(server.mails).toHaveLength(0)
  })

  test('whose connection breaks before the greeting is tried again', async () => {
    const fresh = createSmtp()
    server.script = { connect: 'drop' }
    const outcome = await deliver(fresh, { url: server.url, from }, outgoing({ id: 'ada@example.com' }), { http })
    await fresh.close?.()
    expect(outcome).toMatchObject({ kind: 'retry' })
  })

  test('to a server that nobody runs is tried again', async () => {
    const gone = await startSmtp()
    await gone.close()
    expect(await send({}, { url: gone.url, from })).toMatchObject({
      kind: 'retry',
      error: 'The mail server could not be reached.',
    })
  })

  test('goes to no server that may not be reached, but to one that the configuration names', async () => {
    const { connections } = server
    const http = testDoor([])
    const own = createSmtp()
    const message = outgoing({ id: 'ada@example.com' })
    for (const host of ['127.0.0.1', '127.1', 'localhost', '[::1]', '10.0.0.5', 'redis']) {
      const settings = { url: `smtp://${host}:${server.port}`, from }
      expect(await deliver(own, settings, message, { http })).toMatchObject({ kind: 'misconfigured' })
      expect(own.check!(settings, http.guard)).toMatchObject([{ path: ['url'] }])
    }
    expect(server.connections).toBe(connections)
    expect(await deliver(own, { url: server.url, from }, message, { http, guarded: false })).toMatchObject({ kind: 'accepted' })
    expect(own.check!({ url: 'smtp://mail.example.com', from }, http.guard)).toEqual([])
    await own.close?.()
    await http.close()
  })

  test('of an account whose password is wrong is misconfigured, and the error does not say the password', async () => {
    const login = await startSmtp({ login: true })
    login.script = { auth: '535 5.7.8 hunter2 is not the password' }
    const url = `smtp://user:hunter2@127.0.0.1:${login.port}`
    const outcome = await send({}, { url, from })
    await login.close()
    expect(outcome).toEqual({ kind: 'misconfigured', error: 'The mail server answered 535.', code: '535', isLogin: true })
  })
})

describe('the settings of SMTP', () => {
  const { settings } = createSmtp()
  test.each([
    ['smtp://mail.example.com', 'shop@example.com'],
    ['smtps://user:p%40ss@mail.example.com:465', '"The Shop, Ltd." <shop@example.com>'],
  ])('are a server and a sender: %s %s', (url, sender) => {
    expect(settings.safeParse({ url, from: sender })).toMatchObject({ success: true })
  })

  test.each([
    ['http://mail.example.com', 'shop@example.com'],
    ['smtp://', 'shop@example.com'],
    ['smtp://u%zz:p@mail.example.com', 'shop@example.com'],
    ['smtp://mail.example.com', '"A" <a@x.test>, <z@z.test>'],
    ['smtp://mail.example.com', 'a@x.test, b@x.test'],
    ['smtp://mail.example.com', 'shop'],
  ])('are refused otherwise: %s %s', (url, sender) => {
    expect(settings.safeParse({ url, from: sender })).toMatchObject({ success: false })
  })
})
