import { createHash } from 'node:crypto'
import { checkPushKeys } from '../channels/address.ts'
import { badInput, notFound } from '../errors.ts'
import type { DeviceTokenStatus } from '../generated/tables.ts'
import { deleteDeviceTokens, retireOldest, upsertDeviceToken } from '../store/device-token.ts'
import { readProviders } from '../store/provider.ts'
import { ensureUser } from '../store/user.ts'
import type { Command, Scope } from './command.ts'
import { checkId, newId } from './id.ts'
import { checkSize, type JsonObject } from './json.ts'

export interface DeviceTokenInput {
  readonly token: string
  readonly keys?: { readonly p256dh: string; readonly auth: string } | null
  readonly kind: string
  readonly providerId?: string | null
  readonly device?: JsonObject | null
  readonly expiresAt?: Date | null
}

/**
 * Keeps a user's push token, or makes it ACTIVE again; the user is made when missing. A web push subscription brings its keys.
 * Without `expiresAt` a token does not expire: its provider says when it is dead.
 *
 * @throws Refusal BAD_USER_INPUT, NOT_FOUND for an account that is not there
 */
export const putDeviceToken: Command<{ userId: string; input: DeviceTokenInput }, { id: string }> = async (
  scope,
  { userId, input },
) => {
  const { environmentId } = scope.actor
  checkId(userId, ['userId'])
  checkDeviceToken(input, ['input'], scope)
  if (input.expiresAt != null && input.expiresAt <= scope.now) {
    throw badInput(['input', 'expiresAt'], "'expiresAt' must lie in the future; without it the token does not expire.")
  }
  await checkAccount(scope, input)
  await ensureUser(scope.tx, environmentId, userId)
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
  await retireOldest(scope.tx, environmentId, userId, MOST_ACTIVE, scope.now)
  return { id }
}

/** Forgets a user's token, of whichever kind. False where there was none. */
export const deleteDeviceToken: Command<{ userId: string; token: string }, boolean> = async (scope, { userId, token }) => {
  checkId(userId, ['userId'])
  return deleteDeviceTokens(scope.tx, scope.actor.environmentId, userId, token)
}

/** Each costs a message a call: whoever has more devices loses the oldest. */
const MOST_ACTIVE = 20

/** Where a subscription's keys are sealed to. */
export function keysPlace(environmentId: string, userId: string, tokenHash: string): string {
  return `device_token/${environmentId}/${userId}/${tokenHash}`
}

/**
 * A push token as it may be kept and called. A web push subscription brings its keys and an endpoint that may be reached.
 *
 * @throws Refusal BAD_USER_INPUT with the path of the fault
 */
export function checkDeviceToken(
  input: DeviceTokenInput,
  path: readonly (string | number)[],
  { providers, guard }: Pick<Scope, 'providers' | 'guard'>,
): void {
  const kinds = providers.filter(({ channel }) => channel === 'PUSH').map(({ kind }) => kind)
  if (!kinds.includes(input.kind)) {
    throw badInput([...path, 'kind'], `'kind' must be a push provider's kind: ${kinds.join(', ')}.`)
  }
  if (input.token.length === 0 || input.token.length > 4096)
    throw badInput([...path, 'token'], "'token' must be 1 to 4,096 characters.")
  if (input.providerId != null) checkId(input.providerId, [...path, 'providerId'])
  checkSize(input.device, [...path, 'device'])
  if (input.kind !== 'webpush') return
  const refused = guard.refuseUrl(input.token)
  if (refused !== null) throw badInput([...path, 'token'], refused)
  if (input.keys == null) throw badInput([...path, 'keys'], "'keys' must hold the subscription's p256dh and auth.")
  const wrong = checkPushKeys(input.keys)
  if (wrong !== null) throw badInput([...path, 'keys'], wrong)
}

/** Only an account of the token's own kind carries it. One that exists at start has its kind as id, and no row until it is put. */
async function checkAccount({ tx, actor, providers }: Scope, { kind, providerId }: DeviceTokenInput): Promise<void> {
  if (providerId == null) return
  const { providers: put } = await readProviders(tx, [actor.environmentId])
  const account = put.find(({ id }) => id === providerId) ?? providers.find((provider) => provider.kind === providerId)
  if (account === undefined) throw notFound('provider', providerId)
  if (account.kind !== kind) {
    throw badInput(
      ['input', 'providerId'],
      `'providerId' must be an account of ${kind}; '${providerId}' is one of ${account.kind}.`,
    )
  }
}

/** A token as it is shown: one whose time is over is EXPIRED from that moment on. Planning leaves it out from then, too. */
export function standingOf(
  token: { readonly status: DeviceTokenStatus; readonly statusReason: string | null; readonly expiresAt: Date | null },
  now: Date,
): { readonly status: DeviceTokenStatus; readonly statusReason: string | null } {
  const { status, statusReason, expiresAt } = token
  const isOver = status === 'ACTIVE' && expiresAt !== null && expiresAt <= now
  return isOver ? { status: 'EXPIRED', statusReason: 'Its time is over.' } : { status, statusReason }
}
