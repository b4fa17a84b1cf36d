import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from 'pino'
import { RateLimiterRedis } from 'rate-limiter-flexible'
import type { RateLimiter, RateLimits } from './rate-limit.ts'
import { type Counters, createMemoryRateLimiter, takeAll, WINDOW_SECONDS } from './rate-memory.ts'

export interface SharedRateLimiter extends RateLimiter {
  /** Whether this process counts for itself, since Redis does not. */
  fallsBack(): boolean
  close(): Promise<void>
}

export interface SharedOptions {
  readonly url: string
  readonly limits: RateLimits
  readonly windowSeconds?: number
  /** Of a caller; the same in every process, and not to be guessed by whoever reads Redis. */
  readonly hash: (caller: string) => string
  readonly log: Pick<Logger, 'info' | 'warn'>
}

const WAIT_MS = 250

/** A command without an answer is given up after 250 ms; a connection that owes one for a second is replaced. */
const OPTIONS: RedisOptions = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  connectTimeout: 5_000,
  commandTimeout: WAIT_MS,
  socketTimeout: 1_000,
  keepAlive: 10_000,
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000),
}

/**
 * Counts in Redis, for all processes together: numbers that expire, under hashed keys, nothing else. While Redis does not
 * answer within 250 ms each process counts for itself, with the whole limit: a caller then has as much at each of them, which
 * is neither nothing nor without end. What was counted here is not carried over when Redis is back.
 */
export function createRedisRateLimiter({
  url,
  limits,
  windowSeconds = WINDOW_SECONDS,
  hash,
  log,
}: SharedOptions): SharedRateLimiter {
  const connection = new Redis(url, OPTIONS)
  const own = createMemoryRateLimiter(limits, windowSeconds)
  const counters: Counters = new Map(
    [...limits].map(([field, points]) => [
      field,
      new RateLimiterRedis({
        storeClient: connection,
        keyPrefix: `carillon:rate:${field}`,
        points,
        duration: windowSeconds,
        rejectIfRedisNotReady: true,
      }),
    ]),
  )
  const state = watch(connection, log)

  return {
    limits,
    async take(caller, calls) {
      const hashed = hash(caller)
      try {
        const verdict = await takeAll(counters, hashed, calls)
        state.answered()
        return verdict
      } catch (error) {
        state.failed(error as Error)
        return own.take(hashed, calls)
      }
    },
    fallsBack: state.isLost,
    async close() {
      connection.disconnect()
    },
  }
}

/**
 * Whether Redis serves, said once each time that changes. Of an error only its message is said: the rest names the command,
 * and that may be the one with the password.
 */
function watch(connection: Redis, log: SharedOptions['log']) {
  let lost = false
  const failed = ({ message }: Error): void => {
    if (lost || connection.status === 'end') return
    lost = true
    log.warn({ cause: message }, 'Redis does not count: each process keeps to the rate limits for itself.')
  }
  const answered = (): void => {
    if (lost) log.info('Redis counts again for all processes together.')
    lost = false
  }
  connection.on('error', failed)
  connection.on('close', () => failed(new Error('The connection was closed.')))
  connection.on('ready', answered)
  return { failed, answered, isLost: () => lost || connection.status !== 'ready' }
}
