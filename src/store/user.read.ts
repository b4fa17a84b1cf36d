import type { Db } from './database.ts'

export type UserReads = {}

export function createUserReads(_db: Db): UserReads {
  return {}
}
