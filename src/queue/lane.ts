import { BATCH } from './claim.ts'

/** Nothing depends on wake-ups: a lane looks for due jobs by itself this often. */
const POLL_MS = 1000

export interface LaneOptions<J> {
  /** How many jobs are performed at the same time. */
  readonly slots: number
  /** Takes at most `limit` due jobs. Never rejects; what goes wrong is none. */
  claim(limit: number): Promise<readonly J[]>
  /** Never rejects. */
  perform(job: J): Promise<void>
  /** Never rejects. */
  giveBack(jobs: readonly J[]): Promise<void>
}

/**
 * Keeps a lane's slots busy: claims ahead of them, at most as many jobs as there are slots, so that few wait behind
 * slow ones here while another process is idle, and claims again before these run out.
 */
export class LaneRunner<J> {
  readonly #options: LaneOptions<J>
  readonly #ahead: number
  readonly #waiting: J[] = []
  readonly #running = new Map<J, Promise<void>>()
  #poll: NodeJS.Timeout | undefined
  #stopped = true
  /** The last claim found nothing: only a wake-up or the poll makes another worth its while. */
  #dry = true
  #woken = false
  #looking = false
  #look: Promise<void> = Promise.resolve()

  constructor(options: LaneOptions<J>) {
    this.#options = options
    this.#ahead = Math.min(BATCH, options.slots)
  }

  start(): void {
    this.#stopped = false
    this.#poll = setInterval(() => this.wake(), POLL_MS)
    this.wake()
  }

  /** There may be due jobs. However many calls during a look make one more look. */
  wake(): void {
    if (this.#stopped) return
    this.#woken = true
    if (this.#looking) return
    this.#looking = true
    this.#look = this.#fill()
  }

  /** Jobs that are performed or wait for a slot. */
  inHand(): readonly J[] {
    return [...this.#running.keys(), ...this.#waiting]
  }

  /** Neither performs nor looks for anything. */
  isQuiet(): boolean {
    return !this.#looking && this.#running.size === 0 && this.#waiting.length === 0
  }

  /** Claims no more and gives back at once what has not started. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#poll)
    await this.#options.giveBack(this.#waiting.splice(0))
    await this.#look
  }

  /** Resolves when all that has started is performed. */
  async finished(): Promise<void> {
    await Promise.all(this.#running.values())
  }

  async #fill(): Promise<void> {
    while (this.#woken) {
      this.#woken = false
      this.#dry = false
      while (!this.#dry && this.#isLow()) await this.#claim()
    }
    this.#looking = false
  }

  async #claim(): Promise<void> {
    const { slots, claim, giveBack } = this.#options
    const room = slots + this.#ahead - this.#running.size - this.#waiting.length
    const jobs = await claim(Math.min(BATCH, room))
    this.#dry = jobs.length === 0
    if (this.#stopped) return await giveBack(jobs)
    this.#waiting.push(...jobs)
    this.#startWaiting()
  }

  #isLow(): boolean {
    const { size } = this.#running
    return (
      !this.#stopped && this.#waiting.length <= this.#ahead / 2 && size + this.#waiting.length < this.#options.slots + this.#ahead
    )
  }

  #startWaiting(): void {
    while (!this.#stopped && this.#running.size < this.#options.slots && this.#waiting.length > 0) {
      const job = this.#waiting.shift() as J
      this.#running.set(job, this.#run(job))
    }
  }

  async #run(job: J): Promise<void> {
    await this.#options.perform(job)
    this.#running.delete(job)
    this.#startWaiting()
    if (!this.#dry && this.#isLow()) this.wake()
  }
}
