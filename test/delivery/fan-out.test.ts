import { afterAll, beforeAll, expect, test } from 'vitest'
import { createBulkJob, pauseBulkJob, resumeBulkJob, runBulkJob } from '../../src/domain/bulk-job.ts'
import type { Command } from '../../src/domain/command.ts'
import { lockBulkJob } from '../../src/store/bulk-job.ts'
import { type Office, openOffice } from './office.ts'

const HOUR_MS = 3_600_000

let office: Office
let id: string
beforeAll(async () => {
  office = await openOffice()
  id = await newJob('ada@example.com')
})
afterAll(() => office.close())

/** It runs, for one person. */
async function newJob(email: string): Promise<string> {
  const { value: id } = await office.run(createBulkJob, { content: { title: 'Hello' } })
  await office.addBulkUsers(id, [{ to: { email } }])
  await office.run(runBulkJob, { id })
  return id
}

const readStatus: Command<string, string | undefined> = async ({ tx, actor }, jobId) =>
  (await lockBulkJob(tx, actor.environmentId, jobId))?.status
const statusOf = async (jobId: string) => (await office.run(readStatus, jobId)).value
const takeFanOut = async () => {
  await office.takeOver('bulk')
  return office.heldJobs().find(({ kind }) => kind === 'fanOut')
}
const fanOut = async () => office.fanOut((await takeFanOut())!)

test('A bulk job whose messages cannot be made by a fault of ours ends in ERROR once that has lasted for three days, and goes on once it is resumed', async () => {
  await office.breakMessages()
  // Nobody looked at it for so long, which is no fault of its own.
  office.setClock(100 * HOUR_MS)
  await expect(fanOut()).rejects.toThrow()
  office.setClock(171 * HOUR_MS)
  await expect(fanOut()).rejects.toThrow()
  expect(await statusOf(id)).toBe('PROCESSING')
  office.setClock(173 * HOUR_MS)
  await fanOut()
  expect(await statusOf(id)).toBe('ERROR')
  expect(await takeFanOut()).toBeUndefined()

  await office.mendMessages()
  await office.run(resumeBulkJob, { id })
  await fanOut()
  expect(await statusOf(id)).toBe('COMPLETED')
  expect(await office.takeOver('bulk')).toMatchObject({ kind: 'deliver' })
})

test('One that is paused while a worker makes its messages keeps its fan-out', async () => {
  const paused = await newJob('grace@example.com')
  const job = (await takeFanOut())!
  await office.run(pauseBulkJob, { id: paused })
  await office.fanOut(job)
  expect(await takeFanOut()).toBeUndefined()
  await office.run(resumeBulkJob, { id: paused })
  await fanOut()
  expect(await statusOf(paused)).toBe('COMPLETED')
})
