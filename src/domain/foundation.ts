import { openLogHead } from '../log/append.ts'
import { hashKey } from '../secrets.ts'
import { anyApiKey, keepApiKey } from '../store/api-key.ts'
import type { Db } from '../store/database.ts'
import { insertEnvironment } from '../store/environment.ts'
import { keepsake } from '../store/keepsake.ts'
import { API_KEY_SCOPES } from './actor.ts'
import { prefixOf } from './api-key.ts'
import type { Vault } from './command.ts'
import { FIRST_ENVIRONMENT } from './environment.ts'
import { newId } from './id.ts'

/**
 * What exists before anybody asks: the first environment with its log, and the configured admin key. Safe for processes
 * that start at once.
 *
 * @param adminKey null where none is configured: then a key must exist already
 */
export async function layFoundation(db: Db, adminKey: string | null, now: Date): Promise<void> {
  if (adminKey === null && !(await anyApiKey(db))) {
    throw new Error('CARILLON_ADMIN_KEY: is required until an API key exists')
  }
  await db.transaction().execute(async (tx) => {
    await insertEnvironment(tx, { id: FIRST_ENVIRONMENT, name: 'Production' })
    await openLogHead(tx, FIRST_ENVIRONMENT)
    if (adminKey === null) return
    await keepApiKey(tx, {
      id: newId('key'),
      environment_id: FIRST_ENVIRONMENT,
      name: 'CARILLON_ADMIN_KEY',
      prefix: prefixOf(adminKey),
      hash: hashKey(adminKey),
      scopes: [...API_KEY_SCOPES],
      mode: 'LIVE',
      created_at: now,
    })
  })
}

/** A secret of the installation that we make ourselves, sealed in the database: every process has the same. */
export async function keptSecret(db: Db, vault: Vault, name: string, make: () => string): Promise<string> {
  const place = `keepsake/${name}`
  return vault.open(await keepsake(db, name, () => vault.seal(make(), place)), place)
}
