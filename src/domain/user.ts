import { insertUsers, lockProfile, writeProfile } from '../store/user.ts'
import type { Command } from './command.ts'
import { checkId } from './id.ts'
import { deepMerge, type JsonObject } from './json.ts'
import { checkEmail } from './recipient.ts'

export interface MergeProfileInput {
  readonly userId: string
  readonly profile: JsonObject
}

/** Deep-merges into the stored profile and makes the user when missing. Keys we know (email) are checked; the rest is the caller's own. */
export const mergeProfile: Command<MergeProfileInput, { id: string }> = async (scope, { userId, profile }) => {
  const { environmentId } = scope.actor
  checkId(userId, ['userId'])
  if (profile.email != null) checkEmail(profile.email, ['profile', 'email'])
  await insertUsers(scope.tx, [{ environmentId, id: userId, profile: {} }])
  const stored = await lockProfile(scope.tx, environmentId, userId)
  await writeProfile(scope.tx, environmentId, userId, deepMerge(stored ?? {}, profile), scope.now)
  return { id: userId }
}
