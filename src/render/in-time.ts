import { createContext, Script } from 'node:vm'

/** The longest that anything here is asked for, in milliseconds of this thread's own time. */
const MOST_CPU_MS = 100

let running: () => unknown = () => undefined
const script = new Script('run()')
const context = createContext({ run: () => running() })

/** What was asked took too long and was ended, perhaps in the midst of a loop: what it had changed may be half changed. */
export class TooLong extends Error {
  override readonly name = 'TooLong'
}

/**
 * Asks what may take for ever on some values, a user's own pattern say, and ends it after 100 ms of this thread's time. Time
 * in which the thread did not run does not count, so that nothing is ended because the machine was busy: then it is asked
 * again, with longer to go. Costs about 150 µs by itself, so what surely ends is better asked without.
 *
 * @param ask synchronous, asks nothing in time itself, and may be asked several times
 * @throws TooLong, or what `ask` throws
 */
export function inTime<Answer>(ask: () => Answer): Answer {
  for (let timeout = MOST_CPU_MS; ; timeout *= 4) {
    running = ask
    const before = process.threadCpuUsage()
    try {
      return script.runInContext(context, { timeout }) as Answer
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error
      const { user, system } = process.threadCpuUsage(before)
      if ((user + system) / 1_000 >= MOST_CPU_MS * 0.9) throw new TooLong()
    } finally {
      running = () => undefined
    }
  }
}
