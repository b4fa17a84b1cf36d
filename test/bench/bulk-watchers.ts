import { createClient } from 'graphql-ws'
import { WebSocket } from 'ws'

/**
 * Many sockets in a process of their own, each of which watches a bulk job. Told `{ jobId }` it says that each has the present
 * state, and asked `{ wait: true }` what each was told once all have ended.
 */
const { URL: url, KEY: key, SOCKETS } = process.env as Record<string, string>

const PROGRESS = `subscription ($id: ID!) {
  bulkJobProgress(id: $id) {
    status received enqueued failures counts { total pending sent failed skipped canceled }
  }
}`

/** What one socket was told: the most items within a second, and the last. */
export interface Watched {
  readonly items: number
  readonly mostASecond: number
  readonly last: string
}

interface Watcher {
  readonly began: Promise<void>
  readonly ended: Promise<Watched>
}

function watch(jobId: string): Watcher {
  const client = createClient({
    url: url!,
    webSocketImpl: WebSocket,
    connectionParams: { authorization: `Bearer ${key}` },
    retryAttempts: 0,
  })
  const began = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<Watched>()
  const times: number[] = []
  let last = ''
  client.subscribe(
    { query: PROGRESS, variables: { id: jobId } },
    {
      next: ({ data, errors }) => {
        if (errors) return ended.reject(new Error(JSON.stringify(errors)))
        times.push(performance.now())
        last = JSON.stringify(data)
        began.resolve()
      },
      error: (error) => ended.reject(new Error(JSON.stringify(error))),
      complete: () => {
        ended.resolve({ items: times.length, mostASecond: mostWithinASecond(times), last })
        void client.dispose()
      },
    },
  )
  return { began: began.promise, ended: ended.promise }
}

function mostWithinASecond(times: readonly number[]): number {
  return Math.max(...times.map((from) => times.filter((time) => time >= from && time < from + 1_000).length))
}

let watchers: Watcher[] = []
process.on('message', async ({ jobId }: { jobId?: string }) => {
  if (jobId === undefined) {
    process.send!(await Promise.all(watchers.map(({ ended }) => ended)))
    return
  }
  watchers = Array.from({ length: Number(SOCKETS) }, () => watch(jobId))
  await Promise.all(watchers.map(({ began }) => began))
  process.send!({ watching: watchers.length })
})
process.on('SIGTERM', () => process.exit(0))
process.stdout.write(`${JSON.stringify({ url: 'ready' })}\n`)
