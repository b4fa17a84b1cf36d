import { ask } from './caller.ts'
import type { Stage } from './stage.ts'

/** What became of one message. */
export interface History {
  readonly id: string
  readonly title: string
  readonly status: string
  readonly reason: string | null
  /** Types of its events, in order. */
  readonly events: readonly string[]
}

/** The messages with these titles, or all; in the order of their ids. */
export async function histories(stage: Stage, titles: readonly string[] | null = null): Promise<readonly History[]> {
  return await stage.query<History>(
    `select m.id, m.trace_id as title, m.status, m.reason,
       array(select type from event e where e.message_id = m.id and stream = 'MESSAGE' order by position) as events
     from message m where $1::text[] is null or m.trace_id = any($1) order by m.id`,
    [titles],
  )
}

const ATTEMPTS = 'query ($id: ID!) { message(id: $id) { deliveries { attempts { number outcome startedAt endedAt } } } }'

interface Attempt {
  readonly number: number
  /** Null while it runs. */
  readonly outcome: string | null
  readonly startedAt: string
  readonly endedAt: string | null
}

/** Every call to a provider on behalf of a message, oldest first, as an API process tells. */
export async function attemptsOf(url: string, key: string, id: string): Promise<readonly Attempt[]> {
  const { message } = await ask<{ message: { deliveries: { attempts: Attempt[] }[] } }>(url, key, ATTEMPTS, { id })
  return message.deliveries.flatMap(({ attempts }) => attempts)
}

export async function outcomesOf(url: string, key: string, id: string): Promise<readonly (string | null)[]> {
  return (await attemptsOf(url, key, id)).map(({ outcome }) => outcome)
}

/** Everything kept of these messages, to be compared as a whole. */
export async function everything(stage: Stage, url: string, titles: readonly string[]): Promise<unknown> {
  const messages = await stage.query<{ id: string }>('select * from message where trace_id = any($1) order by id', [titles])
  const ids = messages.map(({ id }) => id)
  return {
    messages,
    deliveries: await stage.query('select * from delivery where message_id = any($1) order by id', [ids]),
    attempts: await Promise.all(ids.map((id) => attemptsOf(url, stage.key, id))),
    events: await stage.query('select * from event where message_id = any($1) order by position', [ids]),
  }
}

export async function countOf(stage: Stage, condition: string, values: readonly unknown[] = []): Promise<number> {
  const rows = await stage.query<{ count: number }>(`select count(*)::int as count from ${condition}`, values)
  return rows[0]!.count
}
