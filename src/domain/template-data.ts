import { badInput, Refusal } from '../errors.ts'
import { dataProblems } from './data-schema.ts'
import { countValues } from './data-schema-cost.ts'
import { deepMerge, type JsonObject } from './json.ts'
import type { CheckedSend } from './send.ts'
import { findInSlices } from './slice.ts'

/** What of a send a template's data schema is about. */
export type Said = Pick<CheckedSend, 'data'> & { readonly definition: Pick<CheckedSend['definition'], 'data'> }

/** Values that are checked for one send, those of the shared data again for each who says something of their own: about 15 seconds. */
const MOST_VALUES = 10_000_000

/**
 * Why the data of a send do not satisfy a schema that checkDataSchema took; null where they do. What the recipients say over
 * the shared data is checked with it, one by one, in slices of time. Those who say nothing of their own are one to the schema.
 *
 * @returns BAD_USER_INPUT with the path of each fault; for `to`, where so many say something of their own over so much shared
 * data that the check would take too long
 */
export async function refuseData(schema: JsonObject, { definition, data }: Said): Promise<Refusal | null> {
  const silent = data.find((one) => one.data === null)
  const speaking = data.filter((one) => one.data !== null)
  const all = silent ? [silent, ...speaking] : speaking
  return refuseMany(definition.data, speaking) ?? findInSlices(all, (one) => refuseOne(schema, definition.data, one))
}

type Own = CheckedSend['data'][number]

/** Why what one recipient says over the shared data does not satisfy the schema; null where it does. */
export function refuseOne(schema: JsonObject, shared: JsonObject, { place, data: own }: Own): Refusal | null {
  const problems = dataProblems(schema, own === null ? shared : deepMerge(shared, own))
  if (problems.length === 0) return null
  const issues = problems.map(({ path, message }) => ({
    path: [...(isOwn(own, shared, path[0]) ? ['input', 'to', place, 'data'] : ['input', 'data']), ...path],
    message,
  }))
  return new Refusal('BAD_USER_INPUT', issues[0]!.message, { issues })
}

/** Why so many who say something of their own over so much shared data are not checked at once; null where they are not too many. */
export function refuseMany(shared: JsonObject, speaking: readonly Own[]): Refusal | null {
  if (speaking.length < 2) return null
  const own = speaking.reduce((sum, one) => sum + countValues(one.data), 0)
  const values = speaking.length * countValues(shared) + own
  if (values <= MOST_VALUES) return null
  const most = Math.floor((MOST_VALUES / values) * speaking.length)
  return badInput(
    ['input', 'to'],
    `${speaking.length.toLocaleString('en')} recipients have data of their own, and for each of them all of 'data' is checked ` +
      `against the schema of the template: with so much of it, send to at most ${most.toLocaleString('en')} of them at a time.`,
  )
}

/** Whether it is the recipient's part of the data where a problem is: what both leave out is looked for in the recipient's. */
function isOwn(own: JsonObject | null, shared: JsonObject, key: string | number | undefined): boolean {
  if (own === null) return false
  return key === undefined || Object.hasOwn(own, key) || !Object.hasOwn(shared, key)
}
