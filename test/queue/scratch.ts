import { sql } from 'kysely'
import { enqueue } from '../../src/queue/enqueue.ts'
import type { Claimed, Held, Lane, Perform } from '../../src/queue/kinds.ts'
import { createQueue, type Queue, type QueueOptions } from '../../src/queue/run.ts'
import { settle } from '../../src/queue/settle.ts'
import { type Db, openStore } from '../../src/store/database.ts'
import { testDatabase } from '../support/database.ts'

export interface Scratch {
  readonly url: string
  readonly db: Db
  /** A queue on this database, stopped when the scratch is dropped. */
  queue(options: Partial<QueueOptions> & { perform: Perform<'deliver'> }): Queue
  drop(): Promise<void>
}

const silent: QueueOptions['log'] = { warn() {}, error() {} }

export async function scratch(): Promise<Scratch> {
  const database = await testDatabase()
  const store = await openStore({ url: database.url, poolSize: 16 })
  // A test breaks connections that are in use; unheard, the event would end the process.
  store.pool.on('connect', (client) => client.on('error', () => {}))
  const queues: Queue[] = []
  return {
    url: database.url,
    db: store.db,
    queue({ perform, ...options }) {
      const queue = createQueue({
        db: store.db,
        log: silent,
        leaseSeconds: 60,
        slots: { single: 10, bulk: 0, webhook: 0, upkeep: 0 },
        onlyProcess: false,
        performers: { deliver: perform },
        onWake: () => () => {},
        ...options,
      })
      queues.push(queue)
      return queue
    },
    async drop() {
      for (const queue of queues) await queue.stop({ deadlineMs: 0 })
      await store.close()
      await database.drop()
    },
  }
}

/** Enqueues `count` deliveries for one fairness key; their messages are named `<key>-1`, `<key>-2` … */
export async function enqueueFor(db: Db, fairnessKey: string, count: number, lane: Lane = 'single'): Promise<void> {
  const jobs = Array.from({ length: count }, (_, index) => ({
    kind: 'deliver' as const,
    lane,
    fairnessKey,
    payload: { environmentId: 'production', messageId: `${fairnessKey}-${index + 1}` },
  }))
  await db.transaction().execute((tx) => enqueue(tx, jobs))
}

export async function settleNow(db: Db, job: Held): Promise<boolean> {
  const settled = await db.transaction().execute((tx) => settle(tx, [job]))
  return settled.has(job.id)
}

export async function waiting(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) from job where holder is null`.execute(db)
  return rows[0]?.count ?? 0
}

export async function left(db: Db): Promise<number> {
  const { rows } = await sql<{ count: number }>`select count(*) from job`.execute(db)
  return rows[0]?.count ?? 0
}

export function messageOf(job: Claimed): string {
  return (job.payload as { messageId: string }).messageId
}
