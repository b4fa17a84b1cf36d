import type { Stage } from './stage.ts'

/** A worker that is there again whenever it ends, as an operating system's init would see to it. */
export interface KeptWorker {
  /** SIGKILL, unless it is dead already. */
  kill(): void
  /** How often it was killed. */
  readonly kills: number
  /** It is not started again. */
  release(): void
}

export async function keepWorker(stage: Stage): Promise<KeptWorker> {
  let isReleased = false
  let kills = 0
  let worker = await stage.start('worker')
  const watch = () => void worker.exited.then(startAgain)
  const startAgain = async () => {
    if (isReleased) return
    worker = await stage.start('worker')
    watch()
  }
  watch()
  return {
    kill() {
      if (worker.hasEnded()) return
      kills += 1
      worker.signal('SIGKILL')
    },
    get kills() {
      return kills
    },
    release() {
      isReleased = true
    },
  }
}
