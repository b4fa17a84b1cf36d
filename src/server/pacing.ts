/** Null, or what to wait for before going on. */
export type Pace = () => Promise<void> | null

/**
 * Keeps a burst of events for many subscribers from holding the event loop: pulled from memory, it would never give it
 * back. Whoever asks when the current turn has taken `turnMs` waits for the next one.
 */
export function createPace(turnMs = 20): Pace {
  let turnBegan = performance.now()
  let nextTurn: Promise<void> | null = null

  return () => {
    if (nextTurn) return nextTurn
    if (performance.now() - turnBegan < turnMs) return null
    nextTurn = new Promise((resolve) =>
      setImmediate(() => {
        turnBegan = performance.now()
        nextTurn = null
        resolve()
      }),
    )
    return nextTurn
  }
}
