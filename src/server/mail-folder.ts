import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import PostalMime, { type Address, type Email } from 'postal-mime'
import { type Journal, type JournalEntry, openJournal } from './mail-journal.ts'

export interface MailSummary {
  readonly id: number
  readonly subject: string
  readonly from: string
  readonly to: string
  /** When it was caught. */
  readonly at: Date
}

export interface CaughtMail extends MailSummary {
  readonly content: Email
}

export interface MailFolder {
  /** Keeps a mail and answers its number. Numbers rise, over restarts too. */
  add(source: Buffer): Promise<number>
  /** Newest first. `before`: only mails of a smaller number. */
  list(first: number, before?: number): Promise<readonly MailSummary[]>
  readonly count: number
  read(id: number): Promise<CaughtMail | null>
  source(id: number): Promise<Buffer | null>
  /** What has no file of its own yet stays in the journal, for the next to open the folder. */
  close(): Promise<void>
}

/** A tenth more than are kept may lie there, so that old mails go in batches and not one with every new one. */
const SLACK = 1.1
/** While mails come faster than this they are only noted; their files are made afterwards. */
const QUIET_MS = 50
/** How much may wait for a file of its own, in bytes of memory, before no more is taken. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024

/**
 * Mails as files of a folder, `7.eml`, readable by their owner alone. They are parsed only when they are asked for. To
 * catch one costs a line in a journal: making a file is dearer than all the rest of a mail's way, so that is done when
 * no more mails come. A file that vanished meanwhile is as if it had never been.
 */
export async function openMailFolder(dir: string, maxKept: number): Promise<MailFolder> {
  await mkdir(dir, { recursive: true, mode: 0o700 })
  await chmod(dir, 0o700)
  const ids = (await readdir(dir)).flatMap(readId).sort((a, b) => a - b)
  const { journal, left } = await openJournal(join(dir, 'journal'))
  const files = createFiles(dir, journal)
  const known = new Set(ids)
  for (const entry of left) {
    // Its file may be there, but cut: it is made again.
    files.add(entry)
    if (!known.has(entry.id)) insert(ids, entry.id)
  }
  let last = ids.at(-1) ?? 0

  async function add(source: Buffer): Promise<number> {
    last += 1
    const entry = { id: last, at: new Date(), source }
    await files.room()
    // First, so that the journal is not cleared of what was just written to it.
    files.add(entry)
    await journal.append(entry)
    insert(ids, entry.id)
    if (ids.length > maxKept * SLACK) files.remove(ids.splice(0, ids.length - maxKept))
    return entry.id
  }

  async function list(first: number, before = Number.POSITIVE_INFINITY): Promise<readonly MailSummary[]> {
    const end = ids.findLastIndex((id) => id < before) + 1
    const page = ids.slice(Math.max(0, end - first), end).reverse()
    const mails = await Promise.all(page.map(read))
    return mails.flatMap((mail) => (mail ? [summarise(mail)] : []))
  }

  async function read(id: number): Promise<CaughtMail | null> {
    const entry = await files.read(id)
    return entry && describe(id, entry.at, await PostalMime.parse(entry.source))
  }

  return {
    add,
    list,
    read,
    source: async (id) => (await files.read(id))?.source ?? null,
    get count() {
      return ids.length
    },
    async close() {
      await files.stop()
      await journal.close()
    },
  }
}

/** Makes the files of mails that stand in the journal, one after the other, when it is quiet or much is waiting. */
function createFiles(dir: string, journal: Journal) {
  const waiting = new Map<number, JournalEntry>()
  let bytes = 0
  let lastCame = 0
  let timer: NodeJS.Timeout | undefined
  let work: Promise<void> | undefined
  let stopped = false

  const pathOf = (id: number) => join(dir, `${id}.eml`)
  const isDue = () => bytes > MAX_WAITING_BYTES / 2 || Date.now() - lastCame >= QUIET_MS

  function forget(entry: JournalEntry): void {
    if (waiting.delete(entry.id)) bytes -= entry.source.length
  }

  async function makeAll(): Promise<void> {
    for (const entry of waiting.values()) {
      if (stopped || !isDue()) return
      await writeFile(pathOf(entry.id), entry.source, { mode: 0o600 })
      await utimes(pathOf(entry.id), entry.at, entry.at)
      forget(entry)
    }
    if (waiting.size === 0) await journal.clear()
  }

  function schedule(): void {
    if (stopped || timer || work || waiting.size === 0) return
    timer = setTimeout(run, isDue() ? 0 : QUIET_MS)
  }

  function run(): void {
    timer = undefined
    // A disk that takes no files now may take them later: what is not made stays in the journal.
    work = makeAll()
      .catch(() => {
        lastCame = Date.now() + 1_000
      })
      .finally(() => {
        work = undefined
        schedule()
      })
  }

  return {
    add(entry: JournalEntry): void {
      waiting.set(entry.id, entry)
      bytes += entry.source.length
      schedule()
      lastCame = Date.now()
    },
    async room(): Promise<void> {
      while (bytes > MAX_WAITING_BYTES && work) await work
    },
    async read(id: number): Promise<{ at: Date; source: Buffer } | null> {
      const entry = waiting.get(id)
      if (entry) return entry
      try {
        const [source, { mtime }] = await Promise.all([readFile(pathOf(id)), stat(pathOf(id))])
        return { source, at: mtime }
      } catch {
        return null
      }
    },
    remove(ids: readonly number[]): void {
      for (const id of ids) {
        const entry = waiting.get(id)
        if (entry) forget(entry)
        rm(pathOf(id), { force: true }).catch(() => {})
      }
    },
    async stop(): Promise<void> {
      stopped = true
      clearTimeout(timer)
      await work
    },
  }
}

/** Writes may end in another order than they began: nearly always this is a push. */
function insert(ids: number[], id: number): void {
  ids.splice(ids.findLastIndex((other) => other < id) + 1, 0, id)
}

function readId(file: string): number[] {
  const digits = /^(\d{1,15})\.eml$/.exec(file)?.[1]
  return digits === undefined ? [] : [Number(digits)]
}

function describe(id: number, at: Date, content: Email): CaughtMail {
  return {
    id,
    at,
    subject: content.subject ?? '',
    from: writeAddresses(content.from ? [content.from] : []),
    to: writeAddresses(content.to ?? []),
    content,
  }
}

function summarise({ id, subject, from, to, at }: CaughtMail): MailSummary {
  return { id, subject, from, to, at }
}

function writeAddresses(addresses: readonly Address[]): string {
  return addresses.map(({ name, address }) => (name && address ? `${name} <${address}>` : (address ?? name))).join(', ')
}
