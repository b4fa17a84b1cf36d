import { type FileHandle, open, unlink } from 'node:fs/promises'
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
  close(): Promise<void>
}

const HEADER = 'line,code,reason,row\r\n'

/**
 * Goes on after `kept` bytes. The file is made with the first row, so that an import without rejects leaves none.
 *
 * @throws UsageError rather than writing over a file that is something else, or that should have a beginning and has none
 */
export async function openRejects(path: string, kept: number): Promise<RejectFile> {
  let file = await openOwn(path, kept)
  let bytes = kept
  return {
    get bytes() {
      return bytes
    },
    async begin() {
      if (file === null) return
      await file.truncate(kept)
      if (kept > 0) return
      await file.close()
      file = null
      await unlink(path)
    },
    async add(rejects) {
      if (rejects.length === 0) return
      if (file === null) {
        file = await open(path, 'w', OWNER_ALONE)
        await syncFolderOf(path)
      }
      const written = Buffer.from(`${bytes === 0 ? HEADER : ''}${rejects.map(lineOf).join('')}`)
      await writeWhole(file, written, bytes).catch((error: NodeJS.ErrnoException) => {
        const words = `The reject file cannot be written: ${fileFault(error, path)}.`
        throw new Error(`${words} Once it can be, the same command goes on where it was.`, { cause: error })
      })
      bytes += written.length
    },
    close: async () => file?.close(),
  }
}

/** A write may stop short without an error, as on a disk that is all but full; the next one then says why. */
async function writeWhole(file: FileHandle, content: Buffer, position: number): Promise<void> {
  for (let done = 0; done < content.length; ) {
    done += (await file.write(content, done, content.length - done, position + done)).bytesWritten
  }
  await file.datasync()
}

/** The file that an earlier run left; null where there is none. */
async function openOwn(path: string, kept: number): Promise<FileHandle | null> {
  const file = await open(path, 'r+').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null
    throw new UsageError(`The reject file cannot be written: ${fileFault(error, path)}.`)
  })
  if (file === null) {
    if (kept > 0) throw new UsageError(`${path} is gone, and rows were in it that are not refused twice. Put it back.`)
    return null
  }
  const { size } = await file.stat()
  const { buffer } = await file.read(Buffer.alloc(HEADER.length), 0, HEADER.length, 0)
  if (size >= kept && (size === 0 || buffer.toString() === HEADER)) return file
  await file.close()
  throw new UsageError(`${path} is not the reject file of this import: move it, or name another with --rejects.`)
}

function lineOf({ line, flaw, raw }: Reject): string {
  return `${line},${flaw.code},${quoted(flaw.reason)},${quoted(raw)}\r\n`
}

const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
