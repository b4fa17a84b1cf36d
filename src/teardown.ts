import type { Logger } from 'pino'

/** What was started, to be stopped in reverse; one that fails to stop does not keep the others running. */
export class Teardown {
  readonly #log: Logger
  #steps: { name: string; stop(): Promise<void> }[] = []
  #running: Promise<void> | undefined

  constructor(log: Logger) {
    this.#log = log
  }

  add(name: string, stop: () => Promise<void>): void {
    this.#steps.push({ name, stop })
  }

  run(): Promise<void> {
    this.#running ??= this.#stopAll()
    return this.#running
  }

  async #stopAll(): Promise<void> {
    for (const { name, stop } of this.#steps.toReversed()) {
      await stop().catch((error: unknown) => this.#log.error({ err: error, part: name }, 'did not stop cleanly'))
    }
  }
}
