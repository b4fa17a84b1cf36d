import type { Issue } from '../errors.ts'
import { notFound } from '../errors.ts'
import { ensureUser, lockProfile, writeProfile } from '../store/user.ts'
import type { Command, Scope } from './command.ts'
import { checkId } from './id.ts'
import { checkSize, deepMerge, type JsonObject } from './json.ts'
import { applyJsonPatch, type JsonPatchOperation, keyChangedBy } from './json-patch.ts'
import { checkProfile, faultsOf, refuse } from './profile.ts'

export interface ProfileInput {
  readonly userId: string
  readonly profile: JsonObject
}

export interface PatchProfileInput {
  readonly userId: string
  readonly patch: readonly JsonPatchOperation[]
}

/**
 * Deep-merges into the stored profile and makes the user when missing: objects merge key by key, anything else replaces what
 * was there, null as well. Well-known keys are checked (checkProfile); the rest is the caller's own.
 */
export const mergeProfile: Command<ProfileInput, { id: string }> = async (scope, { userId, profile }) => {
  checkInput(userId, profile)
  const stored = await ensureUser(scope.tx, scope.actor.environmentId, userId)
  return write(scope, userId, deepMerge(stored, profile))
}

/** Replaces the whole profile, {} empties it; makes the user when missing. */
export const replaceProfile: Command<ProfileInput, { id: string }> = async (scope, { userId, profile }) => {
  checkInput(userId, profile)
  await ensureUser(scope.tx, scope.actor.environmentId, userId)
  return write(scope, userId, profile)
}

/**
 * Applies a JSON Patch (RFC 6902) to the stored profile, all or nothing. An empty patch changes nothing. A patch says how
 * something that is there changes, so a user who is not there is NOT_FOUND and is not made.
 */
export const patchProfile: Command<PatchProfileInput, { id: string }> = async (scope, { userId, patch }) => {
  checkId(userId, ['userId'])
  const stored = await lockProfile(scope.tx, scope.actor.environmentId, userId)
  if (stored === null) throw notFound('user', userId)
  if (patch.length === 0) return { id: userId }
  const patched = applyJsonPatch(stored, patch, ['patch'])
  refuse(faultsByOperation(patched, patch))
  return write(scope, userId, patched)
}

/** Each fault at the last operation that touched its key. What was there before and stays is not the patch's. */
function faultsByOperation(patched: JsonObject, patch: readonly JsonPatchOperation[]): readonly Issue[] {
  const changes = patch.map((operation) => (operation.op === 'test' ? undefined : keyChangedBy(operation)))
  return faultsOf(patched).flatMap(({ key, message }) => {
    const index = changes.findLastIndex((changed) => changed === key || changed === null)
    return index === -1 ? [] : [{ path: ['patch', index], message }]
  })
}

function checkInput(userId: string, profile: JsonObject): void {
  checkId(userId, ['userId'])
  checkSize(profile, ['profile'])
  checkProfile(profile, ['profile'])
}

async function write({ tx, actor, now }: Scope, userId: string, profile: JsonObject): Promise<{ id: string }> {
  checkSize(profile, ['profile'])
  await writeProfile(tx, actor.environmentId, userId, profile, now)
  return { id: userId }
}
