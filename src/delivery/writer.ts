import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { Work } from '../queue/kinds.ts'
import { isConnectionLost } from '../store/connect.ts'
import { overtakenEntry, withEnded } from './entries.ts'
import type { Letter, Letters } from './letter.ts'
import type { Entry, WriteEntry } from './record.ts'
import type { Turns } from './turns.ts'

interface WriterParts {
  readonly letters: Pick<Letters, 'read'>
  readonly record: WriteEntry
  readonly log: Logger
}

/** What one performance writes, one entry after the other, however many calls end at once. */
export interface Writer {
  /**
   * False: nothing of the entry was written, but for the results of calls where a provider reported meanwhile that the message
   * arrived. This performance begins nothing more then, and leaves once its other calls have ended.
   *
   * @param takeBack undoes in memory the attempts that the entry was to begin
   */
  write(entry: Entry, takeBack?: () => void): Promise<boolean>
  /** Once nothing is under way: lets the job go after an entry was refused. */
  leave(): Promise<void>
}

const FIRST_REPEAT_MS = 50
const LONGEST_REPEAT_MS = 2_000

const DELIVERED: readonly string[] = ['DELIVERED', 'OPENED', 'CLICKED']

export function createWriter(parts: WriterParts, of: { work: Work; letter: Letter; turns: Turns }): Writer {
  const { work, letter, turns } = of
  const { environmentId, id: messageId, status: before } = letter.row
  let writing: Promise<unknown> = Promise.resolve()
  /** What becomes of the job when this performance leaves, where that is left to `leave`. */
  let afterwards: Entry['after'] | null = null

  /**
   * A message that is no longer ours is let go: its job ends if it is still held, and stays with whoever took it otherwise.
   * One that its provider reported delivered meanwhile may have other deliveries, and is looked at again.
   */
  const writeNow = async (entry: Entry, takeBack?: () => void): Promise<boolean> => {
    if (await writePatiently(entry, takeBack !== undefined)) return true
    takeBack?.()
    const status = (await parts.letters.read({ environmentId, messageId }))?.row.status ?? before
    const isNews = DELIVERED.includes(status) && !DELIVERED.includes(before)
    afterwards = isNews ? { afterMs: 0 } : 'settle'
    const rest = isNews ? overtakenEntry(entry, takeBack !== undefined) : null
    if (rest !== null) await writePatiently(rest, false)
    return false
  }

  /**
   * What may be repeated is, until the database is back or the lease is over: a result that were dropped would be a
   * message sent twice. A begun attempt may not: nobody knows whether it was noted.
   */
  const writePatiently = async (entry: Entry, begins: boolean): Promise<boolean> => {
    const whole = entry.after === 'settle' ? withEnded(entry, letter, turns.endRests([]), turns.count) : entry
    let isRepeated = false
    for (let restMs = FIRST_REPEAT_MS; ; restMs = Math.min(restMs * 2, LONGEST_REPEAT_MS)) {
      try {
        const told = isRepeated && entry.after === 'keep' ? await tellKept(entry) : null
        const isOurs = told ?? (await parts.record(whole))
        if (isOurs && typeof entry.after === 'object') work.comesBack(entry.after.afterMs)
        return isOurs
      } catch (error) {
        if (begins || !isConnectionLost(error) || !work.holdsLease()) throw error
        parts.log.warn({ err: error, message: messageId, againInMs: restMs }, 'a result is written again')
      }
      isRepeated = true
      await pause(restMs, undefined, { signal: work.signal })
    }
  }

  /**
   * Whether an entry that keeps the job was written after all; null: it was not, and may be. The job's lock waits for the
   * transaction whose answer was lost, so what is read after it is the truth.
   */
  const tellKept = async ({ deliveries = [] }: Entry): Promise<boolean | null> => {
    if (!(await parts.record({ job: work.job, after: 'keep' }))) return false
    const now = await parts.letters.read({ environmentId, messageId })
    const known = new Map([...(now?.deliveries.values() ?? [])].map((delivery) => [delivery.id, delivery.attempts]))
    const isWritten = deliveries.every(({ id, attempts }) => {
      const kept = known.get(id) ?? []
      return kept.length > attempts.length || (kept.length === attempts.length && kept.at(-1)?.outcome !== null)
    })
    return isWritten ? true : null
  }

  return {
    write(entry, takeBack) {
      const turn = writing.then(() => writeNow(entry, takeBack))
      writing = turn.catch(() => {})
      return turn
    },
    async leave() {
      if (afterwards !== null) await writePatiently({ job: work.job, after: afterwards }, false)
    },
  }
}
