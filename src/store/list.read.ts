import type { Db } from './database.ts'

export type ListReads = {}

export function createListReads(_db: Db): ListReads {
  return {}
}
