import { setTimeout as pause } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { scaled } from '../support/scale.ts'
import { addUsers, createJob, outcomeOf, readJob, runJob, type Way } from './bulk-job.ts'
import { ask, until } from './caller.ts'
import { countOf } from './history.ts'
import { LEASE_SECONDS, START_MS, type Stage, setStage } from './stage.ts'

/** More than are placed before the first of them must have been sent. */
const RECIPIENTS = scaled(2_500, 20_000)
const KILLS = scaled(3, Number.POSITIVE_INFINITY)
const RACES = scaled(3, 100)
const CALLERS = 6
const USERS_A_CALL = 20
const A_CALL = 5_000
/** How long a worker lives. */
const LIFE_MS = 500
/** A run comes up to so long after the calls it races with. */
const SPREAD_MS = 40

let stage: Stage
let near: Way
let far: Way
beforeAll(async () => {
  stage = await setStage()
  const [one, other] = await Promise.all([stage.start('api'), stage.start('api')])
  near = { url: one.url, key: stage.key }
  far = { url: other.url, key: stage.key }
}, START_MS)
afterAll(() => stage?.clear())

const isFannedOut = async (jobId: string) => (await readJob(near, jobId)).status === 'COMPLETED'
const isSent = async (jobId: string) => (await isFannedOut(jobId)) && (await readJob(near, jobId)).counts.pending === 0

/** Kills each worker shortly after it is ready, until all users are placed. How many were placed at each death. */
async function killWhilePlacing(jobId: string): Promise<readonly number[]> {
  const placed: number[] = []
  while (placed.length < KILLS && !(await isFannedOut(jobId))) {
    const worker = await stage.start('worker')
    await pause(LIFE_MS)
    await worker.end('SIGKILL')
    placed.push((await readJob(near, jobId)).enqueued)
  }
  return placed
}

test('however often its worker is killed, a bulk job makes one message for each of its users and sends each once', async ({
  annotate,
}) => {
  const jobId = await createJob(near)
  const userIds = Array.from({ length: RECIPIENTS }, (_, index) => `user-${index}`)
  for (let from = 0; from < RECIPIENTS; from += A_CALL) await addUsers(near, jobId, userIds.slice(from, from + A_CALL))
  await runJob(near, jobId)
  const placed = await killWhilePlacing(jobId)
  await annotate(`killed ${placed.length} times, with ${placed.slice(0, 20).join(', ')} … of ${RECIPIENTS} placed`)
  expect(placed[0]).toBeLessThan(RECIPIENTS)
  const worker = await stage.start('worker')
  await until(() => isSent(jobId), LEASE_SECONDS * 1000 + scaled(60_000, 180_000), 'every message is sent')

  const putBack = await redriveAll()
  await annotate(`${putBack} were under way at three deaths, given up, and put back by hand`)
  await until(() => isSent(jobId), LEASE_SECONDS * 1000 + 60_000, 'every message is sent')
  await worker.end('SIGTERM')

  const counts = { total: RECIPIENTS, pending: 0, sent: RECIPIENTS, failed: 0, skipped: 0, canceled: 0 }
  const told = { status: 'COMPLETED', received: RECIPIENTS, enqueued: RECIPIENTS, failures: 0, counts }
  expect(await readJob(far, jobId)).toEqual(told)
  const [row] = await stage.query(
    `select count(*)::int as messages, count(distinct user_id)::int as users, count(*) filter (where status = 'SENT')::int as sent,
            (select count(*)::int from event where type = 'ENQUEUED' and detail is null) as enqueued,
            (select count(*)::int from event where type = 'SENT') as "sentEvents",
            (select count(*)::int from inbox_message) as delivered
     from message where job_id = $1`,
    [jobId],
  )
  expect(Object.values(row!)).toEqual(Object.keys(row!).map(() => RECIPIENTS))
}, 900_000)

/**
 * Among very many deaths some messages are under way at three of them. Any of those might be what kills (crash.test.ts), so they
 * are given up, and whoever runs the house puts them back.
 */
async function redriveAll(): Promise<number> {
  for (let redriven = 0; ; ) {
    const letters = await stage.query<{ id: string }>('select id from dead_letter limit 100')
    if (letters.length === 0) return redriven
    const ids = letters.map(({ id }) => id)
    const answer = await ask<{ redriveDeadLetters: number }>(
      near.url,
      near.key,
      `mutation { redriveDeadLetters(ids: ${JSON.stringify(ids)}) }`,
    )
    expect(answer.redriveDeadLetters).toBe(ids.length)
    redriven += ids.length
  }
}

test('of two runs at once from two API processes one is refused: the job runs already', async () => {
  for (let round = 0; round < RACES; round += 1) {
    const jobId = await createJob(near)
    await addUsers(far, jobId, [`raced-${round}`])
    const outcomes = await Promise.all([outcomeOf(runJob(near, jobId)), outcomeOf(runJob(far, jobId))])
    expect(outcomes.toSorted()).toEqual(['JOB_ALREADY_RUN', 'done'])
  }
}, 120_000)

interface Race {
  readonly jobId: string
  /** Of each call: whom it was to add, and what became of it. */
  readonly calls: readonly { readonly userIds: readonly string[]; readonly outcome: string }[]
}

/** Callers at both processes add users while one of them runs the job; one call is answered before, one is made after. */
async function race(round: number): Promise<Race> {
  const jobId = await createJob(near)
  const add = async (caller: number) => {
    const userIds = Array.from({ length: USERS_A_CALL }, (_, index) => `user-${round}-${caller}-${index}`)
    const adding = addUsers(caller % 2 ? near : far, jobId, userIds)
    return { userIds, outcome: await outcomeOf(adding.then((total) => expect(total).toBe(USERS_A_CALL))) }
  }
  const before = await add(0)
  const racing = Array.from({ length: CALLERS }, async (_, caller) => {
    await pause((caller * SPREAD_MS) / CALLERS)
    return add(caller + 1)
  })
  await pause((round * 7) % SPREAD_MS)
  await runJob(round % 2 ? near : far, jobId)
  return { jobId, calls: [before, ...(await Promise.all(racing)), await add(CALLERS + 1)] }
}

test('of calls that add users while the job begins to run, each one is refused, or all of its users are sent to', async ({
  annotate,
}) => {
  await stage.start('worker')
  const races: Race[] = []
  for (let round = 0; round < RACES; round += 1) races.push(await race(round))
  const calls = races.flatMap((one) => one.calls)
  const inTime = calls.filter(({ outcome }) => outcome === 'done')
  await annotate(`${inTime.length} of ${calls.length} calls were in time`)
  expect(new Set(calls.map(({ outcome }) => outcome))).toEqual(new Set(['done', 'JOB_ALREADY_RUN']))

  for (const { jobId, calls } of races) {
    await until(() => isSent(jobId), 60_000, 'every message is sent')
    const added = calls.filter(({ outcome }) => outcome === 'done').length * USERS_A_CALL
    expect(await readJob(far, jobId)).toMatchObject({ received: added, enqueued: added, failures: 0, counts: { sent: added } })
    expect(await countOf(stage, 'bulk_user where job_id = $1', [jobId])).toBe(added)
  }
  const sentTo = await stage.query<{ id: string }>("select user_id as id from message where user_id like 'user-%-%-%'")
  expect(sentTo.map(({ id }) => id).toSorted()).toEqual(inTime.flatMap(({ userIds }) => userIds).toSorted())
}, 300_000)
