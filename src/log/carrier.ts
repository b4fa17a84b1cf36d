import type { LogEvent } from './event.ts'

/**
 * What reaches a follower from a writer: that the log grew up to a position, and, in process, the rows themselves.
 * Through Redis only positions travel, never a body (reliability G22).
 */
export interface Notice {
  readonly upTo: number
  readonly events?: readonly LogEvent[]
}

/**
 * Carries news between processes, after commit. It may lose, repeat and delay; nothing depends on it but speed:
 * followers fill gaps from PostgreSQL and look by themselves every second, workers look every second too.
 * Drivers: memory.ts, redis.ts. Publishing never blocks and never throws.
 */
export interface Carrier {
  publish(environmentId: string, events: readonly LogEvent[]): void
  listen(environmentId: string, on: (notice: Notice) => void): () => void
  /** There is due work in this lane. */
  wake(lane: string): void
  onWake(on: (lane: string) => void): () => void
  close(): Promise<void>
}
