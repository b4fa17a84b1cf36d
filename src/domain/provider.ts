import { type Provider, secretFields, settingsSchema } from '../channels/provider.ts'
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
 * one left out (or sent back masked) keeps its stored value while the kind, and where it is sent, stay the same; null takes
 * it away.
 */
export const putProvider: Command<PutProviderInput, { id: string }> = async (scope, input) => {
  checkSlug(input.id, ['id'])
  const { environmentId } = scope.actor
  const provider = kindOf(scope.providers, input.kind)
  const before = await lockProvider(scope.tx, environmentId, input.id)
  const kept = before?.kind === input.kind ? openSettings(scope.vault, before) : {}
  const settings = checkSettings(provider, withKeptSecrets(provider, input.settings, kept))
  refuseMove(provider, input.settings, settings, kept)
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
  const secrets = secretFields(provider)
  const given = Object.entries(settings).filter(
    ([field, value]) => !secrets.includes(field) || (value !== null && value !== MASK),
  )
  const keptSecrets = keptFields(provider, settings, kept).map((field) => [field, kept[field]])
  return Object.fromEntries([...given, ...keptSecrets])
}

/** The secrets that a change leaves out, which therefore stay. */
function keptFields(provider: Provider, settings: JsonObject, kept: JsonObject): readonly string[] {
  const isLeftOut = (field: string) => settings[field] === undefined || settings[field] === MASK
  return secretFields(provider).filter((field) => isLeftOut(field) && kept[field] !== undefined)
}

const WHERE = /(?:url|host|region)$/i

/** A secret that is not shown to whoever configures the account is not sent to where they like either. */
function refuseMove(provider: Provider, input: JsonObject, settings: JsonObject, before: JsonObject): void {
  const [field] = keptFields(provider, input, before)
  const secrets = secretFields(provider)
  const names = [...new Set([...Object.keys(settings), ...Object.keys(before)])].filter((name) => !secrets.includes(name))
  const moved = names.find((name) => WHERE.test(name) && settings[name] !== before[name])
  if (field === undefined || moved === undefined) return
  throw badInput(['input', 'settings', field], `Give '${field}' again, or null to take it away: '${moved}' changed.`)
}

function checkSettings(provider: Provider, settings: JsonObject): JsonObject {
  const known = Object.keys((settingsSchema(provider).properties ?? {}) as JsonObject)
  const unknown = Object.keys(settings).find((name) => !known.includes(name))
  if (unknown !== undefined) {
    throw badInput(
      ['input', 'settings', unknown],
      `'settings.${unknown}' is no setting of ${provider.kind}: it has ${known.join(', ') || 'none'}.`,
    )
  }
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
