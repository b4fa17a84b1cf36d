import { createHash } from 'node:crypto'
import type { Channel } from '../channels/provider.ts'
import { badInput, notFound } from '../errors.ts'
import type { PreferenceStatus } from '../generated/tables.ts'
import type { Db } from '../store/database.ts'
import { type ChoiceRow, deleteChoice, readChoices, upsertChoices } from '../store/preference.ts'
import { holdRows } from '../store/row.ts'
import { readTenantChain, tenantsWithMember } from '../store/tenant.ts'
import { readTopics, type TopicRow } from '../store/topic.ts'
import { ensureUser } from '../store/user.ts'
import type { Command, Scope } from './command.ts'
import { checkId } from './id.ts'
import { type Resolution, resolvePreference, storedLayers } from './preference-rule.ts'
import { checkChannels, requireTopics } from './topic-preference.ts'
import { actsAsMember } from './visibility.ts'

/** What holds about a topic for one user, in a tenant or everywhere. */
export interface EffectivePreference extends Resolution {
  /** The same for the same user, topic and tenant. */
  readonly id: string
  readonly topic: TopicRow
}

export interface PreferenceQuery {
  readonly environmentId: string
  readonly userId: string
  /** In whose context; null: in no tenant's. */
  readonly tenantId: string | null
  /** A tenant that the user is no member of is then like one that is not there. */
  readonly asMember?: boolean
  /** Only these topics; absent or null means every one. */
  readonly topicIds?: readonly string[] | null
}

/**
 * Every topic with what holds for the user, by section (those without one last), name and id. A user of whom nothing is
 * known has the defaults. Three statements (four as a member), however many topics there are.
 *
 * @throws Refusal NOT_FOUND for the tenant
 */
export async function readPreferences(db: Db, query: PreferenceQuery, now: Date): Promise<readonly EffectivePreference[]> {
  const { environmentId, userId, tenantId, asMember = false, topicIds = null } = query
  const chain = tenantId === null ? [] : await readTenantChain(db, environmentId, checkId(tenantId, ['tenantId']))
  if (tenantId !== null) {
    const counts = !asMember || (await tenantsWithMember(db, environmentId, userId, [tenantId])).has(tenantId)
    if (chain.length === 0 || !counts) throw notFound('tenant', tenantId)
  }
  const topics = await readTopics(db, environmentId, topicIds)
  const choices = await readChoices(db, environmentId, { userIds: [userId], tenantId, topicIds })
  const choicesOf = Map.groupBy(choices, (choice) => choice.topicId)
  return topics.map((topic) => ({
    id: preferenceId(userId, topic.id, tenantId),
    topic,
    ...resolvePreference({ ...storedLayers(topic, choicesOf.get(topic.id) ?? [], chain), send: null, list: null }, now),
  }))
}

export interface PreferenceInput {
  readonly topicId: string
  readonly tenantId?: string | null
  readonly status: PreferenceStatus
  readonly channels?: readonly Channel[] | null
  readonly snoozedUntil?: Date | null
}

const MOST_AT_ONCE = 50

/**
 * Puts a user's own choice for a topic, the whole of it, and answers what then holds; the user is made when missing.
 * A snooze that has ended is none. Channels chosen for a topic that is required are kept and have no say while it is.
 *
 * @throws Refusal BAD_USER_INPUT for the status REQUIRED, for opting out of (or snoozing) a topic that is required, and for
 *   channels that the topic does not offer; NOT_FOUND for a topic or tenant that is not there
 */
export const setPreference: Command<{ userId: string; input: PreferenceInput }, EffectivePreference> = async (
  scope,
  { userId, input },
) => (await choose(scope, userId, [{ input, path: ['input'] }]))[0]!

/** Puts 1 to 50 choices of a user, all or none; each topic once in each tenant. Answers in the order of the inputs. */
export const setPreferences: Command<
  { userId: string; inputs: readonly PreferenceInput[] },
  readonly EffectivePreference[]
> = async (scope, { userId, inputs }) => {
  if (inputs.length === 0 || inputs.length > MOST_AT_ONCE) {
    throw badInput(['inputs'], `'inputs' must hold 1 to ${MOST_AT_ONCE} preferences.`)
  }
  return choose(
    scope,
    userId,
    inputs.map((input, index) => ({ input, path: ['inputs', index] })),
  )
}

export interface ResetPreferenceInput {
  readonly userId: string
  readonly topicId: string
  readonly tenantId?: string | null
}

/**
 * Takes a user's own choice back, and answers what then holds: their choice everywhere, or the tenant's or the topic's
 * default. A choice that was never made is no error.
 *
 * @throws Refusal NOT_FOUND for a topic or tenant that is not there
 */
export const resetPreference: Command<ResetPreferenceInput, EffectivePreference> = async (scope, input) => {
  const { environmentId } = scope.actor
  const { userId, topicId, tenantId = null } = input
  checkId(userId, ['userId'])
  if (tenantId !== null) checkId(tenantId, ['tenantId'])
  await requireTopics(scope.tx, environmentId, [checkId(topicId, ['topicId'])])
  await requireTenants(scope, userId, [tenantId])
  await deleteChoice(scope.tx, environmentId, { userId, topicId, tenantId })
  const [preference] = await readPreferences(scope.tx, { environmentId, userId, tenantId, topicIds: [topicId] }, scope.now)
  return preference!
}

interface Asked {
  readonly input: PreferenceInput
  /** Where it stands among the arguments. */
  readonly path: readonly (string | number)[]
}

async function choose(scope: Scope, userId: string, asked: readonly Asked[]): Promise<readonly EffectivePreference[]> {
  const { environmentId } = scope.actor
  checkId(userId, ['userId'])
  const choices = checkChoices(userId, asked, scope.now)
  const topicIds = [...new Set(choices.map(({ topicId }) => topicId))]
  const tenantIds = [...new Set(choices.map(({ tenantId }) => tenantId))]
  // Topics before tenants: a topic is deleted in this order, and the two cannot deadlock.
  await requireTopics(scope.tx, environmentId, topicIds)
  await requireTenants(scope, userId, tenantIds)
  await ensureUser(scope.tx, environmentId, userId)
  await upsertChoices(scope.tx, environmentId, choices, scope.now)
  const inTenant = new Map<string | null, readonly EffectivePreference[]>()
  for (const tenantId of tenantIds) {
    inTenant.set(tenantId, await readPreferences(scope.tx, { environmentId, userId, tenantId, topicIds }, scope.now))
  }
  return choices.map((choice, index) => {
    const preference = inTenant.get(choice.tenantId)!.find(({ topic }) => topic.id === choice.topicId)!
    checkAllowed(choice, preference, asked[index]!.path)
    return preference
  })
}

/** They cannot be deleted until the transaction ends. @throws Refusal NOT_FOUND for the first that is not there for this actor */
async function requireTenants({ tx, actor }: Scope, userId: string, tenantIds: readonly (string | null)[]): Promise<void> {
  const ids = tenantIds.filter((id) => id !== null)
  if (ids.length === 0) return
  const held = await holdRows(tx, 'tenant', actor.environmentId, ids)
  const asMember = ids.filter((id) => actsAsMember(actor, id))
  const own = asMember.length === 0 ? held : await tenantsWithMember(tx, actor.environmentId, userId, asMember)
  const missing = ids.find((id) => !held.has(id) || (asMember.includes(id) && !own.has(id)))
  if (missing !== undefined) throw notFound('tenant', missing)
}

/** What can be refused without knowing the topics. */
function checkChoices(userId: string, asked: readonly Asked[], now: Date): readonly ChoiceRow[] {
  const seen = new Set<string>()
  return asked.map(({ input, path }) => {
    const { status, snoozedUntil = null, tenantId = null } = input
    const topicId = checkId(input.topicId, [...path, 'topicId'])
    if (tenantId !== null) checkId(tenantId, [...path, 'tenantId'])
    const id = preferenceId(userId, topicId, tenantId)
    if (seen.has(id)) throw badInput([...path, 'topicId'], `'${topicId}' is named twice.`)
    seen.add(id)
    if (status === 'REQUIRED') {
      throw badInput([...path, 'status'], "'status' must be OPTED_IN or OPTED_OUT: REQUIRED is not the user's to choose.")
    }
    const channels = checkChannels(input.channels, [...path, 'channels'])
    return { userId, topicId, tenantId, status, channels, snoozedUntil: snoozedUntil && snoozedUntil > now ? snoozedUntil : null }
  })
}

/** A refusal here takes the written choices back with it: the command is one transaction. */
function checkAllowed(choice: ChoiceRow, { topic, status }: EffectivePreference, path: Asked['path']): void {
  if (status === 'REQUIRED' && choice.status === 'OPTED_OUT') {
    throw badInput([...path, 'status'], `The topic '${topic.id}' is required: nobody can opt out of it.`)
  }
  if (status === 'REQUIRED' && choice.snoozedUntil !== null) {
    throw badInput([...path, 'snoozedUntil'], `The topic '${topic.id}' is required: nobody can snooze it.`)
  }
  const offered = topic.channels
  const wrong = offered.length === 0 ? -1 : (choice.channels ?? []).findIndex((channel) => !offered.includes(channel))
  if (wrong >= 0) throw badInput([...path, 'channels'], `'channels' must be among those of the topic: ${offered.join(', ')}.`)
}

function preferenceId(userId: string, topicId: string, tenantId: string | null): string {
  const hash = createHash('sha256')
    .update(`${userId}\n${topicId}\n${tenantId ?? ''}`)
    .digest('base64url')
  return `prf_${hash.slice(0, 27)}`
}
