import { countAudienceMembers, readAudienceMembers } from './audience.ts'
import type { AudienceFilter } from './audience-filter.ts'
import type { Db } from './database.ts'

export interface AudienceReads {
  /** The ids of who is in an audience now, in order; fewer than `take` means there are no more. */
  readAudienceMembers(
    environmentId: string,
    filter: AudienceFilter,
    after: string | null,
    take: number,
  ): Promise<readonly string[]>
  countAudienceMembers(environmentId: string, filter: AudienceFilter): Promise<number>
}

export function createAudienceReads(db: Db): AudienceReads {
  return {
    readAudienceMembers: (...about) => readAudienceMembers(db, ...about),
    countAudienceMembers: (...about) => countAudienceMembers(db, ...about),
  }
}
