import { Piscina } from 'piscina'
import type { Channel } from '../channels/provider.ts'
import { type Answer, type Batch, cpuMs, Progress, pack, packNothing } from './batch.ts'
import type { RenderJob } from './job.ts'

export interface ThreadOptions {
  readonly log: { warn(fields: object, message: string): void }
  /** Tests put another file in its place. */
  readonly threadFile?: URL
}

/**
 * How a batch ended. answered: the first of its jobs, one at least. broken: its thread was ended, or ended itself, while it
 * rendered the job at this place; null where nobody knows which; error: a sentence for the job's author, unless it is a
 * fault of ours. failed: no thread could begin.
 */
export type Ended =
  | { readonly kind: 'answered'; readonly answers: readonly Answer[] }
  | {
      readonly kind: 'broken'
      readonly at: number | null
      readonly why: 'time' | 'memory' | 'fault'
      readonly error: Error
    }
  | { readonly kind: 'failed'; readonly error: Error }

/**
 * shared: in one of the threads for all. apart: in the one for whatever ended a thread, so that it ends none of those again.
 * fresh: in that one, begun anew: what others left in its memory is not there.
 */
export type Lane = 'shared' | 'apart' | 'fresh'

export interface Threads {
  /** Never rejects. At once there may be `most` calls in shared, and one in apart or fresh. */
  run(jobs: readonly RenderJob[], lane: Lane): Promise<Ended>
  close(): Promise<void>
}

/** Of the thread's own time, which only counts while it runs: that the machine is busy fails nobody. */
const MOST_CPU_MS = 1_000
/** Whatever it does: what waits for something that never comes takes no time of the thread. */
const MOST_MS = 30_000
/** Of the thread's heap. What it keeps compiled takes up to some 180 MB where an installation has very many templates. */
const MOST_MEMORY_MB = 384
/**
 * Who uses so much of a thread's time may soon have ended it: another begins, so that whoever comes next need not wait for one. On
 * a busy machine many hold a thread for long who use little of it, and a thread costs a second and a hundred megabytes.
 */
const SPARE_AFTER_MS = 300
/** What a job holds for so long is looked at again and again; most never are. */
const LOOKS_EVERY_MS = 100
/**
 * Far beyond what may be used: a thread that comes to its end by itself takes the process along at times, since V8 may not
 * find the room to stop (nodejs/node, "Reached heap limit" in a worker). So it is ended from outside, before.
 */
const HEAP = { maxOldGenerationSizeMb: 1_024, maxYoungGenerationSizeMb: 32 }
/** A thread takes about a second to begin, and some 60 MB of memory while it waits. */
const IDLE_MS = 5 * 60_000

const THREAD = new URL('./thread.ts', import.meta.url)
const TOO_LONG = new Error(`It takes too long to render: more than ${MOST_CPU_MS.toLocaleString('en')} ms.`)
const TOO_LARGE = new Error(`It needs too much memory to render: more than ${MOST_MEMORY_MB} MB.`)

/** Threads that see neither the environment's variables nor anything else of the process, and are ended at their limits. */
export function createThreads(most: number, options: ThreadOptions): Threads {
  const shared = createCrew({ most, spare: 1 }, options)
  let apart = createCrew({ most: 1, spare: 0 }, options)
  return {
    async run(jobs, lane) {
      if (lane === 'shared') return shared.run(jobs)
      if (lane === 'fresh' && apart.isUsed()) {
        await apart.close()
        apart = createCrew({ most: 1, spare: 0 }, options)
      }
      return apart.run(jobs)
    },
    async close() {
      await Promise.all([shared.close(), apart.close()])
    },
  }
}

/** Threads of which any does for a batch. */
interface Crew {
  run(jobs: readonly RenderJob[]): Promise<Ended>
  /** Whether a thread of it has rendered something, and goes on. */
  isUsed(): boolean
  close(): Promise<void>
}

/** spare: how many more may wait beside those that render. */
function createCrew({ most, spare }: { most: number; spare: number }, { log, threadFile = THREAD }: ThreadOptions): Crew {
  const pool = new Piscina<Batch, readonly Answer[]>({
    filename: threadFile.href,
    minThreads: 0,
    maxThreads: most + spare,
    idleTimeout: IDLE_MS,
    resourceLimits: HEAP,
    env: {},
    execArgv: ['--no-warnings'],
    recordTiming: false,
  })
  const running = new Map<Progress, AbortController>()
  let isClosed = false
  // Of a thread that ended without a job of ours: where it never began, whoever waits for it would wait for ever.
  pool.on('error', (error: Error) => {
    log.warn({ err: error }, 'a render thread ended')
    for (const [progress, run] of running) if (progress.at === null) run.abort(error)
  })

  /** Where a thread waits already, it is that one. */
  function beginAnother(channel: Channel): void {
    if (spare === 0 || isClosed) return
    // Where it cannot begin, the next batch cannot either, and says so.
    pool.run(packNothing([channel])).catch(() => {})
  }

  async function run(jobs: readonly RenderJob[]): Promise<Ended> {
    const progress = new Progress()
    const ending = new AbortController()
    running.set(progress, ending)
    const watch = watchOver({ pool, progress, ending, whenSlow: (at) => beginAnother(jobs[at]!.channel) })
    try {
      return { kind: 'answered', answers: await pool.run(pack(jobs, progress), { signal: ending.signal }) }
    } catch (thrown) {
      const error = ending.signal.aborted ? (ending.signal.reason as Error) : (thrown as Error)
      const ended = endedBy(error, progress.at)
      if (ended.kind === 'broken') {
        const job = jobs[ended.at ?? 0]!
        log.warn({ err: error, job: aboutJob(job) }, 'a render thread was ended')
        beginAnother(job.channel)
      }
      return ended
    } finally {
      clearInterval(watch)
      running.delete(progress)
    }
  }

  return {
    run,
    isUsed: () => pool.threads.length > 0,
    async close() {
      isClosed = true
      for (const ending of running.values()) ending.abort(CLOSED)
      await pool.destroy()
    },
  }
}

const CLOSED = new Error('Rendering has stopped.')

function endedBy(error: Error, at: number | null): Ended {
  if (error === TOO_LONG) return { kind: 'broken', at, why: 'time', error }
  if (error === TOO_LARGE) return { kind: 'broken', at, why: 'memory', error }
  // Before it began any, it may have been too much to be handed over at once.
  if ((error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY') {
    return { kind: 'broken', at, why: 'memory', error: TOO_LARGE }
  }
  return at === null || error === CLOSED ? { kind: 'failed', error } : { kind: 'broken', at, why: 'fault', error }
}

/** For whoever looks for the document in the log: no value of it. */
const aboutJob = ({ channel, values: { carillon } }: RenderJob) => ({
  channel,
  message: carillon.messageId,
  environment: carillon.environment,
  template: carillon.template,
})

interface Watched {
  readonly pool: Piscina
  readonly progress: Progress
  readonly ending: AbortController
  /** Once at most, with the job's place in the batch. */
  readonly whenSlow: (at: number) => void
}

/** Ends a batch whose job goes over its time or memory. */
function watchOver({ pool, progress, ending, whenSlow }: Watched): NodeJS.Timeout {
  let seen: { readonly at: number | null; readonly since: number } = { at: null, since: performance.now() }
  let wasSlow = false
  const look = async () => {
    const { at } = progress
    if (at !== seen.at) seen = { at, since: performance.now() }
    const tookMs = performance.now() - seen.since
    if (tookMs >= MOST_MS) return ending.abort(at === null ? NEVER_BEGAN : TOO_LONG)
    if (at === null || tookMs < LOOKS_EVERY_MS / 2) return
    const began = progress.cpuMs
    const thread = pool.threads.find(({ threadId }) => threadId === progress.thread)
    if (thread === undefined) return
    const [used, heap] = await Promise.all([thread.cpuUsage(), thread.getHeapStatistics()])
    // The answer may have come when the next had begun.
    if (progress.at !== at) return
    if (heap.used_heap_size > MOST_MEMORY_MB * 1024 * 1024) ending.abort(TOO_LARGE)
    else if (cpuMs(used) - began > MOST_CPU_MS) ending.abort(TOO_LONG)
    else if (cpuMs(used) - began >= SPARE_AFTER_MS && !wasSlow) {
      wasSlow = true
      whenSlow(at)
    }
  }
  return setInterval(() => {
    // It is not there to be asked any more, so it has ended.
    look().catch(() => {})
  }, LOOKS_EVERY_MS)
}

const NEVER_BEGAN = new Error('No render thread began in time.')
