import { type Provider, secretFields } from '../channels/provider.ts'
import { badInput, type Issue, Refusal } from '../errors.ts'
import type { UnknownPolicy } from '../generated/tables.ts'
import { lockProvider, upsertProvider } from '../store/provider.ts'
import { deleteRow } from '../store/row.ts'
import { accountPlace, MASK, openSettings } from './account.ts'
import type { Command } from './command.ts'
import { checkSlug } from './id.ts'
import type { JsonObject } from './json.ts'

export interface PutProviderInput {
  readonly id: string
  readonly kind: string
  readonly name?: string | null
  readonly settings: JsonObject
  readonly priority: number
  readonly enabled: boolean
  readonly onUnknown?: UnknownPolicy | null
}

/**
 * Configures an account of a provider. Its settings are checked against the kind's own; secrets are sealed to the row, and
 * one left out (or sent back masked) keeps its stored value while the kind stays the same.
 */
export const putProvider: Command<PutProviderInput, { id: string }> = async (scope, input) => {
  checkSlug(input.id, ['id'])
  const { environmentId } = scope.actor
  const provider = kindOf(scope.providers, input.kind)
  const before = await lockProvider(scope.tx, environmentId, input.id)
  const kept = before?.kind === input.kind ? openSettings(scope.vault, before) : {}
  const settings = checkSettings(provider, withKeptSecrets(provider, input.settings, kept))
  for (const { path, message } of provider.check?.(settings, scope.guard) ?? []) {
    throw badInput(['input', 'settings', ...path], message)
  }
  const { open, secret } = splitSecrets(provider, settings)
  await upsertProvider(scope.tx, {
    environment_id: environmentId,
    id: input.id,
    kind: input.kind,
    channel: provider.channel,
    name: input.name ?? null,
    settings: JSON.stringify(open),
    secrets: scope.vault.seal(JSON.stringify(secret), accountPlace(environmentId, input.id)),
    priority: input.priority,
    enabled: input.enabled,
    on_unknown: input.onUnknown ?? null,
    updated_at: scope.now,
  })
  return { id: input.id }
}

/** False where there was none. An account that exists at start comes back with its first settings. */
export const deleteProvider: Command<{ readonly id: string }, boolean> = (scope, { id }) =>
  deleteRow(scope.tx, 'provider', scope.actor.environmentId, id)

function kindOf(providers: readonly Provider[], kind: string): Provider {
  const provider = providers.find((candidate) => candidate.kind === kind)
  if (provider) return provider
  throw badInput(['input', 'kind'], `'kind' must be one of: ${providers.map((candidate) => candidate.kind).join(', ')}.`)
}

function withKeptSecrets(provider: Provider, settings: JsonObject, kept: JsonObject): JsonObject {
  const whole: Record<string, unknown> = { ...settings }
  for (const field of secretFields(provider)) {
    const given = whole[field]
    if ((given === undefined || given === MASK) && kept[field] !== undefined) whole[field] = kept[field]
  }
  return whole
}

function checkSettings(provider: Provider, settings: JsonObject): JsonObject {
  const result = provider.settings.safeParse(settings)
  if (result.success) return result.data as JsonObject
  const issues: Issue[] = result.error.issues.map((issue) => ({
    path: ['input', 'settings', ...(issue.path as (string | number)[])],
    message: issue.message,
  }))
  const [first] = issues
  throw new Refusal('BAD_USER_INPUT', `'${first!.path.slice(1).join('.')}': ${first!.message}`, { issues })
}

function splitSecrets(provider: Provider, settings: JsonObject): { open: JsonObject; secret: JsonObject } {
  const secrets = new Set(secretFields(provider))
  const entries = Object.entries(settings)
  return {
    open: Object.fromEntries(entries.map(([key, value]) => [key, secrets.has(key) ? MASK : value])),
    secret: Object.fromEntries(entries.filter(([key]) => secrets.has(key))),
  }
}
