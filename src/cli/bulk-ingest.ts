import { type Api, CallError } from './api.ts'
import { type Batch, batched } from './bulk-batch.ts'
import { type Persistence, persist } from './bulk-call.ts'
import { Flaw } from './bulk-flaw.ts'
import type { Recipient } from './bulk-mapping.ts'
import { namesOf } from './bulk-names.ts'
import type { Reject, RejectFile } from './bulk-reject.ts'
import type { Row, Source } from './bulk-source.ts'
import { hashOf, type ImportState } from './bulk-state.ts'

export interface Ingestion {
  readonly api: Api
  readonly source: Source
  readonly rejects: RejectFile
  readonly persistence: Persistence
  /** Called after each batch, once what it says is true; it must be on disk when it returns. */
  keep(state: ImportState): Promise<void>
}

/** Enough that the server has the next call while it answers one. */
const CALLS_AT_ONCE = 3

/**
 * Adds everybody in the file behind the state's place to its job, and writes the others into the reject file. Batches are settled
 * in their order, and each has an idempotency key of its own: whoever is stopped and begins again makes the last calls once more,
 * and is answered as before.
 *
 * @returns the state at the end of the file
 */
export async function ingest(begun: ImportState, ingestion: Ingestion): Promise<ImportState> {
  const { api, source, persistence, keep } = ingestion
  const jobId = begun.jobId!
  const underWay: { readonly batch: Batch; readonly names: ReadonlySet<string>; readonly refused: Promise<Refused> }[] = []
  let state = begun
  const settle = async () => {
    const { batch, refused } = underWay.shift()!
    state = await settled(state, batch, await refused, ingestion.rejects)
    await keep(state)
  }
  for await (const batch of batched(source.rows(begun.place), begun.batches)) {
    persistence.signal.throwIfAborted()
    const names = namesIn(batch)
    // Of two rows with the same person the first counts, which it does not by itself in calls that run at once.
    while (underWay.length === CALLS_AT_ONCE || underWay.some((other) => share(other.names, names))) await settle()
    const refused = addUsers(api, jobId, batch, persistence)
    // Whoever comes first to throw is heard; what the others throw then is known.
    refused.catch(() => {})
    underWay.push({ batch, names, refused })
  }
  while (underWay.length > 0) await settle()
  return state
}

function share(some: ReadonlySet<string>, others: ReadonlySet<string>): boolean {
  for (const name of some) if (others.has(name)) return true
  return false
}

/** Who is in a batch. */
function namesIn({ rows }: Batch): ReadonlySet<string> {
  return new Set(rows.flatMap(({ to }) => (to === null ? [] : namesOf(to))))
}

async function settled(state: ImportState, { rows, end }: Batch, refused: Refused, rejects: RejectFile): Promise<ImportState> {
  const rejected = { ...state.rejected }
  const written: Reject[] = []
  for (const row of rows) {
    const flaw = row.flaw ?? refused.get(row)
    if (flaw === undefined) continue
    rejected[flaw.code] = (rejected[flaw.code] ?? 0) + 1
    written.push({ line: row.line, flaw, raw: row.raw })
  }
  await rejects.add(written)
  return {
    ...state,
    place: end,
    batches: state.batches + 1,
    read: state.read + rows.length,
    added: state.added + rows.length - written.length,
    rejected,
    rejectBytes: rejects.bytes,
  }
}

type Refused = ReadonlyMap<Row, Flaw>

interface Person {
  readonly row: Row
  readonly to: Recipient
}

interface AddAnswer {
  readonly addBulkUsers: { readonly errors: readonly { readonly index: number; readonly code: string; readonly error: string }[] }
}

const ADD = `mutation ($jobId: ID!, $users: [BulkUserInput!]!, $key: String!) {
  addBulkUsers(jobId: $jobId, users: $users, idempotencyKey: $key) { errors { index code error } }
}`

async function addUsers(api: Api, jobId: string, { index, rows }: Batch, persistence: Persistence): Promise<Refused> {
  const refused = new Map<Row, Flaw>()
  const add = async (people: readonly Person[]): Promise<void> => {
    if (people.length === 0) return
    const users = people.map(({ to }) => ({ to }))
    const key = `bulk-${hashOf([jobId, index, users])}`
    try {
      const { addBulkUsers } = await persist(() => api.call<AddAnswer>(ADD, { jobId, users, key }), persistence)
      for (const { index: at, code, error } of addBulkUsers.errors) refused.set(people[at]!.row, new Flaw(code, error))
    } catch (error) {
      const flaws = flawsIn(error, people.length)
      for (const [at, flaw] of flaws) refused.set(people[at]!.row, flaw)
      if (flaws.size > 0) return add(people.filter((_, at) => !flaws.has(at)))
      // It does not say whose fault it is: found by halves.
      const middle = Math.ceil(people.length / 2)
      await add(people.slice(0, middle))
      await add(people.slice(middle))
    }
  }
  await add(rows.flatMap((row) => (row.to === null ? [] : [{ row, to: row.to }])))
  return refused
}

/**
 * Whose fault it is that a whole call was refused, which GraphQL does where a value does not fit its type. Empty where that cannot
 * be told and there are several.
 *
 * @throws the refusal itself where it is nobody's
 */
function flawsIn(error: unknown, count: number): ReadonlyMap<number, Flaw> {
  if (!(error instanceof CallError)) throw error
  // Of a proxy, which has no codes.
  const code = error.code ?? (error.status === 413 ? 'PAYLOAD_TOO_LARGE' : '')
  if (!['BAD_USER_INPUT', 'PAYLOAD_TOO_LARGE'].includes(code)) throw error
  const flaws = new Map<number, Flaw>()
  for (const { path, message } of error.issues) {
    const [argument, at] = path
    if (argument === 'users' && typeof at === 'number' && at < count && !flaws.has(at)) {
      flaws.set(at, new Flaw(code, message))
    }
  }
  if (flaws.size === 0 && count === 1) flaws.set(0, new Flaw(code, error.message))
  return flaws
}
