import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import pixelmatch from 'pixelmatch'
import type { Browser, Page } from 'playwright-core'
import { PNG } from 'pngjs'
import { afterAll, describe, expect, test } from 'vitest'
import { openBrowser } from '../support/browser.ts'
import { isFull } from '../support/scale.ts'
import { STARTERS, starter } from '../support/starters.ts'
import { renderContent } from './job.ts'
import { SAMPLES } from './samples.ts'

/**
 * The starter templates as a browser shows them, beside the pictures that were looked at and liked. `UPDATE_PICTURES=1`
 * takes them anew: look at them before they are kept.
 */

const PICTURES = new URL('pictures/', import.meta.url).pathname
const UPDATE = process.env.UPDATE_PICTURES === '1'

const LOGO =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 140 36" width="140" height="36"><rect width="36" height="36" rx="9" fill="#7c3aed"/><path d="M10 25V11l8 8 8-8v14" fill="none" stroke="#fff" stroke-width="4"/><path d="M50 10h60v6H50zM50 21h38v6H50z" fill="#7c3aed"/></svg>'

const BRANDS = {
  plain: null,
  violet: {
    id: 'loom',
    name: 'Loom',
    colors: { primary: '#7c3aed' },
    logo: { url: 'https://loom.example/logo.svg', href: 'https://loom.example/', alt: 'Loom' },
    email: { footer: 'Loom Ltd, 5 Weaver Street, Leeds' },
    snippets: new Map<string, string>(),
  },
  // So bright that white words could not be read on it.
  amber: {
    id: 'bean',
    name: 'Bean & Co',
    colors: { primary: '#f5b301' },
    email: { header: 'Bean & Co', footer: 'Bean & Co, 12 Quay Road, Bristol' },
    snippets: new Map<string, string>(),
  },
}
const URLS = { unsubscribe: 'https://notify.example/u/1', preferences: 'https://notify.example/p/1' }
const SCREENS = [600, 375].flatMap((width) => (['light', 'dark'] as const).map((scheme) => ({ width, scheme })))
/** What differs most. */
const EXTREMES = SCREENS.filter(({ width, scheme }) => (width === 600) === (scheme === 'light'))

const browser: Browser | null = await openBrowser()
afterAll(() => browser?.close())

describe.skipIf(browser === null)('The starter template', () => {
  for (const name of STARTERS) {
    for (const [brandName, brand] of Object.entries(BRANDS)) {
      test.each(isFull || brandName === 'violet' ? SCREENS : EXTREMES)(
        `${name}, in the brand ${brandName}, looks as it did: $width px, $scheme`,
        async ({ width, scheme }) => {
          const { content, sample } = starter(name)
          const { html } = await renderContent(content, { data: sample, brand, urls: URLS })
          const { page, asked } = await open(html!, width, scheme)
          // Nothing is fetched but the logo.
          expect(asked).toEqual(brand !== null && 'logo' in brand ? [brand.logo.url] : [])
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
          expect(await page.evaluate(FAINT_TEXTS)).toEqual([])
          await compare(page, `${name}-${brandName}-${width}-${scheme}`)
          await page.close()
        },
      )
    }
  }
})

describe.skipIf(browser === null)('An email in Arabic', () => {
  test.each(SCREENS)('looks as it did: $width px, $scheme', async ({ width, scheme }) => {
    const data = { id: 'A7', url: 'https://shop.example/orders/7', lines: [{ price: '3.00' }, { price: '12.50' }] }
    const { html } = await renderContent(SAMPLES['right-to-left']!, { data, brand: BRANDS.violet, urls: URLS, locale: 'ar' })
    const { page } = await open(html!, width, scheme)
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    expect(await page.evaluate(FAINT_TEXTS)).toEqual([])
    await compare(page, `right-to-left-${width}-${scheme}`)
    await page.close()
  })
})

async function open(html: string, width: number, scheme: 'light' | 'dark') {
  const asked: string[] = []
  const page = await browser!.newPage({ viewport: { width, height: 600 }, colorScheme: scheme })
  await page.route('**/*', (route) => {
    const url = route.request().url()
    if (url === 'http://mail.example/') return route.fulfill({ contentType: 'text/html; charset=utf-8', body: html })
    asked.push(url)
    return route.request().resourceType() === 'image'
      ? route.fulfill({ contentType: 'image/svg+xml', body: LOGO })
      : route.abort()
  })
  await page.goto('http://mail.example/')
  return { page, asked: asked.filter((url) => !url.endsWith('/favicon.ico')) }
}

/** Texts with less contrast to their ground than WCAG 2.2 asks for (criterion 1.4.3): 4.5 to 1, of large ones 3 to 1. */
const FAINT_TEXTS = `(() => {
  const numbers = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number)
  const luminance = (color) => {
    const [red, green, blue] = numbers(color)
      .slice(0, 3)
      .map((value) => value / 255)
      .map((share) => (share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
  }
  const groundOf = (element) => {
    if (element === null) return 'rgb(255, 255, 255)'
    const { backgroundColor } = getComputedStyle(element)
    return numbers(backgroundColor)[3] === 0 ? groundOf(element.parentElement) : backgroundColor
  }
  const faint = []
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const text = node.textContent.trim()
    if (text === '' || text === '\\u200a') continue
    const { color, fontSize } = getComputedStyle(node.parentElement)
    const [dark, light] = [luminance(color), luminance(groundOf(node.parentElement))].sort((a, b) => a - b)
    const contrast = (light + 0.05) / (dark + 0.05)
    if (contrast < (parseFloat(fontSize) >= 24 ? 3 : 4.5)) faint.push(contrast.toFixed(2) + ': ' + text)
  }
  return faint
})()`

/** How wide words are tells whether this machine has the fonts that the pictures were taken with. */
const FONT_WIDTH = `(() => {
  const context = document.createElement('canvas').getContext('2d')
  context.font = "16px -apple-system, BlinkMacSystemFont, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif"
  return context.measureText('Sphinx of black quartz, judge my vow 0123456789').width.toFixed(1)
})()`

/** With the same fonts a picture differs next to nowhere; with others words are wider or narrower, and all beneath them is moved. */
async function compare(page: Page, name: string): Promise<void> {
  const file = `${PICTURES}${name}.png`
  const fontFile = `${PICTURES}font-width.txt`
  const shot = PNG.sync.read(await page.screenshot({ fullPage: true }))
  const fonts = await page.evaluate<string>(FONT_WIDTH)
  if (UPDATE) {
    mkdirSync(PICTURES, { recursive: true })
    writeFileSync(file, PNG.sync.write(shot, { colorType: 2, inputHasAlpha: true, deflateLevel: 9 }))
    writeFileSync(fontFile, `${fonts}\n`)
    return
  }
  expect(existsSync(file), `${name} has no picture yet: UPDATE_PICTURES=1 takes it.`).toBe(true)
  const kept = PNG.sync.read(readFileSync(file))
  const sameFonts = readFileSync(fontFile, 'utf8').trim() === fonts
  expect(shot.width).toBe(kept.width)
  expect(Math.abs(shot.height - kept.height) / kept.height).toBeLessThanOrEqual(sameFonts ? 0.01 : 0.2)
  const height = Math.min(shot.height, kept.height)
  const [one, other] = [shot, kept].map((png) => png.data.subarray(0, 4 * png.width * height))
  const different = pixelmatch(one!, other!, undefined, kept.width, height, { threshold: 0.15 })
  expect(different / (kept.width * height)).toBeLessThanOrEqual(sameFonts ? 0.01 : 0.25)
}
