import type { Stage } from './demo-stage.ts'

/** Someone on the list. */
export interface Person {
  readonly name: string
  readonly userId: string
  /** Null: only the inbox reaches them. */
  readonly email: string | null
}

/** Whom the second act is about, and what they are sent. */
export interface Cast {
  readonly people: readonly Person[]
  readonly ada: Person
  /** Gets it by mail, and has enough of it then. */
  readonly charles: Person
  /** Opted out before. */
  readonly mary: Person
  readonly tenantId: string
  readonly listId: string
  readonly topicId: string
  readonly brandId: string
}

export const TENANT = { name: 'Engine Works', properties: { street: '1 Dorset Street' } }
export const BRAND = {
  name: 'Brass',
  settings: { colors: { primary: '#8a6d3b' } },
  snippets: [{ name: 'sign', value: 'Yours, {{tenant.name}}, {{tenant.street}}' }],
}
const CONTENT = {
  title: '{{tenant.name}} opens its doors',
  body: 'Dear {{profile.name}},\n\nyou may turn the crank yourself.\n\n{{> sign}}',
}

export function castOf(run: string): Cast {
  const person = (name: string, email: string | null): Person => ({ name, userId: `demo-${name}-${run}`, email })
  const byMail = (name: string) => person(name, `${name}+${run}@example.com`)
  const [ada, charles, luigi, mary] = [person('ada', null), byMail('charles'), byMail('luigi'), byMail('mary')]
  return {
    people: [ada, charles, luigi, mary],
    ada,
    charles,
    mary,
    tenantId: `demo-works-${run}`,
    listId: `demo.visitors.${run}`,
    topicId: `demo-doors-${run}`,
    brandId: `demo-brass-${run}`,
  }
}

/** What is sent to the list, and planned: the same, word by word. */
export function contentOf({ listId, tenantId, topicId }: Cast) {
  return { to: { listId }, tenantId, topicId, content: CONTENT }
}

/** Makes them all, through the API. */
export async function putCast({ api, traces, run }: Stage, cast: Cast): Promise<void> {
  const { people, mary, brandId, tenantId, topicId, listId } = cast
  const userIds = people.map(({ userId }) => userId)
  traces.add('user', ...userIds)
  traces.add('brand', brandId)
  traces.add('tenant', tenantId)
  traces.add('topic', topicId)
  traces.add('list', listId)
  await api.call(PUT_BRAND, { id: brandId, input: BRAND })
  await api.call(PUT_TENANT, { id: tenantId, input: { ...TENANT, brandId } })
  const topic = { name: `Open doors (demo ${run})`, defaultStatus: 'OPTED_IN', includeUnsubscribeHeader: true }
  await api.call(PUT_TOPIC, { id: topicId, input: topic })
  await Promise.all(people.map(({ name, userId, email }) => api.call(MERGE_PROFILE, { userId, profile: profileOf(name, email) })))
  await api.call(SUBSCRIBE, { listId, userIds })
  await api.call(SET_PREFERENCE, { userId: mary.userId, input: { topicId, status: 'OPTED_OUT' } })
}

function profileOf(name: string, email: string | null) {
  return { name: `${name.charAt(0).toUpperCase()}${name.slice(1)}`, ...(email !== null && { email }) }
}

const PUT_BRAND = 'mutation ($id: ID!, $input: BrandInput!) { putBrand(id: $id, input: $input) { id } }'
const PUT_TENANT = 'mutation ($id: ID!, $input: TenantInput!) { putTenant(id: $id, input: $input) { id } }'
const PUT_TOPIC = 'mutation ($id: ID!, $input: TopicInput!) { putTopic(id: $id, input: $input) { id } }'
const MERGE_PROFILE = `mutation ($userId: ID!, $profile: JSONObject!) {
  mergeProfile(userId: $userId, profile: $profile) { id }
}`
const SUBSCRIBE = `mutation ($listId: ID!, $userIds: [ID!]!) {
  subscribeToList(listId: $listId, userIds: $userIds) { id }
}`
const SET_PREFERENCE = `mutation ($userId: ID!, $input: PreferenceInput!) {
  setPreference(userId: $userId, input: $input) { id }
}`
