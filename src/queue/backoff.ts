import { LRUCache } from 'lru-cache'

const FIRST_MS = 1000
const LONGEST_MS = 5 * 60_000
/** Beyond this many the longest untouched are forgotten, and begin with the shortest delay again. */
const REMEMBERED = 10_000

/**
 * How long a job that failed by a fault of ours waits: up to 1 s, doubling with each fault to 5 min, with full jitter.
 * Faults are counted in this process only. They decide about the delay, never about giving a job up.
 */
export function createBackoff(random: () => number = Math.random): {
  /** The delay in ms after one more fault of this job. */
  next(jobId: number): number
  forget(jobId: number): void
} {
  const faults = new LRUCache<number, number>({ max: REMEMBERED })
  return {
    next(jobId) {
      const earlier = faults.get(jobId) ?? 0
      faults.set(jobId, earlier + 1)
      return Math.ceil(random() * Math.min(LONGEST_MS, FIRST_MS * 2 ** earlier))
    },
    forget(jobId) {
      faults.delete(jobId)
    },
  }
}
