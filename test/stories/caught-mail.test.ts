import { afterAll, beforeAll, expect, test } from 'vitest'
import { type House, house } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

let home: House

beforeAll(async () => {
  home = await house({ mode: 'embedded and in process', env: { SMTP_URL: '', MAIL_FROM: '' } })
})
afterAll(() => home.stop())

test('Without a mail server, each mail is caught: listed, shown, and kept as it was sent', async () => {
  const content = { title: 'Caught <b>you</b>', body: 'It rings.' }
  const id = await home.send({ to: [{ email: 'ada@example.com' }], content })
  await home.journey(id)
  const list = (await (await fetch(`${home.urls[0]}/mail.json`)).json()) as {
    count: number
    mails: { subject: string; page: string; source: string }[]
  }
  expect(list).toMatchObject({ count: 1, mails: [{ subject: content.title }] })
  const [{ page, source }] = list.mails as [(typeof list.mails)[number]]
  const shown = await (await fetch(`${home.urls[0]}${page}`)).text()
  expect(shown).toContain('Caught &lt;b&gt;you&lt;/b&gt;')
  const mail = await readMail(await (await fetch(`${home.urls[0]}${source}`)).text())
  expect(mail).toMatchObject({ subject: content.title })
  expect(mail.messageId).toContain(id)
  expect(home.smtp.mails).toEqual([])
})
