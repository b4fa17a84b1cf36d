import { sql } from 'kysely'
import type { Db, Tx } from './database.ts'

/** A row of counts. */
export interface CountRef {
  readonly environmentId: string
  readonly key: string
  readonly periodStart: Date
}

/** A message that is to be counted by each of its counters, or by none where one of them is over. */
export interface Wanted<C extends CountRef> {
  readonly environmentId: string
  readonly messageId: string
  readonly counters: readonly C[]
  /** It is counted, and never stopped. */
  readonly isExempt: boolean
}

/** How many each has counted, in order. */
export async function readCounts(db: Db, counters: readonly CountRef[]): Promise<readonly number[]> {
  if (counters.length === 0) return []
  const { rows } = await sql<CountRow>`
    select environment_id as "environmentId", key, period_start as "periodStart", count
    from send_count
    where (environment_id, key, period_start) in (select ${COUNTERS} from ${recordset(counters)})`.execute(db)
  const counts = new Map(rows.map((row) => [placeOf(row), row.count]))
  return counters.map((counter) => counts.get(placeOf(counter)) ?? 0)
}

interface CountRow extends CountRef {
  readonly count: number
}

/**
 * Counts messages in order, each once however often it is asked for, and answers with the counter that stopped it; null where
 * none did. What was counted before passes again, and what is no longer to be sent is neither counted nor stopped. Messages
 * are locked before counts, both in one order, so that those who count cannot deadlock.
 *
 * @param isOver whether a counter stops the next message after so many
 */
export async function takeCounts<C extends CountRef>(
  tx: Tx,
  wanted: readonly Wanted<C>[],
  isOver: (counter: C, used: number) => boolean,
  now: Date,
): Promise<readonly (C | null)[]> {
  const pending = await lockUncounted(
    tx,
    wanted.filter(({ counters }) => counters.length > 0),
  )
  if (pending.size === 0) return wanted.map(() => null)
  const counts = await lockCounts(
    tx,
    wanted.flatMap((one) => (pending.has(one.messageId) ? one.counters : [])),
  )
  const counted: Wanted<C>[] = []
  const answers = wanted.map((one) => {
    if (!pending.has(one.messageId)) return null
    const over = one.isExempt ? undefined : one.counters.find((counter) => isOver(counter, counts.get(placeOf(counter))!.count))
    if (over !== undefined) return over
    for (const place of new Set(one.counters.map(placeOf))) {
      const row = counts.get(place)!
      counts.set(place, { ...row, count: row.count + 1 })
    }
    pending.delete(one.messageId)
    counted.push(one)
    return null
  })
  if (counted.length > 0) await keepCounts(tx, [...counts.values()], counted, now)
  return answers
}

/** The ids of those that are still to be sent and were not counted. */
async function lockUncounted(tx: Tx, wanted: readonly Wanted<CountRef>[]): Promise<Set<string>> {
  if (wanted.length === 0) return new Set()
  const { rows } = await sql<{ id: string; isUncounted: boolean }>`
    select m.id, m.counted_at is null and message_tally(m.status) = 'pending' as "isUncounted"
    from message m
    where (m.environment_id, m.id) in (select * from unnest(
      ${wanted.map((one) => one.environmentId)}::text[], ${wanted.map((one) => one.messageId)}::text[]
    ))
    order by m.environment_id, m.id
    for no key update`.execute(tx)
  return new Set(rows.flatMap(({ id, isUncounted }) => (isUncounted ? [id] : [])))
}

/** One statement makes the rows that are missing and locks the others, which it leaves as they are. */
async function lockCounts(tx: Tx, counters: readonly CountRef[]): Promise<Map<string, CountRow>> {
  const { rows } = await sql<CountRow>`
    insert into send_count as s (environment_id, key, period_start)
    select distinct ${COUNTERS} from ${recordset(counters)}
    order by 1, 2, 3
    on conflict (environment_id, key, period_start) do update set count = s.count
    returning environment_id as "environmentId", key, period_start as "periodStart", count`.execute(tx)
  return new Map(rows.map((row) => [placeOf(row), row]))
}

async function keepCounts(tx: Tx, counts: readonly CountRow[], counted: readonly Wanted<CountRef>[], now: Date): Promise<void> {
  await sql`
    with kept as (
      update send_count s set count = c.count
      from ${recordset(counts)}
      where s.environment_id = c."environmentId" and s.key = c.key and s.period_start = c."periodStart" and s.count <> c.count
    )
    update message m set counted_at = ${now}
    from unnest(${counted.map((one) => one.environmentId)}::text[], ${counted.map((one) => one.messageId)}::text[])
      as c(environment_id, id)
    where m.environment_id = c.environment_id and m.id = c.id`.execute(tx)
}

/** Takes the counts of periods that began before: once those of a month go, a month must have passed. */
export async function forgetCounts(db: Db, before: Date): Promise<void> {
  await db.deleteFrom('send_count').where('period_start', '<', before).execute()
}

/** Takes the counts that are about one person. */
export async function eraseCounts(tx: Tx, environmentId: string, userId: string): Promise<void> {
  await sql`
    with mine as (
      select key, period_start from send_count
      where environment_id = ${environmentId}
        and split_part(key, E'\\n', 1) in ('USER', 'USER_TOPIC') and split_part(key, E'\\n', 3) = ${userId}
      order by key, period_start
      for update
    )
    delete from send_count s using mine
    where s.environment_id = ${environmentId} and s.key = mine.key and s.period_start = mine.period_start`.execute(tx)
}

const COUNTERS = sql`c."environmentId", c.key, c."periodStart"`

const recordset = (counters: readonly (CountRef | CountRow)[]) => sql`
  jsonb_to_recordset(${JSON.stringify(counters)}::jsonb)
    as c("environmentId" text, key text, "periodStart" timestamptz, count int)`

const placeOf = ({ environmentId, key, periodStart }: CountRef): string => `${environmentId}\n${key}\n${periodStart.getTime()}`
