import type { Prepared } from './sharing.ts'

/** The answers of a subscription, pulled one by one. `return` ends it at once, whatever its source is waiting for. */
export interface Deliveries extends AsyncIterableIterator<Prepared, undefined> {
  next(): Promise<IteratorResult<Prepared, undefined>>
  return(): Promise<IteratorReturnResult<undefined>>
}

export interface DeliveryOptions {
  readonly signal: AbortSignal
  deliver(event: unknown): Promise<Prepared>
  /** Called once, when the subscription is over for whatever reason. */
  left(): void
}

const OVER: IteratorReturnResult<undefined> = { done: true, value: undefined }

/**
 * Turns a source of events into answers. It is no async generator because one that waits for its source cannot be ended:
 * its `return` queues behind the event that may never come.
 */
export function deliveriesOf(source: AsyncIterable<unknown>, options: DeliveryOptions): Deliveries {
  const events = source[Symbol.asyncIterator]()
  let over = false
  let waiting: ((result: IteratorReturnResult<undefined>) => void) | null = null

  const end = () => {
    if (over) return
    over = true
    options.signal.removeEventListener('abort', end)
    options.left()
    // A source that waits answers its return later, or, when it listens to the signal, now; nobody waits for it.
    events.return?.().catch(() => {})
    waiting?.(OVER)
  }

  const pull = async (): Promise<IteratorResult<Prepared, undefined>> => {
    try {
      const event = await events.next()
      if (!event.done && !over) {
        const value = await options.deliver(event.value)
        if (!over) return { done: false, value }
      }
    } catch (error) {
      if (!over) {
        waiting = null
        end()
        throw error
      }
    }
    end()
    return OVER
  }

  const next = (): Promise<IteratorResult<Prepared, undefined>> => {
    if (over) return Promise.resolve(OVER)
    return new Promise((resolve, reject) => {
      waiting = resolve
      pull().then(resolve, reject)
    })
  }

  options.signal.addEventListener('abort', end, { once: true })
  if (options.signal.aborted) end()
  return {
    next,
    return: () => {
      end()
      return Promise.resolve(OVER)
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
