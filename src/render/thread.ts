import { threadId } from 'node:worker_threads'
import type { Channel } from '../channels/provider.ts'
import { type Batch, perform } from './batch.ts'
import { render } from './content.ts'
import { prepareMjml } from './mjml.ts'

/** What a render thread does (threads.ts). */

// As --disable-proto would, which threads cannot be given: no data leads to what objects inherit.
Reflect.deleteProperty(Object.prototype, '__proto__')

export default (batch: Batch) => perform(batch, { render, prepare, thread: threadId })

async function prepare(channel: Channel): Promise<void> {
  if (channel === 'EMAIL') await prepareMjml()
}
