import { threadId } from 'node:worker_threads'
import { type Batch, perform } from '../../src/render/batch.ts'
import type { RenderJob } from '../../src/render/job.ts'
import { RenderRefusal } from '../../src/render/template.ts'

const hoard: unknown[] = []

/** Some 16 MB of the heap for each. */
const large = (count: number) => Array.from({ length: count }, () => new Array(2 * 1024 * 1024).fill(null))

/** A render thread that does what documents tell it. */
const DOES: Readonly<Record<string, (job: RenderJob) => unknown>> = {
  loop: () => {
    for (;;) Math.random()
  },
  fill: () => {
    const kept: unknown[] = []
    for (;;) kept.push({ number: kept.length, beside: [kept.at(-1)] })
  },
  /** What it leaves behind and what is large fit into a thread each, and not together. */
  hoard: () => void hoard.push(large(14)),
  large: async () => {
    const kept = large(14)
    await new Promise((resolve) => setTimeout(resolve, 1_000))
    return kept
  },
  grind: () => {
    const { user } = process.threadCpuUsage()
    while (process.threadCpuUsage().user - user < 40_000) Math.random()
  },
  exit: () => process.exit(7),
  refuse: () => {
    throw new RenderRefusal('Line 1: no.')
  },
  throw: () => {
    throw new TypeError('It has no legs.')
  },
  sleep: () => new Promise((resolve) => setTimeout(resolve, 1_500)),
}

export default (batch: Batch) =>
  perform(batch, {
    thread: threadId,
    prepare: async () => {},
    render: async (job) => {
      await DOES[job.document]?.(job)
      return { text: job.document, payload: { threadId, environment: Object.keys(process.env), data: job.values.data } }
    },
  })
