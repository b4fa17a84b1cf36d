import { v7 as uuid } from 'uuid'

/**
 * How long this side counts on a lease: a tenth less than the others wait, for the rounding of times, clocks that
 * run at unequal rates, and the moment between asking and calling.
 */
const TRUSTED_PART = 0.9

/**
 * The time in which this process is one worker: until its lease runs out or it stops. Counted on CLOCK_MONOTONIC,
 * which goes on while the process is stopped (SIGSTOP), and which setting the wall clock does not move. It stands
 * still while the whole machine sleeps; then the fence alone decides whose result counts.
 */
export class Tenure {
  readonly worker = uuid()
  readonly #aborted = new AbortController()
  readonly #trustedMs: number
  #until: number

  /** @param sentAt when its registration was sent: performance.now() */
  constructor(leaseSeconds: number, sentAt: number) {
    this.#trustedMs = leaseSeconds * 1000 * TRUSTED_PART
    this.#until = sentAt + this.#trustedMs
  }

  /** Aborted when it ended. */
  get signal(): AbortSignal {
    return this.#aborted.signal
  }

  /** Whether what was claimed in it is still this process's. Once false, always false. */
  holds(): boolean {
    return !this.signal.aborted && performance.now() < this.#until
  }

  /** The heartbeat sent at `sentAt` (performance.now()) was written. One that was too late renews nothing. */
  renew(sentAt: number): void {
    if (this.holds()) this.#until = sentAt + this.#trustedMs
  }

  end(): void {
    this.#aborted.abort(new Error('This process no longer holds the lease of its jobs.'))
  }
}
