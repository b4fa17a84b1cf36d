import type { Db, Tx } from './database.ts'

export interface EnvironmentRow {
  readonly id: string
  readonly name: string
  /** JSON; null where there is none. */
  readonly routing: unknown
  /** A list, as JSON. */
  readonly sendLimits: unknown
  readonly trackOpens: boolean
  readonly trackClicks: boolean
  readonly updatedAt: Date
}

export async function upsertEnvironment(tx: Tx, row: EnvironmentRow): Promise<void> {
  const said = {
    name: row.name,
    routing: row.routing === null ? null : JSON.stringify(row.routing),
    send_limits: JSON.stringify(row.sendLimits),
    track_opens: row.trackOpens,
    track_clicks: row.trackClicks,
    updated_at: row.updatedAt,
  }
  await tx
    .insertInto('environment')
    .values({ id: row.id, ...said })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(said))
    .execute()
}

/** Makes it when missing. */
export async function insertEnvironment(tx: Tx, row: { id: string; name: string }): Promise<void> {
  await tx
    .insertInto('environment')
    .values(row)
    .onConflict((conflict) => conflict.doNothing())
    .execute()
}

/** What an environment says for all of its messages. */
export interface EnvironmentRules {
  readonly id: string
  readonly routing: unknown
  readonly sendLimits: unknown
  readonly trackOpens: boolean
  readonly trackClicks: boolean
}

export async function readEnvironmentRules(db: Db, ids: readonly string[]): Promise<readonly EnvironmentRules[]> {
  if (ids.length === 0) return []
  return db
    .selectFrom('environment')
    .select(['id', 'routing', 'send_limits as sendLimits', 'track_opens as trackOpens', 'track_clicks as trackClicks'])
    .where('id', 'in', [...ids])
    .execute()
}

export async function environmentExists(db: Db | Tx, id: string): Promise<boolean> {
  return (await db.selectFrom('environment').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
}
