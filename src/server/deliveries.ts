/** The answers of a subscription, each as the JSON of a finished result. */
export interface Deliveries {
  /**
   * Hands over one after the other. The next event is pulled when `take` is ready for it: at once (null), or when what it
   * returned resolves. Resolves when the subscription is over, rejects when its source fails; to be called once.
   */
  run(take: (json: string) => Promise<void> | null): Promise<void>
  /** Ends it at once, whatever its source is waiting for. */
  end(): void
}

export interface DeliveryOptions {
  readonly signal: AbortSignal
  deliver(event: unknown): string | Promise<string>
  /** Called once, when the subscription is over for whatever reason. */
  left(): void
}

/**
 * Turns a source of events into answers. Written with callbacks: every event of every subscriber goes through here, and an
 * async function or generator would make several promises of each; one that waits could not be ended either.
 */
export function deliveriesOf(source: AsyncIterable<unknown>, { signal, deliver, left }: DeliveryOptions): Deliveries {
  const events = source[Symbol.asyncIterator]()
  const finished = Promise.withResolvers<void>()
  let over = false
  let take: (json: string) => Promise<void> | null = () => null

  const end = () => {
    if (over) return
    over = true
    signal.removeEventListener('abort', end)
    left()
    // A source that waits answers its return later, or, when it listens to the signal, now; nobody waits for it.
    events.return?.().catch(() => {})
    finished.resolve()
  }
  const fail = (error: unknown) => {
    if (over) return
    finished.reject(error)
    end()
  }
  const pull = () => {
    if (!over) events.next().then(arrived, fail)
  }
  const arrived = (event: IteratorResult<unknown>) => {
    if (over) return
    if (event.done) return end()
    try {
      const json = deliver(event.value)
      if (typeof json === 'string') hand(json)
      else json.then(hand).catch(fail)
    } catch (error) {
      fail(error)
    }
  }
  const hand = (json: string) => {
    if (over) return
    const busy = take(json)
    if (busy) busy.then(pull, fail)
    else pull()
  }

  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  return {
    run(taking) {
      take = taking
      pull()
      return finished.promise
    },
    end,
  }
}
