import { type RawBuilder, sql } from 'kysely'
import type { PreferenceStatus } from '../generated/tables.ts'
import type { Db } from './database.ts'
import type { ChoiceRow } from './preference.ts'
import { type TenantRow, tenantChain } from './tenant.ts'

/** What planning has to know of one person in one context, beside what many share. */
export interface PersonRef {
  readonly environmentId: string
  readonly userId: string | null
  readonly tenantId: string | null
  readonly topicId: string | null
}

export interface PersonRow {
  readonly profile: Record<string, unknown> | null
  /** Of the member of the tenant; null where they are none. */
  readonly memberProfile: Record<string, unknown> | null
  readonly tokens: readonly TokenRow[] | null
  readonly choices: readonly ChosenRow[] | null
}

export interface TokenRow {
  readonly id: string
  readonly kind: string
  readonly token: string
  readonly tokenHash: string
  readonly keys: string | null
  readonly providerId: string | null
  readonly expiresAt: string | null
}

/** What the person chose about the topic, as it comes back from JSON. */
export type ChosenRow = Omit<ChoiceRow, 'userId' | 'topicId' | 'snoozedUntil'> & { readonly snoozedUntil: string | null }

/**
 * What is known of a person, as columns beside rows that have environment_id, user_id, tenant_id and topic_id. Each is a query
 * of its own: as joins they would be planned in all their orders, which took PostgreSQL longer than finding the rows.
 */
export function personColumns(m: RawBuilder<unknown>) {
  return sql`
    (select u.profile from "user" u where u.environment_id = ${m}.environment_id and u.id = ${m}.user_id) as profile,
    (select tm.profile from tenant_member tm
     where tm.environment_id = ${m}.environment_id and tm.tenant_id = ${m}.tenant_id and tm.user_id = ${m}.user_id) as "memberProfile",
    (select jsonb_agg(jsonb_build_object(
       'id', t.id, 'kind', t.kind, 'token', t.token, 'tokenHash', t.token_hash, 'keys', t.keys, 'providerId', t.provider_id,
       'expiresAt', t.expires_at
     ) order by t.id)
     from device_token t
     where t.environment_id = ${m}.environment_id and t.user_id = ${m}.user_id and t.status = 'ACTIVE') as tokens,
    (select jsonb_agg(jsonb_build_object(
       'tenantId', nullif(p.tenant_id, ''), 'status', p.status, 'channels', nullif(p.channels, '{}'), 'snoozedUntil', p.snoozed_until
     ))
     from preference p
     where p.environment_id = ${m}.environment_id and p.user_id = ${m}.user_id and p.topic_id = ${m}.topic_id
       and p.tenant_id in ('', coalesce(${m}.tenant_id, ''))) as choices`
}

/** One row for each, in their order. */
export async function readPersons(db: Db, refs: readonly PersonRef[]): Promise<readonly PersonRow[]> {
  if (refs.length === 0) return []
  const { rows } = await sql<PersonRow>`
    select ${personColumns(sql`m`)}
    from unnest(${refs.map((ref) => ref.environmentId)}::text[], ${refs.map((ref) => ref.userId)}::text[],
                ${refs.map((ref) => ref.tenantId)}::text[], ${refs.map((ref) => ref.topicId)}::text[])
      with ordinality as m(environment_id, user_id, tenant_id, topic_id, place)
    order by m.place`.execute(db)
  return rows
}

/** Names a row within an environment, in the maps below. */
export const keyOf = (environmentId: string, id: string) => `${environmentId}\n${id}`

export interface TopicFacts {
  readonly id: string
  readonly name: string
  readonly defaultStatus: PreferenceStatus
  readonly includeUnsubscribeHeader: boolean
  readonly exemptFromSendLimits: boolean
}

type Preferences = TenantRow['defaultPreferences']

/** What many messages share, by `keyOf`. What is not there is not in the maps. */
export interface SharedFacts {
  readonly topics: ReadonlyMap<string, TopicFacts>
  /** What lists say about topics. */
  readonly lists: ReadonlyMap<string, Preferences>
  /** Each tenant with those above it, leaf first, at most 4. */
  readonly chains: ReadonlyMap<string, readonly TenantRow[]>
}

export interface Named {
  readonly environmentId: string
  readonly id: string
}

export async function readShared(
  db: Db,
  wanted: { readonly topics: readonly Named[]; readonly lists: readonly Named[]; readonly tenants: readonly Named[] },
): Promise<SharedFacts> {
  const [topics, lists, chains] = await Promise.all([
    wanted.topics.length === 0 ? [] : topicsOf(db, wanted.topics),
    wanted.lists.length === 0 ? [] : listsOf(db, wanted.lists),
    wanted.tenants.length === 0 ? [] : chainsOf(db, wanted.tenants),
  ])
  const tenants = new Map<string, TenantRow[]>()
  for (const { environmentId, leaf, ...row } of chains) {
    const chain = tenants.get(keyOf(environmentId, leaf)) ?? []
    chain.push(row)
    tenants.set(keyOf(environmentId, leaf), chain)
  }
  return {
    topics: new Map(topics.map(({ environmentId, ...topic }) => [keyOf(environmentId, topic.id), topic])),
    lists: new Map(lists.map(({ environmentId, id, preferences }) => [keyOf(environmentId, id), preferences])),
    chains: tenants,
  }
}

/** As rows of `wanted(environment_id, id)`. */
function wantedRows(wanted: readonly Named[]) {
  return sql`unnest(${wanted.map((one) => one.environmentId)}::text[], ${wanted.map((one) => one.id)}::text[]) as wanted(environment_id, id)`
}

async function topicsOf(db: Db, wanted: readonly Named[]) {
  const { rows } = await sql<TopicFacts & { environmentId: string }>`
    /* prepared: topics */
    select environment_id as "environmentId", id, name, default_status as "defaultStatus",
           include_unsubscribe_header as "includeUnsubscribeHeader", exempt_from_send_limits as "exemptFromSendLimits"
    from ${wantedRows(wanted)} join topic using (environment_id, id)`.execute(db)
  return rows
}

async function listsOf(db: Db, wanted: readonly Named[]) {
  const { rows } = await sql<Named & { preferences: Preferences }>`
    select environment_id as "environmentId", id, preferences
    from ${wantedRows(wanted)} join list using (environment_id, id)`.execute(db)
  return rows
}

async function chainsOf(db: Db, wanted: readonly Named[]) {
  const { rows } = await sql<TenantRow & { environmentId: string; leaf: string; level: number }>`
    select wanted.environment_id as "environmentId", wanted.id as leaf, chain.*
    from ${wantedRows(wanted)} cross join lateral (${tenantChain(sql`wanted.environment_id`, sql`wanted.id`)}) chain
    order by 1, 2, chain.level`.execute(db)
  return rows.map(({ level: _level, ...row }) => row)
}
