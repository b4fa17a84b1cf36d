import { randomUUID } from 'node:crypto'
import { Redis, type RedisOptions } from 'ioredis'
import type { Logger } from 'pino'
import type { Carrier, Notice } from './carrier.ts'
import { createMemoryCarrier } from './memory.ts'

const WAKE = 'carillon:wake'
const LOG = 'carillon:log:'
const PING_EVERY_MS = 5_000

/**
 * The carrier between processes: Redis Pub/Sub, positions and names of lanes only, never a body. Within this process the rows
 * themselves are handed on, so that a dead Redis delays nobody here.
 *
 * Publishing leaves one command per channel on its way and keeps the newest payload for when that is settled: whatever Redis
 * does, what is queued is bounded by the number of channels. A connection that no longer answers is noticed by a ping and
 * replaced; on each new one everything that is listened to is subscribed again.
 */
export function createRedisCarrier({ url, log }: { url: string; log: Pick<Logger, 'info' | 'warn'> }): Carrier {
  const local = createMemoryCarrier()
  const origin = randomUUID()
  const publisher = new Redis(url, OPTIONS)
  const sender = createSender(publisher, report(publisher, 'publishing', log))
  const listening = createListening(url, log)

  const pings = setInterval(() => {
    for (const connection of [publisher, listening.connection])
      if (connection.status === 'ready') connection.ping().catch(unanswered)
  }, PING_EVERY_MS)
  pings.unref()

  return {
    publish(environmentId, events) {
      local.publish(environmentId, events)
      const last = events.at(-1)
      if (last) sender.send(`${LOG}${environmentId}`, String(last.position))
    },
    listen(environmentId, on) {
      const stops = [local.listen(environmentId, on), listening.add(`${LOG}${environmentId}`, (text) => noticed(text, on))]
      return () => stops.forEach((stop) => void stop())
    },
    wake(lane) {
      local.wake(lane)
      sender.send(WAKE, `${origin} ${lane}`, lane)
    },
    onWake(on) {
      const stops = [local.onWake(on), listening.add(WAKE, (text) => woken(text, origin, on))]
      return () => stops.forEach((stop) => void stop())
    },
    async close() {
      clearInterval(pings)
      publisher.disconnect()
      listening.connection.disconnect()
      await local.close()
    },
  }
}

/** maxRetriesPerRequest 0: what was on its way when the connection broke is lost at once; followers look by themselves. */
const OPTIONS: RedisOptions = {
  enableOfflineQueue: false,
  maxRetriesPerRequest: 0,
  autoResubscribe: false,
  connectTimeout: 5_000,
  commandTimeout: 5_000,
  socketTimeout: 5_000,
  keepAlive: 10_000,
  retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 5), 1_000),
}

/** The connection then breaks, and that is what is reported. */
function unanswered(): void {}

/**
 * Says once that a connection is of no use, and once that it is again; answers what to call with a command's failure.
 * Of an error only its message is said: the rest names the command, and that may be the one with the password.
 */
function report(connection: Redis, purpose: string, log: Pick<Logger, 'info' | 'warn'>): (error: Error) => void {
  let lost = false
  const lose = ({ message }: Error): void => {
    if (lost || connection.status === 'end') return
    lost = true
    log.warn({ cause: message, purpose }, 'Redis does not serve: news between processes arrive by looking, within a second.')
  }
  connection.on('error', lose)
  connection.on('close', () => lose(new Error('The connection was closed.')))
  connection.on('ready', () => {
    if (lost) log.info({ purpose }, 'Redis is back.')
    lost = false
  })
  return lose
}

function createSender(
  connection: Redis,
  failed: (error: Error) => void,
): { send(channel: string, payload: string, slot?: string): void } {
  const underway = new Set<string>()
  const newest = new Map<string, readonly [channel: string, payload: string]>()

  function send(channel: string, payload: string, slot = channel): void {
    if (connection.status !== 'ready') return
    if (underway.has(slot)) {
      newest.set(slot, [channel, payload])
      return
    }
    underway.add(slot)
    void connection
      .publish(channel, payload)
      .catch(failed)
      .finally(() => next(slot))
  }

  function next(slot: string): void {
    underway.delete(slot)
    const waiting = newest.get(slot)
    newest.delete(slot)
    if (waiting) send(...waiting, slot)
  }

  return { send }
}

/** A connection in subscriber mode, and who is told what comes in. */
function createListening(
  url: string,
  log: Pick<Logger, 'info' | 'warn'>,
): {
  readonly connection: Redis
  add(channel: string, on: (text: string) => void): () => void
} {
  const connection = new Redis(url, OPTIONS)
  const failed = report(connection, 'listening', log)
  const listeners = new Map<string, Set<(text: string) => void>>()

  connection.on('ready', () => {
    if (listeners.size > 0) connection.subscribe(...listeners.keys()).catch(failed)
  })
  connection.on('message', (channel, text) => {
    for (const on of listeners.get(channel) ?? []) on(text)
  })

  return {
    connection,
    add(channel, on) {
      const known = listeners.get(channel)
      const set = known ?? new Set()
      listeners.set(channel, set.add(on))
      if (!known && connection.status === 'ready') connection.subscribe(channel).catch(failed)
      return () => {
        set.delete(on)
        if (set.size > 0 || listeners.get(channel) !== set) return
        listeners.delete(channel)
        if (connection.status === 'ready') connection.unsubscribe(channel).catch(failed)
      }
    },
  }
}

/** Anyone who can reach Redis can write to it: what is no position is dropped, and a false one only makes a follower look. */
function noticed(text: string, on: (notice: Notice) => void): void {
  const upTo = Number(text)
  if (Number.isSafeInteger(upTo) && upTo > 0) on({ upTo })
}

/** One's own wake-ups were heard within the process already. */
function woken(text: string, origin: string, on: (lane: string) => void): void {
  const [from, lane] = text.split(' ')
  if (lane !== undefined && from !== origin) on(lane)
}
