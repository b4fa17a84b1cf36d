import { existsSync } from 'node:fs'
import { type Browser, chromium } from 'playwright-core'

const CHROMIUM = '/usr/bin/chromium'

/**
 * A real browser without a window. Null where there is no Chromium, which is said; skip by name then:
 * `test.skipIf(browser === null)`. Under CI=true that is a failure.
 */
export async function openBrowser(): Promise<Browser | null> {
  if (!existsSync(CHROMIUM)) return refuse()
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] })
}

function refuse(): null {
  if (process.env.CI === 'true') throw new Error('Chromium is not installed, and under CI every test runs.')
  process.stderr.write(`Not run: tests in a browser, since there is no ${CHROMIUM} here (apt install chromium).\n`)
  return null
}
