import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileFault, UsageError } from './bulk-flaw.ts'
import { type Place, START } from './bulk-line.ts'
import type { JobState } from './bulk-watch.ts'

/** How far an import is: all that it takes to go on. */
export interface ImportState {
  readonly version: 1
  readonly server: string
  /** SHA-256 of the file. */
  readonly file: string
  /** SHA-256 of what was said of it: the message, where columns go. */
  readonly said: string
  /** Tells imports of the same apart: the job before it, empty for the first. */
  readonly round: string
  readonly jobId: string | null
  /** Before this place every row is added or in the reject file. */
  readonly place: Place
  /** How many calls there were up to it. */
  readonly batches: number
  readonly read: number
  readonly added: number
  /** How many rows were refused, by their codes. */
  readonly rejected: Readonly<Record<string, number>>
  /** The reject file, by its whole path; null before any was made. */
  readonly rejects: string | null
  /** How much of it are the rows up to the place. */
  readonly rejectBytes: number
  /** Whether the whole file was read: what is left is to send. */
  readonly isAdded: boolean
  /** Where the job stood at its end; null before that. */
  readonly outcome: JobState | null
}

/** The mode of what an import keeps: there are people in it. */
export const OWNER_ALONE = 0o600

export type Identity = Pick<ImportState, 'server' | 'file' | 'said'>

export function newState(identity: Identity, round: string, jobId: string | null): ImportState {
  return {
    version: 1,
    ...identity,
    round,
    jobId,
    place: START,
    batches: 0,
    read: 0,
    added: 0,
    rejected: {},
    rejects: null,
    rejectBytes: 0,
    isAdded: false,
    outcome: null,
  }
}

/** Where an import's state is kept; of standard input nowhere. */
export interface Keeper {
  /** Null where there is none. */
  read(): Promise<ImportState | null>
  /** Returns once it is on disk. Whoever stops us at any time leaves the state before or the one after. */
  write(state: ImportState): Promise<void>
}

export function createKeeper(path: string | null): Keeper {
  if (path === null) return { read: async () => null, write: async () => {} }
  return {
    async read() {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null
        throw new UsageError(`How far the import is cannot be read: ${fileFault(error, path)}.`)
      })
      return text === null ? null : stateIn(text, path)
    },
    async write(state) {
      const file = await open(`${path}.new`, 'w', OWNER_ALONE)
      try {
        await file.writeFile(`${JSON.stringify(state, null, 2)}\n`)
        await file.datasync()
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
      await syncFolderOf(path)
    },
  }
}

/** Writes the name of a file to disk as well: without it a loss of power may leave the file before it, or none. */
export async function syncFolderOf(path: string): Promise<void> {
  const folder = await open(dirname(path))
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function stateIn(text: string, path: string): ImportState {
  try {
    const state = JSON.parse(text) as ImportState
    if (state.version === 1 && typeof state.place.bytes === 'number') return state
  } catch {
    // Said below, as whatever else it may be.
  }
  throw new UsageError(`${path} is not what an import keeps. Move it away to begin anew.`)
}

export function hashOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

export async function hashOfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}
