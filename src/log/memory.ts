import type { Carrier, Notice } from './carrier.ts'

/**
 * The carrier of a process that is alone. Listeners are called after the publisher has gone on (in a microtask), so that
 * nothing they do can reach a writer.
 */
export function createMemoryCarrier(): Carrier {
  const followers = new Map<string, Set<(notice: Notice) => void>>()
  const wakers = new Set<(lane: string) => void>()

  return {
    publish(environmentId, events) {
      const upTo = events.at(-1)?.position
      if (upTo === undefined) return
      for (const on of followers.get(environmentId) ?? []) queueMicrotask(() => on({ upTo, events }))
    },
    listen(environmentId, on) {
      const listening = followers.get(environmentId) ?? new Set()
      followers.set(environmentId, listening.add(on))
      return () => {
        listening.delete(on)
        if (listening.size === 0 && followers.get(environmentId) === listening) followers.delete(environmentId)
      }
    },
    wake(lane) {
      for (const on of wakers) queueMicrotask(() => on(lane))
    },
    onWake(on) {
      wakers.add(on)
      return () => wakers.delete(on)
    },
    async close() {
      followers.clear()
      wakers.clear()
    },
  }
}
