import type { Db } from './database.ts'
import { type ProviderRows, readProviders } from './provider.ts'

export interface ProviderReads {
  /** The accounts that were put in an environment, and what was learned of its accounts. */
  readProviders(environmentId: string): Promise<ProviderRows>
}

export function createProviderReads(db: Db): ProviderReads {
  return { readProviders: (environmentId) => readProviders(db, [environmentId]) }
}
