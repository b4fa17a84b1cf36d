/**
 * Where suspects are tried: one at a time, so that a crash is its own doing. Those that wait hold slots of their lane, so
 * only a few may.
 */
export interface Quarantine {
  /** False: too many wait already, and nothing was done. Rejects with what `work` rejects with. */
  alone(work: () => Promise<void>): Promise<boolean>
}

/** Those that wait hold slots, so only this many do; the others come back later. */
const IN_LINE = 8

/** One a process, whatever lanes its messages come from. @param inLine the most that may wait */
export function createQuarantine(inLine: number = IN_LINE): Quarantine {
  let last: Promise<unknown> = Promise.resolve()
  let present = 0
  return {
    async alone(work) {
      if (present > inLine) return false
      present += 1
      const turn = last.then(work).finally(() => {
        present -= 1
      })
      last = turn.catch(() => {})
      await turn
      return true
    },
  }
}
