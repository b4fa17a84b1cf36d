import { isMainThread } from 'node:worker_threads'

/**
 * Loaded before a process of a bench that is none of the bench's own: asked for anything, it answers with the most memory it has
 * held since it was asked last, in bytes.
 */
const LOOK_MS = 20

if (isMainThread && process.send) {
  let most = 0
  setInterval(() => {
    most = Math.max(most, process.memoryUsage.rss())
  }, LOOK_MS).unref()
  process.on('message', () => {
    process.send!(Math.max(most, process.memoryUsage.rss()))
    most = 0
  })
  // The process is to end as it would without us.
  process.channel!.unref()
}

/** What a process is started with so that it can be asked. */
export const MEASURED = { NODE_OPTIONS: `--no-warnings --import ${import.meta.url}` }
