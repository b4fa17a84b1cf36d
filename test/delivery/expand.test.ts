import { afterAll, beforeAll, expect, test } from 'vitest'
import { subscribeToList } from '../../src/domain/list.ts'
import { type Office, openOffice } from './office.ts'

const HOURS_73 = 73 * 3_600_000

let office: Office
beforeAll(async () => {
  office = await openOffice()
  await office.run(subscribeToList, { listId: 'all', userIds: ['ada', 'grace'] })
})
afterAll(() => office.close())

test('An expansion that fails by a fault of ours is tried again until its time is up, and is then a dead letter', async () => {
  await office.breakPlans()
  await office.send({ listId: 'all' })
  await expect(office.expand((await office.takeOver('bulk'))!)).rejects.toThrow()
  expect(await office.deadLetters()).toEqual([])
  office.setClock(HOURS_73)
  await office.expand((await office.takeOver('bulk'))!)
  expect(await office.deadLetters()).toMatchObject([{ error: expect.stringContaining('groups were expanded') }])
  expect(await office.takeOver('bulk')).toBeNull()
})
