import { randomBytes } from 'node:crypto'
import { badInput, notFound } from '../errors.ts'
import { hashKey } from '../secrets.ts'
import { insertApiKey } from '../store/api-key.ts'
import { environmentExists } from '../store/environment.ts'
import type { ApiKeyScope, Mode } from './actor.ts'
import type { Command } from './command.ts'
import { checkName, newId } from './id.ts'

export interface CreateApiKeyInput {
  readonly name: string
  readonly scopes: readonly ApiKeyScope[]
  readonly mode: Mode
  readonly environmentId?: string | null
  readonly expiresAt?: Date | null
}

/** The secret is in the answer and nowhere else: only its SHA-256 is stored. */
export const createApiKey: Command<CreateApiKeyInput, { id: string; environmentId: string; secret: string }> = async (
  scope,
  input,
) => {
  const environmentId = input.environmentId ?? scope.actor.environmentId
  checkName(input.name, ['input', 'name'])
  if (input.scopes.length === 0) throw badInput(['input', 'scopes'], "'scopes' must name at least one scope.")
  if (input.expiresAt != null && input.expiresAt <= scope.now)
    throw badInput(['input', 'expiresAt'], "'expiresAt' must be in the future.")
  if (!(await environmentExists(scope.tx, environmentId))) throw notFound('environment', environmentId)
  const id = newId('key')
  const secret = newSecret(input.mode)
  await insertApiKey(scope.tx, {
    id,
    environment_id: environmentId,
    name: input.name,
    prefix: prefixOf(secret),
    hash: hashKey(secret),
    scopes: [...new Set(input.scopes)],
    mode: input.mode,
    created_at: scope.now,
    expires_at: input.expiresAt ?? null,
  })
  return { id, environmentId, secret }
}

/** 256 random bits, so a fast hash is enough to keep them. */
function newSecret(mode: Mode): string {
  return `${mode === 'LIVE' ? 'ck_live' : 'ck_sim'}_${randomBytes(32).toString('base64url')}`
}

/** The first characters of a secret, to know it by. */
export function prefixOf(secret: string): string {
  return secret.slice(0, secret.lastIndexOf('_', 8) + 1 + 6)
}
