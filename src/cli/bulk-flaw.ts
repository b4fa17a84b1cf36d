/** Why a row of an import is refused. Ours, or the server's own code and words. */
export class Flaw {
  /** For programs: `NO_ADDRESS`, `DUPLICATE_USER`. */
  readonly code: string
  /** For people. */
  readonly reason: string

  constructor(code: string, reason: string) {
    this.code = code
    this.reason = reason
  }
}

/** What is wrong with the command, the message or the file as a whole: nothing is sent. */
export class UsageError extends Error {}

/** Why a file cannot be opened or written, without the system's own words where there are plain ones. */
export function fileFault({ code, message }: NodeJS.ErrnoException, path: string): string {
  if (code === 'ENOENT') return `there is no ${path}`
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') return `you may not open ${path}`
  if (code === 'EISDIR') return `${path} is a folder`
  if (code === 'ENOSPC') return `the disk of ${path} is full`
  return message
}
