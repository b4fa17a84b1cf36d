import { createHash } from 'node:crypto'
import type { Selectable } from 'kysely'
import { type Channel, type Provider, secretFields, settingsSchema } from '../channels/provider.ts'
import type { ProviderHealth, Provider as ProviderRow, UnknownPolicy } from '../generated/tables.ts'
import type { Db } from '../store/database.ts'
import { type ProviderRows, type ProviderState, readProviders } from '../store/provider.ts'
import type { CallbackPlace } from './callback-link.ts'
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
  /** FAILING is passed over until then. */
  readonly failingUntil: Date | null
  /** Changes with its settings: what was learned with others says nothing. */
  readonly version: string
  readonly createdAt: Date
  readonly updatedAt: Date
  /** Null for an account that was never put. */
  readonly row: Selectable<ProviderRow> | null
}

/** All accounts of an environment, in the order in which a channel tries them. */
export function accountsOf(
  { providers, states }: ProviderRows,
  builtIns: readonly BuiltInAccount[],
  environmentId: string,
): readonly Account[] {
  const rows = providers.filter((row) => row.environment_id === environmentId)
  const put = new Set(rows.map((row) => row.id))
  const fromStart = builtIns.map(({ account }) => account).filter(({ id }) => !put.has(id))
  const learned = new Map(states.flatMap((one) => (one.environmentId === environmentId ? [[one.providerId, one]] : [])))
  return [...rows.map(rowAccount), ...fromStart]
    .map((account) => withState(account, learned.get(account.id)))
    .sort((a, b) => a.priority - b.priority || compare(a.id, b.id))
}

/** Null where there is no such account. */
export async function readAccount(
  db: Db,
  builtIns: readonly BuiltInAccount[],
  { environmentId, providerId }: CallbackPlace,
): Promise<Account | null> {
  const rows = await readProviders(db, [environmentId])
  return accountsOf(rows, builtIns, environmentId).find(({ id }) => id === providerId) ?? null
}

function withState(account: Account, state: ProviderState | undefined): Account {
  if (state === undefined || state.version !== account.version) return account
  return { ...account, health: state.health, lastError: state.lastError, failingUntil: state.until }
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
    health: 'OK',
    lastError: null,
    failingUntil: null,
    version: String(row.updated_at.getTime()),
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
    failingUntil: null,
    version: createHash('sha256').update(JSON.stringify(settings)).digest('base64url'),
    createdAt: since,
    updatedAt: since,
    row: null,
  }
  return { settings, account }
}

/** What costs money is not sent twice on a guess (reliability G3). */
export function unknownPolicy(channel: Channel): UnknownPolicy {
  return channel === 'SMS' ? 'FAIL' : 'RESEND'
}

/** The settings to deliver with: the public part and the unsealed secrets of the row. */
export function openSettings(vault: Vault, row: Selectable<ProviderRow>): JsonObject {
  const open = row.settings as JsonObject
  if (row.secrets === null) return open
  return deepMerge(open, JSON.parse(vault.open(row.secrets, accountPlace(row.environment_id, row.id))) as JsonObject)
}

/** An account's settings, its secrets opened. */
export function settingsOf(vault: Vault, builtIns: readonly BuiltInAccount[], { id, row }: Account): unknown {
  return row === null ? builtIns.find(({ account }) => account.id === id)!.settings : openSettings(vault, row)
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
