import type { LogEvent } from '../log/event.ts'
import type { Db } from '../store/database.ts'
import { readListeningEnvironments } from '../store/webhook.ts'

/** How long what was read of endpoints is believed. */
const BELIEVED_MS = 5_000

/**
 * Wakes the lane of webhooks after a commit that moved messages: the jobs of their events are written by the database, of which
 * the process that did it knows nothing. Only where an endpoint listens, which is looked up beside the way, every few seconds;
 * what comes before that is found when the lane looks by itself.
 *
 * @returns to be told of what was committed. It never throws and never waits
 */
export function createWebhookBell(parts: { readonly db: Db; wake(): void }): (events: readonly LogEvent[]) => void {
  let listening: ReadonlySet<string> = new Set()
  let readAt = Number.NEGATIVE_INFINITY
  let isReading = false

  async function read(): Promise<void> {
    isReading = true
    try {
      listening = await readListeningEnvironments(parts.db)
    } catch {
      // Nothing hangs on it but speed.
    } finally {
      readAt = performance.now()
      isReading = false
    }
  }

  return (events) => {
    if (performance.now() - readAt > BELIEVED_MS && !isReading) void read()
    if (listening.size === 0) return
    if (events.some(({ stream, environmentId }) => stream === 'MESSAGE' && listening.has(environmentId))) parts.wake()
  }
}
