import { setTimeout as sleep } from 'node:timers/promises'
import { CallError } from './api.ts'
import { UsageError } from './bulk-flaw.ts'

/** What trying again needs. */
export interface Persistence {
  readonly signal: AbortSignal
  /** Told before each rest, in a few words. */
  readonly complain: (words: string) => void
  /** After how long a server that does not answer is left alone. */
  readonly patienceMs: number
}

const FIRST_REST_MS = 500
const LONGEST_REST_MS = 30_000

/**
 * Makes a call until it is answered or refused for good. What passes by itself, such as a server that starts anew, is waited out
 * with rests that grow, and are never shorter than the server asks for. The call must be one that can be made twice.
 *
 * @throws what the last try threw, when patience is at its end
 */
export async function persist<T>(call: () => Promise<T>, { signal, complain, patienceMs }: Persistence): Promise<T> {
  const started = performance.now()
  for (let tries = 0; ; tries += 1) {
    try {
      return await call()
    } catch (error) {
      if (!passes(error) || performance.now() - started > patienceMs) throw error
      complain(`${(error as Error).message} Trying again.`)
      await sleep(restMs(tries, (error as CallError).retryAfterSeconds), undefined, { signal })
    }
  }
}

const FIRST_CONTACT_MS = 10_000

/**
 * The first call of a command. A server that never answered is soon given up: it is more likely that it is another's address.
 *
 * @throws UsageError where it is refused for good: nothing was sent, and the key, the message or the command is to be put right
 */
export async function persistAtFirst<T>(call: () => Promise<T>, persistence: Persistence): Promise<T> {
  try {
    return await persist(call, { ...persistence, patienceMs: FIRST_CONTACT_MS })
  } catch (error) {
    const isRefusal = error instanceof CallError && error.code !== null && !passes(error)
    throw isRefusal ? new UsageError(error.message, { cause: error }) : error
  }
}

/** Full jitter over the upper half, so that several who wait do not come back at once. */
function restMs(tries: number, retryAfterSeconds: number | null): number {
  const longest = Math.min(LONGEST_REST_MS, FIRST_REST_MS * 2 ** tries)
  return Math.max((retryAfterSeconds ?? 0) * 1000, longest * (0.5 + Math.random() / 2))
}

/** Whether time helps: nothing came back, too much was asked for, or the server is at fault. */
export function passes(error: unknown): boolean {
  if (!(error instanceof CallError)) return false
  return error.status === 0 || error.status === 429 || error.status >= 500 || error.code === 'IDEMPOTENCY_IN_PROGRESS'
}
