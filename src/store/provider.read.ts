import type { Selectable } from 'kysely'
import type { Provider } from '../generated/tables.ts'
import type { Db } from './database.ts'
import { readProviders } from './provider.ts'

export interface ProviderReads {
  /** The accounts that were put in an environment. */
  readProviders(environmentId: string): Promise<readonly Selectable<Provider>[]>
}

export function createProviderReads(db: Db): ProviderReads {
  return { readProviders: (environmentId) => readProviders(db, [environmentId]) }
}
