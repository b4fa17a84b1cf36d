import { CHANNELS, type Channel } from '../channels/provider.ts'
import { Refusal } from '../errors.ts'
import type { Db } from '../store/database.ts'
import type { TopicRow } from '../store/topic.ts'
import { hasUser, lockProfile } from '../store/user.ts'
import type { TokenActor } from './actor.ts'
import type { Command } from './command.ts'
import type { PreferencesLink, UnsubscribeLink } from './link.ts'
import { type EffectivePreference, type PreferenceInput, readPreferences, setPreferences } from './preference.ts'

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

/** The preferences that a link shows. Null where its user or tenant is no longer there: a link brings nobody back. */
export async function readLinkedPreferences(
  db: Db,
  link: PreferencesLink,
  now: Date,
): Promise<readonly EffectivePreference[] | null> {
  const { environmentId, userId, tenantId } = link
  if (!(await hasUser(db, environmentId, userId))) return null
  return readPreferences(db, { environmentId, userId, tenantId }, now).catch(nullIfGone)
}

/** gone: the user, the tenant or the topic is no longer there, and nothing was written. */
export type Unsubscribed = 'unsubscribed' | 'required' | 'gone'

/** Opts a link's user out of its topic, as often as it is asked for. Which channels they chose stays, for when they come back. */
export const unsubscribe: Command<UnsubscribeLink, Unsubscribed> = async (scope, link) => {
  const { environmentId, userId, tenantId, topicId } = link
  if ((await lockProfile(scope.tx, environmentId, userId)) === null) return 'gone'
  const found = await readPreferences(scope.tx, { environmentId, userId, tenantId, topicIds: [topicId] }, scope.now).catch(
    nullIfGone,
  )
  const preference = found?.[0]
  if (preference === undefined) return 'gone'
  if (preference.status === 'REQUIRED') return 'required'
  const inputs = [choiceOf(preference, { topicId, on: false }, tenantId)]
  await setPreferences(scope, { userId, inputs })
  return 'unsubscribed'
}

/**
 * Writes what a link's user changed, all or nothing, and nothing else. A topic that is gone or required meanwhile is passed over.
 * False where the user or tenant is no longer there.
 */
export const changePreferences: Command<
  { readonly link: PreferencesLink; readonly changes: readonly PreferenceChange[] },
  boolean
> = async (scope, { link, changes }) => {
  const { environmentId, userId, tenantId } = link
  if ((await lockProfile(scope.tx, environmentId, userId)) === null) return false
  const topicIds = changes.map(({ topicId }) => topicId)
  const found = await readPreferences(scope.tx, { environmentId, userId, tenantId, topicIds }, scope.now).catch(nullIfGone)
  if (found === null) return false
  const byTopic = new Map(changes.map((change) => [change.topicId, change]))
  const inputs = found
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

function nullIfGone(error: unknown): null {
  if (error instanceof Refusal && error.code === 'NOT_FOUND') return null
  throw error
}
