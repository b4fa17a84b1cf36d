import type { Db } from './database.ts'

export type TenantReads = {}

export function createTenantReads(_db: Db): TenantReads {
  return {}
}
