import type { ServerResponse } from 'node:http'
import { STREAM_TYPE } from './answer.ts'
import type { Deliveries } from './deliveries.ts'
import type { Answer, Execution } from './execution.ts'

const HEARTBEAT = ':\n\n'
const HEADERS = { 'content-type': STREAM_TYPE, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' }

export interface StreamOptions {
  readonly heartbeatMs: number
  /** How long a client may leave what was written unread before it is cut off. */
  readonly stalledMs: number
  readonly present: Execution['present']
}

/**
 * Writes a subscription as server-sent events: GraphQL over SSE, "distinct connections mode". The next event is pulled when
 * the client has taken the one before; comments in between tell proxies and client that the stream lives.
 *
 * Yoga's own writer is not used: when a slow client vanishes it waits for its buffer to drain for ever, timer and all.
 */
export async function writeStream(response: ServerResponse, deliveries: Deliveries, options: StreamOptions): Promise<void> {
  response.writeHead(200, HEADERS)
  const write = writerTo(response, options.stalledMs)
  void write(HEARTBEAT)
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) void write(HEARTBEAT)
  }, options.heartbeatMs)
  try {
    await deliveries.run((json) => write(next(json)))
  } catch (error) {
    const answer: Answer = { errors: options.present([error]) }
    void write(next(JSON.stringify(answer)))
  } finally {
    clearInterval(heartbeat)
  }
  if (!response.destroyed) response.end('event: complete\ndata:\n\n')
}

function next(json: string): string {
  return `event: next\ndata: ${json}\n\n`
}

/** Writes, and answers null or what to wait for: until the client has read, or is gone because it did not in time. */
function writerTo(response: ServerResponse, stalledMs: number): (text: string) => Promise<void> | null {
  let draining: Promise<void> | null = null

  const drained = () =>
    new Promise<void>((resolve) => {
      const stalled = setTimeout(() => response.destroy(), stalledMs)
      const done = () => {
        clearTimeout(stalled)
        response.off('drain', done)
        response.off('close', done)
        draining = null
        resolve()
      }
      response.once('drain', done)
      response.once('close', done)
    })

  return (text) => {
    if (response.destroyed || response.write(text)) return null
    draining ??= drained()
    return draining
  }
}
