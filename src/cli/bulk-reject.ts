import { type FileHandle, open, rm, stat } from 'node:fs/promises'
import { type Flaw, fileFault, UsageError } from './bulk-flaw.ts'
import { OWNER_ALONE, syncFolderOf } from './bulk-state.ts'

/** A row that nothing is sent for. */
export interface Reject {
  readonly line: number
  readonly flaw: Flaw
  /** As the file has it; bytes that are no text are shown as such. */
  readonly raw: string
}

/** The file of refused rows, written as they are found. */
export interface RejectFile {
  /** How long it is. */
  readonly bytes: number
  /** Takes off what stands behind the bytes that are kept: those rows are written again. */
  begin(): Promise<void>
  /** Writes rows, and returns once they are on disk. */
  add(rejects: readonly Reject[]): Promise<void>
  /** An import without rejects leaves no file. */
  close(): Promise<void>
}

const HEADER = 'line,code,reason,row\r\n'

/**
 * Goes on after `kept` bytes. The file is made at once: where it cannot be, nothing is sent.
 *
 * @param isOurs whether the import's own state names it; what stands behind `kept` bytes is then what it left
 * @throws UsageError rather than writing over a file that is something else, or that should have a beginning and has none
 */
export async function openRejects(path: string, kept: number, isOurs: boolean): Promise<RejectFile> {
  const made = kept === 0 ? await makeFile(path) : null
  const file = made ?? (await openOwn(path, kept, isOurs))
  let bytes = kept
  return {
    get bytes() {
      return bytes
    },
    begin: () => file.truncate(kept),
    async add(rejects) {
      if (rejects.length === 0) return
      const written = Buffer.from(`${bytes === 0 ? HEADER : ''}${rejects.map(lineOf).join('')}`)
      await writeWhole(file, written, bytes).catch((error: NodeJS.ErrnoException) => {
        const words = `The reject file cannot be written: ${fileFault(error, path)}.`
        throw new Error(`${words} Once it can be, the same command goes on where it was.`, { cause: error })
      })
      bytes += written.length
    },
    async close() {
      const { size } = await file.stat()
      await file.close()
      if (size === 0 && (made !== null || isOurs)) await rm(path, { force: true })
    },
  }
}

const unwritable = (error: NodeJS.ErrnoException, path: string) =>
  new UsageError(`The reject file cannot be written: ${fileFault(error, path)}.`)

/** Null where there is a file, or something else, of that name. */
async function makeFile(path: string): Promise<FileHandle | null> {
  try {
    const file = await open(path, 'wx+', OWNER_ALONE)
    await syncFolderOf(path)
    return file
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return null
    throw unwritable(error as NodeJS.ErrnoException, path)
  }
}

/** A write may stop short without an error, as on a disk that is all but full; the next one then says why. */
async function writeWhole(file: FileHandle, content: Buffer, position: number): Promise<void> {
  for (let done = 0; done < content.length; ) {
    done += (await file.write(content, done, content.length - done, position + done)).bytesWritten
  }
  await file.datasync()
}

/** The file that an earlier run left. */
async function openOwn(path: string, kept: number, isOurs: boolean): Promise<FileHandle> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw unwritable(error, path)
    throw new UsageError(`${path} is gone, and rows were in it that are not refused twice. Put it back.`)
  })
  if (!found.isFile()) throw new UsageError(`The reject file cannot be written: ${path} is no file.`)
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    throw unwritable(error, path)
  })
  const { buffer } = await file.read(Buffer.alloc(HEADER.length), 0, HEADER.length, 0)
  const isRejectFile = found.size >= kept && (found.size === 0 || buffer.toString() === HEADER)
  const hasOthersRows = isRejectFile && kept === 0 && !isOurs && found.size > HEADER.length
  if (isRejectFile && !hasOthersRows) return file
  await file.close()
  const words = hasOthersRows ? 'has the refused rows of another import' : 'is not the reject file of this import'
  throw new UsageError(`${path} ${words}: move it, or name another with --rejects.`)
}

function lineOf({ line, flaw, raw }: Reject): string {
  return `${line},${flaw.code},${quoted(flaw.reason)},${quoted(raw)}\r\n`
}

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
