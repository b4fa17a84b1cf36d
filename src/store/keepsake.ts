import type { Db } from './database.ts'

/** What the installation remembers under a name: made when missing; of several processes that make it at once, one wins for all. */
export async function keepsake(db: Db, name: string, make: () => string): Promise<string> {
  const before = await read(db, name)
  if (before !== undefined) return before
  await db
    .insertInto('keepsake')
    .values({ name, value: make() })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  return (await read(db, name))!
}

async function read(db: Db, name: string): Promise<string | undefined> {
  return (await db.selectFrom('keepsake').select('value').where('name', '=', name).executeTakeFirst())?.value
}
