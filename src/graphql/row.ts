import { notFound } from '../errors.ts'
import { actorOf, type Context } from './context.ts'

/** One row by its id, in the environment of whoever asks. */
export function byId(context: Context, id: string) {
  return { where: { environmentId: actorOf(context).environmentId, id } }
}

/** What a command made. @throws Refusal NOT_FOUND where it was deleted meanwhile, or since the call that this one repeats */
export async function found<Row>(reading: Row | null | Promise<Row | null>, noun: string, id: string): Promise<Row> {
  const row = await reading
  if (row === null) throw notFound(noun, id)
  return row
}
