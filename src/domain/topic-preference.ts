import type { Channel } from '../channels/provider.ts'
import { badInput, notFound } from '../errors.ts'
import type { PreferenceStatus } from '../generated/tables.ts'
import type { Tx } from '../store/database.ts'
import { holdRows } from '../store/row.ts'
import { checkId } from './id.ts'

/** What a tenant, a list or one send says about a topic. channels: only these; null means every one. */
export interface TopicPreference {
  readonly topicId: string
  readonly status: PreferenceStatus
  readonly channels: readonly Channel[] | null
}

export interface TopicPreferenceInput {
  readonly topicId: string
  readonly status: PreferenceStatus
  readonly channels?: readonly Channel[] | null
}

type Path = readonly (string | number)[]

/**
 * Preferences as they are kept, each topic once.
 *
 * @throws Refusal BAD_USER_INPUT for a topic named twice and for an empty list of channels
 */
export function checkTopicPreferences(
  inputs: readonly TopicPreferenceInput[] | null | undefined,
  path: Path,
): readonly TopicPreference[] {
  const seen = new Set<string>()
  return (inputs ?? []).map(({ topicId, status, channels }, index) => {
    checkId(topicId, [...path, index, 'topicId'])
    if (seen.has(topicId)) throw badInput([...path, index, 'topicId'], `'${topicId}' is named twice.`)
    seen.add(topicId)
    return { topicId, status, channels: checkChannels(channels, [...path, index, 'channels']) }
  })
}

/** Each channel once; null for every one. @throws Refusal BAD_USER_INPUT for none */
export function checkChannels(channels: readonly Channel[] | null | undefined, path: Path): readonly Channel[] | null {
  if (channels == null) return null
  if (channels.length === 0) throw badInput(path, "'channels' must name at least one channel; leave it out for every one.")
  return [...new Set(channels)]
}

/** They cannot be deleted until the transaction ends. @throws Refusal NOT_FOUND for the first topic that is not there */
export async function requireTopics(tx: Tx, environmentId: string, topicIds: readonly string[]): Promise<void> {
  if (topicIds.length === 0) return
  const found = await holdRows(tx, 'topic', environmentId, topicIds)
  const missing = topicIds.find((id) => !found.has(id))
  if (missing !== undefined) throw notFound('topic', missing)
}
