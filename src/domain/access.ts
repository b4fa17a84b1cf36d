import { LRUCache } from 'lru-cache'
import { Refusal } from '../errors.ts'
import type { TokenKeys } from '../secrets.ts'
import { hashKey } from '../secrets.ts'
import { useApiKey } from '../store/api-key.ts'
import type { Db } from '../store/database.ts'
import type { Actor, ApiKeyScope, KeyActor } from './actor.ts'
import { readUserToken } from './user-token.ts'

/** Tells who asks from `Bearer <API key or user token>`. */
export type Authenticate = (authorization: string | null) => Promise<Actor>

/** How long a key is believed without asking again: a revoked key is refused everywhere within this time. */
const KEY_TTL_MS = 5_000

export function createAuthenticate(parts: { db: Db; tokenKeys: TokenKeys; now: () => Date }): Authenticate {
  const known = new LRUCache<string, Promise<KeyActor | null>>({ max: 10_000, ttl: KEY_TTL_MS })

  async function readKey(hash: string): Promise<KeyActor | null> {
    const row = await useApiKey(parts.db, hash)
    if (row === undefined) return null
    return { kind: 'key', environmentId: row.environment_id, keyId: row.id, scopes: row.scopes as ApiKeyScope[], mode: row.mode }
  }

  async function byKey(secret: string): Promise<Actor> {
    const hash = hashKey(secret)
    let found = known.get(hash)
    if (found === undefined) {
      found = readKey(hash)
      known.set(hash, found)
      found.catch(() => known.delete(hash))
    }
    return (await found) ?? refuse()
  }

  return async (authorization) => {
    const credential = /^Bearer ([A-Za-z0-9_.~+/=-]{1,4096})$/.exec(authorization ?? '')?.[1]
    if (credential === undefined) return refuse()
    if (credential.startsWith('ck_')) return byKey(credential)
    return (await readUserToken(parts.tokenKeys, credential, parts.now())) ?? refuse()
  }
}

function refuse(): never {
  throw new Refusal('UNAUTHENTICATED', 'This needs a valid API key or user token: Authorization: Bearer <key>.')
}
