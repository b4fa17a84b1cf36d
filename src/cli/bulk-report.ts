import { CallError } from './api.ts'
import { type Progress, printable, whole } from './bulk-progress.ts'
import type { Source } from './bulk-source.ts'
import type { ImportState } from './bulk-state.ts'
import type { JobState } from './bulk-watch.ts'

/** What the command ends with, for scripts. */
export const CODES = { allSent: 0, failed: 1, usage: 2, someRefused: 3 } as const

export function sendProgress({ status, received, failures, counts }: JobState): Progress {
  const done = counts.sent + counts.failed + counts.skipped + counts.canceled + failures
  const notes = [
    ...(status === 'PAUSED' ? ['paused'] : []),
    ...(counts.failed + failures > 0 ? [`${whole(counts.failed + failures)} failed`] : []),
    ...(counts.skipped > 0 ? [`${whole(counts.skipped)} skipped`] : []),
  ]
  return {
    label: 'Sending',
    fraction: received === 0 ? 1 : Math.min(1, done / received),
    count: done,
    total: received,
    note: notes.join(', '),
  }
}

export function readProgress(
  label: string,
  source: Source,
  bytes: number,
  read: number,
  rejected: ImportState['rejected'],
): Progress {
  const refused = sum(rejected)
  return {
    label,
    fraction: source.bytes === null ? null : Math.min(1, bytes / Math.max(1, source.bytes)),
    count: read,
    total: null,
    note: refused > 0 ? `${whole(refused)} rejected` : '',
  }
}

/** Why it ends early, and what to do. */
export function lastWords(error: unknown): string {
  const message = (error as Error).message.split('\n').map(printable).join('\n')
  if (!(error instanceof CallError) || error.status !== 0 || error.code !== null) return message
  return `${message} Set CARILLON_PUBLIC_URL to where the server is, or PORT where it is on this machine.`
}

/** Says what became of an import. Returns the exit code. */
export function tellOutcome(
  { read, added, rejected, rejects, isAdded, outcome }: ImportState,
  stdout: NodeJS.WritableStream,
): number {
  const { id, status, error, failures, counts } = outcome!
  const failed = counts.failed + failures
  const lines = [
    // Of an import that another run made, its counts are not here.
    ...(isAdded ? ['', countsText(read, added, 'added', rejected)] : []),
    ...(sum(rejected) > 0 ? [rejectsText(rejects)] : ['']),
    `  Job ${id} is ${status}${error === null ? '' : `: ${printable(error)}`}`,
    ...[
      ['sent', counts.sent] as const,
      ['failed', failed] as const,
      ['skipped', counts.skipped] as const,
      ['canceled', counts.canceled] as const,
    ].flatMap(([name, count]) => (count > 0 || name === 'sent' ? [countLine(name, count)] : [])),
    '',
  ]
  stdout.write(`${lines.join('\n')}\n`)
  if (status !== 'COMPLETED') return CODES.failed
  return failed > 0 || sum(rejected) > 0 ? CODES.someRefused : CODES.allSent
}

/** Says that an import has nobody to send to. Returns the exit code. */
export function tellNobody({ read, added, rejected, rejects }: ImportState, stdout: NodeJS.WritableStream): number {
  const isRejected = sum(rejected) > 0
  stdout.write(
    `\n${countsText(read, added, 'added', rejected)}\n${isRejected ? rejectsText(rejects) : ''}\n  There is nobody to send to.\n\n`,
  )
  return isRejected ? CODES.someRefused : CODES.allSent
}

const rejectsText = (rejects: string | null) => `  The rejected rows are in ${printable(rejects ?? '')}, each with its reason.\n`

/**
 * What became of an import that is over, by how its job stands now.
 *
 * @param what was given to be sent: 'This'
 */
export function pastText(what: string, { id, status }: JobState): string {
  const resume = status === 'ERROR' ? ` resumeBulkJob(id: "${id}") goes on with it.` : ''
  return `${what} ${PAST[status]}, as job ${id}.${resume} Nobody is sent to again; --again sends to everybody anew.`
}

const PAST: Readonly<Record<JobState['status'], string>> = {
  CREATED: 'was given to be sent already',
  PROCESSING: 'is being sent already',
  PAUSED: 'was given to be sent already, and paused',
  COMPLETED: 'was sent already',
  CANCELED: 'was given to be sent, and canceled',
  ERROR: 'was given to be sent, and given up',
}

export function countsText(read: number, good: number, goodName: string, rejected: ImportState['rejected']): string {
  const codes = Object.entries(rejected).sort(([one], [other]) => (one < other ? -1 : 1))
  return [
    countLine('read', read),
    countLine(goodName, good),
    countLine('rejected', sum(rejected)),
    ...codes.map(([code, count]) => `  ${countLine(code, count)}`),
  ].join('\n')
}

const countLine = (name: string, count: number) => `  ${whole(count).padStart(11)}  ${name}`

export const sum = (counts: Readonly<Record<string, number>>) => Object.values(counts).reduce((all, one) => all + one, 0)
