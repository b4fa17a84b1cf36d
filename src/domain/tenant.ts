import { badInput, notFound, Refusal } from '../errors.ts'
import type { Tx } from '../store/database.ts'
import { holdRow, putRow } from '../store/row.ts'
import { deleteTenantMember, deleteTenantRow, hasChildren, isBelow, lockHierarchy, upsertTenantMember } from '../store/tenant.ts'
import { ensureUser } from '../store/user.ts'
import type { Command } from './command.ts'
import { checkId, checkName } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'
import { checkProfile } from './profile.ts'
import { checkTopicPreferences, requireTopics, type TopicPreferenceInput } from './topic-preference.ts'

export interface TenantInput {
  readonly name: string
  readonly parentId?: string | null
  readonly brandId?: string | null
  readonly properties?: JsonObject | null
  readonly profile?: JsonObject | null
  readonly defaultPreferences?: readonly TopicPreferenceInput[] | null
}

export interface MemberId {
  readonly tenantId: string
  readonly userId: string
}

/**
 * Creates or replaces a tenant: what is left out takes its default; its members and children stay. Tenants may stand as
 * deep as one likes, but only the four from the leaf up have a say.
 *
 * @throws Refusal BAD_USER_INPUT for a parent that is not there or stands below the tenant, NOT_FOUND for a brand or topic
 */
export const putTenant: Command<{ id: string; input: TenantInput }, { id: string }> = async (scope, { id, input }) => {
  const { environmentId } = scope.actor
  checkId(id, ['id'])
  checkName(input.name, ['input', 'name'])
  checkSize(input.properties, ['input', 'properties'])
  checkOwnProfile(input.profile, ['input', 'profile'])
  const preferences = checkTopicPreferences(input.defaultPreferences, ['input', 'defaultPreferences'])
  const topicIds = preferences.map(({ topicId }) => topicId)
  await lockHierarchy(scope.tx, environmentId)
  if (input.parentId != null) await checkParent(scope.tx, environmentId, id, input.parentId)
  if (input.brandId != null && !(await holdRow(scope.tx, 'brand', environmentId, input.brandId)))
    throw notFound('brand', input.brandId)
  await requireTopics(scope.tx, environmentId, topicIds)
  await putRow(scope.tx, 'tenant', {
    environment_id: environmentId,
    id,
    name: input.name,
    parent_id: input.parentId ?? null,
    brand_id: input.brandId ?? null,
    properties: JSON.stringify(input.properties ?? {}),
    profile: JSON.stringify(input.profile ?? {}),
    default_preferences: JSON.stringify(preferences),
    updated_at: scope.now,
  })
  return { id }
}

/** A tenant's or a member's: their well-known keys are those of a user's. */
function checkOwnProfile(profile: JsonObject | null | undefined, path: readonly string[]): void {
  checkSize(profile, path)
  checkProfile(profile ?? {}, path)
}

async function checkParent(tx: Tx, environmentId: string, id: string, parentId: string): Promise<void> {
  const path = ['input', 'parentId']
  if (parentId === id) throw badInput(path, "'parentId' must be another tenant's id: a tenant cannot be its own parent.")
  if (!(await holdRow(tx, 'tenant', environmentId, parentId))) {
    throw badInput(path, `'parentId' must be the id of a tenant: there is no '${parentId}'.`)
  }
  if (await isBelow(tx, environmentId, parentId, id)) {
    throw badInput(path, `'parentId' must not be below the tenant itself: '${parentId}' is.`)
  }
}

/**
 * With its members (the users stay) and with what anybody chose in it. False where there was none.
 *
 * @throws Refusal CONFLICT for a tenant with children
 */
export const deleteTenant: Command<{ id: string }, boolean> = async (scope, { id }) => {
  const { environmentId } = scope.actor
  await lockHierarchy(scope.tx, environmentId)
  if (await hasChildren(scope.tx, environmentId, id)) {
    throw new Refusal('CONFLICT', `The tenant '${id}' has children: delete them first, or put them under another parent.`)
  }
  return deleteTenantRow(scope.tx, environmentId, id)
}

/**
 * Adds a member, or replaces the profile of one; the user is made when missing. In the tenant the profile stands over the
 * user's own.
 */
export const addTenantMember: Command<MemberId & { readonly profile?: JsonObject | null }, MemberId> = async (scope, input) => {
  const { environmentId } = scope.actor
  const { tenantId, userId, profile } = input
  checkId(userId, ['userId'])
  checkOwnProfile(profile, ['profile'])
  if (!(await holdRow(scope.tx, 'tenant', environmentId, tenantId))) throw notFound('tenant', tenantId)
  await ensureUser(scope.tx, environmentId, userId)
  await upsertTenantMember(scope.tx, { environmentId, tenantId, userId, profile: profile ?? {} })
  return { tenantId, userId }
}

/** The user stays, and so does what they chose in the tenant, should they come back. False where they were none. */
export const removeTenantMember: Command<MemberId, boolean> = (scope, { tenantId, userId }) =>
  deleteTenantMember(scope.tx, scope.actor.environmentId, tenantId, userId)
