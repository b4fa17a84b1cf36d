import { notFound } from '../errors.ts'
import { deleteSubscriptions, insertSubscriptions, makeList } from '../store/list.ts'
import { deleteRow, lockRow, putRow } from '../store/row.ts'
import { insertUsers } from '../store/user.ts'
import type { Command } from './command.ts'
import { checkId, checkName } from './id.ts'
import { checkListId } from './list-pattern.ts'
import { checkTopicPreferences, requireTopics, type TopicPreferenceInput } from './topic-preference.ts'

export interface ListInput {
  readonly name: string
  readonly preferences?: readonly TopicPreferenceInput[] | null
}

export interface SubscriptionInput {
  readonly listId: string
  readonly userIds: readonly string[]
}

/** Creates or replaces a list; who is subscribed stays so. Its preferences are about topics that exist: NOT_FOUND otherwise. */
export const putList: Command<{ id: string; input: ListInput }, { id: string }> = async (scope, { id, input }) => {
  const { environmentId } = scope.actor
  checkListId(id, ['id'])
  checkName(input.name, ['input', 'name'])
  const preferences = checkTopicPreferences(input.preferences, ['input', 'preferences'])
  await requireTopics(
    scope.tx,
    environmentId,
    preferences.map(({ topicId }) => topicId),
  )
  await putRow(scope.tx, 'list', {
    environment_id: environmentId,
    id,
    name: input.name,
    preferences: JSON.stringify(preferences),
    updated_at: scope.now,
  })
  return { id }
}

/** The list and its subscriptions; the users stay. False where there was none. */
export const deleteList: Command<{ id: string }, boolean> = (scope, { id }) =>
  deleteRow(scope.tx, 'list', scope.actor.environmentId, id)

/** Adds users to a list and takes nobody off; the list, under its id as name, and the users are made when missing. */
export const subscribeToList: Command<SubscriptionInput, { id: string }> = async (scope, { listId, userIds }) => {
  const { environmentId } = scope.actor
  checkListId(listId, ['listId'])
  for (const [index, userId] of userIds.entries()) checkId(userId, ['userIds', index])
  await makeList(scope.tx, environmentId, listId)
  await insertUsers(
    scope.tx,
    userIds.map((id) => ({ environmentId, id, profile: {} })),
  )
  await insertSubscriptions(scope.tx, environmentId, listId, userIds)
  return { id: listId }
}

/** Takes users off a list; those who are not on it change nothing. @throws Refusal NOT_FOUND for the list */
export const unsubscribeFromList: Command<SubscriptionInput, { id: string }> = async (scope, { listId, userIds }) => {
  const { environmentId } = scope.actor
  if (!(await lockRow(scope.tx, 'list', environmentId, listId, 'change'))) throw notFound('list', listId)
  await deleteSubscriptions(scope.tx, environmentId, listId, userIds)
  return { id: listId }
}
