import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { run, startCommand } from './command.ts'

// It starts a database and a server of its own, twice.
vi.setConfig({ testTimeout: 90_000 })

/** Where the demo makes its data dir. Others may pass: as root its database runs as another user. */
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'demo-'))
  await chmod(folder, 0o755)
})

afterEach(() => rm(folder, { recursive: true }))

test('The demo sends over four channels, shows each event and what arrived, and leaves nothing', async () => {
  const { code, stdout, stderr } = await run(['demo'], { TMPDIR: folder })
  expect(stderr).toBe('')
  for (const channel of ['EMAIL · smtp', 'INBOX · inbox', 'WEBHOOK · webhook', 'PUSH · webpush']) {
    expect(stdout).toMatch(new RegExp(`SENT +${channel}`))
  }
  expect(stdout).toContain('To: ada+')
  expect(stdout).toContain('its signature holds')
  expect(stdout).toContain('decrypted by the browser')
  expect(stdout).toContain('All 4 messages were sent.')
  expect(code).toBe(0)
  expect(await readdir(folder)).toEqual([])
})

test.each([
  ['at once', 'Starting a server'],
  ['in the midst of it', 'Accepted'],
])('The demo that is ended %s fails, and leaves nothing either', async (_when, words) => {
  const demo = startCommand(['demo'], { TMPDIR: folder })
  for (let said = ''; !said.includes(words); ) said += String((await once(demo.stdout!, 'data'))[0])
  demo.kill('SIGINT')
  expect(await demo.ended).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing is left running') })
  expect(await readdir(folder)).toEqual([])
})

test('The demo fails when the server that it is to use does not answer', async () => {
  const env = { CARILLON_PUBLIC_URL: 'http://127.0.0.1:1', CARILLON_ADMIN_KEY: `ck_live_${'a'.repeat(32)}`, TMPDIR: folder }
  const { code, stderr } = await run(['demo'], env)
  expect(code).toBe(1)
  expect(stderr).toContain('http://127.0.0.1:1 does not answer')
})
