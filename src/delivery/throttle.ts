import { type Countable, type Counter, countersOf, isOver, type SendLimit } from '../domain/send-limit.ts'
import type { Db } from '../store/database.ts'
import { groupWrites } from '../store/group.ts'
import { takeCounts, type Wanted } from '../store/send-limit.ts'

/** A message that is about to be sent for the first time. */
export interface Throttled extends Countable {
  readonly messageId: string
  /** Of its environment. */
  readonly limits: readonly SendLimit[]
  /** Its topic is exempt: it counts, and is never stopped. */
  readonly isExempt: boolean
}

/**
 * Counts a message by the send limits of its environment, together with others that come meanwhile, and answers with the limit
 * that stops it; null where it may go. One that may go is counted once, whatever is tried again; one that is stopped is not.
 */
export type Throttle = (message: Throttled) => Promise<SendLimit | null>

export function createThrottle({ db, now }: { readonly db: Db; readonly now: () => Date }): Throttle {
  const take = groupWrites<Wanted<Counter>, Counter | null>(
    (wanted) => db.transaction().execute((tx) => takeCounts(tx, wanted, isOver, now())),
    // What was counted is not counted again.
    { maxSize: 200, repeatable: () => true },
  )
  return async (message) => {
    const { environmentId, messageId, isExempt } = message
    const counters = countersOf(message.limits, message, now())
    if (counters.length === 0) return null
    const over = await take({ environmentId, messageId, counters, isExempt })
    return over?.limit ?? null
  }
}
