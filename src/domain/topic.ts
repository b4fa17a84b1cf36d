import type { Channel } from '../channels/provider.ts'
import { badInput, Refusal } from '../errors.ts'
import type { PreferenceStatus } from '../generated/tables.ts'
import { lockRow } from '../store/row.ts'
import { findTemplateWith } from '../store/template.ts'
import { deleteTopicRow, upsertTopic } from '../store/topic.ts'
import type { Command } from './command.ts'
import { checkId, checkName } from './id.ts'
import { checkChannels } from './topic-preference.ts'

export interface TopicInput {
  readonly name: string
  readonly description?: string | null
  /** The heading it stands under. */
  readonly section?: string | null
  readonly defaultStatus: PreferenceStatus
  /** Those a user may choose among; null means every one. */
  readonly channels?: readonly Channel[] | null
  readonly includeUnsubscribeHeader: boolean
  readonly exemptFromSendLimits: boolean
}

const LONGEST_DESCRIPTION = 2000

/**
 * Creates or replaces a topic. What users chose about it stays, and so do channels that it no longer offers: what a user chose
 * holds all along, until they choose again.
 *
 * @throws Refusal BAD_USER_INPUT for an empty name or section, a description over 2,000 characters and an empty list of channels
 */
export const putTopic: Command<{ id: string; input: TopicInput }, { id: string }> = async (scope, { id, input }) => {
  checkId(id, ['id'])
  checkName(input.name, ['input', 'name'])
  if (input.section != null) checkName(input.section, ['input', 'section'])
  if (input.description != null && input.description.length > LONGEST_DESCRIPTION) {
    throw badInput(['input', 'description'], "'description' must be at most 2,000 characters.")
  }
  const row = {
    environment_id: scope.actor.environmentId,
    id,
    name: input.name,
    description: input.description ?? null,
    section: input.section ?? null,
    default_status: input.defaultStatus,
    include_unsubscribe_header: input.includeUnsubscribeHeader,
    exempt_from_send_limits: input.exemptFromSendLimits,
    updated_at: scope.now,
  }
  await upsertTopic(scope.tx, row, checkChannels(input.channels, ['input', 'channels']) ?? [])
  return { id }
}

/**
 * A topic with all that users, lists and tenants said about it: a later one of the same id begins clean. False where there
 * was none. Messages about it that are still to be planned go to nobody but webhooks.
 *
 * @throws Refusal CONFLICT for one that a published template is about: what it says would go to nobody any more
 */
export const deleteTopic: Command<{ id: string }, boolean> = async (scope, { id }) => {
  const { environmentId } = scope.actor
  if (!(await lockRow(scope.tx, 'topic', environmentId, id, 'deletion'))) return false
  const template = await findTemplateWith(scope.tx, environmentId, { topicId: id })
  if (template !== null) {
    throw new Refusal('CONFLICT', `The topic '${id}' is that of the template '${template}': publish it with another one first.`)
  }
  return deleteTopicRow(scope.tx, environmentId, id)
}
