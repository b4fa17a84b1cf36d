import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { enqueueFor, left, type Scratch, scratch } from './scratch.ts'

/** Lease (3 s), a sweep each third of it, a look each second; the rest is for a busy machine. */
const MOVED_ON_MS = 3000 + 1000 + 1000 + 3000

let place: Scratch
let children: ChildProcess[] = []
beforeEach(async () => {
  place = await scratch()
  await sql`create table note (worker text, message text, what text)`.execute(place.db)
  await sql`create table answered (at timestamptz)`.execute(place.db)
})
afterEach(async () => {
  for (const child of children) await end(child, 'SIGKILL')
  children = []
  await place.drop()
})

function startWorker(name: string, pace: 'slow' | 'quick'): ChildProcess {
  const script = join(import.meta.dirname, 'worker.process.ts')
  const child = spawn(process.execPath, ['--no-warnings', script, place.url, name, pace], { stdio: 'inherit' })
  children.push(child)
  return child
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill(signal)
  await exited
}

async function count(worker: string, what: string): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*) from note where worker = ${worker} and what = ${what}`.execute(place.db)
  return rows[0]?.count ?? 0
}

test('the jobs of a killed worker are all done by another within the lease and a sweep', async () => {
  await enqueueFor(place.db, 'a', 20)
  const doomed = startWorker('doomed', 'slow')
  await expect.poll(() => count('doomed', 'began'), { timeout: 15_000 }).toBe(20)
  startWorker('heir', 'quick')
  await end(doomed, 'SIGKILL')
  await expect.poll(() => left(place.db), { timeout: MOVED_ON_MS }).toBe(0)
  // A note of what was settled follows the settling.
  await expect.poll(() => count('heir', 'settled')).toBe(20)
  expect(await count('heir', 'called')).toBe(20)
  expect(await count('doomed', 'called')).toBe(0)
})

test('a worker stopped past its lease and woken calls nothing, settles nothing, and claims anew', async () => {
  await enqueueFor(place.db, 'a', 20)
  const stopped = startWorker('stopped', 'slow')
  await expect.poll(() => count('stopped', 'began'), { timeout: 15_000 }).toBe(20)
  const heir = startWorker('heir', 'quick')
  stopped.kill('SIGSTOP')
  await expect.poll(() => left(place.db), { timeout: MOVED_ON_MS }).toBe(0)
  await expect.poll(() => count('heir', 'settled')).toBe(20)
  await sql`insert into answered values (now())`.execute(place.db)
  await end(heir, 'SIGTERM')
  stopped.kill('SIGCONT')
  await expect.poll(() => count('stopped', 'dropped'), { timeout: 10_000 }).toBe(20)
  expect(await count('stopped', 'refused to call')).toBe(20)
  await enqueueFor(place.db, 'b', 1)
  await expect.poll(() => count('stopped', 'settled'), { timeout: 10_000 }).toBe(1)
  expect(await count('stopped', 'called')).toBe(1)
})
