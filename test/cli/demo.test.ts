import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, test, vi } from 'vitest'
import { createApi } from '../../src/cli/api.ts'
import { type OwnServer, startOwnServer } from '../../src/cli/own-server.ts'
import { type Ended, run, startCommand } from './command.ts'

// Each test starts a database and a server.
vi.setConfig({ testTimeout: 90_000 })

/** Where the demo makes its data dir. Others may pass: as root its database runs as another user. */
let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(inject('runFolder'), 'demo-'))
  await chmod(folder, 0o755)
})

afterEach(() => rm(folder, { recursive: true }))

test('The demo sends over four channels, to a list and past a provider that is down, shows what became of it, and leaves nothing', async () => {
  const { code, stdout, stderr } = await run(['demo'], { TMPDIR: folder })
  expect(stderr).toBe('')
  for (const channel of ['EMAIL · smtp', 'INBOX · inbox', 'WEBHOOK · webhook', 'PUSH · webpush']) {
    expect(stdout).toMatch(new RegExp(`SENT +${channel}`))
  }
  expect(stdout).toContain('To: ada+')
  expect(stdout).toContain('its signature holds')
  expect(stdout).toContain('decrypted by the browser')
  expect(stdout).toMatch(/^ +Where to look at it +while the demo runs$/m)
  expectListScene(stdout)
  expectFailoverScene(stdout, 'demo-spare-\\w+')
  expect(stdout).toContain('taken by the second account’s mail server')
  expect(stdout).toMatch(/^ +account +demo-first-\w+ +FAILING +It could not be called\.$/m)
  expect(stdout).toMatch(/^ +next +ENQUEUED → ROUTED → RENDERED → DELIVERING → SENT +EMAIL · demo-spare-\w+$/m)
  expect(stdout).toContain('Every message reached those it should, and nobody who had opted out.')
  expect(code).toBe(0)
  expect(await readdir(folder)).toEqual([])
})

/** A message to a list in a tenant's context: planned, sent, looked at and unsubscribed from. */
function expectListScene(stdout: string) {
  const [, planned = '', sent = '', arrived = '', logged = '', click = '', again = ''] = stdout
    .slice(stdout.indexOf('  To a list'))
    .split(/\n\n/)
  expect(planned).toMatch(/^ +charles +ROUTED +EMAIL · smtp, then INBOX · inbox$/m)
  expect(planned).toMatch(/^ +ada +ROUTED +INBOX · inbox$/m)
  expect(planned).toMatch(/^ +mary +FILTERED +✗ choice: the user opted out$/m)
  // A worker may be quicker than the answer to the send.
  expect(sent).toMatch(/^ +request .* ms +(?:accepted, being )?expanded: \d messages/m)
  expect(sent).toMatch(/^ +luigi .* ms +ENQUEUED → ROUTED → RENDERED → DELIVERING → SENT +EMAIL · smtp$/m)
  expect(sent).toMatch(/^ +mary .* ms +ENQUEUED → FILTERED +UNSUBSCRIBED$/m)
  expect(sent).toMatch(/^ +request .* ms +expanded: 4 messages, 3 sent, 1 skipped$/m)
  for (const words of ['Engine Works opens its doors', 'Dear Charles,', 'Yours, Engine Works, 1 Dorset Street']) {
    expect(arrived).toContain(words)
  }
  expect(arrived).toMatch(/│ Unsubscribe: http:\/\/127\.0\.0\.1:\d+\/unsubscribe\/…$/m)
  expect(arrived).toMatch(/^ +ada +Engine Works opens its doors +1 unread$/m)
  expect(logged).toContain('the same as planned')
  expect(logged).toMatch(/^ +mary +ENQUEUED → FILTERED +✗ choice: the user opted out$/m)
  expect(click).toMatch(/^ +charles +200 +http:\/\/127\.0\.0\.1:\d+\/unsubscribe\/…$/m)
  expect(again).toMatch(/^ +luigi .* SENT +EMAIL · smtp$/m)
  expect(again).toMatch(/^ +request .* ms +expanded: 4 messages, 2 sent, 2 skipped$/m)
  expect(again).toMatch(/^ +charles +FILTERED +✗ choice: the user opted out$/m)
}

/**
 * A message whose first account is down: planned, sent another way, and explained; and one that is canceled in time.
 *
 * @param second the id of the account that carries it then, as a pattern
 */
function expectFailoverScene(stdout: string, second: string) {
  const scene = stdout.slice(stdout.indexOf('  When a provider is down'), stdout.indexOf('  After more of them'))
  const [, planned = '', live = '', why = ''] = scene.split(/\n\n/)
  const first = 'demo-first-\\w+'
  const row = (...words: readonly string[]) => new RegExp(`^ *${words.join(' +')}$`, 'm')
  expect(planned).toMatch(row('urgent', 'ROUTED', `EMAIL · ${first}, then EMAIL · ${second}, then INBOX · inbox`))
  expect(planned).toMatch(row('calm', 'ROUTED', 'INBOX · inbox', '✗ condition: It does not hold: data\\.urgent'))
  const events = [...live.matchAll(/^ +edith +\d+ ms +(\S+) *(.*)$/gm)].map(([, type, about]) => `${type} ${about}`.trim())
  const once = ['DELIVERING', 'RETRYING'].map((type) => `${type} EMAIL · ${first}.*`)
  const over = `FAILED_OVER EMAIL · ${second} +The mail server could not be reached\\.`
  const then = [over, ...['RENDERED', 'DELIVERING', 'SENT'].map((type) => `${type} EMAIL · ${second}`)]
  const way = ['ENQUEUED', 'ROUTED', `RENDERED EMAIL · ${first}`, ...once, ...once, ...then]
  expect(events.join('\n')).toMatch(new RegExp(`^${way.join('\n')}$`))
  expect(why).toMatch(row('email', first, 'UNDELIVERABLE\n +1', 'RETRY', '.*\n +2', 'RETRY', '.*could not be reached\\.'))
  expect(why).toMatch(row('email', second, 'SENT\n +1', 'ACCEPTED', '\\d+ ms', '250'))
  expect(why).toContain('the same as planned')
  expect(why).toMatch(row('✓ condition', 'EMAIL: It holds: data\\.urgent'))
  expect(stdout).toMatch(row('edith', 'DELAYED', 'until \\S+Z\n +edith', 'CANCELED', 'no provider was called'))
}

test.each([
  ['at once', 'Starting a server'],
  ['in the midst of it', 'Accepted'],
])('The demo that is ended %s fails, and leaves nothing either', async (_when, words) => {
  expect(await endAt(words)).toMatchObject({ code: 1, stderr: expect.stringContaining('nothing is left running') })
  expect(await readdir(folder)).toEqual([])
})

/** Ends the demo once it has said these words. */
async function endAt(words: string, env: Record<string, string> = {}): Promise<Ended> {
  const demo = startCommand(['demo'], { TMPDIR: folder, ...env })
  for (let said = ''; !said.includes(words); ) said += String((await once(demo.stdout!, 'data'))[0])
  demo.kill('SIGINT')
  return demo.ended
}

describe('On a server that runs already', () => {
  let server: OwnServer
  let env: Record<string, string>

  beforeAll(async () => {
    server = await startOwnServer({ ...process.env, TMPDIR: inject('runFolder') }, new AbortController().signal)
    env = { CARILLON_PUBLIC_URL: server.url, CARILLON_ADMIN_KEY: server.adminKey }
  })
  afterAll(() => server.stop())

  async function whatIsLeft() {
    const api = createApi(server.url, server.adminKey, new AbortController().signal)
    const found = await api.call<Record<string, { nodes: { id: string }[] }>>(
      `{ users { nodes { id } } lists { nodes { id } } tenants { nodes { id } } brands { nodes { id } } topics { nodes { id } } }`,
    )
    const { providers } = await api.call<{ providers: { id: string }[] }>('{ providers { id } }')
    await api.close()
    const accounts = providers.filter(({ id }) => id.startsWith('demo-'))
    return [...Object.values(found).flatMap(({ nodes }) => nodes), ...accounts].map(({ id }) => id)
  }

  test('the demo plays what needs nobody else, and takes away all that it made', async () => {
    const { code, stdout, stderr } = await run(['demo'], env)
    expect(stderr).toBe('')
    expect(stdout).not.toContain('WEBHOOK · webhook')
    expectListScene(stdout)
    expectFailoverScene(stdout, 'smtp')
    expect(code).toBe(0)
    expect(await whatIsLeft()).toEqual([])
  })

  test.each(['one request', 'the urgent one'])(
    'the demo that is ended once it says ‘%s’ takes away all that it made, too',
    async (words) => {
      expect(await endAt(words, env)).toMatchObject({ code: 1 })
      expect(await whatIsLeft()).toEqual([])
    },
  )
})

test('The demo fails when the server that it is to use does not answer', async () => {
  const env = { CARILLON_PUBLIC_URL: 'http://127.0.0.1:1', CARILLON_ADMIN_KEY: `ck_live_${'a'.repeat(32)}`, TMPDIR: folder }
  const { code, stderr } = await run(['demo'], env)
  expect(code).toBe(1)
  expect(stderr).toContain('http://127.0.0.1:1 does not answer')
})
