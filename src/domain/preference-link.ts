import { CHANNELS, type Channel } from '../channels/provider.ts'
import { Refusal } from '../errors.ts'
import type { Db, Tx } from '../store/database.ts'
import { isOptedOut, optOut } from '../store/preference.ts'
import { holdRows } from '../store/row.ts'
import type { TopicRow } from '../store/topic.ts'
import { hasUser, lockProfile } from '../store/user.ts'
import type { TokenActor } from './actor.ts'
import type { Command } from './command.ts'
import type { PreferencesLink, UnsubscribeLink } from './link.ts'
import {
  type EffectivePreference,
  type PreferenceInput,
  type PreferenceQuery,
  readPreferences,
  setPreferences,
} from './preference.ts'

/** What a person chose on their page. What is absent stays as it is. */
export interface PreferenceChange {
  readonly topicId: string
  readonly on?: boolean
  /** Those wanted of `offeredChannels`. None is the same as off: nothing is left to come by. */
  readonly channels?: readonly Channel[]
  /** Null ends a pause. */
  readonly snoozedUntil?: Date | null
}

/** What a person is offered where a topic names no channels: a webhook reaches programs. */
const PEOPLES_CHANNELS: readonly Channel[] = ['EMAIL', 'SMS', 'PUSH', 'INBOX', 'DIRECT_MESSAGE']
const MOST_AT_ONCE = 50
const MINUTE_MS = 60_000

/** Whoever holds a link acts as its user, for as long as the one request takes, and on nothing but their preferences. */
export function actorOfLink({ environmentId, userId, tenantId }: PreferencesLink, now: Date): TokenActor {
  return {
    kind: 'token',
    environmentId,
    userId,
    tenantId,
    requestIds: [],
    jobIds: [],
    scopes: ['PREFERENCES_READ', 'PREFERENCES_WRITE'],
    expiresAt: new Date(now.getTime() + MINUTE_MS),
  }
}

/** Which channels a person may choose among for a topic, in the contract's order. */
export function offeredChannels({ channels }: Pick<TopicRow, 'channels'>): readonly Channel[] {
  return channels.length === 0 ? PEOPLES_CHANNELS : CHANNELS.filter((channel) => channels.includes(channel))
}

/** The preferences that a link shows. Null where its user is no longer there: a link brings nobody back. */
export async function readLinkedPreferences(
  db: Db,
  link: PreferencesLink,
  now: Date,
): Promise<readonly EffectivePreference[] | null> {
  if (!(await hasUser(db, link.environmentId, link.userId))) return null
  return (await readWhereTheyAre(db, link, null, now)).preferences
}

/** gone: the user or the topic is no longer there, and nothing was written. */
export type Unsubscribed = 'unsubscribed' | 'required' | 'gone'

/** What an unsubscribe link is about, and where it stands. */
export interface LinkedTopic {
  /** As a person reads it. */
  readonly name: string
  readonly state: 'subscribed' | Exclude<Unsubscribed, 'gone'>
}

/** The topic of an unsubscribe link; null where it, or the user, is no longer there. */
export async function readLinkedTopic(db: Db, link: UnsubscribeLink, now: Date): Promise<LinkedTopic | null> {
  const { environmentId, userId, topicId } = link
  if (!(await hasUser(db, environmentId, userId))) return null
  const { preferences } = await readInContext(db, { ...link, topicIds: [topicId] }, now)
  const [preference] = preferences
  if (preference === undefined) return null
  const { name } = preference.topic
  if (preference.status === 'REQUIRED') return { name, state: 'required' }
  return { name, state: (await isOptedOut(db, environmentId, link)) ? 'unsubscribed' : 'subscribed' }
}

/**
 * Opts a link's user out of its whole topic, wherever they chose about it, as often as it is asked for. The link's tenant says
 * only whether the topic is required there: it may have been inferred, and the user may be in another one by now. Which channels
 * they chose stays, for when they come back.
 */
export const unsubscribe: Command<UnsubscribeLink, Unsubscribed> = async ({ tx, now }, link) => {
  const { environmentId, topicId } = link
  if (!(await hold(tx, link, [topicId]))) return 'gone'
  const { preferences } = await readInContext(tx, { ...link, topicIds: [topicId] }, now)
  if (preferences.length === 0) return 'gone'
  if (preferences[0]!.status === 'REQUIRED') return 'required'
  await optOut(tx, environmentId, link, now)
  return 'unsubscribed'
}

/**
 * Writes what a link's user changed, at least one thing, all or nothing, and nothing else: in the link's tenant while they are a
 * member of it, otherwise everywhere. A topic that is gone or required meanwhile is passed over. False where the user is no
 * longer there.
 */
export const changePreferences: Command<
  { readonly link: PreferencesLink; readonly changes: readonly PreferenceChange[] },
  boolean
> = async (scope, { link, changes }) => {
  const { userId } = link
  const topicIds = changes.map(({ topicId }) => topicId)
  if (!(await hold(scope.tx, link, topicIds))) return false
  const { tenantId, preferences } = await readWhereTheyAre(scope.tx, link, topicIds, scope.now)
  const byTopic = new Map(changes.map((change) => [change.topicId, change]))
  const inputs = preferences
    .filter(({ status }) => status !== 'REQUIRED')
    .map((preference) => choiceOf(preference, byTopic.get(preference.topic.id)!, tenantId))
  for (let at = 0; at < inputs.length; at += MOST_AT_ONCE) {
    await setPreferences(scope, { userId, inputs: inputs.slice(at, at + MOST_AT_ONCE) })
  }
  return true
}

/** A choice is put whole, so what was not changed is said again: as it holds, or, where it was no choice, as the default. */
function choiceOf(preference: EffectivePreference, change: PreferenceChange, tenantId: string | null): PreferenceInput {
  const { topic, status, source } = preference
  const wanted = change.channels ?? null
  const none = wanted !== null && wanted.length === 0
  const on = change.on === false || none ? false : (change.on ?? status === 'OPTED_IN')
  const before = source === 'USER' ? allowed(preference.channels, topic) : null
  return {
    topicId: topic.id,
    tenantId,
    status: on ? 'OPTED_IN' : 'OPTED_OUT',
    channels: wanted === null || none ? before : withWanted(preference, wanted),
    snoozedUntil: change.snoozedUntil === undefined ? preference.snoozedUntil : change.snoozedUntil,
  }
}

/** A choice may hold channels that the topic no longer offers; written again it must not. */
function allowed(channels: readonly Channel[] | null, { channels: offered }: TopicRow): readonly Channel[] | null {
  const kept = offered.length === 0 ? channels : (channels?.filter((channel) => offered.includes(channel)) ?? null)
  return kept?.length === 0 ? null : kept
}

/** With every offered one wanted and none left out before, it is every one. What was not offered stays as it was. */
function withWanted({ topic, channels }: EffectivePreference, wanted: readonly Channel[]): readonly Channel[] | null {
  const offered = offeredChannels(topic)
  const possible = topic.channels.length === 0 ? CHANNELS : offered
  const chosen = possible.filter((channel) =>
    offered.includes(channel) ? wanted.includes(channel) : (channels?.includes(channel) ?? true),
  )
  return chosen.length === possible.length ? null : chosen
}

/**
 * Whether the user is there. They, and what there is of the topics and the tenant, stay until the transaction ends. Locked in
 * the order of whoever chooses or deletes a topic, so that none of them can deadlock.
 */
async function hold(tx: Tx, { environmentId, userId, tenantId }: PreferencesLink, topicIds: readonly string[]): Promise<boolean> {
  await holdRows(tx, 'topic', environmentId, topicIds)
  if (tenantId !== null) await holdRows(tx, 'tenant', environmentId, [tenantId])
  return (await lockProfile(tx, environmentId, userId)) !== null
}

/** In the link's tenant while the user is a member of it: once they have left, what they choose there has no effect on them. */
function readWhereTheyAre(db: Db, link: PreferencesLink, topicIds: readonly string[] | null, now: Date) {
  return readInContext(db, { ...link, asMember: true, topicIds }, now)
}

/** In the tenant that is asked for, or without one where it does not count. tenantId: which it was. */
async function readInContext(
  db: Db,
  query: PreferenceQuery,
  now: Date,
): Promise<{ readonly tenantId: string | null; readonly preferences: readonly EffectivePreference[] }> {
  const { tenantId } = query
  try {
    return { tenantId, preferences: await readPreferences(db, query, now) }
  } catch (error) {
    if (tenantId === null || !(error instanceof Refusal && error.code === 'NOT_FOUND')) throw error
    return { tenantId: null, preferences: await readPreferences(db, { ...query, tenantId: null }, now) }
  }
}
