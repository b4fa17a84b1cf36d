import type { ServerResponse } from 'node:http'
import { STREAM_TYPE } from './answer.ts'
import type { Deliveries } from './deliveries.ts'
import type { Answer, Execution } from './execution.ts'
import type { Pace } from './pacing.ts'

const HEARTBEAT = ':\n\n'
const HEADERS = { 'content-type': STREAM_TYPE, 'cache-control': 'no-cache', 'x-accel-buffering': 'no' }

/**
 * Writes a subscription as server-sent events: GraphQL over SSE, "distinct connections mode". The next event is pulled when
 * the client has taken the one before; comments in between tell proxies and client that the stream lives.
 *
 * Yoga's own writer is not used: when a slow client vanishes it waits for its buffer to drain for ever, timer and all.
 */
export async function writeStream(
  response: ServerResponse,
  deliveries: Deliveries,
  options: { heartbeatMs: number; present: Execution['present']; pace: Pace },
): Promise<void> {
  response.writeHead(200, HEADERS)
  response.write(HEARTBEAT)
  const heartbeat = setInterval(() => {
    if (!response.writableNeedDrain) response.write(HEARTBEAT)
  }, options.heartbeatMs)
  try {
    for (;;) {
      const { done, value } = await deliveries.next()
      if (done || !value) break
      if (!response.write(next(value.json))) await drained(response)
      await options.pace()
    }
  } catch (error) {
    const answer: Answer = { errors: options.present([error]) }
    response.write(next(JSON.stringify(answer)))
  } finally {
    clearInterval(heartbeat)
  }
  response.end('event: complete\ndata:\n\n')
}

function next(json: string): string {
  return `event: next\ndata: ${json}\n\n`
}

function drained(response: ServerResponse): Promise<void> {
  if (response.closed) return Promise.resolve()
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done)
      response.off('close', done)
      resolve()
    }
    response.once('drain', done)
    response.once('close', done)
  })
}
