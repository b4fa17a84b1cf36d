import { BATCH } from './claim.ts'

/** Nothing depends on wake-ups: a lane looks for due jobs by itself this often. */
const POLL_MS = 1000

/** A job that was put back is due by the database's clock, counted from before its commit. */
const DUE_MARGIN_MS = 5

/** How many jobs may be out of their slots, for each slot that there is. */
const OUTSIDE_PER_SLOT = 4

/** What a job may tell its lane. */
export interface Seat {
  /** From here on the job takes no slot from the others. */
  leaveSlot(): void
  /** It was put back, and is due after so long. */
  comesBack(afterMs: number): void
}

export interface LaneOptions<J> {
  /** How many jobs are performed at the same time now, apart from those that left their slot. It may change. */
  slots(): number
  /** Takes at most `limit` due jobs. Never rejects; what goes wrong is none. */
  claim(limit: number): Promise<readonly J[]>
  /** Never rejects. */
  perform(job: J, seat: Seat): Promise<void>
  /** Never rejects. */
  giveBack(jobs: readonly J[]): Promise<void>
}

/**
 * Keeps a lane's slots busy: claims ahead of them, at most as many jobs as there are slots, so that few wait behind
 * slow ones here while another process is idle, and claims again before these run out.
 */
export class LaneRunner<J> {
  readonly #options: LaneOptions<J>
  readonly #waiting: J[] = []
  readonly #running = new Map<J, Promise<void>>()
  /** Those that are performed and have not left their slot. */
  readonly #seated = new Set<J>()
  #poll: NodeJS.Timeout | undefined
  #stopped = true
  /** The last claim found nothing: only a wake-up or the poll makes another worth its while. */
  #dry = true
  #woken = false
  #looking = false
  #look: Promise<void> = Promise.resolve()
  /** The earliest moment at which a job that was put back here is due, by the monotonic clock. */
  #alarm: { readonly at: number; readonly timer: NodeJS.Timeout } | null = null

  constructor(options: LaneOptions<J>) {
    this.#options = options
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
    this.#startWaiting()
    if (this.#looking) return
    this.#looking = true
    this.#look = this.#fill()
  }

  #comesBack(afterMs: number): void {
    const at = performance.now() + afterMs + DUE_MARGIN_MS
    if (this.#stopped || afterMs >= POLL_MS * 2 || (this.#alarm !== null && this.#alarm.at <= at)) return
    clearTimeout(this.#alarm?.timer)
    const timer = setTimeout(() => {
      this.#alarm = null
      this.wake()
    }, afterMs + DUE_MARGIN_MS)
    this.#alarm = { at, timer }
  }

  /** How many are claimed ahead of the slots. */
  get #ahead(): number {
    return Math.min(BATCH, this.#options.slots())
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
    clearTimeout(this.#alarm?.timer)
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
    const { claim, giveBack } = this.#options
    const room = this.#options.slots() + this.#ahead - this.#seated.size - this.#waiting.length
    const jobs = await claim(Math.min(BATCH, room))
    this.#dry = jobs.length === 0
    if (this.#stopped) return await giveBack(jobs)
    this.#waiting.push(...jobs)
    this.#startWaiting()
  }

  #isLow(): boolean {
    const { size } = this.#seated
    return (
      !this.#stopped &&
      this.#waiting.length <= this.#ahead / 2 &&
      size + this.#waiting.length < this.#options.slots() + this.#ahead
    )
  }

  #startWaiting(): void {
    while (!this.#stopped && this.#seated.size < this.#options.slots() && this.#waiting.length > 0) {
      const job = this.#waiting.shift() as J
      this.#seated.add(job)
      this.#running.set(job, this.#run(job))
    }
  }

  async #run(job: J): Promise<void> {
    await this.#options.perform(job, {
      leaveSlot: () => this.#leaveSlot(job),
      comesBack: (afterMs) => this.#comesBack(afterMs),
    })
    this.#running.delete(job)
    this.#leaveSlot(job)
  }

  /** Only so many wait outside: were there more, they would hold memory and connections without end. */
  #leaveSlot(job: J): void {
    if (this.#running.has(job) && this.#running.size - this.#seated.size >= this.#options.slots() * OUTSIDE_PER_SLOT) return
    if (!this.#seated.delete(job)) return
    this.#startWaiting()
    if (!this.#dry && this.#isLow()) this.wake()
  }
}
