import { insertUsers, lockProfile, writeProfile } from '../store/user.ts'
import type { Command } from './command.ts'
import { checkId } from './id.ts'
import { checkSize, deepMerge, type JsonObject } from './json.ts'
import { checkEmail } from './recipient.ts'

export interface MergeProfileInput {
  readonly userId: string
  readonly profile: JsonObject
}

/** Deep-merges into the stored profile and makes the user when missing. Keys we know (email) are checked; the rest is the caller's own. */
export const mergeProfile: Command<MergeProfileInput, { id: string }> = async (scope, { userId, profile }) => {
  const { environmentId } = scope.actor
  checkId(userId, ['userId'])
  checkSize(profile, ['profile'])
  if (profile.email != null) checkEmail(profile.email, ['profile', 'email'])
  await insertUsers(scope.tx, [{ environmentId, id: userId, profile: {} }])
  const stored = await lockProfile(scope.tx, environmentId, userId)
  const merged = deepMerge(stored ?? {}, profile)
  checkSize(merged, ['profile'])
  await writeProfile(scope.tx, environmentId, userId, merged, scope.now)
  return { id: userId }
}
