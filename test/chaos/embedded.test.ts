import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { postmasterOf } from '../support/postgres.ts'
import { type Carillon, startCarillon } from '../support/process.ts'
import { scaled } from '../support/scale.ts'
import { ask, mail, send, until } from './caller.ts'
import { temporaryFolder } from './stage.ts'

const key = `ck_live_${randomBytes(24).toString('base64url')}`
let folder: string
let app: Carillon
beforeAll(async () => {
  folder = await temporaryFolder()
})
afterAll(async () => {
  // Gently, so that its PostgreSQL has ended with it.
  await app?.end('SIGTERM')
  await rm(folder, { recursive: true, force: true })
})

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

const start = () => startCarillon({ CARILLON_DATA_DIR: folder, CARILLON_ADMIN_KEY: key })

/** Several callers at once, until there are that many answers; what fails afterwards is nobody's. */
async function acceptAtLeast(count: number, name: string): Promise<readonly string[]> {
  const ids: string[] = []
  const enough = Promise.withResolvers<void>()
  const caller = async (caller: number): Promise<void> => {
    for (let call = 0; ; call++) {
      ids.push(await send(app.url, key, mail(`${name} ${caller}-${call}`)))
      if (ids.length === count) enough.resolve()
    }
  }
  for (let index = 0; index < 4; index++) caller(index).catch(() => enough.resolve())
  await enough.promise
  return ids
}

async function isSent(id: string): Promise<boolean> {
  const { message } = await ask<{ message: { status: string } | null }>(app.url, key, `{ message(id: "${id}") { status } }`)
  return message?.status === 'SENT'
}

test('killed under load, the one-process form ends its PostgreSQL with it and delivers after a start what it had accepted', async ({
  annotate,
}) => {
  app = await start()
  const accepted: string[] = []
  const took: string[] = []
  for (let round = 0; round < scaled(1, 10); round++) {
    const ids = await acceptAtLeast(scaled(60, 1_000), `round ${round}`)
    const postmaster = await postmasterOf(folder)
    await app.end('SIGKILL')
    accepted.push(...ids)
    const ended = await until(() => !isAlive(postmaster), 10_000, 'its PostgreSQL ends')
    const begun = performance.now()
    app = await start()
    const started = Math.round(performance.now() - begun)
    let sent = 0
    await until(
      async () => {
        while (sent < accepted.length && (await isSent(accepted[sent]!))) sent += 1
        return sent === accepted.length
      },
      60_000,
      'all that was accepted is sent',
    )
    took.push(
      `PostgreSQL ended after ${ended} ms, up again in ${started} ms, all sent ${Math.round(performance.now() - begun)} ms after the start`,
    )
  }
  const mails = (await (await fetch(`${app.url}/mail.json`)).json()) as { readonly count: number }
  expect(mails.count).toBeGreaterThanOrEqual(accepted.length)
  await annotate(`${accepted.length} accepted; ${took.join('; ')}`)
}, 600_000)
