/**
 * What keeps very many that hang from taking a process's places (reliability G25). Numbers are of calls under way in this process;
 * slow ones are those that lasted already.
 */
export interface CrowdLimits {
  /** It is crowded from so many slow calls on: altogether, or to those of one environment. */
  readonly all: number
  readonly environment: number
  /** From so many slow calls on only those are called that answered in time the last time. */
  readonly full: number
  /** The most calls to one that answered in time the last time, but not lately: it may hang by now. */
  readonly untriedShare: number
}

/** How the last call to somebody ended. LATE: with an answer after a long time, or without any; or so it was told. */
export type LastCall = 'IN_TIME' | 'LATE' | 'UNKNOWN'

export interface Crowd {
  /** A slow call to one of this environment is under way, or has ended. */
  add(environmentId: string): void
  leave(environmentId: string): void
  isCrowded(environmentId: string): boolean
  /** How many calls there may be to one that has not answered lately. */
  mostUntried(environmentId: string, last: LastCall): number
}

export function createCrowd({ all: mostOfAll, environment: mostOfEnvironment, full, untriedShare }: CrowdLimits): Crowd {
  const byEnvironment = new Map<string, number>()
  let all = 0
  const countOf = (environmentId: string): number => byEnvironment.get(environmentId) ?? 0
  const isCrowded = (environmentId: string): boolean => all >= mostOfAll || countOf(environmentId) >= mostOfEnvironment
  return {
    add(environmentId) {
      all += 1
      byEnvironment.set(environmentId, countOf(environmentId) + 1)
    },
    leave(environmentId) {
      all -= 1
      const left = countOf(environmentId) - 1
      if (left > 0) byEnvironment.set(environmentId, left)
      else byEnvironment.delete(environmentId)
    },
    isCrowded,
    mostUntried(environmentId, last) {
      if (last === 'IN_TIME') return isCrowded(environmentId) ? 1 : untriedShare
      if (last === 'LATE') return isCrowded(environmentId) ? 0 : 1
      return all >= full ? 0 : 1
    },
  }
}
