/**
 * How many deliveries one turn of the event loop may hold, and for how long. Reading from memory never waits, so without a
 * pace a thousand followers with a thousand events ready would keep sockets, timers and health checks waiting for seconds.
 *
 * A turn resumes few followers that take many events each, rather than all of them for one or two: what a follower takes
 * in one turn leaves in one write to its client, and the write is most of what a delivery costs.
 */
export interface Pace {
  /** Whether this turn's deliveries are used up. */
  readonly spent: boolean
  spend(): void
  /** Calls back in one of the next turns, in the order of asking. */
  wait(resumed: () => void): void
}

/** What a resumed follower may expect to take before others use up its turn. */
const EACH = 16
const TURN_MS = 20

export function createPace(perTurn: number): Pace {
  const resumedPerTurn = Math.ceil(perTurn / EACH)
  let used = 0
  let began = 0
  let turning = false
  let waiting: (() => void)[] = []

  function turn(): void {
    turning = false
    used = 0
    const resumed = waiting.slice(0, resumedPerTurn)
    waiting = waiting.slice(resumedPerTurn)
    if (waiting.length > 0) turnSoon()
    for (const resume of resumed) resume()
  }

  function turnSoon(): void {
    if (turning) return
    turning = true
    setImmediate(turn)
  }

  return {
    get spent() {
      return used >= perTurn || (used > 0 && performance.now() - began >= TURN_MS)
    },
    spend() {
      if (used === 0) began = performance.now()
      used += 1
      turnSoon()
    },
    wait(resumed) {
      waiting.push(resumed)
      turnSoon()
    },
  }
}
