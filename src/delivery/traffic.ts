/** The longest look back. */
const KEPT_SECONDS = 60

const KINDS = ['calls', 'retries', 'ended', 'answered', 'failed', 'passedOver'] as const
type Kind = (typeof KINDS)[number]
type Second = { readonly at: number } & Record<Kind, number>

/** What happened to an account within the last minute, counted by the second. Times in ms since 1970. */
export interface Traffic {
  add(kind: Kind, time: number): void
  /** One that was added at `time` does not count after all. */
  takeBack(kind: Kind, time: number): void
  /** @param spanMs at most a minute; whole seconds */
  count(kind: Kind, spanMs: number, time: number): number
  /** Calls that ended so far say nothing of those to come. */
  forgetEnded(): void
}

export function createTraffic(): Traffic {
  /** Oldest first. */
  let seconds: Second[] = []

  const secondAt = (time: number): Second => {
    const at = Math.floor(time / 1000)
    const last = seconds.at(-1)
    if (last?.at === at) return last
    const current = { at, calls: 0, retries: 0, ended: 0, answered: 0, failed: 0, passedOver: 0 }
    // What lies ahead of a clock that was set back would count for as long.
    seconds = [...seconds.filter((second) => second.at > at - KEPT_SECONDS && second.at < at), current]
    return current
  }

  return {
    add(kind, time) {
      secondAt(time)[kind] += 1
    },
    takeBack(kind, time) {
      const second = seconds.find(({ at }) => at === Math.floor(time / 1000))
      if (second !== undefined && second[kind] > 0) second[kind] -= 1
    },
    count(kind, spanMs, time) {
      const now = Math.floor(time / 1000)
      const from = now - spanMs / 1000
      return seconds.reduce((sum, second) => (second.at > from && second.at <= now ? sum + second[kind] : sum), 0)
    },
    forgetEnded() {
      for (const second of seconds) Object.assign(second, { ended: 0, answered: 0, failed: 0 })
    },
  }
}
