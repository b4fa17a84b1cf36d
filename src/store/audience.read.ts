import type { Db } from './database.ts'

export type AudienceReads = {}

export function createAudienceReads(_db: Db): AudienceReads {
  return {}
}
