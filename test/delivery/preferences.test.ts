import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { setPreference } from '../../src/domain/preference.ts'
import { addTenantMember, deleteTenant, putTenant } from '../../src/domain/tenant.ts'
import { deleteTopic, putTopic } from '../../src/domain/topic.ts'
import { accepting, type Office, openOffice } from './office.ts'

let office: Office
beforeAll(async () => {
  office = await openOffice()
})
afterAll(() => office.close())

const user = { userId: 'ada', email: 'ada@example.com' }

beforeEach(async () => {
  office.post.calls.length = 0
  office.post.answer = accepting
  const input = { name: 'News', defaultStatus: 'OPTED_IN', includeUnsubscribeHeader: false, exemptFromSendLimits: false } as const
  await office.run(putTopic, { id: 'news', input })
  await office.run(setPreference, { userId: 'ada', input: { topicId: 'news', status: 'OPTED_IN' } })
})

const optOut = () => office.run(setPreference, { userId: 'ada', input: { topicId: 'news', status: 'OPTED_OUT' } })

async function deliver(messageId: string) {
  await office.perform((await office.takeOver())!)
  return office.read(messageId)
}

test('A user who opts out after a message was accepted, and before it is delivered, does not get it', async () => {
  const id = await office.send(user, { topicId: 'news' })
  await optOut()
  expect(await deliver(id)).toMatchObject({ status: 'FILTERED', last: { reason: 'UNSUBSCRIBED' } })
  expect(office.post.calls).toEqual([])
})

test('A user who opts out while a message waits for its next try gets no other try', async () => {
  office.post.answer = async () => ({ kind: 'retry', error: 'Busy.', afterMs: 60_000 })
  const id = await office.send(user, { topicId: 'news' })
  expect((await deliver(id)).status).toBe('ROUTED')
  await optOut()
  office.setClock(61_000)
  expect(await deliver(id)).toMatchObject({ status: 'FILTERED', outcomes: [['RETRY']], last: { reason: 'UNSUBSCRIBED' } })
  expect(office.post.calls).toHaveLength(1)
  office.setClock(0)
})

test('A message about a topic that was deleted meanwhile goes to nobody: what users chose is not known any more', async () => {
  await optOut()
  const id = await office.send(user, { topicId: 'news' })
  await office.run(deleteTopic, { id: 'news' })
  const { status, last } = await deliver(id)
  expect({ status, reason: last?.reason, error: last?.error }).toEqual({
    status: 'FILTERED',
    reason: 'FILTERED',
    error: "The topic 'news' was deleted.",
  })
  expect(office.post.calls).toEqual([])
})

test('So does a message in the context of a tenant that was deleted meanwhile', async () => {
  await office.run(putTenant, { id: 'acme', input: { name: 'Acme' } })
  await office.run(addTenantMember, { tenantId: 'acme', userId: 'ada' })
  const id = await office.send(user)
  await office.run(deleteTenant, { id: 'acme' })
  expect(await deliver(id)).toMatchObject({
    status: 'FILTERED',
    last: { error: "The tenant 'acme' was deleted.", tenantId: 'acme' },
  })
  expect(office.post.calls).toEqual([])
})
