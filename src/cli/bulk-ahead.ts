import { setImmediate as turn } from 'node:timers/promises'
import type { Line } from './bulk-line.ts'

/** Lines that can be looked at before they are taken. */
export interface Lookahead {
  /** The line so many behind the first that was not taken; null behind the end. */
  at(index: number): Promise<Line | null>
  /** So many lines from the first on, all of which were looked at. */
  first(count: number): readonly Line[]
  /** Takes so many lines, all of which were looked at. */
  take(count: number): readonly Line[]
}

/** A turn of the event loop comes after so many: timers, answers and Ctrl-C are heard, however many lines are in memory. */
const LINES_A_TURN = 512

/** What a line costs does not depend on how many were looked at. */
export function createLookahead(source: AsyncIterable<Line>): Lookahead {
  const lines = source[Symbol.asyncIterator]()
  let held: Line[] = []
  /** How many of them were taken: they are let go together, since the first of an array costs as much as all behind it. */
  let gone = 0
  let steps = 0
  const breathe = async () => {
    steps += 1
    if (steps % LINES_A_TURN === 0) await turn()
  }
  const first = (count: number) => held.slice(gone, gone + count)
  return {
    async at(index) {
      await breathe()
      while (held.length - gone <= index) {
        const { done, value } = await lines.next()
        if (done) return null
        held.push(value)
      }
      return held[gone + index]!
    },
    first,
    take(count) {
      const taken = first(count)
      gone += count
      if (gone * 2 >= held.length) {
        held = held.slice(gone)
        gone = 0
      }
      return taken
    },
  }
}
