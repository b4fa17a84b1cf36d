import { enableCompileCache, flushCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'
import { threadId } from 'node:worker_threads'
import type { Channel } from '../channels/provider.ts'
import type { Batch } from './batch.ts'

/** What a render thread does (threads.ts). */

// As --disable-proto would, which threads cannot be given: no data leads to what objects inherit.
Reflect.deleteProperty(Object.prototype, '__proto__')

// Half of what a thread takes to begin is compiling the same modules again. Where the folder cannot be written nothing is kept.
enableCompileCache(fileURLToPath(new URL('../../node_modules/.cache/render', import.meta.url)))
const [{ perform }, { render }, { prepareMjml }] = await Promise.all([
  import('./batch.ts'),
  import('./content.ts'),
  import('./mjml.ts'),
])
flushCompileCache()

export default (batch: Batch) => perform(batch, { render, prepare, thread: threadId })

let prepared: Promise<void> | undefined

async function prepare(channel: Channel): Promise<void> {
  if (channel !== 'EMAIL') return
  prepared ??= prepareMjml().then(flushCompileCache)
  await prepared
}
