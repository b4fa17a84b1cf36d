import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { Api } from './api.ts'
import { type Persistence, persist, persistAtFirst } from './bulk-call.ts'
import { UsageError } from './bulk-flaw.ts'
import { ingest } from './bulk-ingest.ts'
import type { Choices } from './bulk-mapping.ts'
import type { BulkOptions } from './bulk-options.ts'
import type { Meter } from './bulk-progress.ts'
import type { RejectFile } from './bulk-reject.ts'
import { pastText, readProgress, sendProgress } from './bulk-report.ts'
import type { Source } from './bulk-source.ts'
import { hashOf, hashOfFile, type Identity, type ImportState, type Keeper, newState } from './bulk-state.ts'
import { askForJob, type JobState, runJob, watchJob } from './bulk-watch.ts'

/** The state that an earlier run left, if it is of the same import; otherwise that of a new one. */
export async function openState(options: BulkOptions, server: string, keeper: Keeper): Promise<ImportState> {
  const { path, message, format, delimiter, choices, job, isAgain } = options
  const file = path === null ? randomUUID() : await hashOfFile(path)
  const identity: Identity = { server, file, said: hashOf([message, format, delimiter, sorted(choices)]) }
  const kept = await keeper.read()
  if (kept === null) return newState(identity, isAgain ? randomUUID() : '', job)
  const differs = [
    ...(kept.server === identity.server ? [] : [`the server was ${kept.server}`]),
    ...(kept.file === identity.file ? [] : ['the file has changed']),
    ...(kept.said === identity.said ? [] : ['the message or the options for columns differ']),
    ...(job === null || job === kept.jobId ? [] : [`the job was ${kept.jobId}`]),
  ]
  // Nobody was in it, so nothing was sent.
  if (kept.jobId === null && differs.length > 0) return { ...newState(identity, '', job), rejects: kept.rejects }
  if (isAgain && (differs.length > 0 || kept.outcome !== null)) {
    // Those of the import before are its own to write over.
    return { ...newState(identity, kept.jobId!, job), rejects: kept.rejects }
  }
  if (differs.length === 0) return goneOn(kept, options)
  throw new UsageError(
    `${path}.carillon.json keeps an earlier import: ${differs.join(', ')}. Give what that one was begun with, or delete ${path}.carillon.json to begin a new import.`,
  )
}

/** The order in which options were given means nothing. */
function sorted(choices: Choices): readonly unknown[] {
  return [...choices].toSorted(([one], [other]) => (one < other ? -1 : 1))
}

/** @throws UsageError where refused rows stand in another file than is named now */
function goneOn(kept: ImportState, { rejects }: BulkOptions): ImportState {
  if (kept.outcome !== null || kept.rejectBytes === 0 || kept.rejects === resolve(rejects)) return kept
  throw new UsageError(`The rows that were refused so far are in ${kept.rejects}: name that with --rejects.`)
}

/** What an import works with. */
export interface Workplace {
  readonly api: Api
  readonly source: Source
  readonly options: BulkOptions
  readonly rejects: RejectFile
  readonly keeper: Keeper
  readonly meter: Meter
  readonly persistence: Persistence
}

const CREATE = `mutation ($input: CreateBulkJobInput!) { createBulkJob(input: $input) { id } }`

/** The state with a job, which is made once, also when its answer was lost. */
async function openJob(state: ImportState, { options, api, keeper, persistence }: Workplace): Promise<ImportState> {
  if (state.jobId !== null) return state
  const input = {
    message: options.message,
    idempotencyKey: `bulk-${hashOf([state.server, state.file, state.said, state.round])}`,
  }
  const answer = await persistAtFirst(() => api.call<{ createBulkJob: { id: string } }>(CREATE, { input }), persistence)
  const made = { ...state, jobId: answer.createBulkJob.id }
  await keeper.write(made)
  return made
}

/** An import whose file was read, and its job as it stands then. */
export interface Added {
  readonly state: ImportState
  /** Null where nobody was there to make one for. */
  readonly job: JobState | null
  /** Whether an import of the same content and message, whose state is not here, had run the job before. */
  readonly isKnown: boolean
}

/** Adds everybody that is still to be added, to a job that is made where there is anybody. */
export async function addAll(found: ImportState, work: Workplace): Promise<Added> {
  const { source, options, meter } = work
  for (const line of source.mapping) meter.say(line)
  const begun = { ...found, rejects: resolve(options.rejects) }
  const isEmpty = begun.jobId === null && !(await source.hasAnybody())
  if (isEmpty) return { state: await readAll(begun, work), job: null, isKnown: false }
  return add(await openJob(begun, work), work)
}

async function add(begun: ImportState, work: Workplace): Promise<Added> {
  const { api, options, meter, persistence } = work
  const job = await openedJob(begun, work)
  // Its state was lost, or never kept, and it is run once everybody is added: nobody could be added to it any more.
  const isKnown =
    !begun.isAdded && job.status !== 'CREATED' && begun.read === 0 && (options.job === null || options.path === null)
  if (isKnown) {
    meter.say(knownText(job, options))
    return { state: begun, job, isKnown }
  }
  meter.say(`Job ${job.id} at ${api.url}${begun.read > 0 ? `: it goes on after line ${begun.place.lines}.` : '.'}`)
  if (begun.isAdded) return { state: begun, job, isKnown }
  if (job.status !== 'CREATED') {
    throw new Error(
      `The job is ${job.status} already: what is behind line ${begun.place.lines} of the file was not added to it. ${anew(options)}`,
    )
  }
  const state = await readAll(begun, work)
  return { state, job: (await persist(() => askForJob(api, job.id), persistence)) ?? job, isKnown }
}

/** The job of an import that was begun before, as it stands. */
export async function openedJob(
  { jobId }: ImportState,
  { api, options, persistence }: Pick<Workplace, 'api' | 'options' | 'persistence'>,
): Promise<JobState> {
  const job = await persistAtFirst(() => askForJob(api, jobId!), persistence)
  if (job !== null) return job
  const words = `${api.url} has no job '${jobId}'.`
  throw options.job === null ? new Error(`${words} ${anew(options)}`) : new UsageError(words)
}

/**
 * Reads all of the file that was not read: who is in it is added to the job, the others are refused. Where nobody is in it there
 * need be no job.
 */
async function readAll(begun: ImportState, work: Workplace): Promise<ImportState> {
  if (begun.isAdded) return begun
  const { api, source, rejects, keeper, meter, persistence } = work
  // Named before a row is in it: whoever goes on knows it by that.
  await keeper.write(begun)
  await rejects.begin()
  const progress = (state: ImportState) => readProgress('Adding', source, state.place.bytes, state.read, state.rejected)
  meter.begin(progress(begun))
  const keep = async (state: ImportState) => {
    await keeper.write(state)
    meter.show(progress(state))
  }
  const state = { ...(await ingest(begun, { api, source, rejects, persistence, keep })), isAdded: true }
  await keeper.write(state)
  meter.end()
  return state
}

/** Why nobody is added to a job. */
function knownText(known: JobState, { job }: BulkOptions): string {
  if (job !== null) return `Job ${known.id} was run already: nobody is added to it, and nobody is sent to again.`
  return pastText('This content with this message', known)
}

/** What to do where an import cannot go on. */
function anew({ path, job }: BulkOptions): string {
  return job !== null || path === null ? '' : `To begin anew, move ${path}.carillon.json away and take --again.`
}

/** Whoever watched a job was stopped, which stops nothing on the server. */
export class StillSending extends Error {
  readonly jobId: string

  constructor(jobId: string, options: ErrorOptions) {
    super(`Job ${jobId} is being sent.`, options)
    this.jobId = jobId
  }
}

/**
 * Runs the job, unless that was done, and watches it to its end.
 *
 * @throws StillSending where the signal ends the watching
 */
export async function finish(job: JobState, api: Api, meter: Meter, persistence: Persistence): Promise<JobState> {
  try {
    if (job.status === 'CREATED') await runJob(api, job.id, persistence)
    meter.begin(sendProgress(job))
    const outcome = await watchJob(api, job.id, (state) => meter.show(sendProgress(state)), persistence)
    meter.end()
    return outcome
  } catch (cause) {
    throw persistence.signal.aborted ? new StillSending(job.id, { cause }) : cause
  }
}
