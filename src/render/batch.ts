import type { Channel, Rendered } from '../channels/provider.ts'
import type { Rendering, RenderJob } from './job.ts'
import { RenderRefusal } from './template.ts'

/** What goes to a render thread at once. Messages of one template have their document in it once: a thread copies all it is handed. */
export interface Batch {
  /** Documents and brands. */
  readonly texts: readonly string[]
  readonly jobs: readonly PackedJob[]
  /** What jobs to come are for, where a thread is only to begin. */
  readonly prepared?: readonly Channel[]
  readonly progress: SharedArrayBuffer
}

/** Its document and brand as places in the batch's texts. */
type PackedJob = Omit<RenderJob, 'document' | 'brand'> & { readonly document: number; readonly brand: number | null }

/** fault: of ours, as it would stand in a log. */
export type Answer = Rendering | { readonly kind: 'fault'; readonly error: string }

/** A thread that has worked so long gives back what it has, so that other batches get their turn. */
const SHARE_MS = 100

/** Where a thread stands in its batch: written by it, and read beside it, since it answers nobody until it is done. */
export class Progress {
  readonly buffer: SharedArrayBuffer
  readonly #counts: Int32Array
  readonly #times: Float64Array

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer
    this.#counts = new Int32Array(buffer, 0, 2)
    this.#times = new Float64Array(buffer, 8, 1)
  }

  /** @param cpuMs how long the thread has run so far */
  begin(index: number, thread: number, cpuMs: number): void {
    this.#times[0] = cpuMs
    Atomics.store(this.#counts, 1, thread)
    Atomics.store(this.#counts, 0, index + 1)
  }

  /** What comes now counts for no job. */
  rest(): void {
    Atomics.store(this.#counts, 0, 0)
  }

  /** Which job is being rendered, by its place in the batch; null where none is. */
  get at(): number | null {
    const begun = Atomics.load(this.#counts, 0)
    return begun === 0 ? null : begun - 1
  }

  get thread(): number {
    return Atomics.load(this.#counts, 1)
  }

  /** How long the thread had run when it began the job. */
  get cpuMs(): number {
    return this.#times[0]!
  }
}

export function pack(jobs: readonly RenderJob[], progress: Progress): Batch {
  const places = new Map<string, number>()
  const placeOf = (text: string) => {
    const place = places.get(text) ?? places.size
    places.set(text, place)
    return place
  }
  const packed = jobs.map((job) => ({
    ...job,
    document: placeOf(job.document),
    brand: job.brand === null ? null : placeOf(job.brand),
  }))
  return { texts: [...places.keys()], jobs: packed, progress: progress.buffer }
}

/** For a thread that has nothing to render yet: it begins, and loads what jobs of these channels need. */
export const packNothing = (prepared: readonly Channel[]): Batch => ({
  texts: [],
  jobs: [],
  prepared,
  progress: new Progress().buffer,
})

export interface BatchParts {
  readonly render: (job: RenderJob) => Promise<Rendered>
  /** Loads what jobs of a channel need, before their time begins to count. */
  readonly prepare: (channel: Channel) => Promise<unknown>
  readonly thread: number
}

/** Renders jobs of a batch, the first of them, if any, at least: the answers are those of as many as there are. */
export async function perform(batch: Batch, { render, prepare, thread }: BatchParts): Promise<readonly Answer[]> {
  const progress = new Progress(batch.progress)
  const ends = performance.now() + SHARE_MS
  const answers: Answer[] = []
  for (const channel of batch.prepared ?? []) await prepare(channel)
  for (const [index, packed] of batch.jobs.entries()) {
    if (index > 0 && performance.now() >= ends) break
    const brand = packed.brand === null ? null : batch.texts[packed.brand]!
    const job: RenderJob = { ...packed, document: batch.texts[packed.document]!, brand }
    await prepare(job.channel)
    progress.begin(index, thread, cpuMs(process.threadCpuUsage()))
    answers.push(await answer(render, job))
    progress.rest()
  }
  return answers
}

async function answer(render: BatchParts['render'], job: RenderJob): Promise<Answer> {
  try {
    return { kind: 'rendered', content: await render(job) }
  } catch (error) {
    if (error instanceof RenderRefusal) return { kind: 'refused', error: error.message, isSilence: error.isSilence }
    return { kind: 'fault', error: (error instanceof Error && error.stack) || String(error) }
  }
}

export const cpuMs = ({ user, system }: { readonly user: number; readonly system: number }) => (user + system) / 1_000
