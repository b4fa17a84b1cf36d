import { sql } from 'kysely'
import type { Db } from './database.ts'

/** Told for how many messages something was just written. Never rejects. */
export type Survey = (rows: number) => Promise<void>

/** So many rows lie in some pages, of which an index saves reading. */
const ENOUGH = 500

/**
 * Has PostgreSQL look at the messages where it never found any. Until it has, any of their indexes seems as good as their key
 * to check that the message of a plan or a delivery exists; each connection keeps the way that it chose, and one by user or
 * time may read all of them for each row. On a fresh database everything would get slower message by message, until
 * autovacuum came round after a minute or more.
 */
export function createSurvey(db: Db): Survey {
  let isSurveyed = false
  let written = 0
  return async (rows) => {
    written += rows
    if (isSurveyed || written < ENOUGH) return
    written = 0
    // What was written is written: a look that fails is made again after as many more.
    isSurveyed = await look(db).catch(() => false)
  }
}

async function look(db: Db): Promise<boolean> {
  const { rows } = await sql<{ isKnown: boolean }>`
    select reltuples > 0 as "isKnown" from pg_class where oid = 'message'::regclass`.execute(db)
  if (rows[0]?.isKnown === true) return true
  await sql`analyze (skip_locked) message`.execute(db)
  return false
}
