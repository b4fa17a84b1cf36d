import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { dataOf, document, type House, house } from '../support/house.ts'
import { readMail } from '../support/mail.ts'

interface Choice {
  topic: { id: string }
  status: string
  channels: string[] | null
  snoozedUntil: string | null
  source: string
}

const PUT_TOPIC = document('mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }')
const DELETE_TOPIC = document('mutation ($id: ID!) { deleteTopic(id: $id) }')
const DELETE_USER = document('mutation ($userId: ID!) { deleteUser(userId: $userId) }')
const PUT_BRAND = document('mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { id } }')
const PUT_TENANT = document('mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }')
const DELETE_TENANT = document('mutation ($id: ID!) { deleteTenant(id: $id) }')
const JOIN = document('mutation ($tenantId: ID!, $userId: ID!) { addTenantMember(tenantId: $tenantId, userId: $userId) { id } }')
const LEAVE = document('mutation ($tenantId: ID!, $userId: ID!) { removeTenantMember(tenantId: $tenantId, userId: $userId) }')
const SET_PREFERENCE = document<{ setPreference: Choice }>(
  'mutation ($userId: ID!, $input: PreferenceInput!) { setPreference(userId: $userId, input: $input) { status } }',
)
const SEND = document<{ send: { message: { id: string } } }>(
  'mutation ($input: SendInput!) { send(input: $input) { message { id } } }',
)
const CHOICES = document<{ user: { preferences: Choice[] } | null }>(
  'query ($id: ID!, $tenantId: ID) { user(id: $id) { preferences(tenantId: $tenantId) { topic { id } status channels snoozedUntil source } } }',
)

const LOGO = 'https://acme.example/logo.png'
const DAY_MS = 86_400_000

const browser: Browser | null = await openBrowser()
afterAll(() => browser?.close())

let home: House
beforeAll(async () => {
  home = await house({ mode: 'embedded and in process' })
  const topics: [string, object][] = [
    ['offers', { name: 'Offers', description: 'Sales and new arrivals, at most once a week.', section: 'Shop' }],
    ['orders', { name: 'Orders', description: 'Where your parcels are.', section: 'Shop', channels: ['EMAIL', 'SMS', 'PUSH'] }],
    [
      'receipts',
      { name: 'Receipts', description: 'What you paid, for your records.', section: 'Account', defaultStatus: 'REQUIRED' },
    ],
    ['sign-ins', { name: 'Sign-ins', section: 'Account', channels: ['EMAIL'] }],
    ['digest', { name: 'Weekly digest', description: 'The week in five lines.', defaultStatus: 'OPTED_OUT' }],
  ]
  for (const [id, input] of topics) {
    const whole = { defaultStatus: 'OPTED_IN', includeUnsubscribeHeader: true, ...input }
    dataOf(await home.client.send(PUT_TOPIC, { id, input: whole }))
  }
  const settings = { colors: { primary: '#0b6e4f' }, logo: { url: LOGO, alt: 'Acme' } }
  dataOf(await home.client.send(PUT_BRAND, { id: 'acme', input: { name: 'Acme', settings } }))
  dataOf(await home.client.send(PUT_TENANT, { id: 'acme', input: { name: 'Acme', brandId: 'acme' } }))
})
afterAll(() => home.stop())

/** Their page, as they come to it: by the link of a mail about a topic. */
async function pageOf(userId: string, tenantId: string | null = null): Promise<string> {
  const input = {
    to: [{ userId, email: `${userId}@example.com` }],
    topicId: 'offers',
    tenantId,
    content: { title: 'T', body: 'B' },
  }
  await home.journey(dataOf(await home.client.send(SEND, { input })).send.message.id)
  const { headers } = await readMail(
    home.smtp.mails.findLast(({ recipients }) => recipients[0] === `${userId}@example.com`)!.source,
  )
  const url = headers.find(({ key }) => key === 'list-unsubscribe')!.value.slice(1, -1)
  return /href="([^"]*\/preferences\/[^"]*)"/.exec(await (await fetch(url)).text())![1]!
}

async function choicesOf(userId: string, tenantId: string | null = null): Promise<Record<string, Omit<Choice, 'topic'>>> {
  const { user } = dataOf(await home.client.send(CHOICES, { id: userId, tenantId }))
  return Object.fromEntries(user!.preferences.map(({ topic, ...rest }) => [topic.id, rest]))
}

describe.skipIf(browser === null)('In a browser without scripts', () => {
  let context: BrowserContext
  let page: Page
  beforeEach(async () => {
    context = await browser!.newContext({ javaScriptEnabled: false })
    page = await context.newPage()
  })
  afterEach(() => context.close())

  const toggle = (name: string) => page.getByRole('switch', { name, exact: true })
  const save = () => page.getByRole('button', { name: 'Save' }).click()
  const details = (name: string) =>
    page
      .getByRole('listitem')
      .filter({ has: toggle(name) })
      .locator('details')

  test('every topic stands under its section with what holds, and a required one cannot be turned off', async () => {
    await page.goto(await pageOf('ada'))
    expect(await page.getByRole('group').locator('legend:visible').allTextContents()).toEqual(['Account', 'Shop', 'Other'])
    const shown = await page.getByRole('switch').evaluateAll((all) => all.map((one) => (one as HTMLInputElement).checked))
    expect(shown).toEqual([true, true, true, true, false])
    expect(await toggle('Receipts').isDisabled()).toBe(true)
  })

  test('what is changed and saved holds, and nothing else became a choice', async () => {
    await page.goto(await pageOf('bea'))
    await toggle('Offers').click()
    await details('Orders').locator('summary').click()
    await details('Orders').getByLabel('SMS').uncheck()
    await details('Orders').getByLabel('Pause').selectOption('For a week')
    await toggle('Weekly digest').click()
    const before = Date.now()
    await save()
    expect(await page.getByRole('status').textContent()).toBe('Your choices are saved.')
    expect(new URL(page.url()).search).toBe('?saved')

    const choices = await choicesOf('bea')
    expect(choices.offers).toEqual({ status: 'OPTED_OUT', channels: null, snoozedUntil: null, source: 'USER' })
    expect(choices.orders).toMatchObject({ status: 'OPTED_IN', channels: ['EMAIL', 'PUSH'], source: 'USER' })
    const away = Date.parse(choices.orders!.snoozedUntil!) - before
    expect(away / DAY_MS).toBeCloseTo(7, 2)
    expect(choices.digest).toMatchObject({ status: 'OPTED_IN', channels: null, source: 'USER' })
    expect(choices['sign-ins']).toMatchObject({ source: 'TOPIC' })
    expect(choices.receipts).toMatchObject({ source: 'TOPIC' })
  })

  test('a pause that runs is shown, stays when something else is changed, and can be ended', async () => {
    const snoozedUntil = new Date(Date.now() + 3 * DAY_MS).toISOString()
    const input = { topicId: 'orders', status: 'OPTED_IN', channels: ['SMS'], snoozedUntil }
    dataOf(await home.client.send(SET_PREFERENCE, { userId: 'cem', input }))
    await page.goto(await pageOf('cem'))
    expect(await details('Orders').locator('summary').textContent()).toMatch(/Paused until \d+ \w+ \d{4} at \d\d:\d\d UTC · SMS$/)

    await details('Orders').locator('summary').click()
    await details('Orders').getByLabel('Email').check()
    await save()
    expect((await choicesOf('cem')).orders).toMatchObject({ channels: ['EMAIL', 'SMS'], snoozedUntil })

    await details('Orders').locator('summary').click()
    await details('Orders').getByLabel('Pause').selectOption('End the pause')
    await save()
    expect((await choicesOf('cem')).orders).toMatchObject({ channels: ['EMAIL', 'SMS'], snoozedUntil: null })
  })

  test('saving what was not touched makes no choice', async () => {
    await page.goto(await pageOf('dan'))
    await save()
    expect(Object.values(await choicesOf('dan')).map(({ source }) => source)).toEqual(Array(5).fill('TOPIC'))
  })

  test('two pages of one person do not undo each other', async () => {
    const url = await pageOf('eve')
    const other = await context.newPage()
    await page.goto(url)
    await other.goto(url)
    await toggle('Offers').click()
    await save()
    await other.getByRole('switch', { name: 'Orders' }).click()
    await other.getByRole('button', { name: 'Save' }).click()
    const { offers, orders } = await choicesOf('eve')
    expect([offers!.status, orders!.status]).toEqual(['OPTED_OUT', 'OPTED_OUT'])
  })

  test('a topic without any channel left is off', async () => {
    await page.goto(await pageOf('fay'))
    await details('Orders').locator('summary').click()
    for (const name of ['Email', 'SMS', 'Push']) await details('Orders').getByLabel(name).uncheck()
    await save()
    expect(await toggle('Orders').isChecked()).toBe(false)
    expect((await choicesOf('fay')).orders).toMatchObject({ status: 'OPTED_OUT' })
  })

  test('it works by keyboard alone', async () => {
    await page.goto(await pageOf('gil'))
    await toggle('Offers').focus()
    await page.keyboard.press('Space')
    await page.keyboard.press('Enter')
    await page.waitForURL(/\?saved$/)
    expect((await choicesOf('gil')).offers).toMatchObject({ status: 'OPTED_OUT' })
  })

  test('in a tenant it has the tenant’s brand, loads its logo alone, and chooses for that tenant', async () => {
    const asked: string[] = []
    await context.route('**/*', (route) => {
      asked.push(route.request().url())
      if (route.request().url() === LOGO) return route.fulfill({ contentType: 'image/png', body: PIXEL })
      return route.continue()
    })
    dataOf(await home.client.send(JOIN, { tenantId: 'acme', userId: 'hal' }))
    const url = await pageOf('hal', 'acme')
    await page.goto(url)
    expect(await page.getByRole('img', { name: 'Acme' }).evaluate((image) => (image as HTMLImageElement).naturalWidth)).toBe(1)
    const fill = await page.getByRole('button').evaluate((button) => getComputedStyle(button).backgroundColor)
    expect(fill).toBe('rgb(11, 110, 79)')
    expect(asked).toEqual([url, LOGO])
    await toggle('Offers').click()
    await save()
    expect((await choicesOf('hal', 'acme')).offers).toMatchObject({ status: 'OPTED_OUT' })
    expect((await choicesOf('hal')).offers).toMatchObject({ status: 'OPTED_IN', source: 'TOPIC' })
  })

  test('unsubscribing takes one press, and leads on to the preferences', async () => {
    const url = await pageOf('ivy')
    const { headers } = await readMail(home.smtp.mails.at(-1)!.source)
    await page.goto(headers.find(({ key }) => key === 'list-unsubscribe')!.value.slice(1, -1))
    await page.getByRole('button', { name: 'Unsubscribe' }).click()
    expect(await page.getByRole('heading').textContent()).toBe('You are unsubscribed')
    await page.getByRole('link').click()
    expect(new URL(page.url()).origin).toBe(new URL(url).origin)
    expect(await toggle('Offers').isChecked()).toBe(false)
  })

  test.each([375, 1280])('nothing stands out of a window of %i pixels', async (width) => {
    await page.setViewportSize({ width, height: 800 })
    await page.goto(await pageOf('jo'))
    for (const summary of await page.locator('summary').all()) if (await summary.isVisible()) await summary.click()
    expect(await page.locator('html').evaluate((html) => html.scrollWidth)).toBe(width)
  })
})

describe('The page', () => {
  test('ends with its user, and shows and saves nothing for a link that is not ours', async () => {
    const url = await pageOf('kim')
    for (const wrong of [`${url}x`, `${home.urls[0]}/preferences`, `${home.urls[0]}/preferences/`]) {
      expect([(await fetch(wrong)).status, (await fetch(wrong, { method: 'POST' })).status]).toEqual([404, 404])
    }
    dataOf(await home.client.send(DELETE_USER, { userId: 'kim' }))
    const body = () => new URLSearchParams({ 'topic.0': 'offers', 'was.0': 'on' })
    expect([(await fetch(url)).status, (await fetch(url, { method: 'POST', body: body() })).status]).toEqual([410, 410])
    expect(dataOf(await home.client.send(CHOICES, { id: 'kim', tenantId: null })).user).toBeNull()
  })

  test.each([
    ['has left its tenant', 'leo', () => home.client.send(LEAVE, { tenantId: 'fading', userId: 'leo' })],
    ['has lost its tenant', 'liv', () => home.client.send(DELETE_TENANT, { id: 'fading' })],
  ])('of somebody who %s shows and saves what they choose everywhere', async (_what, userId, part) => {
    dataOf(await home.client.send(PUT_TENANT, { id: 'fading', input: { name: 'Fading' } }))
    dataOf(await home.client.send(JOIN, { tenantId: 'fading', userId }))
    const chosen = { topicId: 'offers', status: 'OPTED_IN', tenantId: 'fading' }
    dataOf(await home.client.send(SET_PREFERENCE, { userId, input: chosen }))
    const url = await pageOf(userId)
    dataOf(await home.client.send(SET_PREFERENCE, { userId, input: { topicId: 'digest', status: 'OPTED_IN' } }))
    dataOf(await part())
    const looked = await fetch(url)
    expect(looked.status).toBe(200)
    expect(await looked.text()).toMatch(/value="digest"><input type="hidden" name="was\.\d+" value="on /)
    const body = new URLSearchParams({ 'topic.0': 'offers', 'was.0': 'on' })
    expect((await fetch(url, { method: 'POST', body, redirect: 'manual' })).status).toBe(303)
    expect((await choicesOf(userId)).offers).toMatchObject({ status: 'OPTED_OUT', source: 'USER' })
  })

  test('passes over a topic that went or became required meanwhile', async () => {
    const url = await pageOf('lea')
    dataOf(await home.client.send(PUT_TOPIC, { id: 'late', input: { name: 'Late', defaultStatus: 'OPTED_IN' } }))
    dataOf(await home.client.send(DELETE_TOPIC, { id: 'late' }))
    const fields = { 'topic.0': 'late', 'was.0': 'on', 'topic.1': 'receipts', 'was.1': 'on', 'topic.2': 'offers', 'was.2': 'on' }
    const answer = await fetch(url, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' })
    expect([answer.status, answer.headers.get('location')]).toEqual([303, '?saved'])
    expect(await choicesOf('lea')).toMatchObject({ offers: { status: 'OPTED_OUT' }, receipts: { status: 'REQUIRED' } })
  })

  test('saves more changes than the API takes at once', async () => {
    const url = await pageOf('max')
    const ids = Array.from({ length: 60 }, (_, n) => `many-${n}`)
    for (const id of ids) dataOf(await home.client.send(PUT_TOPIC, { id, input: { name: id, defaultStatus: 'OPTED_IN' } }))
    const body = new URLSearchParams(
      ids.flatMap((id, n) => [
        [`topic.${n}`, id],
        [`was.${n}`, 'on'],
      ]),
    )
    expect((await fetch(url, { method: 'POST', body })).status).toBe(200)
    const choices = await choicesOf('max')
    expect(ids.every((id) => choices[id]!.status === 'OPTED_OUT')).toBe(true)
    for (const id of ids) dataOf(await home.client.send(DELETE_TOPIC, { id }))
  })
})

const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
