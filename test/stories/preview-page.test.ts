import type { Browser, BrowserContext, Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { ask } from '../support/graph.ts'
import { dataOf, document, type House, house } from '../support/house.ts'

const LINK = document<{ previewLink: { url: string; expiresAt: string } }>(
  'query ($input: PreviewInput!) { previewLink(input: $input) { url expiresAt } }',
)

const browser: Browser | null = await openBrowser()
afterAll(() => browser?.close())

let home: House
beforeAll(async () => {
  home = await house({ mode: 'embedded and in process' })
})
afterAll(() => home.stop())

const linkTo = async (input: object) => dataOf(await home.client.send(LINK, { input })).previewLink.url

const TEA = {
  content: {
    title: 'Your tea, {{name}}',
    elements: [
      { type: 'text', content: 'Order **{{order}}** left our shop.' },
      { type: 'action', content: 'Track it', href: 'https://tea.example/{{order}}' },
    ],
  },
  data: { name: 'Ada', order: 1042 },
}

describe('The page of a preview', () => {
  test('is for whoever has its link: no cache keeps it, no search engine lists it, nothing in it runs', async () => {
    const { status, headers } = await fetch(await linkTo(TEA))
    expect(status).toBe(200)
    expect(headers.get('cache-control')).toBe('no-store')
    expect(headers.get('referrer-policy')).toBe('no-referrer')
    expect(headers.get('x-robots-tag')).toMatch(/noindex/)
    const policy = headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).toMatch(/img-src [^;]* https: http:(?:;|$)/)
    expect(policy).not.toMatch(/script-src|unsafe-eval/)
  })

  test('is not there for a link that is not ours, in one and the same words', async () => {
    const url = await linkTo(TEA)
    const [cut, forged, none] = await Promise.all(
      [url.slice(0, -4), `${url.slice(0, -6)}AAAAAA`, `${home.urls[0]}/preview`].map(async (one) => {
        const answer = await fetch(one)
        return [answer.status, await answer.text()] as const
      }),
    )
    expect(cut![0]).toBe(404)
    expect([forged, none]).toEqual([cut, cut])
  })

  test('says why there is nothing to show any more', async () => {
    const put = 'mutation ($input: TemplateInput!) { putTemplate(id: "gone", input: $input) { id } }'
    await ask(home.client, put, { input: { name: 'Gone', content: { title: 'Hi' } } })
    const url = await linkTo({ template: 'gone', draft: true })
    await ask(home.client, 'mutation { deleteTemplate(id: "gone") }')
    const answer = await fetch(url)
    expect(answer.status).toBe(404)
    expect(await answer.text()).toContain('The template &#39;gone&#39; was not found.')
  })
})

describe.skipIf(browser === null)('In a browser', () => {
  let context: BrowserContext
  let page: Page
  const alerts: string[] = []

  beforeEach(async () => {
    alerts.length = 0
    context = await browser!.newContext({ viewport: { width: 1400, height: 900 } })
    await context.route(/^https:/, (route) => route.abort())
    page = await context.newPage()
    page.on('dialog', (dialog) => {
      alerts.push(dialog.message())
      void dialog.dismiss()
    })
  })
  afterEach(() => context.close())

  const frames = () => page.locator('iframe:visible')
  const widths = () => frames().evaluateAll((all) => all.map((one) => one.clientWidth))
  /** What a mail's first text stands on, in a frame that is seen. */
  const inkOf = (index: number) =>
    frames()
      .nth(index)
      .contentFrame()
      .locator('body')
      .evaluate((body) => getComputedStyle(body.querySelector('p, td, div')!).color)

  test('it shows a mail at desktop and phone width beside each other, light and dark, with its text part', async () => {
    await page.goto(await linkTo(TEA))
    expect(await page.getByRole('heading', { level: 1 }).textContent()).toBe('Your tea, Ada')
    const [desktop, phone] = await widths()
    expect(desktop).toBeGreaterThanOrEqual(600)
    expect(phone).toBe(375)
    expect(await frames().nth(1).contentFrame().locator('body').textContent()).toContain('Order 1042 left our shop.')
    const light = await inkOf(1)
    await page.getByLabel('Dark').check({ force: true })
    expect(await widths()).toEqual([desktop, phone])
    expect(await inkOf(1)).not.toBe(light)
    expect(await page.locator('#EMAIL pre').textContent()).toContain('https://tea.example/1042')
  })

  test('on a phone it shows one at a time, and nothing of it needs a script', async () => {
    const quiet = await browser!.newContext({ viewport: { width: 390, height: 844 }, javaScriptEnabled: false })
    page = await quiet.newPage()
    await page.goto(await linkTo(TEA))
    expect(await page.locator('iframe:visible').count()).toBe(1)
    await page.getByLabel('Phone').check({ force: true })
    await page.getByLabel('Dark').check({ force: true })
    expect(await page.locator('iframe:visible').getAttribute('class')).toBe('phone dark')
    await quiet.close()
  })

  test('it shows what each other channel says', async () => {
    await page.goto(await linkTo(TEA))
    const said = (channel: string) => page.locator(`#${channel}`).innerText()
    expect(await said('SMS')).toMatch(/Order 1042 left our shop\.[\s\S]*1 segment, \d+ characters in GSM-7/)
    expect(await said('PUSH')).toContain('Your tea, Ada')
    expect(await page.locator('#INBOX a.button').getAttribute('href')).toBe('https://tea.example/1042')
    expect(await page.locator('#DIRECT_MESSAGE strong').textContent()).toBe('1042')
    expect(await said('WEBHOOK')).toContain('"order": 1042')
  })

  test('it names what cannot be shown, and why, apart from what there is nothing for', async () => {
    const elements = [
      { type: 'text', content: 'Here', channels: ['email'] },
      { type: 'text', content: '{{divide 1 0}}', channels: ['push'] },
    ]
    await page.goto(await linkTo({ content: { elements } }))
    const under = (name: string) => page.locator('section', { has: page.getByRole('heading', { name }) }).innerText()
    expect(await under('Cannot be shown')).toMatch(/Push\s+elements\.1\.content: /)
    expect(await under('Cannot be shown')).not.toContain('SMS')
    expect(await under('Nothing for these channels')).toMatch(/SMS\s+The content says nothing on SMS: no element is for it\./)
    expect(await page.locator('#EMAIL').isVisible()).toBe(true)
  })

  test('no script of a template or of data runs in it, wherever it stands', async () => {
    const nasty = '<img src=x onerror=alert(1)><svg onload=alert(2)></iframe><script>alert(3)</script>'
    const elements = [
      { type: 'text', content: '{{nasty}} [a](javascript:alert(4)) [b]({{url}})' },
      {
        type: 'html',
        content: '<p onclick="alert(5)">x</p><script>alert(6)</script><iframe srcdoc="<script>alert(7)</script>"></iframe>',
      },
      { type: 'quote', content: '{{{nasty}}}' },
    ]
    const data = { nasty: `${nasty}"'\u202e\u2028\r\n`, url: ' JaVaScRiPt:alert(8)' }
    await page.goto(await linkTo({ content: { title: 'Hi {{nasty}}', elements }, data }))
    await page.getByLabel('Dark').check({ force: true })
    await page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))))
    expect(alerts).toEqual([])
    const hrefs = await page.locator('a').evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''))
    for (const frame of page.frames().slice(1)) {
      hrefs.push(...(await frame.locator('a').evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''))))
      expect(await frame.locator('script, [onerror], [onload], [onclick], iframe').count()).toBe(0)
    }
    expect(hrefs.filter((href) => /javascript:/i.test(href))).toEqual([])
    expect(await page.locator('script, [onerror], [onload]').count()).toBe(0)
    expect(await page.locator('h1').textContent()).toContain('<img src=x onerror=alert(1)>')
  })

  test('what an override of a send brings as HTML runs nothing either', async () => {
    // A frame may be kept from alerts and run all the same, so it leaves a mark.
    const leave = 'document.documentElement.dataset.ran = 1'
    const html = `<script>${leave}</script><img src="x" onerror="${leave}"><form action="https://evil.test"><button>x</button></form>`
    const { send } = await ask<{ send: { requestId: string } }>(
      home.client,
      'mutation ($input: SendInput!) { send(input: $input) { requestId } }',
      { input: { to: [{ email: 'a@example.com' }], content: { title: 'T' }, channels: { email: { override: { html } } } } },
    )
    await page.goto(await linkTo({ messageId: send.requestId, channels: ['EMAIL'] }))
    await frames().first().contentFrame().locator('button').waitFor()
    for (const frame of page.frames()) expect(await frame.locator('html').getAttribute('data-ran')).toBeNull()
    expect(await frames().first().getAttribute('sandbox')).not.toMatch(/allow-scripts|allow-same-origin/)
    expect(alerts).toEqual([])
  })
})
