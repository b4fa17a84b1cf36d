import { createHash } from 'node:crypto'
import { checkPushKeys } from '../channels/address.ts'
import { badInput } from '../errors.ts'
import { retireOldest, upsertDeviceToken } from '../store/device-token.ts'
import { insertUsers } from '../store/user.ts'
import type { Command } from './command.ts'
import { checkId, newId } from './id.ts'
import type { JsonObject } from './json.ts'

export interface DeviceTokenInput {
  readonly token: string
  readonly keys?: { readonly p256dh: string; readonly auth: string } | null
  readonly kind: string
  readonly providerId?: string | null
  readonly device?: JsonObject | null
  readonly expiresAt?: Date | null
}

/** Keeps a user's push token, or makes it ACTIVE again; the user is made when missing. A web push subscription brings its keys. */
export const putDeviceToken: Command<{ userId: string; input: DeviceTokenInput }, { id: string }> = async (
  scope,
  { userId, input },
) => {
  const { environmentId } = scope.actor
  checkId(userId, ['userId'])
  checkToken(
    input,
    scope.providers.filter(({ channel }) => channel === 'PUSH').map(({ kind }) => kind),
  )
  if (input.kind === 'webpush') checkSubscription(input, scope.guard.refuseUrl)
  await insertUsers(scope.tx, [{ environmentId, id: userId, profile: {} }])
  const tokenHash = createHash('sha256').update(`${input.kind}\n${input.token}`).digest('base64url')
  const id = await upsertDeviceToken(scope.tx, {
    environment_id: environmentId,
    id: newId('dtk'),
    user_id: userId,
    kind: input.kind,
    token: input.token,
    token_hash: tokenHash,
    keys: input.keys ? scope.vault.seal(JSON.stringify(input.keys), keysPlace(environmentId, userId, tokenHash)) : null,
    provider_id: input.providerId ?? null,
    device: input.device ? JSON.stringify(input.device) : null,
    expires_at: input.expiresAt ?? null,
    updated_at: scope.now,
  })
  await retireOldest(scope.tx, environmentId, userId, MOST_ACTIVE)
  return { id }
}

/** Each costs a message a call: whoever has more devices loses the oldest. */
const MOST_ACTIVE = 20

/** Where a subscription's keys are sealed to. */
export function keysPlace(environmentId: string, userId: string, tokenHash: string): string {
  return `device_token/${environmentId}/${userId}/${tokenHash}`
}

function checkToken(input: DeviceTokenInput, pushKinds: readonly string[]): void {
  if (!pushKinds.includes(input.kind)) {
    throw badInput(['input', 'kind'], `'kind' must be a push provider's kind: ${pushKinds.join(', ')}.`)
  }
  if (input.token.length === 0 || input.token.length > 4096)
    throw badInput(['input', 'token'], "'token' must be 1 to 4,096 characters.")
  if (input.providerId != null) checkId(input.providerId, ['input', 'providerId'])
}

function checkSubscription(input: DeviceTokenInput, refuseUrl: (url: string) => string | null): void {
  const refused = refuseUrl(input.token)
  if (refused !== null) throw badInput(['input', 'token'], refused)
  if (input.keys == null) throw badInput(['input', 'keys'], "'keys' must hold the subscription's p256dh and auth.")
  const wrong = checkPushKeys(input.keys)
  if (wrong !== null) throw badInput(['input', 'keys'], wrong)
}
