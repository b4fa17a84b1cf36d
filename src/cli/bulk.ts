import { resolve } from 'node:path'
import type { Environment } from '../config.ts'
import { createApi } from './api.ts'
import { UsageError } from './bulk-flaw.ts'
import { type Added, addAll, finish, openedJob, openState, StillSending, type Workplace } from './bulk-import.ts'
import { START } from './bulk-line.ts'
import { lockFile } from './bulk-lock.ts'
import { BULK_USAGE, type BulkOptions, readOptions } from './bulk-options.ts'
import { createMeter, printableJson, type Screen } from './bulk-progress.ts'
import { openRejects } from './bulk-reject.ts'
import { CODES, countsText, lastWords, pastText, readProgress, sum, tellNobody, tellOutcome } from './bulk-report.ts'
import { openSource, type Source } from './bulk-source.ts'
import { createKeeper, type ImportState } from './bulk-state.ts'
import { hasEnded } from './bulk-watch.ts'
import { findServer } from './server-place.ts'

/** Where the command reads and writes: the summary to stdout, how far it is to stderr. */
export interface BulkStreams {
  readonly stdin: NodeJS.ReadableStream
  readonly stdout: NodeJS.WritableStream
  readonly stderr: Screen
}

/**
 * Sends one message to everybody in a CSV or JSON Lines file, once, however often it is stopped and started again. Rows that
 * nothing can be sent for go into a file with their reasons. `BULK_USAGE` has the options.
 *
 * @returns the exit code
 */
export async function sendBulk(
  args: readonly string[],
  env: Environment,
  streams: BulkStreams,
  signal: AbortSignal,
): Promise<number> {
  const stack = new AsyncDisposableStack()
  try {
    const options = await readOptions(args, env.INIT_CWD ?? '.')
    if (options === null) {
      streams.stdout.write(BULK_USAGE)
      return CODES.allSent
    }
    const source = await openSource(options, streams.stdin)
    stack.defer(() => source.close())
    // Standard input may have nothing to say for long.
    signal.addEventListener('abort', () => source.close())
    return options.isDryRun ? await tryRun(source, streams, signal) : await send(options, env, source, streams, signal, stack)
  } catch (error) {
    if (signal.aborted) {
      streams.stderr.write(`\n  ${stoppedText(error, args.includes('-'))}\n\n`)
      return CODES.failed
    }
    streams.stderr.write(`\n  ${lastWords(error)}\n\n`)
    return error instanceof UsageError ? CODES.usage : CODES.failed
  } finally {
    await stack.disposeAsync()
  }
}

/** What goes on after whoever gave the command was stopped, and what they can do. */
function stoppedText(error: unknown, isStandardInput: boolean): string {
  if (!(error instanceof StillSending)) {
    return `Stopped. ${isStandardInput ? 'With --job' : 'The same command'} goes on where it was.`
  }
  const { jobId } = error
  const again = isStandardInput ? `--job ${jobId}` : 'the same command'
  return `Stopped watching. The server goes on sending job ${jobId}; cancelBulkJob(id: "${jobId}") stops it; ${again} watches on.`
}

/** Reads it all and sends nothing. */
async function tryRun(source: Source, { stdout, stderr }: BulkStreams, signal: AbortSignal): Promise<number> {
  const meter = createMeter(stderr, () => performance.now())
  for (const line of source.mapping) meter.say(line)
  const rejected: Record<string, number> = {}
  let read = 0
  let sample: unknown = null
  const progress = (bytes: number) => readProgress('Reading', source, bytes, read, rejected)
  meter.begin(progress(0))
  for await (const { to, flaw, end } of source.rows(START)) {
    signal.throwIfAborted()
    read += 1
    if (flaw !== null) rejected[flaw.code] = (rejected[flaw.code] ?? 0) + 1
    else sample ??= { to }
    meter.show(progress(end.bytes))
  }
  meter.end()
  if (sample !== null) stdout.write(`\n  The first would be\n${printableJson(sample).replace(/^/gm, '    ')}\n`)
  stdout.write(
    `\n${countsText(read, read - sum(rejected), 'good', rejected)}\n\n  Nothing was sent. The server looks closer: ${CLOSER}\n\n`,
  )
  return sum(rejected) > 0 ? CODES.someRefused : CODES.allSent
}

/** A server that is put up anew, or whose database is, is back before that. */
const PATIENCE_MS = 10 * 60_000

const CLOSER = 'at addresses, and at who is there twice.'

async function send(
  options: BulkOptions,
  env: Environment,
  source: Source,
  { stdout, stderr }: BulkStreams,
  signal: AbortSignal,
  stack: AsyncDisposableStack,
): Promise<number> {
  const meter = createMeter(stderr, () => performance.now())
  const { url, key } = await findServer(env).catch((error: Error) => {
    throw new UsageError(error.message)
  })
  const kept = options.path === null ? null : `${options.path}.carillon.json`
  if (kept !== null) stack.defer(await lockFile(kept, 'How far the import is'))
  stack.defer(await lockFile(options.rejects, 'The reject file'))
  const keeper = createKeeper(kept)
  const found = await openState(options, url, keeper)
  const api = createApi(url, key, signal)
  stack.defer(() => api.close())
  const tools = { api, source, options, keeper, meter, persistence: { signal, complain: meter.say, patienceMs: PATIENCE_MS } }
  const added = found.outcome === null ? await addNow(found, tools, stack) : await addedBefore(found, tools, stdout)
  if (added.job === null || (added.job.status === 'CREATED' && added.job.received === 0)) return tellNobody(added.state, stdout)
  const isOver = added.isKnown && hasEnded(added.job)
  const outcome = isOver ? added.job : await finish(added.job, api, meter, tools.persistence)
  const state = { ...added.state, outcome }
  await keeper.write(state)
  return tellOutcome(state, stdout)
}

async function addNow(found: ImportState, tools: Omit<Workplace, 'rejects'>, stack: AsyncDisposableStack): Promise<Added> {
  const path = tools.options.rejects
  const rejects = await openRejects(path, found.rejectBytes, found.rejects === resolve(path))
  stack.defer(() => rejects.close())
  return addAll(found, { ...tools, rejects })
}

/** What was over may have been resumed, canceled or sent again to some since. */
async function addedBefore(found: ImportState, tools: Omit<Workplace, 'rejects'>, stdout: NodeJS.WritableStream): Promise<Added> {
  const job = await openedJob(found, tools)
  stdout.write(`\n  ${pastText('This', job)}\n`)
  return { state: found, job, isKnown: true }
}
