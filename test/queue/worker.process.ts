import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'kysely'
import type { Work } from '../../src/queue/kinds.ts'
import { createQueue } from '../../src/queue/run.ts'
import { settle } from '../../src/queue/settle.ts'
import { openStore } from '../../src/store/database.ts'

/**
 * A worker process for tests: `worker.process.ts <url> <name> <slow|quick>`. A slow one's provider answers only once
 * the table `answered` has a row. It writes what becomes of each job into the table `note`.
 */
const [url = '', name = '', pace = 'quick'] = process.argv.slice(2)
const store = await openStore({ url, poolSize: 10, allowUnsafe: true })

async function note(messageId: string, what: string): Promise<void> {
  await sql`insert into note (worker, message, what) values (${name}, ${messageId}, ${what})`.execute(store.db)
}

async function answer(): Promise<void> {
  while ((await sql`select 1 from answered`.execute(store.db)).rows.length === 0) await pause(50)
}

async function deliver({ messageId }: { messageId: string }, { job, holdsLease }: Work): Promise<void> {
  await note(messageId, 'began')
  if (pace === 'slow') await answer()
  await note(messageId, holdsLease() ? 'called' : 'refused to call')
  const settled = await store.db.transaction().execute((tx) => settle(tx, [job]))
  await note(messageId, settled.has(job.id) ? 'settled' : 'dropped')
}

const queue = createQueue({
  db: store.db,
  log: { warn() {}, error() {} },
  leaseSeconds: 3,
  slots: { single: 20, bulk: 0, webhook: 0, upkeep: 0 },
  onlyProcess: false,
  performers: { deliver },
  onWake: () => () => {},
})
await queue.start()
process.on('SIGTERM', async () => {
  await queue.stop({ deadlineMs: 5000 })
  await store.close()
})
