import { type Insertable, type Selectable, sql } from 'kysely'
import type { Provider, ProviderHealth } from '../generated/tables.ts'
import type { Db, Tx } from './database.ts'
import { putRow } from './row.ts'

export async function lockProvider(tx: Tx, environmentId: string, id: string): Promise<Selectable<Provider> | undefined> {
  return tx
    .selectFrom('provider')
    .selectAll()
    .where('environment_id', '=', environmentId)
    .where('id', '=', id)
    .forUpdate()
    .executeTakeFirst()
}

/** Puts the whole account. What was learned of it with other settings says nothing any more. */
export async function upsertProvider(tx: Tx, row: Insertable<Provider>): Promise<void> {
  await putRow(tx, 'provider', row)
}

/** What was learned of an account with the settings of this version. */
export interface ProviderState {
  readonly environmentId: string
  readonly providerId: string
  readonly version: string
  readonly health: ProviderHealth
  readonly lastError: string | null
  /** FAILING is passed over until then. */
  readonly until: Date | null
}

/** The accounts that were put in some environments, and what was learned of these and of those that exist at start. */
export interface ProviderRows {
  readonly providers: readonly Selectable<Provider>[]
  readonly states: readonly ProviderState[]
}

export async function readProviders(db: Db | Tx, environmentIds: readonly string[]): Promise<ProviderRows> {
  if (environmentIds.length === 0) return { providers: [], states: [] }
  const { rows } = await sql<{ provider: Selectable<Provider> | null; state: ProviderState | null }>`
    /* prepared: providers */
    select provider, state
    from (select p.environment_id, p.id, to_jsonb(p) as provider from provider p where p.environment_id = any(${environmentIds})) p
    full join (
      select s.environment_id, s.provider_id as id,
             jsonb_build_object('environmentId', s.environment_id, 'providerId', s.provider_id, 'version', s.version,
                                'health', s.health, 'lastError', s.last_error, 'until', s.until) as state
      from provider_state s where s.environment_id = any(${environmentIds})
    ) s using (environment_id, id)`.execute(db)
  return {
    providers: rows.flatMap(({ provider }) => (provider === null ? [] : [dated(provider)])),
    states: rows.flatMap(({ state }) => (state === null ? [] : [{ ...state, until: state.until && new Date(state.until) }])),
  }
}

/** As JSON its instants came as text. */
function dated(row: Selectable<Provider>): Selectable<Provider> {
  return { ...row, created_at: new Date(row.created_at), updated_at: new Date(row.updated_at) }
}

/** Keeps what was learned of accounts last. */
export async function keepProviderStates(tx: Tx, states: readonly ProviderState[]): Promise<void> {
  if (states.length === 0) return
  const once = [...new Map(states.map((state) => [`${state.environmentId}\n${state.providerId}`, state])).values()]
  await sql`
    insert into provider_state (environment_id, provider_id, version, health, last_error, until, updated_at)
    select "environmentId", "providerId", version, health, "lastError", until, now()
    from jsonb_to_recordset(${JSON.stringify(once)}::jsonb)
      as s("environmentId" text, "providerId" text, version text, health provider_health, "lastError" text, until timestamptz)
    order by 1, 2
    on conflict (environment_id, provider_id) do update
    set version = excluded.version, health = excluded.health, last_error = excluded.last_error, until = excluded.until,
        updated_at = excluded.updated_at`.execute(tx)
}
