/**
 * How many deliveries one turn of the event loop may hold. Reading from memory never waits, so without a pace a thousand
 * followers with a thousand events ready would keep sockets, timers and health checks waiting for seconds.
 */
export interface Pace {
  /** Whether this turn's deliveries are used up. */
  readonly spent: boolean
  spend(): void
  /** Calls back in the next turn, in the order of asking. */
  wait(resumed: () => void): void
}

export function createPace(perTurn: number): Pace {
  let used = 0
  let turning = false
  let waiting: (() => void)[] = []

  function turn(): void {
    turning = false
    used = 0
    const resumed = waiting
    waiting = []
    for (const resume of resumed) resume()
  }

  function turnSoon(): void {
    if (turning) return
    turning = true
    setImmediate(turn)
  }

  return {
    get spent() {
      return used >= perTurn
    },
    spend() {
      used += 1
      turnSoon()
    },
    wait(resumed) {
      waiting.push(resumed)
      turnSoon()
    },
  }
}
