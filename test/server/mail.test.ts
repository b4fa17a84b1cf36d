import { appendFile, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import SMTPPool from 'nodemailer/lib/smtp-pool'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type MailCatcher, startMailCatcher } from '../../src/server/mail.ts'

describe('the mail catcher', () => {
  let dir: string
  let catcher: MailCatcher
  beforeEach(async () => {
    dir = join(await mkdtemp(join(tmpdir(), 'carillon-mail-')), 'mail')
    catcher = await startMailCatcher({ dir })
  })
  afterEach(async () => {
    await catcher.stop()
    await rm(join(dir, '..'), { recursive: true })
  })

  async function send(...mails: readonly object[]) {
    const pool = createTransport(new SMTPPool({ url: catcher.url, maxConnections: 4 }))
    const defaults = { from: 'Shop <shop@example.com>', to: 'Ada <ada@example.com>', subject: 'Hello', text: 'Hello, Ada.' }
    await Promise.all(mails.map((mail) => pool.sendMail({ ...defaults, ...mail })))
    pool.close()
  }

  async function get(path: string, method = 'GET') {
    const url = new URL(path, 'http://127.0.0.1')
    const route = catcher.routes.find((each) => url.pathname === each.path || url.pathname.startsWith(`${each.path}/`))
    const { status, headers, body } = await route!.answer({
      method,
      url,
      headers: {},
      headerValues: {},
      body: async () => new Uint8Array(),
    })
    return { status, headers, body: body.toString() }
  }

  const files = async () => (await readdir(dir)).filter((file) => file.endsWith('.eml')).sort()

  const list = async (query = '') => JSON.parse((await get(`/mail.json${query}`)).body)

  test('keeps each mail as a file that its owner alone can read, and delivers none', async () => {
    await send({ subject: 'Kept' })
    await expect.poll(files).toEqual(['1.eml'])
    expect((await stat(dir)).mode & 0o777).toBe(0o700)
    expect((await stat(join(dir, '1.eml'))).mode & 0o777).toBe(0o600)
  })

  test('lists the mails newest first, for people and for programs', async () => {
    await send({ subject: 'First' })
    await send({ subject: 'Second', to: 'bob@example.com' })
    expect(await list()).toEqual({
      count: 2,
      mails: [
        {
          id: 2,
          subject: 'Second',
          from: 'Shop <shop@example.com>',
          to: 'bob@example.com',
          at: expect.any(String),
          page: '/mail/2',
          source: '/mail/2.eml',
        },
        {
          id: 1,
          subject: 'First',
          from: 'Shop <shop@example.com>',
          to: 'Ada <ada@example.com>',
          at: expect.any(String),
          page: '/mail/1',
          source: '/mail/1.eml',
        },
      ],
      next: null,
    })
    const page = await get('/mail')
    expect(page.status).toBe(200)
    expect(page.body.indexOf('Second')).toBeLessThan(page.body.indexOf('First'))
    expect(page.body).toContain('2 mails')
  })

  test('says so when there is none', async () => {
    expect((await get('/mail')).body).toContain('No mail yet')
    expect(await list()).toEqual({ count: 0, mails: [], next: null })
  })

  test('shows headers, both parts, and the source', async () => {
    await send({ subject: 'Order', html: '<p>It is <b>here</b>.</p>', headers: { 'X-Shop': 'bells' } })
    const page = await get('/mail/1')
    expect(page.body).toContain('Hello, Ada.')
    expect(page.body).toContain('&lt;p&gt;It is &lt;b&gt;here&lt;/b&gt;.&lt;/p&gt;')
    expect(page.body).toContain('X-Shop')
    const source = await get('/mail/1.eml')
    expect(source.headers).toMatchObject({
      'content-type': 'message/rfc822',
      'content-disposition': 'attachment; filename="1.eml"',
    })
    expect(source.body).toContain('Subject: Order')
  })

  test('runs nothing that a mail brings', async () => {
    const script = '"><script>alert(1)</script>'
    await send({
      subject: script,
      to: { name: script, address: 'a@example.com' },
      text: script,
      html: script,
      headers: { 'X-A': script },
    })
    for (const path of ['/mail', '/mail/1']) {
      const { body, headers } = await get(path)
      expect(body).not.toContain('<script')
      expect(headers['content-security-policy']).toContain("default-src 'none'")
      expect(headers['content-security-policy']).not.toContain('script-src')
    }
    const sandbox = /<iframe[^>]* sandbox="([^"]*)"/.exec((await get('/mail/1')).body)![1]
    expect(sandbox).not.toMatch(/allow-(?:scripts|same-origin|top-navigation|forms)/)
  })

  test('shows the pictures of a mail wherever they lie, as clients do', async () => {
    await send({ html: '<img src="http://pictures.example/logo.png">' })
    expect((await get('/mail/1')).headers['content-security-policy']).toMatch(/img-src [^;]* https: http:;/)
  })

  test('turns its list page by page', async () => {
    await send(...Array.from({ length: 120 }, (_, i) => ({ subject: `Mail ${i}` })))
    const first = await list()
    const second = await list(`?before=${first.next}`)
    const third = await list(`?before=${second.next}`)
    const ids = [first, second, third].flatMap(({ mails }) => mails.map(({ id }: { id: number }) => id))
    expect(ids).toEqual(Array.from({ length: 120 }, (_, i) => 120 - i))
    expect(third.next).toBeNull()
    expect((await get('/mail')).body).toContain(`/mail?before=${first.next}`)
  })

  test('goes on where it left off, and keeps the newest when there are too many', async () => {
    await send({}, {}, {})
    await catcher.stop()
    catcher = await startMailCatcher({ dir, maxKept: 2 })
    await send({ subject: 'Fourth' })
    expect((await list()).mails.map(({ id }: { id: number }) => id)).toEqual([4, 3])
    await expect.poll(files).toEqual(['3.eml', '4.eml'])
  })

  test('loses none of a burst that it was stopped in, and makes their files later', async () => {
    await send(...Array.from({ length: 60 }, (_, i) => ({ subject: `Mail ${i}` })))
    await catcher.stop()
    // What a process that was killed was just writing.
    await appendFile(join(dir, 'journal'), '61 1 500\nSubject: cut')
    catcher = await startMailCatcher({ dir })
    expect(await list()).toMatchObject({ count: 60, mails: { length: 50 } })
    expect((await get('/mail/60')).body).toContain('Hello, Ada.')
    await expect.poll(files, { timeout: 10_000 }).toHaveLength(60)
    await expect.poll(async () => (await stat(join(dir, 'journal'))).size).toBe(0)
    await send({ subject: 'Next' })
    expect((await list()).mails[0]).toMatchObject({ id: 61, subject: 'Next' })
  })

  test.each(['/mail/99', '/mail/99.eml', '/mail/..%2f1', '/mail/x', '/mail/1/2'])('knows no %s', async (path) => {
    await writeFile(join(dir, 'x.eml'), 'secret')
    const { status, body } = await get(path)
    expect(status).toBe(404)
    expect(body).not.toContain('secret')
  })

  test('shows a mail that is no mail', async () => {
    await writeFile(join(dir, '7.eml'), Buffer.from([0, 255, 13, 10, 1]))
    await catcher.stop()
    catcher = await startMailCatcher({ dir })
    expect((await get('/mail/7')).status).toBe(200)
    expect((await get('/mail')).body).toContain('(no subject)')
  })

  test('is read, never written to, over HTTP', async () => {
    expect(await get('/mail', 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
  })
})
