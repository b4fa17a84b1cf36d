import type { Rendered } from '../channels/provider.ts'
import type { Answer } from './batch.ts'
import type { RenderJob } from './job.ts'
import { RenderRefusal } from './template.ts'
import { createThreads, type Ended, type Lane, type ThreadOptions } from './threads.ts'

export interface RenderPool {
  /**
   * What a channel shows. Jobs of one key take turns with those of others, and never hold more than one thread. A key that
   * ended one shares a thread of its own with its like for a while, so that it ends no other's.
   *
   * @param fairnessKey whose it is: an environment and tenant
   * @throws RenderRefusal for what cannot be rendered, or not within the limits of time and memory
   */
  render(job: RenderJob, fairnessKey: string): Promise<Rendered>
  /** Ends what is under way. */
  close(): Promise<void>
}

interface Waiting {
  readonly job: RenderJob
  readonly resolve: (content: Rendered) => void
  readonly reject: (error: unknown) => void
  /** It broke a limit, or was in a batch that did and nobody knows by which of them: it is tried with no other beside it. */
  isSuspect: boolean
  /** How many threads were ended over it. */
  broken: number
}

const MOST_JOBS = 50
/** More than one, so that one that takes long leaves room for others; rendering is a small part of what a process does. */
const MOST_THREADS = 2
/** One that ends a second thread is to blame. The first may have been full, or just beginning, when it came to this one. */
const MOST_BROKEN = 2
/** So long after it ended a thread a key is expected to end another, and a document that was heavy to be so again. */
const SUSPECTED_MS = 60_000
/** A batch whose share of time was spent on so few of its jobs has heavy documents among them. */
const FEW_ANSWERS = 5

/**
 * Renders in threads of its own, which start when there is something to render and stop when there is not for a while: what
 * takes too long or too much memory ends its thread and fails alone (reference: reliability G18).
 *
 * What a key has to be rendered at once goes as one batch, and a lone job waits for nobody of its own.
 */
export function createRenderPool(options: ThreadOptions): RenderPool {
  const threads = createThreads(MOST_THREADS, options)
  /** By key, in the order of their turns. */
  const queues = new Map<string, Waiting[]>()
  /** Whose jobs are being rendered, and where. */
  const busy = new Map<string, Lane>()
  const suspected = createSuspicion()
  const heavy = createSuspicion()
  let isClosed = false

  function next(): void {
    for (const [key, queue] of [...queues]) {
      const isSuspect = suspected.has(ownerOf(key)) || queue[0]?.isSuspect === true
      if (queue.length === 0 || busy.has(ownerOf(key)) || !hasRoom(isSuspect)) continue
      void turn(key, queue, isSuspect)
    }
  }

  function hasRoom(isApart: boolean): boolean {
    const shared = [...busy.values()].filter((lane) => lane === 'shared').length
    return isApart ? busy.size === shared : shared < MOST_THREADS
  }

  async function turn(key: string, queue: Waiting[], isSuspect: boolean): Promise<void> {
    const group = queue.splice(0, sizeOfGroup(queue))
    const lane = !isSuspect ? 'shared' : group[0]!.broken > 0 ? 'fresh' : 'apart'
    busy.set(ownerOf(key), lane)
    const ended = await threads.run(
      group.map(({ job }) => job),
      lane,
    )
    if (ended.kind === 'broken') suspected.add(ownerOf(key))
    settle(ended, group, queue)
    busy.delete(ownerOf(key))
    // Behind all that came meanwhile.
    queues.delete(key)
    if (isClosed) return reject(queue)
    if (queue.length > 0) queues.set(key, queue)
    const isSlow = ended.kind === 'answered' && ended.answers.length < Math.min(group.length, FEW_ANSWERS)
    if (isSlow && !key.endsWith(HEAVY)) setHeavyApart(key, queue, group.slice(0, ended.answers.length))
    next()
  }

  /** What is heavy takes turns of its own, so that a tenant's other messages do not wait for it. */
  function setHeavyApart(key: string, queue: Waiting[], slow: readonly Waiting[]): void {
    for (const { job } of slow) heavy.add(placeOf(job, key))
    const waiting = queue.splice(0)
    for (const one of waiting) {
      const place = heavy.has(placeOf(one.job, key)) ? key + HEAVY : key
      const line = queues.get(place) ?? []
      queues.set(place, line)
      line.push(one)
    }
    if (queue.length === 0) queues.delete(key)
  }

  return {
    render: (job, fairnessKey) =>
      new Promise((resolve, reject) => {
        if (isClosed) return reject(new Error(CLOSED))
        const key = !heavy.isNone && heavy.has(placeOf(job, fairnessKey)) ? fairnessKey + HEAVY : fairnessKey
        const queue = queues.get(key) ?? []
        queues.set(key, queue)
        queue.push({ job, resolve, reject, isSuspect: false, broken: 0 })
        // A microtask later, so that callers of the same turn share the first batch as well.
        if (queue.length === 1) queueMicrotask(next)
      }),
    async close() {
      isClosed = true
      await threads.close()
      for (const queue of queues.values()) reject(queue)
      queues.clear()
    },
  }
}

const CLOSED = 'Rendering has stopped.'
const HEAVY = '\nheavy'

/** Whose jobs a queue holds: what is heavy and what is not are in one thread at a time. */
const ownerOf = (key: string) => (key.endsWith(HEAVY) ? key.slice(0, -HEAVY.length) : key)

/** A document of a key, by which it is known again. */
const placeOf = ({ document }: RenderJob, key: string) => `${key}\n${document}`

function reject(queue: readonly Waiting[]): void {
  for (const one of queue) one.reject(new Error(CLOSED))
}

/** What took too long of late. */
function createSuspicion() {
  const until = new Map<string, number>()
  return {
    get isNone() {
      return until.size === 0
    },
    has: (key: string) => (until.get(key) ?? 0) > performance.now(),
    add(key: string) {
      const now = performance.now()
      for (const [one, end] of until) if (end <= now) until.delete(one)
      until.set(key, now + SUSPECTED_MS)
    },
  }
}

/** Up to the first that is tried alone. */
function sizeOfGroup(queue: readonly Waiting[]): number {
  const suspect = queue.slice(0, MOST_JOBS).findIndex(({ isSuspect }) => isSuspect)
  if (suspect === -1) return MOST_JOBS
  return Math.max(1, suspect)
}

/** Those that have no answer go to the front of their queue, one that broke a limit to its end. */
function settle(ended: Ended, group: readonly Waiting[], queue: Waiting[]): void {
  if (ended.kind === 'answered') {
    for (const [index, answer] of ended.answers.entries()) give(answer, group[index]!)
    queue.unshift(...group.slice(ended.answers.length))
  } else if (ended.kind === 'failed') {
    for (const one of group) one.reject(ended.error)
  } else {
    const at = group.length === 1 ? 0 : ended.at
    const [broke] = at === null ? [] : [group[at]!]
    if (broke === undefined) for (const one of group) one.isSuspect = true
    queue.unshift(...group.filter((one) => one !== broke))
    if (broke !== undefined) breakAgain(broke, ended, queue)
  }
}

function give(answer: Answer, { resolve, reject }: Waiting): void {
  if (answer.kind === 'rendered') resolve(answer.content)
  else
    reject(answer.kind === 'refused' ? new RenderRefusal(answer.error, answer) : new Error(`Rendering failed: ${answer.error}`))
}

function breakAgain(one: Waiting, { why, error }: Ended & { kind: 'broken' }, queue: Waiting[]): void {
  one.broken += 1
  one.isSuspect = true
  if (one.broken < MOST_BROKEN) queue.push(one)
  else one.reject(why === 'fault' ? error : new RenderRefusal(error.message))
}
