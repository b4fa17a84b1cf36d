import type { Selectable } from 'kysely'
import { type Channel, type Provider, secretFields, settingsSchema } from '../channels/provider.ts'
import type { ProviderHealth, Provider as ProviderRow, UnknownPolicy } from '../generated/tables.ts'
import type { Vault } from './command.ts'
import { deepMerge, type JsonObject } from './json.ts'

/**
 * An account that exists at start, with its kind as id. Its settings are those of the process that delivers, and it is in
 * every environment until it is put there.
 */
export interface BuiltInAccount {
  /** What it delivers with. */
  readonly settings: unknown
  readonly account: Account
}

/** One configured account of a provider, as planning and delivery see it. */
export interface Account {
  readonly id: string
  readonly kind: string
  readonly channel: Channel
  readonly name: string | null
  /** Secrets masked. */
  readonly settings: JsonObject
  readonly priority: number
  readonly enabled: boolean
  readonly onUnknown: UnknownPolicy
  readonly health: ProviderHealth
  readonly lastError: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Null for an account that was never put. */
  readonly row: Selectable<ProviderRow> | null
}

/** All accounts of an environment, in the order in which a channel tries them. */
export function accountsOf(rows: readonly Selectable<ProviderRow>[], builtIns: readonly BuiltInAccount[]): readonly Account[] {
  const put = new Set(rows.map((row) => row.id))
  const fromStart = builtIns.map(({ account }) => account).filter(({ id }) => !put.has(id))
  return [...rows.map(rowAccount), ...fromStart].sort((a, b) => a.priority - b.priority || compare(a.id, b.id))
}

export const MASK = '••••••'

function rowAccount(row: Selectable<ProviderRow>): Account {
  return {
    id: row.id,
    kind: row.kind,
    channel: row.channel,
    name: row.name,
    settings: row.settings as JsonObject,
    priority: row.priority,
    enabled: row.enabled,
    onUnknown: row.on_unknown ?? unknownPolicy(row.channel),
    health: row.health,
    lastError: row.last_error,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    row,
  }
}

/** @param since when the process that delivers with these settings began to */
export function builtInAccount(provider: Provider, settings: JsonObject, since: Date): BuiltInAccount {
  const account: Account = {
    id: provider.kind,
    kind: provider.kind,
    channel: provider.channel,
    name: provider.name,
    settings: maskSecrets(provider, settings),
    priority: 0,
    enabled: true,
    onUnknown: unknownPolicy(provider.channel),
    health: 'OK',
    lastError: null,
    createdAt: since,
    updatedAt: since,
    row: null,
  }
  return { settings, account }
}

/** What costs money is not sent twice on a guess (reliability G3). */
function unknownPolicy(channel: Channel): UnknownPolicy {
  return channel === 'SMS' ? 'FAIL' : 'RESEND'
}

/** The settings to deliver with: the public part and the unsealed secrets of the row. */
export function openSettings(vault: Vault, row: Selectable<ProviderRow>): JsonObject {
  const open = row.settings as JsonObject
  if (row.secrets === null) return open
  return deepMerge(open, JSON.parse(vault.open(row.secrets, accountPlace(row.environment_id, row.id))) as JsonObject)
}

export function accountPlace(environmentId: string, id: string): string {
  return `provider/${environmentId}/${id}`
}

function maskSecrets(provider: Provider, settings: JsonObject): JsonObject {
  const secrets = new Set(secretFields(provider))
  return Object.fromEntries(Object.entries(settings).map(([key, value]) => [key, secrets.has(key) ? MASK : value]))
}

/** What can be configured: every provider this build knows. */
export interface ProviderKind {
  readonly kind: string
  readonly channel: Channel
  readonly name: string
  /** JSON Schema; secrets are writeOnly. */
  readonly settingsSchema: Record<string, unknown>
}

export function catalogOf(providers: readonly Provider[]): readonly ProviderKind[] {
  return providers.map((provider) => ({
    kind: provider.kind,
    channel: provider.channel,
    name: provider.name,
    settingsSchema: settingsSchema(provider),
  }))
}

const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)
